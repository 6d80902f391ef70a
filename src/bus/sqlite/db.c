/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/db.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/hex.h"
#include "bus/sqlite/row.h"
#include "net/time.h"

enum { BUSY_SLEEP_NS_MIN = 50 * 1000, BUSY_SLEEP_NS_MAX = 5 * 1000 * 1000, OPEN_TRIES = 4 };

/* SQLite gives all connections of a process to one file the same -shm, also where the path has
 * another by now; so they must know of each other. */
static pthread_mutex_t connections_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct sqlite_db *connections;

/* SQLite's own handler sleeps whole milliseconds, and knows no deadline. */
static int busy(void *context, int times)
{
    const struct sqlite_db *db = context;
    uint64_t now_ns = time_monotonic_ns();

    if (now_ns >= db->deadline_ns)
        return 0;
    uint64_t sleep_ns = (uint64_t)BUSY_SLEEP_NS_MIN << (times < 7 ? times : 7);
    sqlite_sleep_ns(u64_min(u64_min(sleep_ns, BUSY_SLEEP_NS_MAX), db->deadline_ns - now_ns));
    return 1;
}

/* Nor does it ask a handler where a lock of the -shm looks taken: it pauses by itself, a
 * hundred times and for ten seconds in all, and so it does where the kernel has no lock to give
 * (ENOLCK). Meanwhile nobody else could publish. So each connection has a VFS that pauses no
 * longer than its owner wants to wait. */
static int pause_us(sqlite3_vfs *vfs, int wanted_us)
{
    const struct sqlite_db *db =
        (const void *)((const char *)vfs - offsetof(struct sqlite_db, vfs));
    uint64_t now_ns = time_monotonic_ns();

    if (now_ns < db->deadline_ns)
        sqlite_sleep_ns(u64_min((uint64_t)wanted_us * 1000, db->deadline_ns - now_ns));
    return wanted_us;
}

static int register_vfs(struct sqlite_db *db, char why[BUS_WHY_BYTES_MAX])
{
    const sqlite3_vfs *system = sqlite3_vfs_find(NULL);

    if (!system)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    db->vfs = *system;
    snprintf(db->vfs_name, sizeof db->vfs_name, "accord-%" PRIxPTR, (uintptr_t)db);
    db->vfs.zName = db->vfs_name;
    db->vfs.xSleep = pause_us;
    if (sqlite3_vfs_register(&db->vfs, /* makeDflt= */ 0) == SQLITE_OK)
        return ACCORD_OK;
    db->vfs_name[0] = 0;
    return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
}

int sqlite_random_id(struct id128 *out, char why[BUS_WHY_BYTES_MAX])
{
    struct id128 id;

    if (getrandom(&id, sizeof id, 0) != sizeof id)
        return bus_fail(why, ACCORD_E_IO, "no random numbers: %s", strerror(errno));
    *out = id;
    return ACCORD_OK;
}

int sqlite_db_fail(const struct sqlite_db *db, int result, const char *doing,
                   char why[BUS_WHY_BYTES_MAX])
{
    const char *path = db->place->path;
    const char *text = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(result);

    switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return bus_fail(why, ACCORD_E_DOWN,
                        "%s: %.250s is locked by another program for too long; let it end its "
                        "transaction (`fuser -v` on the file names it)",
                        doing, path);
    case SQLITE_FULL:
        return bus_fail(
            why, ACCORD_E_IO,
            "%s: the disk of %.250s is full (or its quota, or max_page_count); make "
            "room",
            doing, path);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return bus_fail(
            why, ACCORD_E_DENIED,
            "%s: %.250s: %.100s; let this user write the file and its folder (SQLite "
            "keeps -wal and -shm beside it)",
            doing, path, text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return bus_fail(why, ACCORD_E_IO,
                        "%s: %.250s: %.100s; name another file, or restore this one", doing,
                        path, text);
    case SQLITE_NOMEM:
        return bus_fail(why, ACCORD_E_NOMEM, "%s: out of memory", doing);
    case SQLITE_CONSTRAINT:
        return bus_fail(why, ACCORD_E_INVALID, "%s: %.250s: %.150s", doing, path, text);
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
        return bus_fail(why, ACCORD_E_GONE, "%s: %.250s: %.150s; the log's tables were changed",
                        doing, path, text);
    default:
        return bus_fail(why, ACCORD_E_IO, "%s: %.250s: %.150s (SQLite error %d)", doing, path,
                        text, result);
    }
}

int sqlite_db_run(const struct sqlite_db *db, const char *sql, const char *doing,
                  char why[BUS_WHY_BYTES_MAX])
{
    int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return result == SQLITE_OK ? ACCORD_OK : sqlite_db_fail(db, result, doing, why);
}

void sqlite_db_rollback(const struct sqlite_db *db)
{
    if (!sqlite3_get_autocommit(db->handle))
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

static void expand(const struct sqlite_place *p, const char *sql, char out[SQL_BYTES_MAX])
{
    size_t used = 0, suffix = strlen(p->suffix);

    for (; *sql; sql++) {
        ASSERT(used + suffix + 2 < SQL_BYTES_MAX);
        if (*sql != '$') {
            out[used++] = *sql;
            continue;
        }
        memcpy(out + used, p->suffix, suffix);
        used += suffix;
    }
    out[used] = '\0';
}

int sqlite_db_prepare(const struct sqlite_db *db, const char *sql, sqlite3_stmt **out,
                      char why[BUS_WHY_BYTES_MAX])
{
    char text[SQL_BYTES_MAX];

    expand(db->place, sql, text);
    int result = sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    return result == SQLITE_OK ? ACCORD_OK
                               : sqlite_db_fail(db, result, "to find the log's tables", why);
}

/* The file that SQLite opened is the one at the path, before and after. */
static bool note_identity(struct sqlite_db *db)
{
    struct sqlite_identity again;
    int moved = 1;

    return sqlite_identify(db->place->path, &db->file) &&
           sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
               SQLITE_OK &&
           !moved && sqlite_identify(db->place->path, &again) &&
           sqlite_identity_equal(&db->file, &again);
}

static bool leads_to(const char *path, const struct sqlite_identity *file)
{
    struct sqlite_identity now;

    return sqlite_identify(path, &now) && sqlite_identity_equal(file, &now);
}

bool sqlite_db_in_place(const struct sqlite_db *db)
{
    if (!leads_to(db->place->path, &db->file))
        return false;
    return db->wal.inode == 0 ||
           (leads_to(db->place->wal_path, &db->wal) && leads_to(db->place->shm_path, &db->shm));
}

bool sqlite_db_in_wal_mode(const struct sqlite_db *db)
{
    char why[BUS_WHY_BYTES_MAX];
    sqlite3_stmt *s = NULL;

    if (sqlite_db_prepare(db, "PRAGMA journal_mode", &s, why) != ACCORD_OK)
        return false;
    bool wal = sqlite3_step(s) == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(s, 0), "wal") == 0;
    sqlite3_finalize(s);
    return wal;
}

/* SQLite opens -wal and -shm with the first read. Which ones those were is certain only where
 * they lay there before it, and lie there after it. */
static int note_beside(struct sqlite_db *db, bool *certain, char why[BUS_WHY_BYTES_MAX])
{
    const struct sqlite_place *p = db->place;
    struct sqlite_identity wal = {0}, shm = {0};
    bool there = sqlite_identify(p->wal_path, &wal) && sqlite_identify(p->shm_path, &shm);

    int status =
        sqlite_db_run(db, "SELECT count(*) FROM sqlite_schema", "to open the log", why);
    if (status != ACCORD_OK)
        return status;
    if (!sqlite_db_in_wal_mode(db)) {
        *certain = true;
        return ACCORD_OK;
    }
    *certain = there && leads_to(p->wal_path, &wal) && leads_to(p->shm_path, &shm);
    db->wal = wal;
    db->shm = shm;
    return ACCORD_OK;
}

static bool shares_old_files(const struct sqlite_db *a, const struct sqlite_db *b)
{
    return sqlite_identity_equal(&a->file, &b->file) && a->wal.inode != 0 &&
           b->wal.inode != 0 &&
           !(sqlite_identity_equal(&a->wal, &b->wal) &&
             sqlite_identity_equal(&a->shm, &b->shm));
}

static int join_connections(struct sqlite_db *db, char why[BUS_WHY_BYTES_MAX])
{
    bool held = false;

    pthread_mutex_lock(&connections_mutex);
    for (const struct sqlite_db *other = connections; other; other = other->next)
        held |= shares_old_files(db, other);
    if (!held) {
        db->next = connections;
        connections = db;
    }
    pthread_mutex_unlock(&connections_mutex);
    return held ? bus_fail(why, ACCORD_E_DOWN,
                           "the -wal or -shm of %.300s was deleted; letting go of the old one",
                           db->place->path)
                : ACCORD_OK;
}

static void leave_connections(struct sqlite_db *db)
{
    struct sqlite_db **link = &connections;

    pthread_mutex_lock(&connections_mutex);
    while (*link && *link != db)
        link = &(*link)->next;
    if (*link)
        *link = db->next;
    pthread_mutex_unlock(&connections_mutex);
}

/* WAL for all: it is a property of the file. With it a writer never waits for readers. */
static int to_wal(const struct sqlite_db *db, char why[BUS_WHY_BYTES_MAX])
{
    sqlite3_stmt *s = NULL;
    bool done = false;

    int status = sqlite_db_prepare(db, "PRAGMA journal_mode=WAL", &s, why);
    if (status != ACCORD_OK)
        return status;
    int result = sqlite3_step(s);
    if (result == SQLITE_ROW)
        done = strcmp((const char *)sqlite3_column_text(s, 0), "wal") == 0;
    result = sqlite3_finalize(s);
    if (result != SQLITE_OK)
        return sqlite_db_fail(db, result, "to switch to WAL", why);
    if (!done)
        return bus_fail(
            why, ACCORD_E_UNSUPPORTED,
            "%.300s cannot be switched to WAL: its file system gives no shared memory; "
            "put it on a local disk",
            db->place->path);
    return ACCORD_OK;
}

/* The table's checks are for people: what we write was checked before (change_problem()), and
 * they cost more than the row. */
static int configure(struct sqlite_db *db, enum sqlite_mode mode, char why[BUS_WHY_BYTES_MAX])
{
    const char *settings = mode == SQL_MODE_READ
                               ? "PRAGMA query_only=1"
                               : "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
                                 "PRAGMA journal_size_limit=67108864;"
                                 "PRAGMA ignore_check_constraints=1";

    sqlite3_busy_handler(db->handle, busy, db);
    sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_db_readonly(db->handle, "main") == 1)
        return bus_fail(why, ACCORD_E_DENIED,
                        "%.300s may not be written by this user; change its owner or mode",
                        db->place->path);
    int status = sqlite_db_run(db, settings, "to open the log", why);
    return status == ACCORD_OK && mode == SQL_MODE_CREATE ? to_wal(db, why) : status;
}

static int open_once(struct sqlite_db *db, const struct sqlite_place *p, enum sqlite_mode mode,
                     bool *certain, char why[BUS_WHY_BYTES_MAX])
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
                (mode == SQL_MODE_CREATE ? SQLITE_OPEN_CREATE : 0);

    int status = sqlite_place_check(p, why);
    if (status != ACCORD_OK)
        return status;
    status = register_vfs(db, why);
    if (status != ACCORD_OK)
        return status;
    int result = sqlite3_open_v2(p->path, &db->handle, flags, db->vfs_name);
    if (result != SQLITE_OK)
        status = sqlite_db_fail(db, result, "to open the log", why);
    else
        status = configure(db, mode, why);
    if (status == ACCORD_OK)
        status = note_beside(db, certain, why);
    if (status == ACCORD_OK && !note_identity(db))
        status = bus_fail(why, ACCORD_E_DOWN, "%.300s was replaced while it was being opened",
                          p->path);
    if (status == ACCORD_OK && *certain)
        status = join_connections(db, why);
    return status;
}

int sqlite_db_open(struct sqlite_db *db, const struct sqlite_place *p, enum sqlite_mode mode,
                   uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    for (unsigned i = 0; i < OPEN_TRIES; i++) {
        bool certain = false;
        *db = (struct sqlite_db){.place = p, .deadline_ns = deadline_ns};
        int status = open_once(db, p, mode, &certain, why);
        if (status == ACCORD_OK && certain)
            return ACCORD_OK;
        sqlite_db_close(db);
        if (status != ACCORD_OK)
            return status;
    }
    return bus_fail(why, ACCORD_E_DOWN,
                    "the files beside %.300s change while it is being opened", p->path);
}

void sqlite_db_close(struct sqlite_db *db)
{
    if (db->handle) {
        int result = sqlite3_close(db->handle);
        ASSERT(result == SQLITE_OK);
        db->handle = NULL;
        leave_connections(db);
    }
    if (db->vfs_name[0])
        (void)sqlite3_vfs_unregister(&db->vfs);
    db->vfs_name[0] = 0;
}

/* The tables. */

#define NOW_MS "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"

/* An IN of three words or more costs SQLite a table of its own for each row that it is asked
 * of: that was half of the time of an INSERT. Hence many an OR. */
#define NEEDS_KEY     "(op = 'remove' OR op = 'tag' OR op = 'prefix' OR op = 'namespace')"
#define OLD_IS_MEMBER "(OLD.op = 'join' OR OLD.op = 'leave' OR OLD.op = 'beat')"

/* Ops of versions to come (docs/format/versions.txt): a table cannot be taught them later. */
#define IS_LATER                                                                               \
    "(op GLOB '" CHANGE_WORD_REQUIRED "[a-z]*' OR op GLOB '" CHANGE_WORD_IGNORABLE "[a-z]*')"

static const char changes_table[] =
    "CREATE TABLE IF NOT EXISTS accord_changes$ (\n"
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, -- the position; leave it out\n"
    "  key TEXT,                             -- a BLOB where it is not text\n"
    "  op TEXT NOT NULL DEFAULT 'remove'\n"
    "    CONSTRAINT \"op is remove, tag, prefix, namespace or clear\"\n"
    "    CHECK (" NEEDS_KEY " OR op = 'clear' OR " SQL_IS_MEMBER " OR " IS_LATER "),\n"
    "  soft INTEGER NOT NULL DEFAULT 0 CONSTRAINT \"soft is 0 or 1\" CHECK (soft IN (0, 1)),\n"
    "  version INTEGER CONSTRAINT \"version is a number\"\n"
    "    CHECK (typeof(version) IN ('integer', 'null')),\n"
    "  fingerprint INTEGER,\n"
    "  message TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(16))))\n"
    "    CONSTRAINT \"message is 32 digits of 0-9 a-f\" CHECK (length(message) = 32 AND "
    "message NOT GLOB '*[^0-9a-f]*'),\n"
    "  wall_ms INTEGER NOT NULL DEFAULT (" NOW_MS "),     -- of the writer, Unix time\n"
    "  inserted_ms INTEGER NOT NULL DEFAULT (" NOW_MS "),\n"
    "  origin TEXT,                          -- NULL: a person, a trigger\n"
    "  incarnation TEXT, sequence INTEGER,\n"
    "  nonce INTEGER, applied INTEGER, applied_hash INTEGER, lease_epoch INTEGER, about TEXT,\n"
    "  CONSTRAINT \"key is 1 to 8192 bytes; for clear it is NULL\" CHECK (\n"
    "    CASE WHEN " NEEDS_KEY "\n"
    "    THEN key IS NOT NULL AND length(CAST(key AS BLOB)) BETWEEN 1 AND 8192\n"
    "    WHEN " IS_LATER " THEN key IS NULL OR length(CAST(key AS BLOB)) BETWEEN 1 AND 8192\n"
    "    ELSE key IS NULL END)\n"
    ");\n";

/* What is kept apart from the table can be made anew: an older Accord gave them other names. */
static const char guards[] =
    "CREATE INDEX IF NOT EXISTS accord_lives$ ON accord_changes$ (inserted_ms)\n"
    "  WHERE " SQL_IS_MEMBER ";\n"
    /* Readers go by growing ids: a row written below them would never be seen. And REPLACE
     * would take a row away without a word to those who have not read it. */
    "CREATE TRIGGER IF NOT EXISTS accord_insert$ BEFORE INSERT ON accord_changes$\n"
    "  WHEN NEW.id <> -1 OR\n"
    "    EXISTS (SELECT 1 FROM accord_changes$ WHERE message = NEW.message)\n"
    "  BEGIN SELECT CASE WHEN NEW.id <> -1\n"
    "    THEN RAISE(ABORT, 'accord_changes: leave out the id')\n"
    "    ELSE RAISE(ABORT, 'accord_changes: a row has that message; leave it out')\n"
    "  END; END;\n"
    "CREATE TRIGGER IF NOT EXISTS accord_append$ BEFORE UPDATE ON accord_changes$\n"
    "  BEGIN SELECT RAISE(ABORT, 'accord_changes: insert a new row instead'); END;\n"
    /* Whoever deletes changes, readers that have not seen them will know. */
    "CREATE TRIGGER IF NOT EXISTS accord_delete$ AFTER DELETE ON accord_changes$\n"
    "  WHEN NOT " OLD_IS_MEMBER "\n"
    "  BEGIN UPDATE accord_meta$ SET pruned_to = max(pruned_to, OLD.id); END;\n"
    "DROP INDEX IF EXISTS accord_members$;\n"
    "DROP TRIGGER IF EXISTS accord_ids$;\n"
    "DROP TRIGGER IF EXISTS accord_pruned$;\n";

static const char meta_table[] =
    "CREATE TABLE IF NOT EXISTS accord_meta$ (\n"
    "  id INTEGER PRIMARY KEY CHECK (id = 1),\n"
    "  format INTEGER NOT NULL,\n"
    "  log TEXT NOT NULL,                    -- names this log, for ever\n"
    "  epoch TEXT NOT NULL,                  -- renewed when entries may have been lost\n"
    "  max_stale_ms INTEGER NOT NULL CHECK (max_stale_ms > 0),\n"
    "  max_stale_before_ms INTEGER,          -- a larger one that some may still go by\n"
    "  pruned_to INTEGER NOT NULL DEFAULT 0, -- newest change that was deleted\n"
    "  created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP\n"
    ");\n";

static int run_expanded(const struct sqlite_db *db, const char *sql,
                        char why[BUS_WHY_BYTES_MAX])
{
    char text[SQL_BYTES_MAX];

    expand(db->place, sql, text);
    return sqlite_db_run(db, text, "to make the log's tables", why);
}

/* A number, or -1 where there is no row. */
static int ask(const struct sqlite_db *db, const char *sql, int64_t *out,
               char why[BUS_WHY_BYTES_MAX])
{
    sqlite3_stmt *s = NULL;

    int status = sqlite_db_prepare(db, sql, &s, why);
    if (status != ACCORD_OK)
        return status;
    int result = sqlite3_step(s);
    int64_t value = result == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    result = sqlite3_finalize(s);
    if (result != SQLITE_OK)
        return sqlite_db_fail(db, result, "to look at the log", why);
    *out = value;
    return ACCORD_OK;
}

static int check_format(const struct sqlite_db *db, int64_t format, char why[BUS_WHY_BYTES_MAX])
{
    if (format == SQL_LOG_FORMAT)
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_UNSUPPORTED,
                    "%.300s has a log of format %" PRId64 ", this Accord knows %d; update it",
                    db->place->path, format, SQL_LOG_FORMAT);
}

static int insert_meta(const struct sqlite_db *db, uint64_t max_stale_ms,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct id128 log, epoch;
    char text[512];
    int status = sqlite_random_id(&log, why);

    if (status == ACCORD_OK)
        status = sqlite_random_id(&epoch, why);
    if (status != ACCORD_OK)
        return status;
    snprintf(text, sizeof text,
             "INSERT OR REPLACE INTO accord_meta$(id, format, log, epoch, max_stale_ms) "
             "VALUES (1, %d, '%016" PRIx64 "%016" PRIx64 "', '%016" PRIx64 "', %" PRIu64 ")",
             SQL_LOG_FORMAT, log.high, log.low, epoch.low,
             u64_min(u64_max(max_stale_ms, 1), INT64_MAX));
    return run_expanded(db, text, why);
}

/* A log of an earlier 0.1 lacks the column; to its programs it means nothing. */
static int add_column(const struct sqlite_db *db, char why[BUS_WHY_BYTES_MAX])
{
    int64_t there = 0;
    int status = ask(db,
                     "SELECT count(*) FROM pragma_table_info('accord_meta$') "
                     "WHERE name = 'max_stale_before_ms'",
                     &there, why);

    return status != ACCORD_OK || there > 0
               ? status
               : run_expanded(db,
                              "ALTER TABLE accord_meta$ ADD COLUMN max_stale_before_ms INTEGER",
                              why);
}

static int create_tables(const struct sqlite_db *db, uint64_t max_stale_ms,
                         char why[BUS_WHY_BYTES_MAX])
{
    int64_t had_changes = 0, format = 0;

    int status = ask(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'accord_changes$'",
                     &had_changes, why);
    if (status == ACCORD_OK)
        status = run_expanded(db, meta_table, why);
    if (status == ACCORD_OK)
        status = add_column(db, why);
    if (status == ACCORD_OK)
        status = ask(db, "SELECT format FROM accord_meta$ WHERE id = 1", &format, why);
    if (status == ACCORD_OK && format >= 0)
        status = check_format(db, format, why);
    if (status == ACCORD_OK)
        status = run_expanded(db, changes_table, why);
    if (status == ACCORD_OK)
        status = run_expanded(db, guards, why);
    /* A log whose entries were dropped is another log: its positions begin anew. */
    if (status == ACCORD_OK && (format < 0 || !had_changes))
        status = insert_meta(db, max_stale_ms, why);
    return status;
}

int sqlite_log_is_guarded(const struct sqlite_db *db, bool *out, char why[BUS_WHY_BYTES_MAX])
{
    int64_t found = 0;

    int status = ask(db,
                     "SELECT count(*) FROM sqlite_schema WHERE name IN ('accord_lives$',"
                     "'accord_insert$','accord_append$','accord_delete$')",
                     &found, why);
    if (status == ACCORD_OK)
        *out = found == 4;
    return status;
}

int sqlite_log_create(const struct sqlite_db *db, uint64_t max_stale_ms,
                      char why[BUS_WHY_BYTES_MAX])
{
    int status = sqlite_db_run(db, "BEGIN IMMEDIATE", "to make the log's tables", why);

    if (status == ACCORD_OK)
        status = create_tables(db, max_stale_ms, why);
    if (status == ACCORD_OK)
        status = sqlite_db_run(db, "COMMIT", "to make the log's tables", why);
    sqlite_db_rollback(db);
    return status;
}

bool sqlite_log_identity(const struct sqlite_db *db, sqlite3_stmt *s, int column,
                         struct id128 *log, uint64_t *epoch)
{
    struct id128 id, file = {db->file.inode, db->file.born_ns};
    uint64_t number;

    if (!hex_parse(sqlite_column(s, column), &id.high, &id.low) ||
        !hex_parse(sqlite_column(s, column + 1), &number, NULL))
        return false;
    *log = id;
    *epoch = cursor_hash(number, SQL_LOG_FORMAT, file);
    return true;
}
