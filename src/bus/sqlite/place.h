/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* place.h - where a log lives: the database file, its tables, and the files beside it. */
#ifndef ACCORD_BUS_SQLITE_PLACE_H
#define ACCORD_BUS_SQLITE_PLACE_H

#include <sys/stat.h>

#include "bus/bus.h"

enum {
    SQL_PATH_BYTES_MAX = 1024,
    SQL_CLUSTER_BYTES_MAX = 32,
};

struct sqlite_place {
    char path[SQL_PATH_BYTES_MAX]; /* without links, from the root */
    char wal_path[SQL_PATH_BYTES_MAX + 8];
    char shm_path[SQL_PATH_BYTES_MAX + 8];
    char
        lock_path[SQL_PATH_BYTES_MAX + 16]; /* one for the file: who may write and checkpoint */
    char wake_path[SQL_PATH_BYTES_MAX + 64]; /* one for the log: touched after each commit */
    char suffix[SQL_CLUSTER_BYTES_MAX + 2];  /* of the tables' names: "" or "_cluster" */
};

/* Which file is at the path: a copy, or another file put there, has another identity. */
struct sqlite_identity {
    uint64_t device, inode;
    uint64_t born_ns; /* 0 where the file system does not know */
    uint32_t mode, uid, gid;
};

/* Takes "sqlite:/path[?cluster=name]" apart; the folder must exist. A relative path begins at
 * the working folder of this moment. ACCORD_E_INVALID, ACCORD_E_DENIED: *out is undefined. */
MUST_CHECK int sqlite_place_init(struct sqlite_place *out, const char *url,
                                 char why[BUS_WHY_BYTES_MAX]);

/* Whether SQLite's WAL can be trusted there: a local file system, a plain file or nothing yet,
 * one name. ACCORD_E_UNSUPPORTED, ACCORD_E_DENIED, ACCORD_E_IO. */
MUST_CHECK int sqlite_place_check(const struct sqlite_place *p, char why[BUS_WHY_BYTES_MAX]);

/* The name of a file system that hosts share ("NFS"), or NULL; `type` as statfs() gives it. */
const char *sqlite_shared_file_system(uint64_t type);

/* False: nothing is there, or it cannot be looked at; *out is untouched. */
bool sqlite_identify(const char *path, struct sqlite_identity *out);
bool sqlite_identity_equal(const struct sqlite_identity *a, const struct sqlite_identity *b);

#endif
