/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* torture_test.c - processes publish batches, are killed at any instant, and come back. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/sqlite/beside.h"
#include "bus/sqlite/sqlite.h"
#include "net/time.h"
#include "test.h"

enum {
    WRITERS = 4,
    READERS = 2, /* one is never killed, one is, and goes on from the cursor it saved */
    FOREIGN = 1, /* the application: a plain connection */
    PROCESSES = WRITERS + READERS + FOREIGN,
    BATCHES_MAX = 1 << 16,
    RUN_MS = 3000,
};

/* What survives of a killed process. */
struct shared {
    uint64_t acknowledged[WRITERS]; /* batches, in order */
    uint64_t rows;                  /* of the application, committed */
    struct cursor saved[READERS];
    uint64_t saves[READERS]; /* odd while a cursor is being saved */
    uint64_t final;          /* the head when all writers had ended; 0: not yet */
};

static struct shared *shared;
static char why[BUS_WHY_BYTES_MAX];
static char url[600], path[512];

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, why);
    _exit(1);
}

static struct bus *opened(void)
{
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 24ull * 3600 * 1000,
                             .retain_changes = 100000000,
                             .timeout_ms = 10000};
    struct bus *b = NULL;

    must(bus_sqlite.open(&b, &s, why) == ACCORD_OK, "open");
    return b;
}

static size_t batch_size(uint64_t writer, uint64_t n)
{
    return 1 + (size_t)(cursor_hash(writer, n, (struct id128){0, 0}) % 20);
}

/* A batch that was under way when the process died is published once more, with its old ids. */
static void write_batches(uint64_t writer)
{
    struct bus *b = opened();
    struct change batch[20];
    struct position last;

    for (uint64_t n = shared->acknowledged[writer]; n < BATCHES_MAX; n++) {
        size_t count = batch_size(writer, n);
        for (size_t i = 0; i < count; i++)
            batch[i] = (struct change){.op = CHANGE_REMOVE,
                                       .key = bytes_of_text("greeble:43"),
                                       .message = {(writer + 1) << 32 | n, i << 32 | count},
                                       .origin = bytes_of_text("web1")};
        must(bus_sqlite.publish(b, batch, count, &last, why) == ACCORD_OK, "publish");
        __atomic_store_n(&shared->acknowledged[writer], n + 1, __ATOMIC_SEQ_CST);
    }
}

static void write_rows(void)
{
    sqlite3 *db = NULL;

    must(sqlite3_open(path, &db) == SQLITE_OK, "sqlite3_open");
    sqlite3_busy_timeout(db, 10000);
    must(sqlite3_exec(db, "PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL", 0, 0, 0) ==
             SQLITE_OK,
         "pragma");
    for (;;) {
        must(sqlite3_exec(db, "INSERT INTO accord_changes(key) VALUES ('row')", 0, 0, 0) ==
                 SQLITE_OK,
             sqlite3_errmsg(db));
        __atomic_add_fetch(&shared->rows, 1, __ATOMIC_SEQ_CST);
        usleep(3000);
    }
}

static void save(unsigned reader, const struct cursor *at)
{
    __atomic_add_fetch(&shared->saves[reader], 1, __ATOMIC_SEQ_CST);
    shared->saved[reader] = *at;
    __atomic_add_fetch(&shared->saves[reader], 1, __ATOMIC_SEQ_CST);
}

/* Ends when everything was read. A cursor that was being saved at the kill begins anew. */
static void read_all(unsigned reader)
{
    struct bus *b = opened();
    struct bus_attached a;
    struct cursor at = shared->saved[reader];
    const struct entry *entries;
    size_t count;
    bool resume = at.position > 0 && shared->saves[reader] % 2 == 0;

    must(bus_sqlite.attach(b, resume ? &at : NULL, 3600 * 1000, &a, why) == ACCORD_OK,
         "attach");
    if (!resume)
        at = (struct cursor){.log = a.log, .epoch = a.epoch, .position = a.after};
    shared->saves[reader] &= ~1ull;
    for (;;) {
        uint64_t final = __atomic_load_n(&shared->final, __ATOMIC_SEQ_CST);
        if (final > 0 && at.position >= final)
            break;
        must(bus_sqlite.read(b, at.position, 200, &entries, &count, why) == ACCORD_OK, "read");
        for (size_t i = 0; i < count; i++) {
            must(entries[i].position > at.position, "order");
            at.position = entries[i].position;
            at.message = entries[i].change.message;
            at.hash = cursor_hash(at.hash, at.position, at.message);
        }
        if (count > 0)
            save(reader, &at);
    }
    bus_sqlite.close(b);
}

static pid_t start(unsigned process)
{
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    if (process < WRITERS)
        write_batches(process);
    else if (process < WRITERS + READERS)
        read_all(process - WRITERS);
    else
        write_rows();
    _exit(0);
}

static void end(pid_t pid)
{
    int status;

    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status)); /* it had not failed before */
}

static unsigned torture(pid_t pids[PROCESSES], uint64_t *rng)
{
    uint64_t until_ns = time_monotonic_ns() + RUN_MS * NS_PER_MS;
    unsigned kills = 0;

    while (time_monotonic_ns() < until_ns) {
        unsigned victim = (unsigned)test_random(rng, PROCESSES);

        sqlite_sleep_ns(test_random(rng, 60) * NS_PER_MS);
        if (victim == WRITERS)
            continue; /* the reader that is never killed */
        end(pids[victim]);
        pids[victim] = start(victim);
        kills++;
    }
    return kills;
}

/* Left alone, every writer gets its turn. */
static void let_all_publish(void)
{
    for (unsigned writer = 0; writer < WRITERS; writer++) {
        const uint64_t *acknowledged = &shared->acknowledged[writer];
        uint64_t before = __atomic_load_n(acknowledged, __ATOMIC_SEQ_CST);
        uint64_t until_ns = time_monotonic_ns() + 60 * NS_PER_S;

        while (__atomic_load_n(acknowledged, __ATOMIC_SEQ_CST) == before) {
            CHECK(time_monotonic_ns() < until_ns);
            sqlite_sleep_ns(NS_PER_MS);
        }
    }
}

/* Everything acknowledged is there, once and whole: batches are neighbours (B4), repeats of
 * what had been written before a kill added nothing (B12). */
static void check_log(struct cursor *end_of_log)
{
    static uint8_t seen[WRITERS][BATCHES_MAX];
    struct bus *b = opened();
    struct bus_attached a;
    const struct entry *entries;
    struct cursor at = {0};
    struct id128 previous = {0, 0};
    uint64_t rows = 0;
    size_t count;

    CHECK(bus_sqlite.attach(b, NULL, 3600 * 1000, &a, why) == ACCORD_OK);
    at.log = a.log;
    at.epoch = a.epoch;
    for (;;) {
        CHECK(bus_sqlite.read(b, at.position, 0, &entries, &count, why) == ACCORD_OK);
        if (count == 0)
            break;
        for (size_t i = 0; i < count; i++) {
            struct id128 message = entries[i].change.message;
            bool foreign = entries[i].change.origin.size_bytes == 0;
            uint64_t left = (uint32_t)previous.low - (previous.low >> 32);

            at.position = entries[i].position;
            at.message = message;
            at.hash = cursor_hash(at.hash, at.position, message);
            if (!id128_is_none(previous) && left > 1) {
                CHECK(message.high == previous.high);
                CHECK(message.low == previous.low + (1ull << 32));
            } else if (!foreign) {
                uint64_t writer = (message.high >> 32) - 1, n = (uint32_t)message.high;
                CHECK(writer < WRITERS && n < BATCHES_MAX);
                CHECK(message.low == batch_size(writer, n)); /* the first of its batch */
                CHECK(seen[writer][n]++ == 0);
            }
            rows += foreign;
            previous = foreign ? (struct id128){0, 0} : message;
        }
    }
    for (uint64_t writer = 0; writer < WRITERS; writer++) {
        CHECK(shared->acknowledged[writer] > 0);
        for (uint64_t n = 0; n < shared->acknowledged[writer]; n++)
            CHECK(seen[writer][n] == 1);
    }
    CHECK(rows >= shared->rows);
    CHECK(at.position == a.head);
    *end_of_log = at;
    bus_sqlite.close(b);
}

/* 1.7.1, the WAL-reset race: several processes write, one at a time checkpoints. */
TEST(sqlite_loses_and_doubles_nothing_when_its_writers_are_killed)
{
    pid_t pids[PROCESSES];
    struct cursor all;
    int status;

    snprintf(path, sizeof path, "%s/torture.db", test_folder());
    snprintf(url, sizeof url, "sqlite:%s", path);
    shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pids[0] = start(0); /* makes the log, which the application expects */
    while (__atomic_load_n(&shared->acknowledged[0], __ATOMIC_SEQ_CST) == 0)
        sqlite_sleep_ns(NS_PER_MS);
    for (unsigned i = 1; i < PROCESSES; i++)
        pids[i] = start(i);

    CHECK(torture(pids, rng) > 10);
    let_all_publish();
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (i < WRITERS || i >= WRITERS + READERS)
            end(pids[i]);
    }
    check_log(&all);
    __atomic_store_n(&shared->final, all.position, __ATOMIC_SEQ_CST);
    for (unsigned i = WRITERS; i < WRITERS + READERS; i++) {
        CHECK(waitpid(pids[i], &status, 0) == pids[i]);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (unsigned i = 0; i < READERS; i++) {
        CHECK(shared->saved[i].position == all.position);
        CHECK(shared->saved[i].hash == all.hash);
        CHECK(shared->saved[i].epoch == all.epoch);
    }
}
