/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/loads.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT = 100 };

static const struct token token;

static struct loads *table(void)
{
    struct loads *l = calloc(1, sizeof *l);

    CHECK(l);
    loads_init(l, TIMEOUT, 42);
    return l;
}

static struct bytes key_of(uint64_t n)
{
    static char text[32];

    snprintf(text, sizeof text, "key:%llu", (unsigned long long)n);
    return bytes_of_text(text);
}

TEST(loads_give_one_right_per_key)
{
    struct loads *l = table();
    struct load *a = loads_add(l, bytes_of_text("a"), 1, &token, 10);

    CHECK(a);
    CHECK(loads_find(l, bytes_of_text("a")) == a);
    CHECK(!loads_find(l, bytes_of_text("b")));
    CHECK(loads_of_client(l, 1) == a);
    loads_remove(l, a);
    CHECK(!loads_find(l, bytes_of_text("a")));
    CHECK(!loads_of_client(l, 1));
    CHECK(loads_deadline_ns(l) == UINT64_MAX);
    loads_check(l);
    free(l);
}

TEST(loads_end_at_their_timeout_the_oldest_right_first)
{
    struct loads *l = table();
    struct load *a = loads_add(l, bytes_of_text("a"), 1, &token, 10);
    struct load *b = loads_add(l, bytes_of_text("b"), 2, &token, 20);

    CHECK(!loads_expired(l, 109));
    CHECK(loads_expired(l, 110) == a);
    loads_pass(l, a, 3, &token, 110);
    CHECK(a->client == 3);
    CHECK(loads_expired(l, 119) == NULL);
    CHECK(loads_expired(l, 120) == b);
    loads_remove(l, b);
    CHECK(loads_deadline_ns(l) == 210);
    loads_check(l);
    free(l);
}

TEST(loads_take_exactly_their_bound)
{
    struct loads *l = table();

    for (uint64_t i = 0; i < LOADS_MAX; i++)
        CHECK(loads_add(l, key_of(i), 1, &token, i));
    CHECK(!loads_add(l, key_of(LOADS_MAX), 1, &token, LOADS_MAX));
    loads_remove(l, loads_find(l, key_of(17)));
    CHECK(loads_add(l, key_of(LOADS_MAX), 1, &token, LOADS_MAX));
    CHECK(!loads_find(l, key_of(17)));
    loads_check(l);
    free(l);
}

TEST_SEEDS(loads_table_keeps_what_it_was_given, 20)
{
    struct loads *l = table();
    uint64_t owners[300] = {0};

    for (uint64_t step = 1; step < 3000; step++) {
        uint64_t n = test_random(rng, 300);
        struct load *load = loads_find(l, key_of(n));

        CHECK((load != NULL) == (owners[n] > 0));
        CHECK(!load || load->client == owners[n]);
        if (!load) {
            CHECK(loads_add(l, key_of(n), step, &token, step));
            owners[n] = step;
        } else if (test_random(rng, 2) == 0) {
            loads_pass(l, load, step, &token, step);
            owners[n] = step;
        } else {
            loads_remove(l, load);
            owners[n] = 0;
        }
    }
    loads_check(l);
    free(l);
}

/* A hash has 64 bits and can be had twice: whose right it is, the key decides. */
TEST(loads_give_the_right_of_one_key_to_no_other_of_the_same_hash)
{
    struct loads *l = table();
    struct load *a = loads_add(l, bytes_of_text("a"), 1, &token, 10);

    CHECK(a);
    l->keys[loads_index(l, a)][0] = 'b'; /* as if "b" was added, and had the hash of "a" */
    CHECK(!loads_find(l, bytes_of_text("a")));
    l->keys[loads_index(l, a)][0] = 'a';
    CHECK(loads_find(l, bytes_of_text("a")) == a);
    loads_check(l);
    free(l);
}
