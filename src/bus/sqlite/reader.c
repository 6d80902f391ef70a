/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus/sqlite/row.h"
#include "net/time.h"

/* Between looks when nothing was heard; it is the bound where a wake-up was lost. */
#define POLL_NS (100 * NS_PER_MS)
/* The chase after a write to the WAL whose rows are not visible yet: its commit still has to
 * reach the disk. From CHASE_STEP, doubling to CHASE_STEP_MAX, until CHASE after the last
 * write; never oftener than CHASE_GAP, however busy the database. Where an Accord writer is
 * known to be the one, who touches the wake file, each CHASE_OURS_STEP. */
#define CHASE_NS           (60 * NS_PER_MS)
#define CHASE_STEP_NS      (50 * 1000ull)
#define CHASE_STEP_NS_MAX  (4 * NS_PER_MS)
#define CHASE_OURS_STEP_NS (15 * NS_PER_MS)
#define CHASE_GAP_NS       (150 * 1000ull)

static uint64_t deadline_of(const struct sqlite_reader *r)
{
    return time_monotonic_ns() + r->settings->timeout_ms * NS_PER_MS;
}

/* Opening. */

static void disconnect(struct sqlite_reader *r)
{
    sqlite3_finalize(r->look);
    sqlite3_finalize(r->rows);
    r->look = r->rows = NULL;
    sqlite_db_close(&r->db);
}

/* Makes file and tables, or what of them is missing, on a connection of its own: ours never
 * writes. */
static int create(struct sqlite_reader *r, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_db db = {0};

    int status = sqlite_place_check(r->place, why);
    if (status == ACCORD_OK)
        status = sqlite_lock_take(&r->lock, r->place, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    status = sqlite_db_open(&db, r->place, SQL_MODE_CREATE, deadline_ns, why);
    if (status == ACCORD_OK)
        status = sqlite_log_create(&db, r->settings->max_stale_ms, why);
    sqlite_db_close(&db);
    sqlite_lock_give(&r->lock);
    return status;
}

/* ACCORD_E_GONE: there is no log; it may be made. */
static int connect_existing(struct sqlite_reader *r, uint64_t deadline_ns,
                            char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_identity file;

    if (!sqlite_identify(r->place->path, &file))
        return bus_fail(why, ACCORD_E_GONE, "%.300s is not there", r->place->path);
    int status = sqlite_db_open(&r->db, r->place, SQL_MODE_READ, deadline_ns, why);
    if (status == ACCORD_OK && !sqlite_db_in_wal_mode(&r->db))
        status = bus_fail(why, ACCORD_E_GONE, "%.300s is not in WAL mode", r->place->path);
    if (status == ACCORD_OK)
        status = sqlite_log_prepare(&r->db, &r->look, why);
    if (status == ACCORD_OK)
        status =
            sqlite_db_prepare(&r->db,
                              "SELECT m.log, m.epoch, m.pruned_to, " SQL_CHANGE_COLUMNS
                              " FROM accord_meta$ m LEFT JOIN accord_changes$ c ON c.id >= ?1"
                              " WHERE m.id = 1 ORDER BY c.id LIMIT ?2",
                              &r->rows, why);
    if (status != ACCORD_OK)
        disconnect(r);
    return status;
}

static int connect_log(struct sqlite_reader *r, uint64_t deadline_ns,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_log log;
    const struct sqlite_mark none = {0};
    bool guarded = false;

    disconnect(r);
    int status = connect_existing(r, deadline_ns, why);
    if (status == ACCORD_OK)
        status = sqlite_log_look(&r->db, r->look, 0, &none, &log, why);
    if (status == ACCORD_OK)
        status = sqlite_log_is_guarded(&r->db, &guarded, why);
    if (status == ACCORD_E_GONE || (status == ACCORD_OK && !guarded)) {
        disconnect(r);
        status = create(r, deadline_ns, why);
        if (status == ACCORD_OK)
            status = connect_existing(r, deadline_ns, why);
    }
    if (status == ACCORD_OK)
        status = sqlite_wake_open(&r->wake, r->place, why);
    if (status == ACCORD_OK)
        status = sqlite_lock_open(&r->lock, r->place, why);
    if (status != ACCORD_OK)
        disconnect(r);
    return status;
}

int sqlite_reader_init(struct sqlite_reader *r, const struct sqlite_place *place,
                       const struct bus_settings *settings, char why[BUS_WHY_BYTES_MAX])
{
    *r = (struct sqlite_reader){
        .place = place, .settings = settings, .chase = {.idle_ns = POLL_NS}};
    r->lock.fd = r->wake.fd = -1;
    int status = sqlite_wait_init(&r->wait, why);
    if (status != ACCORD_OK)
        return status;
    r->room = malloc((size_t)DELIVER_BATCH_MAX * SQL_ROW_BYTES_MAX);
    if (!r->room)
        status = bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    else
        status = connect_log(r, deadline_of(r), why);
    if (status != ACCORD_OK)
        sqlite_reader_done(r);
    return status;
}

void sqlite_reader_done(struct sqlite_reader *r)
{
    if (!r->place)
        return;
    disconnect(r);
    sqlite_wait_done(&r->wait);
    sqlite_lock_close(&r->lock);
    sqlite_wake_close(&r->wake);
    free(r->room);
    *r = (struct sqlite_reader){0};
}

/* Attaching. */

/* Gives a log that lost its tail a new epoch, under which nobody's old place is proven: also
 * not of those who had not come as far as the loss, and would not notice. What was deleted of
 * the positions before means nothing in it: nobody may wait for those to be passed again. */
static int renew_epoch(struct sqlite_reader *r, const struct sqlite_db *db,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_mark mark = sqlite_wake_read(&r->wake);
    struct sqlite_log log;
    sqlite3_stmt *look = NULL;
    struct id128 epoch = {0};
    char sql[192];

    int status = sqlite_log_prepare(db, &look, why);
    if (status == ACCORD_OK)
        status = sqlite_db_run(db, "BEGIN IMMEDIATE", "to renew the epoch", why);
    if (status == ACCORD_OK)
        status = sqlite_log_look(db, look, 0, &mark, &log, why);
    if (status == ACCORD_OK && log.lost_tail)
        status = sqlite_log_look(db, look, log.head, &mark, &log, why);
    if (status == ACCORD_OK && log.lost_tail)
        status = sqlite_random_id(&epoch, why);
    if (status == ACCORD_OK && log.lost_tail) {
        snprintf(sql, sizeof sql,
                 "UPDATE accord_meta%s SET epoch = '%016" PRIx64
                 "', pruned_to = min(pruned_to, %" PRIu64 ") WHERE id = 1",
                 r->place->suffix, epoch.low, log.head);
        status = sqlite_db_run(db, sql, "to renew the epoch", why);
        if (status == ACCORD_OK)
            status = sqlite_db_run(db, "COMMIT", "to renew the epoch", why);
        mark = (struct sqlite_mark){log.log, log.head, log.message};
        if (status == ACCORD_OK)
            sqlite_wake_write(&r->wake, &mark);
    }
    sqlite_db_rollback(db);
    sqlite3_finalize(look);
    return status;
}

static int mend(struct sqlite_reader *r, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_db db = {0};

    int status = sqlite_lock_take(&r->lock, r->place, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    status = sqlite_db_open(&db, r->place, SQL_MODE_WRITE, deadline_ns, why);
    if (status == ACCORD_OK)
        status = renew_epoch(r, &db, why);
    sqlite_db_close(&db);
    sqlite_lock_give(&r->lock);
    return status;
}

static int look(struct sqlite_reader *r, uint64_t position, struct sqlite_log *out,
                char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_mark mark = sqlite_wake_read(&r->wake);

    return sqlite_log_look(&r->db, r->look, position, &mark, out, why);
}

/* The newest position before all that are younger than view_ms. */
static int view_begin(struct sqlite_reader *r, uint64_t view_ms, uint64_t *after,
                      char why[BUS_WHY_BYTES_MAX])
{
    sqlite3_stmt *s = NULL;

    int status = sqlite_db_prepare(&r->db,
                                   "SELECT id FROM accord_changes$ WHERE inserted_ms < ?1 "
                                   "ORDER BY id DESC LIMIT 1",
                                   &s, why);
    if (status != ACCORD_OK)
        return status;
    (void)sqlite3_bind_int64(s, 1, (int64_t)u64_sub_sat(time_wall_ms(), view_ms));
    *after = sqlite3_step(s) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    int result = sqlite3_finalize(s);
    return result == SQLITE_OK ? ACCORD_OK
                               : sqlite_db_fail(&r->db, result, "to look at the log", why);
}

/* Where reading begins, and the entry there. */
static int begin(struct sqlite_reader *r, const struct cursor *resume, uint64_t view_ms,
                 struct sqlite_log *log, uint64_t *after, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t from = 0, latest = resume ? resume->position : UINT64_MAX;
    int status = ACCORD_OK;

    if (resume) {
        status = look(r, resume->position, log, why);
        if (status == ACCORD_OK)
            status = sqlite_log_prove(&r->db, log, resume, why);
        *after = resume->position;
        if (status != ACCORD_OK || view_ms == 0)
            return status;
    }
    status = view_begin(r, view_ms, &from, why);
    if (status == ACCORD_OK)
        status = look(r, from, log, why);
    /* The cursor is not before pruned_to: that was proven. */
    uint64_t first =
        status == ACCORD_OK ? u64_min(u64_max(from, log->pruned_to), latest) : from;
    if (first != from)
        status = look(r, first, log, why);
    *after = first;
    return status;
}

int sqlite_reader_attach(struct sqlite_reader *r, const struct cursor *resume, uint64_t view_ms,
                         struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = deadline_of(r), after = 0;
    struct sqlite_log log;

    int status = connect_log(r, deadline_ns, why);
    if (status == ACCORD_OK)
        status = look(r, 0, &log, why);
    if (status == ACCORD_OK && log.lost_tail)
        status = mend(r, deadline_ns, why);
    if (status == ACCORD_OK)
        status = begin(r, resume, view_ms, &log, &after, why);
    if (status != ACCORD_OK)
        return status;
    sqlite_wait_watch(&r->wait, r->place);
    r->seen = (struct cursor){
        .log = log.log, .epoch = log.epoch, .position = after, .message = log.message};
    *out = (struct bus_attached){
        .log = log.log,
        .epoch = log.epoch,
        .after = after,
        .head = log.head,
        .max_stale_ms = log.max_stale_ms,
        .max_stale_before_ms = log.max_stale_before_ms,
        .resumed = resume != NULL,
    };
    return ACCORD_OK;
}

/* Reading. */

static int check_place(const struct sqlite_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    if (!r->db.handle)
        return bus_fail(why, ACCORD_E_DOWN, "%.300s is not open", r->place->path);
    if (!sqlite_db_in_place(&r->db))
        return bus_fail(why, ACCORD_E_GONE,
                        "%.300s, or its -wal or -shm, was moved, deleted or replaced",
                        r->place->path);
    return ACCORD_OK;
}

/* Whether nothing is hidden between `after` and the first row of a look: the log is the one
 * attached, no later change was pruned, and the entry at `after` is the one delivered. A log
 * restored while we were away, and grown since, would else show only its end. */
static bool goes_on(const struct sqlite_reader *r, uint64_t after)
{
    struct id128 log;
    uint64_t epoch;

    if (!sqlite_log_identity(&r->db, r->rows, 0, &log, &epoch) ||
        !id128_equal(log, r->seen.log) || epoch != r->seen.epoch ||
        (uint64_t)sqlite3_column_int64(r->rows, 2) > after)
        return false;
    if (after != r->seen.position || id128_is_none(r->seen.message))
        return true;
    return (uint64_t)sqlite3_column_int64(r->rows, 3) == after &&
           id128_equal(sqlite_message_read(r->rows, 3 + 6), r->seen.message);
}

/* What the entry is read to, it takes of `room`. */
static size_t read_row(const struct sqlite_reader *r, uint8_t *room, struct entry *out)
{
    const struct hand *hand = &r->settings->hand;
    uint64_t position = (uint64_t)sqlite3_column_int64(r->rows, 3);
    size_t used = 0;

    hand_take(hand, position);
    if (hand_skips(hand, position))
        *out = hand_skipped(position, sqlite_message_read(r->rows, 3 + 6));
    else
        used = sqlite_row_read(r->rows, 3, room, out);
    hand_take(hand, 0);
    return used;
}

static int step_rows(struct sqlite_reader *r, uint64_t after, size_t *count,
                     char why[BUS_WHY_BYTES_MAX])
{
    uint8_t *room = r->room;
    size_t n = 0;

    int result = sqlite3_step(r->rows);
    if (result == SQLITE_DONE || (result == SQLITE_ROW && !goes_on(r, after)))
        return bus_fail(why, ACCORD_E_GONE,
                        "%.300s no longer has the entry at position %" PRIu64, r->place->path,
                        after);
    for (; result == SQLITE_ROW && n < DELIVER_BATCH_MAX; result = sqlite3_step(r->rows)) {
        if ((uint64_t)sqlite3_column_int64(r->rows, 3) <= after)
            continue; /* the entry at `after` itself, or none at all */
        room += read_row(r, room, &r->delivered[n]);
        n++;
    }
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return sqlite_db_fail(&r->db, result, "to read the log", why);
    *count = n;
    return ACCORD_OK;
}

static int fetch(struct sqlite_reader *r, uint64_t after, size_t *count,
                 char why[BUS_WHY_BYTES_MAX])
{
    (void)sqlite3_bind_int64(r->rows, 1, (int64_t)after);
    (void)sqlite3_bind_int(r->rows, 2, DELIVER_BATCH_MAX + 1);
    int status = step_rows(r, after, count, why);
    (void)sqlite3_reset(r->rows); /* ends the snapshot */
    if (status == ACCORD_OK && *count > 0) {
        r->seen.position = r->delivered[*count - 1].position;
        r->seen.message = r->delivered[*count - 1].change.message;
    }
    return status;
}

/* Somebody writes to the WAL. An Accord writer, who holds the lock, will touch the wake file,
 * or has: no need to run after that one. Another may have begun just between: hence a slow
 * chase. */
static void chase_begin(struct sqlite_reader *r, unsigned hints, uint64_t now_ns)
{
    struct sqlite_chase *c = &r->chase;
    bool ours = (hints & SQL_HINT_COMMITTED) || sqlite_lock_is_held(&r->lock);
    uint64_t step_ns = ours ? CHASE_OURS_STEP_NS : CHASE_STEP_NS;
    uint64_t next_ns = u64_max(now_ns + step_ns, c->last_ns + CHASE_GAP_NS);
    bool running = c->until_ns > 0;

    c->until_ns = now_ns + CHASE_NS;
    c->step_ns = running ? u64_min(c->step_ns, step_ns) : step_ns;
    c->next_ns = running ? u64_min(c->next_ns, next_ns) : next_ns;
}

static void chase_looked(struct sqlite_reader *r, uint64_t now_ns)
{
    struct sqlite_chase *c = &r->chase;

    c->last_ns = now_ns;
    if (now_ns >= c->until_ns)
        c->until_ns = 0;
    c->next_ns = now_ns + (c->until_ns > 0 ? c->step_ns : c->idle_ns);
    if (c->step_ns < CHASE_OURS_STEP_NS)
        c->step_ns = u64_min(2 * c->step_ns, CHASE_STEP_NS_MAX);
}

/* Sleeps until it is time to look again. True: time to return after that. */
static bool sleep_until_hint(struct sqlite_reader *r, uint64_t until_ns, bool *files)
{
    bool heard = false;

    for (;;) {
        uint64_t now_ns = time_monotonic_ns();
        if (now_ns >= until_ns)
            return true;
        if (now_ns >= r->chase.next_ns)
            return false;
        unsigned hints = sqlite_wait_sleep(
            &r->wait, u64_min(until_ns, r->chase.next_ns) - now_ns, /* hear_writing= */ !heard);

        *files |= (hints & SQL_HINT_FILES) != 0;
        if (hints & SQL_HINT_WRITING) {
            chase_begin(r, hints, time_monotonic_ns());
            heard = true;
        }
        if (hints & SQL_HINT_STOP)
            return true;
        if (hints & (SQL_HINT_COMMITTED | SQL_HINT_FILES))
            return false;
    }
}

int sqlite_reader_read(struct sqlite_reader *r, uint64_t after, uint64_t timeout_ms,
                       const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ns = time_monotonic_ns() + u64_min(timeout_ms, UINT32_MAX) * NS_PER_MS;
    bool done = false, files = false;
    size_t found = 0;

    for (;;) {
        int status = check_place(r, why);
        r->db.deadline_ns = deadline_of(r);
        if (status == ACCORD_OK)
            status = fetch(r, after, &found, why);
        if (status != ACCORD_OK)
            return status;
        if (found > 0 || done)
            break;
        if (files) {
            if (sqlite_wake_open(&r->wake, r->place, why) == ACCORD_OK)
                sqlite_wait_watch(&r->wait, r->place);
            files = false;
        }
        chase_looked(r, time_monotonic_ns());
        done = sleep_until_hint(r, until_ns, &files);
    }
    *entries = r->delivered;
    *count = found;
    return ACCORD_OK;
}

int sqlite_reader_head(struct sqlite_reader *r, const struct cursor *at, uint64_t *head,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_log log;

    int status = check_place(r, why);
    r->db.deadline_ns = deadline_of(r);
    if (status == ACCORD_OK)
        status = sqlite_wake_open(&r->wake, r->place, why);
    if (status == ACCORD_OK)
        status = look(r, at->position, &log, why);
    if (status == ACCORD_OK)
        status = sqlite_log_prove(&r->db, &log, at, why);
    if (status == ACCORD_OK)
        *head = log.head;
    return status;
}
