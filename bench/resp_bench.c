/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* resp_bench.c - the RESP door against redis-server over unix sockets: GET and SET at pipeline
 * 1 and 16 over 8 connections, 16-byte keys and 100-byte values. Server on processor 0, client
 * on 1.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONNECTIONS = 8,
    KEYS = 100000,
    VALUE_BYTES = 100,
    GET_REPLY_BYTES = 6 + VALUE_BYTES + 2, /* "$100\r\n" value "\r\n" */
    NIL_BYTES = 5,                         /* "$-1\r\n" */
    OK_BYTES = 5,                          /* "+OK\r\n" */
    PIPELINE_MAX = 16,
    ROUNDS = 7,
    COMMAND_BYTES_MAX = 256,
};

struct server {
    int fds[CONNECTIONS];
    char *out; /* CONNECTIONS * PIPELINE_MAX commands */
    char *in;
    uint64_t random;
};

static char value[VALUE_BYTES + 1];

static uint64_t next_random(struct server *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    return s->random ^= s->random << 17;
}

static size_t put_get(char *out, uint64_t key)
{
    return (size_t)snprintf(out, COMMAND_BYTES_MAX, "*2\r\n$3\r\nGET\r\n$16\r\nf:%014llu\r\n",
                            (unsigned long long)key);
}

static size_t put_set(char *out, char space, uint64_t key)
{
    return (size_t)snprintf(out, COMMAND_BYTES_MAX,
                            "*3\r\n$3\r\nSET\r\n$16\r\n%c:%014llu\r\n$100\r\n%s\r\n", space,
                            (unsigned long long)key, value);
}

/* Sends each connection its `bytes` of s->out (one after the other), then reads `reply_bytes`
 * a command from each, and insists that every reply begins with `first`. */
static void exchange(struct server *s, const size_t *bytes, unsigned commands,
                     size_t reply_bytes, char first)
{
    const char *at = s->out;
    for (int c = 0; c < CONNECTIONS; c++) {
        bench_write(s->fds[c], at, bytes[c]);
        at += bytes[c];
    }
    for (int c = 0; c < CONNECTIONS; c++) {
        bench_read(s->fds[c], s->in, reply_bytes * commands);
        for (unsigned i = 0; i < commands; i++)
            if (s->in[i * reply_bytes] != first) {
                fprintf(stderr, "unexpected reply: %.80s\n", s->in + i * reply_bytes);
                exit(1);
            }
    }
}

static void get_round(struct server *s, unsigned pipeline, bool random_keys, uint64_t base,
                      size_t reply_bytes)
{
    size_t bytes[CONNECTIONS];
    char *at = s->out;
    for (int c = 0; c < CONNECTIONS; c++) {
        char *start = at;
        for (unsigned i = 0; i < pipeline; i++)
            at += put_get(at, random_keys ? next_random(s) % KEYS
                                          : base + (unsigned)c * pipeline + i);
        bytes[c] = (size_t)(at - start);
    }
    exchange(s, bytes, pipeline, reply_bytes, '$');
}

static void set_round(struct server *s, char space, unsigned pipeline, uint64_t base)
{
    size_t bytes[CONNECTIONS];
    char *at = s->out;
    for (int c = 0; c < CONNECTIONS; c++) {
        char *start = at;
        for (unsigned i = 0; i < pipeline; i++)
            at += put_set(at, space, base + (unsigned)c * pipeline + i);
        bytes[c] = (size_t)(at - start);
    }
    exchange(s, bytes, pipeline, OK_BYTES, '+');
}

static double gets_per_second(struct server *s, unsigned pipeline, unsigned count)
{
    uint64_t began = bench_now_ns();
    unsigned rounds = count / (CONNECTIONS * pipeline);
    for (unsigned i = 0; i < rounds; i++)
        get_round(s, pipeline, true, 0, GET_REPLY_BYTES);
    return (double)rounds * CONNECTIONS * pipeline * 1e9 / (double)(bench_now_ns() - began);
}

/* As a cache is filled: GET misses, then SET stores. Only the SETs are timed. */
static double fills_per_second(struct server *s, uint64_t *next, unsigned count)
{
    uint64_t spent = 0;
    unsigned batch = CONNECTIONS * PIPELINE_MAX, rounds = count / batch;
    for (unsigned i = 0; i < rounds; i++, *next += batch) {
        get_round(s, PIPELINE_MAX, false, *next, NIL_BYTES);
        uint64_t began = bench_now_ns();
        set_round(s, 'f', PIPELINE_MAX, *next);
        spent += bench_now_ns() - began;
    }
    return (double)rounds * batch * 1e9 / (double)spent;
}

static double published_per_second(struct server *s, uint64_t *next, unsigned count)
{
    unsigned batch = CONNECTIONS * PIPELINE_MAX, rounds = count / batch;
    uint64_t began = bench_now_ns();
    for (unsigned i = 0; i < rounds; i++, *next += batch)
        set_round(s, 'p', PIPELINE_MAX, *next);
    return (double)rounds * batch * 1e9 / (double)(bench_now_ns() - began);
}

static struct server connect_all(const char *path)
{
    struct server s = {.random = 88172645463325252u};
    for (int c = 0; c < CONNECTIONS; c++)
        s.fds[c] = bench_connect(path);
    s.out = malloc(CONNECTIONS * PIPELINE_MAX * COMMAND_BYTES_MAX);
    s.in = malloc(PIPELINE_MAX * COMMAND_BYTES_MAX);
    if (!s.out || !s.in)
        bench_die("malloc");
    return s;
}

static void disconnect(struct server *s)
{
    for (int c = 0; c < CONNECTIONS; c++)
        close(s->fds[c]);
    free(s->out);
    free(s->in);
}

static void report(const char *name, double *ours, double *theirs, const char *peer,
                   double goal, const char *bus, const char *durability)
{
    bench_report(&(struct bench_result){.name = name,
                                        .ours = bench_median(ours, ROUNDS),
                                        .against = bench_median(theirs, ROUNDS),
                                        .unit = "op/s",
                                        .more_is_better = true,
                                        .peer = peer,
                                        .goal = goal,
                                        .bus = bus,
                                        .durability = durability,
                                        .pinning = "server on 0, client on 1"});
}

static void compare_reads_and_fills(struct server *accord, struct server *redis)
{
    double ours[ROUNDS], theirs[ROUNDS];
    uint64_t next_ours = 0, next_theirs = 0;

    for (int i = 0; i < ROUNDS; i++) { /* also fills the keys that the reads then hit */
        ours[i] = fills_per_second(accord, &next_ours, KEYS / ROUNDS + 200);
        theirs[i] = fills_per_second(redis, &next_theirs, KEYS / ROUNDS + 200);
    }
    report("resp-set-fill-p16", ours, theirs, "redis-server, appendonly no", 1.5, "sqlite",
           "none: a fill is not published");
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = gets_per_second(accord, 1, 60000);
        theirs[i] = gets_per_second(redis, 1, 60000);
    }
    report("resp-get-p1", ours, theirs, "redis-server", 1.0, NULL, NULL);
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = gets_per_second(accord, PIPELINE_MAX, 300000);
        theirs[i] = gets_per_second(redis, PIPELINE_MAX, 300000);
    }
    report("resp-get-p16", ours, theirs, "redis-server", 1.3, NULL, NULL);
}

int main(void)
{
    char bus[320];
    double ours[ROUNDS], theirs[ROUNDS];
    uint64_t next_ours = 0, next_theirs = 0;

    memset(value, 'v', VALUE_BYTES);
    snprintf(bus, sizeof bus, "sqlite:%s", bench_path("bus.db"));
    bench_start_accord("a", bus, "128M", "[namespace f]\nset = fill\n", 0);
    pid_t plain = bench_start_redis(false, 0);
    bench_pin(1);
    struct server accord = connect_all(bench_path("a.sock"));
    struct server redis = connect_all(bench_path("redis.sock"));
    compare_reads_and_fills(&accord, &redis);
    disconnect(&redis);
    bench_stop(plain);

    bench_start_redis(true, 0);
    redis = connect_all(bench_path("redis.sock"));
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = published_per_second(&accord, &next_ours, 8000);
        theirs[i] = published_per_second(&redis, &next_theirs, 8000);
    }
    report("resp-set-published-p16", ours, theirs, "redis-server, appendfsync always", 1.0,
           "sqlite", "fsync before each acknowledgement, both");
    disconnect(&accord);
    disconnect(&redis);
    return 0;
}
