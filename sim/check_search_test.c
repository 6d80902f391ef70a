/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The checkers judge a read by one comparison. Here small histories are judged by what the
 * promises say: a read is right if there is an instant for each removal, no later than
 * promised, so that all reads see what they returned. That is found by trying all instants; the
 * rest by looking through all that happened before. Checkers and search must agree on each
 * history, and on the event that breaks it. (check_log.c: check_log_search_test.c.) */
#include "sim/check.h"

#include "base/base.h"
#include "test.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    HISTORIES = 1000, /* of each seed */
    OPS_MAX = 8,
    KEYS = 2,
    CACHES = 3,
    NONE = CHECK_CACHES_MAX,
    ANY = NONE + 1,
    REMOVALS_MAX = 4,
    L = 3,
    BEGINS_AT = 5,
    RIGHT_LASTS = 2
};

enum kind {
    COMMIT,
    ACKNOWLEDGE,
    VOID, /* the bus lost it, and did not say so */
    STRICT,
    FORGET, /* the same, of a strict removal */
    WORD,
    APPLY,
    STORE,
    KEEP, /* while unsure */
    SET,
    BEGIN, /* a cache, over what another held, or nothing */
    READ,
    GIVE, /* the right to load */
    USE,
    LEAVE, /* of a client */
    KINDS
};

struct op {
    enum kind kind;
    size_t cache, key, from; /* from: NONE, where nothing is inherited */
    uint64_t version, source, client, at, start;
    bool excused, with_items;
};

struct history {
    struct op ops[OPS_MAX];
    size_t count;
};

static struct check c;
static unsigned failures;

/* ---- what the promises say -----------------------------------------------------------------
 */

/* What reads must see from an instant on, which is `latest` or before: those of the events
 * behind `since` and before `until`. */
struct removal {
    size_t key, cache, since, until;
    uint64_t version, latest;
    bool excusable;
};

static size_t ended_by(const struct history *h, size_t since, enum kind kind)
{
    const struct op *began = &h->ops[since];
    size_t i = since + 1;

    for (; i < h->count; i++) {
        const struct op *o = &h->ops[i];
        if (o->kind == kind && (kind == VOID     ? o->source == began->source
                                : kind == FORGET ? o->key == began->key
                                                 : o->cache == began->cache))
            break;
    }
    return i;
}

/* A cache that begins over another one keeps its word. */
static size_t inherit(const struct history *h, size_t at, struct removal *list, size_t count)
{
    size_t before = count;

    for (size_t i = 0; i < before; i++) {
        if (list[i].cache != h->ops[at].from || list[i].since >= at || list[i].until < at)
            continue;
        list[count] = list[i];
        list[count].cache = h->ops[at].cache;
        list[count].latest = 0;
        list[count].since = at;
        list[count++].until = ended_by(h, at, BEGIN);
    }
    return count;
}

static size_t removals(const struct history *h, struct removal *list)
{
    size_t count = 0;

    for (size_t i = 0; i < h->count; i++) {
        const struct op *o = &h->ops[i];
        struct removal r = {
            .key = o->key, .cache = ANY, .since = i, .version = o->version, .latest = o->at};
        if (o->kind == BEGIN) {
            count = inherit(h, i, list, count);
            continue;
        }
        if (o->kind != ACKNOWLEDGE && o->kind != STRICT && o->kind != WORD)
            continue;
        r.latest += o->kind == ACKNOWLEDGE ? L : 0;
        r.cache = o->kind == WORD ? o->cache : ANY;
        r.excusable = o->kind != WORD;
        r.until = ended_by(h, i,
                           o->kind == ACKNOWLEDGE ? VOID
                           : o->kind == STRICT    ? FORGET
                                                  : BEGIN);
        list[count++] = r;
    }
    return count;
}

static bool sees(const struct history *h, const struct removal *r, uint64_t instant)
{
    for (size_t i = r->since + 1; i < h->count && i < r->until; i++) {
        const struct op *o = &h->ops[i];
        bool bound = o->kind == READ && o->key == r->key &&
                     (r->cache == ANY || r->cache == o->cache) && !(o->excused && r->excusable);
        if (bound && o->start > instant && o->version < r->version)
            return false;
    }
    return true;
}

/* Whether there is an instant for each from the first to the last. */
static bool can_be_placed(const struct history *h, const struct removal *list, size_t count)
{
    for (uint64_t instant = 0; count > 0 && instant <= list->latest; instant++)
        if (sees(h, list, instant) && can_be_placed(h, list + 1, count - 1))
            return true;
    return count == 0;
}

static bool was_committed(const struct history *h, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (h->ops[i].kind == COMMIT && h->ops[i].key == h->ops[at].key &&
            h->ops[i].version >= h->ops[at].version)
            return true;
    return h->ops[at].version == 0;
}

/* What lies in that cache was kept while unsure: which event did that; SIZE_MAX: none. */
static size_t kept_by(const struct history *h, size_t before, size_t cache, size_t key)
{
    for (size_t i = before; i-- > 0;) {
        const struct op *o = &h->ops[i];
        if (o->cache != cache)
            continue;
        if (o->kind == BEGIN) {
            cache = o->with_items ? o->from : NONE;
            continue;
        }
        if (o->key != key || (o->kind != KEEP && o->kind != SET && o->kind != STORE))
            continue;
        return o->kind == KEEP ? i : SIZE_MAX;
    }
    return SIZE_MAX;
}

static bool is_of_unsure_times(const struct history *h, size_t at)
{
    const struct op *read = &h->ops[at];
    size_t kept = kept_by(h, at, read->cache, read->key);

    return kept != SIZE_MAX && h->ops[kept].version == read->version &&
           read->start >= h->ops[kept].at;
}

static bool was_removed_there(const struct history *h, size_t at)
{
    const struct op *store = &h->ops[at];
    size_t cache = store->cache;

    for (size_t i = at; i-- > 0;) {
        const struct op *o = &h->ops[i];
        if (o->kind == BEGIN && o->cache == cache)
            cache = o->from;
        else if (o->kind == APPLY && o->cache == cache && o->key == store->key &&
                 o->version > store->version)
            return true;
    }
    return false;
}

static bool has_lost_it(const struct op *given, const struct op *o)
{
    if (o->cache != given->cache)
        return false;
    return o->kind == BEGIN || (o->kind == USE && o->key == given->key) ||
           (o->kind == LEAVE && o->client == given->client);
}

static bool is_loaded_by_another(const struct history *h, size_t at)
{
    const struct op *give = &h->ops[at];

    for (size_t i = 0; i < at; i++) {
        const struct op *o = &h->ops[i];
        bool holds = o->kind == GIVE && o->cache == give->cache && o->key == give->key &&
                     o->at + RIGHT_LASTS > give->at;
        for (size_t k = i + 1; k < at && holds; k++)
            holds = !has_lost_it(o, &h->ops[k]);
        if (holds)
            return true;
    }
    return false;
}

/* All was right before the last event; is it still? */
static bool is_right(const struct history *h)
{
    struct removal list[OPS_MAX * OPS_MAX];
    size_t last = h->count - 1;

    switch (h->ops[last].kind) {
    case READ:
        return was_committed(h, last) && !is_of_unsure_times(h, last) &&
               can_be_placed(h, list, removals(h, list));
    case STORE:
        return !was_removed_there(h, last);
    case GIVE:
        return !is_loaded_by_another(h, last);
    default:
        return true;
    }
}

/* ---- what the checkers say -----------------------------------------------------------------
 */

static void note(void *context, const char *promise, const char *text)
{
    (void)context;
    (void)promise;
    (void)text;
    failures++;
}

/* As check_begin(), of what is used here: the whole is large. */
static void begin(void)
{
    c.keys = KEYS;
    c.failed = note;
    failures = 0;
    memset(c.rights, 0, sizeof c.rights);
    for (size_t k = 0; k < KEYS; k++) {
        c.committed[k] = 0;
        c.acknowledged[k].count = c.strict[k].count = 0;
        for (size_t i = 0; i < CACHES; i++) {
            c.own[i][k].count = 0;
            c.applied[i][k] = c.unsure[i][k] = 0;
        }
    }
}

static void tell_read(const struct op *o)
{
    check_read(&c, &(struct check_read){.cache = o->cache,
                                        .key = o->key,
                                        .version = o->version,
                                        .start_ns = o->start,
                                        .end_ns = o->at,
                                        .since_ns = u64_sub_sat(o->start, L),
                                        .excused = o->excused});
}

static void tell(const struct op *o)
{
    switch (o->kind) {
    case COMMIT:
        check_committed(&c, o->key, o->version);
        break;
    case ACKNOWLEDGE:
        check_acknowledged(&c, o->key, o->version, o->at, o->source);
        break;
    case VOID:
        check_voided(&c, o->source);
        break;
    case STRICT:
        check_strict_done(&c, o->key, o->version, o->at);
        break;
    case FORGET:
        check_strict_forget(&c, o->key);
        break;
    case WORD:
        check_own_word(&c, o->cache, o->key, o->version, o->at);
        break;
    case APPLY:
        check_applied(&c, o->cache, o->key, o->version);
        break;
    case STORE:
        check_stored(&c, o->cache, o->key, o->version);
        break;
    case KEEP:
        check_kept_unsure(&c, o->cache, o->key, o->version, o->at);
        break;
    case SET:
        check_set(&c, o->cache, o->key);
        break;
    case BEGIN:
        check_cache_begin(&c, o->cache, o->from);
        if (o->with_items)
            check_unsure_inherited(&c, o->cache, o->from);
        break;
    case READ:
        tell_read(o);
        break;
    case GIVE:
        check_right_given(&c, o->cache, o->key, o->client, o->at, o->at + RIGHT_LASTS);
        break;
    case USE:
        check_right_used(&c, o->cache, o->key);
        break;
    case LEAVE:
        check_right_gone(&c, o->cache, o->client);
        break;
    case KINDS:
        break;
    }
}

/* ---- histories -----------------------------------------------------------------------------
 */

static bool is_of(enum kind kind, const enum kind *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (kinds[i] == kind)
            return true;
    return false;
}

/* Each history is of few kinds, so that they meet. */
static enum kind any_kind(const struct history *h, uint64_t *rng, uint64_t family)
{
    static const enum kind of_reads[] = {COMMIT, ACKNOWLEDGE, VOID, STRICT, FORGET,
                                         WORD,   BEGIN,       READ, READ,   READ};
    static const enum kind of_stores[] = {APPLY, APPLY, STORE, STORE, BEGIN,
                                          KEEP,  KEEP,  SET,   READ,  READ};
    static const enum kind of_rights[] = {GIVE, GIVE, GIVE, USE, LEAVE, BEGIN};
    static const enum kind floors[] = {ACKNOWLEDGE, STRICT, WORD};
    size_t used = 0;

    for (size_t i = 0; i < h->count; i++)
        used += is_of(h->ops[i].kind, floors, COUNT_OF(floors));
    for (;;) {
        enum kind kind = family == 0   ? of_reads[test_random(rng, COUNT_OF(of_reads))]
                         : family == 1 ? of_stores[test_random(rng, COUNT_OF(of_stores))]
                                       : of_rights[test_random(rng, COUNT_OF(of_rights))];
        if (used < REMOVALS_MAX || !is_of(kind, floors, COUNT_OF(floors)))
            return kind;
    }
}

static uint64_t newest_version(const struct history *h, size_t key)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < h->count; i++)
        if (h->ops[i].kind == COMMIT && h->ops[i].key == key)
            newest = h->ops[i].version;
    return newest;
}

static void add(struct history *h, uint64_t *rng, uint64_t family)
{
    uint64_t at = (h->count > 0 ? h->ops[h->count - 1].at : BEGINS_AT) + test_random(rng, 3);
    struct op *o = &h->ops[h->count];

    *o = (struct op){.kind = any_kind(h, rng, family),
                     .cache = test_random(rng, 2),
                     .key = test_random(rng, 3) == 0,
                     .from = test_random(rng, 3) > 0 ? 2 : NONE,
                     .version = test_random(rng, 4),
                     .source = 1 + test_random(rng, 3),
                     .client = test_random(rng, 2),
                     .at = at,
                     .start = at - test_random(rng, BEGINS_AT),
                     .excused = test_random(rng, 6) == 0};
    if (o->kind == BEGIN && o->from != NONE) /* over the other one */
        o->from = 1 - o->cache;
    if (o->kind == COMMIT) /* the versions of a row grow */
        o->version = newest_version(h, o->key) + 1;
    o->with_items = o->kind == BEGIN && o->from != NONE && test_random(rng, 2) == 0;
    h->count++;
}

/* So that most of what is read is there. */
static void commit_all(struct history *h)
{
    for (size_t k = 0; k < KEYS; k++) {
        struct op *o = &h->ops[h->count++];
        *o = (struct op){.kind = COMMIT, .key = k, .version = 2, .at = BEGINS_AT};
    }
}

static void print(const struct history *h)
{
    static const char *const words[KINDS] = {
        "commit", "acknowledge", "void",  "strict", "forget", "word", "apply", "store",
        "keep",   "set",         "begin", "read",   "give",   "use",  "leave"};

    for (size_t i = 0; i < h->count; i++) {
        const struct op *o = &h->ops[i];
        printf("%2" PRIu64 " %-11s cache %zu key %zu version %" PRIu64 " source %" PRIu64
               " client %" PRIu64 " start %" PRIu64 " from %zu%s%s\n",
               o->at, words[o->kind], o->cache, o->key, o->version, o->source, o->client,
               o->start, o->from, o->excused ? " excused" : "",
               o->with_items ? " with items" : "");
    }
    printf("%s, says the checker\n", failures > 0 ? "bad" : "good");
    fflush(stdout);
}

static unsigned judge(uint64_t *rng, uint64_t family)
{
    struct history h = {.count = 0};

    begin();
    if (family != 2)
        commit_all(&h);
    for (size_t i = 0; i < h.count; i++)
        tell(&h.ops[i]);
    while (h.count < OPS_MAX) {
        add(&h, rng, family);
        tell(&h.ops[h.count - 1]);
        bool agree = (failures == 0) == is_right(&h);
        if (!agree)
            print(&h);
        CHECK(agree);
        if (failures > 0)
            return 1;
    }
    return 0;
}

TEST_SEEDS(checkers_agree_with_a_search_over_small_histories, 100)
{
    for (uint64_t family = 0; family < 3; family++) {
        unsigned broken = 0;
        for (int i = 0; i < HISTORIES; i++)
            broken += judge(rng, family);
        CHECK(broken > HISTORIES / 20); /* both kinds are met often */
        CHECK(broken < HISTORIES - HISTORIES / 20);
    }
    check_done(&c);
}
