/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_redis_bench.c - the redis bus beside what the server gives to hiredis alone, on one
 * redis-server without persistence:
 *
 *   removal-redis-3  a removal sent to one node until it is gone on three, against XADD in one
 *                    process until XREAD BLOCK returned in another; they take turns
 *   …-of-3           the same against XREAD BLOCK in three processes, until the prober that
 *                    looks at the nodes has seen that the last of them has it
 *   redis-sustained  changes a second, published in full batches, against XADD of the same
 *                    fields, as many in one write
 *   redis-catch-up   changes a second, read from the first to the last, against XRANGE of as
 *                    many at a time, its replies read and thrown away
 *   idle-redis-…     what nodes ask that have nothing to do (idle.h)
 */
#include "bench.h"
#include "idle.h"
#include "many.h"
#include "three.h"

#include "bus/redis/redis.h"
#include "bus/redis/row.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint16_t port;

static void start_server(void)
{
    char text[8], sock[256];
    char *const argv[] = {"redis-server",
                          "--port",
                          text,
                          "--bind",
                          "127.0.0.1",
                          "--save",
                          "",
                          "--dir",
                          (char *)(uintptr_t)bench_folder(),
                          "--unixsocket",
                          sock,
                          NULL};

    port = many_free_port();
    snprintf(text, sizeof text, "%u", port);
    snprintf(sock, sizeof sock, "%s", bench_path("redis.sock"));
    bench_start("redis", -1, argv);
    close(bench_connect(sock));
}

static redisContext *connected(void)
{
    redisContext *c = redisConnect("127.0.0.1", port);

    if (!c || c->err)
        bench_die("redisConnect");
    return c;
}

static redisReply *take(redisContext *c)
{
    void *reply = NULL;

    if (redisGetReply(c, &reply) != REDIS_OK ||
        ((redisReply *)reply)->type == REDIS_REPLY_ERROR)
        bench_die("an answer of redis-server");
    return reply;
}

/* ---- a removal ---- */

_Noreturn static void receive(struct receiver *s, const char *stream)
{
    char last[REDIS_ID_BYTES_MAX] = "0-0";

    redisContext *c = connected();
    receiver_saw(s, 1, 0);
    for (;;) {
        redisAppendCommand(c, "XREAD COUNT 256 BLOCK 0 STREAMS %s %s", stream, last);
        redisReply *r = take(c);
        uint64_t seen_ns = bench_now_ns();
        const redisReply *entries = r->element[0]->element[1];
        snprintf(last, sizeof last, "%s",
                 entries->element[entries->elements - 1]->element[0]->str);
        receiver_saw(s, (uint32_t)entries->elements, seen_ns);
        freeReplyObject(r);
    }
}

struct raw {
    redisContext *c;
    const char *stream, *key;
};

static void send_raw(void *context)
{
    const struct raw *r = context;

    redisAppendCommand(r->c, "XADD %s * message %s op remove key %s", r->stream,
                       "0123456789abcdef0123456789abcdef", r->key);
    freeReplyObject(take(r->c));
}

static void measure_removal(struct three *three)
{
    redisContext *c = connected();
    struct raw one = {c, "raw", three->key}, all = {c, "raw3", three->key};

    three_compare(three, &(struct three_raw){
                             .bus = "redis",
                             .where = "redis",
                             .durability = "none, both",
                             .peer_one = "hiredis, XADD to XREAD BLOCK, one subscriber",
                             .peer_all = "hiredis, XADD to XREAD BLOCK, three subscribers",
                             .send = send_raw,
                             .one = &one,
                             .all = &all,
                             .receiver = receiver_start(receive, "raw")});
    redisFree(c);
}

/* ---- many changes ---- */

static double publish_many_raw(redisContext *c, size_t first, size_t count)
{
    struct redis_words w;
    char key[FILL_KEY_BYTES + 1];

    if (redis_words_init(&w, 64, 1024) != ACCORD_OK)
        bench_die("memory");
    uint64_t began_ns = bench_now_ns();
    for (size_t at = 0; at < count; at += PUBLISH_BATCH_MAX) {
        for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++) {
            struct change change = many_change(first + at + i, key);
            redis_words_clear(&w);
            redis_words_add_text(&w, "XADD");
            redis_words_add_text(&w, "rawmany");
            redis_row_write(&w, &change);
            w.words[2] = "*"; /* in the place of the count */
            w.sizes[2] = 1;
            redisAppendCommandArgv(c, (int)w.count, w.words, w.sizes);
        }
        for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++)
            freeReplyObject(take(c));
    }
    redis_words_done(&w);
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static double read_raw(redisContext *c, size_t count)
{
    char last[REDIS_ID_BYTES_MAX] = "0-0";
    size_t some;

    uint64_t began_ns = bench_now_ns();
    for (size_t got = 0; got < count; got += some) {
        redisAppendCommand(c, "XRANGE rawmany (%s + COUNT %d", last, DELIVER_BATCH_MAX);
        redisReply *r = take(c);
        some = r->elements;
        snprintf(last, sizeof last, "%s", r->element[some - 1]->element[0]->str);
        freeReplyObject(r);
    }
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static void measure_many(void)
{
    struct bus_attached attached;
    char url[64];
    redisContext *c = connected();
    double ours = 0, raw = 0;

    snprintf(url, sizeof url, "redis://127.0.0.1:%u/many", port);
    struct bus *b = many_open(&bus_redis, url, &attached);
    for (int i = 0; i < MANY_TURNS; i++) {
        size_t some = many_changes() / MANY_TURNS, first = (size_t)i * some;
        ours += many_publish(&bus_redis, b, first, some);
        raw += publish_many_raw(c, first, some);
    }
    many_report("redis-sustained", "redis", ours, raw,
                "hiredis, XADD of the same fields, pipelined", 0.8, "none, both");
    ours = raw = 0;
    for (int i = 0; i < MANY_TURNS; i++) {
        ours += many_read(&bus_redis, b, attached.after, many_changes());
        raw += read_raw(c, many_changes());
    }
    many_report("redis-catch-up", "redis", ours / MANY_TURNS, raw / MANY_TURNS,
                "hiredis, XRANGE of 256 at a time", 1 / 1.5, "none, both");
    bus_redis.close(b);
    redisFree(c);
}

/* ---- nothing ---- */

/* What came over its connections; commands of scripts are not among them. */
static double questions_of(void *context)
{
    redisContext *c = context;

    redisAppendCommand(c, "INFO stats");
    redisReply *r = take(c);
    const char *at = strstr(r->str, "total_reads_processed:");
    double n = at ? strtod(at + 22, NULL) : 0;
    freeReplyObject(r);
    return n;
}

/* The head every L/6, give or take, a beat every L, one XREAD a second, and one more after each
 * node's beat that it brought. */
static double designed(int nodes)
{
    return 6.0 / IDLE_L_S + 1.0 / IDLE_L_S + 1 + (double)nodes / IDLE_L_S;
}

static void measure_idle(int nodes)
{
    char url[64];
    redisContext *c = connected();
    struct idle_bus b = {.bus = "redis",
                         .unit = "questions/s, each node",
                         .peer = "heads, beats and waits of the design",
                         .count = questions_of,
                         .context = c,
                         .designed = designed,
                         .durability = "none"};

    snprintf(url, sizeof url, "redis://127.0.0.1:%u/idle%d", port, nodes);
    idle_measure(&b, url, nodes);
    redisFree(c);
}

int main(void)
{
    static struct three three;
    char url[64];

    start_server();
    measure_idle(IDLE_FEW);
    measure_idle(IDLE_MANY);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u/three", port);
    for (int i = 0; i < THREE_NODES; i++)
        three.receivers[i] = receiver_start(receive, "raw3");
    three_start(&three, url);
    measure_removal(&three);
    measure_many();
    return 0;
}
