/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/lag.h"

#include "test.h"

enum { L_S = 3 };
#define L_NS    (L_S * NS_PER_S)
#define LATE_NS (L_NS / 2 + 1)

TEST(half_of_the_bound_is_no_lag_and_more_is)
{
    struct lag l = {.lagging = false};

    CHECK(!lag_look(&l, NS_PER_S, true, L_NS / 2, L_NS));
    CHECK(!l.lagging && l.alarms == 0);
    CHECK(lag_look(&l, 2 * NS_PER_S, true, LATE_NS, L_NS));
    CHECK(l.lagging && l.alarms == 1);
}

TEST(what_is_not_known_is_no_alarm)
{
    struct lag l = {.lagging = false};

    CHECK(!lag_look(&l, NS_PER_S, false, UINT64_MAX, L_NS));
    CHECK(!lag_look(&l, NS_PER_S, true, UINT64_MAX, 0));
    CHECK(!l.lagging);
}

TEST(it_is_said_once_a_minute_and_every_beginning_is_counted)
{
    struct lag l = {.lagging = false};
    uint64_t began_ns = NS_PER_S;

    CHECK(lag_look(&l, began_ns, true, LATE_NS, L_NS));
    CHECK(!lag_look(&l, began_ns + 30 * NS_PER_S, true, LATE_NS, L_NS));
    CHECK(!lag_look(&l, began_ns + 31 * NS_PER_S, true, 0, L_NS));
    CHECK(!l.lagging);
    CHECK(!lag_look(&l, began_ns + 32 * NS_PER_S, true, LATE_NS, L_NS));
    CHECK(l.alarms == 2);
    CHECK(lag_look(&l, began_ns + LAG_TELL_EVERY_NS, true, LATE_NS, L_NS));
    CHECK(l.alarms == 2);
}
