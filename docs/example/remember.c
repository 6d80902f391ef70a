/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* remember.c DATABASE NAME - a package's version, from this host's cache or from the database.
 *   cc remember.c -o remember $(pkg-config --cflags --libs accord) -lsqlite3 */
#include <accord.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static const char *database, *name;

static int load(void *row,
                struct accord_loaded *out) /* runs only where the cache has nothing */
{
    sqlite3_stmt *query = NULL;
    sqlite3 *origin = NULL;

    fprintf(stderr, "loading %s\n", name);
    if (sqlite3_open(database, &origin) == SQLITE_OK &&
        sqlite3_prepare_v2(origin, "SELECT version FROM package WHERE name = ?", -1, &query,
                           NULL) == SQLITE_OK &&
        sqlite3_bind_text(query, 1, name, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(query) == SQLITE_ROW) {
        snprintf(row, 256, "%s", (const char *)sqlite3_column_text(query, 0));
        out->value = row;
        out->value_bytes = strlen(row);
        out->options.ttl_ms = 3600 * 1000;
    }
    sqlite3_finalize(query);
    sqlite3_close(origin);
    return out->value ? 0 : -1;
}

int main(int argc, char **argv)
{
    char key[256], row[256], version[256];
    struct accord_result r;
    struct accord *a = NULL;

    if (argc != 3)
        return 2;
    database = argv[1];
    name = argv[2];
    snprintf(key, sizeof key, "package:%s", name);
    /* No cache there, or it hangs? Then each call loads from the origin. */
    struct accord_options options = {.flags = ACCORD_OPEN_WITHOUT_DAEMON};
    int status = accord_open(&a, NULL, &options);
    if (status == ACCORD_OK) /* the value, or what load() finds, once per host at a time */
        status = accord_get_or_set(a, key, strlen(key), load, row, NULL, version,
                                   sizeof version, &r);
    if (status == ACCORD_OK)
        printf("%.*s\n", (int)r.value_bytes, version);
    accord_close(a);
    return status == ACCORD_OK ? 0 : 1;
}
