/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "prober.h"

#include "bench.h"

#include <accord.h>

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { KEY_BYTES_MAX = 64, VALUE_BYTES_MAX = 256, AWAIT_TRIES = 200000, AWAIT_US = 50 };

struct prober {
    int go; /* a byte through this pipe wakes it */
    size_t count, word_count;
    const _Atomic uint32_t *words[PROBER_NODES_MAX];
    struct accord *nodes[PROBER_NODES_MAX]; /* in the prober's process only */
    _Atomic uint32_t armed, done;           /* rounds that got so far */
    char key[KEY_BYTES_MAX];
    uint64_t gone_ns[PROBER_NODES_MAX];
};

void prober_await(const _Atomic uint32_t *counter, uint32_t value, const char *what)
{
    for (int i = 0; i < AWAIT_TRIES; i++) {
        if (atomic_load(counter) == value)
            return;
        usleep(AWAIT_US);
    }
    fprintf(stderr, "bench: gave up waiting: %s\n", what);
    exit(1);
}

static bool is_hit(struct accord *a, const char *key, size_t key_bytes)
{
    char value[VALUE_BYTES_MAX];
    struct accord_result r;

    return accord_get(a, key, key_bytes, value, sizeof value, &r) == ACCORD_OK &&
           r.state == ACCORD_HIT;
}

static void probe_nodes(struct prober *p)
{
    size_t left = p->count, key_bytes = strlen(p->key);

    for (size_t i = 0; i < p->count; i++) {
        while (!is_hit(p->nodes[i], p->key, key_bytes))
            ;
        p->gone_ns[i] = 0;
    }
    atomic_fetch_add(&p->armed, 1);
    while (left > 0)
        for (size_t i = 0; i < p->count; i++)
            if (p->gone_ns[i] == 0 && !is_hit(p->nodes[i], p->key, key_bytes)) {
                p->gone_ns[i] = bench_now_ns();
                left--;
            }
}

static void probe_words(struct prober *p)
{
    uint32_t before[PROBER_NODES_MAX];
    size_t left = p->word_count;

    for (size_t i = 0; i < p->word_count; i++) {
        before[i] = atomic_load(p->words[i]);
        p->gone_ns[i] = 0;
    }
    atomic_fetch_add(&p->armed, 1);
    while (left > 0)
        for (size_t i = 0; i < p->word_count; i++)
            if (p->gone_ns[i] == 0 && atomic_load(p->words[i]) != before[i]) {
                p->gone_ns[i] = bench_now_ns();
                left--;
            }
}

_Noreturn static void run(struct prober *p, int go, int cpu, const char *const sockets[])
{
    char byte;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_pin(cpu);
    for (size_t i = 0; i < p->count; i++)
        if (accord_open(&p->nodes[i], sockets[i], NULL) != ACCORD_OK)
            bench_die(sockets[i]);
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) != 0)
        bench_die("sched_setscheduler");
    while (read(go, &byte, 1) == 1) {
        if (byte == 'w')
            probe_words(p);
        else
            probe_nodes(p);
        atomic_fetch_add(&p->done, 1);
    }
    _exit(0);
}

struct prober *prober_start(int cpu, const char *const sockets[], size_t count)
{
    return prober_start_with(cpu, sockets, count, NULL, 0);
}

struct prober *prober_start_with(int cpu, const char *const sockets[], size_t count,
                                 const _Atomic uint32_t *const words[], size_t word_count)
{
    int ends[2];
    struct prober *p =
        mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED || count > PROBER_NODES_MAX || word_count > PROBER_NODES_MAX ||
        pipe(ends) != 0)
        bench_die("prober");
    p->count = count;
    p->word_count = word_count;
    for (size_t i = 0; i < word_count; i++)
        p->words[i] = words[i];
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        close(ends[1]);
        run(p, ends[0], cpu, sockets);
    }
    close(ends[0]);
    p->go = ends[1];
    return p;
}

static void arm(struct prober *p, char what)
{
    uint32_t armed = atomic_load(&p->armed);

    if (write(p->go, &what, 1) != 1)
        bench_die("prober");
    prober_await(&p->armed, armed + 1, "the prober is armed: a key is a hit on every node");
}

void prober_arm(struct prober *p, const char *key)
{
    snprintf(p->key, sizeof p->key, "%s", key);
    arm(p, 'k');
}

void prober_arm_words(struct prober *p)
{
    arm(p, 'w');
}

void prober_wait(struct prober *p, uint64_t gone_ns[])
{
    prober_await(&p->done, atomic_load(&p->armed), "the key is gone on every node");
    memcpy(gone_ns, p->gone_ns,
           (p->count > p->word_count ? p->count : p->word_count) * sizeof *gone_ns);
}
