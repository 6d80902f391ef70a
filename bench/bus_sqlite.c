/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_sqlite.c - how long a row takes from its commit to read() returning in other processes.
 *
 *   bus_sqlite FILE [READERS [CHANGES [PAUSE_US]]]
 *
 * Each reader is a process. First rows are published by Accord, then committed by a plain
 * SQLite connection, as a person or a trigger would. Prints microseconds over all readers:
 *   publish   publish() itself, its fsync included
 *   called    from the call of publish() to read() returning
 *   acked     from publish() returning; negative: the reader was faster than the return
 *   foreign   from the COMMIT of a plain connection returning */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/sqlite/sqlite.h"

enum { READERS_MAX = 16, CHANGES_MAX = 20000, WARM_UP_MS = 300 };

struct times {
    uint64_t called_ns[2 * CHANGES_MAX], done_ns[2 * CHANGES_MAX];
    uint64_t seen_ns[READERS_MAX][2 * CHANGES_MAX];
    unsigned attached;
};

static char why[BUS_WHY_BYTES_MAX];

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void must(bool ok)
{
    if (ok)
        return;
    fprintf(stderr, "bus_sqlite: %s\n", why);
    exit(1);
}

static struct bus *opened(const char *url)
{
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 3600 * 1000,
                             .retain_changes = 1000000,
                             .timeout_ms = 5000};
    struct bus *b = NULL;

    must(bus_sqlite.open(&b, &s, why) == ACCORD_OK);
    return b;
}

static void read_all(const char *url, struct times *times, unsigned reader, size_t total)
{
    struct bus *b = opened(url);
    struct bus_attached a;
    const struct entry *entries;
    size_t count, n = 0;

    must(bus_sqlite.attach(b, NULL, 0, &a, why) == ACCORD_OK);
    uint64_t after = a.after;
    __atomic_add_fetch(&times->attached, 1, __ATOMIC_SEQ_CST);
    while (n < total) {
        must(bus_sqlite.read(b, after, 10000, &entries, &count, why) == ACCORD_OK);
        uint64_t now = now_ns();
        for (size_t i = 0; i < count; i++, n++)
            times->seen_ns[reader][n] = now;
        after = count > 0 ? entries[count - 1].position : after;
    }
    bus_sqlite.close(b);
}

static void publish_all(const char *url, struct times *times, size_t total, useconds_t pause_us)
{
    struct bus *b = opened(url);
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text("greeble:43")};
    struct position last;

    for (size_t i = 0; i < total; i++) {
        c.message = (struct id128){now_ns(), i};
        times->called_ns[i] = now_ns();
        must(bus_sqlite.publish(b, &c, 1, &last, why) == ACCORD_OK);
        times->done_ns[i] = now_ns();
        usleep(pause_us);
    }
    bus_sqlite.close(b);
}

static void insert_all(const char *path, struct times *times, size_t total, useconds_t pause_us)
{
    sqlite3 *db = NULL;

    must(sqlite3_open(path, &db) == SQLITE_OK);
    must(sqlite3_exec(db, "PRAGMA synchronous=FULL", 0, 0, 0) == SQLITE_OK);
    must(sqlite3_busy_timeout(db, 5000) == SQLITE_OK);
    for (size_t i = total; i < 2 * total; i++) {
        times->called_ns[i] = now_ns();
        must(sqlite3_exec(db, "INSERT INTO accord_changes(key) VALUES ('greeble:43')", 0, 0,
                          0) == SQLITE_OK);
        times->done_ns[i] = now_ns();
        usleep(pause_us);
    }
    sqlite3_close(db);
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print(const char *name, int64_t *ns, size_t count)
{
    qsort(ns, count, sizeof *ns, ascending);
    printf("%-8s p50 %8.1f  p90 %8.1f  p99 %8.1f  max %8.1f us  (%zu)\n", name,
           (double)ns[count / 2] / 1e3, (double)ns[count * 9 / 10] / 1e3,
           (double)ns[count * 99 / 100] / 1e3, (double)ns[count - 1] / 1e3, count);
}

static void report(const struct times *t, unsigned readers, size_t total)
{
    static int64_t publish[CHANGES_MAX], called[READERS_MAX * CHANGES_MAX],
        acked[READERS_MAX * CHANGES_MAX], foreign[READERS_MAX * CHANGES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < total; i++) {
        publish[i] = (int64_t)(t->done_ns[i] - t->called_ns[i]);
        for (unsigned r = 0; r < readers; r++, n++) {
            called[n] = (int64_t)(t->seen_ns[r][i] - t->called_ns[i]);
            acked[n] = (int64_t)(t->seen_ns[r][i] - t->done_ns[i]);
            foreign[n] = (int64_t)(t->seen_ns[r][total + i] - t->done_ns[total + i]);
        }
    }
    print("publish", publish, total);
    print("called", called, n);
    print("acked", acked, n);
    print("foreign", foreign, n);
}

int main(int argc, char **argv)
{
    unsigned readers = argc > 2 ? (unsigned)strtoul(argv[2], 0, 10) : 3;
    size_t total = argc > 3 ? strtoul(argv[3], 0, 10) : 1000;
    useconds_t pause_us = argc > 4 ? (useconds_t)strtoul(argv[4], 0, 10) : 2000;
    char url[1024];

    if (argc < 2 || readers == 0 || readers > READERS_MAX || total == 0 ||
        total > CHANGES_MAX) {
        fprintf(stderr, "usage: bus_sqlite FILE [READERS [CHANGES [PAUSE_US]]]\n");
        return 2;
    }
    snprintf(url, sizeof url, "sqlite:%s", argv[1]);
    struct times *times =
        mmap(NULL, sizeof *times, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(times != MAP_FAILED);
    for (unsigned r = 0; r < readers; r++) {
        if (fork() == 0) {
            read_all(url, times, r, 2 * total);
            _exit(0);
        }
    }
    while (__atomic_load_n(&times->attached, __ATOMIC_SEQ_CST) < readers)
        usleep(1000);
    usleep(WARM_UP_MS * 1000);
    publish_all(url, times, total, pause_us);
    usleep(WARM_UP_MS * 1000);
    insert_all(argv[1], times, total, pause_us);
    while (wait(NULL) > 0)
        ;
    report(times, readers, total);
    return 0;
}
