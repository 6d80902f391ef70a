/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* prober.c - how long after a removal is called is the old value gone on all nodes?
 *
 * It makes sure that every node has the same version of a row, asks the writer to change that
 * row, and polls all nodes until none answers the old version as a hit. A poll sleeps between
 * rounds, so that it takes no time from what it measures; its step is part of the figure. */
#include "cli/demo/world.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    POLL_NS = 10000,
    EVERY_US = 30000, /* between two probes */
    WARM_TRIES = 20,
    WARM_US = 1000,
    SPARE_S = 10, /* beyond L, until a value that stays counts as lost */
};

struct prober {
    const struct demo_world *world;
    struct demo_reader_stats *stats;
    struct demo_probe *probe;
    struct demo_origin origin;
    struct accord *nodes[DEMO_NODES_MAX];
    struct demo_load load;
    uint64_t random;
    uint8_t value[DEMO_VALUE_BYTES_MAX];
};

/* One get; a hit is judged like any read. *version is 0 where it is no hit. */
static void look(struct prober *p, uint32_t node, uint32_t row, uint64_t *version)
{
    const struct demo_row *key = &p->world->table.rows[row];
    struct accord_result result = {0};
    uint64_t started_ns = demo_now_ns();

    *version = 0;
    int status = accord_get(p->nodes[node], key->key, key->key_bytes, p->value, sizeof p->value,
                            &result);
    demo_count(&p->stats->reads, 1);
    if (status != ACCORD_OK || result.state != ACCORD_HIT)
        return;
    demo_count(&p->stats->hits, 1);
    struct demo_answer a = {(uint32_t)p->world->options.readers,
                            node,
                            row,
                            p->value,
                            result.value_bytes,
                            started_ns};
    if (demo_judge(p->world, &a, /* from_cache= */ true))
        demo_value_check(p->value, result.value_bytes, row, version);
}

static void fill(struct prober *p, uint32_t node, uint32_t row)
{
    const struct demo_row *key = &p->world->table.rows[row];
    struct accord_result result = {0};

    p->load.row = row;
    int status = accord_get_or_set(p->nodes[node], key->key, key->key_bytes, demo_load,
                                   &p->load, NULL, p->value, sizeof p->value, &result);
    (void)status; /* the look that follows tells whether it is there */
}

/* True: every node has `row` in one version, which is *version. */
static bool warm(struct prober *p, uint32_t row, uint64_t *version)
{
    for (int tries = 0; tries < WARM_TRIES; tries++) {
        uint64_t newest = demo_history_newest(p->world->history, row), got;
        uint32_t have = 0;
        for (uint32_t node = 0; node < p->world->options.nodes; node++) {
            look(p, node, row, &got);
            if (got == newest)
                have++;
            else
                fill(p, node, row);
        }
        if (have == p->world->options.nodes) {
            *version = newest;
            return true;
        }
        if (demo_mode(p->world) != DEMO_ON)
            return false;
        usleep(WARM_US);
    }
    return false;
}

/* When each node had stopped answering `version`; the latest of them. 0: it did not. */
static uint64_t watch(struct prober *p, uint32_t row, uint64_t version)
{
    uint64_t give_up_ns = demo_now_ns() + p->world->options.max_stale_ns + SPARE_S * NS_PER_S;
    const struct timespec step = {0, POLL_NS};
    bool gone[DEMO_NODES_MAX] = {false};
    uint64_t left = p->world->options.nodes, last_ns = 0, got;

    while (left > 0) {
        for (uint32_t node = 0; node < p->world->options.nodes; node++) {
            if (gone[node])
                continue;
            look(p, node, row, &got);
            gone[node] = got != version;
            if (gone[node]) {
                left--;
                last_ns = demo_now_ns();
            }
        }
        if (demo_mode(p->world) != DEMO_ON || demo_now_ns() > give_up_ns)
            return 0;
        nanosleep(&step, NULL);
    }
    return last_ns;
}

static bool is_disturbed(const struct prober *p)
{
    return atomic_load_explicit(&p->world->shared->disturbed, memory_order_acquire) != 0;
}

static void probe_once(struct prober *p, uint32_t row)
{
    struct demo_probe *probe = p->probe;
    bool disturbed = is_disturbed(p);
    uint64_t version;

    if (demo_is_forgotten(p->world, row) || !warm(p, row, &version))
        return;
    atomic_store_explicit(&probe->called_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&probe->wanted, row + 1, memory_order_release);
    uint64_t gone_ns = watch(p, row, version);
    atomic_store_explicit(&probe->wanted, 0, memory_order_release);
    uint64_t called_ns = atomic_load_explicit(&probe->called_ns, memory_order_acquire);

    /* A value can vanish for other reasons before the removal: that tells nothing. */
    if (gone_ns == 0 && demo_mode(p->world) == DEMO_ON)
        demo_count(&probe->lost, 1);
    if (called_ns == 0 || gone_ns <= called_ns)
        return;
    disturbed = disturbed || is_disturbed(p);
    demo_histogram_add(disturbed ? &probe->gone_disturbed_ns : &probe->gone_ns,
                       gone_ns - called_ns);
}

static void run(struct prober *p)
{
    enum demo_mode mode;

    while ((mode = demo_mode(p->world)) != DEMO_STOP) {
        atomic_store_explicit(&p->stats->mode_seen, mode + 1u, memory_order_release);
        if (mode == DEMO_ON)
            probe_once(p, (uint32_t)(demo_random(&p->random) % p->world->table.count));
        usleep(mode == DEMO_ON ? EVERY_US : 1000);
    }
}

int demo_prober_run(const struct demo_world *w)
{
    static struct prober p;
    char why[DEMO_ORIGIN_WHY_BYTES_MAX];
    int code = 1;

    prctl(PR_SET_TIMERSLACK, 1);
    p = (struct prober){.world = w,
                        .stats = &w->shared->readers[w->options.readers],
                        .probe = &w->shared->probe,
                        .random = 4711};
    if (demo_origin_open(&p.origin, w->origin_path, why) != ACCORD_OK) {
        fprintf(stderr, "accord: the prober: %s\n", why);
        return code;
    }
    p.load.origin = &p.origin;
    p.load.table = &w->table;
    if (demo_open_all(w, p.nodes) == 0) {
        run(&p);
        code = 0;
    }
    for (size_t i = 0; i < DEMO_NODES_MAX; i++)
        accord_close(p.nodes[i]);
    demo_origin_close(&p.origin);
    return code;
}
