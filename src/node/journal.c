/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/journal.h"

#include "node/files.h"
#include "node/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* The id of what we look for in the file's header: "ACOR". */
#define APPLICATION_ID   1094930258
#define TEXT_OF_(number) #number
#define TEXT_OF(number)  TEXT_OF_(number)

#define VFS_NAME "accord-state"

#define PLACE_COLUMNS                                                                          \
    "log, epoch, position, message, hash, boot, device, inode, bytes, incarnation, seed, "     \
    "checksum"

static const char *const schema =
    "BEGIN IMMEDIATE;"
    "PRAGMA application_id=" TEXT_OF(
        APPLICATION_ID) ";"
                        "PRAGMA user_version=2;"
                        "CREATE TABLE identity(id INTEGER PRIMARY KEY CHECK(id=1), name TEXT "
                        "NOT NULL);"
                        "CREATE TABLE place(id INTEGER PRIMARY KEY CHECK(id=1), log BLOB NOT "
                        "NULL,"
                        " epoch INTEGER NOT NULL, position INTEGER NOT NULL, message BLOB NOT "
                        "NULL,"
                        " hash INTEGER NOT NULL, boot BLOB NOT NULL, device INTEGER NOT NULL,"
                        " inode INTEGER NOT NULL, bytes INTEGER NOT NULL, incarnation BLOB NOT "
                        "NULL,"
                        " seed INTEGER NOT NULL, checksum INTEGER NOT NULL);"
                        "CREATE TABLE journal(id INTEGER PRIMARY KEY, message BLOB NOT NULL "
                        "UNIQUE,"
                        " record BLOB NOT NULL, checksum INTEGER NOT NULL);"
                        "COMMIT";
/* See journal_mark.c. Versions that do not know it keep without counting: nothing is noticed.
 */
static const char *const kept_schema =
    "CREATE TABLE IF NOT EXISTS kept(id INTEGER PRIMARY KEY CHECK(id=1), count INTEGER NOT "
    "NULL)";
_Static_assert(JOURNAL_FORMAT == 2, "the schema above says user_version=2");

int journal_fail(char why[JOURNAL_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, JOURNAL_WHY_BYTES_MAX, format, args);
    va_end(args);
    return status;
}

static int sql_fail(const struct journal *j, const char *doing, char *why)
{
    return journal_fail(why, ACCORD_E_IO,
                        "state folder %.500s: cannot %s: %s; is the disk full or read-only?",
                        j->folder, doing, sqlite3_errmsg(j->db));
}

static int no_memory(const struct journal *j, char *why)
{
    return journal_fail(why, ACCORD_E_NOMEM,
                        "state folder %.500s: cannot read its database: out of memory; if "
                        "there is enough of it, the database is damaged: move it elsewhere",
                        j->folder);
}

/* ---- the folder ----------------------------------------------------------------------------
 */

static int make_folder(const char *folder, char *why)
{
    char failed[FILES_PATH_BYTES_MAX] = "";

    if (files_make_folders(folder, 0700, failed) == 0)
        return ACCORD_OK;
    return journal_fail(why, errno == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO,
                        "state folder %.500s: cannot create %.500s: %s; give a folder that "
                        "this user may write to",
                        folder, failed, strerror(errno));
}

/* The lock goes with the descriptor: a killed daemon leaves none behind. */
static int lock_folder(struct journal *j, char *why)
{
    char path[JOURNAL_PATH_BYTES_MAX];

    snprintf(path, sizeof path, "%.1100s/lock", j->folder);
    j->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->lock_fd < 0 && errno == ENOTDIR)
        return journal_fail(
            why, ACCORD_E_INVALID,
            "state folder %.500s is no folder: give one, or a name that is free", j->folder);
    if (j->lock_fd < 0)
        return journal_fail(why, errno == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO,
                            "state folder %.500s: cannot open its lock: %s; give a folder that "
                            "this user may write to",
                            j->folder, strerror(errno));
    if (flock(j->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return ACCORD_OK;
    if (errno == EWOULDBLOCK)
        return journal_fail(
            why, ACCORD_E_CONFLICT,
            "state folder %.500s is in use by another daemon: stop that one, or "
            "give this one a folder of its own with --state",
            j->folder);
    return journal_fail(why, ACCORD_E_IO, "state folder %.500s: cannot lock it: %s", j->folder,
                        strerror(errno));
}

/* ---- the database --------------------------------------------------------------------------
 */

static int run(struct journal *j, const char *sql)
{
    return sqlite3_exec(j->db, sql, NULL, NULL, NULL);
}

bool journal_out_of_memory(const struct journal *j)
{
    int code = sqlite3_extended_errcode(j->db);

    return code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM;
}

/* One number that a statement answers, or -1. */
static int64_t ask(struct journal *j, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t answer = -1;

    if (sqlite3_prepare_v2(j->db, sql, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        answer = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    j->no_memory = j->no_memory || journal_out_of_memory(j);
    return answer;
}

/* A flipped bit in the schema is only noticed by who asks for its names. */
static bool has_our_tables(struct journal *j)
{
    return ask(j, "SELECT count(*) FROM (SELECT id, message, record, checksum FROM journal "
                  "LIMIT 1)") >= 0 &&
           ask(j, "SELECT count(*) FROM (SELECT " PLACE_COLUMNS " FROM place WHERE id = 1)") >=
               0 &&
           ask(j, "SELECT count(*) FROM (SELECT name FROM identity WHERE id = 1)") >= 0;
}

/* Why the open database cannot be used, or NULL; *fresh: it is empty. */
static const char *problem(struct journal *j, bool *fresh)
{
    static char text[128];
    sqlite3_stmt *s = NULL;
    bool whole;
    int64_t version = ask(j, "PRAGMA user_version"), tables = -1;

    *fresh = false;
    tables = ask(j, "SELECT count(*) FROM sqlite_schema");
    if (tables < 0 || version < 0)
        return "it is damaged";
    if (tables == 0 && version == 0) {
        *fresh = true;
        return NULL;
    }
    if (version != JOURNAL_FORMAT || ask(j, "PRAGMA application_id") != APPLICATION_ID) {
        snprintf(text, sizeof text, "it is of format %lld, this version reads %d",
                 (long long)version, JOURNAL_FORMAT);
        return text;
    }
    if (!has_our_tables(j))
        return "it is damaged";
    whole = sqlite3_prepare_v2(j->db, "PRAGMA quick_check(1)", -1, &s, NULL) == SQLITE_OK &&
            sqlite3_step(s) == SQLITE_ROW && sqlite3_column_bytes(s, 0) == 2 &&
            memcmp(sqlite3_column_blob(s, 0), "ok", 2) == 0;
    sqlite3_finalize(s);
    j->no_memory = j->no_memory || journal_out_of_memory(j);
    return whole ? NULL : "it is damaged";
}

/* Where the kernel has no lock to give SQLite pauses by itself, a hundred times and for ten
 * seconds in all, at each statement: a node that starts would hang for minutes. Nobody else
 * works with this database, so there is nothing to wait for. */
static int pause_us(sqlite3_vfs *vfs, int wanted_us)
{
    const struct timespec pause = {.tv_nsec = 1000 * (wanted_us < 1000 ? wanted_us : 1000)};

    (void)vfs;
    nanosleep(&pause, NULL);
    return wanted_us;
}

static void register_vfs(void)
{
    static sqlite3_vfs brief;
    const sqlite3_vfs *system = sqlite3_vfs_find(NULL);

    if (!system)
        return; /* out of memory: to open says so */
    brief = *system;
    brief.zName = VFS_NAME;
    brief.xSleep = pause_us;
    (void)sqlite3_vfs_register(&brief, /* makeDflt= */ 0);
}

static int open_database(struct journal *j, char *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

    pthread_once(&once, register_vfs);
    const char *vfs = sqlite3_vfs_find(VFS_NAME) ? VFS_NAME : NULL;
    int result = sqlite3_open_v2(j->path, &j->db, flags, vfs);

    if (result != SQLITE_OK)
        return sql_fail(j, "open its database", why);
    sqlite3_extended_result_codes(j->db, 1);
    return ACCORD_OK;
}

static void close_database(struct journal *j)
{
    sqlite3_finalize(j->insert);
    sqlite3_finalize(j->erase);
    sqlite3_finalize(j->save);
    sqlite3_finalize(j->count);
    j->insert = j->erase = j->save = j->count = NULL;
    sqlite3_close(j->db);
    j->db = NULL;
}

/* The database and its WAL get a name that says when. */
static int move_aside(struct journal *j, struct journal_report *report, char *why)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char from[JOURNAL_PATH_BYTES_MAX + 8], to[JOURNAL_PATH_BYTES_MAX + 8], date[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm);
    for (unsigned number = 0; number < 1000; number++) {
        snprintf(report->moved_aside, sizeof report->moved_aside, "%.1100s.bad-%s%s%.0u",
                 j->path, date, number ? "." : "", number);
        if (access(report->moved_aside, F_OK) != 0)
            break;
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        snprintf(from, sizeof from, "%s%s", j->path, parts[i]);
        snprintf(to, sizeof to, "%s%s", report->moved_aside, parts[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return journal_fail(why, ACCORD_E_IO, "state folder %.500s: cannot move %.500s: %s",
                                j->folder, from, strerror(errno));
    }
    return ACCORD_OK;
}

static int configure(struct journal *j, bool fresh, char *why)
{
    const char *sql = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                      "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY";

    if (run(j, sql) != SQLITE_OK || (fresh && run(j, schema) != SQLITE_OK) ||
        run(j, kept_schema) != SQLITE_OK)
        return sql_fail(j, "write its database", why);
    if (sqlite3_prepare_v2(j->db,
                           "INSERT OR IGNORE INTO journal(message, record, checksum) "
                           "VALUES(?1, ?2, ?3)",
                           -1, &j->insert, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(j->db, "DELETE FROM journal WHERE message = ?1", -1, &j->erase,
                           NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(j->db,
                           "INSERT OR REPLACE INTO place(id, " PLACE_COLUMNS
                           ") VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                           -1, &j->save, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(j->db, "INSERT OR REPLACE INTO kept VALUES(1, ?1)", -1, &j->count,
                           NULL) != SQLITE_OK)
        return sql_fail(j, "read its database", why);
    int64_t kept = ask(j, "SELECT count FROM kept");
    if (j->no_memory)
        return no_memory(j, why);
    j->kept = kept > 0 ? (uint64_t)kept : 0;
    return ACCORD_OK;
}

/* ---- writing -------------------------------------------------------------------------------
 */

static int begin(struct journal *j, bool synced)
{
    int result = run(j, synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");

    return result == SQLITE_OK ? run(j, "BEGIN IMMEDIATE") : result;
}

static int finish(struct journal *j, int result, const char *doing, char *why)
{
    if (result == SQLITE_OK)
        result = run(j, "COMMIT");
    if (result == SQLITE_OK)
        return ACCORD_OK;
    int status = sql_fail(j, doing, why);
    if (!sqlite3_get_autocommit(j->db))
        run(j, "ROLLBACK");
    return status;
}

static int step(sqlite3_stmt *s)
{
    int result = sqlite3_step(s);

    sqlite3_reset(s);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

static void bind_id(sqlite3_stmt *s, int column, const struct id128 *id)
{
    sqlite3_bind_blob(s, column, id, sizeof *id, SQLITE_TRANSIENT);
}

static int insert(struct journal *j, const struct change *c)
{
    uint8_t record[CHANGE_RECORD_BYTES_MAX];
    size_t size = 0;

    if (change_encode(c, record, sizeof record, &size) != ACCORD_OK)
        return SQLITE_TOOBIG;
    bind_id(j->insert, 1, &c->message);
    sqlite3_bind_blob(j->insert, 2, record, (int)size, SQLITE_TRANSIENT);
    sqlite3_bind_int64(j->insert, 3, (int64_t)journal_checksum(record, size));
    return step(j->insert);
}

int journal_keep(struct journal *j, const struct change *changes, size_t count,
                 char why[JOURNAL_WHY_BYTES_MAX])
{
    int result = begin(j, /* synced= */ true);

    for (size_t i = 0; i < count && result == SQLITE_OK; i++)
        result = insert(j, &changes[i]);
    if (result == SQLITE_OK) {
        sqlite3_bind_int64(j->count, 1, (int64_t)(j->kept + count));
        result = step(j->count);
    }
    int status = finish(j, result, "keep a change", why);
    if (status == ACCORD_OK) {
        j->kept += count;
        journal_mark_write(j);
    }
    return status;
}

int journal_forget(struct journal *j, const struct id128 *messages, size_t count,
                   char why[JOURNAL_WHY_BYTES_MAX])
{
    int result = begin(j, /* synced= */ false);

    for (size_t i = 0; i < count && result == SQLITE_OK; i++) {
        bind_id(j->erase, 1, &messages[i]);
        result = step(j->erase);
    }
    return finish(j, result, "forget a change", why);
}

/* A flipped bit in a row is noticed by nobody else. */
static uint64_t place_checksum(const struct journal_place *p)
{
    _Static_assert(sizeof *p == 15 * 8, "no padding");
    return journal_checksum((const uint8_t *)p, sizeof *p);
}

int journal_save(struct journal *j, const struct journal_place *place,
                 char why[JOURNAL_WHY_BYTES_MAX])
{
    const struct cursor *c = &place->cursor;
    const struct segment_identity *s = &place->segment;
    int result = begin(j, /* synced= */ false);

    bind_id(j->save, 1, &c->log);
    sqlite3_bind_int64(j->save, 2, (int64_t)c->epoch);
    sqlite3_bind_int64(j->save, 3, (int64_t)c->position);
    bind_id(j->save, 4, &c->message);
    sqlite3_bind_int64(j->save, 5, (int64_t)c->hash);
    bind_id(j->save, 6, &s->boot);
    sqlite3_bind_int64(j->save, 7, (int64_t)s->device);
    sqlite3_bind_int64(j->save, 8, (int64_t)s->inode);
    sqlite3_bind_int64(j->save, 9, (int64_t)s->bytes);
    bind_id(j->save, 10, &s->incarnation);
    sqlite3_bind_int64(j->save, 11, (int64_t)s->seed);
    sqlite3_bind_int64(j->save, 12, (int64_t)place_checksum(place));
    if (result == SQLITE_OK)
        result = step(j->save);
    return finish(j, result, "save the position", why);
}

static bool read_id(sqlite3_stmt *s, int column, struct id128 *out)
{
    if (sqlite3_column_bytes(s, column) != sizeof *out)
        return false;
    memcpy(out, sqlite3_column_blob(s, column), sizeof *out);
    return true;
}

static uint64_t read_number(sqlite3_stmt *s, int column)
{
    return (uint64_t)sqlite3_column_int64(s, column);
}

int journal_place(struct journal *j, struct journal_place *out)
{
    sqlite3_stmt *s = NULL;
    struct journal_place p;
    int status = ACCORD_E_ABSENT;

    memset(&p, 0, sizeof p);
    if (sqlite3_prepare_v2(j->db, "SELECT " PLACE_COLUMNS " FROM place", -1, &s, NULL) ==
            SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW && read_id(s, 0, &p.cursor.log) &&
        read_id(s, 3, &p.cursor.message) && read_id(s, 5, &p.segment.boot) &&
        read_id(s, 9, &p.segment.incarnation)) {
        p.cursor.epoch = read_number(s, 1);
        p.cursor.position = read_number(s, 2);
        p.cursor.hash = read_number(s, 4);
        p.segment.device = read_number(s, 6);
        p.segment.inode = read_number(s, 7);
        p.segment.bytes = read_number(s, 8);
        p.segment.seed = read_number(s, 10);
        if (read_number(s, 11) == place_checksum(&p)) {
            *out = p;
            status = ACCORD_OK;
        }
    }
    sqlite3_finalize(s);
    return status;
}

/* ---- fences --------------------------------------------------------------------------------
 */

/* A table of its own with its own place in the log: older versions neither know nor need it. */
static const char *const fence_schema =
    "CREATE TABLE IF NOT EXISTS fence(name TEXT PRIMARY KEY, newest INTEGER NOT NULL,"
    " held INTEGER NOT NULL, log BLOB NOT NULL, epoch INTEGER NOT NULL,"
    " position INTEGER NOT NULL)";

static int insert_fence(sqlite3_stmt *s, const struct cursor *at, const struct fence_saved *f)
{
    sqlite3_bind_text(s, 1, f->name, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(s, 2, (int64_t)f->newest);
    sqlite3_bind_int(s, 3, f->held);
    bind_id(s, 4, &at->log);
    sqlite3_bind_int64(s, 5, (int64_t)at->epoch);
    sqlite3_bind_int64(s, 6, (int64_t)at->position);
    return step(s);
}

int journal_save_fences(struct journal *j, const struct cursor *at,
                        const struct fence_saved *list, size_t count,
                        char why[JOURNAL_WHY_BYTES_MAX])
{
    sqlite3_stmt *s = NULL;
    int result = begin(j, /* synced= */ false);

    if (result == SQLITE_OK)
        result = run(j, fence_schema);
    if (result == SQLITE_OK)
        result = run(j, "DELETE FROM fence");
    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(j->db, "INSERT INTO fence VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                                    -1, &s, NULL);
    for (size_t i = 0; i < count && result == SQLITE_OK; i++)
        result = insert_fence(s, at, &list[i]);
    sqlite3_finalize(s);
    return finish(j, result, "save the fences", why);
}

static bool read_fence(sqlite3_stmt *s, struct fence_saved *f, struct cursor *at)
{
    const char *name = (const char *)sqlite3_column_text(s, 0);

    if (!name || strlen(name) > NAMESPACE_BYTES_MAX ||
        sqlite3_column_bytes(s, 3) != sizeof at->log)
        return false;
    *f = (struct fence_saved){.newest = (uint64_t)sqlite3_column_int64(s, 1),
                              .held = sqlite3_column_int(s, 2) != 0};
    snprintf(f->name, sizeof f->name, "%s", name);
    *at = (struct cursor){.epoch = (uint64_t)sqlite3_column_int64(s, 4),
                          .position = (uint64_t)sqlite3_column_int64(s, 5)};
    memcpy(&at->log, sqlite3_column_blob(s, 3), sizeof at->log);
    return true;
}

size_t journal_fences(struct journal *j, struct fence_saved *list, size_t max,
                      struct cursor *at)
{
    sqlite3_stmt *s = NULL;
    size_t count = 0;
    bool whole = true;

    if (sqlite3_prepare_v2(j->db, "SELECT name, newest, held, log, epoch, position FROM fence",
                           -1, &s, NULL) == SQLITE_OK)
        while (whole && count < max && sqlite3_step(s) == SQLITE_ROW)
            whole = read_fence(s, &list[count++], at);
    sqlite3_finalize(s);
    return whole ? count : 0;
}

/* ---- opening -------------------------------------------------------------------------------
 */

/* Reads the old name, and puts the present one in its place. */
static int identify(struct journal *j, const char *name, struct journal_report *report,
                    char *why)
{
    sqlite3_stmt *s = NULL;
    int result = sqlite3_prepare_v2(j->db, "SELECT name FROM identity", -1, &s, NULL);

    if (result == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        const char *before = (const char *)sqlite3_column_text(s, 0);
        report->known = true;
        if (before && strcmp(before, name) != 0)
            snprintf(report->name_before, sizeof report->name_before, "%s", before);
    }
    sqlite3_finalize(s);
    s = NULL;
    result = sqlite3_prepare_v2(j->db, "INSERT OR REPLACE INTO identity VALUES(1, ?1)", -1, &s,
                                NULL);
    if (result == SQLITE_OK) {
        sqlite3_bind_text(s, 1, name, -1, SQLITE_TRANSIENT);
        result = step(s);
    }
    sqlite3_finalize(s);
    return result == SQLITE_OK ? ACCORD_OK : sql_fail(j, "write its database", why);
}

/* What was saved from a database that had to be moved aside is this one's journal now. */
static int adopt(struct journal *j, char *why)
{
    size_t count;
    const struct change *pending = journal_pending(j, &count);

    return count > 0 ? journal_keep(j, pending, count, why) : ACCORD_OK;
}

static int start_anew(struct journal *j, const char *problem_text,
                      struct journal_report *report, char *why)
{
    int status;

    snprintf(report->moved_why, sizeof report->moved_why, "%s", problem_text);
    status = journal_read_pending(j, /* damaged= */ true, report, why);
    if (status != ACCORD_OK)
        return status;
    close_database(j);
    status = move_aside(j, report, why);
    if (status == ACCORD_OK)
        status = open_database(j, why);
    if (status == ACCORD_OK)
        status = configure(j, /* fresh= */ true, why);
    if (status == ACCORD_OK)
        status = adopt(j, why);
    if (status == ACCORD_OK)
        journal_mark_write(j);
    return status;
}

static int open_all(struct journal *j, const char *name, struct journal_report *report,
                    char *why)
{
    const char *text;
    bool fresh = false;
    int status = make_folder(j->folder, why);

    if (status == ACCORD_OK)
        status = lock_folder(j, why);
    if (status == ACCORD_OK)
        status = journal_mark_open(j, why);
    if (status == ACCORD_OK)
        status = open_database(j, why);
    if (status != ACCORD_OK)
        return status;
    text = problem(j, &fresh);
    if (j->no_memory)
        return no_memory(j, why);
    if (text) {
        status = start_anew(j, text, report, why);
    } else {
        status = configure(j, fresh, why);
        if (status == ACCORD_OK) {
            j->missing = j->kept < journal_mark_read(j);
            status = journal_read_pending(j, /* damaged= */ false, report, why);
        }
        if (status == ACCORD_OK && report->unreadable > 0) {
            journal_drop_pending(j);
            status = start_anew(j,
                                j->missing ? "changes that it had kept are missing: its end "
                                             "was cut off, or it was deleted or put back"
                                           : "a record of its journal is damaged",
                                report, why);
        }
    }
    return status == ACCORD_OK ? identify(j, name, report, why) : status;
}

int journal_open(struct journal **out, const char *folder, const char *name,
                 struct journal_report *report, char why[JOURNAL_WHY_BYTES_MAX])
{
    struct journal *j = calloc(1, sizeof *j);
    int status;

    memset(report, 0, sizeof *report);
    if (!j)
        return journal_fail(why, ACCORD_E_NOMEM, "out of memory");
    j->lock_fd = j->mark_fd = -1;
    snprintf(j->folder, sizeof j->folder, "%.1023s", folder);
    snprintf(j->path, sizeof j->path, "%.1023s/state.db", folder);
    status = open_all(j, name, report, why);
    if (status == ACCORD_OK)
        *out = j;
    else
        journal_close(j);
    return status;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    close_database(j);
    journal_drop_pending(j);
    if (j->mark_fd >= 0)
        close(j->mark_fd);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    free(j);
}
