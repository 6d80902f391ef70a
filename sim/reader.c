/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Processes that have a segment mapped and read it by themselves, however their daemon fares.
 * A read may be stopped between any two of its loads, for long, or for good. */
#include "sim/sim.h"

static void next_read(struct sim *s, size_t index, uint64_t after_ns)
{
    sim_push(s, (struct happening){.at_ns = s->now_ns + after_ns,
                                   .kind = HAPPEN_READ,
                                   .a = index,
                                   .b = s->readers[index].serial});
}

void reader_begin(struct sim *s)
{
    for (size_t i = 0; i < READERS_MAX; i++) {
        struct reader_process *p = &s->readers[i];
        p->serial++;
        p->loads = 0;
        p->host = i / READERS;
        p->stopped_until_ns = 0;
        if (p->host < s->host_count && i % READERS < s->plan.readers)
            next_read(s, i, rng_below(&s->rng, NS_PER_S));
    }
}

static void let_go(struct reader_process *p)
{
    fiber_kill(&p->fiber);
    p->forced = 0;
    p->stopped_until_ns = 0;
    if (p->cache)
        cache_release(p->cache);
    p->cache = NULL;
    p->waits_for_lease = false;
    p->waits_for_steps = 0;
}

void reader_kill(struct sim *s, size_t index)
{
    struct reader_process *p = &s->readers[index];

    let_go(p);
    p->serial++;
    if (!s->over && p->host < s->host_count)
        next_read(s, index, rng_below(&s->rng, NS_PER_S));
}

/* ---- one read ------------------------------------------------------------------------------
 */

static void read_body(void *context)
{
    struct reader_process *p = context;
    const struct reader *r = &p->cache->reader;
    struct read_request *q = &p->requests[0];

    if (p->mode == READ_GET) {
        if (p->position_epoch > 0)
            reader_deadline_ns(r, NULL, &p->position);
        reader_get(r, q->key, q->buffer, q->buffer_bytes, &q->result);
    } else if (p->mode == READ_MANY) {
        reader_get_many(r, p->requests, p->count);
    } else {
        reader_borrow(r, q->key, &p->borrow, &q->result);
        if (p->borrow.value.size_bytes > 0 && p->borrow.value.size_bytes <= q->buffer_bytes)
            memcpy(q->buffer, p->borrow.value.data, p->borrow.value.size_bytes);
        p->valid = reader_borrow_valid(r, &p->borrow);
    }
}

static size_t some_key(struct sim *s)
{
    if (s->plan.space_permille > 0 && rng_chance(&s->rng, s->plan.space_permille))
        return key_of_space(s);
    if (rng_chance(&s->rng, s->plan.lagging_permille))
        return key_of_replica(s);
    return rng_chance(&s->rng, 700) ? rng_below(&s->rng, s->plan.hot_keys)
                                    : rng_below(&s->rng, KEYS);
}

/* Of the log that its daemon is reading, where positions mean what they say; else 0. */
static uint64_t epoch_of(const struct sim *s, const struct reader_process *p)
{
    const struct host *h = &s->hosts[p->host];
    const struct check_chain *chain = &s->check.chains[p->host];

    return p->cache == h->daemon.cache && chain->begun && !host_is_excused(s, h) ? chain->epoch
                                                                                 : 0;
}

static void draw_read(struct sim *s, struct reader_process *p)
{
    uint64_t mode = rng_below(&s->rng, 10);

    p->mode = mode < 7 ? READ_GET : mode < 9 ? READ_BORROW : READ_MANY;
    p->count = p->mode == READ_MANY ? 1 + rng_below(&s->rng, READ_KEYS_MAX) : 1;
    p->valid = true;
    p->position = p->position_epoch = 0;
    if (p->mode == READ_GET && (p->forced > 0 || rng_chance(&s->rng, 100)))
        p->position_epoch = epoch_of(s, p);
    for (size_t i = 0; i < p->count; i++) {
        p->keys[i] = i == 0 && p->forced > 0 ? p->forced - 1 : some_key(s);
        p->requests[i] = (struct read_request){.key = bytes_of_text(key_names[p->keys[i]]),
                                               .buffer = p->buffers[i],
                                               .buffer_bytes = sizeof p->buffers[i]};
    }
}

static bool is_fresh(const struct read_result *r)
{
    return r->state == ACCORD_HIT || r->state == ACCORD_NEGATIVE;
}

/* What a dropped cache held is gone: nothing that is fresh is older than the drop, if the read
 * began after it. (Not by the time: a read may be stopped for no time at all, and the cache be
 * dropped meanwhile.) */
static void check_age(struct sim *s, const struct cache *c, const struct read_result *r,
                      uint64_t dropped_at_start_ns)
{
    const struct host *h = &s->hosts[c->host];
    uint64_t read_ns = clock_at(&h->clock, s->now_ns),
             born_ns = u64_sub_sat(read_ns, r->age_ns);

    if (c->dropped_ns > 0 && c->dropped_ns == dropped_at_start_ns &&
        born_ns + 2 * NS_PER_MS < c->dropped_ns)
        sim_fail(s, "P4", "a fresh read returned what was there before the cache was dropped");
}

/* L2: who sees a position in the segment sees what was removed up to it gone. */
static void check_position(struct sim *s, const struct reader_process *p, uint64_t version)
{
    const struct server *v = bus_primary(s);
    uint64_t floor = 0;

    if (p->position == 0 || !v || v->epoch != p->position_epoch || p->position > v->newest)
        return;
    for (size_t i = v->first; i < v->count && v->slots[i].position <= p->position; i++)
        if (record_covers(v->slots[i].record, p->keys[0]))
            floor = u64_max(floor, record_floor(s, v->slots[i].record, p->keys[0]));
    SOMETIMES(floor > 0 && version >= floor, "read: fresh beside a position");
    if (version < floor)
        sim_fail(
            s, "L2",
            "a read of %s saw position %llu, where version %llu is the least, then version "
            "%llu",
            key_names[p->keys[0]], (unsigned long long)p->position, (unsigned long long)floor,
            (unsigned long long)version);
}

/* Born before its daemon was. */
static bool is_inherited(const struct sim *s, const struct reader_process *p,
                         const struct read_result *r)
{
    const struct host *h = &s->hosts[p->host];
    uint64_t now_ns = clock_at(&h->clock, s->now_ns);

    return p->cache == h->daemon.cache && r->age_ns > now_ns - h->daemon.began_clock_ns;
}

static void judge(struct sim *s, struct reader_process *p, size_t i, uint64_t since_ns)
{
    struct host *h = &s->hosts[p->cache->host];
    const struct read_result *r = &p->requests[i].result;
    size_t key = p->keys[i];
    uint64_t version = r->version;
    bool has_value =
        (r->state == ACCORD_HIT || r->state == ACCORD_STALE) && !(r->flags & ITEM_NEGATIVE);

    s->sum.reads++;
    s->sum.hits += is_fresh(r);
    if (p->mode == READ_BORROW && (!p->valid || !p->borrow.held))
        return;
    if (has_value && !value_read(s, key, p->buffers[i], r->value_bytes, &version))
        sim_fail(s, "torn", "a read of %s returned bytes that nobody wrote", key_names[key]);
    trace(s, TRACE_READ, h->index, key, r->state, version);
    SOMETIMES(r->state == ACCORD_STALE && r->why == ACCORD_WHY_UNSURE, "read: stale, unsure");
    SOMETIMES(r->state == ACCORD_STALE && r->why == ACCORD_WHY_EXPIRED, "read: stale, expired");
    SOMETIMES(r->state == ACCORD_STALE && r->why == ACCORD_WHY_REMOVED, "read: stale, removed");
    SOMETIMES(r->state == ACCORD_UNSURE, "read: unsure");
    SOMETIMES(r->state == ACCORD_NEGATIVE, "read: negative");
    SOMETIMES(r->refresh, "read: wants a refresh");
    SOMETIMES(is_fresh(r) && p->cache != h->daemon.cache, "read: fresh after its daemon died");
    SOMETIMES(is_fresh(r) &&
                  key_max_stale_ns(s, key, s->plan.max_stale_ns) < s->plan.max_stale_ns,
              "read: fresh by a bound of its namespace");
    SOMETIMES(r->state == ACCORD_STALE &&
                  key_max_stale_ns(s, key, s->plan.max_stale_ns) < s->plan.max_stale_ns &&
                  reader_deadline_ns(&p->cache->reader, NULL, NULL) > 0,
              "read: stale by a bound of its namespace");
    SOMETIMES(is_fresh(r) && is_inherited(s, p, r), "read: fresh, of what was inherited");
    if (!is_fresh(r) || !key_is_protected(key))
        return;
    check_age(s, p->cache, r, p->dropped_ns);
    if (!p->excused && !host_is_excused(s, h))
        check_position(s, p, version);
    check_read(&s->check, &(struct check_read){.cache = p->cache->id,
                                               .key = key,
                                               .version = version,
                                               .start_ns = p->start_ns,
                                               .end_ns = s->now_ns,
                                               .since_ns = since_ns,
                                               .excused = p->excused || host_is_excused(s, h)});
}

/* The last moment of the lease is when most can be wrong with it. */
static bool read_at_the_end(struct sim *s, size_t index)
{
    struct reader_process *p = &s->readers[index];
    const struct host *h = &s->hosts[p->host];
    uint64_t deadline_ns = reader_deadline_ns(&p->cache->reader, NULL, NULL);
    uint64_t at_ns = clock_moment(&h->clock, s->now_ns, u64_sub_sat(deadline_ns, NS_PER_MS));

    if (deadline_ns == 0 || at_ns == UINT64_MAX || at_ns <= s->now_ns)
        return false;
    next_read(s, index, at_ns - s->now_ns);
    return true;
}

void reader_force(struct sim *s, const struct host *h, size_t key)
{
    for (size_t i = h->index * READERS; i < (h->index + 1) * READERS; i++) {
        struct reader_process *p = &s->readers[i];
        if (p->fiber.running || !p->cache)
            continue;
        p->forced = 1 + key;
        p->serial++;
        next_read(s, i, 0);
    }
}

static void finish(struct sim *s, size_t index)
{
    struct reader_process *p = &s->readers[index];

    for (size_t i = 0; i < p->count; i++)
        judge(s, p, i, p->since_ns[i]);
    p->forced = 0;
    if (rng_chance(&s->rng, s->plan.end_permille) && read_at_the_end(s, index))
        return;
    next_read(
        s, index,
        1 + rng_below(&s->rng, 2 * s->plan.read_every_ns * s->host_count * s->plan.readers));
}

/* For an instant, for long, or until the writer has done just what matters. */
static void pause_read(struct sim *s, size_t index)
{
    struct reader_process *p = &s->readers[index];
    bool present = p->cache == s->hosts[p->host].daemon.cache;
    bool unsure = present && reader_deadline_ns(&p->cache->reader, NULL, NULL) == 0;
    uint64_t pause_ns = 0;

    if (unsure && rng_chance(&s->rng, 600)) {
        p->waits_for_lease = true;
    } else if (present && rng_chance(&s->rng, 300)) {
        p->waits_for_steps = 1 + (unsigned)rng_skewed(&s->rng, 20);
    } else {
        if (rng_chance(&s->rng, 500))
            pause_ns = rng_below(&s->rng, 20 * NS_PER_MS);
        if (rng_chance(&s->rng, 60))
            pause_ns = rng_below(&s->rng, 2 * s->plan.max_stale_ns);
        if (s->plan.theme == THEME_REUSE) /* a block is written over within half a second */
            pause_ns = rng_below(&s->rng, NS_PER_S);
        next_read(s, index, pause_ns);
    }
    trace(s, TRACE_READ_PAUSE, p->host, NO_KEY, index, pause_ns / 1000);
}

void reader_stepped(struct sim *s, const struct host *h, bool leased)
{
    for (size_t i = h->index * READERS; i < (h->index + 1) * READERS; i++) {
        struct reader_process *p = &s->readers[i];
        bool goes_on = p->waits_for_steps == 1 || (p->waits_for_lease && leased);
        if (p->waits_for_steps > 0 && !leased)
            p->waits_for_steps--;
        if (!goes_on)
            continue;
        SOMETIMES(p->waits_for_lease, "read: stopped until there was a lease again");
        p->waits_for_lease = false;
        p->waits_for_steps = 0;
        next_read(s, i, 0);
    }
}

void reader_orphaned(struct sim *s, const struct host *h)
{
    for (size_t i = h->index * READERS; i < (h->index + 1) * READERS; i++) {
        struct reader_process *p = &s->readers[i];
        if (!p->waits_for_lease && p->waits_for_steps == 0)
            continue;
        p->waits_for_lease = false;
        p->waits_for_steps = 0;
        next_read(s, i, 0);
    }
}

/* After how many loads; where the theme asks for it, after nearly all that such a read makes.
 */
static uint64_t draw_steps(struct sim *s, const struct reader_process *p)
{
    if (!sim_strikes(s, FAULT_READ_PAUSE))
        return UINT64_MAX;
    if (s->plan.late_permille > 0 && p->loads > 8 && rng_chance(&s->rng, s->plan.late_permille))
        return p->loads - rng_below(&s->rng, 8);
    return 1 + rng_below(&s->rng, s->plan.large_only && p->loads > 45 ? p->loads : 45);
}

/* The newest segment, at times; the old one as long as nobody says better. */
static bool attach(struct sim *s, struct reader_process *p)
{
    struct cache *newest = s->hosts[p->host].daemon.cache;

    if (newest && p->cache && p->cache != newest && rng_chance(&s->rng, 300))
        heir_offered(s, &s->hosts[p->host], p->cache);
    if (newest && p->cache != newest && (!p->cache || rng_chance(&s->rng, 100))) {
        let_go(p);
        p->cache = newest;
        newest->users++;
    }
    return p->cache != NULL;
}

void reader_happens(struct sim *s, const struct happening *x)
{
    struct reader_process *p = &s->readers[x->a];
    struct host *h = &s->hosts[p->host];
    bool ended;

    if (x->b != p->serial)
        return;
    if (host_is_frozen(s, h)) {
        next_read(s, x->a, h->frozen_until_ns - s->now_ns);
        return;
    }
    if (s->now_ns < p->stopped_until_ns) {
        next_read(s, x->a, p->stopped_until_ns - s->now_ns);
        return;
    }
    if (p->fiber.running) {
        step_enter(s, h, draw_steps(s, p));
        ended = fiber_resume(&p->fiber);
    } else {
        if (!attach(s, p)) {
            next_read(s, x->a, s->plan.read_every_ns * 8);
            return;
        }
        draw_read(s, p);
        p->start_ns = s->now_ns;
        p->dropped_ns = p->cache->dropped_ns;
        for (size_t i = 0; i < p->count; i++)
            p->since_ns[i] = bound_since(s, p->cache, p->keys[i]);
        p->excused = host_is_excused(s, h);
        step_enter(s, h, draw_steps(s, p));
        ended = fiber_start(&p->fiber, read_body, p);
        if (ended && p->mode == READ_GET && is_fresh(&p->requests[0].result))
            p->loads = steps_made();
    }
    step_enter(s, h, UINT64_MAX);
    if (ended)
        finish(s, x->a);
    else
        pause_read(s, x->a);
}

/* When all is whole again and nothing has changed for long, each host serves the newest. */
void reader_check_all(struct sim *s)
{
    static struct reader_process all;

    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];
        if (!h->daemon.alive)
            continue;
        for (size_t k = 0; k < KEYS; k++) {
            all.host = i;
            all.cache = h->daemon.cache;
            all.mode = READ_GET;
            all.count = 1;
            all.keys[0] = k;
            all.start_ns = s->now_ns;
            all.excused = false;
            all.position = all.position_epoch = 0;
            all.requests[0] = (struct read_request){.key = bytes_of_text(key_names[k]),
                                                    .buffer = all.buffers[0],
                                                    .buffer_bytes = sizeof all.buffers[0]};
            step_enter(s, h, UINT64_MAX);
            read_body(&all);
            judge(s, &all, 0, s->now_ns - NS_PER_S);
        }
    }
}
