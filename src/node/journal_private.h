/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* journal_private.h - between journal.c and journal_pending.c. */
#ifndef ACCORD_NODE_JOURNAL_PRIVATE_H
#define ACCORD_NODE_JOURNAL_PRIVATE_H

#include "node/journal.h"

#include <sqlite3.h>

/* One change to resend, with the bytes it points to. */
struct pending {
    struct pending *next; /* while reading */
    int64_t id;           /* of its row */
    struct change change;
    size_t record_bytes;
    uint8_t record[];
};

struct journal {
    char folder[1024];
    char path[JOURNAL_PATH_BYTES_MAX];
    int lock_fd; /* -1: none */
    int mark_fd; /* -1: none */
    sqlite3 *db;
    sqlite3_stmt *insert, *erase, *save, *count;
    uint64_t kept;            /* changes, ever, as the database says */
    bool missing;             /* the mark says that they were more */
    bool no_memory;           /* some question was not answered: nothing is said of the file */
    struct change *pending;   /* in order */
    struct pending **records; /* what they point to */
    size_t pending_count;
};

bool journal_out_of_memory(const struct journal *j); /* why the last call failed */
uint64_t journal_checksum(const uint8_t *record, size_t size);

MUST_CHECK int journal_mark_open(struct journal *j, char why[JOURNAL_WHY_BYTES_MAX]);
void journal_mark_write(struct journal *j);          /* j->kept */
uint64_t journal_mark_read(const struct journal *j); /* 0: there is none that can be read */

/* Fills the pending changes from the open database. `damaged`: also backwards, to reach what
 * lies behind a damaged page, and in doubt a change that clears everything is added. On failure
 * (ACCORD_E_NOMEM; ACCORD_E_IO: no random numbers) there are none, and the report is as it was.
 */
MUST_CHECK int journal_read_pending(struct journal *j, bool damaged,
                                    struct journal_report *report,
                                    char why[JOURNAL_WHY_BYTES_MAX]);

PRINTF_LIKE(3, 4)
int journal_fail(char why[JOURNAL_WHY_BYTES_MAX], int status, const char *format, ...);

#endif
