/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

static struct fleet_node *fresh_node(struct fleet *f)
{
    struct fleet_node *n = fleet_add(f, "web1");

    fleet_start(f, n);
    fleet_settle(f);
    return n;
}

static uint64_t epoch_of(struct fleet *f, struct fleet_node *n)
{
    return fleet_get(f, n, "any").token.epoch;
}

/* Fills through the door, with the token of a miss. */
static void fill(struct fleet *f, struct fleet_node *n, const char *key, const char *value)
{
    struct token token = fleet_get(f, n, key).token;

    CHECK(fleet_request(f, n, fleet_fill(key, value, &token))->reply.status == ACCORD_OK);
}

TEST(coherence_first_tick_attaches_with_a_view_of_all_who_may_live)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    fleet_start(f, n);
    CHECK(n->attaches == 1);
    CHECK(f->messages[0].kind == FLEET_ATTACH);
    CHECK(!f->messages[0].resume);
    CHECK(f->messages[0].view_ns == 4 * FLEET_L + FLEET_L + FLEET_L / 2);
    CHECK(!fleet_status(f, n).attached);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(strcmp(fleet_status(f, n).why, "not attached to the bus yet") == 0);
    fleet_free(f);
}

TEST(coherence_gives_no_lease_before_the_own_join_is_applied_and_the_name_has_settled)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.join_settle_ns = 500 * NS_PER_MS;
    fleet_start(f, n);
    while (core_member_count(n->core) == 0)
        fleet_run(f, NS_PER_MS);
    CHECK(n->asks > 0);
    CHECK(strcmp(fleet_status(f, n).why, "waiting whether another node has this name") == 0);
    fleet_run(f, 490 * NS_PER_MS);
    CHECK(!fleet_status(f, n).fresh);
    fleet_run(f, 15 * NS_PER_MS);
    CHECK(fleet_status(f, n).fresh);
    CHECK(n->notes[NOTE_LEASE_HELD] == 1);
    fleet_free(f);
}

TEST(coherence_asks_six_times_a_max_stale_and_beats_once)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    uint64_t beats = fleet_status(f, n).beats_sent;
    unsigned asks = n->asks;

    fleet_run(f, 20 * FLEET_L);
    CHECK(n->asks - asks >= 20 * 6 * 8 / 10);
    CHECK(n->asks - asks <= 20 * 6 * 12 / 10 + 1);
    CHECK(fleet_status(f, n).beats_sent - beats >= 16);
    CHECK(fleet_status(f, n).beats_sent - beats <= 25);
    CHECK(fleet_status(f, n).lease_losses == 0);
    CHECK(fleet_status(f, n).lease_left_ns > FLEET_L / 2);
    fleet_free(f);
}

TEST(coherence_lapses_a_max_stale_after_the_last_question_and_says_why)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    uint64_t epoch = epoch_of(f, n);

    fill(f, n, "k", "v");
    fleet_cut(f, n, true);
    fleet_run(f, FLEET_L - FLEET_L / 6 - FLEET_L / 6);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_hits(f, n, "k", "v"));
    fleet_run(f, FLEET_L / 3);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_UNSURE);
    CHECK(n->notes[NOTE_LEASE_LOST] == 1);
    CHECK(strcmp(fleet_status(f, n).why, "the connection was cut") == 0);
    CHECK(fleet_status(f, n).unsure_since_ns > 0);
    CHECK(epoch_of(f, n) > epoch); /* tokens given before are void */
    fleet_cut(f, n, false);
    fleet_settle(f);
    CHECK(fleet_hits(f, n, "k", "v")); /* nothing was missed: the cache stays */
    CHECK(fleet_status(f, n).cold_boots == 0);
    CHECK(fleet_status(f, n).unsure_since_ns == 0);
    fleet_free(f);
}

TEST(coherence_refuses_a_fill_whose_token_is_older_than_a_lapse)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct token token = fleet_get(f, n, "k").token;

    fleet_cut(f, n, true);
    fleet_run(f, 2 * FLEET_L);
    fleet_cut(f, n, false);
    fleet_settle(f);
    CHECK(fleet_request(f, n, fleet_fill("k", "v", &token))->reply.status == ACCORD_E_TOKEN);
    CHECK(fleet_status(f, n).fills_refused_token == 1);
    fleet_free(f);
}

/* What was removed while nobody listened lies before the view, and is seen by nobody. */
TEST(coherence_refuses_a_fill_whose_token_is_older_than_the_view)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->cut = true;
    fleet_start(f, n);
    struct token token = fleet_get(f, n, "k").token;
    fleet_insert(f, CHANGE_REMOVE, "k");
    fleet_run(f, 60 * NS_PER_S);
    n->cut = false;
    fleet_settle(f);
    CHECK(fleet_status(f, n).applied_foreign == 0);
    CHECK(fleet_request(f, n, fleet_fill("k", "v", &token))->reply.status == ACCORD_E_TOKEN);
    fleet_free(f);
}

TEST(coherence_shows_readers_the_position_and_the_question)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    uint64_t epoch, position;

    fleet_request(f, n, fleet_remove("k"));
    fleet_run(f, NS_PER_S);
    uint64_t deadline_ns = reader_deadline_ns(&n->segment.reader, &epoch, &position);
    CHECK(position == f->newest);
    CHECK(deadline_ns == reader_asked_ns(&n->segment.reader) + FLEET_L);
    CHECK(deadline_ns - fleet_clock(f, n) == fleet_status(f, n).lease_left_ns);
    fleet_free(f);
}

TEST(coherence_stops_where_it_can_read_but_not_write)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    f->fail_permille = 1000; /* every publish fails; heads and entries still come */
    fleet_run(f, 3 * FLEET_L - FLEET_L / 2);
    CHECK(fleet_status(f, n).fresh);
    fleet_run(f, 2 * FLEET_L);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(strcmp(fleet_status(f, n).why, "the test says so") == 0);
    f->fail_permille = 0;
    fleet_settle(f);
    fleet_free(f);
}

TEST(coherence_drops_the_cache_where_its_place_cannot_be_proven)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct token token = fleet_get(f, n, "k2").token;

    fill(f, n, "k", "v");
    fleet_run(f, NS_PER_S);
    fleet_lose_tail(f, 1);
    fleet_run(f, FLEET_L / 3);
    CHECK(n->notes[NOTE_COLD_BOOT] == 1);
    CHECK(n->attaches == 2);
    fleet_settle(f);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_request(f, n, fleet_fill("k2", "v", &token))->reply.status == ACCORD_E_TOKEN);
    CHECK(fleet_status(f, n).cursor.epoch == f->epoch);
    CHECK(fleet_status(f, n).cold_boots == 1);
    CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
    fleet_free(f);
}

static struct event attached(const struct fleet *f, uint64_t epoch, uint64_t after)
{
    return (struct event){.type = EVENT_BUS_ATTACHED,
                          .attached = {.log = f->log,
                                       .epoch = epoch,
                                       .after = after,
                                       .head = after,
                                       .max_stale_ns = FLEET_L,
                                       .resumed = true}};
}

TEST(coherence_goes_on_where_the_cursor_was_proven_and_else_drops_the_cache)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    uint64_t position = fleet_status(f, n).cursor.position;

    fill(f, n, "k", "v");
    struct event e = attached(f, f->epoch, position);
    fleet_step(f, n, &e);
    CHECK(fleet_hits(f, n, "k", "v"));
    e = attached(f, f->epoch, position + 1); /* one entry would be skipped */
    fleet_step(f, n, &e);
    CHECK(fleet_get(f, n, "k").state != ACCORD_HIT);
    CHECK(fleet_status(f, n).cold_boots == 1);
    fleet_free(f);
}

/* Its head was known; what lay there, and was never applied here, may have been a removal. */
TEST(coherence_drops_the_cache_where_a_log_comes_back_shorter_than_it_was_known_to_be)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    uint64_t position = fleet_status(f, n).cursor.position;

    fill(f, n, "k", "v");
    struct event e = attached(f, f->epoch, position);
    e.attached.head = position + 2;
    fleet_step(f, n, &e);
    CHECK(fleet_hits(f, n, "k", "v"));
    e.attached.head = position + 1;
    fleet_step(f, n, &e);
    CHECK(fleet_get(f, n, "k").state != ACCORD_HIT);
    CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
    CHECK(strstr(fleet_status(f, n).why, "shorter than it was"));
    fleet_free(f);
}

TEST(coherence_drops_the_cache_where_an_own_beat_lies_before_what_was_known_when_it_was_made)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.head_linearizable = false;
    fleet_start(f, n);
    fleet_settle(f);
    fill(f, n, "k", "v");
    struct event e = attached(f, f->epoch, fleet_status(f, n).cursor.position);
    e.attached.head += 40; /* and then it is restored from an older copy */
    fleet_step(f, n, &e);
    CHECK(fleet_hits(f, n, "k", "v"));
    fleet_run(f, 2 * FLEET_L);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
    fleet_run(f, 2 * FLEET_L);
    CHECK(fleet_status(f, n).fresh && fleet_status(f, n).cold_boots == 1);
    fleet_free(f);
}

TEST(coherence_drops_the_cache_before_any_renewal_in_a_new_epoch)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    uint64_t position = fleet_status(f, n).cursor.position;

    fill(f, n, "k", "v");
    struct event e = attached(f, f->epoch + 1, position); /* proven, but the epoch is new */
    fleet_step(f, n, &e);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_UNSURE);
    CHECK(fleet_status(f, n).cursor.epoch == f->epoch + 1);
    CHECK(fleet_status(f, n).drops[DROP_EPOCH] == 1);
    fleet_free(f);
}

TEST(coherence_tells_how_old_what_it_proves_is_and_never_a_frozen_zero)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    CHECK(fleet_status(f, n).lag_known && fleet_status(f, n).lag_ns < FLEET_L);
    fleet_cut(f, n, true);
    fleet_run(f, 10 * FLEET_L);
    CHECK(fleet_status(f, n).lag_known && fleet_status(f, n).lag_ns > 9 * FLEET_L);
    CHECK(!fleet_status(f, n).head_known);
    fleet_free(f);
}

TEST(coherence_asks_again_with_growing_pauses_where_questions_fail)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    unsigned asks = n->asks;

    n->cut = true; /* the bus answers DOWN; the connection is not yet given up */
    fleet_run(f, FLEET_L + NS_PER_S);
    CHECK(n->asks - asks >= 5);
    CHECK(n->asks - asks <= 16);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(!fleet_status(f, n).head_known);
    CHECK(strcmp(fleet_status(f, n).why, status_text(ACCORD_E_DOWN)) == 0);
    n->cut = false;
    fleet_settle(f);
    fleet_free(f);
}

TEST(coherence_uses_the_cluster_s_bound_and_refuses_to_be_laxer)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    f->max_stale_ns = 2 * FLEET_L;
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(fleet_status(f, n).max_stale_ns == 2 * FLEET_L);
    CHECK(fleet_status(f, n).member_ttl_ns == 8 * FLEET_L);
    CHECK(n->notes[NOTE_MAX_STALE] == 1);
    fleet_run(f, NS_PER_S);
    CHECK(fleet_status(f, n).lease_left_ns > FLEET_L);

    struct fleet_node *tight = fleet_add(f, "web2");
    tight->settings.max_stale_given = true;
    fleet_start(f, tight);
    fleet_settle(f);
    fleet_run(f, 4 * FLEET_L);
    CHECK(fleet_status(f, tight).fresh);
    CHECK(fleet_status(f, tight).lease_left_ns <= FLEET_L);
    CHECK(fleet_status(f, tight).max_stale_ns == 2 * FLEET_L);

    struct fleet_node *lax = fleet_add(f, "web3");
    lax->settings.max_stale_given = true;
    lax->settings.max_stale_ns = 3 * FLEET_L;
    fleet_start(f, lax);
    fleet_run(f, NS_PER_S);
    CHECK(lax->fatal);
    CHECK(strcmp(lax->why, "this cluster keeps max_stale 6 s, this node was told 9 s; leave "
                           "--max-stale out, or give at most 6 s") == 0);
    CHECK(!fleet_status(f, lax).fresh);
    CHECK(fleet_log_count(f, CHANGE_JOIN, NULL) == 2); /* it never joined */
    fleet_free(f);
}

TEST(coherence_ends_the_lease_where_the_clock_ran_wrong)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    fill(f, n, "k", "v");
    fleet_step(f, n, &(struct event){.type = EVENT_CLOCK_BROKEN});
    CHECK(!fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_UNSURE);
    fleet_settle(f); /* by questions and beats of the new clock */
    CHECK(fleet_hits(f, n, "k", "v"));
    fleet_free(f);
}

TEST(coherence_proves_freshness_by_its_own_beats_where_the_head_proves_nothing)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.head_linearizable = false;
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(n->asks == 0);
    fleet_run(f, 5 * FLEET_L);
    CHECK(fleet_status(f, n).beats_sent >= 24);
    CHECK(fleet_status(f, n).lease_losses == 0);
    CHECK(fleet_status(f, n).head_known);
    fleet_cut(f, n, true);
    fleet_run(f, 2 * FLEET_L);
    CHECK(!fleet_status(f, n).fresh);
    fleet_free(f);
}

TEST(coherence_leaves_last_with_no_lease_and_everything_published)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct fleet_node *other = fleet_add(f, "web2");

    fleet_start(f, other);
    fleet_settle(f);
    CHECK(fleet_status(f, other).members == 2);
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    struct fleet_answer *queued = fleet_request(f, n, fleet_remove("l"));
    struct fleet_answer *s = fleet_request(f, n, fleet_sync(NS_PER_S));
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    CHECK(!fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_UNSURE);
    CHECK(s->reply.status == ACCORD_E_TIMEOUT);
    CHECK(fleet_request(f, n, fleet_remove("k"))->reply.status == ACCORD_E_DOWN);
    CHECK(!n->stopped);
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(queued->reply.status == ACCORD_OK);
    CHECK(n->stopped);
    CHECK(core_deadline_ns(n->core) == UINT64_MAX);
    CHECK(f->entries[f->log_count - 1].held.change.op == CHANGE_LEAVE);
    CHECK(fleet_status(f, other).members == 1);
    CHECK(other->notes[NOTE_MEMBER_LEFT] == 1);
    fleet_free(f);
}

TEST(coherence_stops_after_the_publish_timeout_where_the_bus_is_away)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    fleet_cut(f, n, true);
    fleet_run(f, 10 * NS_PER_MS);
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    fleet_run(f, 900 * NS_PER_MS);
    CHECK(!n->stopped);
    fleet_run(f, 110 * NS_PER_MS);
    CHECK(n->stopped);
    CHECK(a->reply.status == ACCORD_E_UNPUBLISHED);
    CHECK(n->journal_count == 1); /* it goes out after the next start */
    fleet_free(f);
}

TEST(coherence_stops_at_once_where_it_never_joined)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->cut = true;
    fleet_start(f, n);
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    CHECK(n->stopped);
    fleet_free(f);
}

/* "default", and one that must be fresher than the cluster's bound asks. */
static struct namespace_settings tight_spaces[2];

static void tighten(struct fleet_node *n, uint64_t max_stale_ns)
{
    tight_spaces[0] = n->settings.namespaces[0];
    tight_spaces[1] = n->settings.namespaces[0];
    snprintf(tight_spaces[1].name, sizeof tight_spaces[1].name, "tight");
    tight_spaces[1].max_stale_ns = max_stale_ns;
    n->settings.namespaces = tight_spaces;
    n->settings.namespace_count = COUNT_OF(tight_spaces);
}

/* Whether the key was a hit at each of so many instants, 1 ms apart. */
static bool always_hits(struct fleet *f, struct fleet_node *n, const char *key, unsigned ms)
{
    for (; ms > 0; ms--) {
        fleet_run(f, NS_PER_MS);
        if (!fleet_hits(f, n, key, "v"))
            return false;
    }
    return true;
}

TEST(coherence_asks_often_enough_for_the_tightest_namespace)
{
    for (int linearizable = 0; linearizable < 2; linearizable++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fleet_add(f, "web1");

        n->settings.head_linearizable = linearizable;
        tighten(n, 60 * NS_PER_MS);
        fleet_start(f, n);
        fleet_settle(f);
        fill(f, n, "tight:k", "v");
        fill(f, n, "k", "v");
        CHECK(always_hits(f, n, "tight:k", 2000));
        CHECK(fleet_status(f, n).lease_losses == 0);
        /* Cut off, it alone ends soon; the others are as fresh as the cluster asks. */
        fleet_cut(f, n, true);
        fleet_run(f, 61 * NS_PER_MS);
        CHECK(fleet_get(f, n, "tight:k").state == ACCORD_UNSURE);
        CHECK(fleet_hits(f, n, "k", "v"));
        struct token token = fleet_get(f, n, "tight:j").token;
        CHECK(fleet_request(f, n, fleet_fill("tight:j", "v", &token))->reply.status ==
              ACCORD_E_UNSURE);
        CHECK(fleet_get(f, n, "tight:j").state == ACCORD_STALE);
        fleet_cut(f, n, false);
        fleet_run(f, NS_PER_S);
        CHECK(fleet_hits(f, n, "tight:k", "v"));
        CHECK(fleet_get(f, n, "tight:j").state == ACCORD_MISS);
        fleet_free(f);
    }
}

TEST(coherence_keeps_its_lease_where_beats_take_longer_than_a_namespace_would_like)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.head_linearizable = false;
    tighten(n, 10 * NS_PER_MS); /* a beat comes back after three times that */
    f->delay_min_ns = f->delay_max_ns = 30 * NS_PER_MS;
    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, 5 * NS_PER_S);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_status(f, n).lease_losses == 0);
    CHECK(fleet_status(f, n).beats_sent < 5 * 1000 / 30 + 20);
    CHECK(fleet_get(f, n, "tight:k").state == ACCORD_UNSURE);
    fleet_free(f);
}

TEST(coherence_refuses_a_namespace_laxer_than_the_cluster)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    tighten(n, FLEET_L + 1);
    fleet_start(f, n);
    fleet_run(f, NS_PER_S);
    CHECK(n->fatal);
    CHECK(strstr(n->why, "[namespace tight] was given max_stale 3"));
    CHECK(strstr(n->why, "this cluster keeps 3 s"));
    CHECK(!fleet_status(f, n).fresh);
    fleet_free(f);
}

TEST(coherence_names_the_default_namespace_where_that_is_too_lax)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    tighten(n, UINT64_MAX);
    tight_spaces[0].max_stale_ns = FLEET_L + NS_PER_S;
    tight_spaces[0].name[0] = '\0';
    fleet_start(f, n);
    fleet_run(f, NS_PER_S);
    CHECK(n->fatal);
    CHECK(strstr(n->why, "[namespace default] was given max_stale 4 s"));
    fleet_free(f);
}

TEST(coherence_says_only_once_that_the_node_must_end)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.max_stale_given = true;
    n->settings.max_stale_ns = 2 * FLEET_L;
    fleet_start(f, n);
    fleet_run(f, NS_PER_S);
    CHECK(n->fatal);
    n->fatal = false;
    fleet_cut(f, n, true);
    fleet_run(f, NS_PER_S);
    fleet_cut(f, n, false);
    fleet_run(f, NS_PER_S);
    CHECK(fleet_status(f, n).attached);
    CHECK(!n->fatal);
    CHECK(!fleet_status(f, n).fresh);
    fleet_free(f);
}

TEST(coherence_ends_the_lease_where_the_cluster_s_bound_has_changed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    f->max_stale_ns = 2 * FLEET_L;
    fleet_cut(f, n, true);
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(fleet_status(f, n).fresh);
    fleet_cut(f, n, false);
    fleet_run(f, FLEET_L / 2);
    CHECK(strcmp(n->why, "the cluster's max_stale has changed") == 0);
    CHECK(fleet_status(f, n).lease_losses == 1);
    fleet_settle(f);
    CHECK(fleet_status(f, n).max_stale_ns == 2 * FLEET_L);
    CHECK(fleet_status(f, n).lease_left_ns > FLEET_L);
    fleet_free(f);
}

TEST(coherence_brings_its_own_bound_where_the_bus_cannot_keep_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    f->max_stale_ns = 0;
    n->settings.max_stale_ns = 2 * FLEET_L;
    n->settings.max_stale_given = true;
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(!n->fatal);
    CHECK(fleet_status(f, n).max_stale_ns == 2 * FLEET_L);
    CHECK(fleet_status(f, n).lease_left_ns > FLEET_L);
    fleet_free(f);
}

TEST(coherence_takes_a_proof_of_another_log_for_none)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    fill(f, n, "k", "v");
    struct event e = attached(f, f->epoch, fleet_status(f, n).cursor.position);
    e.attached.log.low++;
    fleet_step(f, n, &e);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state != ACCORD_HIT);
    CHECK(fleet_status(f, n).drops[DROP_EPOCH] == 1);
    fleet_free(f);
}

TEST(coherence_attaches_once_where_it_hears_twice_that_its_place_is_gone)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct event gone = {.type = EVENT_BUS_GONE};

    /* Nothing was proven yet: there is nothing to drop, but it must ask again. */
    fleet_start(f, n);
    fleet_step(f, n, &gone);
    CHECK(n->attaches == 2);
    CHECK(fleet_status(f, n).cold_boots == 0);
    fleet_settle(f);
    fleet_step(f, n, &gone);
    CHECK(n->attaches == 3);
    CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
    CHECK(strcmp(n->why, "the bus cannot prove our place in the log") == 0);
    fleet_step(f, n, &gone);
    CHECK(n->attaches == 3);
    CHECK(fleet_status(f, n).cold_boots == 1);
    fleet_settle(f);
    fleet_free(f);
}

TEST(coherence_says_once_that_the_bus_is_lost_and_always_why)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    fleet_step(f, n, &(struct event){.type = EVENT_BUS_LOST, .lost = {.why = NULL}});
    CHECK(n->notes[NOTE_BUS_LOST] == 1);
    CHECK(strcmp(n->why, "no connection to the bus") == 0);
    fleet_step(f, n, &(struct event){.type = EVENT_BUS_LOST, .lost = {.why = ""}});
    CHECK(n->notes[NOTE_BUS_LOST] == 1);
    fleet_run(f, 2 * FLEET_L);
    CHECK(strcmp(fleet_status(f, n).why, "no connection to the bus") == 0);
    fleet_step(f, n, &(struct event){.type = EVENT_BUS_LOST, .lost = {.why = "refused"}});
    CHECK(n->notes[NOTE_BUS_LOST] == 1);
    CHECK(strcmp(fleet_status(f, n).why, "refused") == 0);
    fleet_free(f);
}

/* The log is restored from an older copy in which our own place is still as it was, just after
 * it told of a newer head. */
TEST(coherence_begins_anew_where_the_log_lost_what_an_answer_spoke_of)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    unsigned asks = n->asks, colds = n->colds;

    while (n->asks == asks)
        fleet_run(f, NS_PER_MS / 2);
    struct event e = {.type = EVENT_BUS_HEAD, .head = {.head = f->newest + 40}};
    for (size_t k = 0; k < f->message_count; k++)
        if (f->messages[k].kind == FLEET_HEAD || f->messages[k].kind == FLEET_HEAD_ANSWER)
            e.head.nonce = f->messages[k].nonce;
    fleet_step(f, n, &e);
    CHECK(fleet_status(f, n).head == f->newest + 40);
    fleet_run(f, 3 * FLEET_L);
    CHECK(n->colds == colds + 1);
    CHECK(n->cold_cause == DROP_GONE);
    CHECK(fleet_status(f, n).fresh);
    fleet_run(f, 3 * FLEET_L);
    CHECK(n->colds == colds + 1);
    fleet_free(f);
}

TEST(coherence_tells_people_what_the_bus_says_where_a_question_fails)
{
    static const char *const whys[] = {NULL, "", "the replica lags"};

    for (size_t i = 0; i < COUNT_OF(whys); i++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fresh_node(f);
        unsigned asks = n->asks;

        while (n->asks == asks)
            fleet_run(f, NS_PER_MS / 2);
        struct event e = {.type = EVENT_BUS_HEAD,
                          .head = {.status = ACCORD_E_DOWN, .why = whys[i]}};
        for (size_t k = 0; k < f->message_count; k++)
            if (f->messages[k].kind == FLEET_HEAD || f->messages[k].kind == FLEET_HEAD_ANSWER)
                e.head.nonce = f->messages[k].nonce;
        n->cut = true; /* no question is answered from now on */
        fleet_step(f, n, &e);
        e.head.nonce++;
        e.head.why = "late"; /* of no question */
        fleet_step(f, n, &e);
        struct core_status before = fleet_status(f, n);
        CHECK(before.fresh);
        f->delay_min_ns = f->delay_max_ns = 3600 * NS_PER_S;
        fleet_step(f, n, &(struct event){.type = EVENT_TICK});
        fleet_run(f, before.lease_left_ns);
        CHECK(!fleet_status(f, n).fresh);
        CHECK(strcmp(n->why, i < 2 ? status_text(ACCORD_E_DOWN) : whys[i]) == 0);
        fleet_free(f);
    }
}

TEST(coherence_that_never_attached_keeps_what_it_accepted_before_it_stops)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->cut = true;
    fleet_start(f, n);
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    fleet_step(f, n, &(struct event){.type = EVENT_STOP}); /* said twice */
    CHECK(!n->stopped);
    fleet_run(f, NS_PER_S);
    CHECK(n->stopped);
    CHECK(a->reply.status == ACCORD_E_UNPUBLISHED);
    CHECK(n->journal_count == 1);
    fleet_free(f);
}

TEST(coherence_begins_cold_where_the_first_attach_does_not_prove_the_saved_place)
{
    for (int what = 0; what < 4; what++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fresh_node(f);

        fleet_run(f, 2 * NS_PER_S);
        fleet_kill(f, n);
        struct fixture old = n->segment;
        fleet_start_resumed(f, n, NULL);
        struct event e = attached(f, f->epoch, n->saved.position);
        e.attached.resumed = what != 0;
        e.attached.epoch += what == 1;
        e.attached.log.low += what == 2;
        e.attached.after += what == 3;
        fleet_step(f, n, &e);
        CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
        CHECK(fleet_status(f, n).warmth == WARM_NEVER);
        CHECK(fleet_status(f, n).cursor.position == e.attached.after);
        fixture_done(&old);
        fleet_free(f);
    }
}

TEST(coherence_says_itself_why_a_saved_place_is_gone_where_the_bus_does_not)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);

    fleet_run(f, 2 * NS_PER_S);
    fleet_kill(f, n);
    struct fixture old = n->segment;
    fleet_start_resumed(f, n, NULL);
    fleet_step(f, n, &(struct event){.type = EVENT_BUS_GONE});
    CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
    CHECK(strcmp(fleet_status(f, n).warm_why, "the log cannot prove our place in it") == 0);
    fleet_settle(f);
    fixture_done(&old);
    fleet_free(f);
}

TEST(coherence_drops_the_cache_where_another_log_answers_who_asked_for_a_part_again)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f);
    struct change c = {.op = CHANGE_BEAT,
                       .origin = bytes_of_text("web9"),
                       .incarnation = {9, 9},
                       .sequence = 1};

    fill(f, n, "k", "v");
    fleet_insert_change(f, c);
    fleet_run(f, 20 * NS_PER_MS);
    c.sequence = 3; /* 2 never comes */
    fleet_insert_change(f, c);
    while (fleet_status(f, n).attached)
        fleet_run(f, NS_PER_MS / 10);
    CHECK(fleet_status(f, n).holes_open == 1);
    struct event e = attached(f, f->epoch + 1, f->newest);
    fleet_step(f, n, &e);
    CHECK(fleet_status(f, n).drops[DROP_EPOCH] == 1);
    CHECK(fleet_status(f, n).holes_open == 0);
    CHECK(fleet_get(f, n, "k").state != ACCORD_HIT);
    fleet_free(f);
}
