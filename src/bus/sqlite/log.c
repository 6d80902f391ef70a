/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/log.h"

#include <inttypes.h>

#include "bus/sqlite/row.h"

enum {
    LOG,
    EPOCH,
    FORMAT,
    PRUNED_TO,
    MAX_STALE_MS,
    NEWEST,
    GIVEN,
    MESSAGE,
    MARKED,
    MAX_STALE_BEFORE_MS
};

int sqlite_log_prepare(const struct sqlite_db *db, sqlite3_stmt **out,
                       char why[BUS_WHY_BYTES_MAX])
{
    return sqlite_db_prepare(
        db,
        "SELECT log, epoch, format, pruned_to, max_stale_ms,"
        " (SELECT max(id) FROM accord_changes$),"
        " (SELECT seq FROM sqlite_sequence WHERE name = 'accord_changes$'),"
        " (SELECT message FROM accord_changes$ WHERE id = ?1),"
        " (SELECT message FROM accord_changes$ WHERE id = ?2),"
        " max(max_stale_ms, coalesce(max_stale_before_ms, 0))"
        " FROM accord_meta$ WHERE id = 1",
        out, why);
}

static int read_columns(const struct sqlite_db *db, sqlite3_stmt *s,
                        const struct sqlite_mark *mark, struct sqlite_log *out,
                        char why[BUS_WHY_BYTES_MAX])
{
    const char *path = db->place->path;
    int64_t max_stale_ms = sqlite3_column_int64(s, MAX_STALE_MS);

    if (sqlite3_column_int64(s, FORMAT) != SQL_LOG_FORMAT)
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "%.250s has a log of format %" PRId64
                        ", this Accord knows %d; update it",
                        path, (int64_t)sqlite3_column_int64(s, FORMAT), SQL_LOG_FORMAT);
    if (!sqlite_log_identity(db, s, LOG, &out->log, &out->epoch) || max_stale_ms <= 0)
        return bus_fail(
            why, ACCORD_E_FORMAT,
            "%.250s: the row of accord_meta%s is damaged; delete it, and the log begins "
            "anew",
            path, db->place->suffix);
    bool empty = sqlite3_column_type(s, NEWEST) == SQLITE_NULL;
    struct id128 marked = sqlite_message_read(s, MARKED);
    out->head = (uint64_t)sqlite3_column_int64(s, empty ? GIVEN : NEWEST);
    out->pruned_to = (uint64_t)sqlite3_column_int64(s, PRUNED_TO);
    out->max_stale_ms = (uint64_t)max_stale_ms;
    out->max_stale_before_ms = (uint64_t)sqlite3_column_int64(s, MAX_STALE_BEFORE_MS);
    out->message = sqlite_message_read(s, MESSAGE);
    /* An entry that is absent, with newer ones there, was pruned. Positions that begin anew,
     * below one that was deleted, are others than those that were known by these numbers. */
    bool mark_lost = id128_equal(mark->log, out->log) &&
                     (mark->position > out->head ||
                      (!id128_is_none(marked) && !id128_equal(marked, mark->message)));
    out->lost_tail = mark_lost || out->pruned_to > out->head;
    return ACCORD_OK;
}

int sqlite_log_look(const struct sqlite_db *db, sqlite3_stmt *s, uint64_t position,
                    const struct sqlite_mark *mark, struct sqlite_log *out,
                    char why[BUS_WHY_BYTES_MAX])
{
    struct sqlite_log log = {0};
    int status;

    (void)sqlite3_bind_int64(s, 1, (int64_t)position);
    (void)sqlite3_bind_int64(s, 2, (int64_t)mark->position);
    int result = sqlite3_step(s);
    if (result == SQLITE_ROW)
        status = read_columns(db, s, mark, &log, why);
    else if (result == SQLITE_DONE)
        status = bus_fail(why, ACCORD_E_GONE, "%.300s: the row of accord_meta%s was deleted",
                          db->place->path, db->place->suffix);
    else
        status = sqlite_db_fail(db, result, "to look at the log", why);
    (void)sqlite3_reset(s); /* ends the snapshot */
    if (status == ACCORD_OK)
        *out = log;
    return status;
}

int sqlite_log_prove(const struct sqlite_db *db, const struct sqlite_log *log,
                     const struct cursor *at, char why[BUS_WHY_BYTES_MAX])
{
    const char *path = db->place->path;

    if (!id128_equal(log->log, at->log))
        return bus_fail(why, ACCORD_E_GONE, "%.300s holds another log now", path);
    if (log->epoch != at->epoch)
        return bus_fail(why, ACCORD_E_GONE,
                        "%.300s was replaced or restored: entries may be missing", path);
    if (log->lost_tail || at->position > log->head)
        return bus_fail(
            why, ACCORD_E_GONE,
            "%.300s lost its newest entries: it was restored from an older copy, or "
            "rows were deleted",
            path);
    if (at->position < log->pruned_to)
        return bus_fail(why, ACCORD_E_GONE,
                        "%.300s: changes after position %" PRIu64 " were pruned or deleted",
                        path, at->position);
    if (!id128_is_none(at->message) && !id128_equal(at->message, log->message))
        return bus_fail(why, ACCORD_E_GONE,
                        "%.300s has %s entry at position %" PRIu64
                        ": pruned, or another history",
                        path, id128_is_none(log->message) ? "no" : "another", at->position);
    return ACCORD_OK;
}
