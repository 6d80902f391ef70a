/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/empty.h"
#include "cache/fixture.h"

static void set_sized(struct fixture *f, unsigned i, size_t bytes)
{
    static char value[200000];
    struct item item = fixture_item("", "");
    char key[16];

    item.key = bytes_of(key, (size_t)snprintf(key, sizeof key, "%u", i));
    item.value = bytes_of(value, bytes);
    CHECK(writer_fill(f->writer, &item, NULL, f->now_ns) == ACCORD_OK);
}

static bool has(struct fixture *f, unsigned i)
{
    char key[16];

    snprintf(key, sizeof key, "%u", i);
    return fixture_get(f, key).state == ACCORD_HIT;
}

TEST(what_is_read_stays_and_what_is_not_goes)
{
    struct fixture f;

    fixture_plain(&f);
    for (unsigned i = 0; i < 60000; i++) {
        set_sized(&f, i, 500);
        for (unsigned hot = 0; hot < 100; hot++)
            if (i > 100 && i % 50 == 0)
                CHECK(has(&f, hot));
    }
    CHECK(has(&f, 59999));
    CHECK(!has(&f, 30000));
    CHECK(f.writer->counts.evicted > 40000);
    writer_check(f.writer);
}

/* A block of which most is dead is emptied before anything that lives is given up. */
TEST(dead_blocks_go_before_live_items)
{
    struct fixture f;
    unsigned items = 0;

    fixture_plain(&f);
    while (f.writer->free_count > 2)
        set_sized(&f, items++, 1000);
    for (unsigned i = 0; i < items; i++)
        if (i % 3) {
            char key[16];
            snprintf(key, sizeof key, "%u", i);
            CHECK(writer_remove_key(f.writer, bytes_of_text(key), false, f.now_ns));
        }
    for (unsigned i = 0; i < items / 3; i++)
        set_sized(&f, items + i, 1000);
    CHECK(f.writer->counts.evicted == 0);
    CHECK(f.writer->counts.copied > 0);
    for (unsigned i = 0; i < items; i += 3)
        CHECK(has(&f, i));
    writer_check(f.writer);
}

/* Items of a third of a block and more, in every order: blocks that fit badly still end. */
TEST_SEEDS(large_values_never_wedge_the_arena, 3)
{
    struct fixture f;

    fixture_plain(&f);
    for (int i = 0; i < 5000; i++) {
        unsigned key = (unsigned)test_random(rng, 400);
        set_sized(&f, key, 20000 + test_random(rng, f.sizes.value_bytes_max - 20000));
        CHECK(has(&f, key));
        memset(f.hints, 0xff, f.sizes.hints_bytes); /* all is hot */
    }
    writer_check(f.writer);
}

/* Hostile counters: whatever readers write into the hints, the writer stays whole and memory
 * bounded. */
TEST_SEEDS(any_hints_cost_hit_ratio_and_nothing_else, 5)
{
    struct fixture f;
    char key[32];
    static char value[3000];

    fixture_plain(&f);
    for (int i = 0; i < 40000; i++) {
        snprintf(key, sizeof key, "%llu", (unsigned long long)test_random(rng, 30000));
        struct item item = fixture_item(key, "");
        item.value = bytes_of(value, test_random(rng, sizeof value));
        CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
        CHECK(fixture_get(&f, key).state == ACCORD_HIT);
        if (i % 1000 == 0)
            memset(f.hints, i % 2000 ? 0xff : (int)test_random(rng, 256), f.sizes.hints_bytes);
    }
    writer_check(f.writer);
}
