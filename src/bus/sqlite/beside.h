/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* beside.h - the two files beside the database: the lock and the wake file.
 *
 * The lock keeps Accord's writers from committing and checkpointing at once: SQLite 3.7.0 to
 * 3.51.2 can lose commits there (the WAL-reset race).
 *
 * The wake file wakes readers after a commit is visible, and remembers outside the database the
 * newest entry that Accord wrote: its mark. A log that has no such entry was restored from an
 * older copy, even in place.
 *
 * Both may be deleted at any time, and are made again with the database's owner and mode.
 */
#ifndef ACCORD_BUS_SQLITE_BESIDE_H
#define ACCORD_BUS_SQLITE_BESIDE_H

#include "bus/sqlite/place.h"

/* While a file is open, no other has its inode: device and inode tell whether it still is the
 * one at its path. */
struct sqlite_lock {
    int fd; /* -1: not open. One descriptor each: such locks exclude descriptors, not processes
             */
    uint64_t device, inode;
};

/* Waits at most until deadline_ns (time_monotonic_ns). ACCORD_E_DOWN: somebody else holds it;
 * ACCORD_E_DENIED, ACCORD_E_IO: the file. */
MUST_CHECK int sqlite_lock_take(struct sqlite_lock *l, const struct sqlite_place *p,
                                uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX]);
void sqlite_lock_give(struct sqlite_lock *l);
/* Whether another descriptor holds it now. */
bool sqlite_lock_is_held(const struct sqlite_lock *l);
MUST_CHECK int sqlite_lock_open(struct sqlite_lock *l, const struct sqlite_place *p,
                                char why[BUS_WHY_BYTES_MAX]);
void sqlite_lock_close(struct sqlite_lock *l);

struct sqlite_mark {
    struct id128 log; /* none: nothing is known */
    uint64_t position;
    struct id128 message;
};

struct sqlite_wake {
    int fd; /* -1: not open */
    uint64_t device, inode;
};

/* Opens the file at its path, or makes it, unless what is open is still there. */
MUST_CHECK int sqlite_wake_open(struct sqlite_wake *w, const struct sqlite_place *p,
                                char why[BUS_WHY_BYTES_MAX]);
void sqlite_wake_close(struct sqlite_wake *w);
/* Writes the mark, which wakes the readers. With the lock held. Failure costs 100 ms: readers
 * look by themselves that often. */
void sqlite_wake_write(struct sqlite_wake *w, const struct sqlite_mark *mark);
/* What was last written whole; all zero where there is none. */
struct sqlite_mark sqlite_wake_read(const struct sqlite_wake *w);

void sqlite_sleep_ns(uint64_t ns);

#endif
