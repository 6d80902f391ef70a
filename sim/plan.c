/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What a seed decides beforehand: the fleet, its settings, which faults there are and how often
 * (a swarm: a run with few kinds goes deeper into each than a run with all), and the load. */
#include "sim/sim.h"

const char *const theme_words[THEMES] = {
    "none",  "lease", "strict", "reuse",    "hole",  "heir",  "fence",    "shorter",
    "holes", "ping",  "cut",    "stranger", "space", "moved", "operator", "twins"};

static void draw_fleet(struct plan *p, struct rng *r)
{
    static const uint64_t terms_ms[] = {3000, 3000, 3000, 1000, 600, 10000};
    uint64_t size = rng_below(r, 1000);

    p->hosts = 3 + rng_below(r, 3);
    if (size < 60)
        p->hosts = 6 + rng_below(r, 7);
    if (size < 6)
        p->hosts = 20 + rng_below(r, 31);
    p->present = p->hosts;
    p->readers = 2;
    p->max_stale_ns = terms_ms[rng_below(r, COUNT_OF(terms_ms))] * NS_PER_MS;
    p->head_linearizable = rng_below(r, 3) > 0;
    p->publish_timeout_ns = rng_below(r, 4) == 0 ? 200 * NS_PER_MS : NS_PER_S;
    p->load_timeout_ns = rng_below(r, 4) == 0 ? 300 * NS_PER_MS : 2 * NS_PER_S;
    p->join_settle_ns = rng_below(r, 200) * NS_PER_MS;
    p->bus_timeout_ns = (200 + rng_below(r, 2000)) * NS_PER_MS;
    p->position_gap = rng_below(r, 3) == 0 ? 1 + (unsigned)rng_below(r, 3) : 0;
    p->large_values = rng_below(r, 60) == 0;
    p->retain_ns = rng_below(r, 2) == 0 ? 3600 * NS_PER_S : (10 + rng_below(r, 60)) * NS_PER_S;
    p->restart_max_ns = (1 + rng_below(r, 20)) * 500 * NS_PER_MS;
    p->keeps_place = rng_below(r, 5) > 0;
    p->stores_segment = rng_below(r, 2) == 0;
    p->soon_permille = (unsigned)rng_below(r, 1001);
}

static void draw_bounds(struct plan *p, struct rng *r)
{
    bool tight = rng_below(r, 3) == 0;

    p->tight_ns = tight ? rng_between(r, p->max_stale_ns / 3, p->max_stale_ns) : UINT64_MAX;
    if (p->theme == THEME_SPACE)
        p->tight_ns = p->max_stale_ns / 3;
    if (tight) /* a larger one than the cluster's is refused */
        p->tight_ns = u64_min(p->tight_ns, p->least_stale_ns);
}

static void draw_load(struct plan *p, struct rng *r)
{
    p->read_every_ns = (30 + rng_skewed(r, 1000)) * NS_PER_MS;
    p->load_every_ns = (50 + rng_skewed(r, 800)) * NS_PER_MS;
    p->write_every_ns = (100 + rng_skewed(r, 4000)) * NS_PER_MS;
    p->ask_every_ns = (200 + rng_skewed(r, 4000)) * NS_PER_MS;
    p->hot_keys = rng_below(r, 3) == 0 ? KEYS : 1 + (unsigned)rng_below(r, 6);
    p->ack_local_permille = rng_below(r, 3) == 0 ? (unsigned)rng_below(r, 1001) : 0;
    p->strict_permille = (unsigned)rng_below(r, 700);
    p->outbox_permille = (unsigned)rng_skewed(r, 300);
    p->die_permille = (unsigned)rng_skewed(r, 200);
    p->wide_permille = (unsigned)rng_skewed(r, 400);
}

static void draw_permille(struct plan *p, struct rng *r, enum fault kind, unsigned most)
{
    if (rng_below(r, 3) == 0)
        p->permille[kind] = 1 + (unsigned)rng_skewed(r, most);
}

static void add_weight(struct plan *p, enum fault kind, unsigned weight)
{
    p->weight[kind] += weight;
    p->weights += weight;
}

/* Restarts and little else: a cache that is dropped all the time hides what one inherits. */
static void draw_restarts(struct plan *p, struct rng *r)
{
    p->keeps_place = true;
    p->soon_permille = 900;
    p->wide_permille = (unsigned)rng_below(r, 400);
    p->fault_every_ns = p->max_stale_ns / 2 + rng_skewed(r, 3 * p->max_stale_ns);
    add_weight(p, FAULT_CRASH, 10);
    add_weight(p, FAULT_STEP_CRASH, 10);
    add_weight(p, FAULT_STOP, 4);
    add_weight(p, FAULT_READER_KILL, 4);
    draw_permille(p, r, FAULT_STEP_PAUSE, 200);
    draw_permille(p, r, FAULT_READ_PAUSE, 600);
}

/* A bus that is away for longer than hold_off, which is longer than the view of the log that
 * reading begins with. */
static void draw_outages(struct plan *p, struct rng *r)
{
    p->max_stale_ns = 600 * NS_PER_MS;
    p->outage_min_ns = 14 * NS_PER_S; /* also by a clock that is 10 % slow */
    p->outage_max_ns = 30 * NS_PER_S;
    p->moved_permille = 500;
    p->soon_permille = 700;
    p->lagging_permille = 600;
    p->fault_every_ns = (3000 + rng_below(r, 10000)) * NS_PER_MS;
    add_weight(p, FAULT_CUT, 20);
    add_weight(p, FAULT_BUS_DOWN, 3);
    add_weight(p, FAULT_REPLACE, 2);
    add_weight(p, FAULT_CRASH, 6);
}

static void draw_faults(struct plan *p, struct rng *r)
{
    static const enum fault by_themselves[] = {
        FAULT_ONE_WAY,     FAULT_CUT,          FAULT_SWIZZLE,   FAULT_CRASH,
        FAULT_STALE_DISK,  FAULT_PAUSE,        FAULT_SLOW,      FAULT_FAST,
        FAULT_SUSPEND,     FAULT_VM_PAUSE,     FAULT_DISK_FULL, FAULT_BIT_FLIP,
        FAULT_MISDIRECTED, FAULT_FSYNC,        FAULT_FAILOVER,  FAULT_SPLIT,
        FAULT_TRUNCATE,    FAULT_RESTORE,      FAULT_REPLACE,   FAULT_PRUNE,
        FAULT_BUS_DOWN,    FAULT_TWICE,        FAULT_LOST_DISK, FAULT_READER_KILL,
        FAULT_CLIENT_GONE, FAULT_CLOCK_BROKEN, FAULT_STOP,      FAULT_TORN_WRITE,
        FAULT_NO_MEMORY,   FAULT_STEP_CRASH};
    uint64_t share = 1 + rng_below(r, 4); /* a kind is there in one of so many runs */
    uint64_t focus = rng_below(r, 12);

    if (focus == 0)
        draw_restarts(p, r);
    if (focus == 1)
        draw_outages(p, r);
    if (focus < 2)
        return;
    p->fault_every_ns = (1000 + rng_skewed(r, 20000)) * NS_PER_MS;
    for (size_t i = 0; i < COUNT_OF(by_themselves); i++)
        if (rng_below(r, share) == 0)
            p->weights += p->weight[by_themselves[i]] = 1 + (unsigned)rng_skewed(r, 20);
    draw_permille(p, r, FAULT_DROP, 100);
    draw_permille(p, r, FAULT_DUPLICATE, 300);
    draw_permille(p, r, FAULT_REORDER, 300);
    draw_permille(p, r, FAULT_DELAY, 100);
    draw_permille(p, r, FAULT_UNKNOWN, 200);
    draw_permille(p, r, FAULT_REFUSED, 200);
    draw_permille(p, r, FAULT_STEP_PAUSE, 200);
    draw_permille(p, r, FAULT_READ_PAUSE, 600);
    if (rng_below(r, 4) == 0)
        draw_permille(p, r, FAULT_HOLE, 10);
}

/* Whatever one machine does by itself: its processes pause, its messages take their time. */
static void draw_scenario(struct plan *p, struct rng *r, const struct scenario *scenario)
{
    scene_plan(scenario, p);
    p->quiet = false;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, 20) * NS_PER_MS;
    draw_permille(p, r, FAULT_STEP_PAUSE, 200);
    draw_permille(p, r, FAULT_READ_PAUSE, 600);
    p->live_ns = scene_lasts_ns(scenario);
}

/* ---- themes --------------------------------------------------------------------------------
 */

static void only_faults(struct plan *p, const enum fault *kinds, const unsigned *weights,
                        size_t count)
{
    memset(p->weight, 0, sizeof p->weight);
    memset(p->permille, 0, sizeof p->permille);
    p->weights = 0;
    for (size_t i = 0; i < count; i++)
        p->weights += p->weight[kinds[i]] = weights[i];
}

/* A lease counts from its question, never from the answer, and only from its own; a read may
 * sleep while it ends and another begins. So answers are late by up to L, links break between a
 * question and its answer, and there are few keys and many writes. */
static void bend_to_lease(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_ONE_WAY, FAULT_CUT, FAULT_PAUSE, FAULT_CRASH};
    static const unsigned weights[] = {8, 12, 4, 1};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 600 : 1000) * NS_PER_MS;
    p->bus_timeout_ns = p->max_stale_ns / 2;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, p->max_stale_ns / 4);
    p->permille[FAULT_DELAY] = (unsigned)rng_below(r, 700);
    p->permille[FAULT_READ_PAUSE] = (unsigned)rng_below(r, 800);
    p->fault_every_ns = p->max_stale_ns;
    p->hot_keys = 1 + (unsigned)rng_below(r, 2);
    p->write_every_ns = p->max_stale_ns / (2 + rng_below(r, 8));
    p->load_every_ns = p->max_stale_ns / 20;
    p->read_every_ns = p->max_stale_ns / 20;
    p->end_permille = 700;
    p->late_permille = 600;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 50 * p->max_stale_ns;
}

/* Entries come late to who knows the head, for he asks often. Keys are many, so that the copy
 * that a removal is to take is not taken by the one before it. */
static void bend_to_late(struct plan *p, struct rng *r)
{
    p->permille[FAULT_LATE] = 200 + (unsigned)rng_below(r, 700);
    p->delay_max_ns = p->delay_min_ns + p->max_stale_ns / 100;
    p->permille[FAULT_DELAY] = p->permille[FAULT_DROP] = 0;
    p->fault_every_ns = 8 * p->max_stale_ns;
    p->hot_keys = KEYS - 4;
    p->ask_every_ns = p->max_stale_ns / 20;
    p->load_every_ns = p->max_stale_ns / 100;
}

/* Who waits for all to confirm must count everybody who may still serve the old value: one that
 * reads and cannot write, one that has just come, one whose clock is slow, one that is late. */
static void bend_to_strict(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_ONE_WAY, FAULT_CUT,     FAULT_PAUSE,   FAULT_CRASH,
                                       FAULT_REPLACE, FAULT_RESTORE, FAULT_FAILOVER};
    const unsigned weights[] = {10, 5, 10, 1 + (unsigned)rng_below(r, 20), 1, 1, 1};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3 + rng_below(r, 2);
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 600 : 3000) * NS_PER_MS;
    p->publish_timeout_ns = NS_PER_S;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->restart_max_ns = 200 * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_maybe(r, p->max_stale_ns / 8);
    p->permille[FAULT_DELAY] = rng_below(r, 3) > 0 ? (unsigned)rng_below(r, 400) : 0;
    p->permille[FAULT_DROP] = rng_below(r, 2) == 0 ? (unsigned)rng_below(r, 200) : 0;
    p->fault_every_ns = 3 * p->max_stale_ns / 2;
    p->hot_keys = 1 + (unsigned)rng_below(r, 4);
    p->strict_permille = 900;
    p->die_permille = p->wide_permille = p->outbox_permille = p->ack_local_permille = 0;
    p->write_every_ns = p->max_stale_ns / 10;
    p->load_every_ns = p->max_stale_ns / 40;
    p->read_every_ns = p->max_stale_ns / 10;
    p->clocks_apart = rng_below(r, 2) == 0;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 50 * p->max_stale_ns;
    if (rng_below(r, 2) == 0)
        bend_to_late(p, r);
}

/* Values so large, and so many, that a segment is written over in seconds, and a lease that
 * covers a long sleep. */
static void bend_to_reuse(struct plan *p, struct rng *r)
{
    only_faults(p, NULL, NULL, 0);
    p->hosts = p->present = 3;
    p->max_stale_ns = 3 * NS_PER_S;
    p->delay_max_ns = p->delay_min_ns;
    p->permille[FAULT_READ_PAUSE] = 400 + (unsigned)rng_below(r, 400);
    p->large_values = p->large_only = true;
    p->hot_keys = KEYS;
    p->strict_permille = p->die_permille = p->wide_permille = 0;
    p->write_every_ns = 10 * NS_PER_MS;
    p->load_every_ns = 3 * NS_PER_MS;
    p->read_every_ns = 5 * NS_PER_MS;
    p->think_ns = 10 * NS_PER_MS;
    p->live_ns = 4 * NS_PER_S;
}

/* What a host was never given is said again, or is missed for ever: then the copy that it
 * should have removed must not be there any more, however seldom its key changes. */
static void bend_to_hole(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_CRASH, FAULT_ONE_WAY};
    static const unsigned weights[] = {3, 1};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 1000 : 3000) * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, 20 * NS_PER_MS);
    p->permille[FAULT_HOLE] = 5 + (unsigned)rng_skewed(r, 80);
    p->fault_every_ns = 8 * p->max_stale_ns;
    p->hot_keys = 4;
    p->die_permille = p->wide_permille = p->outbox_permille = 0;
    p->write_every_ns = p->max_stale_ns / (2 + rng_below(r, 4));
    p->load_every_ns = p->max_stale_ns / 20;
    p->read_every_ns = p->max_stale_ns / 10;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 30 * p->max_stale_ns;
}

/* What was filled in an outage lasts a second, or three in the namespace "stale": in that time
 * the daemon must die, and its successor have a lease. */
static void bend_to_heir(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_CUT,        FAULT_ONE_WAY, FAULT_CRASH,
                                       FAULT_STEP_CRASH, FAULT_STOP,    FAULT_READER_KILL};
    static const unsigned weights[] = {12, 4, 12, 4, 1, 2};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 600 : 1000) * NS_PER_MS;
    p->keeps_place = p->stores_segment = true;
    p->soon_permille = 900;
    p->restart_max_ns = NS_PER_S;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, 20 * NS_PER_MS);
    p->permille[FAULT_STEP_PAUSE] = (unsigned)rng_maybe(r, 100);
    p->fault_every_ns = p->max_stale_ns / 2;
    p->hot_keys = 11; /* up to those of the namespace "stale" */
    p->die_permille = p->wide_permille = 0;
    p->write_every_ns = p->max_stale_ns / (1 + rng_below(r, 4));
    p->load_every_ns = p->max_stale_ns / 20;
    p->read_every_ns = p->max_stale_ns / 20;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 50 * p->max_stale_ns;
}

/* What a replica gives that lags must not be stored after a removal that this daemon never saw:
 * one of before its start, or of an outage. Few removals, or the next one guards the key. */
static void bend_to_fence(struct plan *p, struct rng *r)
{
    static const enum fault restarts[] = {FAULT_CRASH}, outages[] = {FAULT_CUT, FAULT_REPLACE};
    static const unsigned weights[] = {10, 1};
    uint64_t dice = rng_below(r, 3);
    bool away = dice == 0;

    only_faults(p, away ? outages : restarts, weights, away ? 2 : 1);
    p->hosts = p->present = 3;
    p->max_stale_ns = 600 * NS_PER_MS;
    p->keeps_place = true;
    p->retain_ns = 3600 * NS_PER_S;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, 20 * NS_PER_MS);
    p->soon_permille = away ? 900 : 200;
    p->restart_max_ns = 8 * NS_PER_S;
    p->lost_permille = dice == 2 ? 600 : 0;
    p->moved_permille = 800;
    p->outage_min_ns = 14 * NS_PER_S;
    p->outage_max_ns = 18 * NS_PER_S;
    p->fault_every_ns = 5 * NS_PER_S;
    p->lagging_permille = 900;
    p->lsn_permille = away ? 0 : 800; /* of what is saved, all is of that namespace */
    p->versioned_permille = dice == 1 ? 400 : 1000;
    p->die_permille = p->wide_permille = p->outbox_permille = p->strict_permille = 0;
    p->write_every_ns = (away ? 1000 : 3000) * NS_PER_MS + rng_below(r, 3 * NS_PER_S);
    p->load_every_ns = 50 * NS_PER_MS;
    p->read_every_ns = 100 * NS_PER_MS;
    p->ask_every_ns = 10 * NS_PER_S;
    p->think_ns = 50 * NS_PER_MS;
    p->live_ns = 70 * NS_PER_S;
}

/* A log that is cut back, and nobody is told: just then a host must be between what it knows of
 * the log and what it has read, because it has started, or reads a hole again. What it takes
 * for applied then stays, so that keys seldom change, and there is time after the last fault.
 */
static void bend_to_shorter(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_TRUNCATE, FAULT_RESTORE, FAULT_CRASH, FAULT_CUT};
    static const unsigned weights[] = {12, 1, 8, 2};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 600 : 1000) * NS_PER_MS;
    p->keeps_place = p->stores_segment = true;
    p->retain_ns = 3600 * NS_PER_S;
    p->soon_permille = 900;
    p->restart_max_ns = 500 * NS_PER_MS;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, p->max_stale_ns / 5);
    p->permille[FAULT_HOLE] = rng_below(r, 2) == 0 ? 5 + (unsigned)rng_skewed(r, 60) : 0;
    p->fault_every_ns = p->max_stale_ns / 2;
    p->outage_max_ns = p->max_stale_ns;
    p->hot_keys = KEYS;
    p->die_permille = p->wide_permille = p->outbox_permille = 0;
    p->write_every_ns = p->max_stale_ns / (2 + rng_below(r, 6));
    p->load_every_ns = p->max_stale_ns / 30;
    p->read_every_ns = p->max_stale_ns / 20;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 4 * p->max_stale_ns + rng_below(r, 16 * p->max_stale_ns);
}

/* Many holes, of several senders at once, and origins that do not answer: so that one is found
 * in what is read again for another, and a host dies, or answers, while some are open. */
static void bend_to_holes(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_ONE_WAY, FAULT_CUT,        FAULT_PAUSE,
                                       FAULT_CRASH,   FAULT_STEP_CRASH, FAULT_READER_KILL};
    static const unsigned weights[] = {6, 6, 6, 8, 4, 2};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 1000 : 3000) * NS_PER_MS;
    p->keeps_place = p->stores_segment = true;
    p->retain_ns = 3600 * NS_PER_S;
    p->soon_permille = 900;
    p->restart_max_ns = 500 * NS_PER_MS;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, 60 * NS_PER_MS);
    p->permille[FAULT_HOLE] = 20 + (unsigned)rng_below(r, 130);
    p->permille[FAULT_DUPLICATE] = (unsigned)rng_maybe(r, 200);
    p->fault_every_ns = p->max_stale_ns * (2 + rng_below(r, 6)) / 2;
    p->hot_keys = KEYS;
    p->strict_permille = 300;
    p->die_permille = p->wide_permille = p->outbox_permille = 0;
    p->write_every_ns = p->max_stale_ns / (4 + rng_below(r, 20));
    p->load_every_ns = p->max_stale_ns / 30;
    p->read_every_ns = p->max_stale_ns / 20;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 15 * p->max_stale_ns;
}

/* The same, mostly while something is read again. Positions have gaps, so that what comes next
 * may stand where nothing stood: else the trail tells. */
static void bend_to_cut(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_TRUNCATE, FAULT_RESTORE, FAULT_CRASH, FAULT_CUT};
    static const unsigned weights[] = {30, 3, 3, 2};

    bend_to_shorter(p, r);
    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->position_gap = 1 + (unsigned)rng_below(r, 6);
    if (rng_below(r, 2) == 0) {
        p->permille[FAULT_HOLE] = 30 + (unsigned)rng_below(r, 170);
    } else { /* or while a host that has just started reads up to its place */
        p->weight[FAULT_CRASH] += 15;
        p->weight[FAULT_STOP] += 15; /* which is its last one, then */
        p->weights += 30;
    }
    p->delay_max_ns = p->delay_min_ns + rng_below(r, p->max_stale_ns / 4);
    p->fault_every_ns = p->max_stale_ns / (1 + rng_below(r, 4));
    p->write_every_ns = p->max_stale_ns / (4 + rng_below(r, 20));
}

/* Strangers write what no host may believe, by hand and in the name of a host, while hosts are
 * late to hear of a removal, so that a forged word would make it look done. */
static void bend_to_stranger(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_ONE_WAY, FAULT_CUT, FAULT_PAUSE, FAULT_CRASH};
    static const unsigned weights[] = {6, 4, 8, 2};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->signing = true;
    p->unsigned_removals = 10 + (uint32_t)rng_below(r, 30);
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 600 : 1000) * NS_PER_MS;
    p->stranger_every_ns = p->max_stale_ns / (1 + rng_below(r, 6));
    p->keeps_place = true;
    p->retain_ns = 3600 * NS_PER_S;
    p->soon_permille = 900;
    p->restart_max_ns = 500 * NS_PER_MS;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, p->max_stale_ns / 8);
    p->fault_every_ns = p->max_stale_ns;
    p->hot_keys = 8;
    p->strict_permille = 500;
    p->outbox_permille = 200;
    p->die_permille = p->wide_permille = p->ack_local_permille = 0;
    p->write_every_ns = p->max_stale_ns / (2 + rng_below(r, 6));
    p->load_every_ns = p->max_stale_ns / 40;
    p->read_every_ns = p->max_stale_ns / 20;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 40 * p->max_stale_ns;
}

/* A namespace has a bound of its own, and removals of it alone. So hosts are cut off for about
 * as long as a lease lasts, which is longer than that bound; and items have no tags, for what
 * has one is looked at more closely. */
static void bend_to_space(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_ONE_WAY, FAULT_CUT, FAULT_PAUSE, FAULT_CRASH};
    static const unsigned weights[] = {6, 12, 3, 2};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 1000 : 3000) * NS_PER_MS;
    p->keeps_place = p->stores_segment = true;
    p->soon_permille = 900;
    p->restart_max_ns = 500 * NS_PER_MS;
    p->bus_timeout_ns = p->max_stale_ns / 4;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, 20 * NS_PER_MS);
    p->fault_every_ns = 2 * p->max_stale_ns;
    p->outage_max_ns = 3 * p->max_stale_ns;
    p->space_permille = 900;
    p->untagged = true;
    p->wide_permille = 300;
    p->die_permille = p->outbox_permille = 0;
    p->write_every_ns = p->max_stale_ns / (2 + rng_below(r, 6));
    p->load_every_ns = p->max_stale_ns / 40;
    p->read_every_ns = p->max_stale_ns / 40;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 30 * p->max_stale_ns;
}

/* An entry is moved to the end of the log in silence, and another one stands in its place. Who
 * has passed that place is told by nothing but the number that comes a second time. Keys seldom
 * change, and nobody starts meanwhile: who resumes behind that place cannot know. */
static void bend_to_moved(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_TRUNCATE, FAULT_PAUSE};
    static const unsigned weights[] = {8, 1};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3;
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 600 : 1000) * NS_PER_MS;
    p->retain_ns = 3600 * NS_PER_S;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, 20 * NS_PER_MS);
    p->outage_max_ns = p->max_stale_ns;
    p->fault_every_ns = 6 * p->max_stale_ns;
    p->hot_keys = KEYS;
    p->die_permille = p->wide_permille = p->outbox_permille = 0;
    p->write_every_ns = p->max_stale_ns / (1 + rng_below(r, 3));
    p->load_every_ns = p->max_stale_ns / 40;
    p->read_every_ns = p->max_stale_ns / 30;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 30 * p->max_stale_ns;
}

/* Chance would seldom have the worlds in which most rests on max_stale, and on versions. */
static void bend_to_operator(struct plan *p, struct rng *r)
{
    uint64_t dice = rng_below(r, 5);

    if (dice == 0)
        bend_to_lease(p, r);
    if (dice == 1)
        bend_to_strict(p, r);
    if (dice == 2)
        bend_to_fence(p, r);
}

/* By dice of its own, as a theme. A quiet world may lose no lease, as one does that is lowered.
 */
static void draw_operator(struct plan *p, struct rng dice)
{
    uint64_t ms = p->max_stale_ns / NS_PER_MS;

    rng_next(&dice);
    if (p->quiet)
        return;
    p->least_stale_ns = u64_max(500, ms / (1 + rng_below(&dice, 4))) * NS_PER_MS;
    p->most_stale_ns = ms * (1 + rng_below(&dice, 4)) * NS_PER_MS;
    p->operator_every_ns = p->max_stale_ns / 4 + rng_skewed(&dice, 12 * p->max_stale_ns);
    p->clear_permille = (unsigned)rng_below(&dice, 600);
    p->poison_permille = rng_below(&dice, 2) == 0 ? 1 + (unsigned)rng_skewed(&dice, 40) : 0;
    p->local_permille = rng_below(&dice, 2) == 0 ? (unsigned)rng_below(&dice, 700) : 0;
}

/* Machines are cloned. What tells is numbers: so each host says much, and little else goes
 * wrong. */
static void bend_to_twins(struct plan *p, struct rng *r)
{
    static const enum fault kinds[] = {FAULT_CLONE, FAULT_CUT, FAULT_ONE_WAY, FAULT_CRASH,
                                       FAULT_PAUSE};
    static const unsigned weights[] = {6, 2, 4, 2, 3};

    only_faults(p, kinds, weights, COUNT_OF(kinds));
    p->hosts = p->present = 3 + rng_below(r, 2);
    p->max_stale_ns = (rng_below(r, 2) == 0 ? 600 : 1000) * NS_PER_MS;
    p->keeps_place = true;
    p->bus_timeout_ns = 200 * NS_PER_MS;
    p->join_settle_ns = rng_below(r, 20) * NS_PER_MS;
    p->restart_max_ns = NS_PER_S;
    p->soon_permille = 700;
    p->delay_max_ns = p->delay_min_ns + rng_below(r, p->max_stale_ns / 8);
    p->fault_every_ns = 2 * p->max_stale_ns;
    p->hot_keys = 1 + (unsigned)rng_below(r, 6);
    p->strict_permille = 600;
    p->die_permille = p->outbox_permille = 0;
    p->write_every_ns = p->max_stale_ns / (2 + rng_below(r, 6));
    p->load_every_ns = p->max_stale_ns / 40;
    p->read_every_ns = p->max_stale_ns / 20;
    p->think_ns = p->max_stale_ns / 20;
    p->live_ns = 40 * p->max_stale_ns;
}

static enum theme theme_of(uint64_t dice)
{
    return dice < 58   ? THEME_NONE
           : dice < 60 ? THEME_SHORTER
           : dice < 72 ? THEME_LEASE
           : dice < 88 ? THEME_STRICT
           : dice < 90 ? THEME_REUSE
           : dice < 93 ? THEME_HOLE
           : dice < 96 ? THEME_HEIR
                       : THEME_FENCE;
}

/* By dice of its own: a world without a theme is what it was before there were any. */
static void bend(struct plan *p, struct rng dice, enum theme wanted)
{
    static void (*const benders[THEMES])(struct plan *, struct rng *) = {
        [THEME_LEASE] = bend_to_lease,       [THEME_STRICT] = bend_to_strict,
        [THEME_REUSE] = bend_to_reuse,       [THEME_HOLE] = bend_to_hole,
        [THEME_HEIR] = bend_to_heir,         [THEME_FENCE] = bend_to_fence,
        [THEME_SHORTER] = bend_to_shorter,   [THEME_HOLES] = bend_to_holes,
        [THEME_CUT] = bend_to_cut,           [THEME_STRANGER] = bend_to_stranger,
        [THEME_SPACE] = bend_to_space,       [THEME_MOVED] = bend_to_moved,
        [THEME_OPERATOR] = bend_to_operator, [THEME_TWINS] = bend_to_twins};

    rng_next(&dice);
    enum theme theme = theme_of(rng_below(&dice, 100));
    if (p->quiet || p->lagging_permille > 0)
        return;
    p->theme = wanted != THEME_NONE ? wanted : theme;
    if (benders[p->theme])
        benders[p->theme](p, &dice);
}

void plan_draw(struct plan *p, struct rng *r, const struct scenario *scenario, enum theme theme,
               bool operator_is_there, bool has_clones)
{
    struct rng operator_dice = {.state = r->state ^ 0x9fb21c651e98df25ull};
    struct rng dice = {.state = r->state ^ 0xd1342543de82ef95ull};

    *p = (struct plan){.quiet = rng_below(r, 40) == 0,
                       .end_permille = 200,
                       .think_ns = NS_PER_S,
                       .versioned_permille = 800};
    draw_fleet(p, r);
    draw_load(p, r);
    p->delay_min_ns = (100 + rng_below(r, 2000)) * 1000;
    p->delay_max_ns = p->delay_min_ns + rng_skewed(r, p->quiet ? 20 : 400) * NS_PER_MS;
    p->outage_max_ns = 12 * p->max_stale_ns;
    if (!p->quiet && !scenario)
        draw_faults(p, r);
    uint64_t live_ns = p->lagging_permille > 0 ? 3 * p->outage_max_ns : 40 * p->max_stale_ns;
    p->live_ns = live_ns / 6 + rng_below(r, live_ns / 6 * 5);
    if (p->hosts > 12)
        p->live_ns /= 4;
    if (scenario)
        draw_scenario(p, r, scenario);
    else
        bend(p, dice, theme);
    p->least_stale_ns = p->most_stale_ns = p->max_stale_ns;
    if (has_clones && !p->quiet && p->weight[FAULT_CLONE] == 0)
        add_weight(p, FAULT_CLONE, 3 + p->weights / 10);
    if (has_clones) /* a number that comes twice says nothing of one that did not come */
        p->permille[FAULT_HOLE] = 0;
    if (operator_is_there)
        draw_operator(p, operator_dice);
    draw_bounds(p, r);
    /* Convergence is promised for then: what is cut is seen to be whole (a bus call's timeout
     * and the longest pause between attempts to attach), the clocks are 10 % wrong, a silent
     * namesake is forgotten, and three leases are asked for. */
    p->heal_ns = 2 * p->bus_timeout_ns + 8 * NS_PER_S + 8 * p->most_stale_ns;
    if (p->weight[FAULT_CLONE] > 0) /* twins end first, then the names are mended */
        p->heal_ns *= 2;
    if (p->poison_permille > 0) /* and who dies of an entry is started again */
        p->heal_ns += POISON_TRIES * (p->bus_timeout_ns + 4 * NS_PER_S);
}
