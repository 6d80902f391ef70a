/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Two processes with one incarnation: a machine was cloned, or set back to an earlier moment.
 */
#include "core/fleet.h"

static const struct id128 web9 = {9, 9};

static uint64_t hash_at(const struct fleet *f, uint64_t position)
{
    for (size_t i = 0; i < f->log_count; i++)
        if (f->entries[i].position == position)
            return entry_hash(position, f->entries[i].held.change.message);
    return 0;
}

/* web9, which is no core: its change, or its beat. */
static void say(struct fleet *f, enum change_op op, uint64_t sequence, uint64_t applied)
{
    struct change c = {
        .op = op, .origin = bytes_of_text("web9"), .incarnation = web9, .sequence = sequence};

    if (op == CHANGE_BEAT || op == CHANGE_JOIN) {
        c.nonce = sequence + f->now_ns;
        c.applied = applied;
        c.applied_hash = applied > 0 ? hash_at(f, applied) : 0;
        c.lease_epoch = applied > 0 ? f->epoch : 0;
    } else if (op == CHANGE_REMOVE) {
        c.key = bytes_of_text("a");
    }
    fleet_insert_change(f, c);
}

static struct fleet_node *fresh_node(struct fleet *f, const char *name)
{
    struct fleet_node *n = fleet_add(f, name);

    fleet_start(f, n);
    fleet_settle(f);
    return n;
}

/* Draws what `of` draws, and has its incarnation. */
static struct fleet_node *clone(struct fleet *f, const struct fleet_node *of)
{
    struct fleet_node *n = fleet_add(f, of->name);

    n->is_clone = true;
    n->settings.incarnation = of->settings.incarnation;
    memcpy(n->settings.random, of->settings.random, sizeof n->settings.random);
    return n;
}

static bool blames_a_clone(const struct fleet *f, const struct fleet_node *n)
{
    return strstr(fleet_status(f, n).why, "another process bears this node's identity") != NULL;
}

TEST(twin_is_known_by_a_number_that_this_node_has_not_given_yet)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text("x"),
                       .origin = bytes_of_text("web1"),
                       .incarnation = n->settings.incarnation,
                       .sequence = 1000};

    fleet_insert_change(f, c);
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(n->fatal);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(blames_a_clone(f, n));
    CHECK(fleet_status(f, n).drops[DROP_TWINS] == 1);
    CHECK(fleet_status(f, n).cold_boots == 1);
    fleet_free(f);
}

TEST(twin_is_known_by_another_change_under_a_number_of_ours_and_its_removal_counts)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct token token = fleet_get(f, n, "x").token;
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text("x"),
                       .origin = bytes_of_text("web1"),
                       .incarnation = n->settings.incarnation,
                       .sequence = 1};

    CHECK(fleet_request(f, n, fleet_fill("x", "v", &token))->reply.status == ACCORD_OK);
    fleet_insert_change(f, c);
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(n->fatal);
    CHECK(fleet_get(f, n, "x").state != ACCORD_HIT);
    fleet_free(f);
}

TEST(twin_of_a_node_ends_it_without_a_leave_that_would_be_taken_for_the_twin_s)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct change c = {.op = CHANGE_BEAT,
                       .nonce = 7,
                       .origin = bytes_of_text("web1"),
                       .incarnation = n->settings.incarnation,
                       .sequence = 1000};

    fleet_insert_change(f, c);
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(n->fatal);
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(n->stopped);
    for (size_t i = 0; i < f->log_count; i++)
        CHECK(f->entries[i].held.change.op != CHANGE_LEAVE);
    fleet_free(f);
}

/* What a bus that keeps no beats puts where a reader has missed one (bus/xmpp/missed.h). */
TEST(twin_is_not_seen_in_what_stands_for_a_beat_that_was_missed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct fleet_node *bystander = fresh_node(f, "web2");
    struct change c = {.op = CHANGE_BEAT,
                       .message = {7, 7},
                       .origin = bytes_of_text("web1"),
                       .incarnation = n->settings.incarnation};

    fleet_run(f, FLEET_L);
    for (c.sequence = 1; c.sequence < 4; c.sequence++)
        fleet_insert_change(f, c);
    fleet_run(f, FLEET_L);
    CHECK(!n->fatal);
    CHECK(fleet_status(f, n).drops[DROP_TWINS] == 0);
    CHECK(fleet_status(f, bystander).drops[DROP_TWINS] == 0);
    fleet_free(f);
}

TEST(twins_both_end_and_who_looks_on_drops_at_most_twice_and_is_fresh_again)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct fleet_node *bystander = fresh_node(f, "web2");

    fleet_run(f, FLEET_L);
    struct fleet_node *twin = clone(f, n);
    fleet_start(f, twin);
    fleet_run(f, 2 * FLEET_L);
    CHECK(n->fatal);
    CHECK(twin->fatal);
    CHECK(blames_a_clone(f, n));
    CHECK(blames_a_clone(f, twin));
    CHECK(fleet_status(f, bystander).cold_boots <= 2);
    CHECK(fleet_status(f, bystander).fresh);
    fleet_kill(f, twin);
    fleet_kill(f, n);
    n->fatal = false;
    fleet_start(f, n); /* as its service manager does */
    fleet_settle(f);
    CHECK(fleet_status(f, bystander).cold_boots <= 2);
    fleet_free(f);
}

/* Neither of web9's two processes reads the log, so neither learns of the other. */
TEST(twins_that_do_not_end_cost_others_no_more_drops_than_their_numbers_are_apart)
{
    for (uint64_t behind = 0; behind < 4; behind++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fresh_node(f, "web1");

        say(f, CHANGE_BEAT, 10, 0);
        for (uint64_t i = 0; i < 100; i++) {
            say(f, CHANGE_REMOVE, 11 + i, 0);
            fleet_run(f, FLEET_L / 20);
            say(f, CHANGE_REMOVE, 11 + i - behind, 0);
            fleet_run(f, FLEET_L / 20);
        }
        CHECK(fleet_status(f, n).cold_boots == (behind == 0 ? 1 : behind));
        CHECK(fleet_status(f, n).drops[DROP_TWINS] == 1);
        CHECK(fleet_status(f, n).fresh);
        fleet_free(f);
    }
}

TEST(twins_confirm_no_strict_removal_and_the_leave_of_one_is_none)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = fleet_remove("k");

    say(f, CHANGE_JOIN, 1, 0);
    say(f, CHANGE_BEAT, 2, 0);
    say(f, CHANGE_BEAT, 2, 0);
    fleet_run(f, 16 * FLEET_L); /* the view is old enough to know who is there */
    CHECK(fleet_status(f, n).drops[DROP_TWINS] == 1);
    say(f, CHANGE_BEAT, 3, 0);
    fleet_run(f, NS_PER_S / 10);
    r.want_strict = true;
    r.wait_ns = 4 * FLEET_L;
    struct fleet_answer *a = fleet_request(f, n, r);
    uint64_t asked_ns = f->now_ns;
    fleet_run(f, NS_PER_S / 10);
    say(f, CHANGE_BEAT, 4, f->newest); /* one of them has applied it */
    say(f, CHANGE_LEAVE, 5, 0);
    fleet_run(f, NS_PER_S / 10);
    CHECK(a->count == 0);
    while (a->count == 0)
        fleet_run(f, NS_PER_S / 10);
    CHECK(a->reply.status == ACCORD_OK); /* its lease has run out */
    CHECK(f->now_ns - asked_ns >= FLEET_L + FLEET_L / 2);
    fleet_free(f);
}
