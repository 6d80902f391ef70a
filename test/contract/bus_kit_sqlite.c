/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus_kit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "test.h"

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    snprintf(out, KIT_URL_BYTES_MAX, "sqlite:%s/contract.db?cluster=%s", test_folder(),
             cluster);
}

static sqlite3 *opened(const char *url_text, const char **cluster)
{
    char path[KIT_URL_BYTES_MAX];
    const char *begin = strchr(url_text, ':') + 1, *end = strchr(url_text, '?');
    sqlite3 *db = NULL;

    snprintf(path, sizeof path, "%.*s", (int)(end - begin), begin);
    *cluster = strchr(end, '=') + 1;
    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    CHECK(sqlite3_busy_timeout(db, 5000) == SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *error = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fprintf(stderr, "%s: %s\n", sql, error);
    CHECK(!error);
}

static void write_row(const char *url_text, const char *op, struct bytes key)
{
    const char *cluster;
    sqlite3 *db = opened(url_text, &cluster);
    sqlite3_stmt *s = NULL;
    char sql[256];

    run(db, "PRAGMA ignore_check_constraints=1");
    snprintf(sql, sizeof sql, "INSERT INTO accord_changes_%s(op, key) VALUES (?1, ?2)",
             cluster);
    CHECK(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK);
    CHECK(sqlite3_bind_text(s, 1, op, -1, SQLITE_STATIC) == SQLITE_OK);
    if (key.data)
        CHECK(sqlite3_bind_blob(s, 2, key.data, (int)key.size_bytes, SQLITE_STATIC) ==
              SQLITE_OK);
    CHECK(sqlite3_step(s) == SQLITE_DONE);
    CHECK(sqlite3_finalize(s) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

/* As a restored copy is: the rows, the sequence and what was pruned, all as they were. */
static void cut(const char *url_text, unsigned count)
{
    const char *cluster;
    sqlite3 *db = opened(url_text, &cluster);
    char sql[1024];

    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE;"
             "CREATE TEMP TABLE was AS SELECT pruned_to FROM accord_meta_%s;"
             "DELETE FROM accord_changes_%s WHERE id IN "
             "(SELECT id FROM accord_changes_%s ORDER BY id DESC LIMIT %u);"
             "UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM "
             "accord_changes_%s) WHERE name = 'accord_changes_%s';"
             "UPDATE accord_meta_%s SET pruned_to = (SELECT pruned_to FROM was);"
             "DROP TABLE was; COMMIT",
             cluster, cluster, cluster, count, cluster, cluster, cluster);
    run(db, sql);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

static void replace(const char *url_text)
{
    const char *cluster;
    sqlite3 *db = opened(url_text, &cluster);
    char sql[256];

    snprintf(sql, sizeof sql, "DROP TABLE accord_changes_%s; DROP TABLE accord_meta_%s",
             cluster, cluster);
    run(db, sql);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

const struct bus_kit bus_kit_sqlite = {"sqlite", url, write_row, cut, replace, 0};
