/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Requests, from the asking to the answer, and what each answer means for the promises. */
#include "sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t wall_next(struct sim *s)
{
    if (++s->wall >= s->wall_capacity) {
        s->wall_capacity = s->wall_capacity > 0 ? 2 * s->wall_capacity : 65536;
        s->call_of_wall = realloc(s->call_of_wall, s->wall_capacity * sizeof *s->call_of_wall);
        ASSERT(s->call_of_wall);
    }
    s->call_of_wall[s->wall] = SIZE_MAX;
    return s->wall;
}

bool host_is_excused(const struct sim *s, const struct host *h)
{
    return s->now_ns < h->excused_until_ns || h->twin || check_has_hole(&s->check, h->index);
}

static bool is_removal(const struct call *c)
{
    return c->request.op == REQUEST_REMOVE || c->request.op == REQUEST_REMOVE_TAG ||
           c->request.op == REQUEST_CLEAR || c->request.op == REQUEST_REMOVE_MANY;
}

/* Answered before the bus had it, and so it waits in its daemon: the bus may take it yet, and
 * who asks again with its id is then told so. */
static bool waits_for_bus(const struct sim *s, const struct call *c)
{
    const struct daemon *d = &s->hosts[c->host].daemon;

    return c->accepted && c->status != ACCORD_OK && c->first == SIZE_MAX && d->alive &&
           d->generation == c->generation;
}

/* Nothing is to be learnt about it any more. */
static bool is_settled(const struct sim *s, const struct call *c)
{
    return (c->answered || c->abandoned) && (c->taken || !(c->kept || waits_for_bus(s, c)));
}

static const struct call *call_of(const struct sim *s, const struct change *c)
{
    bool known = c->wall_ms > 0 && c->wall_ms <= s->wall;

    return known && s->call_of_wall[c->wall_ms] < s->call_count
               ? &s->calls[s->call_of_wall[c->wall_ms]]
               : NULL;
}

uint64_t call_version(const struct sim *s, const struct change *c)
{
    const struct call *call = call_of(s, c);

    return call && call->request.op == REQUEST_SET ? call->version : UINT64_MAX;
}

/* A removal that a later one says again, of the same batch, does not travel itself: the later
 * one is as good. */
static void take_equals(struct sim *s, const struct change *c)
{
    while (s->call_open < s->call_count && is_settled(s, &s->calls[s->call_open]))
        s->call_open++;
    for (size_t i = s->call_open; i < s->call_count; i++) {
        struct call *call = &s->calls[i];
        if (call->taken || call->wall == 0 || call->wall >= c->wall_ms || !is_removal(call))
            continue;
        for (size_t k = 0; k < call->request.key_count; k++)
            call->taken |= bytes_equal(call->request.keys[k], c->key) ||
                           (c->op == CHANGE_CLEAR && call->request.op == REQUEST_CLEAR);
    }
}

void call_taken(struct sim *s, const struct change *c)
{
    const struct call *call = call_of(s, c);

    if (call)
        s->calls[call - s->calls].taken = true;
    if (c->op < CHANGE_JOIN)
        take_equals(s, c);
}

void call_kept(struct sim *s, const struct change *c)
{
    const struct call *call = call_of(s, c);

    if (call)
        s->calls[call - s->calls].kept = true;
}

void call_disk_lost(struct sim *s, size_t host)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].host == host)
            s->calls[i].kept = false;
}

/* ---- asking --------------------------------------------------------------------------------
 */

static void copy_keys(struct call *c, const struct request *r)
{
    ASSERT(r->key_count <= COUNT_OF(c->keys));
    for (size_t i = 0; i < r->key_count; i++)
        c->keys[i] = r->keys[i];
    c->request.keys = c->keys;
}

/* What SYNC and FRESHEN promise is known when they are asked. */
static void note_floors(struct sim *s, const struct host *h, struct call *c)
{
    uint64_t clock_ns = clock_at(&h->clock, s->now_ns);
    uint64_t since_ns = s->now_ns;

    if (c->request.op == REQUEST_FRESHEN && c->request.max_stale_ns > 0)
        since_ns = clock_since(&h->clock, u64_sub_sat(clock_ns, c->request.max_stale_ns));
    for (size_t k = 0; k < KEYS; k++)
        c->floors[k] = floors_before(&s->check.acknowledged[k], since_ns);
}

struct call *call_make(struct sim *s, struct host *h, const struct request *r, size_t key)
{
    uint64_t clock_ns = clock_at(&h->clock, s->now_ns);

    if (s->call_count == CALLS_MAX)
        return NULL;
    size_t index = s->call_count++;
    struct call *c = &s->calls[index];
    struct letter *l = letter_new(s, EVENT_REQUEST);

    *c = (struct call){.request = *r,
                       .task = TASKS_MAX,
                       .first = SIZE_MAX,
                       .host = h->index,
                       .cache = h->daemon.cache->id,
                       .generation = h->daemon.generation,
                       .client = r->client,
                       .asked_ns = s->now_ns,
                       .asked_clock_ns = clock_ns,
                       .since_ns = bound_since(s, h->daemon.cache, key),
                       .excused = host_is_excused(s, h),
                       .key = key};
    copy_keys(c, r);
    c->request.id = index;
    if (r->op == REQUEST_SYNC || r->op == REQUEST_FRESHEN)
        note_floors(s, h, c);
    l->event.request = c->request;
    l->call = index;
    trace(s, TRACE_REQUEST, h->index, key, index, r->op);
    daemon_post(s, h, l);
    return c;
}

bool call_given_up(struct sim *s, size_t index)
{
    struct call *c = index < s->call_count ? &s->calls[index] : NULL;

    if (!c || c->void_ns == 0 || s->now_ns <= c->void_ns || c->answered || c->abandoned)
        return false;
    c->abandoned = true;
    SOMETIMES(true, "fill: given up, for the load took too long");
    task_answered(s, c, NULL);
    return true;
}

void call_begun(struct sim *s, struct host *h, size_t index)
{
    struct call *c = &s->calls[index];

    c->wall = wall_next(s);
    s->call_of_wall[c->wall] = index;
    if (c->request.op != REQUEST_FILL && c->request.op != REQUEST_SET)
        return;
    check_right_used(&s->check, h->daemon.cache->id, c->key);
    /* From now on it may lie there, also where the daemon dies before it answers. */
    check_set(&s->check, h->daemon.cache->id, c->key);
}

/* ---- answers -------------------------------------------------------------------------------
 */

/* Asked for again with the same id, a removal is still the first one. */
static const struct call *first_of(const struct sim *s, const struct call *c)
{
    return c->first < s->call_count ? &s->calls[c->first] : c;
}

/* The change that a removal makes, as far as keys go. */
static struct change change_of(const struct sim *s, const struct call *c, size_t i)
{
    const struct request *r = &c->request;
    unsigned op = r->op == REQUEST_REMOVE_MANY ? r->kinds[i] : (unsigned)r->op;
    struct bytes key = r->keys[i];
    bool prefix = key.data[key.size_bytes - 1] == ':';
    struct change change = {.op = op == REQUEST_REMOVE                 ? CHANGE_REMOVE
                                  : op == REQUEST_REMOVE_TAG           ? CHANGE_TAG
                                  : bytes_equal(key, bytes_of("*", 1)) ? CHANGE_CLEAR
                                  : prefix                             ? CHANGE_PREFIX
                                                                       : CHANGE_NAMESPACE,
                            .key = key,
                            .wall_ms = first_of(s, c)->wall,
                            .has_version = r->has_version && op != REQUEST_REMOVE_TAG,
                            .version = r->version};

    return change;
}

static void removed(struct sim *s, struct host *h, struct call *c, const struct reply *r)
{
    bool accepted = r->status == ACCORD_OK || r->status == ACCORD_E_UNPUBLISHED ||
                    r->status == ACCORD_E_TIMEOUT;
    bool strict = c->request.want_strict && r->status == ACCORD_OK;
    bool excused = c->excused || host_is_excused(s, h);

    c->accepted = accepted;
    if (!accepted) {
        if (r->status != ACCORD_E_DOWN)
            sim_fail(s, "answers", "a removal was answered %s", status_text(r->status));
        return;
    }
    if (c->request.want_strict) {
        s->sum.strict_ok += strict;
        s->sum.strict_timeout += r->status == ACCORD_E_TIMEOUT;
        const char *why = r->why_text ? r->why_text : "";
        SOMETIMES(strict && strstr(why, "confirmed by"), "strict: confirmed");
        SOMETIMES(strict && strstr(why, "lapsed:"), "strict: somebody lapsed");
        SOMETIMES(strict && strstr(why, "no other node"), "strict: nobody else");
        SOMETIMES(!strict && strstr(why, "has changed since"), "strict: the log has changed");
        SOMETIMES(!strict && strstr(why, "not confirmed"), "strict: somebody is missing");
        SOMETIMES(!strict && strstr(why, "long enough"), "strict: the view was young");
        SOMETIMES(!strict && strstr(why, "not come back"), "strict: it did not come back");
    }
    for (size_t i = 0; i < c->request.key_count; i++) {
        struct change change = change_of(s, c, i);
        for (size_t k = 0; k < KEYS; k++) {
            if (!key_is_protected(k) || !change_covers(&change, k))
                continue;
            uint64_t floor = change_floor(s, &change, k);
            check_own_word(&s->check, c->cache, k, floor, s->now_ns);
            check_applied(&s->check, c->cache, k, floor);
            if (strict && !excused) {
                check_strict_done(&s->check, k, floor, s->now_ns);
                s->now_ns++; /* what is read from now on starts later */
                for (size_t n = 0; n < s->host_count; n++)
                    reader_force(s, &s->hosts[n], k);
            }
        }
    }
}

/* A value that another caller loaded, called fresh: as good as a read begun when it was asked.
 */
static void delivered(struct sim *s, struct host *h, struct call *c, const struct reply *r)
{
    uint64_t version = r->version;

    if (r->has_value && !value_read(s, c->key, r->value.data, r->value.size_bytes, &version)) {
        sim_fail(s, "torn", "request %zu was given bytes that nobody wrote",
                 (size_t)(c - s->calls));
        return;
    }
    if (r->state != ACCORD_HIT && r->state != ACCORD_NEGATIVE)
        return;
    if (!r->has_value && (r->state == ACCORD_HIT || version == 0))
        return; /* only told that something is here: it will be read */
    SOMETIMES(r->has_value, "load: a value was delivered to who waited");
    if (key_is_protected(c->key))
        check_read(&s->check,
                   &(struct check_read){.cache = c->cache,
                                        .key = c->key,
                                        .version = version,
                                        .start_ns = c->asked_ns,
                                        .end_ns = s->now_ns,
                                        .since_ns = c->since_ns,
                                        .excused = c->excused || host_is_excused(s, h)});
}

static void loaded(struct sim *s, struct host *h, struct call *c, const struct reply *r)
{
    uint64_t now_ns = h->daemon.event.now_ns;

    if (r->has_token) {
        s->sum.loads++;
        check_right_given(&s->check, c->cache, c->key, c->client, now_ns,
                          now_ns + s->plan.load_timeout_ns);
    }
    delivered(s, h, c, r);
}

/* A token is of one daemon, and of one time with a lease. */
static void check_token(struct sim *s, const struct call *c)
{
    const struct daemon *d = &s->hosts[c->host].daemon;

    if (c->token_generation != d->generation)
        check_token_old(&s->check, c->key, "a daemon that is gone");
    else if (c->token_losses != UINT64_MAX && c->token_losses != d->losses)
        check_token_old(&s->check, c->key, "a lease that was lost");
}

static void stored(struct sim *s, struct call *c, const struct reply *r)
{
    bool accepted = r->status == ACCORD_OK || r->status == ACCORD_E_UNPUBLISHED;

    /* Where SET is more than a fill, it bumps the slot: what was read before it is refused. */
    if (c->request.op == REQUEST_SET && accepted && !key_sets_are_fills(c->key))
        check_own_word(&s->check, c->cache, c->key, c->version, s->now_ns);
    if (c->request.op == REQUEST_FILL && r->status == ACCORD_OK) {
        s->sum.fills++;
        check_token(s, c);
        if (key_is_protected(c->key))
            check_stored(&s->check, c->cache, c->key, c->version);
    }
    if (c->request.op == REQUEST_FILL && r->status == ACCORD_E_UNSURE &&
        key_keeps_unsure(c->key))
        check_kept_unsure(&s->check, c->cache, c->key, c->version, s->now_ns);
    SOMETIMES(r->status == ACCORD_E_TOKEN, "fill: refused for its token");
    SOMETIMES(r->status == ACCORD_E_VERSION, "fill: refused for its version");
    SOMETIMES(r->status == ACCORD_E_UNSURE, "fill: while unsure");
}

static void caught_up(struct sim *s, struct host *h, struct call *c, const struct reply *r)
{
    if (r->status != ACCORD_OK || c->excused || host_is_excused(s, h))
        return;
    SOMETIMES(c->request.op == REQUEST_FRESHEN, "freshen: answered");
    SOMETIMES(c->request.op == REQUEST_FENCE_FLOOR, "fences: a floor was given");
    SOMETIMES(c->request.has_position, "sync: a position was reached");
    SOMETIMES(c->request.op == REQUEST_SYNC && !c->request.has_position, "sync: the head");
    if (c->request.has_position) {
        ASSERT(c->request.op == REQUEST_SYNC);
        check_own_word(&s->check, c->cache, c->key, c->version, s->now_ns);
        return;
    }
    for (size_t k = 0; k < KEYS; k++)
        if (key_is_protected(k))
            check_own_word(&s->check, c->cache, k, c->floors[k], s->now_ns);
}

/* L1: a change is answered OK when the bus has it, or, if that is what the node is told to do,
 * when it is in the state journal. */
static void check_answer(struct sim *s, const struct call *c, const struct reply *r)
{
    bool is_change =
        is_removal(c) || (c->request.op == REQUEST_SET && !key_sets_are_fills(c->key));

    const struct call *f = first_of(s, c);

    if (is_change && r->status == ACCORD_OK && !c->taken && !c->kept && !f->taken && !f->kept)
        sim_fail(s, "L1", "request %zu was answered OK, but the bus does not have its change",
                 (size_t)(c - s->calls));
}

void call_reply(struct sim *s, struct host *h, const struct reply *r)
{
    if (r->id >= s->call_count) {
        sim_fail(s, "answers", "a request that was never made was answered");
        return;
    }
    struct call *c = &s->calls[r->id];

    trace(s, TRACE_REPLY, h->index, c->key, r->id, (uint64_t)(int64_t)r->status);
    if (s->trace.print && r->why_text)
        printf("%20s %s: %s\n", "", h->name, r->why_text);
    if (c->answered || c->abandoned || c->client != r->client ||
        c->generation != h->daemon.generation) {
        sim_fail(s, "answers", "request %llu was answered twice, or to somebody else",
                 (unsigned long long)r->id);
        return;
    }
    c->answered = true;
    c->status = r->status;
    check_answer(s, c, r);
    if (is_removal(c))
        removed(s, h, c, r);
    else if (c->request.op == REQUEST_LOAD)
        loaded(s, h, c, r);
    else if (c->request.op == REQUEST_FILL || c->request.op == REQUEST_SET)
        stored(s, c, r);
    else if (c->request.op == REQUEST_PING)
        ping_replied(s, h, c, r);
    else
        caught_up(s, h, c, r);
    operator_replied(s, h, c, r);
    task_answered(s, c, r);
}

void call_abandon(struct sim *s, size_t host)
{
    for (size_t i = s->call_open; i < s->call_count; i++) {
        struct call *c = &s->calls[i];
        if (c->host != host || c->answered || c->abandoned)
            continue;
        c->abandoned = true;
        task_answered(s, c, NULL);
    }
}

void call_client_gone(struct sim *s, struct host *h, uint64_t client)
{
    check_right_gone(&s->check, h->daemon.cache->id, client);
    for (size_t i = s->call_open; i < s->call_count; i++) {
        struct call *c = &s->calls[i];
        if (c->client != client || c->host != h->index || c->answered || c->abandoned)
            continue;
        c->abandoned = true;
        task_answered(s, c, NULL);
    }
}
