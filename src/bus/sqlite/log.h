/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* log.h - what one look at the database says of the log, and whether it proves a place (B7). */
#ifndef ACCORD_BUS_SQLITE_LOG_H
#define ACCORD_BUS_SQLITE_LOG_H

#include "bus/sqlite/db.h"

/* All from one snapshot. */
struct sqlite_log {
    struct id128 log;
    uint64_t epoch;
    uint64_t head;      /* newest position; where all were deleted, the last that was given */
    uint64_t pruned_to; /* newest change that was deleted */
    uint64_t max_stale_ms, max_stale_before_ms;
    struct id128 message; /* at the position asked for; none: no entry is there */
    bool lost_tail; /* entries are missing that Accord once wrote: see struct sqlite_mark */
};

/* The statement for sqlite_log_look(). */
MUST_CHECK int sqlite_log_prepare(const struct sqlite_db *db, sqlite3_stmt **out,
                                  char why[BUS_WHY_BYTES_MAX]);

/* `mark` must have been read before this call: it follows the commit it speaks of.
 * ACCORD_E_GONE: the tables are no log any more. */
MUST_CHECK int sqlite_log_look(const struct sqlite_db *db, sqlite3_stmt *s, uint64_t position,
                               const struct sqlite_mark *mark, struct sqlite_log *out,
                               char why[BUS_WHY_BYTES_MAX]);

/* Whether `log`, looked at for this cursor's position, still is what the cursor saw. */
MUST_CHECK int sqlite_log_prove(const struct sqlite_db *db, const struct sqlite_log *log,
                                const struct cursor *at, char why[BUS_WHY_BYTES_MAX]);

#endif
