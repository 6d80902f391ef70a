/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* trail.h - where in the log are we, and did another node see the same entries there?
 *
 * The cursor moves after each entry has taken hold (L2). The last TRAIL_ENTRIES_MAX entries are
 * remembered by a hash of their position and message id; a beat carries the hash of the entry
 * that its sender applied last. Two nodes that give one position different hashes have
 * diverged: the log was replaced or lost its tail behind the back of one of them (P4).
 *
 * The hash is of that one entry, not rolling: a node that attached later, or whose older
 * entries were pruned, must come to the same number.
 *
 * Pure. One owner; not thread-safe.
 */
#ifndef ACCORD_CORE_TRAIL_H
#define ACCORD_CORE_TRAIL_H

#include "wire/change.h"

enum { TRAIL_ENTRIES_MAX = 1024 };

struct trail {
    struct cursor cursor;
    uint64_t newest; /* entries applied since trail_start(); the newest is at newest - 1 */
    struct {
        uint64_t position;
        uint64_t hash;
    } entries[TRAIL_ENTRIES_MAX];
};

/* Reading goes on after `after`, of which no entry is known yet. */
void trail_start(struct trail *t, struct id128 log, uint64_t epoch, uint64_t after);

/* What the position of a delivered entry says. */
enum trail_step {
    TRAIL_NEXT,    /* later than all so far */
    TRAIL_REPEAT,  /* delivered before; nothing is to be done */
    TRAIL_REPLACED /* another entry stood at this position: the log has changed */
};
enum trail_step trail_look(const struct trail *t, uint64_t position, struct id128 message);
void trail_move(struct trail *t, uint64_t position, struct id128 message); /* TRAIL_NEXT */
/* An entry that was passed without it was applied now, late. The cursor stays. */
void trail_add_late(struct trail *t, uint64_t position, struct id128 message);

/* Of the entry there; 0: none was applied there, or it is not remembered. */
bool trail_reaches(const struct trail *t, uint64_t position); /* whether that means "none" */
uint64_t trail_hash(const struct trail *t, uint64_t position);
/* Whether a node that applied up to `position` with `hash` there has diverged from this one.
 * False where it cannot be known: too old, not applied here yet, or hash 0. */
bool trail_diverged(const struct trail *t, uint64_t position, uint64_t hash);

#endif
