/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/cold.h"

#include "test.h"

static const struct position at = {7, 42};

TEST(nothing_runs_where_nothing_was_dropped)
{
    struct cold c = {.waits = false};

    CHECK(cold_due(&c, NS_PER_S, true) == COLD_NOTHING);
    CHECK(cold_deadline_ns(&c) == UINT64_MAX);
}

TEST(it_runs_once_the_lease_is_held_and_not_before)
{
    struct cold c = {.waits = false};

    cold_boot(&c, NS_PER_S, NS_PER_S, "gone", "pruned", at);
    CHECK(cold_due(&c, NS_PER_S, false) == COLD_NOTHING);
    CHECK(cold_due(&c, 3 * NS_PER_S, true) == COLD_FRESH);
    CHECK(strcmp(c.cause, "gone") == 0 && strcmp(c.why, "pruned") == 0);
    CHECK(c.position.value == 42);
    CHECK(cold_due(&c, 3 * NS_PER_S, true) == COLD_NOTHING);
    CHECK(cold_deadline_ns(&c) == UINT64_MAX);
}

TEST(a_node_that_stays_unsure_tells_it_once_and_again_when_it_is_fresh)
{
    struct cold c = {.waits = false};

    cold_boot(&c, NS_PER_S, NS_PER_S, "gone", "pruned", at);
    CHECK(cold_deadline_ns(&c) == 11 * NS_PER_S);
    CHECK(cold_due(&c, 11 * NS_PER_S - 1, false) == COLD_NOTHING);
    CHECK(cold_due(&c, 11 * NS_PER_S, false) == COLD_UNSURE);
    CHECK(cold_due(&c, 99 * NS_PER_S, false) == COLD_NOTHING);
    CHECK(cold_deadline_ns(&c) == UINT64_MAX);
    CHECK(cold_due(&c, 100 * NS_PER_S, true) == COLD_FRESH);
    CHECK(cold_due(&c, 100 * NS_PER_S, true) == COLD_NOTHING);
}

TEST(a_newer_drop_takes_the_place_of_one_that_waits)
{
    struct cold c = {.waits = false};

    cold_boot(&c, NS_PER_S, NS_PER_S, "start", "first", at);
    cold_boot(&c, 2 * NS_PER_S, NS_PER_S, "epoch", "second", at);
    CHECK(cold_deadline_ns(&c) == 12 * NS_PER_S);
    CHECK(cold_due(&c, 3 * NS_PER_S, true) == COLD_FRESH);
    CHECK(strcmp(c.why, "second") == 0);
    CHECK(cold_due(&c, 3 * NS_PER_S, true) == COLD_NOTHING);
}
