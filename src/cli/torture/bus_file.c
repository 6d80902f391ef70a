/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/bus_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum { BUSY_TRIES = 20000, BUSY_US = 500 };

/* The nodes take their turns at the lock: who asks seldom, as SQLite does after a while, may
 * never get one. */
static int wait_for_lock(void *context, int tries)
{
    (void)context;
    usleep(BUSY_US);
    return tries < BUSY_TRIES;
}

/* The files that belong together: the database last, so that nobody opens it between. */
static const char *const parts[] = {"-wal", "-shm", ""};

void bus_file_init(struct bus_file *b, const char *url)
{
    *b = (struct bus_file){.lock = NULL};
    if (strncmp(url, "sqlite:", 7) != 0)
        return;
    size_t bytes = strcspn(url + 7, "?");
    if (bytes >= sizeof b->path)
        return;
    memcpy(b->path, url + 7, bytes);
    snprintf(b->away, sizeof b->away, "%s.away", b->path);
    snprintf(b->copy, sizeof b->copy, "%s.copy", b->path);
}

static int complain(char *why, const char *what, const char *how)
{
    snprintf(why, BUS_FILE_WHY_BYTES_MAX, "%s: %s", what, how);
    return ACCORD_E_IO;
}

/* One connection at a time: closing one drops the locks that another of this process has. */
static int open_file(const struct bus_file *b, sqlite3 **db, char *why)
{
    ASSERT(!b->lock);
    int status = sqlite3_open_v2(b->path, db, SQLITE_OPEN_READWRITE, NULL);
    if (status == SQLITE_OK) {
        sqlite3_busy_handler(*db, wait_for_lock, NULL);
        return ACCORD_OK;
    }
    complain(why, b->path, sqlite3_errmsg(*db));
    sqlite3_close(*db);
    *db = NULL;
    return ACCORD_E_IO;
}

int bus_file_lock(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX])
{
    sqlite3 *db;

    if (open_file(b, &db, why) != ACCORD_OK)
        return ACCORD_E_IO;
    if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK) {
        complain(why, "cannot lock the bus", sqlite3_errmsg(db));
        sqlite3_close(db);
        return ACCORD_E_IO;
    }
    b->lock = db;
    return ACCORD_OK;
}

void bus_file_unlock(struct bus_file *b)
{
    sqlite3_close(b->lock); /* rolls back; NULL is fine */
    b->lock = NULL;
}

int bus_file_keep_copy(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX])
{
    sqlite3 *from, *to = NULL;
    int status = SQLITE_ERROR;

    if (open_file(b, &from, why) != ACCORD_OK)
        return ACCORD_E_IO;
    unlink(b->copy);
    if (sqlite3_open(b->copy, &to) == SQLITE_OK) {
        sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
        status = backup ? sqlite3_backup_step(backup, -1) : sqlite3_errcode(to);
        sqlite3_backup_finish(backup);
    }
    b->has_copy = status == SQLITE_DONE;
    if (!b->has_copy)
        complain(why, b->copy, sqlite3_errstr(status));
    sqlite3_close(to);
    sqlite3_close(from);
    return b->has_copy ? ACCORD_OK : ACCORD_E_IO;
}

static int move_part(const char *from, const char *to, const char *part, char *why)
{
    char a[BUS_FILE_PATH_BYTES_MAX + 16], b[BUS_FILE_PATH_BYTES_MAX + 16];

    snprintf(a, sizeof a, "%s%s", from, part);
    snprintf(b, sizeof b, "%s%s", to, part);
    if (rename(a, b) == 0)
        return ACCORD_OK;
    if (errno != ENOENT || !*part)
        return complain(why, a, strerror(errno));
    unlink(b); /* there is none: the other's must not stay with it */
    return ACCORD_OK;
}

int bus_file_move(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX])
{
    int status = ACCORD_OK;

    /* The database first: a node that opens the path in between must not find it whole. */
    for (size_t i = COUNT_OF(parts); i-- > 0 && status == ACCORD_OK;)
        status = move_part(b->path, b->away, parts[i], why);
    return status;
}

int bus_file_bring_back(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX])
{
    int status = ACCORD_OK;

    for (size_t i = 0; i < COUNT_OF(parts) && status == ACCORD_OK; i++)
        status = move_part(b->away, b->path, parts[i], why);
    return status;
}

int bus_file_restore(struct bus_file *b, char why[BUS_FILE_WHY_BYTES_MAX])
{
    char other[BUS_FILE_PATH_BYTES_MAX + 16];

    if (!b->has_copy)
        return complain(why, "cannot restore the bus", "no copy of it was made yet");
    /* As docs/operating/sqlite.md says: the old one's -wal and -shm go, the copy is moved. */
    for (size_t i = 0; i < COUNT_OF(parts) - 1; i++) {
        snprintf(other, sizeof other, "%s%s", b->path, parts[i]);
        unlink(other);
    }
    if (rename(b->copy, b->path) != 0)
        return complain(why, b->copy, strerror(errno));
    b->has_copy = false;
    return ACCORD_OK;
}
