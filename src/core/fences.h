/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fences.h - what must a fill prove, beside its token, before it is stored (P2)?
 *
 * A token proves that nothing was removed here since the load began. It says nothing of where
 * the load read: a replica that lags gives the old row to a loader whose token is fresh, and no
 * later removal would ever correct that. So a removal leaves a fence, and a fill must pass it:
 *
 *     version = lsn   One order for the whole namespace (a database's log position). A removal
 *                     says "committed at v", a fill "read at v"; a fill below the fence is
 *                     refused. A fence lasts until it is displaced; then its version becomes
 *                     the floor of the namespace, which is more than was asked, never less.
 *     version = row   Each key has an order of its own (a row's counter, its time of change). A
 *                     fence lasts for hold_off.
 *     hold_off        Without a version there is only time: a replica lags hold_off at most, so
 *                     for so long after the removal nothing is stored under that key. This also
 *                     guards removals that bear no version in the two kinds above.
 *
 * What was removed while nobody here looked (before the log is read, in a gap of it) left no
 * fence: from then on the namespace is *unknown*, and stores nothing until hold_off has passed,
 * or, for lsn, until a floor was read from the primary. What was *not* unknown is kept over a
 * cold boot: versions only grow.
 *
 * Bounded: FENCES_MAX at a time. Where a bucket is full its oldest fence becomes one of the
 * whole bucket (its crowd): some other fills are refused for at most hold_off, none is let in.
 *
 * Times are of removals, as applied here; a commit came before its removal. Hashes are keyed,
 * so two keys that share one cannot be chosen; they share a fence. Pure. One owner.
 */
#ifndef ACCORD_CORE_FENCES_H
#define ACCORD_CORE_FENCES_H

#include "core/policy.h"

enum {
    FENCE_WAYS = 7,
    FENCE_BUCKETS = FENCES_MAX / FENCE_WAYS,
    FENCE_SPACE_ANY = NAMESPACES_MAX /* of tags, which belong to no namespace */
};
_Static_assert((FENCE_BUCKETS & (FENCE_BUCKETS - 1)) == 0, "a power of two");
_Static_assert((int)FENCE_BUCKETS *(int)FENCE_WAYS == (int)FENCES_MAX, "all of them");

struct fence {
    uint64_t hash; /* of a key, tag or prefix; with `space` what the fence is of */
    uint64_t version;
    uint64_t versioned_ns; /* newest removal with a version; 0: none */
    uint64_t held_ns;      /* newest removal without one; 0: none */
    uint32_t space;
};

struct fence_bucket {
    struct fence ways[FENCE_WAYS]; /* hash and both times 0: free */
    struct fence crowd;            /* of all keys here */
};

struct fence_space {
    enum namespace_version version;
    uint64_t hold_off_ns;
    uint64_t floor;      /* lsn: what any fill must prove */
    uint64_t newest;     /* largest version of a removal seen, or floor */
    uint64_t shut_ns;    /* newest removal of all of it that bore no version; 0: none */
    uint64_t held_ns;    /* newest removal that bore none, of anything in it; 0: none */
    uint64_t unknown_ns; /* since then some removals may not be known; 0: all are */
    uint64_t refused_version, refused_held;
};

struct fences {
    size_t space_count;
    uint64_t longest_ns; /* hold_off of all */
    bool has_marks;      /* fences of tags or prefixes were ever placed */
    uint64_t crowded;    /* fences that had to be shared */
    struct fence_space spaces[NAMESPACES_MAX];
    struct fence_bucket buckets[FENCE_BUCKETS];
};

/* `f` is zeroed memory. Nothing is known yet: see fences_unknown(). */
void fences_init(struct fences *f, const struct policy *p, uint64_t now_ns);

/* ---- removals, as they take hold here; version NULL: it bears none ---- */

void fences_key(struct fences *f, size_t space, uint64_t hash, const uint64_t *version,
                uint64_t now_ns);
void fences_tag(struct fences *f, uint64_t hash, uint64_t now_ns);
void fences_prefix(struct fences *f, size_t space, uint64_t hash, uint64_t now_ns);
/* Also where lsn removes a part: a floor for more than was meant costs only laggards. */
void fences_space(struct fences *f, size_t space, const uint64_t *version, uint64_t now_ns);
void fences_all(struct fences *f, uint64_t now_ns);

/* ---- what is known ---- */

/* From before now on removals may have been missed. Floors and fences stay. */
void fences_unknown(struct fences *f, uint64_t now_ns);
/* Read from the primary after that: every fill must prove at least `version`. */
void fences_floor(struct fences *f, size_t space, uint64_t version);
/* A saved `newest`, and every removal since was seen. `held`: some without a version may still
 * count, so only time opens it. */
void fences_restore(struct fences *f, size_t space, uint64_t newest, bool held);
/* The database was restored: versions begin anew. */
void fences_reset(struct fences *f, size_t space);
/* A removal without a version of something in it may still count. */
bool fences_held(const struct fences *f, size_t space, uint64_t now_ns);

/* ---- fills ---- */

struct fence_fill {
    size_t space;
    uint64_t hash;
    uint64_t version; /* 0: none */
    bool is_set;      /* the newest there is, says who sets it; only its version counts */
    const uint64_t
        *marks; /* hashes of its tags and prefixes; may be left out without has_marks */
    size_t tag_count, prefix_count; /* of marks, tags first */
};
/* ACCORD_OK: it may be stored; ACCORD_E_VERSION: it proves too little; ACCORD_E_HELD: nobody
 * can tell yet. Counts refusals. */
MUST_CHECK int fences_check(struct fences *f, const struct fence_fill *fill, uint64_t now_ns);

/* Until when all fills of the namespace are refused; 0: they are not. */
uint64_t fences_shut_until_ns(const struct fences *f, size_t space, uint64_t now_ns);

#endif
