/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/histogram.h"

#include "test.h"

#include <stdlib.h>

static struct demo_histogram h, other;

TEST(an_empty_histogram_answers_zero)
{
    CHECK(demo_histogram_quantile(&h, 500) == 0);
    CHECK(demo_histogram_quantile(&h, 1000) == 0);
}

TEST(small_values_are_exact)
{
    for (uint64_t v = 0; v < 32; v++)
        demo_histogram_add(&h, v);
    CHECK(demo_histogram_quantile(&h, 1) == 0);
    CHECK(demo_histogram_quantile(&h, 500) == 15);
    CHECK(demo_histogram_quantile(&h, 1000) == 31);
}

TEST(no_quantile_exceeds_the_largest_value)
{
    demo_histogram_add(&h, 1000003);
    CHECK(demo_histogram_quantile(&h, 1) == 1000003);
    CHECK(demo_histogram_quantile(&h, 1000) == 1000003);
}

TEST(values_beyond_the_last_bucket_count_and_keep_their_maximum)
{
    demo_histogram_add(&h, UINT64_MAX);
    demo_histogram_add(&h, 5);
    CHECK(h.count == 2);
    CHECK(h.max == UINT64_MAX);
    CHECK(demo_histogram_quantile(&h, 500) == 5);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

TEST_SEEDS(a_quantile_is_at_most_one_thirtysecond_above_the_exact_one, 20)
{
    enum { N = 1000 };
    uint64_t values[N];

    memset(&h, 0, sizeof h);
    memset(&other, 0, sizeof other);
    for (int i = 0; i < N; i++) {
        values[i] = test_random(rng, 1ull << (1 + test_random(rng, 34)));
        demo_histogram_add(i % 2 ? &h : &other, values[i]);
    }
    demo_histogram_merge(&h, &other);
    qsort(values, N, sizeof values[0], by_value);
    CHECK(h.count == N);
    CHECK(h.max == values[N - 1]);
    for (unsigned permille = 1; permille <= 1000; permille++) {
        uint64_t exact = values[(N * permille + 999) / 1000 - 1];
        uint64_t got = demo_histogram_quantile(&h, permille);
        CHECK(got >= exact);
        CHECK(got <= exact + exact / 32);
    }
}
