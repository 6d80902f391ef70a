/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/publisher.h"

#include <stdio.h>

#include "bus/sqlite/row.h"
#include "net/time.h"

enum {
    CHECKPOINT_PAGES = 1000,  /* 4 MB, as SQLite does by itself */
    LAST_CHECKPOINT_MS = 200, /* how long close() waits for the lock */
    ROWS_OF_SOME = 16,        /* of one INSERT: a third cheaper each; more won no more */
};

static int note_wal_pages(void *context, sqlite3 *handle, const char *name, int pages)
{
    struct sqlite_publisher *p = context;

    (void)handle;
    (void)name;
    p->wal_pages = pages;
    return SQLITE_OK;
}

static void disconnect(struct sqlite_publisher *p)
{
    sqlite3_finalize(p->begin);
    sqlite3_finalize(p->look);
    sqlite3_finalize(p->insert_one);
    sqlite3_finalize(p->insert_some);
    sqlite3_finalize(p->find);
    sqlite3_finalize(p->commit);
    p->begin = p->look = p->insert_one = p->insert_some = p->find = p->commit = NULL;
    sqlite_db_close(&p->db);
}

static int prepare_insert(const struct sqlite_publisher *p, int rows, sqlite3_stmt **out,
                          char why[BUS_WHY_BYTES_MAX])
{
    char sql[sizeof SQL_INSERT_ROWS + ROWS_OF_SOME * sizeof SQL_INSERT_ROW];
    int used = snprintf(sql, sizeof sql, SQL_INSERT_ROWS SQL_INSERT_ROW);

    for (int i = 1; i < rows; i++)
        used += snprintf(sql + used, sizeof sql - (size_t)used, "," SQL_INSERT_ROW);
    return sqlite_db_prepare(&p->db, sql, out, why);
}

static int connect_log(struct sqlite_publisher *p, uint64_t deadline_ns,
                       char why[BUS_WHY_BYTES_MAX])
{
    int status = ACCORD_OK;

    if (p->db.handle && sqlite_db_in_place(&p->db)) {
        p->db.deadline_ns = deadline_ns;
        return ACCORD_OK;
    }
    disconnect(p);
    status = sqlite_db_open(&p->db, p->place, SQL_MODE_WRITE, deadline_ns, why);
    if (status == ACCORD_OK)
        status = sqlite_db_prepare(&p->db, "BEGIN IMMEDIATE", &p->begin, why);
    if (status == ACCORD_OK)
        status = sqlite_db_prepare(&p->db, "COMMIT", &p->commit, why);
    if (status == ACCORD_OK)
        status = sqlite_log_prepare(&p->db, &p->look, why);
    if (status == ACCORD_OK)
        status = prepare_insert(p, 1, &p->insert_one, why);
    if (status == ACCORD_OK)
        status = prepare_insert(p, ROWS_OF_SOME, &p->insert_some, why);
    if (status == ACCORD_OK)
        status = sqlite_db_prepare(&p->db, "SELECT id FROM accord_changes$ WHERE message = ?1",
                                   &p->find, why);
    if (status != ACCORD_OK) {
        disconnect(p);
        return status;
    }
    (void)sqlite3_wal_hook(p->db.handle, note_wal_pages, p);
    p->checkpoint_pages = CHECKPOINT_PAGES;
    p->prune = (struct sqlite_prune){0};
    return ACCORD_OK;
}

int sqlite_publisher_init(struct sqlite_publisher *p, const struct sqlite_place *place,
                          const struct bus_settings *settings, char why[BUS_WHY_BYTES_MAX])
{
    *p = (struct sqlite_publisher){.place = place, .settings = settings};
    p->lock.fd = p->wake.fd = -1;
    int status = connect_log(p, time_monotonic_ns() + settings->timeout_ms * NS_PER_MS, why);
    if (status != ACCORD_OK)
        sqlite_publisher_done(p, false);
    return status;
}

void sqlite_publisher_let_go(struct sqlite_publisher *p)
{
    if (p->db.handle && !sqlite_db_in_place(&p->db))
        disconnect(p);
}

/* SQLite makes its last checkpoint, and removes its files, when the last connection closes:
 * that too is a checkpoint, and belongs under the lock. Else the next one to open does it. */
void sqlite_publisher_done(struct sqlite_publisher *p, bool last_one)
{
    char why[BUS_WHY_BYTES_MAX];
    uint64_t deadline_ns = time_monotonic_ns() + LAST_CHECKPOINT_MS * NS_PER_MS;

    if (!p->place)
        return;
    if (last_one && p->db.handle && sqlite_db_in_place(&p->db) &&
        sqlite_lock_take(&p->lock, p->place, deadline_ns, why) == ACCORD_OK) {
        p->db.deadline_ns = deadline_ns;
        (void)sqlite3_db_config(p->db.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    }
    disconnect(p);
    sqlite_lock_close(&p->lock);
    sqlite_wake_close(&p->wake);
    *p = (struct sqlite_publisher){0};
}

/* Inside the transaction: is this the log that our changes were meant for, and is it whole? A
 * log that lost its tail must be given a new epoch before anything is appended, or the loss
 * could no longer be seen. */
static int check_log(struct sqlite_publisher *p, const struct sqlite_target *target,
                     struct sqlite_log *log, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_mark mark = sqlite_wake_read(&p->wake);

    int status = sqlite_log_look(&p->db, p->look, 0, &mark, log, why);
    if (status == ACCORD_E_GONE || status == ACCORD_E_FORMAT || status == ACCORD_E_UNSUPPORTED)
        return ACCORD_E_DOWN;
    if (status != ACCORD_OK)
        return status;
    bool other = !id128_is_none(target->log) &&
                 (!id128_equal(log->log, target->log) || log->epoch != target->epoch);
    if (other || log->lost_tail)
        return bus_fail(why, ACCORD_E_DOWN,
                        "%.300s was replaced or restored; it is being attached anew",
                        p->place->path);
    return ACCORD_OK;
}

static int position_of(struct sqlite_publisher *p, const struct change *c, uint64_t *position,
                       char why[BUS_WHY_BYTES_MAX])
{
    int status = ACCORD_OK;

    int result = sqlite_bind_id(p->find, 1, c->message);
    if (result == SQLITE_OK)
        result = sqlite3_step(p->find);
    if (result == SQLITE_ROW)
        *position = (uint64_t)sqlite3_column_int64(p->find, 0);
    else
        status = sqlite_db_fail(&p->db, result, "to append", why);
    (void)sqlite3_reset(p->find);
    return status;
}

/* *position: of the last row. ACCORD_E_INVALID: one of them is refused, so none was inserted.
 */
static int insert(const struct sqlite_publisher *p, sqlite3_stmt *s, int rows,
                  const struct change *changes, uint64_t now_ms, uint64_t *position,
                  char why[BUS_WHY_BYTES_MAX])
{
    int result = SQLITE_OK, status = ACCORD_OK;

    for (int i = 0; i < rows && result == SQLITE_OK; i++)
        result = sqlite_row_bind(s, i, &changes[i], now_ms);
    if (result == SQLITE_OK)
        result = sqlite3_step(s);
    if (result == SQLITE_DONE)
        *position = (uint64_t)sqlite3_last_insert_rowid(p->db.handle);
    else
        status = sqlite_db_fail(&p->db, result, "to append", why);
    (void)sqlite3_reset(s);
    return status;
}

/* A message that is there already is refused by a trigger before any ON CONFLICT could speak.
 */
static int append_one(struct sqlite_publisher *p, const struct change *c, uint64_t now_ms,
                      uint64_t *position, char why[BUS_WHY_BYTES_MAX])
{
    char no_row[BUS_WHY_BYTES_MAX];

    int status = insert(p, p->insert_one, 1, c, now_ms, position, why);
    if (status == ACCORD_E_INVALID && position_of(p, c, position, no_row) == ACCORD_OK)
        return ACCORD_OK;
    return status;
}

static int append_some(struct sqlite_publisher *p, const struct change *changes, size_t count,
                       uint64_t now_ms, uint64_t *position, char why[BUS_WHY_BYTES_MAX])
{
    int status = ACCORD_E_INVALID;

    if (count == ROWS_OF_SOME)
        status = insert(p, p->insert_some, ROWS_OF_SOME, changes, now_ms, position, why);
    if (status != ACCORD_E_INVALID)
        return status;
    status = ACCORD_OK;
    for (size_t i = 0; i < count && status == ACCORD_OK; i++)
        status = append_one(p, &changes[i], now_ms, position, why);
    return status;
}

static int set_max_stale(struct sqlite_publisher *p, const struct change *c,
                         char why[BUS_WHY_BYTES_MAX])
{
    sqlite3_stmt *s = NULL;
    int status = sqlite_db_prepare(
        &p->db, "UPDATE accord_meta$ SET max_stale_ms = ?1, max_stale_before_ms = ?2", &s, why);

    if (status != ACCORD_OK)
        return status;
    (void)sqlite3_bind_int64(s, 1, (int64_t)c->version);
    (void)sqlite3_bind_int64(s, 2, (int64_t)change_max_stale_before(c));
    int result = sqlite3_step(s);
    if (result != SQLITE_DONE)
        status = sqlite_db_fail(&p->db, result, "to append", why);
    sqlite3_finalize(s);
    return status;
}

/* What is new in the log says what the cluster's number is (B16); what was there already has
 * said it, and something later may have said another. */
static int keep_max_stale(struct sqlite_publisher *p, uint64_t head,
                          const struct change *changes, size_t count,
                          char why[BUS_WHY_BYTES_MAX])
{
    int status = ACCORD_OK;

    for (size_t i = 0; i < count && status == ACCORD_OK; i++) {
        uint64_t position = 0;
        if (!change_sets_max_stale(&changes[i]))
            continue;
        status = position_of(p, &changes[i], &position, why);
        if (status == ACCORD_OK && position > head)
            status = set_max_stale(p, &changes[i], why);
    }
    return status;
}

static int begin(struct sqlite_publisher *p, char why[BUS_WHY_BYTES_MAX])
{
    int result = sqlite3_step(p->begin), status = ACCORD_OK;

    if (result != SQLITE_DONE)
        status = sqlite_db_fail(&p->db, result, "to append", why);
    (void)sqlite3_reset(p->begin);
    return status;
}

/* After an input or output error at the commit, its frames may be on disk whole, and come back
 * when the WAL is recovered. All else is rolled back for certain. */
static int commit(struct sqlite_publisher *p, char why[BUS_WHY_BYTES_MAX])
{
    int result = sqlite3_step(p->commit), status = ACCORD_OK;

    if (result != SQLITE_DONE)
        status = sqlite_db_fail(&p->db, result, "to append", why);
    (void)sqlite3_reset(p->commit);
    return (result & 0xff) == SQLITE_IOERR ? ACCORD_E_TIMEOUT : status;
}

static int append(struct sqlite_publisher *p, const struct sqlite_target *target,
                  const struct change *changes, size_t count, struct sqlite_mark *mark,
                  struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_log log = {0};
    uint64_t position = 0, now_ms = time_wall_ms();

    int status = begin(p, why);
    if (status == ACCORD_OK)
        status = check_log(p, target, &log, why);
    for (size_t i = 0; status == ACCORD_OK && i < count; i += ROWS_OF_SOME)
        status = append_some(p, changes + i, u64_min(count - i, ROWS_OF_SOME), now_ms,
                             &position, why);
    if (status == ACCORD_OK)
        status = keep_max_stale(p, log.head, changes, count, why);
    if (status == ACCORD_OK)
        status = commit(p, why);
    sqlite_db_rollback(&p->db);
    if (status == ACCORD_E_GONE)
        status = ACCORD_E_DOWN; /* the reading side finds out why, and attaches anew */
    if (status != ACCORD_OK)
        return status;
    *last = (struct position){log.epoch, position};
    *mark = (struct sqlite_mark){log.log, position, changes[count - 1].message};
    return ACCORD_OK;
}

/* A small WAL is a fast one. Where readers keep frames in use, a try at each commit would cost
 * more than it gains: the next is due after as many pages again. */
static void checkpoint(struct sqlite_publisher *p)
{
    int in_wal = 0, done = 0;

    if (p->wal_pages < p->checkpoint_pages)
        return;
    (void)sqlite3_wal_checkpoint_v2(p->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_wal,
                                    &done);
    p->checkpoint_pages = done == in_wal ? CHECKPOINT_PAGES : p->wal_pages + CHECKPOINT_PAGES;
}

static int publish_locked(struct sqlite_publisher *p, const struct sqlite_target *target,
                          const struct change *changes, size_t count, uint64_t deadline_ns,
                          struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_mark mark;
    struct position position = {0};

    int status = connect_log(p, deadline_ns, why);
    if (status == ACCORD_OK)
        status = sqlite_wake_open(&p->wake, p->place, why);
    if (status == ACCORD_OK)
        status = append(p, target, changes, count, &mark, &position, why);
    if (status != ACCORD_OK)
        return status;
    sqlite_wake_write(&p->wake, &mark);
    if (!sqlite_db_in_place(&p->db))
        return bus_fail(why, ACCORD_E_TIMEOUT,
                        "%.300s was moved, deleted or replaced meanwhile", p->place->path);
    *last = position;
    p->prune.published += count;
    checkpoint(p);
    uint64_t now_ns = time_monotonic_ns();
    p->db.deadline_ns = now_ns; /* pruning can wait, an acknowledgement should not */
    if (sqlite_prune_is_due(&p->prune, p->settings, now_ns))
        sqlite_prune_step(&p->prune, &p->db, p->settings, now_ns);
    return ACCORD_OK;
}

int sqlite_publisher_publish(struct sqlite_publisher *p, const struct sqlite_target *target,
                             const struct change *changes, size_t count, struct position *last,
                             char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = time_monotonic_ns() + p->settings->timeout_ms * NS_PER_MS;

    int status = sqlite_lock_take(&p->lock, p->place, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    status = publish_locked(p, target, changes, count, deadline_ns, last, why);
    sqlite_lock_give(&p->lock);
    return status;
}
