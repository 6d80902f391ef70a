/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_nats_bench.c - the NATS bus beside what the server gives to libnats alone, on one
 * nats-server with JetStream, file storage and the server's own sync_interval:
 *
 *   removal-nats-3   a removal sent to one node until it is gone on three, against js_Publish()
 * in one process until an ordered subscription in another has it; they take turns
 *   …-of-3           the same against three such subscriptions in three processes, until the
 *                    prober that looks at the nodes has seen that the last of them has it
 *   nats-sustained   changes a second, published in full batches, against one message for each,
 *                    asynchronously
 *   nats-catch-up    changes a second, read from the first to the last, against an ordered
 *                    subscription to those messages, thrown away
 *   idle-nats-…      what nodes send that have nothing to do (idle.h)
 */
#include "bench.h"
#include "idle.h"
#include "many.h"
#include "three.h"

#include "bus/nats/nats.h"

#include <nats/nats.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WAIT_MS = 30000, IN_FLIGHT = 1024 };

#define RAW_STREAM  "RAW"
#define RAW3_STREAM "RAW3"
#define MANY_STREAM "RAWMANY"

static uint16_t port, monitor;

static void must(natsStatus s, const char *what)
{
    if (s == NATS_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, natsStatus_GetText(s));
    exit(1);
}

static natsConnection *connected(jsCtx **js)
{
    natsConnection *c = NULL;
    natsOptions *o = NULL;
    jsOptions jo;
    char url[64];

    snprintf(url, sizeof url, "nats://127.0.0.1:%u", port);
    must(natsOptions_Create(&o), "options");
    must(natsOptions_SetURL(o, url), "url");
    must(natsOptions_SetSendAsap(o, true), "options");
    must(natsConnection_Connect(&c, o), "connect");
    jsOptions_Init(&jo);
    jo.PublishAsync.MaxPending = IN_FLIGHT;
    must(natsConnection_JetStream(js, c, &jo), "JetStream");
    natsOptions_Destroy(o);
    return c;
}

static bool listens(uint16_t at)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(at)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool yes = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return yes;
}

static void start_server(void)
{
    char client[8], http[8];
    char *const argv[] = {"build/servers/nats-server",
                          "-a",
                          "127.0.0.1",
                          "-p",
                          client,
                          "-m",
                          http,
                          "-js",
                          "-sd",
                          (char *)(uintptr_t)bench_folder(),
                          NULL};

    port = many_free_port();
    monitor = many_free_port();
    snprintf(client, sizeof client, "%u", port);
    snprintf(http, sizeof http, "%u", monitor);
    bench_start("nats", -1, argv);
    for (int i = 0; !listens(port) || !listens(monitor); i++) {
        if (i == 1000)
            bench_die("nats-server (tools/nats_server.sh builds one where Go is)");
        usleep(10000);
    }
}

static void add_stream(jsCtx *js, const char *name)
{
    jsStreamConfig config;

    jsStreamConfig_Init(&config);
    config.Name = name;
    config.Subjects = &name;
    config.SubjectsLen = 1;
    must(js_AddStream(NULL, js, &config, NULL, NULL), "a stream");
}

static natsSubscription *subscribed(jsCtx *js, const char *stream)
{
    natsSubscription *s = NULL;
    jsSubOptions o;

    jsSubOptions_Init(&o);
    o.Stream = stream;
    o.Ordered = true;
    o.Config.DeliverPolicy = js_DeliverAll;
    must(js_SubscribeSync(&s, js, stream, NULL, &o, NULL), "subscribe");
    must(natsSubscription_SetPendingLimits(s, -1, -1), "limits");
    return s;
}

/* ---- a removal ---- */

_Noreturn static void receive(struct receiver *s, const char *stream)
{
    jsCtx *js = NULL;
    natsMsg *m = NULL;

    connected(&js);
    add_stream(js, stream);
    natsSubscription *sub = subscribed(js, stream);
    receiver_saw(s, 1, 0);
    for (;;) {
        if (natsSubscription_NextMsg(&m, sub, WAIT_MS) != NATS_OK)
            continue;
        receiver_saw(s, 1, bench_now_ns());
        natsMsg_Destroy(m);
    }
}

struct raw {
    jsCtx *js;
    const char *stream, *key;
};

static void send_raw(void *context)
{
    const struct raw *r = context;

    must(js_Publish(NULL, r->js, r->stream, r->key, (int)strlen(r->key), NULL, NULL),
         "publish");
}

static void measure_removal(struct three *three, struct receiver *s)
{
    jsCtx *js = NULL;
    natsConnection *c = connected(&js);
    struct raw one = {js, RAW_STREAM, three->key}, all = {js, RAW3_STREAM, three->key};

    three_compare(three, &(struct three_raw){
                             .bus = "nats",
                             .where = "nats",
                             .durability = "as sync_interval says, both",
                             .peer_one = "libnats, js_Publish to an ordered subscription",
                             .peer_all = "libnats, js_Publish to three ordered subscriptions",
                             .send = send_raw,
                             .one = &one,
                             .all = &all,
                             .receiver = s});
    jsCtx_Destroy(js);
    natsConnection_Destroy(c);
}

/* ---- many changes ---- */

static double publish_many_raw(jsCtx *js, size_t first, size_t count)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    char key[FILL_KEY_BYTES + 1];
    jsPubOptions o;

    jsPubOptions_Init(&o);
    o.MaxWait = WAIT_MS;
    uint64_t began_ns = bench_now_ns();
    for (size_t i = 0; i < count; i++) {
        struct change c = many_change(first + i, key);
        size_t bytes = 0;
        if (change_encode(&c, record, sizeof record, &bytes) != ACCORD_OK)
            bench_die("a record");
        must(js_PublishAsync(js, MANY_STREAM, record, (int)bytes, NULL), "publish");
    }
    must(js_PublishAsyncComplete(js, &o), "acknowledgements");
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static double read_raw(jsCtx *js, size_t count)
{
    natsMsg *m = NULL;

    uint64_t began_ns = bench_now_ns();
    natsSubscription *s = subscribed(js, MANY_STREAM);
    for (size_t i = 0; i < count; i++) {
        must(natsSubscription_NextMsg(&m, s, WAIT_MS), "a message");
        natsMsg_Destroy(m);
    }
    double seconds = (double)(bench_now_ns() - began_ns) / 1e9;
    natsSubscription_Destroy(s);
    return seconds;
}

static void measure_many(void)
{
    struct bus_attached attached;
    char url[64];
    jsCtx *js = NULL;
    natsConnection *c = connected(&js);
    double ours = 0, raw = 0;

    add_stream(js, MANY_STREAM);
    snprintf(url, sizeof url, "nats://127.0.0.1:%u/many", port);
    struct bus *b = many_open(&bus_nats, url, &attached);
    for (int i = 0; i < MANY_TURNS; i++) {
        size_t some = many_changes() / MANY_TURNS, first = (size_t)i * some;
        ours += many_publish(&bus_nats, b, first, some);
        raw += publish_many_raw(js, first, some);
    }
    many_report("nats-sustained", "nats", ours, raw,
                "libnats, a message for each, asynchronously", 0.8,
                "as sync_interval says, both");
    ours = raw = 0;
    for (int i = 0; i < MANY_TURNS; i++) {
        ours += many_read(&bus_nats, b, attached.after, many_changes());
        raw += read_raw(js, many_changes());
    }
    many_report("nats-catch-up", "nats", ours / MANY_TURNS, raw / MANY_TURNS,
                "libnats, an ordered subscription to a message for each", 1 / 1.5,
                "as sync_interval says, both");
    bus_nats.close(b);
    jsCtx_Destroy(js);
    natsConnection_Destroy(c);
}

/* ---- nothing ---- */

/* "in_msgs" of the server's /varz. */
static double messages_in(void *context)
{
    static const char question[] = "GET /varz HTTP/1.0\r\n\r\n";
    static char text[65536];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(monitor)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t used = 0;
    ssize_t got;

    (void)context;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        bench_die("the server's monitor");
    bench_write(fd, question, sizeof question - 1);
    while (used < sizeof text - 1 && (got = read(fd, text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    close(fd);
    const char *at = strstr(text, "\"in_msgs\":");
    if (!at)
        bench_die("in_msgs of the server's monitor");
    return strtod(at + 10, NULL);
}

/* A beat each L/6, which proves the lease, one message read again as it comes back, a look at
 * the stream a second where nothing came, and one acknowledged ping. */
static double designed(int nodes)
{
    (void)nodes;
    return 2 * 6.0 / IDLE_L_S + 1;
}

static void measure_idle(int nodes)
{
    char url[64];
    struct idle_bus b = {.bus = "nats",
                         .unit = "messages/s, each node",
                         .peer = "beats and their proofs, and the heartbeats' answers",
                         .count = messages_in,
                         .designed = designed,
                         .durability = "none"};

    snprintf(url, sizeof url, "nats://127.0.0.1:%u/idle%d", port, nodes);
    idle_measure(&b, url, nodes);
}

int main(void)
{
    static struct three three;
    char url[64];

    start_server();
    /* Before libnats has threads here. */
    struct receiver *s = receiver_start(receive, RAW_STREAM);
    for (int i = 0; i < THREE_NODES; i++)
        three.receivers[i] = receiver_start(receive, RAW3_STREAM);
    measure_idle(IDLE_FEW);
    measure_idle(IDLE_MANY);
    snprintf(url, sizeof url, "nats://127.0.0.1:%u/three", port);
    three_start(&three, url);
    measure_removal(&three, s);
    measure_many();
    return 0;
}
