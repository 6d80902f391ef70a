/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* sent.h - what can this node say again to one that missed it?
 *
 * The journal of its own numbered changes: the newest SENT_CHANGES_MAX, with at most
 * SENT_BYTES_MAX of keys, whether the bus has acknowledged them or not. Older ones make room.
 * Of signs of life only the number is kept: there is nothing in them to be missed.
 *
 * Two kinds can not be said again, for their place in the log matters: one that resets fences
 * (said late, it would undo what came after it), and one that sets the cluster's max_stale.
 *
 * Pure. One owner; not thread-safe. Keys are copied in, and out of sent_change() they are valid
 * until the next sent_add().
 */
#ifndef ACCORD_CORE_SENT_H
#define ACCORD_CORE_SENT_H

#include "wire/change.h"

enum { SENT_ARENA_BYTES = 4 * 1024 * 1024 + 2 * KEY_BYTES_MAX /* a key lies in one piece */ };
_Static_assert(SENT_ARENA_BYTES == SENT_BYTES_MAX + 2 * KEY_BYTES_MAX, "arena");

struct sent_slot {
    uint64_t wall_ms, version, fingerprint;
    uint64_t message; /* both halves of it, folded */
    uint32_t key_at, key_bytes;
    uint8_t op;
    uint8_t flags;
};

struct sent {
    uint64_t first, next; /* sequences held: [first, next), from 1 */
    size_t key_bytes;     /* of all, summed */
    size_t arena_end;     /* where the next key goes, if it fits there */
    struct sent_slot slots[SENT_CHANGES_MAX];
    uint8_t arena[SENT_ARENA_BYTES];
};

void sent_init(struct sent *s); /* `s` is zeroed memory */
/* Its sequence is the one after the last. */
void sent_add(struct sent *s, const struct change *c);

/* Whether all of [from, until) is held and may be said again. Where it is, *count are the
 * changes in it, and *key_bytes their keys. */
bool sent_can_repeat(const struct sent *s, uint64_t from, uint64_t until, size_t *count,
                     size_t *key_bytes);
/* The change with that sequence, held: what it removes; no message, no number. False: a sign of
 * life, *out untouched. */
bool sent_change(const struct sent *s, uint64_t sequence, struct change *out);

/* Whether a change with that sequence and message is none of this node's: it gave the number to
 * another one, or to none yet. False where it is too old to be known. */
bool sent_is_foreign(const struct sent *s, uint64_t sequence, struct id128 message);

/* Whether a change that is applied later than its place in the log says may do harm. */
bool sent_is_bound_to_its_place(const struct change *c);

#endif
