/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* journal.h - the state folder (--state DIR): what must survive the node.
 *
 * DIR/state.db, SQLite with synchronous=FULL: who the node is, where in the log it stood, and
 * the changes that it accepted and has not yet seen in the log; those are published first after
 * a restart. DIR/lock keeps a second daemon out. Its layout: docs/format/state.txt.
 *
 * A database that is damaged, or of another format, is moved aside as state.db.bad-DATE, and
 * what can be read of its journal is taken over. Where a part cannot be read, one change that
 * clears everything is published in its stead: an accepted removal is never lost in silence.
 * So is it where the database has lost its end, or all of it: DIR/state.mark knows how many
 * changes were ever kept.
 *
 * One owner, one thread at a time: journal_thread.h. Calls wait for the disk.
 */
#ifndef ACCORD_NODE_JOURNAL_H
#define ACCORD_NODE_JOURNAL_H

#include "core/core.h"
#include "node/earlier.h"

enum { JOURNAL_WHY_BYTES_MAX = 1024, JOURNAL_PATH_BYTES_MAX = 1200, JOURNAL_FORMAT = 2 };

struct journal;

/* What opening found, for the log. */
struct journal_report {
    char moved_aside[JOURNAL_PATH_BYTES_MAX]; /* "": nothing was */
    char moved_why[256];
    char name_before[NODE_NAME_BYTES_MAX + 1]; /* "": new, or the same name */
    bool known;                                /* it has been a node's before */
    size_t pending;                            /* changes to be resent */
    size_t unreadable;                         /* rows for which everything will be cleared */
};

/* Opens or creates the folder (mode 0700) for the node `name`. On failure *out is untouched.
 * ACCORD_E_CONFLICT: another daemon uses it; ACCORD_E_DENIED; ACCORD_E_IO; ACCORD_E_NOMEM. */
MUST_CHECK int journal_open(struct journal **out, const char *folder, const char *name,
                            struct journal_report *report, char why[JOURNAL_WHY_BYTES_MAX]);
void journal_close(struct journal *j); /* NULL is fine; what was forgotten is written */

/* The changes to resend, in the order in which they were accepted; they belong to the journal
 * until journal_drop_pending(). They stay in the journal until forgotten. */
const struct change *journal_pending(const struct journal *j, size_t *count);
void journal_drop_pending(struct journal *j);

/* Writes the changes and syncs them to disk, all or none. On failure nothing was written:
 * ACCORD_E_IO, with what to do. */
MUST_CHECK int journal_keep(struct journal *j, const struct change *changes, size_t count,
                            char why[JOURNAL_WHY_BYTES_MAX]);
/* These need no journal any more. Not synced: a crash may bring them back, and publishing them
 * again changes nothing (bus.h, B12). */
MUST_CHECK int journal_forget(struct journal *j, const struct id128 *messages, size_t count,
                              char why[JOURNAL_WHY_BYTES_MAX]);
/* Where the node stands, and the segment that stands there: one row, so that they never part.
 * Not synced either; a crash of the process leaves this place or an older one, and after one of
 * the host the segment is gone with it. */
struct journal_place {
    struct cursor cursor;
    struct segment_identity segment;
};
MUST_CHECK int journal_save(struct journal *j, const struct journal_place *place,
                            char why[JOURNAL_WHY_BYTES_MAX]);
/* The fences as of a place in the log, all or none; not synced: a crash leaves these or older
 * ones, with their own place. */
MUST_CHECK int journal_save_fences(struct journal *j, const struct cursor *at,
                                   const struct fence_saved *list, size_t count,
                                   char why[JOURNAL_WHY_BYTES_MAX]);
/* Reads at most `max` of them; 0: none were saved, or they cannot be read. */
size_t journal_fences(struct journal *j, struct fence_saved *list, size_t max,
                      struct cursor *at);
/* ACCORD_E_ABSENT: none was saved; *out is untouched. */
MUST_CHECK int journal_place(struct journal *j, struct journal_place *out);

#endif
