/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The scenarios that `accord torture` runs on real processes, here: the same files, the same
 * parser (cli/torture/scenario.h), each step done to a virtual host, reader or bus. Chance
 * still decides what the applications do, how long messages take, and where steps and reads
 * pause. */
#include "sim/sim.h"

#include <stdio.h>

/* How old the copy of the bus's file may be that is put back: torture renews its own that
 * often.
 */
#define COPY_AGE_NS (3 * NS_PER_S)

/* ---- reading -------------------------------------------------------------------------------
 */

static int refuse(char why[SCENARIO_WHY_BYTES_MAX], unsigned line, const char *what)
{
    if (line > 0)
        snprintf(why, SCENARIO_WHY_BYTES_MAX, "line %u: %s", line, what);
    else
        snprintf(why, SCENARIO_WHY_BYTES_MAX, "%s", what);
    return ACCORD_E_INVALID;
}

static bool is_reader(const struct scenario_step *step)
{
    return scenario_is_of_reader(step->fault);
}

static bool is_bus(const struct scenario_step *step)
{
    return scenario_is_of_bus(step->fault);
}

/* What no simulator has. The core is told the wall clock for people to read, and here that
 * number is the order of all that happens. A process that cannot attach asks over the socket,
 * as the applications here do anyway. */
static const char *lack_of(enum scenario_fault fault)
{
    if (fault == SCENARIO_TURN)
        return "turn is for real processes: no wall clock decides anything in the simulator";
    if (fault == SCENARIO_READER_SHIFT)
        return "shift is for real processes: the simulator has no time namespaces";
    return NULL;
}

/* What cannot be here is refused, with its line; nothing is left out in silence. */
int scene_parse(struct scenario *out, const char *text, char why[SCENARIO_WHY_BYTES_MAX])
{
    *out = (struct scenario){.nodes = 3, .readers = 6, .seconds = 10, .max_stale_ns = NS_PER_S};
    int status = scenario_parse(out, text, why);

    if (status != ACCORD_OK)
        return status;
    if (out->nodes > HOSTS_MAX)
        return refuse(why, 0, "the simulator has at most 52 nodes");
    if (out->readers > out->nodes * READERS)
        return refuse(why, 0, "the simulator has at most 4 readers for each node");
    if (out->seconds > 600 || out->max_stale_ns < 100 * NS_PER_MS)
        return refuse(why, 0, "the simulator runs at most 600 s, with a max_stale of 100ms");
    for (size_t i = 0; i < out->count; i++) {
        const struct scenario_step *step = &out->steps[i];
        const char *lack = lack_of(step->fault);
        if (lack) {
            (void)refuse(why, step->line, lack);
            return ACCORD_E_UNSUPPORTED;
        }
        if (is_reader(step) && step->who >= out->readers)
            return refuse(why, step->line, "there is no such reader");
        if (!is_reader(step) && !is_bus(step) && step->who >= HOSTS_MAX)
            return refuse(why, step->line, "the simulator has at most 52 nodes");
        if (step->at_ns > out->seconds * NS_PER_S)
            return refuse(why, step->line, "it comes after the end");
    }
    return ACCORD_OK;
}

void scene_plan(const struct scenario *sc, struct plan *p)
{
    p->present = p->hosts = sc->nodes;
    for (size_t i = 0; i < sc->count; i++)
        if (!is_reader(&sc->steps[i]) && !is_bus(&sc->steps[i]))
            p->hosts = u64_max(p->hosts, sc->steps[i].who + 1);
    p->readers = (unsigned)((sc->readers + sc->nodes - 1) / sc->nodes);
    p->max_stale_ns = sc->max_stale_ns;
}

uint64_t scene_lasts_ns(const struct scenario *sc)
{
    return SCENE_SETTLES_NS + sc->seconds * NS_PER_S;
}

void scene_begin(struct sim *s)
{
    for (size_t i = 0; i < s->scenario->count; i++)
        sim_push(s, (struct happening){.at_ns = s->now_ns + SCENE_SETTLES_NS +
                                                s->scenario->steps[i].at_ns,
                                       .kind = HAPPEN_SCENE,
                                       .a = i});
}

/* ---- doing ---------------------------------------------------------------------------------
 */

static void later(struct sim *s, enum happening_kind kind, size_t host, uint64_t after_ns)
{
    if (after_ns != UINT64_MAX)
        sim_push(s,
                 (struct happening){.at_ns = s->now_ns + after_ns, .kind = kind, .host = host});
}

static bool disturb_host(struct sim *s, const struct scenario_step *step)
{
    struct host *h = &s->hosts[step->who];

    if (step->fault == SCENARIO_START) {
        bool absent = !h->daemon.alive;
        h->absent = false;
        later(s, HAPPEN_START, h->index, 0);
        return absent;
    }
    if (step->fault == SCENARIO_FILL) {
        h->disk.full = true;
        later(s, HAPPEN_ROOM, h->index, step->for_ns);
        return true;
    }
    if (!host_takes(s, h))
        return false;
    if (step->calls > 0) {
        h->daemon.dies_in = step->calls;
        h->dead_ns = step->for_ns;
        return true;
    }
    h->returns_ns =
        step->for_ns == UINT64_MAX ? UINT64_MAX : u64_add_sat(s->now_ns, step->for_ns);
    if (step->fault == SCENARIO_KILL) {
        fault_crash(s, h);
        later(s, HAPPEN_START, h->index, step->for_ns);
    } else if (step->fault == SCENARIO_END) {
        h->daemon.stopping = true;
        daemon_post(s, h, letter_new(s, EVENT_STOP));
    } else {
        h->daemon.stopped_until_ns = h->returns_ns;
    }
    return true;
}

void scene_dies(struct sim *s, struct host *h)
{
    h->returns_ns = h->dead_ns == UINT64_MAX ? UINT64_MAX : u64_add_sat(s->now_ns, h->dead_ns);
    fault_crash(s, h);
    later(s, HAPPEN_START, h->index, h->dead_ns);
}

static bool disturb_reader(struct sim *s, const struct scenario_step *step)
{
    size_t nodes = s->scenario->nodes;
    size_t index = step->who % nodes * READERS + step->who / nodes;

    if (step->fault == SCENARIO_READER_KILL)
        reader_kill(s, index);
    else
        s->readers[index].stopped_until_ns = u64_add_sat(s->now_ns, step->for_ns);
    return true;
}

/* Of the servers there is one: no step of a scenario makes another. */
static bool disturb_bus(struct sim *s, const struct scenario_step *step)
{
    struct server *v = bus_primary(s);
    size_t lost = 0;

    if (!v)
        return false;
    switch (step->fault) {
    case SCENARIO_BUS_LOCK:
        v->locked_until_ns = u64_add_sat(s->now_ns, step->for_ns);
        break;
    case SCENARIO_BUS_MOVE:
        v->alive = false;
        sim_push(s, (struct happening){.at_ns = u64_add_sat(s->now_ns, step->for_ns),
                                       .kind = HAPPEN_BUS_UP,
                                       .a = s->bus.primary});
        break;
    default: {
        uint64_t copied_ns = s->now_ns - rng_below(&s->rng, COPY_AGE_NS);
        bool says_so = rng_chance(&s->rng, 500);
        while (lost < v->count - v->first && v->slots[v->count - 1 - lost].taken_ns > copied_ns)
            lost++;
        bus_truncate(s, lost, says_so);
    }
    }
    return true;
}

void scene_happens(struct sim *s, size_t index)
{
    const struct scenario_step *step = &s->scenario->steps[index];
    bool bus = is_bus(step), reader = is_reader(step);
    char what[64];

    trace(s, TRACE_SCENE, bus || reader ? NO_HOST : step->who, NO_KEY, step->line, step->fault);
    bool done = bus      ? disturb_bus(s, step)
                : reader ? disturb_reader(s, step)
                         : disturb_host(s, step);
    if (done) {
        s->scenes++;
        return;
    }
    scenario_step_text(step, what, sizeof what);
    sim_fail(s, "scenario", "line %u: %s could not be done", step->line, what);
}
