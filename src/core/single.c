/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT(c->loads.count <= LOADS_MAX);
    ASSERT(c->loads.timeout_ns == c->settings.load_timeout_ns);
}

/* Whether a value is here that nobody needs to load. While there is no lease that is also what
 * was loaded since: for unsure_ttl it serves all, or the origin would be read without a pause
 * for as long as the bus is away (L11). */
static bool is_served(const struct read_result *found)
{
    if (found->state == ACCORD_STALE && found->why == ACCORD_WHY_UNSURE)
        return (found->flags & ITEM_UNSURE) != 0;
    return (found->state == ACCORD_HIT || found->state == ACCORD_NEGATIVE) && !found->refresh;
}

/* Whether there is something to serve while one caller loads. */
static bool is_servable(const struct read_result *found)
{
    return found->state == ACCORD_HIT || found->state == ACCORD_NEGATIVE ||
           found->state == ACCORD_STALE;
}

static struct reply *reply_found(struct core *c, uint64_t client, uint64_t id,
                                 const struct read_result *found)
{
    struct reply *reply = core_reply(c, client, id, ACCORD_OK);

    reply->state = found->state;
    reply->why = found->why;
    reply->version = found->version;
    return reply;
}

static void reply_right(struct core *c, uint64_t client, uint64_t id,
                        const struct read_result *found)
{
    struct reply *reply = reply_found(c, client, id, found);

    reply->has_token = true;
    reply->token = found->token;
    c->counts.loads_granted++;
}

static void wait_for_load(struct core *c, const struct request *r, const struct load *load,
                          const struct read_result *found)
{
    if (r->wait_ns == 0 || waits_is_full(&c->waits)) {
        reply_found(c, r->client, r->id, found)->state = ACCORD_BUSY;
        c->counts.loads_busy++;
        return;
    }
    struct wait wait = {.kind = WAIT_LOAD,
                        .load = loads_index(&c->loads, load),
                        .client = r->client,
                        .id = r->id,
                        .deadline_ns = u64_add_sat(c->now_ns, r->wait_ns),
                        .token = found->token};

    waits_add(&c->waits, &wait);
    c->counts.loads_waited++;
}

/* Whoever comes first gets the right; while there is something to serve, others are given that
 * at once. A table that is full costs the one-at-a-time, never an error. */
void single_load(struct core *c, const struct request *r)
{
    struct read_result found;

    check(c);
    if (r->key_count != 1 || r->keys[0].size_bytes == 0 ||
        r->keys[0].size_bytes > KEY_BYTES_MAX) {
        core_reply(c, r->client, r->id, ACCORD_E_INVALID)->why_text =
            "a load names one key of 1 to 8192 bytes";
        return;
    }
    warm_wanted(c, r->keys[0]);
    writer_peek(c->writer, r->keys[0], c->now_ns, &found);
    struct load *load = loads_find(&c->loads, r->keys[0]);
    size_t namespace_index = writer_namespace_of(c->writer, r->keys[0]);
    bool refuses = found.state == ACCORD_UNSURE &&
                   policy_of(&c->policy, namespace_index)->when_unsure == WHEN_UNSURE_ERROR;

    if (is_served(&found) || refuses || (load && is_servable(&found))) {
        reply_found(c, r->client, r->id, &found);
    } else if (load) {
        wait_for_load(c, r, load, &found);
    } else {
        if (c->phase < PHASE_STOPPING)
            load = loads_add(&c->loads, r->keys[0], r->client, &found.token, c->now_ns);
        reply_right(c, r->client, r->id, &found);
    }
    check(c);
}

/* ---- a load ends ---------------------------------------------------------------------------
 */

/* Nothing that touches the key was removed between the moment of `late` and that of `early`. */
static bool covers(const struct token *early, const struct token *late)
{
    return id128_equal(early->incarnation, late->incarnation) && early->epoch == late->epoch &&
           early->slot >= late->slot && early->bulk >= late->bulk;
}

/* Whether what was loaded may be called fresh now, and if not, why: the fill was judged a
 * moment ago. A value too large to be kept was not judged, so its token is. */
static enum accord_why why_not_fresh(struct core *c, const struct item *item,
                                     const struct token *token, int status)
{
    struct read_result here;

    if (!core_is_fresh_for(c, item->key) || status == ACCORD_E_UNSURE)
        return ACCORD_WHY_UNSURE;
    if (status == ACCORD_OK)
        return ACCORD_WHY_NONE;
    writer_peek(c->writer, item->key, c->now_ns, &here);
    return status == ACCORD_E_SIZE && covers(token, &here.token) ? ACCORD_WHY_NONE
                                                                 : ACCORD_WHY_REMOVED;
}

/* A newer version than the loaded one is here: who waits shall rather read that. */
static bool has_newer(struct core *c, const struct item *item)
{
    struct read_result here;

    writer_peek(c->writer, item->key, c->now_ns, &here);
    return is_servable(&here) && here.version > item->version;
}

static void deliver(struct core *c, const struct wait *wait, const struct item *item,
                    enum accord_why why)
{
    struct reply *reply = core_reply(c, wait->client, wait->id, ACCORD_OK);
    bool negative = (item->flags & ITEM_NEGATIVE) != 0;

    reply->state = why != ACCORD_WHY_NONE ? ACCORD_STALE
                   : negative             ? ACCORD_NEGATIVE
                                          : ACCORD_HIT;
    reply->why = why;
    reply->has_value = !negative;
    reply->value = negative ? bytes_of(NULL, 0) : item->value;
    reply->version = item->version;
}

/* Those who still wait read what is here by now; if it must be loaded, the first of them does.
 */
static void pass_on(struct core *c, struct load *load)
{
    uint32_t index = loads_index(&c->loads, load);
    bool passed = false;
    struct wait *wait, *next;

    for (wait = waits_first_of_load(&c->waits, index); wait; wait = next) {
        struct read_result found;

        next = waits_next(&c->waits, wait);
        writer_peek(c->writer, load->key, c->now_ns, &found);
        if (is_served(&found) || (passed && is_servable(&found))) {
            reply_found(c, wait->client, wait->id, &found);
        } else if (!passed) {
            loads_pass(&c->loads, load, wait->client, &found.token, c->now_ns);
            reply_right(c, wait->client, wait->id, &found);
            passed = true;
        } else {
            break; /* the others go on waiting */
        }
        waits_remove(&c->waits, wait);
    }
    if (!passed) {
        ASSERT(!waits_first_of_load(&c->waits, index));
        loads_remove(&c->loads, load);
    }
}

/* A value goes to every caller whose call began before it was read from the origin, or while
 * nothing that touches the key was removed since (L11): their tokens say so. Where the fill was
 * refused they get it all the same, but as stale: a loader may take longer than max_stale, and
 * what was removed meanwhile must not be called fresh (P1). */
void single_filled(struct core *c, uint64_t client, const struct item *item,
                   const struct token *token, int status)
{
    check(c);
    struct load *load = item->key.size_bytes > 0 && item->key.size_bytes <= KEY_BYTES_MAX
                            ? loads_find(&c->loads, item->key)
                            : NULL;
    bool usable = status != ACCORD_E_VERSION || !has_newer(c, item);
    struct wait *wait, *next;

    if (!load || (load->client != client && !covers(token, &load->token)))
        return; /* nobody waits, or an outdated fill by somebody else */
    uint32_t index = loads_index(&c->loads, load);
    enum accord_why why = why_not_fresh(c, item, token, status);
    for (wait = waits_first_of_load(&c->waits, index); wait && usable; wait = next) {
        next = waits_next(&c->waits, wait);
        if (!covers(token, &wait->token))
            continue;
        deliver(c, wait, item, why);
        waits_remove(&c->waits, wait);
    }
    pass_on(c, load);
    check(c);
}

void single_expire(struct core *c)
{
    struct load *load;

    check(c);
    while ((load = loads_expired(&c->loads, c->now_ns))) {
        c->counts.loads_lost++;
        pass_on(c, load);
    }
    check(c);
}

void single_client_gone(struct core *c, uint64_t client)
{
    struct load *load;

    check(c);
    while ((load = loads_of_client(&c->loads, client))) {
        c->counts.loads_lost++;
        pass_on(c, load);
    }
    check(c);
}
