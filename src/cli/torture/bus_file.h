/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_file.h - what befalls the file of a sqlite bus: locked, moved away and back, replaced by
 * an older copy. By other hands than Accord's, as an operator or another program would. */
#ifndef ACCORD_CLI_TORTURE_BUS_FILE_H
#define ACCORD_CLI_TORTURE_BUS_FILE_H

#include "base/base.h"

#include <sqlite3.h>

enum { BUS_FILE_PATH_BYTES_MAX = 600, BUS_FILE_WHY_BYTES_MAX = 1024 };

struct bus_file {
    char path[BUS_FILE_PATH_BYTES_MAX]; /* "": the bus is no file */
    char away[BUS_FILE_PATH_BYTES_MAX + 8];
    char copy[BUS_FILE_PATH_BYTES_MAX + 8];
    bool has_copy;
    sqlite3 *lock; /* open while its write lock is held */
};

/* Takes the path from a bus's URL. */
void bus_file_init(struct bus_file *b, const char *url);
static inline bool bus_file_is_one(const struct bus_file *b)
{
    return b->path[0] != 0;
}

/* Each: ACCORD_OK, or ACCORD_E_IO with `why`, and nothing was done. */
MUST_CHECK int bus_file_lock(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX]);
void bus_file_unlock(struct bus_file *b); /* also where it is not locked */
/* A copy to restore later, of the file as it is now. */
MUST_CHECK int bus_file_keep_copy(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX]);
/* The file goes to another name, with its -wal and -shm; and comes back over whatever was made
 * in its place. */
MUST_CHECK int bus_file_move(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX]);
MUST_CHECK int bus_file_bring_back(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX]);
/* The copy takes the file's place; a new copy is due. */
MUST_CHECK int bus_file_restore(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX]);

#endif
