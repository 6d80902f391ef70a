/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Memory stays within its bounds for ever. */
#include "cache/arena.h"
#include "cache/fixture.h"

/* A billion overwrites, scaled: the arena is written through some 300 times. */
TEST(overwriting_a_few_keys_for_ever_loses_nothing)
{
    enum { KEYS = 1000, ROUNDS = 20000 };
    struct fixture f;
    struct writer_counts c;
    char key[16], value[128];

    fixture_plain(&f);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < KEYS; i += 1 + round % 7) {
            snprintf(key, sizeof key, "%d", i);
            memset(value, 'a' + round % 26, sizeof value);
            struct item item = fixture_item(key, "");
            item.value = bytes_of(value, 28 + (size_t)(round + i) % 100);
            CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
        }
    writer_count(f.writer, &c);
    CHECK(c.items == KEYS);
    CHECK(c.evicted + c.evicted_by_index == 0);
    CHECK(c.used_bytes <= f.sizes.block_count * f.sizes.block_bytes);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(fixture_get(&f, key).state == ACCORD_HIT);
    }
    writer_check(f.writer);
}

TEST(what_is_removed_or_expired_makes_room)
{
    struct fixture f;
    struct writer_counts c;
    char key[16];

    fixture_plain(&f);
    for (int i = 0; i < 1000000; i++) {
        snprintf(key, sizeof key, "%d", i);
        struct item item = fixture_item(key, "0123456789012345678901234567890123456789");
        item.ttl_ns = NS_PER_S;
        CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
        if (i % 2)
            CHECK(writer_remove_key(f.writer, item.key, false, f.now_ns));
        if (i % 1000 == 0)
            fixture_at(&f, f.now_ns + 100 * NS_PER_MS);
    }
    writer_count(f.writer, &c);
    CHECK(c.evicted + c.evicted_by_index == 0); /* 10,000 live ones at a time always fit */
    CHECK(c.expired_dropped > 400000);
    writer_check(f.writer);
}

/* Above 4 GiB the top bits of a location live in the fingerprint lane. The mapping is sparse;
 * turning the stack of free blocks over makes the last blocks the first in use. */
TEST(locations_beyond_4_gib_are_found)
{
    struct fixture f;
    char key[32], value[32];

    fixture_settings(&f, 20 * GIB);
    fixture_start(&f);
    fixture_lease(&f, 3600 * NS_PER_S);
    struct writer *w = f.writer;
    for (uint32_t i = 0; i < w->free_count / 2; i++) {
        uint32_t low = w->free_blocks[i];
        w->free_blocks[i] = w->free_blocks[w->free_count - 1 - i];
        w->free_blocks[w->free_count - 1 - i] = low;
    }
    CHECK(w->view.high_bits == 3);
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        snprintf(value, sizeof value, "value %d", i);
        CHECK(fixture_set(&f, key, value) == ACCORD_OK);
        if (i % 3 == 0) {
            CHECK(writer_expire(w, bytes_of_text(key), NS_PER_S, 0, f.now_ns) == ACCORD_OK);
            CHECK(fixture_has(&f, key, value));
        }
        if (i % 5 == 0)
            CHECK(writer_remove_key(w, bytes_of_text(key), false, f.now_ns));
    }
    CHECK(w->chains[EVICT_SMALL].oldest > 16384);
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "key %d", i);
        snprintf(value, sizeof value, "value %d", i);
        CHECK(fixture_has(&f, key, value) == (i % 5 != 0));
    }
    fixture_done(&f);
}
