/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/fixture.h"

TEST(another_clock_ends_the_lease_and_then_times_the_next)
{
    struct fixture f;
    struct segment_clock_settings boottime = {.clock = CLOCK_CLASS_BOOTTIME,
                                              .ns_base = 5000 * NS_PER_S};

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(fixture_has(&f, "k", "v"));
    writer_set_clock(f.writer, &boottime);
    CHECK(fixture_is(&f, "k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    uint64_t now_ns = reader_now_ns(&f.reader);
    CHECK(now_ns >= 5000 * NS_PER_S);
    CHECK(reader_now_ns(&f.reader) >= now_ns);
    writer_set_lease(f.writer, now_ns + 3600 * NS_PER_S, now_ns);
    CHECK(fixture_has(&f, "k", "v"));
    CHECK(reader_deadline_ns(&f.reader, NULL, NULL) == now_ns + 3600 * NS_PER_S);
    writer_set_lease(f.writer, now_ns - 1, now_ns - 1);
    CHECK(fixture_is(&f, "k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
}

TEST(the_time_stamp_counter_runs_as_told)
{
#if defined(__x86_64__)
    struct fixture f;

    fixture_settings(&f, 8 * MIB);
    f.settings.clock = (struct segment_clock_settings){
        .clock = CLOCK_CLASS_TSC, .tsc_base = 0, .tsc_mult = 1ull << 32, .ns_base = 0};
    fixture_start(&f);
    f.reader.ns_base = 0;
    uint64_t first = __builtin_ia32_rdtsc(), now = reader_now_ns(&f.reader);
    CHECK(now >= first);
    CHECK(now <= __builtin_ia32_rdtsc());
#else
    test_skip("no TSC on this machine");
#endif
}
