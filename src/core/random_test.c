/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/random.h"
#include "test.h"

TEST(random_repeats_from_the_same_seed_and_differs_from_another)
{
    struct random a, b, c;

    random_init(&a, (uint64_t[4]){1, 2, 3, 4});
    random_init(&b, (uint64_t[4]){1, 2, 3, 4});
    random_init(&c, (uint64_t[4]){1, 2, 3, 5});
    for (int i = 0; i < 100; i++) {
        uint64_t value = random_next(&a);
        CHECK(value == random_next(&b));
        CHECK(value != random_next(&c));
    }
}

TEST(random_works_from_a_seed_of_zeros)
{
    struct random r;

    random_init(&r, (uint64_t[4]){0});
    CHECK(random_next(&r) != random_next(&r));
    CHECK(!id128_is_none(random_message(&r, 0, 0)));
    CHECK(random_nonce(&r, 0) != 0);
}

TEST_SEEDS(random_spread_stays_within_its_thousandths_and_uses_them, 50)
{
    struct random r;
    uint64_t lowest = UINT64_MAX, highest = 0;

    random_init(&r, (uint64_t[4]){test_random(rng, 1 << 20), 0, 0, 0});
    for (int i = 0; i < 2000; i++) {
        uint64_t value = random_spread(&r, 500 * NS_PER_MS, 200);
        lowest = u64_min(lowest, value);
        highest = u64_max(highest, value);
    }
    CHECK(lowest >= 400 * NS_PER_MS);
    CHECK(lowest < 410 * NS_PER_MS);
    CHECK(highest <= 600 * NS_PER_MS);
    CHECK(highest > 590 * NS_PER_MS);
    CHECK(random_spread(&r, 0, 200) == 0);
    CHECK(random_spread(&r, 3, 0) == 3);
}

TEST_SEEDS(random_messages_of_a_later_time_are_greater, 20)
{
    uint64_t wall_ms = 1800000000000 + test_random(rng, 1000000);
    struct id128 last = {0, 0};
    struct random r;

    random_init(&r, (uint64_t[4]){test_random(rng, 1 << 20), 0, 0, 0});
    for (int i = 0; i < 60000; i++) {
        wall_ms += test_random(rng, 100) == 0;
        struct id128 id = random_message(&r, wall_ms, 1);
        CHECK(id.high > last.high);
        CHECK(id.high >> 16 == wall_ms);
        CHECK(id.low != last.low);
        last = id;
    }
}

TEST(random_names_differ_where_two_wake_from_one_image)
{
    uint64_t seed[4] = {1, 2, 3, 4};
    struct random a, b;

    random_init(&a, seed);
    b = a;
    for (uint64_t i = 1; i < 1000; i++) {
        struct id128 of_a = random_message(&a, 7, i), of_b = random_message(&b, 7, i + 1);
        CHECK(!id128_equal(of_a, of_b));
        CHECK(random_nonce(&a, i) != random_nonce(&b, i + 1));
    }
}
