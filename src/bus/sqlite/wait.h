/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* wait.h - sleeping until the log may have grown.
 *
 * Accord's own writers touch the wake file after their commit: then the rows are there. Other
 * writers do not know of it; their write to the WAL is seen, but comes before the rows are
 * visible. Where the kernel gives no inotify, waiting is polling. One thread, but for
 * sqlite_wait_stop().
 */
#ifndef ACCORD_BUS_SQLITE_WAIT_H
#define ACCORD_BUS_SQLITE_WAIT_H

#include "bus/sqlite/place.h"

enum sqlite_hint {
    SQL_HINT_COMMITTED = 1, /* the wake file was touched */
    SQL_HINT_WRITING = 2,   /* the WAL is being written, by anybody */
    SQL_HINT_FILES = 4,     /* a watched file was deleted, moved or replaced */
    SQL_HINT_STOP = 8,      /* sqlite_wait_stop() was called */
};

struct sqlite_wait {
    int committed; /* inotify of the wake file and the database; -1: polling */
    int writing;   /* inotify of the WAL, which is not always listened to */
    int stop;
    int wake, wal, file; /* watches; -1: none */
};

/* ACCORD_E_IO: no descriptor is left. */
MUST_CHECK int sqlite_wait_init(struct sqlite_wait *w, char why[BUS_WHY_BYTES_MAX]);
void sqlite_wait_done(struct sqlite_wait *w); /* fine where init failed, or on zeroed memory */

/* Watches the files of the place as they are now; again after SQL_HINT_FILES. */
void sqlite_wait_watch(struct sqlite_wait *w, const struct sqlite_place *p);

/* Sleeps at most timeout_ns; returns what happened, as bits of enum sqlite_hint. A commit
 * writes to the WAL several times: whoever has heard the first is better not woken by the
 * others. */
unsigned sqlite_wait_sleep(struct sqlite_wait *w, uint64_t timeout_ns, bool hear_writing);

void sqlite_wait_stop(struct sqlite_wait *w); /* any thread; the next or present sleep ends */

#endif
