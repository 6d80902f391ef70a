/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/prune.h"

#include <stdio.h>

#include "bus/sqlite/sqlite.h"
#include "test.h"

static char why[BUS_WHY_BYTES_MAX];
static struct sqlite_place place;
static struct bus *bus; /* keeps the log open; nothing is published through it */

static struct bus_settings settings = {
    .max_stale_ms = 3000, .retain_ms = 1000000, .retain_changes = 1000000, .timeout_ms = 5000};

#define HOURS(n) "inserted_ms - " #n " * 3600000"

static void open_log(struct sqlite_db *db)
{
    static char url[512];
    struct bus_settings s = settings;

    snprintf(url, sizeof url, "sqlite:%s/prune.db", test_folder());
    s.url = url;
    CHECK(bus_sqlite.open(&bus, &s, why) == ACCORD_OK);
    CHECK(sqlite_place_init(&place, url, why) == ACCORD_OK);
    CHECK(sqlite_db_open(db, &place, SQL_MODE_WRITE, UINT64_MAX, why) == ACCORD_OK);
    CHECK(sqlite_db_run(db, "DROP TRIGGER accord_append", "test", why) == ACCORD_OK);
}

static void closed(struct sqlite_db *db)
{
    sqlite_db_close(db);
    bus_sqlite.close(bus);
}

static void run(const struct sqlite_db *db, const char *sql)
{
    int status = sqlite_db_run(db, sql, "test", why);

    if (status != ACCORD_OK)
        fprintf(stderr, "%s: %s\n", sql, why);
    CHECK(status == ACCORD_OK);
}

static void add(const struct sqlite_db *db, const char *op, unsigned count)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %u) "
             "INSERT INTO accord_changes(op, key) SELECT '%s', %s FROM n",
             count, op, strcmp(op, "remove") == 0 ? "'k'" : "NULL");
    run(db, sql);
}

static int64_t number(const struct sqlite_db *db, const char *sql)
{
    sqlite3_stmt *s = NULL;

    CHECK(sqlite_db_prepare(db, sql, &s, why) == ACCORD_OK);
    CHECK(sqlite3_step(s) == SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    CHECK(sqlite3_finalize(s) == SQLITE_OK);
    return value;
}

static int64_t changes_left(const struct sqlite_db *db)
{
    return number(db, "SELECT count(*) FROM accord_changes WHERE op = 'remove'");
}

static int64_t beats_left(const struct sqlite_db *db)
{
    return number(db, "SELECT count(*) FROM accord_changes WHERE op = 'beat'");
}

/* Steps as long as more is due at once; how many rows one step took at most. */
static int64_t prune_all(struct sqlite_prune *p, const struct sqlite_db *db)
{
    int64_t most = 0;

    for (unsigned i = 0; i < 200; i++) {
        int64_t before = changes_left(db) + beats_left(db);
        sqlite_prune_step(p, db, &settings, /* now_ns= */ 1);
        int64_t took = before - changes_left(db) - beats_left(db);
        most = took > most ? took : most;
        if (p->due_ns > NS_PER_S)
            return most;
    }
    test_fail("pruning ends", __FILE__, __LINE__);
}

TEST(sqlite_prune_takes_changes_by_age_from_the_oldest_on)
{
    struct sqlite_db db;
    struct sqlite_prune p = {0};

    open_log(&db);
    add(&db, "remove", 1200);
    run(&db, "UPDATE accord_changes SET inserted_ms = " HOURS(1) " WHERE id <= 1100");
    run(&db, "UPDATE accord_changes SET inserted_ms = " HOURS(2) " WHERE id = 1150");
    CHECK(prune_all(&p, &db) <= 500);
    CHECK(changes_left(&db) == 100);
    CHECK(number(&db, "SELECT min(id) FROM accord_changes") == 1101);
    CHECK(number(&db, "SELECT pruned_to FROM accord_meta") == 1100);
    closed(&db);
}

TEST(sqlite_prune_takes_changes_by_count_at_the_limit_and_not_below)
{
    struct sqlite_db db;
    struct sqlite_prune p = {0};

    open_log(&db);
    settings.retain_changes = 80;
    add(&db, "remove", 90); /* 80 and an eighth */
    add(&db, "beat", 300);
    prune_all(&p, &db);
    CHECK(changes_left(&db) == 90);
    add(&db, "remove", 1);
    prune_all(&p, &db);
    CHECK(changes_left(&db) == 80);
    CHECK(beats_left(&db) == 300);
    closed(&db);
}

TEST(sqlite_prune_counts_anew_when_another_process_pruned)
{
    struct sqlite_db db;
    struct sqlite_prune p = {0}, other = {0};

    open_log(&db);
    settings.retain_changes = 80;
    add(&db, "remove", 90);
    prune_all(&p, &db);
    CHECK(p.counted == 90);
    add(&db, "remove", 10);
    prune_all(&other, &db);
    CHECK(changes_left(&db) == 80);
    add(&db, "remove", 10);
    prune_all(&p, &db); /* its 90 and the 20 since would be too many */
    CHECK(changes_left(&db) == 90);
    CHECK(p.counted == 90);
    closed(&db);
}

TEST(sqlite_prune_counts_many_rows_in_bounded_steps)
{
    struct sqlite_db db;
    struct sqlite_prune p = {0};

    open_log(&db);
    settings.retain_changes = 24000;
    add(&db, "remove", 27000);
    sqlite_prune_step(&p, &db, &settings, 1);
    CHECK(p.counted == 10000);
    CHECK(p.due_ns < NS_PER_S);
    prune_all(&p, &db);
    CHECK(changes_left(&db) == 27000); /* not one more than an eighth */
    add(&db, "remove", 1);
    prune_all(&p, &db);
    CHECK(changes_left(&db) == 24000);
    closed(&db);
}

TEST(sqlite_prune_takes_beats_after_an_hour_and_never_the_newest_entry)
{
    struct sqlite_db db;
    struct sqlite_prune p = {0};

    open_log(&db);
    add(&db, "beat", 700);
    add(&db, "remove", 1);
    add(&db, "beat", 100);
    run(&db, "UPDATE accord_changes SET inserted_ms = " HOURS(2) " WHERE id <= 650");
    CHECK(prune_all(&p, &db) <= 500);
    CHECK(beats_left(&db) == 150);
    CHECK(number(&db, "SELECT pruned_to FROM accord_meta") == 0);
    run(&db, "UPDATE accord_changes SET inserted_ms = " HOURS(500));
    prune_all(&p, &db);
    CHECK(beats_left(&db) == 1);
    CHECK(changes_left(&db) == 0);
    CHECK(number(&db, "SELECT id FROM accord_changes") == 801);
    closed(&db);
}

TEST(sqlite_prune_survives_clocks_that_jump)
{
    struct sqlite_db db;
    struct sqlite_prune p = {0};

    open_log(&db);
    add(&db, "remove", 10);
    run(&db, "UPDATE accord_changes SET inserted_ms = 0 WHERE id = 10");
    run(&db, "UPDATE accord_changes SET inserted_ms = 9000000000000000000 WHERE id = 1");
    prune_all(&p, &db);
    CHECK(changes_left(&db) == 10); /* the oldest one says it is young */
    closed(&db);
}

static bool plan_has(const struct sqlite_db *db, const char *sql, const char *part)
{
    char text[1024];
    sqlite3_stmt *s = NULL;
    bool found = false;

    snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", sql);
    CHECK(sqlite_db_prepare(db, text, &s, why) == ACCORD_OK);
    while (sqlite3_step(s) == SQLITE_ROW)
        found |= strstr((const char *)sqlite3_column_text(s, 3), part) != NULL;
    CHECK(sqlite3_finalize(s) == SQLITE_OK);
    return found;
}

TEST(sqlite_reading_neither_sorts_nor_scans)
{
    struct sqlite_db db;
    static const char rows[] =
        "SELECT m.log, c.id, key FROM accord_meta m LEFT JOIN accord_changes c ON c.id >= 7 "
        "WHERE m.id = 1 ORDER BY c.id LIMIT 257";
    static const char members[] =
        "SELECT 1 FROM accord_changes WHERE " SQL_IS_MEMBER " AND inserted_ms < 7";

    open_log(&db);
    CHECK(!plan_has(&db, rows, "TEMP B-TREE"));
    CHECK(!plan_has(&db, rows, "SCAN"));
    CHECK(plan_has(&db, members, "accord_lives"));
    closed(&db);
}
