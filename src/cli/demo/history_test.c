/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/history.h"

#include "test.h"

#include <stdlib.h>

enum { L = 1000 };

static struct demo_history *history_new(uint32_t rows, uint32_t changes)
{
    struct demo_history *h = calloc(1, demo_history_bytes(rows, changes));

    CHECK(h);
    demo_history_init(h, rows, changes, L);
    return h;
}

/* One change of row 2, acknowledged at acked_ns (0: not). */
static uint32_t change(struct demo_history *h, uint64_t acked_ns)
{
    uint32_t version = 0, index = 0;

    CHECK(demo_history_begin(h, 2, &version, &index) == ACCORD_OK);
    if (acked_ns > 0)
        demo_history_acked(h, index, acked_ns);
    return version;
}

TEST(a_row_that_never_changed_is_fresh_at_version_one_and_at_no_other)
{
    struct demo_history *h = history_new(4, 10);

    CHECK(demo_history_judge(h, 2, 1, 999999, NULL) == DEMO_FRESH);
    CHECK(demo_history_judge(h, 2, 0, 999999, NULL) == DEMO_IMPOSSIBLE);
    CHECK(demo_history_judge(h, 2, 2, 999999, NULL) == DEMO_IMPOSSIBLE);
    free(h);
}

TEST(the_old_version_is_fresh_until_its_removal_is_acknowledged_and_broken_one_ns_after_L)
{
    struct demo_history *h = history_new(4, 10);
    struct demo_evidence e = {0};

    CHECK(change(h, 5000) == 2);
    CHECK(demo_history_judge(h, 2, 1, 4999, NULL) == DEMO_FRESH);
    CHECK(demo_history_judge(h, 2, 1, 5000, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 1, 5000 + L - 1, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 1, 5000 + L, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 1, 5000 + L + 1, &e) == DEMO_BROKEN);
    CHECK(e.superseded_by == 2);
    CHECK(e.acked_ns == 5000);
    CHECK(e.late_ns == L + 1);
    CHECK(e.newest == 2);
    CHECK(demo_history_judge(h, 2, 2, 5000 + L + 1, NULL) == DEMO_FRESH);
    free(h);
}

TEST(a_version_whose_removal_nobody_acknowledged_may_be_served_and_so_may_the_one_before)
{
    struct demo_history *h = history_new(4, 10);

    CHECK(change(h, 0) == 2);
    CHECK(demo_history_judge(h, 2, 1, UINT64_MAX, NULL) == DEMO_FRESH);
    CHECK(demo_history_judge(h, 2, 2, 1, NULL) == DEMO_FRESH);
    free(h);
}

/* A removal that failed is made good by the row's next one, which removes the same key. */
TEST(the_acknowledgement_of_a_later_version_counts_against_all_earlier_ones)
{
    struct demo_history *h = history_new(4, 10);
    struct demo_evidence e = {0};

    change(h, 0);
    change(h, 7000);
    CHECK(demo_history_judge(h, 2, 1, 7000 + L, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 1, 7001 + L, &e) == DEMO_BROKEN);
    CHECK(e.superseded_by == 3);
    CHECK(demo_history_judge(h, 2, 2, 7001 + L, NULL) == DEMO_BROKEN);
    CHECK(demo_history_judge(h, 2, 3, 7001 + L, NULL) == DEMO_FRESH);
    free(h);
}

/* The newest removal is within the bound, an older one is not: the older one decides. */
TEST(an_old_version_hides_behind_no_newer_change)
{
    struct demo_history *h = history_new(4, 10);
    struct demo_evidence e = {0};

    change(h, 5000);
    change(h, 5500);
    change(h, 6400);
    CHECK(demo_history_judge(h, 2, 1, 6450, &e) == DEMO_BROKEN);
    CHECK(e.superseded_by == 2);
    CHECK(e.late_ns == 1450);
    CHECK(e.newest == 4);
    CHECK(demo_history_judge(h, 2, 2, 6450, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 3, 6450, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 4, 6450, NULL) == DEMO_FRESH);
    free(h);
}

TEST(rows_do_not_testify_against_each_other)
{
    struct demo_history *h = history_new(4, 10);

    change(h, 5000);
    CHECK(demo_history_judge(h, 1, 1, UINT64_MAX, NULL) == DEMO_FRESH);
    CHECK(demo_history_judge(h, 3, 1, UINT64_MAX, NULL) == DEMO_FRESH);
    CHECK(demo_history_newest(h, 1) == 1);
    CHECK(demo_history_newest(h, 2) == 2);
    free(h);
}

TEST(a_full_history_refuses_the_next_change_and_keeps_what_it_has)
{
    struct demo_history *h = history_new(4, 2);
    uint32_t version = 77, index = 88;

    change(h, 5000);
    change(h, 5001);
    CHECK(demo_history_begin(h, 2, &version, &index) == ACCORD_E_FULL);
    CHECK(version == 77);
    CHECK(index == 88);
    CHECK(demo_history_newest(h, 2) == 3);
    free(h);
}

TEST(after_a_strict_removal_nothing_it_was_called_for_may_be_served_at_all)
{
    struct demo_history *h = history_new(4, 10);
    struct demo_evidence e = {0};

    CHECK(demo_history_newest_acked(h, 2) == 1);
    change(h, 5000);
    change(h, 5100);
    change(h, 0);
    CHECK(demo_history_newest_acked(h, 2) == 3);
    demo_history_floor(h, 2, demo_history_newest_acked(h, 2), 5150);
    CHECK(demo_history_judge(h, 2, 2, 5149, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 2, 5150, NULL) == DEMO_WITHIN);
    CHECK(demo_history_judge(h, 2, 2, 5151, &e) == DEMO_BROKEN);
    CHECK(e.strict);
    CHECK(e.superseded_by == 3);
    CHECK(e.acked_ns == 5150);
    CHECK(e.late_ns == 1);
    CHECK(demo_history_judge(h, 2, 1, 5151, NULL) == DEMO_BROKEN);
    CHECK(demo_history_judge(h, 2, 3, UINT64_MAX, NULL) == DEMO_FRESH);
    CHECK(demo_history_judge(h, 1, 1, UINT64_MAX, NULL) == DEMO_FRESH);
    free(h);
}

/* Against the definition, word by word: some change newer than the served version was
 * acknowledged more than L before the read began, or a strict removal for one was answered. */
TEST_SEEDS(the_judgement_is_the_definition_of_the_promise, 300)
{
    enum { ROWS = 3, CHANGES = 40 };
    struct demo_history *h = history_new(ROWS, CHANGES);
    uint64_t acked[ROWS][CHANGES + 2] = {{0}}, floor[ROWS] = {0}, since[ROWS] = {0}, now = 1;
    uint32_t newest[ROWS] = {1, 1, 1};

    for (int i = 0; i < CHANGES; i++) {
        uint32_t row = (uint32_t)test_random(rng, ROWS), version = 0, index = 0;
        CHECK(demo_history_begin(h, row, &version, &index) == ACCORD_OK);
        CHECK(version == ++newest[row]);
        now += test_random(rng, 400);
        if (test_random(rng, 5) == 0)
            continue;
        demo_history_acked(h, index, now);
        acked[row][version] = now;
        if (test_random(rng, 4) == 0) {
            now += test_random(rng, 400);
            floor[row] = demo_history_newest_acked(h, row);
            since[row] = now;
            demo_history_floor(h, row, version, now);
        }
    }
    for (int i = 0; i < 200; i++) {
        uint32_t row = (uint32_t)test_random(rng, ROWS);
        uint64_t served = 1 + test_random(rng, newest[row]);
        uint64_t started = test_random(rng, now + 2 * L);
        enum demo_verdict want = DEMO_FRESH;
        for (uint64_t v = served + 1; v <= newest[row]; v++) {
            if (acked[row][v] == 0 || acked[row][v] > started)
                continue;
            if (want == DEMO_FRESH)
                want = DEMO_WITHIN;
            if (started - acked[row][v] > L)
                want = DEMO_BROKEN;
        }
        if (served < floor[row] && since[row] < started)
            want = DEMO_BROKEN;
        CHECK(demo_history_judge(h, row, served, started, NULL) == want);
    }
    free(h);
}
