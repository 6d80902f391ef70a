/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/clock.h"
#include "test.h"

#include "cache/clock.h"

#include <stdio.h>
#include <time.h>

TEST(one_percent_apart_is_right_and_more_is_wrong)
{
    CHECK(!clock_apart(1000000, 1000000));
    CHECK(!clock_apart(1010000, 1000000));
    CHECK(!clock_apart(990000, 1000000));
    CHECK(clock_apart(1010001, 1000000));
    CHECK(clock_apart(989999, 1000000));
    CHECK(clock_apart(0, 1000000000)); /* a counter that stood still */
}

TEST(the_fitted_counter_follows_boottime_within_a_thousandth)
{
    struct node_clock c;
    struct segment_clock_settings now;
    struct timespec pause = {0, 100000000};

    clock_start(&c, true);
    if (c.settings.clock != CLOCK_CLASS_TSC)
        test_skip("the kernel does not use an invariant TSC here");
    uint64_t boot_before = c.boottime_ns, tsc_before = c.seen_ns;
    nanosleep(&pause, NULL);
    CHECK(!clock_went_wrong(&c, &now));
    uint64_t boot = c.boottime_ns - boot_before, tsc = c.seen_ns - tsc_before;
    CHECK(boot >= 100000000);
    CHECK(tsc > boot - boot / 1000);
    CHECK(tsc < boot + boot / 1000);
}

TEST(a_counter_of_another_rate_is_found_once_and_time_goes_on)
{
    struct node_clock c;
    struct segment_clock_settings now = {0};
    struct timespec pause = {0, 2 * CLOCK_COMPARE_NS_MIN};

    clock_start(&c, true);
    if (c.settings.clock != CLOCK_CLASS_TSC)
        test_skip("the kernel does not use an invariant TSC here");
    c.settings.tsc_mult += c.settings.tsc_mult / 25; /* 4 % fast since the fit */
    nanosleep(&pause, NULL);
    CHECK(clock_went_wrong(&c, &now));
    CHECK(now.clock == CLOCK_CLASS_BOOTTIME);
    CHECK(clock_boottime_ns() + now.ns_base > c.seen_ns);
    CHECK(!clock_went_wrong(&c, &now));
    CHECK(strstr(clock_about(&c), "boottime"));
}

TEST(boottime_is_used_where_the_counter_is_not_allowed)
{
    struct node_clock c;
    struct segment_clock_settings now;

    clock_start(&c, false);
    CHECK(c.settings.clock == CLOCK_CLASS_BOOTTIME);
    CHECK(c.settings.ns_base == 0);
    CHECK(!clock_went_wrong(&c, &now));
    CHECK(strncmp(clock_about(&c), "boottime", 8) == 0);
}

TEST(clocks_that_stand_still_with_their_guest_are_said_to)
{
    static const char *const guests[] = {"kvm-clock", "xen", "hyperv_clocksource_tsc_page",
                                         "hyperv_clocksource_msr"};
    struct node_clock c = {.settings = {.clock = CLOCK_CLASS_BOOTTIME}};

    for (size_t i = 0; i < COUNT_OF(guests); i++) {
        snprintf(c.source, sizeof c.source, "%s", guests[i]);
        CHECK(strstr(clock_about(&c), "does not count pauses of the guest"));
    }
    snprintf(c.source, sizeof c.source, "hpet");
    CHECK(!strstr(clock_about(&c), "pauses"));
}
