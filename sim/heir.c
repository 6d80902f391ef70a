/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What a daemon leaves to its successor: a place in the log (its state folder has it) and its
 * segment (the service manager or a reader has that). What node/warm.c and node/earlier.c do:
 * a segment is taken only if it is the one that the place names. Whether anything in it still
 * counts is the core's to say, and the checkers judge what came of it. */
#include "sim/sim.h"

/* ---- what is saved -------------------------------------------------------------------------
 */

/* A journal thread writes it some time later: a crash may come first. */
void heir_save(struct sim *s, struct host *h, const struct cursor *cursor)
{
    const struct check_chain *chain = &s->check.chains[h->index];

    if (!s->plan.keeps_place || h->disk.full || h->disk.fails_sync)
        return;
    h->place_before = h->place;
    h->place = (struct place){.kept = true,
                              .cursor = *cursor,
                              .incarnation = h->daemon.settings.incarnation,
                              .seed = h->daemon.cache->seed,
                              .boot = h->boot,
                              .chain = *chain};
    if (!s->plan.stores_segment || h->stored == h->daemon.cache)
        return;
    if (h->stored)
        cache_release(h->stored);
    h->stored = h->daemon.cache;
    h->stored->users++;
}

void heir_crashed(struct sim *s, struct host *h)
{
    if (h->place_before.kept && rng_chance(&s->rng, 100))
        h->place = h->place_before;
}

void heir_lost(struct host *h)
{
    h->place.kept = h->place_before.kept = false;
}

/* ---- the start -----------------------------------------------------------------------------
 */

void heir_settings(struct host *h, struct core_settings *c)
{
    const struct place *p = &h->place;
    const char *why = !p->kept             ? "this is the first start with this state folder"
                      : p->boot != h->boot ? "the host was restarted since"
                                           : NULL;

    c->resume = why == NULL;
    if (c->resume)
        c->cursor = p->cursor;
    else
        memcpy(c->cold_why, why, strlen(why) + 1);
    h->daemon.wanted = c->resume ? p->incarnation : (struct id128){0, 0};
}

static void inherit(struct sim *s, struct host *h, struct cache *c)
{
    struct letter *l = letter_new(s, EVENT_INHERIT);
    struct daemon *d = &h->daemon;

    c->users++;
    d->earlier = c;
    d->wanted = (struct id128){0, 0};
    l->event.inherit.old = &c->reader;
    l->event.inherit.memory = sim_alloc(s, inherit_bytes(&c->reader));
    trace(s, TRACE_OFFERED, h->index, NO_KEY, c->id, c->torn);
    daemon_post(s, h, l);
}

static bool is_wanted(const struct host *h, const struct cache *c)
{
    return !id128_is_none(h->daemon.wanted) && id128_equal(c->incarnation, h->daemon.wanted);
}

/* Some process of the host has it mapped; NULL: none. */
static const struct cache *wanted(const struct sim *s, const struct host *h)
{
    for (size_t i = 0; i < CHECK_CACHES_MAX; i++)
        if (s->caches[i].used && s->caches[i].host == h->index && is_wanted(h, &s->caches[i]))
            return &s->caches[i];
    return NULL;
}

/* What its users were told counts whatever it begins with; so does what took hold here. */
void heir_start(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;

    const struct cache *from = wanted(s, h);

    check_cache_begin(&s->check, d->cache->id, h->last ? h->last->id : CHECK_CACHES_MAX);
    if (from)
        check_unsure_inherited(&s->check, d->cache->id, from->id);
    /* What it may inherit is not of the last daemon where that one saved no place. */
    d->cache->dropped_ns = from ? from->dropped_ns : clock_at(&h->clock, s->now_ns);
    if (h->last)
        cache_release(h->last);
    h->last = d->cache;
    h->last->users++;
    if (h->stored && is_wanted(h, h->stored)) {
        SOMETIMES(true, "warm: the service manager had the segment");
        inherit(s, h, h->stored);
    }
}

void heir_offered(struct sim *s, struct host *h, struct cache *c)
{
    if (!host_takes(s, h) || !is_wanted(h, c))
        return;
    SOMETIMES(true, "warm: a reader had the segment");
    inherit(s, h, c);
}

/* Its first attach goes on where the earlier one stood: entries begin there or before. */
void heir_attaches(struct sim *s, struct host *h, const struct effect *e)
{
    if (e->attach.resume)
        check_resumed(&s->check, h->index, &h->daemon.resumed, e->attach.cursor.position);
}

/* ---- what became of it ---------------------------------------------------------------------
 */

static void let_go(struct daemon *d)
{
    if (d->earlier)
        cache_release(d->earlier);
    d->earlier = NULL;
}

void heir_released(struct sim *s, struct host *h, const struct effect *e)
{
    struct daemon *d = &h->daemon;
    const char *refused = e->inherited.refused ? e->inherited.refused : "";

    ASSERT(d->earlier);
    trace(s, TRACE_INHERITED, h->index, NO_KEY, e->inherited.kept, *refused != '\0');
    s->sum.inherited += e->inherited.kept;
    SOMETIMES(e->inherited.kept > 0, "warm: items were inherited");
    SOMETIMES(e->inherited.kept > 0 && d->earlier->torn,
              "warm: inherited from a writer that died between two stores");
    SOMETIMES(strstr(refused, "is of another log"), "warm: refused, of another log or epoch");
    SOMETIMES(strstr(refused, "had not come as far"), "warm: refused, behind the cursor");
    SOMETIMES(strstr(refused, "log is shorter"), "warm: refused, ahead of the log");
    SOMETIMES(strstr(refused, "cannot prove"), "warm: refused, for its place is gone");
    let_go(d);
}

void heir_noted(const struct effect *e)
{
    const char *why = e->note.why ? e->note.why : "";

    if (e->note.note == NOTE_COLD_BOOT)
        SOMETIMES(strstr(why, "log is shorter"), "warm: refused, ahead of the log");
    if (e->note.note == NOTE_WARM)
        SOMETIMES(strstr(why, "removed since"), "warm: some were removed since");
    if (e->note.note != NOTE_COLD)
        return;
    SOMETIMES(strstr(why, "first start"), "cold: the first start");
    SOMETIMES(strstr(why, "host was restarted"), "cold: the host was restarted");
    SOMETIMES(strstr(why, "no process has offered"), "cold: nobody had the segment");
}

/* At its daemon's death, or at the end of a run. */
void heir_died(struct host *h)
{
    let_go(&h->daemon);
}

void heir_end(struct host *h)
{
    if (h->stored)
        cache_release(h->stored);
    if (h->last)
        cache_release(h->last);
    h->stored = h->last = NULL;
}
