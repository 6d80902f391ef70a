/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "three.h"

#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static void command(const struct three *t, int fd, const char *verb, const char *argument,
                    const char *begins)
{
    char text[FILL_VALUE_BYTES + 80];

    snprintf(text, sizeof text, "%s %s%s", verb, t->key, argument);
    const char *reply = bench_command(fd, text);
    if (strncmp(reply, begins, strlen(begins)) != 0) {
        fprintf(stderr, "bench: %s: expected %s, got %s\n", text, begins, reply);
        exit(1);
    }
}

void three_start(struct three *t, const char *bus)
{
    static const char *const names[THREE_NODES] = {"a", "b", "c"};
    const char *sockets[THREE_NODES];
    char file[16];

    fill_key(43, t->key);
    for (int i = 0; i < THREE_NODES; i++) {
        bench_start_accord(names[i], bus, "64M", FILL_CONFIG, -1);
        snprintf(file, sizeof file, "%s.sock", names[i]);
        sockets[i] = strdup(bench_path(file));
        t->fds[i] = bench_connect(sockets[i]);
    }
    const _Atomic uint32_t *words[THREE_NODES];
    size_t word_count = t->receivers[0] ? THREE_NODES : 0;
    for (size_t i = 0; i < word_count; i++)
        words[i] = &t->receivers[i]->seen;
    t->prober = prober_start_with(1, sockets, THREE_NODES, words, word_count);
}

void three_remove(struct three *t, int i)
{
    uint64_t gone_ns[THREE_NODES];
    double last = 0;

    for (int n = 0; n < THREE_NODES; n++) {
        command(t, t->fds[n], "GET", "", "$-1");
        command(t, t->fds[n], "SET", " value", "+OK");
    }
    prober_arm(t->prober, t->key);
    usleep(THREE_SETTLE_US);
    uint64_t sent_ns = bench_now_ns();
    command(t, t->fds[0], "DEL", "", ":1");
    prober_wait(t->prober, gone_ns);
    for (int n = 0; n < THREE_NODES; n++) {
        t->us[n][i] = (double)(gone_ns[n] - sent_ns) / 1000;
        last = t->us[n][i] > last ? t->us[n][i] : last;
    }
    t->us[THREE_NODES][i] = last;
}

void three_receive(struct three *t, int i, void (*send)(void *context), void *context)
{
    uint64_t seen_ns[THREE_NODES];

    t->raw_us[i] = t->raw_own_us[i] = 0;
    usleep(THREE_SETTLE_US);
    prober_arm_words(t->prober);
    usleep(THREE_SETTLE_US);
    uint64_t sent_ns = bench_now_ns();
    send(context);
    prober_wait(t->prober, seen_ns);
    for (int n = 0; n < THREE_NODES; n++) {
        double seen = (double)(seen_ns[n] - sent_ns) / 1000;
        double own = (double)(t->receivers[n]->seen_ns - sent_ns) / 1000;
        t->raw_us[i] = seen > t->raw_us[i] ? seen : t->raw_us[i];
        t->raw_own_us[i] = own > t->raw_own_us[i] ? own : t->raw_own_us[i];
    }
}

double three_p50(const char *who, double *us)
{
    double half = bench_percentile(us, THREE_ROUNDS, 500);

    fprintf(stderr, "%-22s p50 %.1f, p90 %.1f, p99 %.1f µs\n", who, half,
            bench_percentile(us, THREE_ROUNDS, 900), bench_percentile(us, THREE_ROUNDS, 990));
    return half;
}

double three_report(struct three *t)
{
    three_p50("on node a, told", t->us[0]);
    three_p50("on node b", t->us[1]);
    three_p50("on node c", t->us[2]);
    return three_p50("on all three", t->us[THREE_NODES]);
}

static double publish_one(const struct three_raw *raw)
{
    uint32_t before = receiver_rest(raw->receiver);

    uint64_t sent_ns = bench_now_ns();
    raw->send(raw->one);
    return receiver_us(raw->receiver, before, sent_ns);
}

static void row(const struct three_raw *raw, const char *rest, double ours, double theirs,
                const char *peer)
{
    char name[64];

    snprintf(name, sizeof name, "removal-%s-3%s", raw->bus, rest);
    bench_report(&(struct bench_result){.name = name,
                                        .ours = ours,
                                        .against = theirs,
                                        .unit = "µs",
                                        .peer = peer,
                                        .goal = 1 / 1.5,
                                        .bus = raw->where,
                                        .durability = raw->durability,
                                        .clock = "CLOCK_BOOTTIME",
                                        .pinning =
                                            "writers on 0; prober on 1 in the idle class; "
                                            "server, nodes, receivers anywhere"});
}

static double p99(double *us)
{
    return bench_percentile(us, THREE_ROUNDS, 990);
}

void three_compare(struct three *t, const struct three_raw *raw)
{
    static double one_us[THREE_ROUNDS];
    char seen[160];

    snprintf(seen, sizeof seen, "%s, seen by the same prober", raw->peer_all);
    bench_pin(0);
    for (int i = 0; i < THREE_ROUNDS; i++) {
        three_remove(t, i);
        one_us[i] = publish_one(raw);
        three_receive(t, i, raw->send, raw->all);
    }
    receiver_stop(raw->receiver);
    double ours = three_report(t);
    three_p50("raw, three told", t->raw_own_us);
    row(raw, "", ours, three_p50("raw, one", one_us), raw->peer_one);
    row(raw, "-of-3", ours, three_p50("raw, three seen", t->raw_us), seen);
    ours = p99(t->us[THREE_NODES]);
    row(raw, "-p99", ours, p99(one_us), raw->peer_one);
    row(raw, "-of-3-p99", ours, p99(t->raw_us), seen);
}

struct receiver *receiver_start(void (*receive)(struct receiver *, const char *argument),
                                const char *argument)
{
    struct receiver *r =
        mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (r == MAP_FAILED)
        bench_die("mmap");
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        receive(r, argument);
        _exit(1);
    }
    r->pid = pid; /* only here: the memory is the child's, too */
    prober_await(&r->seen, 1, "the receiver is ready");
    return r;
}

void receiver_saw(struct receiver *r, uint32_t count, uint64_t seen_ns)
{
    r->seen_ns = seen_ns;
    atomic_fetch_add(&r->seen, count);
}

void receiver_stop(struct receiver *r)
{
    kill(r->pid, SIGKILL);
}

uint32_t receiver_rest(struct receiver *r)
{
    usleep(THREE_SETTLE_US);
    return atomic_load(&r->seen);
}

double receiver_us(struct receiver *r, uint32_t before, uint64_t sent_ns)
{
    prober_await(&r->seen, before + 1, "the receiver has it");
    return (double)(r->seen_ns - sent_ns) / 1000;
}
