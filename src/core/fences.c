/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fences.h"

static void check(const struct fences *f)
{
    ASSERT(f->space_count > 0);
    ASSERT(f->space_count <= NAMESPACES_MAX);
}

/* The first instant is no time: 0 says "never". */
static uint64_t moment(uint64_t now_ns)
{
    return u64_max(1, now_ns);
}

static bool counts(uint64_t since_ns, uint64_t hold_off_ns, uint64_t now_ns)
{
    return since_ns > 0 && now_ns < u64_add_sat(since_ns, hold_off_ns);
}

void fences_init(struct fences *f, const struct policy *p, uint64_t now_ns)
{
    f->space_count = p->count;
    for (size_t i = 0; i < p->count; i++) {
        f->spaces[i].version = policy_of(p, i)->version;
        f->spaces[i].hold_off_ns = policy_of(p, i)->hold_off_ns;
        f->longest_ns = u64_max(f->longest_ns, f->spaces[i].hold_off_ns);
    }
    fences_unknown(f, now_ns);
    check(f);
}

/* ---- the table -----------------------------------------------------------------------------
 */

static uint64_t hold_off_of(const struct fences *f, uint32_t space)
{
    return space == FENCE_SPACE_ANY ? f->longest_ns : f->spaces[space].hold_off_ns;
}

static bool is_lsn(const struct fences *f, uint32_t space)
{
    return space != FENCE_SPACE_ANY && f->spaces[space].version == VERSION_LSN;
}

static bool is_held(const struct fences *f, const struct fence *e, uint64_t now_ns)
{
    return counts(e->held_ns, hold_off_of(f, e->space), now_ns);
}

static bool is_live(const struct fences *f, const struct fence *e, uint64_t now_ns)
{
    if (is_lsn(f, e->space) && e->versioned_ns > 0)
        return true;
    return is_held(f, e, now_ns) || counts(e->versioned_ns, hold_off_of(f, e->space), now_ns);
}

static struct fence_bucket *bucket_of(struct fences *f, uint64_t hash)
{
    return &f->buckets[(hash >> 32) & (FENCE_BUCKETS - 1)];
}

static struct fence *find(struct fence_bucket *b, uint32_t space, uint64_t hash)
{
    for (size_t i = 0; i < FENCE_WAYS; i++) {
        struct fence *e = &b->ways[i];
        if (e->hash == hash && e->space == space && (e->versioned_ns | e->held_ns) != 0)
            return e;
    }
    return NULL;
}

static void raise_floor(struct fences *f, size_t space, uint64_t version)
{
    struct fence_space *s = &f->spaces[space];

    s->floor = u64_max(s->floor, version);
    s->newest = u64_max(s->newest, version);
}

/* What the fence still guards moves to the floor of its namespace, or to the crowd. */
static void displace(struct fences *f, struct fence_bucket *b, struct fence *e, uint64_t now_ns)
{
    bool lsn = is_lsn(f, e->space);

    if (lsn && e->versioned_ns > 0)
        raise_floor(f, e->space, e->version);
    if (!lsn && counts(e->versioned_ns, hold_off_of(f, e->space), now_ns)) {
        b->crowd.version = u64_max(b->crowd.version, e->version);
        b->crowd.versioned_ns = u64_max(b->crowd.versioned_ns, e->versioned_ns);
        f->crowded++;
    }
    if (is_held(f, e, now_ns)) {
        b->crowd.held_ns = u64_max(b->crowd.held_ns, e->held_ns);
        f->crowded++;
    }
    *e = (struct fence){0};
}

/* The one that costs least to lose: of no use any more; then an lsn, the lowest first, which
 * only raises a floor; then the oldest. */
static uint64_t worth(const struct fences *f, const struct fence *e, uint64_t now_ns)
{
    if (!is_live(f, e, now_ns))
        return 0;
    if (is_lsn(f, e->space) && !is_held(f, e, now_ns))
        return 1 + e->version / 4;
    return UINT64_MAX / 2 + u64_max(e->versioned_ns, e->held_ns) / 4;
}

static struct fence *place(struct fences *f, uint32_t space, uint64_t hash, uint64_t now_ns)
{
    struct fence_bucket *b = bucket_of(f, hash);
    struct fence *e = find(b, space, hash);

    if (e)
        return e;
    e = &b->ways[0];
    for (size_t i = 1; i < FENCE_WAYS; i++)
        if (worth(f, &b->ways[i], now_ns) < worth(f, e, now_ns))
            e = &b->ways[i];
    displace(f, b, e, now_ns);
    e->hash = hash;
    e->space = space;
    return e;
}

/* ---- removals ------------------------------------------------------------------------------
 */

static void hold(struct fences *f, uint32_t space, uint64_t hash, uint64_t now_ns)
{
    if (hold_off_of(f, space) == 0)
        return;
    struct fence *e = place(f, space, hash, now_ns);
    e->held_ns = u64_max(e->held_ns, moment(now_ns));
    if (space != FENCE_SPACE_ANY)
        f->spaces[space].held_ns = moment(now_ns);
}

void fences_key(struct fences *f, size_t space, uint64_t hash, const uint64_t *version,
                uint64_t now_ns)
{
    struct fence_space *s = &f->spaces[space];

    check(f);
    ASSERT(space < f->space_count);
    if (!version || s->version == VERSION_NONE) {
        hold(f, (uint32_t)space, hash, now_ns);
        return;
    }
    struct fence *e = place(f, (uint32_t)space, hash, now_ns);
    /* A row's version that no longer counts must not outlive its time in a later one's. */
    bool kept = is_lsn(f, e->space) || counts(e->versioned_ns, s->hold_off_ns, now_ns);
    e->version = kept ? u64_max(e->version, *version) : *version;
    e->versioned_ns = u64_max(e->versioned_ns, moment(now_ns));
    s->newest = u64_max(s->newest, *version);
}

void fences_tag(struct fences *f, uint64_t hash, uint64_t now_ns)
{
    check(f);
    f->has_marks |= f->longest_ns > 0;
    hold(f, FENCE_SPACE_ANY, hash, now_ns);
    for (size_t i = 0; i < f->space_count; i++)
        f->spaces[i].held_ns = moment(now_ns);
}

void fences_prefix(struct fences *f, size_t space, uint64_t hash, uint64_t now_ns)
{
    check(f);
    ASSERT(space < f->space_count);
    f->has_marks |= f->longest_ns > 0;
    hold(f, (uint32_t)space, hash, now_ns);
}

void fences_space(struct fences *f, size_t space, const uint64_t *version, uint64_t now_ns)
{
    struct fence_space *s = &f->spaces[space];

    check(f);
    ASSERT(space < f->space_count);
    if (version && s->version == VERSION_LSN)
        raise_floor(f, space, *version);
    else
        s->shut_ns = s->held_ns = moment(now_ns);
}

void fences_all(struct fences *f, uint64_t now_ns)
{
    for (size_t i = 0; i < f->space_count; i++)
        fences_space(f, i, NULL, now_ns);
}

/* ---- what is known -------------------------------------------------------------------------
 */

void fences_unknown(struct fences *f, uint64_t now_ns)
{
    check(f);
    for (size_t i = 0; i < f->space_count; i++)
        if (f->spaces[i].version != VERSION_NONE || f->spaces[i].hold_off_ns > 0)
            f->spaces[i].unknown_ns = moment(now_ns);
}

void fences_floor(struct fences *f, size_t space, uint64_t version)
{
    check(f);
    ASSERT(space < f->space_count);
    ASSERT(f->spaces[space].version == VERSION_LSN);
    raise_floor(f, space, version);
    f->spaces[space].unknown_ns = 0;
}

void fences_restore(struct fences *f, size_t space, uint64_t newest, bool held)
{
    check(f);
    ASSERT(space < f->space_count);
    if (f->spaces[space].version != VERSION_LSN)
        return;
    raise_floor(f, space, newest);
    if (!held)
        f->spaces[space].unknown_ns = 0;
}

void fences_reset(struct fences *f, size_t space)
{
    struct fence_space *s = &f->spaces[space];

    check(f);
    ASSERT(space < f->space_count);
    s->floor = s->newest = s->shut_ns = s->held_ns = s->unknown_ns = 0;
    for (size_t b = 0; b < FENCE_BUCKETS; b++)
        for (size_t i = 0; i < FENCE_WAYS; i++)
            if (f->buckets[b].ways[i].space == space)
                f->buckets[b].ways[i] = (struct fence){0};
}

bool fences_held(const struct fences *f, size_t space, uint64_t now_ns)
{
    const struct fence_space *s = &f->spaces[space];

    ASSERT(space < f->space_count);
    return counts(s->held_ns, s->hold_off_ns, now_ns);
}

uint64_t fences_shut_until_ns(const struct fences *f, size_t space, uint64_t now_ns)
{
    const struct fence_space *s = &f->spaces[space];
    uint64_t since_ns = u64_max(s->shut_ns, s->unknown_ns);

    ASSERT(space < f->space_count);
    return counts(since_ns, s->hold_off_ns, now_ns) ? u64_add_sat(since_ns, s->hold_off_ns) : 0;
}

/* ---- fills ---------------------------------------------------------------------------------
 */

static bool mark_is_held(struct fences *f, uint32_t space, uint64_t hash, uint64_t hold_off_ns,
                         uint64_t now_ns)
{
    struct fence_bucket *b = bucket_of(f, hash);
    const struct fence *e = find(b, space, hash);

    return (e && counts(e->held_ns, hold_off_ns, now_ns)) ||
           counts(b->crowd.held_ns, hold_off_ns, now_ns);
}

static bool is_shut(struct fences *f, const struct fence_fill *fill, uint64_t now_ns)
{
    const struct fence_space *s = &f->spaces[fill->space];
    uint32_t space = (uint32_t)fill->space;

    if (s->hold_off_ns == 0)
        return false;
    if (fences_shut_until_ns(f, space, now_ns) > 0 ||
        mark_is_held(f, space, fill->hash, s->hold_off_ns, now_ns))
        return true;
    for (size_t i = 0; f->has_marks && i < fill->tag_count + fill->prefix_count; i++)
        if (mark_is_held(f, i < fill->tag_count ? FENCE_SPACE_ANY : space, fill->marks[i],
                         s->hold_off_ns, now_ns))
            return true;
    return false;
}

static bool proves_too_little(struct fences *f, const struct fence_fill *fill, uint64_t now_ns)
{
    const struct fence_space *s = &f->spaces[fill->space];

    if (s->version == VERSION_NONE || (fill->is_set && fill->version == 0))
        return false;
    if (fill->version == 0 || fill->version < s->floor)
        return true;
    struct fence_bucket *b = bucket_of(f, fill->hash);
    const struct fence *e = find(b, (uint32_t)fill->space, fill->hash);
    bool lsn = s->version == VERSION_LSN;

    if (e && fill->version < e->version &&
        (lsn || counts(e->versioned_ns, s->hold_off_ns, now_ns)))
        return true;
    return !lsn && fill->version < b->crowd.version &&
           counts(b->crowd.versioned_ns, s->hold_off_ns, now_ns);
}

int fences_check(struct fences *f, const struct fence_fill *fill, uint64_t now_ns)
{
    check(f);
    ASSERT(fill->space < f->space_count);
    struct fence_space *s = &f->spaces[fill->space];

    if (proves_too_little(f, fill, now_ns)) {
        s->refused_version++;
        return ACCORD_E_VERSION;
    }
    if (!fill->is_set && is_shut(f, fill, now_ns)) {
        s->refused_held++;
        return ACCORD_E_HELD;
    }
    return ACCORD_OK;
}
