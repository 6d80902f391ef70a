/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/bus_file.h"

#include "test.h"

#include <stdio.h>
#include <unistd.h>

static struct bus_file b;
static char why[BUS_FILE_WHY_BYTES_MAX];

/* A database in WAL mode with one row. */
static void make(void)
{
    char url[200];
    sqlite3 *db;

    snprintf(url, sizeof url, "sqlite:%s/bus.db?cluster=x", test_folder());
    bus_file_init(&b, url);
    CHECK(bus_file_is_one(&b));
    CHECK(sqlite3_open(b.path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db,
                       "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)",
                       NULL, NULL, NULL) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

static int run(const char *sql)
{
    sqlite3 *db;

    CHECK(sqlite3_open(b.path, &db) == SQLITE_OK);
    int status = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    return status;
}

static int rows(void)
{
    sqlite3 *db;
    sqlite3_stmt *s;

    CHECK(sqlite3_open(b.path, &db) == SQLITE_OK);
    CHECK(sqlite3_prepare_v2(db, "SELECT count(*) FROM t", -1, &s, NULL) == SQLITE_OK);
    CHECK(sqlite3_step(s) == SQLITE_ROW);
    int count = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return count;
}

TEST(another_bus_has_no_file)
{
    bus_file_init(&b, "redis://127.0.0.1/x");
    CHECK(!bus_file_is_one(&b));
}

TEST(a_locked_file_takes_no_write_until_it_is_unlocked)
{
    sqlite3 *db;

    make();
    CHECK(sqlite3_open(b.path, &db) == SQLITE_OK);
    CHECK(bus_file_lock(&b, why) == ACCORD_OK);
    CHECK(sqlite3_exec(db, "INSERT INTO t VALUES(2)", NULL, NULL, NULL) == SQLITE_BUSY);
    bus_file_unlock(&b);
    bus_file_unlock(&b);
    CHECK(sqlite3_exec(db, "INSERT INTO t VALUES(2)", NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

TEST(a_moved_file_is_away_and_comes_back_over_what_was_made_meanwhile)
{
    make();
    CHECK(bus_file_move(&b, why) == ACCORD_OK);
    CHECK(access(b.path, F_OK) != 0);
    CHECK(run("CREATE TABLE other(x)") == SQLITE_OK);
    CHECK(bus_file_bring_back(&b, why) == ACCORD_OK);
    CHECK(rows() == 1);
    CHECK(bus_file_bring_back(&b, why) == ACCORD_E_IO);
}

TEST(an_older_copy_takes_the_place_once)
{
    make();
    CHECK(bus_file_restore(&b, why) == ACCORD_E_IO);
    CHECK(bus_file_keep_copy(&b, why) == ACCORD_OK);
    CHECK(run("INSERT INTO t VALUES(2)") == SQLITE_OK);
    CHECK(rows() == 2);
    CHECK(bus_file_restore(&b, why) == ACCORD_OK);
    CHECK(rows() == 1);
    CHECK(!b.has_copy);
}
