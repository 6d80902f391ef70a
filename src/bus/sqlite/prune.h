/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* prune.h - forgetting old entries, in small steps (B8: never the newest).
 *
 * Changes go by age and by count, oldest first. What members say of themselves goes by an age
 * of its own, and is not counted: a quiet fleet's beats never push its changes out.
 */
#ifndef ACCORD_BUS_SQLITE_PRUNE_H
#define ACCORD_BUS_SQLITE_PRUNE_H

#include "bus/sqlite/db.h"

/* One per publisher; zeroed at first. */
struct sqlite_prune {
    uint64_t due_ns;     /* the next step, at the earliest */
    uint64_t published;  /* changes since the last step */
    uint64_t counted_to; /* the position up to which changes were counted … */
    uint64_t counted;    /* … and their number */
    uint64_t pruned_to;  /* as the log said at the last step: if another moved it, count anew */
    bool draining;       /* too many were found; until there are few enough */
};

bool sqlite_prune_is_due(const struct sqlite_prune *p, const struct bus_settings *s,
                         uint64_t now_ns);

/* One step: a bounded read, and at most one short transaction of bounded size. With the lock
 * held, outside a transaction. Failure is of no consequence: it is tried again later. */
void sqlite_prune_step(struct sqlite_prune *p, const struct sqlite_db *db,
                       const struct bus_settings *s, uint64_t now_ns);

#endif
