/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* db.h - one connection to the database, and the log's tables in it.
 *
 * A connection belongs to one thread at a time, and stays where it is while it is open. Every
 * call is bounded by `deadline_ns`, which the owner sets before it (time_monotonic_ns).
 * Failures are turned into one line with the cure.
 *
 * Which -wal and -shm a connection holds matters as much as which file: who opens the database
 * after somebody deleted them makes new ones, and writes what nobody else will see.
 */
#ifndef ACCORD_BUS_SQLITE_DB_H
#define ACCORD_BUS_SQLITE_DB_H

#include <sqlite3.h>

#include "bus/sqlite/beside.h"

enum { SQL_LOG_FORMAT = 1, SQL_BYTES_MAX = 4096 };

struct sqlite_db {
    sqlite3 *handle; /* NULL: not open */
    const struct sqlite_place *place;
    struct sqlite_identity file;     /* at the path when it was opened */
    struct sqlite_identity wal, shm; /* beside it; inode 0: it was not in WAL mode */
    uint64_t deadline_ns;
    sqlite3_vfs vfs;        /* the system's, but for its pauses */
    char vfs_name[24];      /* "": not registered */
    struct sqlite_db *next; /* of this process's connections */
};

/* READ: never writes. WRITE: the file exists. CREATE: it may not exist, and may not be in WAL
 * mode yet. On failure nothing is open. ACCORD_E_DOWN: also while another connection of this
 * process holds a -wal or -shm that was deleted, which SQLite would share with this one. */
enum sqlite_mode { SQL_MODE_READ, SQL_MODE_WRITE, SQL_MODE_CREATE };
MUST_CHECK int sqlite_db_open(struct sqlite_db *db, const struct sqlite_place *p,
                              enum sqlite_mode mode, uint64_t deadline_ns,
                              char why[BUS_WHY_BYTES_MAX]);
void sqlite_db_close(struct sqlite_db *db); /* statements must be finalized before */

/* Whether the path still leads to the open file, and those beside it to its -wal and -shm. */
bool sqlite_db_in_place(const struct sqlite_db *db);
bool sqlite_db_in_wal_mode(const struct sqlite_db *db);

/* What `result` of SQLite means for the log, said with `doing` ("to read the log"). */
int sqlite_db_fail(const struct sqlite_db *db, int result, const char *doing,
                   char why[BUS_WHY_BYTES_MAX]);

/* `sql` with each '$' replaced by the suffix of the place's tables. */
MUST_CHECK int sqlite_db_prepare(const struct sqlite_db *db, const char *sql,
                                 sqlite3_stmt **out, char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int sqlite_db_run(const struct sqlite_db *db, const char *sql, const char *doing,
                             char why[BUS_WHY_BYTES_MAX]);
void sqlite_db_rollback(const struct sqlite_db *db); /* fine where nothing began */

/* Whether a row is what a member says of itself. The partial index serves only those who ask
 * just so. */
#define SQL_IS_MEMBER "(op = 'join' OR op = 'leave' OR op = 'beat')"

/* Whether the log's index and triggers are as this Accord makes them. The log exists. */
MUST_CHECK int sqlite_log_is_guarded(const struct sqlite_db *db, bool *out,
                                     char why[BUS_WHY_BYTES_MAX]);
/* Makes the tables where they are missing, and their index and triggers; checks their format.
 * With the lock held, in WAL mode, outside a transaction. max_stale_ms is for a new log. */
MUST_CHECK int sqlite_log_create(const struct sqlite_db *db, uint64_t max_stale_ms,
                                 char why[BUS_WHY_BYTES_MAX]);

/* One row of statements that select what identifies a log: log, epoch. The epoch that others
 * see also says which file it is: a copy put in its place is another log. False: not valid. */
bool sqlite_log_identity(const struct sqlite_db *db, sqlite3_stmt *s, int column,
                         struct id128 *log, uint64_t *epoch);

MUST_CHECK int sqlite_random_id(struct id128 *out, char why[BUS_WHY_BYTES_MAX]);

#endif
