/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_chp_bench.c - the CHP bus beside what libzmq gives alone, both over loopback:
 *
 *   removal-chp-3  a removal sent to one node until it is gone on three, against one message of
 *                  five frames from a PUB in one process to a SUB in another; they take turns
 *   …-of-3         the same against SUBs in three processes, until the prober that looks at the
 *                  nodes has seen that the last of them has it
 *   chp-sustained  changes a second, published in full batches, against as many of these
 * messages sent ahead to a ROUTER that keeps them, and says them at a PUB, as the guide's
 *                  server does; each batch is answered
 *   chp-catch-up   changes a second, read from the first to the last, against that server's
 *                  messages, 256 at a time
 *   idle-chp-…     what nodes ask that have nothing to do (idle.h)
 *
 * The server is a daemon that does nothing else.
 */
#include "bench.h"
#include "idle.h"
#include "many.h"
#include "three.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <zmq.h>

enum { FRAMES = 5, SETTLE_US = 500000, MANY_MOST = 128 * 1024 };

static uint16_t port, raw_port;
static char sock[256];

/* CHP takes three ports in a row. */
static void start_server(void)
{
    static char address[64];
    const char *build = getenv("ACCORD_BUILD");
    char program[300];
    char *const argv[] = {program,    "serve",    "--name", "hub",      "--bus",
                          "memory:h", "--listen", address,  "--socket", sock,
                          "--memory", "8M",       NULL};

    snprintf(program, sizeof program, "%s/accord", build ? build : "build");
    port = (uint16_t)(21000 + getpid() % 3000 * 3);
    snprintf(address, sizeof address, "chp://127.0.0.1:%u", port);
    snprintf(sock, sizeof sock, "%s", bench_path("hub.sock"));
    bench_start("hub", -1, argv);
    close(bench_connect(sock));
}

static void *made(int type)
{
    void *socket = zmq_socket(zmq_ctx_new(), type);

    if (!socket)
        bench_die("zmq_socket");
    return socket;
}

static void endpoint(char text[64], uint16_t of)
{
    snprintf(text, 64, "tcp://127.0.0.1:%u", of);
}

_Noreturn static void receive(struct receiver *s, const char *prefix)
{
    void *socket = made(ZMQ_SUB);
    char text[64], frame[256];

    endpoint(text, raw_port);
    if (zmq_setsockopt(socket, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) != 0 ||
        zmq_connect(socket, text) != 0)
        bench_die("zmq_connect");
    receiver_saw(s, 1, 0);
    for (;;) {
        for (int i = 0; i < FRAMES; i++)
            if (zmq_recv(socket, frame, sizeof frame, 0) < 0)
                bench_die("zmq_recv");
        receiver_saw(s, 1, bench_now_ns());
    }
}

struct raw {
    void *socket;
    const char *prefix, *key;
};

static void send_raw(void *context)
{
    static const char properties[] = "log=343883b26cb57681933a0cc417c0dbfd\n"
                                     "epoch=89ff357a7cd18e98\nafter=1795897597393363\n";
    const struct raw *r = context;
    char key[128], record[100] = "ACHG";

    int bytes = snprintf(key, sizeof key, "%s%s", r->prefix, r->key);
    zmq_send(r->socket, key, (size_t)bytes, ZMQ_SNDMORE);
    zmq_send(r->socket, "12345678", 8, ZMQ_SNDMORE);
    zmq_send(r->socket, "0123456789abcdef", 16, ZMQ_SNDMORE);
    zmq_send(r->socket, properties, sizeof properties - 1, ZMQ_SNDMORE);
    zmq_send(r->socket, record, sizeof record, 0);
}

static void measure_removal(struct three *three, void *publisher)
{
    struct raw one = {publisher, "one/", three->key}, all = {publisher, "all/", three->key};
    struct receiver *receiver = receiver_start(receive, "one/");

    usleep(SETTLE_US); /* its subscription */
    three_compare(three, &(struct three_raw){
                             .bus = "chp",
                             .where = "a daemon that serves the bus",
                             .durability = "none, both",
                             .peer_one = "libzmq, PUB to SUB, five frames, one subscriber",
                             .peer_all = "libzmq, PUB to SUB, five frames, three subscribers",
                             .send = send_raw,
                             .one = &one,
                             .all = &all,
                             .receiver = receiver});
}

/* ---- many ---- */

/* The messages that the raw server keeps: of each the frames, without who sent it. */
static zmq_msg_t kept[MANY_MOST][FRAMES];

static bool take_frame(void *socket, zmq_msg_t *out)
{
    if (zmq_msg_init(out) != 0 || zmq_msg_recv(out, socket, 0) < 0)
        bench_die("zmq_msg_recv");
    return zmq_msg_more(out) != 0;
}

static void put_frame(void *socket, zmq_msg_t *frame, bool more)
{
    zmq_msg_t copy;

    if (zmq_msg_init(&copy) != 0 || zmq_msg_copy(&copy, frame) != 0 ||
        zmq_msg_send(&copy, socket, more ? ZMQ_SNDMORE : 0) < 0)
        bench_die("zmq_msg_send");
}

static void put_kept(void *socket, size_t at)
{
    for (int i = 0; i < FRAMES; i++)
        put_frame(socket, &kept[at][i], i + 1 < FRAMES);
}

/* One frame is a question: from which message on. SIZE_MAX: the batch is over. */
static void answer(void *router, zmq_msg_t *client, zmq_msg_t *question, size_t count)
{
    size_t from;

    memcpy(&from, zmq_msg_data(question), sizeof from);
    for (size_t i = 0; from < count && i < DELIVER_BATCH_MAX && from + i < count; i++) {
        put_frame(router, client, true);
        put_kept(router, from + i);
    }
    put_frame(router, client, true);
    put_frame(router, question, false);
}

_Noreturn static void serve_raw(uint16_t at)
{
    void *router = made(ZMQ_ROUTER), *publisher = made(ZMQ_PUB);
    zmq_msg_t client;
    size_t count = 0;
    char text[64];

    endpoint(text, at);
    if (zmq_bind(router, text) != 0)
        bench_die("zmq_bind");
    endpoint(text, many_free_port());
    if (zmq_bind(publisher, text) != 0)
        bench_die("zmq_bind");
    for (;;) {
        (void)take_frame(router, &client);
        if (count == MANY_MOST)
            bench_die("too many changes for this program: lower ACCORD_BENCH_CHANGES");
        if (!take_frame(router, &kept[count][0])) {
            answer(router, &client, &kept[count][0], count);
            zmq_msg_close(&kept[count][0]);
        } else {
            for (int i = 1; i < FRAMES; i++)
                (void)take_frame(router, &kept[count][i]);
            put_kept(publisher, count++);
        }
        zmq_msg_close(&client);
    }
}

static void *raw_server_start(void)
{
    uint16_t at = many_free_port();
    void *socket;
    char text[64];

    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve_raw(at);
    }
    socket = made(ZMQ_DEALER);
    endpoint(text, at);
    if (pid < 0 || zmq_connect(socket, text) != 0)
        bench_die("zmq_connect");
    return socket;
}

static void send_change(void *socket, uint64_t number)
{
    static const char properties[] = "log=343883b26cb57681933a0cc417c0dbfd\n"
                                     "epoch=89ff357a7cd18e98\nafter=1795897597393363\n";
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    char name[FILL_KEY_BYTES + 1], key[FILL_KEY_BYTES + 32];
    struct change c = many_change(number, name);
    size_t size = 0;

    int bytes = snprintf(key, sizeof key, "/accord/raw/remove/%s", name);
    if (change_encode(&c, record, sizeof record, &size) != ACCORD_OK)
        bench_die("a record");
    zmq_send(socket, key, (size_t)bytes, ZMQ_SNDMORE);
    zmq_send(socket, &number, sizeof number, ZMQ_SNDMORE);
    zmq_send(socket, "0123456789abcdef", 16, ZMQ_SNDMORE);
    zmq_send(socket, properties, sizeof properties - 1, ZMQ_SNDMORE);
    zmq_send(socket, record, size, 0);
}

static void ask(void *socket, size_t from)
{
    if (zmq_send(socket, &from, sizeof from, 0) < 0)
        bench_die("zmq_send");
}

/* How many messages came before the question came back. */
static size_t answered(void *socket)
{
    zmq_msg_t frame;
    size_t count = 0;

    while (take_frame(socket, &frame)) {
        zmq_msg_close(&frame);
        for (int i = 1; i < FRAMES; i++) {
            (void)take_frame(socket, &frame);
            zmq_msg_close(&frame);
        }
        count++;
    }
    zmq_msg_close(&frame);
    return count;
}

static double send_many(void *socket, size_t first, size_t count)
{
    uint64_t began_ns = bench_now_ns();

    for (size_t at = 0; at < count; at += PUBLISH_BATCH_MAX) {
        for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++)
            send_change(socket, first + at + i);
        ask(socket, SIZE_MAX);
        (void)answered(socket);
    }
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static double read_many(void *socket, size_t count)
{
    size_t some;

    uint64_t began_ns = bench_now_ns();
    for (size_t got = 0; got < count; got += some) {
        ask(socket, got);
        some = answered(socket);
        if (some == 0)
            bench_die("messages are missing");
    }
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static void measure_many(void)
{
    struct bus_attached attached;
    double ours = 0, raw = 0;
    char url[64], why[BUS_WHY_BYTES_MAX];
    void *socket = raw_server_start();

    snprintf(url, sizeof url, "chp://127.0.0.1:%u/many", port);
    const struct bus_ops *ops = bus_find(url, why);
    if (!ops)
        bench_die(why);
    struct bus *b = many_open(ops, url, &attached);
    for (int i = 0; i < MANY_TURNS; i++) {
        size_t some = many_changes() / MANY_TURNS, first = (size_t)i * some;
        ours += many_publish(ops, b, first, some);
        raw += send_many(socket, first, some);
    }
    many_report("chp-sustained", "a daemon that serves the bus", ours, raw,
                "libzmq, five frames a change to a ROUTER, and said by a PUB", 0.8,
                "none, both");
    ours = raw = 0;
    for (int i = 0; i < MANY_TURNS; i++) {
        ours += many_read(ops, b, attached.after, many_changes());
        raw += read_many(socket, many_changes());
    }
    many_report("chp-catch-up", "a daemon that serves the bus", ours / MANY_TURNS,
                raw / MANY_TURNS, "libzmq, the same messages, 256 at a time", 1 / 1.5,
                "none, both");
    ops->close(b);
}

/* ---- nothing ---- */

static double questions_of(void *context)
{
    char answer[16384] = "";
    const char *ask = "*1\r\n$13\r\nACCORD.STATUS\r\n";
    int fd = bench_connect(sock);
    size_t used = 0;
    const char *at;

    (void)context;
    if (write(fd, ask, strlen(ask)) != (ssize_t)strlen(ask))
        bench_die("write");
    do {
        ssize_t got = read(fd, answer + used, sizeof answer - 1 - used);
        if (got <= 0)
            bench_die("ACCORD.STATUS");
        used += (size_t)got;
        answer[used] = '\0';
        at = strstr(answer, "chp_bus_questions\r\n:");
    } while (!at || !strchr(at + 20, '\r'));
    close(fd);
    return strtod(at + 20, NULL);
}

/* The head every L/6, give or take. A publish is no question, and the looks after a second of
 * silence are few: the nodes' beats break it. */
static double designed(int nodes)
{
    (void)nodes;
    return 6.0 / IDLE_L_S;
}

static void measure_idle(int nodes)
{
    char url[64];
    struct idle_bus b = {.bus = "chp",
                         .unit = "questions/s, each node",
                         .peer = "heads of the design",
                         .count = questions_of,
                         .designed = designed,
                         .durability = "none"};

    snprintf(url, sizeof url, "chp://127.0.0.1:%u/idle%d", port, nodes);
    idle_measure(&b, url, nodes);
}

int main(void)
{
    static struct three three;
    void *publisher = made(ZMQ_PUB);
    char url[64], text[64];

    setenv("ACCORD_BENCH_CHANGES", "102400", 0); /* the server keeps 64 MiB of each log */
    raw_port = many_free_port();
    endpoint(text, raw_port);
    if (zmq_bind(publisher, text) != 0)
        bench_die("zmq_bind");
    start_server();
    measure_idle(IDLE_FEW);
    measure_idle(IDLE_MANY);
    snprintf(url, sizeof url, "chp://127.0.0.1:%u/three", port);
    for (int i = 0; i < THREE_NODES; i++)
        three.receivers[i] = receiver_start(receive, "all/");
    three_start(&three, url);
    measure_removal(&three, publisher);
    measure_many();
    return 0;
}
