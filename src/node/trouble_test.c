/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/trouble.h"

#include "test.h"

TEST(trouble_that_lasts_is_told_once_a_minute_and_not_more)
{
    struct trouble t = {0};
    unsigned told = 0;

    for (uint64_t s = 100; s < 100 + 600; s++)
        told += trouble_met(&t, s * NS_PER_S);
    CHECK(told == 9); /* the first is told elsewhere; then after 60 s, 120 s, … 540 s */
    CHECK(t.tries == 600 && t.since_ns == 100 * NS_PER_S);
}

TEST(trouble_that_ended_begins_anew)
{
    struct trouble t = {0};

    CHECK(!trouble_met(&t, 1 * NS_PER_S));
    trouble_over(&t);
    CHECK(!trouble_met(&t, 70 * NS_PER_S));
    CHECK(t.tries == 1);
    CHECK(!trouble_met(&t, 129 * NS_PER_S));
    CHECK(trouble_met(&t, 130 * NS_PER_S));
    CHECK(!trouble_met(&t, 131 * NS_PER_S));
}
