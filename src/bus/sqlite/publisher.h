/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* publisher.h - the writing side of the sqlite bus. One thread. */
#ifndef ACCORD_BUS_SQLITE_PUBLISHER_H
#define ACCORD_BUS_SQLITE_PUBLISHER_H

#include "bus/sqlite/log.h"
#include "bus/sqlite/prune.h"

/* The log that the reading side has attached: what is published must go there. */
struct sqlite_target {
    struct id128 log; /* none: whatever is there */
    uint64_t epoch;
};

struct sqlite_publisher {
    const struct sqlite_place *place;
    const struct bus_settings *settings;
    struct sqlite_db db;
    sqlite3_stmt *begin, *look, *insert_one, *insert_some, *find, *commit;
    struct sqlite_lock lock;
    struct sqlite_wake wake;
    struct sqlite_prune prune;
    int wal_pages;        /* in the WAL at our last commit */
    int checkpoint_pages; /* a checkpoint is due from here on */
};

/* The log must exist. On failure nothing is held. */
MUST_CHECK int sqlite_publisher_init(struct sqlite_publisher *p,
                                     const struct sqlite_place *place,
                                     const struct bus_settings *settings,
                                     char why[BUS_WHY_BYTES_MAX]);
/* Fine on zeroed memory, and twice. last_one: nobody in this process has the log open any more.
 */
void sqlite_publisher_done(struct sqlite_publisher *p, bool last_one);

/* Closes what it has open if that lies no longer at its path. From any thread, while nothing is
 * being published. */
void sqlite_publisher_let_go(struct sqlite_publisher *p);

/* As bus.h says. ACCORD_E_DOWN: also where another log than the target is at the path. */
MUST_CHECK int sqlite_publisher_publish(struct sqlite_publisher *p,
                                        const struct sqlite_target *target,
                                        const struct change *changes, size_t count,
                                        struct position *last, char why[BUS_WHY_BYTES_MAX]);

#endif
