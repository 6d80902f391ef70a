/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* faulty_disk.h - SQLite's files on a disk of which the n-th write or sync fails.
 *
 * faulty_disk_install() once; then set `fault`, `calls` = 0, and the range of calls that fail,
 * [fail_from, fail_to). Calls of the other kind are not counted. While locks_refused, no lock
 * of a -shm is given, as where the kernel has none left. For one test file: all of it is
 * static. */
#ifndef ACCORD_TEST_FAULTY_DISK_H
#define ACCORD_TEST_FAULTY_DISK_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "test.h"

enum { TABLES_MAX = 8 };

enum fault {
    WRITE_FULL,  /* no room */
    WRITE_FAILS, /* the device */
    WRITE_TORN,  /* half of it was written */
    SYNC_FAILS,  /* what was written may be gone */
    SYNC_DONE,   /* it was done, and reported as failed */
    FAULTS
};

/* The system's own methods, and copies of them with two replaced. */
static const sqlite3_io_methods *original[TABLES_MAX];
static sqlite3_io_methods faulty[TABLES_MAX];
static sqlite3_vfs *system_vfs, fault_vfs;

static enum fault fault;
static int calls, fail_from, fail_to; /* calls are counted from 1 */
static bool locks_refused;

static const sqlite3_io_methods *original_of(const sqlite3_file *file)
{
    return original[file->pMethods - faulty];
}

static bool fails(bool is_sync)
{
    if (is_sync != (fault >= SYNC_FAILS))
        return false;
    calls++;
    return calls >= fail_from && calls < fail_to;
}

static int faulty_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 at)
{
    bool failing = fails(/* is_sync= */ false);

    if (failing && fault == WRITE_TORN)
        (void)original_of(file)->xWrite(file, data, bytes / 2, at);
    if (failing)
        return fault == WRITE_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return original_of(file)->xWrite(file, data, bytes, at);
}

static int faulty_sync(sqlite3_file *file, int flags)
{
    bool failing = fails(/* is_sync= */ true);

    if (failing && fault == SYNC_FAILS)
        return SQLITE_IOERR_FSYNC;
    int result = original_of(file)->xSync(file, flags);
    return failing ? SQLITE_IOERR_FSYNC : result;
}

static int faulty_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    if (locks_refused && flags & SQLITE_SHM_LOCK)
        return SQLITE_BUSY;
    return original_of(file)->xShmLock(file, offset, count, flags);
}

static int faulty_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                       int *out_flags)
{
    int result = system_vfs->xOpen(system_vfs, name, file, flags, out_flags);
    size_t i = 0;

    (void)vfs;
    if (result != SQLITE_OK || !file->pMethods)
        return result;
    while (i < TABLES_MAX && original[i] && original[i] != file->pMethods)
        i++;
    CHECK(i < TABLES_MAX);
    original[i] = file->pMethods;
    faulty[i] = *file->pMethods;
    faulty[i].xWrite = faulty_write;
    faulty[i].xSync = faulty_sync;
    if (faulty[i].iVersion >= 2)
        faulty[i].xShmLock = faulty_shm_lock;
    file->pMethods = &faulty[i];
    return result;
}

static void faulty_disk_install(void)
{
    system_vfs = sqlite3_vfs_find(NULL);
    CHECK(system_vfs);
    fault_vfs = *system_vfs;
    fault_vfs.zName = "accord-fault";
    fault_vfs.xOpen = faulty_open;
    CHECK(sqlite3_vfs_register(&fault_vfs, /* makeDflt= */ 1) == SQLITE_OK);
}

#endif
