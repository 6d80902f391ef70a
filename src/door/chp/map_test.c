/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/chp/map.h"
#include "test.h"

#include <stdio.h>

static struct chp_entry *put(struct chp_map *m, const char *key, const char *properties)
{
    return chp_map_put(m, bytes_of_text(key), bytes_of_text(properties));
}

static struct chp_entry *find(const struct chp_map *m, const char *key)
{
    return chp_map_find(m, bytes_of_text(key));
}

TEST(chp_map_has_what_was_put_until_it_is_removed)
{
    struct chp_map m;

    chp_map_init(&m, 7);
    CHECK(!find(&m, "a") && !chp_map_at(&m, 0));
    CHECK(put(&m, "a", "colour=green\n"));
    CHECK(put(&m, "b", ""));
    CHECK(m.count == 2 && m.bytes == 1 + 13 + 1);
    CHECK(bytes_equal(chp_entry_properties(find(&m, "a")), bytes_of_text("colour=green\n")));
    CHECK(put(&m, "a", "x=y\n") == find(&m, "a"));
    CHECK(m.count == 2 && m.bytes == 1 + 4 + 1);
    chp_map_remove(&m, find(&m, "a"));
    CHECK(!find(&m, "a") && find(&m, "b") && m.count == 1 && m.bytes == 1);
    chp_map_done(&m);
    CHECK(!find(&m, "b") && m.count == 0);
}

TEST(chp_map_entry_keeps_its_place)
{
    struct chp_map m;
    char key[16];

    chp_map_init(&m, 7);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%u", i);
        CHECK(put(&m, key, ""));
        snprintf(key, sizeof key, "gone%u", i);
        CHECK(put(&m, key, ""));
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "gone%u", i);
        chp_map_remove(&m, find(&m, key));
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%u", i);
        CHECK(chp_map_at(&m, 2 * i) == find(&m, key));
        CHECK(!chp_map_at(&m, 2 * i + 1));
    }
    CHECK(put(&m, "new", "") == chp_map_at(&m, 2 * 999 + 1)); /* the place freed last */
    chp_map_done(&m);
}

TEST(chp_map_is_full_of_bytes_before_it_takes_one_more)
{
    static uint8_t key[KEY_BYTES_MAX];
    struct chp_map m;
    uint32_t i = 0;

    chp_map_init(&m, 7);
    do {
        memcpy(key, &i, sizeof i);
        i++;
    } while (chp_map_put(&m, bytes_of(key, sizeof key), bytes_of(NULL, 0)));
    CHECK(m.count == CHP_KEYS_BYTES_MAX / KEY_BYTES_MAX && m.count == i - 1);
    CHECK(!put(&m, "x", ""));
    chp_map_remove(&m, chp_map_at(&m, 0));
    CHECK(put(&m, "x", ""));
    chp_map_done(&m);
}

TEST(chp_map_has_room_for_so_many_keys_and_no_more)
{
    struct chp_map m;
    uint32_t i = 0;

    chp_map_init(&m, 7);
    while (chp_map_put(&m, bytes_of(&i, sizeof i), bytes_of(NULL, 0)))
        i++;
    CHECK(i == CHP_KEYS_MAX && m.count == CHP_KEYS_MAX);
    i = 5;
    CHECK(put(&m, "\5\0\0", "") == NULL); /* another key: of one byte */
    CHECK(chp_map_put(&m, bytes_of(&i, sizeof i), bytes_of_text("a=b\n")));
    chp_map_done(&m);
}

TEST_SEEDS(chp_map_agrees_with_a_list_of_flags, 200)
{
    bool there[64] = {false};
    struct chp_map m;
    size_t count = 0;
    char key[16];

    chp_map_init(&m, test_random(rng, UINT64_MAX));
    for (unsigned step = 0; step < 400; step++) {
        uint64_t i = test_random(rng, COUNT_OF(there));
        snprintf(key, sizeof key, "key%u", (unsigned)i);
        CHECK((find(&m, key) != NULL) == there[i]);
        if (test_random(rng, 2)) {
            CHECK(put(&m, key, ""));
            count += !there[i];
            there[i] = true;
        } else if (there[i]) {
            chp_map_remove(&m, find(&m, key));
            count--;
            there[i] = false;
        }
        CHECK(m.count == count);
    }
    for (unsigned i = 0; i < COUNT_OF(there); i++) {
        snprintf(key, sizeof key, "key%u", i);
        CHECK((find(&m, key) != NULL) == there[i]);
    }
    chp_map_done(&m);
}
