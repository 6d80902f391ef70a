/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Entries that end each process which looks at them, in worlds with an operator: what
 * node/poison.c keeps in the state folder, and does with it at a start. The process dies in the
 * midst of the step that was given the entry: what came before it has taken hold, and nothing
 * that was to follow was done. After POISON_TRIES of them the next one must live. */
#include "sim/sim.h"

bool poison_drawn(struct sim *s, const struct change *c)
{
    bool drawn = c->op < CHANGE_JOIN && !s->healing && s->bus.poisons < POISONS_MAX / 2 &&
                 s->plan.poison_permille > 0 &&
                 rng_chance(&s->operator_rng, s->plan.poison_permille);

    s->bus.poisons += drawn;
    return drawn;
}

/* ---- at a start ----------------------------------------------------------------------------
 */

static bool is_at(const struct cursor *at, const struct hand_place *place)
{
    return at->epoch == place->epoch && id128_equal(at->log, place->log);
}

static void blame(struct host *h)
{
    struct suspect *least = &h->suspects[0];

    for (size_t i = 0; i < POISONS_MAX; i++) {
        struct suspect *other = &h->suspects[i];
        if (other->tries > 0 && is_at(&other->at, &h->hand) &&
            other->at.position == h->hand.position) {
            other->tries++;
            return;
        }
        if (least->tries > 0 && (other->tries == 0 || other->at.position < least->at.position))
            least = other;
    }
    *least = (struct suspect){
        .at = {.log = h->hand.log, .epoch = h->hand.epoch, .position = h->hand.position},
        .tries = 1};
}

void poison_start(struct host *h)
{
    struct daemon *d = &h->daemon;

    if (h->hand.position > 0)
        blame(h);
    h->hand = (struct hand_place){0};
    d->settings.hand = (struct hand){.place = &h->hand, .poison = d->poison};
    for (size_t i = 0; i < POISONS_MAX; i++)
        if (h->suspects[i].tries >= POISON_TRIES)
            d->poison[d->settings.hand.poison_count++] = h->suspects[i].at;
}

void poison_lost(struct host *h)
{
    h->hand = (struct hand_place){0};
    memset(h->suspects, 0, sizeof h->suspects);
}

/* ---- at work -------------------------------------------------------------------------------
 */

size_t poison_before(const struct host *h, const struct letter *l)
{
    size_t i = 0;

    while (i < l->slot_count && !(l->slots[i].record->poison &&
                                  !hand_skips(&h->daemon.settings.hand, l->slots[i].position)))
        i++;
    return i;
}

void poison_strikes(struct sim *s, struct host *h, uint64_t position)
{
    uint64_t tries = 1;

    hand_take(&h->daemon.settings.hand, position);
    for (size_t i = 0; i < POISONS_MAX; i++)
        if (is_at(&h->suspects[i].at, &h->hand) && h->suspects[i].at.position == position)
            tries = h->suspects[i].tries + 1;
    SOMETIMES(tries == POISON_TRIES, "poison: the last try of an entry");
    if (tries > POISON_TRIES)
        sim_fail(s, "poison", "%s died of one entry %llu times", h->name,
                 (unsigned long long)tries);
    fault_crash(s, h);
    sim_push(s, (struct happening){.at_ns = s->now_ns + rng_below(&s->operator_rng, NS_PER_S),
                                   .kind = HAPPEN_START,
                                   .host = h->index});
}

void poison_passed(struct host *h, uint64_t position)
{
    hand_take(&h->daemon.settings.hand, 0);
    for (size_t i = 0; i < POISONS_MAX; i++) {
        struct suspect *x = &h->suspects[i];
        if (x->tries < POISON_TRIES && is_at(&x->at, &h->hand) && x->at.position <= position)
            x->tries = 0;
    }
}
