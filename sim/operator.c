/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Who runs the cluster, in one world of thirteen, and in each of the theme "operator": another
 * max_stale for all, while the last change of it may still be under way, and a namespace that
 * is cleared up to a version. Judged by the checkers of all worlds (and see bound.c).
 *
 * They draw from numbers of their own, so that the other twelve worlds are what they were
 * before there was an operator. No seed of seeds/kept.txt from before is among these. */
#include "sim/sim.h"

enum { WORLDS = 13, WORLD = 4 };

bool operator_is_there(const struct sim *s)
{
    return s->theme == THEME_OPERATOR ||
           (!s->scenario && s->theme == THEME_NONE && s->seed % WORLDS == WORLD);
}

static void next(struct sim *s)
{
    uint64_t after_ns = 1 + rng_below(&s->operator_rng, 2 * s->plan.operator_every_ns);

    sim_push(s, (struct happening){.at_ns = s->now_ns + after_ns, .kind = HAPPEN_OPERATOR});
}

/* Some of them are refused, now or later: more than the cluster's. */
static void configure_hosts(struct sim *s)
{
    const struct plan *p = &s->plan;

    for (size_t i = 0; i < s->host_count; i++)
        if (rng_chance(&s->operator_rng, p->local_permille))
            s->hosts[i].local_ns =
                rng_between(&s->operator_rng, 500 * NS_PER_MS, p->most_stale_ns);
}

void operator_begin(struct sim *s)
{
    s->operator_rng.state = s->seed ^ 0x6f70657261746f72;
    configure_hosts(s);
    if (s->plan.operator_every_ns > 0)
        next(s);
}

static struct request request_new(struct sim *s, enum request_op op)
{
    return (struct request){.op = op, .client = ++s->clients};
}

/* ---- max_stale -----------------------------------------------------------------------------
 */

static uint64_t some_max_stale(struct sim *s)
{
    const struct plan *p = &s->plan;
    const uint64_t some[] = {
        p->least_stale_ns, p->most_stale_ns, p->max_stale_ns,
        rng_between(&s->operator_rng, p->least_stale_ns, p->most_stale_ns)};

    return some[rng_below(&s->operator_rng, COUNT_OF(some))] / NS_PER_MS * NS_PER_MS;
}

static void change_max_stale(struct sim *s, struct host *h)
{
    struct request r = request_new(s, REQUEST_MAX_STALE);

    if (!bound_has_room(s))
        return;
    r.max_stale_ns = some_max_stale(s);
    (void)call_make(s, h, &r, /* key= */ 0);
}

bool operator_mends(struct host *h)
{
    const struct event *e = &h->daemon.event;

    if (e->type != EVENT_BUS_ATTACHED || h->local_ns == UINT64_MAX ||
        e->attached.max_stale_ns >= h->local_ns)
        return false;
    SOMETIMES(true, "operator: a node with a larger max_stale gave up");
    h->local_ns = UINT64_MAX;
    return true;
}

/* ---- one order of versions -----------------------------------------------------------------
 */

/* Up to what its row has now. */
static void clear_to_version(struct sim *s, struct host *h)
{
    static const struct bytes names[] = {{(const uint8_t *)"lsn", 3},
                                         {(const uint8_t *)"lsn:", 4}};
    size_t key = key_of_order();
    const struct row *row = &s->rows[key];
    struct request r = request_new(s, REQUEST_CLEAR);

    if (row->version == 0)
        return; /* version 0 resets the fences */
    r.keys = &names[rng_below(&s->operator_rng, COUNT_OF(names))];
    r.key_count = 1;
    r.has_version = true;
    r.version = row->committed_wall[row->version];
    if (rng_chance(&s->operator_rng, 300)) {
        r.want_strict = true;
        r.wait_ns = rng_below(&s->operator_rng, 4 * s->plan.most_stale_ns);
    }
    (void)call_make(s, h, &r, key);
}

/* ---- what is asked, and answered -----------------------------------------------------------
 */

void operator_happens(struct sim *s)
{
    struct host *h = &s->hosts[rng_below(&s->operator_rng, s->host_count)];

    if (s->healing)
        return;
    if (host_takes(s, h) && rng_chance(&s->operator_rng, s->plan.clear_permille))
        clear_to_version(s, h);
    else if (host_takes(s, h))
        change_max_stale(s, h);
    next(s);
}

void operator_replied(struct sim *s, struct host *h, const struct call *c,
                      const struct reply *r)
{
    struct core_status t;

    if (c->request.op != REQUEST_MAX_STALE) {
        SOMETIMES(c->request.op == REQUEST_CLEAR && c->request.has_version &&
                      r->status == ACCORD_OK,
                  "operator: cleared up to a version");
        return;
    }
    core_status(h->daemon.core, clock_at(&h->clock, s->now_ns), &t);
    SOMETIMES(r->status == ACCORD_OK && t.stale_used_ns < t.max_stale_ns,
              "operator: max_stale was raised, and is not used yet");
    SOMETIMES(r->status == ACCORD_OK && t.stale_waited_ns > t.max_stale_ns,
              "operator: max_stale was lowered, and the old one is waited for");
    SOMETIMES(r->status == ACCORD_OK && t.stale_waited_ns > t.max_stale_ns &&
                  t.stale_used_ns < t.max_stale_ns,
              "operator: max_stale was changed in the midst of a change");
}
