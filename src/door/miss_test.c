/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/miss.h"
#include "test.h"

static const struct id128 incarnation = {1, 2};

static void remember(struct misses *m, uint64_t hash, uint64_t slot)
{
    misses_remember(m, hash, &(struct token){incarnation, 3, slot, 4});
}

static bool takes(struct misses *m, uint64_t hash, uint64_t slot)
{
    struct token t;
    return misses_take(m, hash, incarnation, &t) && t.slot == slot && t.epoch == 3 &&
           t.bulk == 4 && id128_equal(t.incarnation, incarnation);
}

TEST(a_token_is_given_back_once)
{
    struct misses m = {0};

    CHECK(!takes(&m, 7, 1));
    remember(&m, 7, 1);
    CHECK(takes(&m, 7, 1));
    CHECK(!takes(&m, 7, 1));
    remember(&m, 7, 1);
    remember(&m, 7, 2); /* who missed first may still be loading */
    CHECK(takes(&m, 7, 1));
    CHECK(!takes(&m, 7, 2));
    misses_done(&m);
    CHECK(!takes(&m, 7, 1));
}

TEST(the_last_1024_misses_are_remembered_and_not_one_more)
{
    struct misses m = {0};

    for (uint64_t i = 0; i < MISS_TOKENS_MAX; i++)
        remember(&m, i * 0x9e3779b97f4a7c15, i);
    CHECK(takes(&m, 0, 0));
    remember(&m, 0, 0);
    /* Key 0 is the newest now; the one after it in the ring was the oldest, and gave way. */
    remember(&m, 5000, 5000);
    CHECK(takes(&m, 0, 0));
    CHECK(takes(&m, 5000, 5000));
    CHECK(m.capacity == MISS_TOKENS_MAX);
    unsigned found = 0;
    for (uint64_t i = 1; i < MISS_TOKENS_MAX; i++)
        found += takes(&m, i * 0x9e3779b97f4a7c15, i);
    CHECK(found == MISS_TOKENS_MAX - 2);
    CHECK(m.live == 0 && m.capacity == 0); /* nothing is kept for nothing */
    misses_done(&m);
}

TEST(a_client_that_fills_each_miss_at_once_needs_few_places)
{
    struct misses m = {0};

    for (uint64_t i = 0; i < 100000; i++) {
        remember(&m, i, i);
        CHECK(takes(&m, i, i));
    }
    CHECK(m.capacity == 16);
    misses_done(&m);
}

/* Against a plain list of the first since the key was taken. */
TEST_SEEDS(what_is_remembered_is_never_newer_than_the_first_miss_of_a_key, 50)
{
    struct misses m = {0};
    uint64_t first[64] = {0};

    for (unsigned i = 1; i < 5000; i++) {
        uint64_t key = test_random(rng, 64);
        if (test_random(rng, 3)) {
            remember(&m, key, i);
            first[key] = first[key] ? first[key] : i;
        } else {
            struct token t;
            bool found = misses_take(&m, key, incarnation, &t);
            CHECK(found == (first[key] != 0));
            CHECK(!found || t.slot == first[key]);
            first[key] = 0;
        }
    }
    CHECK(m.capacity <= MISS_TOKENS_MAX);
    misses_done(&m);
}
