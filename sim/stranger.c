/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What nobody with a key has signed, in worlds of the theme "stranger": removals by hand, at
 * times more than are allowed, and with versions that nobody shall believe; and entries that
 * name a node of the fleet, forged as well as may be: its name and incarnation, and that it has
 * applied all there is. How an entry's signature came out (bus/signed.c) is given here, not
 * computed.
 *
 * Judged by the checkers of all worlds: what is promised of such entries is in bus.c. */
#include "sim/sim.h"

#define SETTLES_NS (3 * NS_PER_S) /* so that the fleet is there first: see core/trust.h */

static void next(struct sim *s, uint64_t after_ns)
{
    sim_push(s, (struct happening){.at_ns = s->now_ns + after_ns, .kind = HAPPEN_STRANGER});
}

void stranger_begin(struct sim *s)
{
    s->bus.doubted = false;
    if (s->plan.stranger_every_ns > 0)
        next(s, SETTLES_NS);
}

static struct change change_new(struct sim *s, enum change_op op)
{
    size_t key = rng_below(&s->rng, s->plan.hot_keys);
    bool has_key = op == CHANGE_REMOVE;

    return (struct change){.op = op,
                           .key = has_key ? bytes_of_text(key_names[key]) : bytes_of(NULL, 0),
                           .message = {rng_next(&s->rng) | 1, 0x5f},
                           .wall_ms = wall_next(s)};
}

static void by_hand(struct sim *s)
{
    struct change c = change_new(s, CHANGE_REMOVE);

    if (rng_chance(&s->rng, 300)) { /* as if a newer value were here already */
        c.has_version = true;
        c.version = 1;
    }
    bus_take_from(s, s->bus.primary, &c, TRUST_UNSIGNED);
}

/* In the name of a host, if it can be: of its daemon that lives. */
static void forged(struct sim *s)
{
    static const enum trust trusts[] = {TRUST_NAKED, TRUST_KEYS, TRUST_ALTERED, TRUST_REPLAYED,
                                        TRUST_LATE};
    static const enum change_op ops[] = {CHANGE_BEAT,  CHANGE_BEAT,   CHANGE_BEAT, CHANGE_JOIN,
                                         CHANGE_LEAVE, CHANGE_REMOVE, CHANGE_CLEAR};
    const struct host *h = &s->hosts[rng_below(&s->rng, s->host_count)];
    const struct server *v = &s->bus.servers[s->bus.primary];
    struct change c = change_new(s, ops[rng_below(&s->rng, COUNT_OF(ops))]);

    c.origin = bytes_of_text(h->real_name);
    c.incarnation = h->daemon.settings.incarnation;
    c.nonce = rng_next(&s->rng) | 1;
    c.applied = v->newest;
    c.lease_epoch = v->epoch;
    bus_take_from(s, s->bus.primary, &c, trusts[rng_below(&s->rng, COUNT_OF(trusts))]);
}

void stranger_happens(struct sim *s)
{
    uint64_t crowd = rng_chance(&s->rng, 30) ? 3 * s->plan.unsigned_removals : 1;

    if (s->healing)
        return;
    if (bus_primary(s) && rng_chance(&s->rng, 600))
        forged(s);
    else if (bus_primary(s))
        for (uint64_t i = 0; i < crowd; i++)
            by_hand(s);
    next(s, rng_below(&s->rng, 2 * s->plan.stranger_every_ns));
}
