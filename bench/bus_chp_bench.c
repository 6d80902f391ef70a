/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_chp_bench.c - the CHP bus beside what libzmq gives alone, both over loopback:
 *
 *   removal-chp-3  a removal sent to one node until it is gone on three, against one message of
 *                  five frames from a PUB in one process to a SUB in another; they take turns
 *   …-of-3         the same against SUBs in three processes, until the prober that looks at the
 *                  nodes has seen that the last of them has it
 *   idle-chp-…     what nodes ask that have nothing to do (idle.h)
 *
 * The server is a daemon that does nothing else.
 */
#include "bench.h"
#include "idle.h"
#include "many.h"
#include "three.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum { FRAMES = 5, SETTLE_US = 500000 };

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

static void endpoint(char text[64])
{
    snprintf(text, 64, "tcp://127.0.0.1:%u", raw_port);
}

_Noreturn static void receive(struct receiver *s, const char *prefix)
{
    void *socket = made(ZMQ_SUB);
    char text[64], frame[256];

    endpoint(text);
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

    raw_port = many_free_port();
    endpoint(text);
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
    return 0;
}
