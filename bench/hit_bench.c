/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hit_bench.c - a hit as an application has it: accord_get() in the shared memory of a running
 * node, against GET of redis-server over its unix socket. A million items, each read in a
 * random order; servers on processor 0, the application on 1.
 */
#include "bench.h"
#include "fill.h"

#include <accord.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ITEMS = 1000000,
    ROUNDS = 7,
    OUR_READS = ITEMS,
    REDIS_READS = 20000,
    REPLY_BYTES = 6 + FILL_VALUE_BYTES + 2,
    REQUEST_BYTES_MAX = 64,
};

/* Every key once, in a random order, so that making them is not timed. */
static char *shuffled_keys(void)
{
    char *keys = malloc((size_t)ITEMS * FILL_KEY_BYTES), text[FILL_KEY_BYTES + 1];
    uint32_t *order = malloc((size_t)ITEMS * sizeof *order);
    uint64_t random = 88172645463325252u;

    if (!keys || !order)
        bench_die("malloc");
    for (uint32_t i = 0; i < ITEMS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t at = (uint32_t)(random % (i + 1));
        order[i] = order[at];
        order[at] = i;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        fill_key(order[i], text);
        memcpy(keys + i * FILL_KEY_BYTES, text, FILL_KEY_BYTES);
    }
    free(order);
    return keys;
}

static double our_ns(struct accord *a, const char *keys)
{
    char value[FILL_VALUE_BYTES];
    struct accord_result r;
    uint64_t hits = 0, began = bench_now_ns();

    for (size_t i = 0; i < OUR_READS; i++) {
        int status =
            accord_get(a, keys + i * FILL_KEY_BYTES, FILL_KEY_BYTES, value, sizeof value, &r);
        hits += status == ACCORD_OK && r.state == ACCORD_HIT && value[0] == 'v';
    }
    double ns = (double)(bench_now_ns() - began) / OUR_READS;
    if (hits != OUR_READS) {
        fprintf(stderr, "bench: %llu of %d reads were hits\n", (unsigned long long)hits,
                OUR_READS);
        exit(1);
    }
    return ns;
}

static double redis_ns(int fd, const char *keys)
{
    char request[REQUEST_BYTES_MAX], reply[REPLY_BYTES];
    int bytes = snprintf(request, sizeof request, "*2\r\n$3\r\nGET\r\n$%d\r\n%.*s\r\n",
                         FILL_KEY_BYTES, FILL_KEY_BYTES, keys);
    char *key = request + bytes - 2 - FILL_KEY_BYTES;
    uint64_t began = bench_now_ns();

    for (size_t i = 0; i < REDIS_READS; i++) {
        memcpy(key, keys + i * FILL_KEY_BYTES, FILL_KEY_BYTES);
        bench_write(fd, request, (size_t)bytes);
        bench_read(fd, reply, REPLY_BYTES);
        if (reply[1] != '1')
            bench_die("redis-server lost a key");
    }
    return (double)(bench_now_ns() - began) / REDIS_READS;
}

int main(void)
{
    char bus[320];
    double ours[ROUNDS], theirs[ROUNDS];
    char *keys = shuffled_keys();
    struct accord *a;

    snprintf(bus, sizeof bus, "sqlite:%s", bench_path("bus.db"));
    bench_start_accord("a", bus, "256M", FILL_CONFIG, 0);
    bench_start_redis(false, 0);
    bench_pin(1);
    int accord = bench_connect(bench_path("a.sock"));
    int redis = bench_connect(bench_path("redis.sock"));
    fill_items(accord, ITEMS);
    fill_items(redis, ITEMS);
    if (accord_open(&a, bench_path("a.sock"), NULL) != ACCORD_OK)
        bench_die("accord_open");
    our_ns(a, keys);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = our_ns(a, keys);
        theirs[i] = redis_ns(redis, keys);
    }
    bench_report(&(struct bench_result){.name = "read-hit-vs-redis-unix",
                                        .ours = bench_median(ours, ROUNDS),
                                        .against = bench_median(theirs, ROUNDS),
                                        .unit = "ns",
                                        .peer = "redis-server, GET over its unix socket",
                                        .goal = 100,
                                        .bus = "sqlite",
                                        .clock = fill_info_text(accord, "clock"),
                                        .pinning = "servers on 0, reader on 1"});
    accord_close(a);
    free(keys);
    return 0;
}
