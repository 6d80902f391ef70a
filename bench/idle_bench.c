/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* idle_bench.c - what it costs that nodes know they are fresh, when nobody does anything: 3 and
 * then 50 daemons on one sqlite bus, each with its lease. Counted are rows of the log, which
 * are their beats, and the time of the processor that each daemon took, ours and the kernel's,
 * which means something on a busy machine too. Those of 50 on one host wake each other: on
 * fifty hosts it is the same work for each.
 *
 * What the design allows is one beat in L and node, and no row for a question (the head is
 * read): rows are compared with that. A processor is compared with 1 % of one. */
#include "bench.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEW = 3, MANY = 50, SECONDS = 30, SETTLE_S = 5, MAX_STALE_S = 3 };
static const double share_permille = 10; /* of one processor: 1 % */

struct sample {
    double at_s, cpu_s; /* of all */
    long long rows;
};

static double cpu_of(pid_t pid)
{
    char path[64], line[1024];
    unsigned long user, kernel;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f))
        bench_die(path);
    fclose(f);
    const char *after = strrchr(line, ')');
    if (!after || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                         &kernel) != 2)
        bench_die("the form of /proc/PID/stat");
    return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

static long long rows_of(const char *file)
{
    sqlite3_stmt *s;
    sqlite3 *db;

    if (sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(db, 10000) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT max(id) FROM accord_changes", -1, &s, NULL) !=
            SQLITE_OK ||
        sqlite3_step(s) != SQLITE_ROW)
        bench_die("the bus file cannot be read");
    long long rows = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return rows;
}

static struct sample take(const pid_t *pids, int count, const char *file)
{
    struct sample s = {.rows = rows_of(file), .at_s = (double)bench_now_ns() / 1e9};

    for (int i = 0; i < count; i++)
        s.cpu_s += cpu_of(pids[i]);
    return s;
}

static void report(int count, double rows, double permille)
{
    char name[32];

    snprintf(name, sizeof name, "idle-rows-%d", count);
    bench_report(&(struct bench_result){.name = name,
                                        .ours = rows,
                                        .against = (double)count / MAX_STALE_S,
                                        .unit = "rows/s",
                                        .peer = "one beat in L and node",
                                        .goal = 1.0,
                                        .bus = "sqlite",
                                        .durability = "synchronous=FULL"});
    snprintf(name, sizeof name, "idle-cpu-%d", count);
    bench_report(&(struct bench_result){.name = name,
                                        .ours = permille,
                                        .against = share_permille,
                                        .unit = "permille of a processor, each node",
                                        .peer = "1 % of a processor",
                                        .goal = 1.0,
                                        .bus = "sqlite",
                                        .durability = "synchronous=FULL"});
}

static void measure(int count)
{
    char file[32], name[16], bus[300];
    pid_t pids[MANY];

    snprintf(file, sizeof file, "bus%d.db", count);
    snprintf(bus, sizeof bus, "sqlite:%s", bench_path(file));
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "n%d-%d", count, i);
        pids[i] = bench_start_accord(name, bus, "8M", NULL, -1);
    }
    sleep(SETTLE_S);
    struct sample before = take(pids, count, bus + strlen("sqlite:"));
    sleep(SECONDS);
    struct sample after = take(pids, count, bus + strlen("sqlite:"));
    double passed_s = after.at_s - before.at_s;
    double rows = (double)(after.rows - before.rows) / passed_s;
    double permille = (after.cpu_s - before.cpu_s) / passed_s / count * 1000;
    fprintf(stderr, "%d idle nodes: %.2f rows/s, %.1f permille of a processor each\n", count,
            rows, permille);
    report(count, rows, permille);
    for (int i = 0; i < count; i++)
        bench_stop(pids[i]);
}

int main(void)
{
    measure(FEW);
    measure(MANY);
    return 0;
}
