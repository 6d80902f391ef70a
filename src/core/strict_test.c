/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"
#include "core/inside.h"

enum { KEYS = 3, JOBS = 6, GHOSTS_MAX = 6, REMOVALS_MAX = 4000 };

static const char *const keys[KEYS] = {"a", "b", "c"};
static const uint64_t lapse_ns = FLEET_L + FLEET_L / 2;

static struct request strictly(const char *key, uint64_t wait_ns)
{
    struct request r = fleet_remove(key);

    r.want_strict = true;
    r.wait_ns = wait_ns;
    return r;
}

/* Web1, web2 and web3, fresh; web2 has "k". `ripe`: they have watched the log for long. */
static struct fleet *three(bool ripe)
{
    struct fleet *f = fleet_new(NULL);

    fleet_start(f, fleet_add(f, "web1"));
    fleet_start(f, fleet_add(f, "web2"));
    fleet_start(f, fleet_add(f, "web3"));
    fleet_settle(f);
    if (ripe)
        fleet_run(f, 6 * FLEET_L);
    struct token token = fleet_get(f, &f->nodes[1], "k").token;
    CHECK(fleet_request(f, &f->nodes[1], fleet_fill("k", "old", &token))->reply.status ==
          ACCORD_OK);
    CHECK(fleet_hits(f, &f->nodes[1], "k", "old"));
    return f;
}

static bool says(const struct fleet_answer *a, int status, const char *why)
{
    return a->count == 1 && a->reply.status == status && a->reply.why_text &&
           strcmp(a->reply.why_text, why) == 0;
}

/* Texts live for one step only: each answer is compared as it comes. */
static const char *expected;
static int expected_status;

static void compare(struct fleet *f, struct fleet_answer *a)
{
    (void)f;
    CHECK(says(a, expected_status, expected));
}

static void expect(struct fleet *f, int status, const char *why)
{
    expected = why;
    expected_status = status;
    f->answered = compare;
}

TEST(strict_removal_is_done_as_soon_as_every_member_has_confirmed)
{
    struct fleet *f = three(/* ripe= */ true);

    expect(f, ACCORD_OK, "confirmed by web2, web3");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    CHECK(a->count == 0);
    fleet_run(f, 20 * NS_PER_MS); /* there, back, and the beats */
    CHECK(a->count == 1 && a->reply.has_position);
    CHECK(!fleet_hits(f, &f->nodes[1], "k", "old"));
    fleet_free(f);
}

TEST(strict_removal_by_tag_and_clear_are_confirmed_at_once_too)
{
    struct fleet *f = three(/* ripe= */ true);
    struct request tag = strictly("t", NS_PER_S), all = fleet_clear("*");

    expect(f, ACCORD_OK, "confirmed by web2, web3");
    tag.op = REQUEST_REMOVE_TAG;
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], tag);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    all.want_strict = true;
    all.wait_ns = NS_PER_S;
    a = fleet_request(f, &f->nodes[2], all);
    expect(f, ACCORD_OK, "confirmed by web1, web2");
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(!fleet_hits(f, &f->nodes[1], "k", "old"));
    fleet_free(f);
}

TEST(strict_removal_of_a_node_with_a_young_view_waits_for_every_lease_to_run_out)
{
    struct fleet *f = three(/* ripe= */ false);

    expect(f, ACCORD_OK, "confirmed by web2, web3");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, lapse_ns - NS_PER_MS);
    CHECK(a->count == 0);
    fleet_run(f, 5 * NS_PER_MS);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_of_a_node_with_a_young_view_says_how_much_longer_to_wait)
{
    struct fleet *f = three(/* ripe= */ false);

    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_TIMEOUT);
    CHECK(strstr(a->reply.why_text, "with a wait that is 3.5"));
    CHECK(strstr(a->reply.why_text, " s longer it would be answered"));
    fleet_free(f);
}

/* The log is made anew and its positions begin again below where everybody once joined: who
 * beats there is a member all the same. */
TEST(strict_removal_in_a_shorter_log_waits_for_those_who_joined_in_a_longer_one)
{
    struct fleet *f = fleet_new(NULL);

    for (int i = 0; i < 200; i++)
        fleet_insert(f, CHANGE_REMOVE, "other");
    fleet_start(f, fleet_add(f, "web1"));
    fleet_start(f, fleet_add(f, "web2"));
    fleet_settle(f);
    fleet_lose_tail(f, f->log_count);
    fleet_run(f, 6 * FLEET_L);
    fleet_settle(f);
    fleet_cut(f, &f->nodes[1], true);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web2");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_that_runs_out_of_time_names_who_has_not_confirmed)
{
    struct fleet *f = three(/* ripe= */ true);

    fleet_cut(f, &f->nodes[1], true);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web2");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S - 1);
    CHECK(a->count == 0);
    CHECK(fleet_hits(f, &f->nodes[1], "k", "old")); /* it is unknown for a reason */
    fleet_run(f, 1);
    CHECK(a->count == 1);
    fleet_cut(f, &f->nodes[2], true);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web2, web3");
    a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1);
    fleet_free(f);
}

/* Joins of nodes that are no core: who is asked names eight, and counts the others. */
TEST(strict_removal_names_eight_nodes_and_counts_the_rest)
{
    static const char *const ghosts[] = {"g0", "g1", "g2", "g3", "g4",
                                         "g5", "g6", "g7", "g8", "g9"};
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    fleet_start(f, n);
    fleet_settle(f);
    for (size_t i = 0; i < COUNT_OF(ghosts); i++)
        fleet_insert_change(f, (struct change){.op = CHANGE_JOIN,
                                               .origin = bytes_of_text(ghosts[i]),
                                               .incarnation = {100 + i, 1},
                                               .sequence = 1});
    fleet_run(f, 20 * NS_PER_MS);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by g0, g1, g2, g3, g4, g5, g6, g7 and 2 more");
    struct fleet_answer *a = fleet_request(f, n, strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_is_done_when_the_lease_of_who_is_cut_off_has_run_out)
{
    struct fleet *f = three(/* ripe= */ true);

    fleet_cut(f, &f->nodes[1], true);
    expect(f, ACCORD_OK, "confirmed by web3; lapsed: web2");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, lapse_ns);
    CHECK(a->count == 0); /* it counts from the answer of the bus */
    fleet_run(f, 5 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(!fleet_hits(f, &f->nodes[1], "k", "old"));
    fleet_free(f);
}

TEST(strict_removal_takes_no_later_beat_for_a_confirmation)
{
    struct fleet *f = three(/* ripe= */ true);

    f->nodes[1].reading = false; /* it beats on, and applies nothing */
    size_t beats = fleet_log_count(f, CHANGE_BEAT, NULL);
    expect(f, ACCORD_OK, "confirmed by web3; lapsed: web2");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, lapse_ns);
    CHECK(fleet_log_count(f, CHANGE_BEAT, NULL) >= beats + 3);
    CHECK(a->count == 0);
    fleet_run(f, 5 * NS_PER_MS);
    CHECK(a->count == 1);
    fleet_free(f);
}

/* Web2 has not noticed yet that the log was cut back, and its beat was on its way: the place
 * that it names is of what was lost, and nothing of what stands there now has reached it. */
TEST(strict_removal_takes_no_place_in_a_log_that_was_lost_for_a_confirmation)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_node *n = &f->nodes[0];

    f->nodes[1].reading = false;
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web2");
    struct fleet_answer *a = fleet_request(f, n, strictly("k", NS_PER_S));
    fleet_run(f, 5 * NS_PER_MS);
    struct change beat = {
        .op = CHANGE_BEAT, .origin = bytes_of_text("web2"), .message = {78, 1}};
    beat.incarnation = f->nodes[1].settings.incarnation;
    beat.lease_epoch = f->epoch;
    beat.applied = fleet_status(f, n).cursor.position + 50;
    beat.applied_hash = 12345;
    fleet_insert_change(f, beat);
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_does_not_wait_for_who_has_been_silent_long_enough)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fixture left = f->nodes[2].segment;

    fleet_kill(f, &f->nodes[2]);
    fleet_run(f, f->nodes[0].core->silence_ns + FLEET_L);
    expect(f, ACCORD_OK, "confirmed by web2; lapsed: web3");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    fixture_done(&left);
    fleet_free(f);
}

TEST(strict_removal_is_not_confirmed_by_a_restarted_node_for_its_predecessor)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fixture left = f->nodes[2].segment;

    fleet_kill(f, &f->nodes[2]);
    fleet_start(f, &f->nodes[2]);
    fleet_run(f, NS_PER_S);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web3");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1);
    fixture_done(&left);
    fleet_free(f);
}

TEST(strict_removal_waits_for_a_member_of_which_only_beats_were_seen)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *first = fleet_add(f, "web1"), *second = fleet_add(f, "web2");

    fleet_start(f, second);
    fleet_run(f, 7 * FLEET_L); /* its join is older than what web1 will read */
    fleet_start(f, first);
    fleet_run(f, 7 * FLEET_L);
    CHECK(core_member_count(first->core) == 2);
    fleet_cut(f, second, true);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web2");
    struct fleet_answer *a = fleet_request(f, first, strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_does_not_wait_for_who_has_left)
{
    struct fleet *f = three(/* ripe= */ true);

    fleet_step(f, &f->nodes[2], &(struct event){.type = EVENT_STOP});
    fleet_run(f, NS_PER_S);
    CHECK(f->nodes[2].stopped);
    expect(f, ACCORD_OK, "confirmed by web2");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    fleet_free(f);
}

/* Head questions of this node that were asked so far. */
static unsigned questions(const struct fleet_node *n)
{
    return n->asks;
}

TEST(strict_removal_is_answered_only_after_a_question_that_left_after_the_last_confirmation)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_node *n = &f->nodes[0];

    n->core->ask_due_ns = UINT64_MAX; /* none but who is wanted */
    fleet_run(f, 50 * NS_PER_MS);
    unsigned before = questions(n);
    struct fleet_answer *a = fleet_request(f, n, strictly("k", 10 * NS_PER_S));
    while (questions(n) == before)
        fleet_run(f, NS_PER_MS);
    CHECK(a->count == 0);
    for (size_t i = 1; i < 3; i++)
        CHECK(n->core->members.list[i].view.applied >=
              waits_first(&n->core->waits, WAIT_PROOF)->position);
    expect(f, ACCORD_OK, "confirmed by web2, web3");
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(questions(n) == before + 1);
    fleet_free(f);
}

TEST(strict_removal_that_all_confirmed_is_unknown_where_the_bus_proves_nothing_any_more)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_node *n = &f->nodes[0];
    struct fleet_answer *a = fleet_request(f, n, strictly("k", 10 * NS_PER_S));

    while (waits_count(&n->core->waits, WAIT_PROOF) == 0)
        fleet_run(f, NS_PER_MS / 10);
    fleet_cut(f, n, true);
    expect(f, ACCORD_E_TIMEOUT, "the bus does not say whether the removal is still there");
    fleet_run(f, 11 * NS_PER_S);
    CHECK(a->count == 1);
    fleet_free(f);
}

/* All confirmed; then the log loses the removal before the answer, and the epoch says so. */
TEST(strict_removal_is_unknown_where_its_entry_is_gone_between_confirmation_and_answer)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_node *n = &f->nodes[0];
    struct fleet_answer *a = fleet_request(f, n, strictly("k", 10 * NS_PER_S));

    while (waits_count(&n->core->waits, WAIT_PROOF) == 0)
        fleet_run(f, NS_PER_MS / 10);
    CHECK(a->count == 0);
    expect(f, ACCORD_E_TIMEOUT, "the log has changed since; remove it again");
    fleet_lose_tail(f, 5);
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1);
    fleet_free(f);
}

/* The log loses the removal before its sender has read it back, and another entry takes its
 * position, under the same epoch: that is not the removal come back. */
TEST(strict_removal_is_unknown_where_another_entry_came_back_in_its_place)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_node *n = &f->nodes[0];

    for (size_t i = 0; i < 3; i++)
        f->nodes[i].reading = false;
    size_t before = f->log_count;
    struct fleet_answer *a = fleet_request(f, n, strictly("k", 10 * NS_PER_S));
    while (waits_count(&n->core->waits, WAIT_STRICT) == 0)
        fleet_run(f, NS_PER_MS / 10);
    uint64_t epoch = f->epoch;
    fleet_lose_tail(f, f->log_count - before);
    f->epoch = epoch;
    for (size_t i = 0; i < 3; i++)
        f->nodes[i].reading = true;
    expect(f, ACCORD_E_TIMEOUT, "the log has changed since; remove it again");
    n->core->beat_due_ns = UINT64_MAX; /* its own next change would show the hole, too late */
    for (size_t round = 0; round < 2; round++) {
        f->nodes[1].core->beat_due_ns = f->nodes[2].core->beat_due_ns = 0;
        fleet_run(f, 20 * NS_PER_MS);
    }
    CHECK(a->count == 1);
    CHECK(fleet_status(f, n).divergences == 1);
    fleet_free(f);
}

static void count_standings(struct fleet *f, struct fleet_answer *a)
{
    size_t *counts = f->context, at = 0;
    struct core_standing s;

    CHECK(a->reply.is_strict);
    while (core_standing(f->nodes[0].core, &a->reply, &at, &s)) {
        counts[s.standing]++;
        if (s.standing == STANDING_UNKNOWN)
            CHECK(strcmp(s.name, "web2") == 0 && !s.ambiguous);
        if (s.standing == STANDING_LAPSED)
            CHECK(strcmp(s.name, "web3") == 0 && s.ambiguous);
    }
}

TEST(strict_removal_tells_how_each_node_stands_each_incarnation_for_itself)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fixture left = f->nodes[2].segment;
    size_t counts[STANDING_UNKNOWN + 1] = {0};

    fleet_kill(f, &f->nodes[2]);
    fleet_run(f, f->nodes[0].core->silence_ns + FLEET_L);
    fleet_start(f, &f->nodes[2]);
    fleet_run(f, NS_PER_S);
    fleet_cut(f, &f->nodes[1], true);
    f->context = counts;
    f->answered = count_standings;
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_TIMEOUT);
    CHECK(counts[STANDING_CONFIRMED] == 1); /* the new web3 */
    CHECK(counts[STANDING_LAPSED] == 1);    /* the killed one */
    CHECK(counts[STANDING_UNKNOWN] == 1);
    fixture_done(&left);
    fleet_free(f);
}

TEST(strict_removal_needs_no_confirmation_of_who_joined_after_it)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_node *joiner = fleet_add(f, "web4");

    fleet_cut(f, &f->nodes[1], true);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, 100 * NS_PER_MS);
    fleet_start(f, joiner);
    fleet_run(f, NS_PER_S);
    CHECK(core_member_count(f->nodes[0].core) == 4);
    CHECK(!fleet_hits(f, joiner, "k", "old"));
    expect(f, ACCORD_OK, "confirmed by web3; lapsed: web2");
    fleet_run(f, lapse_ns);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_is_done_when_the_last_one_missing_leaves_meanwhile)
{
    struct fleet *f = three(/* ripe= */ true);

    f->nodes[1].reading = false;
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 0);
    expect(f, ACCORD_OK, "confirmed by web3");
    fleet_step(f, &f->nodes[1], &(struct event){.type = EVENT_STOP});
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(!fleet_hits(f, &f->nodes[1], "k", "old")); /* its lease word was zero first */
    fleet_free(f);
}

TEST(strict_removal_waits_out_the_lease_of_who_is_killed_meanwhile)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fixture left = f->nodes[1].segment;

    f->nodes[1].reading = false;
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, 100 * NS_PER_MS);
    fleet_kill(f, &f->nodes[1]);
    fleet_start(f, &f->nodes[1]); /* its successor confirms for itself alone */
    fleet_run(f, lapse_ns - 200 * NS_PER_MS);
    CHECK(a->count == 0);
    expect(f, ACCORD_OK, "confirmed by web3; lapsed: web2");
    fleet_run(f, 300 * NS_PER_MS);
    CHECK(a->count == 1);
    fixture_done(&left);
    fleet_free(f);
}

TEST(strict_removal_is_unknown_when_the_epoch_changes_before_the_answer)
{
    struct fleet *f = three(/* ripe= */ true);

    fleet_cut(f, &f->nodes[1], true);
    expect(f, ACCORD_E_TIMEOUT, "the log has changed since; remove it again");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 0);
    fleet_lose_tail(f, 1);
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1);
    fleet_free(f);
}

/* The bus that took it was already another one than the log that is read here. */
TEST(strict_removal_that_another_epoch_took_is_unknown)
{
    struct fleet *f = three(/* ripe= */ true);
    bool changed = false;

    expect(f, ACCORD_E_TIMEOUT, "the log has changed since; remove it again");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    while (!changed) {
        for (size_t i = 0; i < f->message_count && !changed; i++) {
            struct fleet_message *m = &f->messages[i];
            changed = m->kind == FLEET_PUBLISHED && m->node == 0;
            m->after += changed;
        }
        fleet_run(f, NS_PER_MS / 4);
    }
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_that_waits_not_at_all_is_published_and_unknown)
{
    struct fleet *f = three(/* ripe= */ true);

    expect(f, ACCORD_E_TIMEOUT, "the removal has not come back from the log yet");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 0));
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(!fleet_hits(f, &f->nodes[1], "k", "old"));
    fleet_free(f);
}

/* Words are for people, and a step has room for only so many. */
static void count_specific(struct fleet *f, struct fleet_answer *a)
{
    bool specific = says(a, ACCORD_E_TIMEOUT, "not confirmed by web2, web3");

    CHECK(specific || says(a, ACCORD_E_TIMEOUT, "not every node has confirmed"));
    *(size_t *)f->context += specific;
}

TEST(strict_removals_that_run_out_of_time_all_at_once_are_all_answered_in_words)
{
    enum { COUNT = 1000 };
    struct fleet *f = three(/* ripe= */ true);
    size_t specific = 0;

    f->context = &specific;
    f->answered = count_specific;
    fleet_cut(f, &f->nodes[1], true);
    fleet_cut(f, &f->nodes[2], true);
    for (size_t i = 0; i < COUNT; i++)
        fleet_request(f, &f->nodes[0], strictly("k", FLEET_L));
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, &f->nodes[0]).strict_unknown == COUNT);
    CHECK(fleet_status(f, &f->nodes[0]).strict_waits == 0);
    CHECK(specific > 0);
    CHECK(specific < COUNT);
    fleet_free(f);
}

TEST(strict_removal_that_cannot_be_published_is_unpublished)
{
    struct fleet *f = three(/* ripe= */ true);

    f->nodes[0].settings.ack_local = true;
    fleet_cut(f, &f->nodes[0], true);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, 2 * NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_UNPUBLISHED);
    fleet_free(f);
}

TEST(strict_removal_of_a_stopping_node_is_unknown)
{
    struct fleet *f = three(/* ripe= */ true);

    fleet_cut(f, &f->nodes[1], true);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web2");
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));
    fleet_run(f, 100 * NS_PER_MS);
    expect(f, ACCORD_E_TIMEOUT, "not confirmed by web2");
    fleet_step(f, &f->nodes[0], &(struct event){.type = EVENT_STOP});
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(strict_removal_published_while_the_node_stops_is_answered)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], strictly("k", 10 * NS_PER_S));

    expect(f, ACCORD_E_TIMEOUT, "the removal has not come back from the log yet");
    fleet_step(f, &f->nodes[0], &(struct event){.type = EVENT_STOP});
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1);
    CHECK(f->nodes[0].stopped);
    fleet_free(f);
}

TEST_SEEDS(strict_removals_in_a_row_cost_no_more_beats_than_the_lease_can_remember, 10)
{
    struct fleet *f = three(/* ripe= */ true);
    struct fleet_answer *answers[60];

    f->rng = rng;
    f->delay_min_ns = f->delay_max_ns = 150 * NS_PER_MS; /* 300 ms from a beat to its return */
    uint64_t before = fleet_status(f, &f->nodes[1]).beats_sent;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        answers[i] = fleet_request(f, &f->nodes[0], strictly("k", 60 * NS_PER_S));
        fleet_run(f, 50 * NS_PER_MS);
    }
    fleet_run(f, 2 * NS_PER_S);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        CHECK(answers[i]->count == 1 && answers[i]->reply.status == ACCORD_OK);
        /* The last question of each may have to wait for one that is under way. */
        CHECK(answers[i]->answered_ns - answers[i]->asked_ns < 2600 * NS_PER_MS);
    }
    uint64_t beats = fleet_status(f, &f->nodes[1]).beats_sent - before;
    CHECK(beats >= 5 && beats <= 5 * NS_PER_S / (FLEET_L / LEASE_BEATS_MAX) + 1);
    CHECK(fleet_status(f, &f->nodes[1]).lease_losses == 0);
    fleet_free(f);
}

/* ---- the promise ---------------------------------------------------------------------------
 * Three nodes whose clocks are up to 10 % wrong, loaders, strict removals, and whatever can go
 * wrong: once one was answered OK, nobody reads an older version as a hit, in the segment of a
 * killed node neither. Versions are numbers, and so are the values. */

struct job {
    bool busy;
    size_t node, key;
    uint64_t due_ns, version;
    struct id128 incarnation;
    struct token token;
};

struct ghost {
    struct fixture segment;
    struct fleet_node clock; /* as it was */
    uint64_t until_ns;
};

struct world {
    struct fleet *f;
    uint64_t *rng;
    uint64_t versions[KEYS], floors[KEYS];
    size_t removals, done, unknown;
    struct {
        size_t key;
        uint64_t version;
    } asked[REMOVALS_MAX]; /* by the number of the answer */
    bool is_removal[FLEET_ANSWERS_MAX];
    size_t removal_of[FLEET_ANSWERS_MAX];
    struct job jobs[JOBS];
    struct ghost ghosts[GHOSTS_MAX];
    uint64_t restart_ns[FLEET_NODES_MAX];
};

static uint64_t roll(struct world *w, uint64_t below)
{
    return test_random(w->rng, below);
}

static void check_read(struct world *w, struct fixture *segment, uint64_t clock_ns, size_t k)
{
    fixture_at(segment, clock_ns);
    struct read_result r = fixture_get(segment, keys[k]);

    if (r.state == ACCORD_HIT)
        CHECK(strtoull(fixture_text, NULL, 10) >= w->floors[k]); /* P3 */
}

static void check_reads(struct world *w)
{
    struct fleet *f = w->f;

    for (size_t k = 0; k < KEYS; k++) {
        for (size_t i = 0; i < f->count; i++)
            if (f->nodes[i].alive)
                check_read(w, &f->nodes[i].segment, fleet_clock(f, &f->nodes[i]), k);
        for (size_t g = 0; g < GHOSTS_MAX; g++)
            if (w->ghosts[g].until_ns > 0)
                check_read(w, &w->ghosts[g].segment, fleet_clock(f, &w->ghosts[g].clock), k);
    }
}

static void on_answered(struct fleet *f, struct fleet_answer *a)
{
    struct world *w = f->context;
    size_t id = (size_t)(a - f->answers);

    if (!w->is_removal[id])
        return;
    size_t removal = w->removal_of[id], key = w->asked[removal].key;
    if (a->reply.status != ACCORD_OK) {
        w->unknown++;
        return;
    }
    w->done++;
    w->floors[key] = u64_max(w->floors[key], w->asked[removal].version);
    check_reads(w);
}

static struct fleet_node *some_node(struct world *w)
{
    struct fleet_node *n = &w->f->nodes[roll(w, w->f->count)];

    return n->alive && !n->stalled ? n : NULL;
}

static void run_removals(struct world *w)
{
    struct fleet_node *n = some_node(w);
    size_t key = roll(w, KEYS), id = w->f->answer_count;

    if (!n || roll(w, 6) > 0 || w->removals == REMOVALS_MAX)
        return;
    w->asked[w->removals].key = key;
    w->asked[w->removals].version = ++w->versions[key];
    w->is_removal[id] = true;
    w->removal_of[id] = w->removals++;
    fleet_request(w->f, n, strictly(keys[key], (1 + roll(w, 9)) * NS_PER_S));
}

static void begin_job(struct world *w, struct job *job)
{
    struct fleet_node *n = some_node(w);

    if (!n)
        return;
    *job = (struct job){.node = (size_t)(n - w->f->nodes),
                        .key = roll(w, KEYS),
                        .incarnation = n->settings.incarnation,
                        .due_ns = w->f->now_ns + roll(w, 100) * NS_PER_MS};
    struct read_result r = fleet_get(w->f, n, keys[job->key]);
    job->busy = r.state != ACCORD_HIT;
    job->token = r.token;
    job->version = w->versions[job->key];
}

static void end_job(struct world *w, struct job *job)
{
    struct fleet_node *n = &w->f->nodes[job->node];
    char value[24];

    job->busy = false;
    if (!n->alive || n->stalled)
        return;
    snprintf(value, sizeof value, "%llu", (unsigned long long)job->version);
    fleet_request(w->f, n, fleet_fill(keys[job->key], value, &job->token));
}

static void run_jobs(struct world *w)
{
    for (size_t i = 0; i < JOBS; i++)
        if (!w->jobs[i].busy)
            begin_job(w, &w->jobs[i]);
        else if (w->f->now_ns >= w->jobs[i].due_ns)
            end_job(w, &w->jobs[i]);
}

static void kill_node(struct world *w, struct fleet_node *n)
{
    for (size_t g = 0; g < GHOSTS_MAX; g++)
        if (w->ghosts[g].until_ns == 0) {
            w->ghosts[g] = (struct ghost){n->segment, *n, w->f->now_ns + 2 * FLEET_L};
            w->restart_ns[n - w->f->nodes] = w->f->now_ns + roll(w, 4000) * NS_PER_MS;
            fleet_kill(w->f, n);
            return;
        }
}

static void run_ghosts(struct world *w, bool all)
{
    for (size_t g = 0; g < GHOSTS_MAX; g++)
        if (w->ghosts[g].until_ns > 0 && (all || w->ghosts[g].until_ns <= w->f->now_ns)) {
            fixture_done(&w->ghosts[g].segment);
            w->ghosts[g].until_ns = 0;
        }
    for (size_t i = 0; i < w->f->count; i++)
        if (!w->f->nodes[i].alive && (all || w->restart_ns[i] <= w->f->now_ns))
            fleet_start(w->f, &w->f->nodes[i]);
}

static void run_faults(struct world *w)
{
    struct fleet_node *n = some_node(w);

    if (!n)
        return;
    switch (roll(w, 160)) {
    case 0:
    case 1:
        fleet_cut(w->f, n, true);
        break;
    case 2:
        kill_node(w, n);
        break;
    case 3:
        n->stalled = true;
        n->stalled_until_ns = w->f->now_ns + roll(w, 6000) * NS_PER_MS;
        break;
    case 4:
        n->reading = false; /* it still writes; until it is cut and comes back */
        break;
    case 5:
        if (roll(w, 3) == 0 && w->f->log_count > 0)
            fleet_lose_tail(w->f, 1 + roll(w, w->f->log_count));
        break;
    case 6:
    case 7:
    case 8:
        n = &w->f->nodes[roll(w, w->f->count)];
        fleet_cut(w->f, n, true);
        fleet_cut(w->f, n, false);
        break;
    default:
        break;
    }
}

static struct world *world_new(uint64_t *rng, bool head_linearizable)
{
    static const uint64_t delays_ms[] = {4, 60, 400};
    struct world *w = calloc(1, sizeof *w);

    CHECK(w);
    w->rng = rng;
    w->f = fleet_new(rng);
    w->f->context = w;
    w->f->answered = on_answered;
    w->f->delay_max_ns = delays_ms[roll(w, COUNT_OF(delays_ms))] * NS_PER_MS;
    w->f->unknown_permille = (unsigned)roll(w, 60);
    w->f->repeat_permille = (unsigned)roll(w, 100);
    for (size_t i = 0; i < 3; i++) {
        struct fleet_node *n = fleet_add(w->f, i == 0 ? "web1" : i == 1 ? "web2" : "web3");
        n->drift_permille = (int64_t)roll(w, 201) - 100;
        n->settings.head_linearizable = head_linearizable;
        fleet_start(w->f, n);
    }
    return w;
}

static void live(struct world *w)
{
    uint64_t calm_ns = w->f->now_ns + roll(w, 2) * 7 * FLEET_L;
    uint64_t end_ns = calm_ns + 20 * NS_PER_S;

    while (w->f->now_ns < end_ns) {
        fleet_run(w->f, 1 + roll(w, 80 * NS_PER_MS));
        run_ghosts(w, /* all= */ false);
        check_reads(w);
        if (w->f->now_ns < calm_ns)
            continue;
        run_faults(w);
        run_removals(w);
        run_jobs(w);
    }
    for (size_t i = 0; i < w->f->count; i++)
        fleet_cut(w->f, &w->f->nodes[i], false);
    run_ghosts(w, /* all= */ true);
    fleet_run(w->f, 16 * NS_PER_S); /* longer than anybody waits, or stalls */
    for (uint64_t i = 0; i < w->f->answer_count; i++)
        CHECK(w->f->answers[i].count == 1 || w->f->answers[i].abandoned);
    CHECK(w->done + w->unknown > 0);
}

static void world_free(struct world *w)
{
    fleet_free(w->f);
    free(w);
}

TEST_SEEDS(strict_removal_answered_ok_is_read_nowhere_any_more, 200)
{
    struct world *w = world_new(rng, /* head_linearizable= */ true);

    live(w);
    world_free(w);
}

TEST_SEEDS(strict_removal_answered_ok_is_read_nowhere_where_only_own_beats_prove_anything, 100)
{
    struct world *w = world_new(rng, /* head_linearizable= */ false);

    live(w);
    world_free(w);
}
