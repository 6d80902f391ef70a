<?php
// apcu.php ITEMS READS - prints the ns of each of some turns of apcu_fetch(), on as many items with
// 16-byte keys and 100-byte values, chosen at random; an empty loop is taken off.
[, $items, $reads] = $argv;
$items = (int)$items;
$keys = [];
for ($i = 0; $i < $items; $i++) {
    $keys[$i] = sprintf('%016x', ($i * 2654435761) % 4294967296);
    if (!apcu_store($keys[$i], str_repeat(chr(65 + $i % 26), 100))) {
        fwrite(STDERR, "apcu_store failed at item $i\n");
        exit(1);
    }
}
$sequence = [];
for ($i = 0; $i < (int)$reads; $i++) {
    $sequence[$i] = mt_rand(0, $items - 1);
}
for ($turn = 0; $turn < 5; $turn++) {
    $began = hrtime(true);
    foreach ($sequence as $i) {
        $key = $keys[$i];
    }
    $empty = hrtime(true) - $began;
    $began = hrtime(true);
    foreach ($sequence as $i) {
        if (apcu_fetch($keys[$i]) === false) {
            fwrite(STDERR, "an item is gone\n");
            exit(1);
        }
    }
    echo (hrtime(true) - $began - $empty) / (int)$reads, "\n";
}
