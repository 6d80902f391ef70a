/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

static struct fleet_node *fresh_node(struct fleet *f, const char *name)
{
    struct fleet_node *n = fleet_add(f, name);

    fleet_start(f, n);
    fleet_settle(f);
    return n;
}

static struct fleet_answer *change(struct fleet *f, struct fleet_node *n, uint64_t max_stale_ns)
{
    struct request r = {.op = REQUEST_MAX_STALE, .max_stale_ns = max_stale_ns};
    struct fleet_answer *a = fleet_request(f, n, r);

    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1);
    return a;
}

static bool is(struct fleet *f, struct fleet_node *n, uint64_t cluster_ns, uint64_t used_ns,
               uint64_t waited_ns)
{
    struct core_status s = fleet_status(f, n);

    return s.max_stale_ns == cluster_ns && s.stale_used_ns == used_ns &&
           s.stale_waited_ns == waited_ns;
}

TEST(stage_a_raised_max_stale_is_waited_for_at_once_and_used_later)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh_node(f, "web1"), *b = fresh_node(f, "web2");

    CHECK(change(f, a, 4 * FLEET_L)->reply.status == ACCORD_OK);
    CHECK(is(f, a, 4 * FLEET_L, FLEET_L, 4 * FLEET_L));
    CHECK(is(f, b, 4 * FLEET_L, FLEET_L, 4 * FLEET_L));
    CHECK(b->notes[NOTE_MAX_STALE] == 1);
    fleet_run(f, 6 * FLEET_L - 200 * NS_PER_MS);
    CHECK(is(f, b, 4 * FLEET_L, FLEET_L, 4 * FLEET_L));
    CHECK(fleet_status(f, b).lease_left_ns <= FLEET_L);
    fleet_run(f, 300 * NS_PER_MS);
    CHECK(is(f, a, 4 * FLEET_L, 4 * FLEET_L, 4 * FLEET_L));
    CHECK(is(f, b, 4 * FLEET_L, 4 * FLEET_L, 4 * FLEET_L));
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, b).lease_left_ns > 2 * FLEET_L);
    CHECK(fleet_status(f, a).lease_losses + fleet_status(f, b).lease_losses == 0);
    fleet_free(f);
}

TEST(stage_a_lowered_max_stale_is_used_at_once_and_the_old_one_waited_for)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh_node(f, "web1"), *b = fresh_node(f, "web2");

    fleet_run(f, NS_PER_S);
    CHECK(change(f, a, NS_PER_S)->reply.status == ACCORD_OK);
    CHECK(is(f, b, NS_PER_S, NS_PER_S, FLEET_L));
    CHECK(reader_deadline_ns(&b->segment.reader, NULL, NULL) <= fleet_clock(f, b) + NS_PER_S);
    fleet_run(f, FLEET_L + FLEET_L / 2 - 200 * NS_PER_MS);
    CHECK(is(f, b, NS_PER_S, NS_PER_S, FLEET_L));
    /* Who comes now is told that some may still go by the old one. */
    struct fleet_node *late = fleet_add(f, "web3");
    fleet_start(f, late);
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(is(f, late, NS_PER_S, NS_PER_S, FLEET_L));
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(is(f, a, NS_PER_S, NS_PER_S, NS_PER_S));
    CHECK(is(f, b, NS_PER_S, NS_PER_S, NS_PER_S));
    CHECK(is(f, late, NS_PER_S, NS_PER_S, FLEET_L));
    CHECK(fleet_status(f, a).lease_losses + fleet_status(f, b).lease_losses == 0);
    /* The stage is over, and the log says so. */
    CHECK(f->max_stale_ns == NS_PER_S && f->max_stale_before_ns == NS_PER_S);
    fleet_run(f, 2 * FLEET_L);
    CHECK(is(f, late, NS_PER_S, NS_PER_S, NS_PER_S));
    fleet_free(f);
}

TEST(stage_two_changes_at_once_wait_for_the_largest)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh_node(f, "web1"), *b = fresh_node(f, "web2");

    CHECK(change(f, a, 3 * FLEET_L)->reply.status == ACCORD_OK);
    CHECK(change(f, b, 2 * FLEET_L)->reply.status == ACCORD_OK);
    CHECK(is(f, a, 2 * FLEET_L, FLEET_L, 3 * FLEET_L));
    CHECK(is(f, b, 2 * FLEET_L, FLEET_L, 3 * FLEET_L));
    CHECK(f->max_stale_before_ns == 3 * FLEET_L);
    fleet_run(f, 5 * FLEET_L);
    CHECK(is(f, a, 2 * FLEET_L, 2 * FLEET_L, 2 * FLEET_L));
    fleet_free(f);
}

TEST(stage_refuses_what_is_no_bound_and_keeps_the_node_s_own)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.max_stale_given = true;
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(change(f, n, 499 * NS_PER_MS)->reply.status == ACCORD_E_INVALID);
    CHECK(change(f, n, 3600 * NS_PER_S + NS_PER_MS)->reply.status == ACCORD_E_INVALID);
    CHECK(is(f, n, FLEET_L, FLEET_L, FLEET_L));
    CHECK(change(f, n, 2 * FLEET_L)->reply.status == ACCORD_OK);
    fleet_run(f, 4 * FLEET_L);
    CHECK(is(f, n, 2 * FLEET_L, FLEET_L, 2 * FLEET_L)); /* it is tighter, as it was told */
    CHECK(change(f, n, NS_PER_S)->reply.status == ACCORD_OK);
    CHECK(is(f, n, NS_PER_S, NS_PER_S, 2 * FLEET_L));
    fleet_free(f);
}

/* A reader of a node that is cut off goes by the deadline that it has; a strict removal during
 * a change must wait for that. */
TEST_SEEDS(stage_no_strict_removal_is_answered_while_an_old_lease_runs, 40)
{
    struct fleet *f = fleet_new(rng);
    struct fleet_node *a = fresh_node(f, "web1"), *b = fresh_node(f, "web2");
    uint64_t bounds[] = {NS_PER_S, FLEET_L, 2 * FLEET_L, 3 * FLEET_L};

    fleet_run(f, 20 * FLEET_L);
    for (int round = 0; round < 6; round++) {
        struct token token = fleet_get(f, b, "k").token;
        (void)fleet_request(f, b, fleet_fill("k", "v", &token));
        struct request r = {.op = REQUEST_MAX_STALE,
                            .max_stale_ns = bounds[test_random(rng, 4)]};
        (void)fleet_request(f, a, r);
        if (test_random(rng, 2))
            (void)fleet_request(f, b, r);
        fleet_run(f, test_random(rng, 40 * NS_PER_MS)); /* perhaps it has not heard of it */
        fleet_cut(f, b, true);
        fleet_run(f, test_random(rng, 3) ? 0 : test_random(rng, 6 * FLEET_L));
        struct request strict = fleet_remove("k");
        strict.want_strict = true;
        strict.wait_ns = 60 * FLEET_L;
        struct fleet_answer *answer = fleet_request(f, a, strict);
        for (int i = 0; i < 5000 && answer->count == 0; i++)
            fleet_run(f, 10 * NS_PER_MS);
        CHECK(answer->count == 1);
        if (answer->reply.status == ACCORD_OK)
            CHECK(fleet_get(f, b, "k").state != ACCORD_HIT);
        fleet_cut(f, b, false);
        fleet_settle(f);
        fleet_run(f, 2 * FLEET_L);
    }
    fleet_free(f);
}

static void fill_outbox(struct fleet *f, struct fleet_node *n)
{
    static struct bytes keys[REMOVE_KEYS_MAX];
    struct request r = {.op = REQUEST_REMOVE, .keys = keys, .key_count = REMOVE_KEYS_MAX};

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        keys[i] = bytes_of_text("k");
    for (size_t i = 0; i < OUTBOX_CHANGES_MAX / REMOVE_KEYS_MAX; i++)
        fleet_request(f, n, r);
    CHECK(fleet_status(f, n).outbox == OUTBOX_CHANGES_MAX);
}

TEST(stage_is_asked_of_members_that_have_room_for_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->cut = true;
    fleet_start(f, n);
    CHECK(change(f, n, NS_PER_S)->reply.status == ACCORD_E_DOWN); /* never attached */
    fleet_cut(f, n, false);
    fleet_settle(f);
    CHECK(change(f, n, 2 * NS_PER_S)->reply.status == ACCORD_OK);
    fleet_run(f, FLEET_L + FLEET_L / 2 - 300 * NS_PER_MS);
    CHECK(is(f, n, 2 * NS_PER_S, 2 * NS_PER_S, FLEET_L));
    fleet_cut(f, n, true);
    fill_outbox(f, n);
    CHECK(change(f, n, NS_PER_S)->reply.status == ACCORD_E_FULL);
    fleet_run(f, 300 * NS_PER_MS); /* the stage ends, and cannot be told */
    CHECK(is(f, n, 2 * NS_PER_S, 2 * NS_PER_S, 2 * NS_PER_S));
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    CHECK(change(f, n, NS_PER_S)->reply.status == ACCORD_E_DOWN);
    fleet_free(f);
}
