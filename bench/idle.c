/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "idle.h"

#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS = 30, SETTLE_S = 5 };
static const double share_permille = 10; /* of one processor: 1 % */

struct sample {
    double at_s, cpu_s; /* of all */
    double counted;
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

static struct sample take(const struct idle_bus *b, const pid_t *pids, int nodes)
{
    struct sample s = {.counted = b->count(b->context), .at_s = (double)bench_now_ns() / 1e9};

    for (int i = 0; i < nodes; i++)
        s.cpu_s += cpu_of(pids[i]);
    return s;
}

static void report(const struct idle_bus *b, int nodes, double messages, double permille)
{
    char name[64];
    struct bench_result r = {.name = name,
                             .ours = messages,
                             .against = b->designed(nodes),
                             .unit = b->unit,
                             .peer = b->peer,
                             .goal = 1 / 1.25,
                             .bus = b->bus,
                             .durability = b->durability};

    snprintf(name, sizeof name, "idle-%s-%d", b->bus, nodes);
    bench_report(&r);
    snprintf(name, sizeof name, "idle-%s-cpu-%d", b->bus, nodes);
    r.ours = permille;
    r.against = share_permille;
    r.unit = "permille of a processor, each node";
    r.peer = "1 % of a processor";
    r.goal = 1.0;
    bench_report(&r);
}

void idle_measure(const struct idle_bus *b, const char *url, int nodes)
{
    pid_t pids[IDLE_MANY];
    char name[24];

    for (int i = 0; i < nodes; i++) {
        snprintf(name, sizeof name, "idle%d-%d", nodes, i);
        pids[i] = bench_start_accord(name, url, "8M", NULL, -1);
    }
    sleep(SETTLE_S);
    struct sample before = take(b, pids, nodes);
    sleep(SECONDS);
    struct sample after = take(b, pids, nodes);
    double passed_s = after.at_s - before.at_s;
    double messages = (after.counted - before.counted) / passed_s / nodes;
    double permille = (after.cpu_s - before.cpu_s) / passed_s / nodes * 1000;
    fprintf(
        stderr,
        "%d idle nodes on %s: each %.2f %s (%.2f by design), %.1f permille of a processor\n",
        nodes, b->bus, messages, b->unit, b->designed(nodes), permille);
    report(b, nodes, messages, permille);
    for (int i = 0; i < nodes; i++)
        bench_stop(pids[i]);
}
