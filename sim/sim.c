/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "sim/sim.h"

#include "sim/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 4 * 1024 * 1024, EVENTS_MAX = 20 * 1000 * 1000 };

/* ---- memory of one run ---------------------------------------------------------------------
 */

static void *must(void *memory)
{
    ASSERT(memory);
    return memory;
}

void *sim_alloc(struct sim *s, size_t bytes)
{
    struct region *g = &s->region;

    bytes = (bytes + 15) & ~(size_t)15;
    ASSERT(bytes <= CHUNK_BYTES);
    if (g->count == 0 || g->used + bytes > CHUNK_BYTES) {
        g->chunk = g->count == 0 ? 0 : g->chunk + 1;
        g->used = 0;
        if (g->chunk == g->count) {
            g->chunks = must(realloc(g->chunks, (g->count + 1) * sizeof *g->chunks));
            g->chunks[g->count++] = must(malloc(CHUNK_BYTES));
        }
    }
    void *at = g->chunks[g->chunk] + g->used;
    g->used += bytes;
    return memset(at, 0, bytes);
}

/* ---- the heap of what will happen ----------------------------------------------------------
 */

static bool before(const struct happening *a, const struct happening *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

void sim_push(struct sim *s, struct happening h)
{
    if (s->heap_count == s->heap_capacity) {
        s->heap_capacity = s->heap_capacity > 0 ? 2 * s->heap_capacity : 1024;
        s->heap = must(realloc(s->heap, s->heap_capacity * sizeof *s->heap));
    }
    ASSERT(h.at_ns >= s->now_ns);
    h.order = s->orders++;
    size_t i = s->heap_count++;
    for (; i > 0 && before(&h, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = h;
}

static struct happening pop(struct sim *s)
{
    struct happening top = s->heap[0], last = s->heap[--s->heap_count];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < s->heap_count; i = child) {
        if (child + 1 < s->heap_count && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

/* ---- chance --------------------------------------------------------------------------------
 */

bool sim_strikes(struct sim *s, enum fault kind)
{
    bool strikes = !s->healing && rng_chance(&s->rng, s->plan.permille[kind]);

    s->faults[kind] += strikes;
    return strikes;
}

uint64_t sim_delay_ns(struct sim *s)
{
    const struct plan *p = &s->plan;
    uint64_t most_ns = s->healing ? u64_min(p->delay_max_ns, p->delay_min_ns + 5 * NS_PER_MS)
                                  : p->delay_max_ns;
    uint64_t delay_ns = rng_between(&s->rng, p->delay_min_ns, most_ns);

    return sim_strikes(s, FAULT_DELAY) ? delay_ns + rng_below(&s->rng, p->max_stale_ns)
                                       : delay_ns;
}

void sim_fail(struct sim *s, const char *promise, const char *format, ...)
{
    va_list args;

    if (s->failure.failed)
        return; /* the first one counts */
    s->failure.failed = true;
    snprintf(s->failure.promise, sizeof s->failure.promise, "%s", promise);
    va_start(args, format);
    vsnprintf(s->failure.text, sizeof s->failure.text, format, args);
    va_end(args);
}

static void check_failed(void *context, const char *promise, const char *text)
{
    sim_fail(context, promise, "%s", text);
}

/* ---- one run -------------------------------------------------------------------------------
 */

static void happen(struct sim *s, const struct happening *x)
{
    struct host *h = x->host < HOSTS_MAX ? &s->hosts[x->host] : NULL;

    switch (x->kind) {
    case HAPPEN_WAKE:
        if (h->daemon.alive && x->a == h->daemon.generation && x->at_ns == h->daemon.wake_ns) {
            h->daemon.wake_ns = UINT64_MAX;
            daemon_run(s, h);
        }
        break;
    case HAPPEN_STEP:
        if (h->daemon.alive && x->a == h->daemon.generation)
            daemon_continue(s, h);
        break;
    case HAPPEN_LETTER:
        if (h->daemon.alive && x->a == h->daemon.generation)
            daemon_post(s, h, x->thing);
        break;
    case HAPPEN_ATTACH:
    case HAPPEN_HEAD:
    case HAPPEN_PUBLISH:
    case HAPPEN_DELIVER:
        link_happens(s, x);
        break;
    case HAPPEN_READ:
        reader_happens(s, x);
        break;
    case HAPPEN_TASK:
    case HAPPEN_NEW_LOAD:
    case HAPPEN_NEW_WRITE:
    case HAPPEN_NEW_ASK:
        task_happens(s, x);
        break;
    case HAPPEN_NEW_PING:
        ping_happens(s, x);
        break;
    case HAPPEN_STRANGER:
        stranger_happens(s);
        break;
    case HAPPEN_OPERATOR:
        operator_happens(s);
        break;
    default:
        fault_happens(s, x);
    }
}

static void begin_hosts(struct sim *s)
{
    s->host_count = s->plan.hosts;
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        struct host *h = &s->hosts[i];
        struct fiber fiber = h->daemon.fiber;
        uint8_t *bytes = h->disk.bytes;
        size_t capacity = h->disk.capacity;

        memset(h, 0, sizeof *h);
        h->daemon.fiber = fiber;
        h->disk.bytes = bytes;
        h->disk.capacity = capacity;
        h->index = i;
        h->permille = 1000;
        h->local_ns = UINT64_MAX;
        h->daemon.wake_ns = UINT64_MAX;
        snprintf(h->real_name, sizeof h->real_name, "web%u", (unsigned)i);
        memcpy(h->name, h->real_name, sizeof h->name);
    }
    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];
        if (!s->plan.quiet && !s->scenario && rng_below(&s->rng, 3) == 0)
            h->permille = 900 + (uint32_t)rng_below(&s->rng, 201);
        if (s->plan.clocks_apart)
            h->permille = rng_below(&s->rng, 2) == 0 ? 900 : 1100;
        clock_begin(&h->clock, s->now_ns, (1 + rng_below(&s->rng, 1000)) * NS_PER_S,
                    h->permille);
        h->absent = i >= s->plan.present;
        if (h->absent)
            continue;
        sim_push(s, (struct happening){.at_ns = s->now_ns + rng_below(&s->rng, 100 * NS_PER_MS),
                                       .kind = HAPPEN_START,
                                       .host = i});
    }
}

static void begin(struct sim *s, uint64_t seed)
{
    s->seed = seed;
    s->rng.state = seed * 0x2545f4914f6cdd1dull + 0x9e3779b97f4a7c15ull;
    s->now_ns = 1000 * NS_PER_S;
    s->wall = 1;
    s->orders = s->incarnations = s->clients = s->task_serial = 0;
    s->healing = s->over = false;
    s->heap_count = 0;
    s->call_count = s->call_open = 0;
    s->region.chunk = s->region.used = 0;
    s->failure.failed = false;
    memset(s->faults, 0, sizeof s->faults);
    trace_begin(&s->trace);
    s->check.context = s;
    s->check.failed = check_failed;
    check_begin(&s->check, KEYS);
    plan_draw(&s->plan, &s->rng, s->scenario, s->theme, operator_is_there(s),
              fault_has_clones(s));
    bound_begin(s);
    s->ends_ns = s->now_ns + s->plan.live_ns;
    bus_begin(s);
    begin_hosts(s);
    reader_begin(s);
    task_begin(s);
    ping_begin(s);
    stranger_begin(s);
    operator_begin(s);
    fault_begin(s);
}

static void run_until(struct sim *s, uint64_t until_ns)
{
    uint64_t events = 0;

    while (!s->failure.failed && s->heap_count > 0 && s->heap[0].at_ns <= until_ns) {
        struct happening x = pop(s);
        s->now_ns = u64_max(s->now_ns, x.at_ns);
        happen(s, &x);
        if (++events > EVENTS_MAX)
            sim_fail(s, "progress", "more than %d events in one run", EVENTS_MAX);
    }
    s->now_ns = u64_max(s->now_ns, until_ns);
    s->sum.events += events;
}

/* What no run may end without. */
static void check_calls(struct sim *s)
{
    for (size_t i = 0; i < s->call_count; i++) {
        const struct call *c = &s->calls[i];
        if (!c->answered && !c->abandoned)
            sim_fail(s, "answers", "request %zu was never answered", i);
        if (c->kept && !c->taken)
            sim_fail(s, "L1",
                     "the change of request %zu, accepted and kept, never came into the log",
                     i);
    }
}

static void check_hosts(struct sim *s)
{
    const struct server *v = bus_primary(s);

    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];
        struct core_status status;
        if (h->absent)
            continue;
        if (!h->daemon.alive) {
            sim_fail(s, "convergence", "%s is not there", h->name);
            return;
        }
        core_status(h->daemon.core, clock_at(&h->clock, s->now_ns), &status);
        uint64_t newest = v->newest;
        /* The last moments' beats may be on their way. */
        while (newest > status.cursor.position) {
            const struct slot *slot = bus_at(v, newest);
            if (slot && s->now_ns - slot->taken_ns > NS_PER_S)
                break;
            newest--;
        }
        bool near = newest == status.cursor.position;
        struct check_host stands = {.name = h->name,
                                    .fresh = status.fresh,
                                    .attached = status.attached,
                                    .position = near ? v->newest : status.cursor.position,
                                    .newest = v->newest,
                                    .outbox = status.outbox,
                                    .waiters = status.waiters,
                                    .loads = status.loads,
                                    .kept = h->disk.kept,
                                    .lease_left_ns = status.lease_left_ns,
                                    .max_stale_ns = status.max_stale_ns};
        check_healed(&s->check, &stands);
        if (s->plan.quiet && h->daemon.losses > 0)
            sim_fail(s, "quiet", "%s lost its lease though nothing failed", h->name);
    }
}

void sim_end(struct sim *s)
{
    s->over = true;
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        struct host *h = &s->hosts[i];
        if (h->daemon.alive)
            daemon_kill(s, h);
    }
    for (size_t i = 0; i < READERS_MAX; i++)
        reader_kill(s, i);
    for (size_t i = 0; i < HOSTS_MAX; i++)
        heir_end(&s->hosts[i]);
    s->sum.runs++;
    s->sum.true_ns += s->now_ns - 1000 * NS_PER_S;
}

void sim_run(struct sim *s, uint64_t seed)
{
    begin(s, seed);
    run_until(s, s->ends_ns);
    if (!s->failure.failed) {
        trace(s, TRACE_HEAL, NO_HOST, NO_KEY, 0, 0);
        s->healing = true;
        fault_heal(s);
        run_until(s, s->ends_ns + s->plan.heal_ns);
    }
    if (!s->failure.failed)
        reader_check_all(s);
    if (!s->failure.failed)
        check_hosts(s);
    if (!s->failure.failed)
        check_calls(s);
    sim_end(s);
}

void sim_done(struct sim *s)
{
    for (size_t i = 0; i < HOSTS_MAX; i++) {
        fiber_done(&s->hosts[i].daemon.fiber);
        free(s->hosts[i].disk.bytes);
    }
    for (size_t i = 0; i < READERS_MAX; i++)
        fiber_done(&s->readers[i].fiber);
    for (size_t i = 0; i < CHECK_CACHES_MAX; i++)
        cache_done(&s->caches[i]);
    for (size_t i = 0; i < SERVERS_MAX; i++)
        free(s->bus.servers[i].slots);
    for (size_t i = 0; i < s->region.count; i++)
        free(s->region.chunks[i]);
    free(s->region.chunks);
    free(s->heap);
    free(s->call_of_wall);
    check_done(&s->check);
    memory_done();
}
