/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/prune.h"

#include "net/time.h"

enum {
    ROWS_PER_STEP = 500,      /* deleted: a few milliseconds of write lock */
    COUNTED_PER_STEP = 10000, /* read */
    MEMBERS_RETAIN_MS = 3600 * 1000,
    PUBLISHED_MIN = 64,
};
#define STEP_NS (10 * NS_PER_S)  /* between looks when there was nothing to do */
#define MORE_NS (50 * NS_PER_MS) /* and when there was more than one step could do */
#define MEMBERS SQL_IS_MEMBER
#define CHANGES "NOT " SQL_IS_MEMBER

bool sqlite_prune_is_due(const struct sqlite_prune *p, const struct bus_settings *s,
                         uint64_t now_ns)
{
    return now_ns >= p->due_ns || p->published >= u64_max(s->retain_changes / 8, PUBLISHED_MIN);
}

/* Runs `sql` with up to two numbers; its row's columns 0 and 1, zero where there is no row. */
struct answer {
    bool ok;
    uint64_t a, b;
};
static struct answer run(const struct sqlite_db *db, const char *sql, uint64_t first,
                         uint64_t second)
{
    char why[BUS_WHY_BYTES_MAX];
    struct answer answer = {false, 0, 0};
    sqlite3_stmt *s = NULL;

    if (sqlite_db_prepare(db, sql, &s, why) != ACCORD_OK)
        return answer;
    for (int i = 1; i <= sqlite3_bind_parameter_count(s); i++)
        (void)sqlite3_bind_int64(s, i, (int64_t)(i == 1 ? first : second));
    if (sqlite3_step(s) == SQLITE_ROW) {
        answer.a = (uint64_t)sqlite3_column_int64(s, 0);
        answer.b = (uint64_t)sqlite3_column_int64(s, 1);
    }
    answer.ok = sqlite3_finalize(s) == SQLITE_OK;
    return answer;
}

/* Counts changes a little further. Another process that pruned makes our number too high, and
 * too much would be dropped: then it begins anew. True: all are counted. */
static bool count(struct sqlite_prune *p, const struct sqlite_db *db)
{
    struct answer log = run(db, "SELECT pruned_to FROM accord_meta$ WHERE id = 1", 0, 0);

    if (!log.ok)
        return false;
    if (log.a != p->pruned_to) {
        p->pruned_to = log.a;
        p->counted = p->counted_to = 0;
    }
    struct answer found =
        run(db,
            "SELECT coalesce(sum(" CHANGES "), 0), max(id) FROM (SELECT id, op "
            "FROM accord_changes$ WHERE id > ?1 ORDER BY id LIMIT ?2)",
            p->counted_to, COUNTED_PER_STEP);
    if (!found.ok)
        return false;
    p->counted += found.a;
    bool all = found.b == 0 || found.b - p->counted_to < COUNTED_PER_STEP;
    p->counted_to = u64_max(p->counted_to, found.b);
    return all;
}

/* How many changes there are beyond their number. It starts an eighth too late, and then goes
 * all the way: not a row at each publish. */
static uint64_t surplus(struct sqlite_prune *p, const struct bus_settings *s)
{
    uint64_t most = s->retain_changes + (p->draining ? 0 : s->retain_changes / 8);

    p->draining = p->counted > most;
    return p->draining ? p->counted - s->retain_changes : 0;
}

/* The last of the oldest changes that may all go; 0: none. `dropped`: how many those are. */
static uint64_t prune_to(const struct sqlite_db *db, uint64_t older_than_ms, uint64_t beyond,
                         uint64_t *dropped)
{
    char why[BUS_WHY_BYTES_MAX];
    sqlite3_stmt *s = NULL;
    uint64_t last = 0, n = 0;

    if (sqlite_db_prepare(
            db,
            "SELECT id, inserted_ms FROM accord_changes$ WHERE " CHANGES
            " AND id < (SELECT max(id) FROM accord_changes$) ORDER BY id LIMIT ?1",
            &s, why) != ACCORD_OK)
        return 0;
    (void)sqlite3_bind_int(s, 1, ROWS_PER_STEP);
    while (sqlite3_step(s) == SQLITE_ROW &&
           (n < beyond || sqlite3_column_int64(s, 1) < (int64_t)older_than_ms)) {
        last = (uint64_t)sqlite3_column_int64(s, 0);
        n++;
    }
    if (sqlite3_finalize(s) != SQLITE_OK)
        return 0;
    *dropped = n;
    return last;
}

/* Both deletions in one transaction. False: nothing changed. */
static bool drop(const struct sqlite_db *db, uint64_t to, uint64_t members_before_ms)
{
    char why[BUS_WHY_BYTES_MAX];

    if (sqlite_db_run(db, "BEGIN IMMEDIATE", "to prune", why) != ACCORD_OK)
        return false;
    bool ok = run(db, "DELETE FROM accord_changes$ WHERE id <= ?1 AND " CHANGES, to, 0).ok &&
              run(db,
                  "DELETE FROM accord_changes$ WHERE id IN (SELECT id FROM accord_changes$ "
                  "WHERE " MEMBERS
                  " AND inserted_ms < ?1 AND id < (SELECT max(id) FROM accord_changes$) "
                  "ORDER BY inserted_ms LIMIT ?2)",
                  members_before_ms, ROWS_PER_STEP)
                  .ok &&
              sqlite_db_run(db, "COMMIT", "to prune", why) == ACCORD_OK;
    sqlite_db_rollback(db);
    return ok;
}

static bool has_members_before(const struct sqlite_db *db, uint64_t ms, bool *more)
{
    struct answer found =
        run(db,
            "SELECT count(*) FROM (SELECT 1 FROM accord_changes$ WHERE " MEMBERS
            " AND inserted_ms < ?1 LIMIT ?2)",
            ms, ROWS_PER_STEP + 1);

    /* One alone may be the newest entry of all, which stays. */
    *more = found.a > ROWS_PER_STEP;
    return found.a > 1;
}

void sqlite_prune_step(struct sqlite_prune *p, const struct sqlite_db *db,
                       const struct bus_settings *s, uint64_t now_ns)
{
    uint64_t wall = time_wall_ms(), dropped = 0;
    uint64_t members_ms = u64_max(MEMBERS_RETAIN_MS, 8 * u64_min(s->max_stale_ms, UINT32_MAX));
    bool more_members = false;

    bool counted = count(p, db);
    uint64_t to = prune_to(db, u64_sub_sat(wall, s->retain_ms), surplus(p, s), &dropped);
    uint64_t members_before_ms = u64_sub_sat(wall, members_ms);
    bool members = has_members_before(db, members_before_ms, &more_members);
    if ((to > 0 || members) && drop(db, to, members_before_ms) && to > 0) {
        p->pruned_to = to;
        p->counted = to <= p->counted_to ? u64_sub_sat(p->counted, dropped) : 0;
        p->counted_to = u64_max(p->counted_to, to);
    }
    bool more = !counted || dropped == ROWS_PER_STEP || more_members;
    p->due_ns = now_ns + (more ? MORE_NS : STEP_NS);
    p->published = 0;
}
