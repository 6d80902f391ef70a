/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* origin.h - the slow thing behind the cache: a SQLite database of the machine's packages.
 *
 * The table `packages` has a row for each record of the input, and a row_version that every
 * change raises. A value is what the application memoizes: the row as text, with its version
 * and a hash in front, so that a reader can tell a wrong, torn or outdated one by itself.
 *
 * Threads and processes: a struct demo_origin is one connection; open one in each process.
 */
#ifndef ACCORD_CLI_DEMO_ORIGIN_H
#define ACCORD_CLI_DEMO_ORIGIN_H

#include "base/base.h"

#include <sqlite3.h>

enum {
    DEMO_ROWS_MAX = 1000000,
    DEMO_INPUT_BYTES_MAX = 1 << 30,
    DEMO_VALUE_BYTES_MAX = 16384, /* a longer description is cut */
    DEMO_ORIGIN_WHY_BYTES_MAX = 1024,
    DEMO_BUSY_TIMEOUT_MS = 5000,
};

/* A row as the cache knows it. */
struct demo_row {
    char *key; /* "package:NAME:ARCHITECTURE" */
    char *tag; /* "section:NAME" */
    size_t key_bytes;
};

/* What was loaded; row i has the id i + 1. Read-only afterwards, inherited by fork(). */
struct demo_table {
    struct demo_row *rows;
    uint32_t count;
    char *text; /* what the rows point into */
};

struct demo_origin {
    sqlite3 *db;
    sqlite3_stmt *select;
    sqlite3_stmt *update;
};

/* Makes the database at `path` from the control file `input`; records that repeat a name and
 * architecture are left out. Any failure fills `why`. */
MUST_CHECK int demo_origin_create(const char *path, const char *input, struct demo_table *out,
                                  char why[DEMO_ORIGIN_WHY_BYTES_MAX]);
void demo_table_free(struct demo_table *t); /* zeroed is fine */

MUST_CHECK int demo_origin_open(struct demo_origin *out, const char *path,
                                char why[DEMO_ORIGIN_WHY_BYTES_MAX]);
void demo_origin_close(struct demo_origin *o); /* zeroed is fine */

/* The query that is memoized. Fills `value` with at most DEMO_VALUE_BYTES_MAX bytes. `why` is
 * left in the connection: sqlite3_errmsg(o->db). */
MUST_CHECK int demo_origin_load(struct demo_origin *o, uint32_t row, void *value,
                                size_t *value_bytes);

struct demo_update {
    uint32_t row;
    uint32_t version;
};
/* One transaction that gives each row its version; ACCORD_OK: it is committed. */
MUST_CHECK int demo_origin_update(struct demo_origin *o, const struct demo_update *updates,
                                  size_t count);

/* Whether `value` is whole and of `row`; then *version is the row's version in it. */
bool demo_value_check(const void *value, size_t value_bytes, uint32_t row, uint64_t *version);

#endif
