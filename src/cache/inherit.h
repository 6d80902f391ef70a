/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* inherit.h - copies what is still true in a dead writer's segment into a new one.
 *
 * An item that is copied is a fill whose token was taken at the place from which the new owner
 * replays the log: it is refused where anything that touches it (its slot, its tags, its
 * namespace, everything) was removed in the new segment, since that one began. So the copy may
 * come before the replay, beside it, or long after it, and is right each time; before it, most
 * is kept. It needs, and the caller proves:
 *
 *     - the old segment's writer is dead, and was the last to write it;
 *     - the new segment was empty, with no removal, when the replay began;
 *     - the replay began at or before inherit_place() of the old one, in the same log and
 * epoch, and misses nothing since.
 *
 * Both segments have the same hash secret, for items hold the slots of their tags. All else may
 * differ: size, namespaces, delimiters, clock. Nothing is ever evicted for an inherited item;
 * where the new segment is smaller, the oldest blocks stay behind.
 *
 * The old mapping is parsed as hostile: whatever bytes it holds, no load leaves it, no loop is
 * unbounded, and the new segment is whole. Pure; work is done in bounded steps, and what is
 * asked for meanwhile is copied first.
 */
#ifndef ACCORD_CACHE_INHERIT_H
#define ACCORD_CACHE_INHERIT_H

#include "cache/reader.h"
#include "cache/writer.h"

/* Where in which log a segment stands; the log is none where it never was attached. */
struct inherit_place {
    struct id128 log;
    uint64_t epoch;
    uint64_t position;
};
void inherit_place(const struct reader *old, struct inherit_place *out);

struct inherit_counts {
    uint64_t kept;
    uint64_t touched; /* removed since, or here already, or without the tags it needs now */
    uint64_t left;    /* there was no room */
};

struct inherit; /* lives in the caller's inherit_bytes(), 8-byte aligned */

size_t inherit_bytes(const struct reader *old);

/* Of its blocks that hold something, so about as much of a new segment as a copy may need. */
uint64_t inherit_used_bytes(const struct reader *old);

/* `old` is copied; its mapping and `w` are borrowed until the last inherit_some(). now_ns and
 * old_now_ns: one instant, on the clock of the new segment and of the old one. ACCORD_E_FORMAT:
 * the two have different secrets; nothing was done. */
MUST_CHECK int inherit_begin(struct inherit **out, void *memory, const struct reader *old,
                             struct writer *w, uint64_t now_ns, uint64_t old_now_ns);

/* Looks at about `items` more items (or buckets of the index, to begin with). False: that was
 * all. */
MUST_CHECK bool inherit_some(struct inherit *in, uint32_t items, uint64_t now_ns);

/* The same for one key, now: whoever asks for it does not wait for its turn. True: it was
 * copied.
 */
bool inherit_key(struct inherit *in, struct bytes key, uint64_t now_ns);

struct inherit_counts inherit_counts(const struct inherit *in);

#endif
