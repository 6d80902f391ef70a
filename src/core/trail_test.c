/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/trail.h"
#include "test.h"

static struct id128 message(uint64_t n)
{
    return (struct id128){n * 7 + 1, n};
}

static void start(struct trail *t, uint64_t after)
{
    trail_start(t, (struct id128){1, 2}, /* epoch= */ 3, after);
}

TEST(trail_knows_next_repeat_and_replaced_entries)
{
    static struct trail t;

    start(&t, 10);
    CHECK(trail_hash(&t, t.cursor.position) == 0);
    CHECK(trail_look(&t, 10, message(1)) == TRAIL_REPEAT); /* unknown: before the view */
    CHECK(trail_look(&t, 12, message(2)) == TRAIL_NEXT);
    trail_move(&t, 12, message(2));
    CHECK(trail_look(&t, 12, message(2)) == TRAIL_REPEAT);
    CHECK(trail_look(&t, 12, message(3)) == TRAIL_REPLACED);
    CHECK(trail_look(&t, 11, message(3)) == TRAIL_REPEAT); /* a hole in positions is normal */
    CHECK(t.cursor.position == 12);
    CHECK(id128_equal(t.cursor.message, message(2)));
}

TEST(trail_of_two_nodes_agrees_whatever_they_saw_before)
{
    static struct trail a, b;

    start(&a, 0);
    start(&b, 5);
    for (uint64_t i = 1; i <= 9; i++) {
        trail_move(&a, i, message(i));
        if (i > 5)
            trail_move(&b, i, message(i));
    }
    CHECK(!trail_diverged(&a, 9, trail_hash(&b, b.cursor.position)));
    CHECK(!trail_diverged(&b, 9, trail_hash(&a, a.cursor.position)));
    CHECK(!trail_diverged(&b, 3, 12345));  /* not seen here */
    CHECK(!trail_diverged(&a, 10, 12345)); /* not yet */
    CHECK(!trail_diverged(&a, 9, 0));      /* says nothing */
    CHECK(
        trail_diverged(&a, 8, trail_hash(&b, b.cursor.position))); /* another position's hash */
    trail_move(&a, 10, message(10));
    trail_move(&b, 10, message(11));
    CHECK(trail_diverged(&a, 10, trail_hash(&b, b.cursor.position)));
    CHECK(trail_diverged(&b, 10, trail_hash(&a, a.cursor.position)));
}

TEST(trail_remembers_exactly_its_last_entries)
{
    static struct trail t;

    start(&t, 0);
    for (uint64_t i = 1; i <= TRAIL_ENTRIES_MAX; i++)
        trail_move(&t, 2 * i, message(i));
    CHECK(trail_diverged(&t, 2, 1));
    trail_move(&t, 2 * TRAIL_ENTRIES_MAX + 2, message(0));
    CHECK(!trail_diverged(&t, 2, 1));
    CHECK(trail_diverged(&t, 4, 1));
    CHECK(!trail_diverged(&t, 5, 1));
}

TEST(trail_takes_an_entry_that_comes_late_to_its_place)
{
    struct trail a, b;

    trail_start(&a, (struct id128){1, 1}, 1, 0);
    trail_start(&b, (struct id128){1, 1}, 1, 0);
    for (uint64_t i = 1; i <= 3 * TRAIL_ENTRIES_MAX; i++) {
        trail_move(&a, i, (struct id128){5, i});
        if (i % 100 != 0)
            trail_move(&b, i, (struct id128){5, i});
    }
    uint64_t newest = 3 * TRAIL_ENTRIES_MAX - 3 * TRAIL_ENTRIES_MAX % 100;
    CHECK(trail_hash(&b, newest) == 0);
    trail_add_late(&b, newest - 100, (struct id128){5, newest - 100});
    trail_add_late(&b, newest, (struct id128){5, newest});
    trail_add_late(&b, 100, (struct id128){5, 100}); /* long forgotten */
    CHECK(b.cursor.position == a.cursor.position);
    for (uint64_t i = a.cursor.position - TRAIL_ENTRIES_MAX + 2; i <= a.cursor.position; i++)
        CHECK(trail_hash(&b, i) == (i % 100 == 0 && i < newest - 100 ? 0 : trail_hash(&a, i)));
    CHECK(trail_look(&b, newest, (struct id128){6, newest}) == TRAIL_REPLACED);
}

TEST(trail_of_few_entries_takes_one_that_comes_late)
{
    struct trail t;

    trail_start(&t, (struct id128){1, 1}, 1, 10);
    trail_move(&t, 20, (struct id128){5, 20});
    trail_move(&t, 40, (struct id128){5, 40});
    trail_add_late(&t, 30, (struct id128){5, 30});
    CHECK(trail_reaches(&t, 20) && trail_reaches(&t, 25) && !trail_reaches(&t, 19));
    CHECK(trail_hash(&t, 20) != 0 && trail_hash(&t, 30) != 0 && trail_hash(&t, 40) != 0);
    trail_move(&t, 50, (struct id128){5, 50});
    CHECK(trail_hash(&t, 50) != 0 && trail_hash(&t, 30) != 0);
}

TEST(trail_that_remembers_nothing_takes_nothing_late_and_reaches_nowhere)
{
    struct trail t;

    start(&t, 10);
    trail_add_late(&t, 5, message(5));
    CHECK(trail_hash(&t, 5) == 0);
    CHECK(!trail_reaches(&t, 5));
    CHECK(!trail_reaches(&t, 10));
    trail_move(&t, 11, message(11));
    CHECK(trail_reaches(&t, 11));
    CHECK(!trail_reaches(&t, 10));
}
