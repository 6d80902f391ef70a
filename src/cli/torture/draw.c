/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* draw.c - which fault comes next: everything from the run's seed. */
#include "cli/torture/torture.h"

/* Shares of L, in permille: just too short for a lease to end, just long enough, and far
 * beyond. */
static const uint32_t stops[] = {900, 1100, 900, 1100, 3000, 10000};

static uint64_t below(struct torture *t, uint64_t n)
{
    return demo_random(&t->random) % n;
}

static uint64_t between_l(struct torture *t, uint64_t from_permille, uint64_t to_permille)
{
    uint64_t permille = from_permille + below(t, to_permille - from_permille + 1);

    return t->c.world.options.max_stale_ns / 1000 * permille;
}

/* A node that nothing holds at the moment, if at most half of them are held. */
static bool draw_node(struct torture *t, uint32_t *who)
{
    size_t held = 0;

    for (size_t i = 0; i < t->node_count; i++)
        held += t->nodes[i].disturbed;
    if (held * 2 >= t->node_count)
        return false;
    for (int tries = 0; tries < 64; tries++) {
        *who = (uint32_t)below(t, t->node_count);
        if (!t->nodes[*who].disturbed)
            return true;
    }
    return false;
}

static bool draw_for(struct torture *t, struct scenario_step *s)
{
    switch (s->fault) {
    case SCENARIO_KILL:
    case SCENARIO_END:
        s->for_ns = between_l(t, 0, 2000);
        return draw_node(t, &s->who);
    case SCENARIO_STOP:
        s->for_ns = t->c.world.options.max_stale_ns / 1000 * stops[below(t, COUNT_OF(stops))];
        return draw_node(t, &s->who);
    case SCENARIO_READER_KILL:
    case SCENARIO_READER_STOP:
        s->who = (uint32_t)below(t, t->c.world.options.readers);
        s->for_ns = between_l(t, 100, 2000);
        return !t->reader_stopped[s->who];
    case SCENARIO_BUS_LOCK:
    case SCENARIO_BUS_MOVE:
        s->for_ns = between_l(t, 200, 1800);
        return !t->bus_disturbed;
    case SCENARIO_BUS_RESTORE:
        return !t->bus_disturbed && t->bus.has_copy;
    default:
        return false;
    }
}

bool torture_draw(struct torture *t, struct scenario_step *out)
{
    enum scenario_fault able[SCENARIO_FAULT_COUNT];
    size_t count = 0;

    for (size_t i = 0; i < SCENARIO_FAULT_COUNT; i++)
        if (t->enabled[i])
            able[count++] = (enum scenario_fault)i;
    if (count == 0)
        return false;
    *out = (struct scenario_step){.fault = able[below(t, count)], .for_ns = UINT64_MAX};
    return draw_for(t, out);
}
