/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* io_test.c - the n-th write or sync fails, for every n, once and from then on: what publish()
 * answered is what the log holds. */
#include <stdio.h>

#include "bus/sqlite/db.h"
#include "bus/sqlite/sqlite.h"
#include "faulty_disk.h"
#include "net/time.h"

enum { CHANGES = 3, CALLS_MAX = 16 };

static char why[BUS_WHY_BYTES_MAX];
static uint64_t timeout_ms = 2000;

static struct bus *opened(struct cursor *at)
{
    static char url[512];
    struct bus *b = NULL;
    struct bus_attached a;

    snprintf(url, sizeof url, "sqlite:%s/io.db", test_folder());
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 1000000,
                             .retain_changes = 1000000,
                             .timeout_ms = timeout_ms};
    CHECK(bus_sqlite.open(&b, &s, why) == ACCORD_OK);
    CHECK(bus_sqlite.attach(b, NULL, 0, &a, why) == ACCORD_OK);
    *at = (struct cursor){.log = a.log, .epoch = a.epoch, .position = a.head};
    return b;
}

/* How many of the batch come next; each is where it belongs. */
static size_t delivered(struct bus *b, struct cursor *at, const struct change *batch)
{
    const struct entry *entries;
    size_t count;

    CHECK(bus_sqlite.read(b, at->position, 0, &entries, &count, why) == ACCORD_OK);
    for (size_t i = 0; i < count; i++) {
        CHECK(i < CHANGES && id128_equal(entries[i].change.message, batch[i].message));
        at->position = entries[i].position;
        at->message = entries[i].change.message;
    }
    return count;
}

static unsigned check_fault(struct bus *b, struct cursor *at, int n, int to)
{
    static uint64_t messages;
    struct change batch[CHANGES];
    struct position last = {0}, again = {0};
    uint64_t head;

    for (size_t i = 0; i < CHANGES; i++)
        batch[i] = (struct change){.op = CHANGE_REMOVE,
                                   .key = bytes_of_text("greeble:43"),
                                   .message = {1, ++messages},
                                   .origin = bytes_of_text("web1")};
    calls = 0;
    fail_from = n;
    fail_to = to;
    int status = bus_sqlite.publish(b, batch, CHANGES, &last, why);
    bool failed = calls >= fail_from;
    fail_from = fail_to = 0;

    size_t count = delivered(b, at, batch);
    if (status == ACCORD_OK)
        CHECK(count == CHANGES && last.value == at->position);
    else if (status == ACCORD_E_TIMEOUT)
        CHECK(count == 0 || count == CHANGES);
    else
        CHECK(count == 0);
    CHECK(status == ACCORD_OK || failed);
    /* The same once more, now that the disk is well. */
    CHECK(bus_sqlite.publish(b, batch, CHANGES, &again, why) == ACCORD_OK);
    CHECK(delivered(b, at, batch) == CHANGES - count);
    CHECK(again.value == at->position);
    CHECK(bus_sqlite.head(b, at, &head, why) == ACCORD_OK);
    CHECK(head == again.value);
    return status != ACCORD_OK;
}

/* 1.7.1: with synchronous=NORMAL the newest commits would be gone after a power failure. */
TEST(sqlite_syncs_each_commit_before_it_is_acknowledged)
{
    struct cursor at;

    faulty_disk_install();
    struct bus *b = opened(&at);
    fault = SYNC_FAILS; /* counts the syncs; none of them fails */
    fail_from = fail_to = 0;
    for (uint64_t i = 1; i <= 5; i++) {
        struct change c = {.op = CHANGE_REMOVE,
                           .key = bytes_of_text("greeble:43"),
                           .message = {2, i},
                           .origin = bytes_of_text("web1")};
        struct position last;
        calls = 0;
        CHECK(bus_sqlite.publish(b, &c, 1, &last, why) == ACCORD_OK);
        CHECK(calls >= 1);
    }
    bus_sqlite.close(b);
}

TEST(sqlite_answers_what_is_so_whichever_write_or_sync_fails)
{
    struct cursor at, late_at;
    unsigned failures = 0;

    faulty_disk_install();
    for (unsigned kind = 0; kind < FAULTS; kind++) {
        struct bus *b = opened(&at);
        unsigned of_kind = 0;

        fault = (enum fault)kind;
        for (int n = 1; n <= CALLS_MAX; n++) {
            of_kind += check_fault(b, &at, n, n + 1);
            of_kind += check_fault(b, &at, n, 1 << 30);
        }
        CHECK(of_kind > 0);
        failures += of_kind;
        bus_sqlite.close(b);
        b = opened(&late_at); /* and after all that the log is whole */
        CHECK(late_at.position == at.position);
        bus_sqlite.close(b);
    }
    CHECK(failures >= FAULTS);
}

TEST(sqlite_open_fails_cleanly_whichever_write_or_sync_fails)
{
    struct cursor at;
    char path[512];

    faulty_disk_install();
    for (unsigned kind = WRITE_FAILS; kind <= SYNC_FAILS; kind++) {
        for (int n = 1; n <= 2 * CALLS_MAX; n++) {
            char url[600];
            struct bus *b = NULL;
            struct bus_settings s = {.url = url,
                                     .max_stale_ms = 3000,
                                     .retain_ms = 1000,
                                     .retain_changes = 1000,
                                     .timeout_ms = 500};

            snprintf(path, sizeof path, "%s/io.db", test_folder());
            snprintf(url, sizeof url, "sqlite:%s", path);
            fault = (enum fault)kind;
            calls = 0;
            fail_from = n;
            fail_to = 1 << 30;
            int status = bus_sqlite.open(&b, &s, why);
            bool failed = calls >= fail_from;
            fail_from = fail_to = 0;
            CHECK(status == ACCORD_OK || (failed && !b && why[0]));
            bus_sqlite.close(b);
            b = opened(&at); /* nothing of the failure is left */
            bus_sqlite.close(b);
            CHECK(remove(path) == 0);
        }
    }
}

/* SQLite's own patience there is ten seconds, for each of the statements. */
TEST(sqlite_answers_in_time_where_the_system_has_no_lock_to_give)
{
    struct cursor at;
    const struct entry *entries;
    struct change change = {.op = CHANGE_REMOVE,
                            .key = bytes_of_text("greeble:43"),
                            .message = {1, 1},
                            .origin = bytes_of_text("web1")};
    struct position last;
    uint64_t head, began_ns;
    size_t count;

    faulty_disk_install();
    timeout_ms = 300;
    struct bus *b = opened(&at);
    locks_refused = true;
    began_ns = time_monotonic_ns();
    CHECK(bus_sqlite.publish(b, &change, 1, &last, why) != ACCORD_OK && why[0]);
    CHECK(bus_sqlite.read(b, at.position, 0, &entries, &count, why) != ACCORD_OK && why[0]);
    CHECK(bus_sqlite.head(b, &at, &head, why) != ACCORD_OK && why[0]);
    uint64_t took_ns = time_monotonic_ns() - began_ns;
    CHECK(took_ns < 6 * NS_PER_S); /* three timeouts, on a machine that is busy */
    locks_refused = false;
    CHECK(bus_sqlite.publish(b, &change, 1, &last, why) == ACCORD_OK);
    CHECK(bus_sqlite.head(b, &at, &head, why) == ACCORD_OK);
    CHECK(head == last.value);
    bus_sqlite.close(b);
}
