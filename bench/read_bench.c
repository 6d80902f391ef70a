/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* read_bench.c - a read hit against a plain table: 1 M items, 16-byte keys, 100-byte values.
 *
 * The plain table is what one would write inside one process with nothing to protect: XXH3,
 * open addressing, slots of 8 bytes at most half full, items one after the other, a copy of the
 * value. No lock, no lease, no expiry, no eviction. Both lie in shared memory of the same kind
 * of pages, and read the same sequence of keys in short turns. Time is the processor's, which a
 * turn that is interrupted does not lose: neither side waits for anything but memory.
 *
 * Beside it: the same reads while a process writes 100,000 items a second; and what other
 * caches within a process take, LMDB (one read transaction, the value copied) and PHP's APCu
 * (which makes a PHP string of it).
 */
#include "bench.h"

#include "cache/reader.h"
#include "cache/writer.h"
#include "node/clock.h"

#define XXH_INLINE_ALL
#include <lmdb.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    ITEMS = 1000000,
    KEY_BYTES = 16,
    VALUE_BYTES = 100,
    ITEM_BYTES = KEY_BYTES + VALUE_BYTES,
    SLOTS = 1 << 21, /* the least power of two that is at most half full */
    READS = 2000000, /* in the sequence */
    TURN = 100000,   /* reads of one measurement */
    TURNS = 61,
    MANY = 16,
    WRITES_A_MS = 100,
};
#define LMDB_BYTES (1ull << 30)

struct cache {
    struct segment_sizes sizes;
    struct node_clock clock;
    struct writer *writer;
    struct reader reader;
};

struct table {
    uint64_t *slots; /* tag:32 | item number + 1:32; 0: empty */
    uint8_t *items;
};

static struct cache cache;
static struct table table;
static struct {
    MDB_env *env;
    MDB_txn *reading;
    MDB_dbi all;
} lmdb;
static uint32_t *sequence; /* which item each read wants */
static volatile uint64_t sink;

static void *map_shared(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* Cheap to make, so that what is timed is the lookup. */
static void make_key(uint32_t item, uint8_t key[KEY_BYTES])
{
    uint64_t words[2] = {mix(item + 1), item};
    memcpy(key, words, KEY_BYTES);
}

static void make_value(uint32_t item, uint8_t value[VALUE_BYTES])
{
    memset(value, (int)(item & 0xff), VALUE_BYTES);
    memcpy(value, &item, sizeof item);
}

/* ---- the two stores ------------------------------------------------------------------------
 */

static void open_cache(void)
{
    static const struct segment_namespace fallback = {.name = "default"};
    struct segment_settings s = {.memory_bytes = 192u << 20,
                                 .incarnation = {1, 2},
                                 .seed = 42,
                                 .namespaces = &fallback,
                                 .namespace_count = 1};

    clock_start(&cache.clock, /* allow_tsc= */ true);
    s.clock = cache.clock.settings;
    if (segment_sizes(&s, &cache.sizes) != ACCORD_OK)
        bench_die("segment_sizes");
    void *segment = map_shared(cache.sizes.segment_bytes);
    void *hints = map_shared(cache.sizes.hints_bytes);
    if (writer_init(&cache.writer, map_shared(cache.sizes.writer_bytes), segment, hints, &s) !=
            ACCORD_OK ||
        reader_init(&cache.reader, segment, cache.sizes.segment_bytes, hints,
                    cache.sizes.hints_bytes) != ACCORD_OK)
        bench_die("writer_init, reader_init");
    uint64_t now_ns = reader_now_ns(&cache.reader);
    writer_set_lease(cache.writer, now_ns + 3600 * NS_PER_S, now_ns);
}

static void cache_put(uint32_t item)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    struct item it = {.key = bytes_of(key, KEY_BYTES),
                      .value = bytes_of(value, VALUE_BYTES),
                      .ttl_ns = UINT64_MAX};

    make_key(item, key);
    make_value(item, value);
    if (writer_fill(cache.writer, &it, NULL, reader_now_ns(&cache.reader)) != ACCORD_OK)
        bench_die("writer_fill");
}

static void table_put(uint32_t item)
{
    uint8_t *at = table.items + (size_t)item * ITEM_BYTES;

    make_key(item, at);
    make_value(item, at + KEY_BYTES);
    uint64_t hash = XXH3_64bits(at, KEY_BYTES);
    size_t i = hash & (SLOTS - 1);
    while (table.slots[i])
        i = (i + 1) & (SLOTS - 1);
    table.slots[i] = (hash >> 32) << 32 | (item + 1);
}

/* Not inlined, as reader_get() is not. */
static __attribute__((noinline)) int table_get(const uint8_t *key, uint8_t *value)
{
    uint64_t hash = XXH3_64bits(key, KEY_BYTES);

    for (size_t i = hash & (SLOTS - 1); table.slots[i]; i = (i + 1) & (SLOTS - 1)) {
        if (table.slots[i] >> 32 != hash >> 32)
            continue;
        const uint8_t *at = table.items + (size_t)((uint32_t)table.slots[i] - 1) * ITEM_BYTES;
        if (memcmp(at, key, KEY_BYTES) != 0)
            continue;
        memcpy(value, at + KEY_BYTES, VALUE_BYTES);
        return 1;
    }
    return 0;
}

static void lmdb_check(int status)
{
    if (status == MDB_SUCCESS)
        return;
    fprintf(stderr, "bench: LMDB: %s\n", mdb_strerror(status));
    exit(1);
}

static void open_lmdb(void)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    MDB_val k = {KEY_BYTES, key}, v = {VALUE_BYTES, value};
    MDB_txn *filling;

    lmdb_check(mdb_env_create(&lmdb.env));
    lmdb_check(mdb_env_set_mapsize(lmdb.env, LMDB_BYTES));
    lmdb_check(mdb_env_open(lmdb.env, bench_folder(), MDB_NOSYNC, 0600));
    lmdb_check(mdb_txn_begin(lmdb.env, NULL, 0, &filling));
    lmdb_check(mdb_dbi_open(filling, NULL, 0, &lmdb.all));
    for (uint32_t i = 0; i < ITEMS; i++) {
        make_key(i, key);
        make_value(i, value);
        lmdb_check(mdb_put(filling, lmdb.all, &k, &v, 0));
    }
    lmdb_check(mdb_txn_commit(filling));
    lmdb_check(mdb_txn_begin(lmdb.env, NULL, MDB_RDONLY, &lmdb.reading));
}

/* ---- measurements: ns per read -------------------------------------------------------------
 */

static uint64_t processor_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static double cache_ns(uint32_t from, uint32_t reads)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    struct read_result r;
    uint64_t sum = 0, began = processor_ns();

    for (uint32_t i = from; i < from + reads; i++) {
        make_key(sequence[i], key);
        reader_get(&cache.reader, bytes_of(key, KEY_BYTES), value, VALUE_BYTES, &r);
        if (r.state != ACCORD_HIT)
            bench_die("a read was no hit");
        sum += value[7];
    }
    double ns = (double)(processor_ns() - began) / reads;
    sink += sum;
    return ns;
}

static double table_ns(uint32_t from, uint32_t reads)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    uint64_t sum = 0, began = processor_ns();

    for (uint32_t i = from; i < from + reads; i++) {
        make_key(sequence[i], key);
        if (!table_get(key, value))
            bench_die("the table lost a key");
        sum += value[7];
    }
    double ns = (double)(processor_ns() - began) / reads;
    sink += sum;
    return ns;
}

static double lmdb_ns(uint32_t from, uint32_t reads)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    MDB_val k = {KEY_BYTES, key}, v;
    uint64_t sum = 0, began = processor_ns();

    for (uint32_t i = from; i < from + reads; i++) {
        make_key(sequence[i], key);
        lmdb_check(mdb_get(lmdb.reading, lmdb.all, &k, &v));
        memcpy(value, v.mv_data, VALUE_BYTES);
        sum += value[7];
    }
    double ns = (double)(processor_ns() - began) / reads;
    sink += sum;
    return ns;
}

static double many_ns(uint32_t from, uint32_t reads)
{
    static uint8_t keys[MANY][KEY_BYTES], values[MANY][VALUE_BYTES];
    struct read_request requests[MANY];
    uint64_t began = processor_ns();

    for (uint32_t i = from; i + MANY <= from + reads; i += MANY) {
        for (uint32_t k = 0; k < MANY; k++) {
            make_key(sequence[i + k], keys[k]);
            requests[k].key = bytes_of(keys[k], KEY_BYTES);
            requests[k].buffer = values[k];
            requests[k].buffer_bytes = VALUE_BYTES;
        }
        reader_get_many(&cache.reader, requests, MANY);
        for (uint32_t k = 0; k < MANY; k++)
            if (requests[k].result.state != ACCORD_HIT)
                bench_die("a batched read was no hit");
    }
    return (double)(processor_ns() - began) / reads;
}

typedef double (*measured)(uint32_t from, uint32_t reads);

/* Reads per second of `processes` readers, each on a processor of its own. */
static double reads_per_second(measured what, int processes)
{
    double *ns = map_shared(sizeof *ns * 2), sum = 0;

    for (int p = 0; p < processes; p++) {
        pid_t child = fork();
        if (child < 0)
            bench_die("fork");
        if (child == 0) {
            bench_pin(p);
            what(0, READS / 10);
            ns[p] = what(0, READS);
            _exit(0);
        }
    }
    for (int p = 0; p < processes; p++)
        if (wait(NULL) < 0)
            bench_die("wait");
    for (int p = 0; p < processes; p++)
        sum += 1e9 / ns[p];
    munmap(ns, sizeof *ns * 2);
    return sum;
}

/* ---- sequences -----------------------------------------------------------------------------
 */

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static void choose_uniform(void)
{
    for (uint32_t i = 0; i < READS; i++)
        sequence[i] = (uint32_t)(next_random() % ITEMS);
}

/* Zipf with exponent 0.99 (Gray et al., SIGMOD 1994), ranks scattered over the items. */
static void choose_zipf(void)
{
    const double theta = 0.99;
    double zeta = 0;

    for (uint32_t i = 1; i <= ITEMS; i++)
        zeta += 1 / pow(i, theta);
    double alpha = 1 / (1 - theta);
    double eta = (1 - pow(2.0 / ITEMS, 1 - theta)) / (1 - (1 + pow(0.5, theta)) / zeta);
    for (uint32_t i = 0; i < READS; i++) {
        double u = (double)(next_random() >> 11) / 9007199254740992.0, uz = u * zeta;
        uint64_t rank = uz < 1 ? 0
                        : uz < 1 + pow(0.5, theta)
                            ? 1
                            : (uint64_t)(ITEMS * pow(eta * u - eta + 1, alpha));
        sequence[i] = (uint32_t)(mix(rank) % ITEMS);
    }
}

static void report(const char *name, double ours, double against, const char *unit, bool more,
                   const char *peer, double goal, const char *pinning)
{
    bench_report(&(struct bench_result){
        .name = name,
        .ours = ours,
        .against = against,
        .unit = unit,
        .more_is_better = more,
        .peer = peer,
        .goal = goal,
        .clock = cache.clock.settings.clock == CLOCK_CLASS_TSC ? "tsc" : "boottime",
        .pinning = pinning});
}

/* The medians of both, in turns. */
static void take_turns(measured one, measured other, double *one_ns, double *other_ns)
{
    double a[TURNS], b[TURNS];

    for (uint32_t i = 0; i < TURNS; i++) {
        uint32_t from = i * TURN % (READS - TURN);
        a[i] = one(from, TURN);
        b[i] = other(from, TURN);
    }
    *one_ns = bench_median(a, TURNS);
    *other_ns = bench_median(b, TURNS);
}

static void compare(const char *name)
{
    bool tsc = cache.clock.settings.clock == CLOCK_CLASS_TSC;
    double ours, theirs;

    take_turns(cache_ns, table_ns, &ours, &theirs);
    report(name, ours, theirs, "ns", false, "plain table in one process",
           tsc ? 1 / 1.5 : 1 / 1.8, "processor 1");
}

/* What two processors can do is measured beside it: two that are threads of one core read no
 * plain table twice as fast either. */
static void compare_processes(void)
{
    double one[3], two[3], table_one[3], table_two[3];

    for (int i = 0; i < 3; i++) {
        one[i] = reads_per_second(cache_ns, 1);
        two[i] = reads_per_second(cache_ns, 2);
        table_one[i] = reads_per_second(table_ns, 1);
        table_two[i] = reads_per_second(table_ns, 2);
    }
    report("read-scale-2", bench_median(two, 3), bench_median(one, 3), "op/s", true,
           "one reading process", 1.8, "each process on its own processor");
    fprintf(stderr, "the plain table, read by two processes: %.2f times one\n",
            bench_median(table_two, 3) / bench_median(table_one, 3));
}

/* Writes over one item after the other, on the other processor, until it is ended. */
static pid_t start_writing(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};
    pid_t child = fork();

    if (child < 0)
        bench_die("fork");
    if (child > 0)
        return child;
    bench_pin(0);
    for (uint32_t item = 0;; nanosleep(&ms, NULL))
        for (int i = 0; i < WRITES_A_MS; i++, item = (item + 1) % ITEMS)
            cache_put(item);
}

/* The last: whoever writes here is killed in the midst of a write. */
static void compare_with_a_writer(void)
{
    double alone[TURNS], beside[TURNS];
    pid_t child = start_writing();

    for (uint32_t i = 0; i < TURNS; i++) {
        kill(child, SIGSTOP);
        alone[i] = cache_ns(i * TURN % (READS - TURN), TURN);
        kill(child, SIGCONT);
        beside[i] = cache_ns(i * TURN % (READS - TURN), TURN);
    }
    kill(child, SIGKILL);
    if (wait(NULL) < 0)
        bench_die("wait");
    report("read-beside-writer", bench_median(beside, TURNS), bench_median(alone, TURNS), "ns",
           false, "the same, nobody writing", 1 / 1.1, "processor 1, the writer on 0");
}

static void compare_with_lmdb(void)
{
    double ours, theirs;

    open_lmdb();
    take_turns(cache_ns, lmdb_ns, &ours, &theirs);
    report("read-hit-vs-lmdb", ours, theirs, "ns", false, "LMDB, one read transaction", 5.0,
           "processor 1");
}

static void compare_with_apcu(void)
{
    double turns[8];
    size_t count = 0;
    char command[160];

    snprintf(
        command, sizeof command,
        "taskset -c 1 php -d apc.enable_cli=1 -d apc.shm_size=512M -d apc.entries_hint=1000000 "
        "-d memory_limit=1G "
        "bench/apcu.php %d %d",
        ITEMS, READS / 4);
    FILE *f = popen(command, "r");
    while (f && count < COUNT_OF(turns) && fscanf(f, "%lf", &turns[count]) == 1)
        count++;
    if (!f || pclose(f) != 0 || count == 0)
        bench_die(command);
    report("read-hit-vs-apcu", cache_ns(0, READS), bench_median(turns, count), "ns", false,
           "PHP's APCu, apcu_fetch()", 4.0, "processor 1");
}

int main(void)
{
    double many, single;

    table.slots = map_shared(SLOTS * sizeof *table.slots);
    table.items = map_shared((size_t)ITEMS * ITEM_BYTES);
    sequence = map_shared(READS * sizeof *sequence);
    open_cache();
    for (uint32_t i = 0; i < ITEMS; i++) {
        cache_put(i);
        table_put(i);
    }
    choose_uniform();
    compare_processes();
    bench_pin(1);
    compare("read-hit-uniform");
    take_turns(many_ns, cache_ns, &many, &single);
    fprintf(stderr, "get_many(16): %.1f ns a key, goal 50; single gets %.1f\n", many, single);
    report("read-many-16", many, 50, "ns", false, "50 ns a key, the goal itself", 1.0,
           "processor 1");
    compare_with_lmdb();
    compare_with_apcu();
    choose_zipf();
    compare("read-hit-zipf");
    choose_uniform();
    compare_with_a_writer();
    return 0;
}
