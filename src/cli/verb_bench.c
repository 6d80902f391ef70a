/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_bench.c - how fast is the daemon that runs here? Keys of our own, filled and not
 * published, that expire by themselves; removals go through the real bus and are measured only
 * where asked for. */
#include "cli/client.h"

#include "cli/verb.h"
#include "client/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    KEYS_MAX = 4000000,
    KEY_ROOM = 64,
    VALUE_MAX = 65536,
    BATCH = 16,
    TIMED_MAX = 200000, /* reads timed one by one */
    TTL_MS = 300000,
};

struct bench {
    struct accord *a;
    uint64_t keys, value_bytes, seconds_ms;
    bool removals, json;
    char (*key)[KEY_ROOM];
    char *value;
    uint64_t rng;
    uint64_t wrong; /* reads that were no hit with our value */
};

struct figures {
    double fill_us, hit_ns, many_ns, remove_us;
    double p50_ns, p99_ns, clock_ns;
    uint64_t reads;
};

static uint64_t next(struct bench *b)
{
    b->rng ^= b->rng << 13;
    b->rng ^= b->rng >> 7;
    b->rng ^= b->rng << 17;
    return b->rng % b->keys;
}

/* ---- the measures; each takes about its share of the time ---- */

static int fill(struct bench *b, struct figures *f)
{
    struct accord_fill_options o = {.ttl_ms = TTL_MS};
    uint64_t began_ns = monotonic_ns();

    for (uint64_t i = 0; i < b->keys; i++) {
        struct accord_result r;
        size_t size = strlen(b->key[i]);
        int status = accord_get(b->a, b->key[i], size, NULL, 0, &r);
        if (status == ACCORD_OK || status == ACCORD_E_SIZE)
            status = accord_fill(b->a, b->key[i], size, b->value, b->value_bytes, &r.token, &o);
        if (status != ACCORD_OK)
            return status;
    }
    f->fill_us = (double)(monotonic_ns() - began_ns) / 1000 / (double)b->keys;
    return ACCORD_OK;
}

static void get_one(struct bench *b, char *buffer)
{
    struct accord_result r;
    const char *key = b->key[next(b)];

    if (accord_get(b->a, key, strlen(key), buffer, VALUE_MAX, &r) != ACCORD_OK ||
        r.state != ACCORD_HIT || r.value_bytes != b->value_bytes)
        b->wrong++;
}

static void hits(struct bench *b, struct figures *f, char *buffer)
{
    uint64_t began_ns = monotonic_ns(), end_ns = began_ns + b->seconds_ms * NS_PER_MS, now_ns;
    uint64_t reads = 0;

    do {
        for (int i = 0; i < 1000; i++)
            get_one(b, buffer);
        reads += 1000;
        now_ns = monotonic_ns();
    } while (now_ns < end_ns);
    f->hit_ns = (double)(now_ns - began_ns) / (double)reads;
    f->reads += reads;
}

static void batches(struct bench *b, struct figures *f, char *buffer)
{
    struct accord_read reads[BATCH] = {{.key = NULL}};
    uint64_t began_ns = monotonic_ns(), end_ns = began_ns + b->seconds_ms * NS_PER_MS, now_ns;
    uint64_t rounds = 0;

    do {
        for (int n = 0; n < 100; n++, rounds++) {
            for (size_t i = 0; i < BATCH; i++) {
                const char *key = b->key[next(b)];
                reads[i] = (struct accord_read){.key = key,
                                                .key_bytes = strlen(key),
                                                .buffer = buffer + i * b->value_bytes,
                                                .buffer_bytes = b->value_bytes};
            }
            (void)accord_get_many(b->a, reads, BATCH);
            for (size_t i = 0; i < BATCH; i++)
                b->wrong += reads[i].result.state != ACCORD_HIT;
        }
        now_ns = monotonic_ns();
    } while (now_ns < end_ns);
    f->many_ns = (double)(now_ns - began_ns) / (double)(rounds * BATCH);
    f->reads += rounds * BATCH;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Each read between two readings of the clock; what those cost is measured too, and said. */
static void percentiles(struct bench *b, struct figures *f, char *buffer)
{
    uint32_t *times = malloc(TIMED_MAX * sizeof *times);
    uint64_t began_ns = monotonic_ns();

    for (int i = 0; i < 10000; i++)
        (void)monotonic_ns();
    f->clock_ns = (double)(monotonic_ns() - began_ns) / 10000;
    for (size_t i = 0; times && i < TIMED_MAX; i++) {
        uint64_t from_ns = monotonic_ns();
        get_one(b, buffer);
        times[i] = (uint32_t)u64_min(monotonic_ns() - from_ns, UINT32_MAX);
    }
    if (times) {
        qsort(times, TIMED_MAX, sizeof *times, by_size);
        f->p50_ns = times[TIMED_MAX / 2];
        f->p99_ns = times[TIMED_MAX / 100 * 99];
    }
    free(times);
}

static int removals(struct bench *b, struct figures *f)
{
    uint64_t began_ns = monotonic_ns(), end_ns = began_ns + b->seconds_ms * NS_PER_MS;
    uint64_t rounds = 0;

    do {
        const char *key = b->key[rounds++ % b->keys];
        int status = accord_remove(b->a, key, strlen(key), NULL, NULL);
        if (status != ACCORD_OK)
            return status;
    } while (monotonic_ns() < end_ns);
    f->remove_us = (double)(monotonic_ns() - began_ns) / 1000 / (double)rounds;
    return ACCORD_OK;
}

/* ---- the report ---- */

static int print(const struct bench *b, const struct figures *f)
{
    if (b->json)
        return json_print(json_pack(
            "{s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I}", "keys", (json_int_t)b->keys,
            "value_bytes", (json_int_t)b->value_bytes, "hit_ns", f->hit_ns, "hit_p50_ns",
            f->p50_ns, "hit_p99_ns", f->p99_ns, "clock_ns", f->clock_ns, "get_many_16_ns",
            f->many_ns, "fill_us", f->fill_us, "remove_us", f->remove_us, "reads",
            (json_int_t)f->reads, "not_hits", (json_int_t)b->wrong));
    printf("%llu keys, values of %llu bytes, chosen uniformly, one thread\n",
           (unsigned long long)b->keys, (unsigned long long)b->value_bytes);
    printf("get, a hit, copied            %10.1f ns   %.2f million/s\n", f->hit_ns,
           1000 / f->hit_ns);
    printf("  timed one by one            p50 %.0f ns, p99 %.0f ns (of which the clock %.0f)\n",
           f->p50_ns, f->p99_ns, f->clock_ns);
    printf("get_many of 16, a key         %10.1f ns\n", f->many_ns);
    printf("fill, one at a time           %10.1f us   (a round trip to the daemon)\n",
           f->fill_us);
    if (b->removals)
        printf("remove, acknowledged by the bus %8.1f us\n", f->remove_us);
    if (b->wrong > 0)
        printf("%llu of the reads were no hits: evicted, or the lease was lost meanwhile; the "
               "figures are of all reads\n",
               (unsigned long long)b->wrong);
    return output_done();
}

static int measure(struct bench *b)
{
    struct figures f = {.reads = 0};
    char *buffer = malloc((size_t)VALUE_MAX * BATCH);
    int status = buffer ? fill(b, &f) : ACCORD_E_NOMEM;

    if (status == ACCORD_OK) {
        hits(b, &f, buffer);
        batches(b, &f, buffer);
        percentiles(b, &f, buffer);
    }
    if (status == ACCORD_OK && b->removals)
        status = removals(b, &f);
    free(buffer);
    return status == ACCORD_OK ? print(b, &f) : client_fail(status);
}

static int prepare(struct bench *b)
{
    b->key = calloc(b->keys, sizeof *b->key);
    b->value = malloc(b->value_bytes);
    if (!b->key || !b->value)
        return fail(EXIT_FAILED, "out of memory");
    memset(b->value, 'v', b->value_bytes);
    b->rng = monotonic_ns() | 1;
    for (uint64_t i = 0; i < b->keys; i++)
        snprintf(b->key[i], KEY_ROOM, "accord-bench-%ld-%llu", (long)getpid(),
                 (unsigned long long)i);
    return EXIT_OK;
}

int verb_bench(int argc, char **argv)
{
    struct bench b = {.keys = 10000, .value_bytes = 100, .seconds_ms = 1000};
    struct asked asked;
    const struct flag flags[] = {{"--keys", FLAG_NUMBER, &b.keys},
                                 {"--value-bytes", FLAG_NUMBER, &b.value_bytes},
                                 {"--each", FLAG_MS, &b.seconds_ms},
                                 {"--removals", FLAG_ON, &b.removals}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count > 0)
        return usage_error("bench", "no words are expected, only flags");
    if (b.keys < 1 || b.keys > KEYS_MAX || b.value_bytes < 1 || b.value_bytes > VALUE_MAX)
        return usage_error("bench", "--keys from 1 to %d, --value-bytes from 1 to %d", KEYS_MAX,
                           VALUE_MAX);
    b.json = asked.json;
    code = client_open(&b.a, &asked, NULL);
    if (code == EXIT_OK)
        code = prepare(&b);
    if (code == EXIT_OK)
        code = measure(&b);
    free(b.key);
    free(b.value);
    accord_close(b.a);
    return code;
}
