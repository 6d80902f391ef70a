/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus_kit.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <unistd.h>

#include "postgres_server.h"
#include "test.h"

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    static char database[32];
    uint16_t port = postgres_server_shared();
    char sql[64];

    if (!database[0]) {
        snprintf(database, sizeof database, "t%d", (int)getpid());
        snprintf(sql, sizeof sql, "CREATE DATABASE %s", database);
        postgres_say(port, "postgres", sql);
    }
    snprintf(out, KIT_URL_BYTES_MAX, "postgres://postgres@127.0.0.1:%u/%s?cluster=%s", port,
             database, cluster);
}

static uint16_t parts(const char *url_text, char database[32], char cluster[40])
{
    unsigned port = 0;

    CHECK(sscanf(url_text, "postgres://postgres@127.0.0.1:%u/%31[^?]?cluster=%39s", &port,
                 database, cluster) == 3);
    return (uint16_t)port;
}

static void write_row(const char *url_text, const char *op, struct bytes key)
{
    static const char hex[] = "0123456789abcdef";
    static char sql[2 * KEY_BYTES_MAX + 256];
    char database[32], cluster[40];
    uint16_t port = parts(url_text, database, cluster);

    int used = snprintf(sql, sizeof sql, "INSERT INTO accord_%s.outbox(op, key) VALUES ('%s', ",
                        cluster, op);
    used += snprintf(sql + used, sizeof sql - (size_t)used, key.data ? "'\\x" : "NULL)");
    for (size_t i = 0; i < key.size_bytes; i++) {
        sql[used++] = hex[key.data[i] >> 4];
        sql[used++] = hex[key.data[i] & 15];
    }
    if (key.data)
        snprintf(sql + used, sizeof sql - (size_t)used, "')");
    postgres_say(port, database, sql);
}

/* As a restored copy is: the rows, and what was pruned, as they were. */
static void cut(const char *url_text, unsigned count)
{
    char database[32], cluster[40], sql[256];
    uint16_t port = parts(url_text, database, cluster);

    snprintf(sql, sizeof sql,
             "SET session_replication_role = replica; DELETE FROM accord_%s.changes WHERE "
             "position IN (SELECT position FROM accord_%s.changes ORDER BY position DESC LIMIT "
             "%u)",
             cluster, cluster, count);
    postgres_say(port, database, sql);
}

static void replace(const char *url_text)
{
    char database[32], cluster[40], sql[128];
    uint16_t port = parts(url_text, database, cluster);

    snprintf(sql, sizeof sql, "DROP SCHEMA accord_%s CASCADE", cluster);
    postgres_say(port, database, sql);
}

const struct bus_kit bus_kit_postgres = {"postgres", url, write_row, cut, replace, 0};
