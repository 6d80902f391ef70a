<?php
// SPDX-License-Identifier: BSD-2-Clause
// Copyright (c) 2026 the Accord authors
// remember.php DATABASE NAME - a package's version, from this host's cache or from the database.
// Needs phpredis (Debian: php-redis) and the sqlite3 program, which stands in for a driver.

function remember(string $key, callable $load, int $ttl_ms = 3600000): string
{
    $cache = new Redis();
    $socket = getenv('ACCORD_SOCKET') ?: '/run/accord/accord.sock';
    try { // 3.0 s to connect and to read: more than LOAD waits
        $cache->pconnect($socket, 0, 3.0, '', 0, 3.0);
        $list = $cache->rawCommand('ACCORD.GET', $key, 'LOAD', 2000); // a map, as a list of pairs
    } catch (RedisException $e) {
        $cache->close(); // so that no late answer is taken for the next one
        return $load(); // no cache, or it hangs: the origin still answers
    }
    $got = array_column(array_chunk($list, 2), 1, 0);
    if ($got['state'] === 'hit' || ($got['state'] === 'stale' && !$got['may_load']))
        return $got['value'];
    $value = $load(); // one process of this host at a time comes here for one key
    try {
        if ($got['token']) // taken before the load: if the key was removed since, this is refused
            $cache->rawCommand('ACCORD.FILL', $key, $value, 'TOKEN', $got['token'], 'PX', $ttl_ms);
    } catch (RedisException $e) {
        $cache->close(); // a daemon lost meanwhile: the value is good
    }
    return $value;
}

[, $database, $name] = $argv;

$load = function () use ($database, $name): string {
    fwrite(STDERR, "loading $name\n");
    $query = "SELECT version FROM package WHERE name = '" . str_replace("'", "''", $name) . "'";
    return trim(shell_exec('sqlite3 ' . escapeshellarg($database) . ' ' . escapeshellarg($query)));
};

echo remember("package:$name", $load), "\n";
