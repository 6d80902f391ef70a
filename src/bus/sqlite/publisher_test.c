/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/sqlite.h"

#include <stdio.h>

#include "test.h"

static char why[BUS_WHY_BYTES_MAX];

/* A new log each time: seeds share their folder. */
static struct bus *opened(struct bus_attached *attached)
{
    static unsigned logs;
    char url[600];
    struct bus *b = NULL;

    snprintf(url, sizeof url, "sqlite:%s/bus%u.db", test_folder(), ++logs);
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 3600 * 1000,
                             .retain_changes = 100000,
                             .timeout_ms = 5000};
    CHECK(bus_sqlite.open(&b, &s, why) == ACCORD_OK);
    CHECK(bus_sqlite.attach(b, NULL, 0, attached, why) == ACCORD_OK);
    return b;
}

static struct change removal(uint64_t message)
{
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text("k"),
                           .message = {7, message},
                           .origin = bytes_of_text("web1"),
                           .sequence = message};
}

/* Rows go in some at a time: wherever one that is there already lies among them, the others
 * come once and in their order. */
TEST_SEEDS(sqlite_appends_what_is_new_among_repeats_in_order, 30)
{
    enum { CHANGES = 100 };
    struct bus_attached attached;
    struct bus *b = opened(&attached);
    struct change changes[CHANGES];
    struct position there[CHANGES] = {0}, last = {0};
    uint64_t position = attached.after, next_new = 0;
    const struct entry *entries;
    size_t count, repeats = 0, delivered = 0;

    for (size_t i = 0; i < CHANGES; i++) {
        changes[i] = removal(i + 1);
        if (test_random(rng, 20) > 0)
            continue;
        CHECK(bus_sqlite.publish(b, &changes[i], 1, &there[i], why) == ACCORD_OK);
        repeats++;
    }
    CHECK(bus_sqlite.publish(b, changes, CHANGES, &last, why) == ACCORD_OK);
    CHECK(last.value == (there[CHANGES - 1].value > 0 ? there[CHANGES - 1].value : CHANGES));
    while (bus_sqlite.read(b, position, 0, &entries, &count, why) == ACCORD_OK && count > 0) {
        for (size_t i = 0; i < count; i++, delivered++) {
            if (delivered < repeats)
                continue;
            while (there[next_new].value > 0)
                next_new++;
            CHECK(entries[i].change.message.low == ++next_new);
        }
        position = entries[count - 1].position;
    }
    CHECK(delivered == CHANGES);
    CHECK(position == CHANGES);
    bus_sqlite.close(b);
}

TEST(sqlite_appends_all_of_a_full_batch_or_none)
{
    struct bus_attached attached;
    struct bus *b = opened(&attached);
    static struct change changes[PUBLISH_BATCH_MAX];
    struct position last = {0};

    for (size_t i = 0; i < COUNT_OF(changes); i++)
        changes[i] = removal(i + 1);
    changes[COUNT_OF(changes) - 1].message = (struct id128){0, 0};
    CHECK(bus_sqlite.publish(b, changes, COUNT_OF(changes), &last, why) == ACCORD_E_INVALID);
    changes[COUNT_OF(changes) - 1] = removal(COUNT_OF(changes));
    CHECK(bus_sqlite.publish(b, changes, COUNT_OF(changes), &last, why) == ACCORD_OK);
    CHECK(last.value == COUNT_OF(changes));
    bus_sqlite.close(b);
}
