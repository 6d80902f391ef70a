/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* removal_bench.c - sixteen processes of one host have read a key and sleep; it is removed. How
 * long until none of them could read it any more?
 *
 * Ours: from sending DEL until a prober on the other processor finds no hit in the shared
 * memory, which is what all of them read. Redis: CLIENT TRACKING, from sending DEL until the
 * last of the sixteen has its push, before which it serves the old value. Servers and writer
 * are on processor 0.
 */
#include "bench.h"
#include "fill.h"
#include "prober.h"

#include <accord.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
    PROCESSES = 16,
    ROUNDS = 400,
    SETTLE_US = 500, /* until all who have nothing to do are asleep */
    GOAL_US = 15,
    PUSH_BYTES = 48, /* ">2\r\n$10\r\ninvalidate\r\n*1\r\n$16\r\n" key "\r\n" */
    VALUE_REPLY_BYTES = 6 + FILL_VALUE_BYTES + 2,
};

/* What the processes and their parent share. */
struct crowd {
    int go[PROCESSES];     /* pipes: 'h': read, expect a hit; 'm': expect none */
    _Atomic uint32_t done; /* steps finished, all processes summed */
    uint64_t stamp_ns[PROCESSES];
};

static char key[FILL_KEY_BYTES + 1];

typedef void crowd_run(struct crowd *c, unsigned who, int go);

static struct crowd *crowd_start(crowd_run *run)
{
    struct crowd *c =
        mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (c == MAP_FAILED)
        bench_die("mmap");
    for (unsigned i = 0; i < PROCESSES; i++) {
        int ends[2];
        pid_t pid = pipe(ends) == 0 ? fork() : -1;
        if (pid < 0)
            bench_die("fork");
        if (pid == 0) {
            close(ends[1]);
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            run(c, i, ends[0]);
            _exit(0);
        }
        close(ends[0]);
        c->go[i] = ends[1];
    }
    return c;
}

/* Tells all to do one step, and waits until `steps` more are done. */
static void crowd_step(struct crowd *c, char step, uint32_t steps, const char *what)
{
    uint32_t before = atomic_load(&c->done);

    for (unsigned i = 0; i < PROCESSES; i++)
        if (write(c->go[i], &step, 1) != 1)
            bench_die("write");
    prober_await(&c->done, before + steps, what);
}

/* ---- ours ---- */

static void read_shared_memory(struct crowd *c, unsigned who, int go)
{
    char step, value[FILL_VALUE_BYTES];
    struct accord *a;
    struct accord_result r;

    if (accord_open(&a, bench_path("a.sock"), NULL) != ACCORD_OK)
        bench_die("accord_open");
    while (read(go, &step, 1) == 1) {
        if (accord_get(a, key, FILL_KEY_BYTES, value, sizeof value, &r) != ACCORD_OK ||
            (r.state == ACCORD_HIT) != (step == 'h')) {
            fprintf(stderr, "bench: process %u read state %d at step %c\n", who, r.state, step);
            _exit(1);
        }
        atomic_fetch_add(&c->done, 1);
    }
}

static void expect(const char *reply, const char *begins)
{
    if (strncmp(reply, begins, strlen(begins)) != 0) {
        fprintf(stderr, "bench: expected %s, got %s\n", begins, reply);
        exit(1);
    }
}

/* GET, SET; then 16 processes read it; then DEL. */
static void command(int fd, const char *verb, const char *argument, const char *begins)
{
    char text[FILL_VALUE_BYTES + 80];

    snprintf(text, sizeof text, "%s %s%s", verb, key, argument);
    expect(bench_command(fd, text), begins);
}

static double remove_here(int fd, struct crowd *c, struct prober *p, const char *value)
{
    uint64_t gone_ns;

    command(fd, "GET", "", "$-1");
    command(fd, "SET", value, "+OK");
    crowd_step(c, 'h', PROCESSES, "sixteen processes have read the key");
    prober_arm(p, key);
    usleep(SETTLE_US);
    uint64_t sent_ns = bench_now_ns();
    command(fd, "DEL", "", ":1");
    prober_wait(p, &gone_ns);
    crowd_step(c, 'm', PROCESSES, "sixteen processes have found it gone");
    return (double)(gone_ns - sent_ns) / 1000;
}

/* ---- redis-server ---- */

static void track(int fd)
{
    static const char hello[] = "HELLO 3\r\nCLIENT TRACKING ON\r\n";
    char last[5] = "";

    bench_write(fd, hello, sizeof hello - 1);
    while (memcmp(last, "+OK\r\n", sizeof last) != 0) { /* the answer to the second */
        memmove(last, last + 1, sizeof last - 1);
        bench_read(fd, last + sizeof last - 1, 1);
    }
}

static void hold_local_copy(struct crowd *c, unsigned who, int go)
{
    char step, get[64], value[VALUE_REPLY_BYTES + 1], push[PUSH_BYTES + 1];
    int fd = bench_connect(bench_path("redis.sock"));
    size_t bytes = (size_t)snprintf(get, sizeof get, "*2\r\n$3\r\nGET\r\n$16\r\n%s\r\n", key);

    track(fd);
    while (read(go, &step, 1) == 1) {
        bench_write(fd, get, bytes);
        bench_read(fd, value, VALUE_REPLY_BYTES);
        atomic_fetch_add(&c->done, 1);
        bench_read(fd, push, PUSH_BYTES);
        c->stamp_ns[who] = bench_now_ns();
        if (memcmp(value, "$100", 4) != 0 || memcmp(push, ">2", 2) != 0)
            bench_die("redis-server answered something else");
        atomic_fetch_add(&c->done, 1);
    }
}

static double remove_tracked(int fd, struct crowd *c, const char *value)
{
    uint64_t last_ns = 0;

    command(fd, "GET", "", "$-1");
    command(fd, "SET", value, "+OK");
    crowd_step(c, 'h', PROCESSES, "sixteen clients have read the key");
    uint32_t done = atomic_load(&c->done);
    usleep(SETTLE_US);
    uint64_t sent_ns = bench_now_ns();
    command(fd, "DEL", "", ":1");
    prober_await(&c->done, done + PROCESSES, "sixteen clients have their push");
    for (unsigned i = 0; i < PROCESSES; i++)
        if (c->stamp_ns[i] > last_ns)
            last_ns = c->stamp_ns[i];
    return (double)(last_ns - sent_ns) / 1000;
}

static double p50(const char *who, double *us)
{
    double half = bench_percentile(us, ROUNDS, 500);

    fprintf(stderr, "%-12s p50 %.1f, p90 %.1f, p99 %.1f µs\n", who, half,
            bench_percentile(us, ROUNDS, 900), bench_percentile(us, ROUNDS, 990));
    return half;
}

int main(void)
{
    char bus[320], value[FILL_VALUE_BYTES + 2] = " ";
    double ours[ROUNDS], theirs[ROUNDS];

    memset(value + 1, 'v', FILL_VALUE_BYTES);
    fill_key(43, key);
    snprintf(bus, sizeof bus, "sqlite:%s", bench_path("bus.db"));
    bench_start_accord("a", bus, "64M", FILL_CONFIG, 0);
    bench_start_redis(false, 0);
    struct crowd *readers = crowd_start(read_shared_memory);
    struct crowd *trackers = crowd_start(hold_local_copy);
    const char *const sockets[] = {bench_path("a.sock")};
    struct prober *prober = prober_start(1, sockets, 1);
    bench_pin(0);
    int accord = bench_connect(bench_path("a.sock"));
    int redis = bench_connect(bench_path("redis.sock"));
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = remove_here(accord, readers, prober, value);
        theirs[i] = remove_tracked(redis, trackers, value);
    }
    double us = p50("accord", ours);
    fprintf(stderr, "%s: at most %d µs is the aim\n", us <= GOAL_US ? "reached" : "missed",
            GOAL_US);
    bench_report(&(struct bench_result){
        .name = "removal-host-16",
        .ours = us,
        .against = p50("redis-server", theirs),
        .unit = "µs",
        .peer = "redis-server, CLIENT TRACKING in 16 processes",
        .goal = 2.5,
        .bus = "sqlite",
        .durability = "gone before it is published, acknowledged after",
        .clock = "CLOCK_BOOTTIME",
        .pinning = "servers and writer on 0, prober on 1, sixteen readers asleep anywhere"});
    return 0;
}
