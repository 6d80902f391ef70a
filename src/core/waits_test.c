/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/waits.h"
#include "test.h"

static struct waits w;

static void begin(void)
{
    memset(&w, 0, sizeof w);
    waits_init(&w);
}

static struct wait *add(enum wait_kind kind, uint32_t load, uint64_t client, uint64_t deadline)
{
    struct wait wait = {.kind = kind, .load = load, .client = client, .deadline_ns = deadline};

    return waits_add(&w, &wait);
}

TEST(waits_stand_in_the_order_of_arrival_in_their_own_list)
{
    begin();
    add(WAIT_PUBLISH, 0, 1, 50);
    struct wait *b = add(WAIT_PUBLISH, 0, 2, 40);
    add(WAIT_PUBLISH, 0, 3, 30);
    add(WAIT_LOAD, 7, 4, 20);
    add(WAIT_LOAD, LOADS_MAX - 1, 5, 60);
    waits_remove(&w, b);
    CHECK(waits_first(&w, WAIT_PUBLISH)->client == 1);
    CHECK(waits_next(&w, waits_first(&w, WAIT_PUBLISH))->client == 3);
    CHECK(!waits_next(&w, waits_next(&w, waits_first(&w, WAIT_PUBLISH))));
    CHECK(!waits_first(&w, WAIT_APPLIED));
    CHECK(waits_first_of_load(&w, 7)->client == 4);
    CHECK(!waits_first_of_load(&w, 8));
    CHECK(waits_first_of_load(&w, LOADS_MAX - 1)->client == 5);
    waits_check(&w);
}

TEST(waits_expire_at_their_deadline_the_earliest_first)
{
    begin();
    CHECK(waits_deadline_ns(&w) == UINT64_MAX);
    add(WAIT_FRESH, 0, 1, 50);
    struct wait *b = add(WAIT_APPLIED, 0, 2, 40);
    CHECK(waits_deadline_ns(&w) == 40);
    CHECK(!waits_expired(&w, 39));
    CHECK(waits_expired(&w, 40) == b);
    waits_change(&w, b, WAIT_STRICT, 70);
    CHECK(waits_first(&w, WAIT_STRICT) == b);
    CHECK(!waits_first(&w, WAIT_APPLIED));
    CHECK(waits_expired(&w, 70)->client == 1);
    waits_remove(&w, waits_expired(&w, 70));
    CHECK(waits_expired(&w, 70) == b);
    CHECK(waits_of_client(&w, 2) == b);
    CHECK(!waits_of_client(&w, 1));
    waits_check(&w);
}

TEST(waits_take_exactly_their_bound)
{
    begin();
    for (uint64_t i = 0; i < WAITERS_MAX; i++) {
        CHECK(!waits_is_full(&w));
        add(WAIT_PUBLISH, 0, i, i);
    }
    CHECK(waits_is_full(&w));
    waits_remove(&w, waits_first(&w, WAIT_PUBLISH));
    CHECK(!waits_is_full(&w));
    CHECK(add(WAIT_FRESH, 0, 9, 9) != NULL);
    CHECK(waits_is_full(&w));
    waits_check(&w);
}

static struct wait *add_goal(enum wait_kind kind, uint64_t client, uint64_t goal)
{
    struct wait wait = {.kind = kind,
                        .client = client,
                        .deadline_ns = UINT64_MAX - client,
                        .position = kind == WAIT_APPLIED ? goal : 0,
                        .serial = kind == WAIT_FRESH ? goal : 0};

    return waits_add(&w, &wait);
}

TEST(waits_for_a_position_or_a_question_come_in_its_order)
{
    begin();
    CHECK(!waits_least(&w, WAIT_APPLIED));
    CHECK(!waits_least(&w, WAIT_FRESH));
    add_goal(WAIT_APPLIED, 1, 50);
    add_goal(WAIT_APPLIED, 2, 30);
    add_goal(WAIT_FRESH, 3, 7);
    add_goal(WAIT_FRESH, 4, 6);
    add(WAIT_CAUGHT, 0, 5, 1);
    CHECK(waits_least(&w, WAIT_APPLIED)->client == 2);
    CHECK(waits_least(&w, WAIT_FRESH)->client == 4);
    waits_remove(&w, waits_least(&w, WAIT_APPLIED));
    waits_remove(&w, waits_least(&w, WAIT_FRESH));
    CHECK(waits_least(&w, WAIT_APPLIED)->client == 1);
    CHECK(waits_least(&w, WAIT_FRESH)->client == 3);
    waits_check(&w);
}

/* Work, not time: what is found is paid for, at most a heap's depth a piece, and not what goes
 * on waiting. */
TEST(waits_are_found_without_looking_at_those_that_go_on_waiting)
{
    enum { FEW = 16, DEPTH = 16 };

    begin();
    for (uint64_t i = 0; i < WAITERS_MAX - 3 * FEW; i++)
        add_goal(i % 2 ? WAIT_APPLIED : WAIT_FRESH, 1000 + i, 1000000 + i);
    for (uint64_t i = 0; i < FEW; i++) {
        add_goal(WAIT_APPLIED, 1, i);
        add_goal(WAIT_FRESH, 2, i);
        add_goal(WAIT_APPLIED, 3, 1000000);
    }
    CHECK(waits_is_full(&w));
    w.looked_at = w.owners.looked_at = 0;
    size_t found = 0;
    for (struct wait *wait; (wait = waits_least(&w, WAIT_APPLIED))->position < 1000; found++)
        waits_remove(&w, wait);
    for (struct wait *wait; (wait = waits_least(&w, WAIT_FRESH))->serial < 1000; found++)
        waits_remove(&w, wait);
    for (struct wait *wait; (wait = waits_of_client(&w, 3)) != NULL; found++)
        waits_remove(&w, wait);
    CHECK(found == 3 * FEW);
    /* Each leaves two heaps, comparing four values a level. */
    CHECK(w.looked_at + w.owners.looked_at <= found * (2 * 4 * DEPTH + 2) + 3);
    w.looked_at = w.owners.looked_at = 0;
    CHECK(!waits_of_client(&w, WAITERS_MAX + 4711)); /* in a bucket with another */
    CHECK(waits_least(&w, WAIT_APPLIED)->position >= 1000);
    CHECK(w.looked_at + w.owners.looked_at <= 3);
    waits_check(&w);
}

/* Against a plain list of deadlines. */
TEST_SEEDS(waits_heap_and_lists_stay_in_step, 50)
{
    enum { CLIENTS = 64 };
    uint64_t deadlines[CLIENTS] = {0}; /* 0: not waiting */

    begin();
    for (int step = 0; step < 2000; step++) {
        uint64_t client = test_random(rng, CLIENTS), earliest = UINT64_MAX;
        uint64_t deadline = 1 + test_random(rng, 1000);
        struct wait *wait = waits_of_client(&w, client);

        CHECK((wait != NULL) == (deadlines[client] > 0));
        if (!wait) {
            add((enum wait_kind)test_random(rng, WAIT_KINDS), (uint32_t)client, client,
                deadline);
            deadlines[client] = deadline;
        } else if (wait->kind != WAIT_LOAD && test_random(rng, 2) == 0) {
            waits_change(&w, wait, (enum wait_kind)test_random(rng, WAIT_LOAD), deadline);
            deadlines[client] = deadline;
        } else {
            waits_remove(&w, wait);
            deadlines[client] = 0;
        }
        for (int i = 0; i < CLIENTS; i++)
            if (deadlines[i] > 0 && deadlines[i] < earliest)
                earliest = deadlines[i];
        CHECK(waits_deadline_ns(&w) == earliest);
    }
    waits_check(&w);
}
