/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* idle_bench.c - idle nodes on the sqlite bus (idle.h). Counted are rows of the log, which are
 * their beats: what the design allows is one beat in L and node, and no row for a question (the
 * head is read). */
#include "bench.h"
#include "idle.h"

#include <sqlite3.h>
#include <stdio.h>

static double rows_of(void *context)
{
    sqlite3_stmt *s;
    sqlite3 *db;

    if (sqlite3_open_v2(context, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(db, 10000) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT max(id) FROM accord_changes", -1, &s, NULL) !=
            SQLITE_OK ||
        sqlite3_step(s) != SQLITE_ROW)
        bench_die("the bus file cannot be read");
    double rows = (double)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return rows;
}

static double beats(int nodes)
{
    (void)nodes;
    return 1.0 / IDLE_L_S;
}

static void measure(int nodes)
{
    char file[300], url[320];
    struct idle_bus b = {.bus = "sqlite",
                         .unit = "rows/s, each node",
                         .peer = "one beat in L and node",
                         .count = rows_of,
                         .context = file,
                         .designed = beats,
                         .durability = "synchronous=FULL"};

    snprintf(url, sizeof url, "bus%d.db", nodes);
    snprintf(file, sizeof file, "%s", bench_path(url));
    snprintf(url, sizeof url, "sqlite:%s", file);
    idle_measure(&b, url, nodes);
}

int main(void)
{
    measure(IDLE_FEW);
    measure(IDLE_MANY);
    return 0;
}
