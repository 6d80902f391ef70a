/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

static struct fleet_node *fresh_node(struct fleet *f, const char *name)
{
    struct fleet_node *n = fleet_add(f, name);

    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, 10 * NS_PER_MS); /* whatever is on its way arrives */
    return n;
}

TEST(publish_answers_a_removal_when_the_bus_has_it_with_its_position)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));

    CHECK(a->count == 0);
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.has_position);
    CHECK(a->reply.position.epoch == f->epoch);
    CHECK(a->reply.position.value == f->newest);
    CHECK(f->entries[f->log_count - 1].held.change.op == CHANGE_REMOVE);
    CHECK(a->answered_ns - a->asked_ns == 2 * NS_PER_MS);
    fleet_free(f);
}

TEST(publish_gathers_what_comes_while_one_is_on_its_way)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct fleet_answer *answers[20];
    unsigned publishes = n->publishes;

    for (size_t i = 0; i < COUNT_OF(answers); i++)
        answers[i] = fleet_request(f, n, fleet_remove("k"));
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(n->publishes - publishes == 2);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        CHECK(answers[i]->reply.status == ACCORD_OK);
        CHECK(i == 0 ||
              answers[i]->reply.position.value >= answers[i - 1]->reply.position.value);
    }
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 20);
    fleet_free(f);
}

TEST(publish_sends_what_came_at_once_as_one_batch)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct fleet_answer *answers[20];
    unsigned publishes = n->publishes;

    f->gathers = true;
    for (size_t i = 0; i < COUNT_OF(answers); i++)
        answers[i] = fleet_request(f, n, fleet_remove("k"));
    CHECK(n->publishes == publishes);
    CHECK(core_deadline_ns(n->core) <= fleet_clock(f, n));
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(n->publishes == publishes + 1);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        CHECK(answers[i]->reply.status == ACCORD_OK);
        CHECK(answers[i]->answered_ns - answers[i]->asked_ns == 2 * NS_PER_MS);
    }
    fleet_free(f);
}

TEST(publish_does_not_wait_for_more_than_a_batch_can_carry)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    unsigned publishes = n->publishes;

    f->gathers = true;
    for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++) {
        CHECK(n->publishes == publishes);
        fleet_request(f, n, fleet_remove("k"));
    }
    CHECK(n->publishes == publishes + 1);
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == PUBLISH_BATCH_MAX);
    fleet_free(f);
}

TEST(publish_answers_unpublished_after_the_timeout_and_goes_on_trying)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    f->fail_permille = 1000;
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    struct fleet_answer *b = fleet_request(f, n, fleet_remove("l"));
    fleet_run(f, NS_PER_S - 1);
    CHECK(a->count == 0);
    fleet_run(f, 1);
    CHECK(a->reply.status == ACCORD_E_UNPUBLISHED);
    CHECK(strcmp(a->reply.why_text, "the test says so") == 0);
    CHECK(b->reply.status == ACCORD_E_UNPUBLISHED);
    CHECK(n->kept == 2);
    CHECK(n->journal_count == 2);
    CHECK(n->notes[NOTE_PUBLISH_FAILED] == 1);
    CHECK(fleet_status(f, n).outbox == 2);
    CHECK(fleet_status(f, n).publish_failures >= 4);
    f->fail_permille = 0;
    fleet_run(f, 2 * NS_PER_S);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "l") == 1);
    CHECK(n->journal_count == 0);
    CHECK(n->notes[NOTE_PUBLISH_OK] == 1);
    CHECK(fleet_status(f, n).outbox == 0);
    fleet_free(f);
}

TEST(publish_repeats_an_unknown_outcome_without_a_second_entry)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");

    f->unknown_permille = 1000;
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    fleet_run(f, 900 * NS_PER_MS);
    /* The bus took it and says so to nobody, but it came back through the log. */
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.has_position);
    f->unknown_permille = 0;
    fleet_run(f, 3 * NS_PER_S);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1);
    CHECK(fleet_status(f, n).outbox == 0);
    CHECK(fleet_status(f, other).gaps == 0);
    fleet_free(f);
}

/* L1: a cold boot drops the cache, and nothing of what is to go out. */
TEST(publish_sends_what_was_accepted_before_a_cold_boot_after_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    f->fail_permille = 1000;
    fleet_request(f, n, fleet_remove("a"));
    fleet_request(f, n, fleet_set("b", "1"));
    fleet_run(f, 10 * NS_PER_MS);
    fleet_lose_tail(f, 1);
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, n).cold_boots == 1);
    CHECK(fleet_status(f, n).outbox == 2);
    CHECK(!fleet_hits(f, n, "b", "1"));
    f->fail_permille = 0;
    fleet_run(f, FLEET_L);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "a") == 1);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "b") == 1);
    CHECK(fleet_status(f, n).outbox == 0);
    fleet_free(f);
}

TEST(publish_never_breaks_the_sequence_of_an_incarnation)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    uint64_t sequence = 0;

    for (int i = 0; i < 30; i++) {
        f->fail_permille = i % 3 == 0 ? 1000 : 0;
        fleet_request(f, n, fleet_remove("k"));
        fleet_run(f, 100 * NS_PER_MS);
    }
    f->fail_permille = 0;
    fleet_run(f, 3 * NS_PER_S);
    for (size_t i = 0; i < f->log_count; i++)
        CHECK(f->entries[i].held.change.sequence == ++sequence);
    fleet_free(f);
}

TEST(publish_keeps_first_and_answers_at_once_where_settings_say_so)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.ack_local = true;
    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, 10 * NS_PER_MS);
    fleet_cut(f, n, true);
    fleet_run(f, 10 * NS_PER_MS);
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(!a->reply.has_position);
    CHECK(n->journal_count == 1);
    fleet_cut(f, n, false);
    fleet_run(f, NS_PER_S);
    CHECK(n->journal_count == 0);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1);
    fleet_free(f);
}

TEST(publish_sends_again_after_a_restart_what_was_kept_and_disturbs_nobody)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    struct fixture segment = n->segment;

    fleet_cut(f, n, true);
    fleet_run(f, 10 * NS_PER_MS);
    fleet_request(f, n, fleet_remove("k"));
    fleet_run(f, 2 * NS_PER_S);
    CHECK(n->journal_count == 1);
    fleet_kill(f, n);
    n->cut = false;
    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, NS_PER_S);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1);
    CHECK(n->journal_count == 0);
    CHECK(fleet_status(f, other).gaps == 0);
    CHECK(fleet_status(f, n).gaps == 0);
    fixture_done(&segment);
    fleet_free(f);
}

TEST(publish_answers_who_waits_though_another_client_has_gone)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request r = fleet_remove("k");

    r.client = 7;
    struct fleet_answer *gone = fleet_request(f, n, r);
    struct fleet_answer *stays = fleet_request(f, n, fleet_remove("l"));
    fleet_gone(f, n, 7);
    fleet_run(f, NS_PER_S);
    CHECK(gone->count == 0);
    CHECK(stays->reply.status == ACCORD_OK);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1); /* accepted is accepted */
    fleet_free(f);
}

TEST(publish_refuses_exactly_beyond_its_bound_and_changes_nothing_then)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct bytes keys[REMOVE_KEYS_MAX];
    struct request r = {.op = REQUEST_REMOVE, .keys = keys, .key_count = COUNT_OF(keys)};

    n->cut = true;
    fleet_start(f, n);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        keys[i] = bytes_of_text("k");
    for (size_t i = 0; i < OUTBOX_CHANGES_MAX / REMOVE_KEYS_MAX; i++)
        CHECK(fleet_request(f, n, r)->count == 0);
    CHECK(fleet_status(f, n).outbox == OUTBOX_CHANGES_MAX);
    struct token token = fleet_get(f, n, "m").token;
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("m"));
    CHECK(a->reply.status == ACCORD_E_FULL);
    CHECK(fleet_get(f, n, "m").token.slot == token.slot);
    CHECK(n->notes[NOTE_OUTBOX_FULL] == 1);
    fleet_free(f);
}

TEST(publish_refuses_a_removal_for_whose_answer_nobody_could_wait_and_says_so_once)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1"), *local = fleet_add(f, "web2");
    struct request strict = fleet_remove("m");

    strict.want_strict = true;
    strict.wait_ns = NS_PER_S;
    n->cut = local->cut = true;
    local->settings.ack_local = true;
    for (size_t k = 0; k < 2; k++) {
        struct fleet_node *at = k == 0 ? n : local;
        fleet_start(f, at);
        struct request wait = fleet_sync(3600 * NS_PER_S);
        wait.has_position = true;
        for (size_t i = 0; i < WAITERS_MAX; i++) { /* the fleet has fewer answers */
            wait.id = 0;
            wait.client = 9;
            wait.position.value = i + 1;
            fleet_step(f, at, &(struct event){.type = EVENT_REQUEST, .request = wait});
        }
        CHECK(fleet_status(f, at).waiters == WAITERS_MAX);
        CHECK(fleet_request(f, at, fleet_sync(NS_PER_S))->reply.status == ACCORD_E_FULL);
        CHECK(fleet_request(f, at, strict)->reply.status == ACCORD_E_FULL);
    }
    CHECK(fleet_request(f, n, fleet_remove("m"))->reply.status == ACCORD_E_FULL);
    CHECK(fleet_request(f, n, fleet_remove("m"))->reply.status == ACCORD_E_FULL);
    CHECK(n->notes[NOTE_OUTBOX_FULL] == 1);
    CHECK(fleet_status(f, n).outbox == 0);
    /* Where the journal answers, nobody waits. */
    CHECK(fleet_request(f, local, fleet_remove("m"))->reply.status == ACCORD_OK);
    /* A load beside one that is under way is told at once that it is. */
    struct fleet_answer *first = fleet_request(f, n, fleet_load("k", NS_PER_S));
    CHECK(first->reply.has_token);
    CHECK(fleet_request(f, n, fleet_load("k", NS_PER_S))->reply.state == ACCORD_BUSY);
    fleet_free(f);
}

TEST(publish_waits_for_every_node_though_the_journal_answers_the_others)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct request strict = fleet_remove("k");

    n->settings.ack_local = true;
    fleet_start(f, n);
    fleet_settle(f);
    strict.want_strict = true;
    strict.wait_ns = 10 * NS_PER_S;
    struct fleet_answer *a = fleet_request(f, n, strict);
    CHECK(a->count == 0);
    CHECK(fleet_request(f, n, fleet_remove("l"))->reply.status == ACCORD_OK);
    fleet_run(f, 10 * NS_PER_S);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.is_strict);
    fleet_free(f);
}

TEST(publish_sends_nothing_again_of_which_it_cannot_tell_what_it_was)
{
    enum { MORE = 2 };
    static struct change kept[OUTBOX_CHANGES_MAX + MORE];
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct change bad[] = {{.op = CHANGE_REMOVE, .key = bytes_of_text("k")}, /* no message */
                           {.op = CHANGE_REMOVE, .message = {1, 1}},         /* no key */
                           {.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {1, 2}}};

    n->cut = true;
    fleet_start(f, n);
    fleet_step(f, n,
               &(struct event){.type = EVENT_RESEND,
                               .resend = {.changes = bad, .count = COUNT_OF(bad)}});
    CHECK(n->notes[NOTE_OUTBOX_FULL] == 2);
    CHECK(strcmp(n->why, "a kept change cannot be sent again") == 0);
    CHECK(fleet_status(f, n).outbox == 1);
    /* Nor what finds no room: that stays in the journal. */
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        kept[i] =
            (struct change){.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {2, i}};
    fleet_step(f, n,
               &(struct event){.type = EVENT_RESEND,
                               .resend = {.changes = kept, .count = COUNT_OF(kept)}});
    CHECK(fleet_status(f, n).outbox == OUTBOX_CHANGES_MAX);
    CHECK(n->notes[NOTE_OUTBOX_FULL] == 2 + MORE + 1);
    fleet_free(f);
}

TEST(publish_answers_with_the_epoch_it_reads_where_the_bus_has_none)
{
    struct fleet *f = fleet_new(NULL);

    f->epoch = 0;
    struct fleet_node *n = fresh_node(f, "web1");
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK);
    CHECK(a->reply.position.epoch == 0);
    CHECK(a->reply.position.value == f->newest);
    fleet_free(f);
}

TEST(publish_tells_people_what_the_bus_says_where_it_fails)
{
    static const char *const whys[] = {NULL, "", "read-only"};

    for (size_t i = 0; i < COUNT_OF(whys); i++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fresh_node(f, "web1");
        fleet_request(f, n, fleet_remove("k"));
        struct event e = {.type = EVENT_BUS_PUBLISHED,
                          .published = {.status = ACCORD_E_DOWN, .why = whys[i]}};
        for (size_t k = 0; k < f->message_count; k++)
            if (f->messages[k].kind == FLEET_PUBLISH)
                e.published.batch = f->messages[k].number;
        fleet_step(f, n, &e);
        CHECK(n->notes[NOTE_PUBLISH_FAILED] == 1);
        CHECK(strcmp(n->why, i < 2 ? status_text(ACCORD_E_DOWN) : whys[i]) == 0);
        fleet_run(f, NS_PER_S);
        CHECK(n->notes[NOTE_PUBLISH_OK] == 1);
        CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1);
        fleet_free(f);
    }
}

TEST(publish_takes_a_failure_that_comes_late_for_none)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    fleet_step(f, n,
               &(struct event){.type = EVENT_BUS_PUBLISHED,
                               .published = {.batch = 1000, .status = ACCORD_E_DOWN}});
    CHECK(fleet_status(f, n).publish_failures == 0);
    CHECK(n->notes[NOTE_PUBLISH_FAILED] == 0);
    fleet_free(f);
}

TEST(publish_of_a_node_that_stops_before_it_joined_sends_what_it_accepted_and_no_leave)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    fleet_cut(f, n, true);
    fleet_start(f, n);
    struct fleet_answer *a = fleet_request(f, n, fleet_remove("k"));
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    fleet_cut(f, n, false);
    fleet_run(f, NS_PER_S);
    CHECK(n->stopped);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK);
    CHECK(f->log_count == 1);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 1);
    fleet_free(f);
}

TEST(publish_refuses_who_asks_again_where_nobody_more_can_wait)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct request named = fleet_remove("k"), wait = fleet_sync(3600 * NS_PER_S);

    n->cut = true;
    n->settings.ack_local = true; /* so that it needs nobody who waits */
    fleet_start(f, n);
    named.retry_id = bytes_of_text("r1");
    CHECK(fleet_request(f, n, named)->reply.status == ACCORD_OK);
    wait.client = 9;
    wait.has_position = true;
    for (size_t i = 1; i <= WAITERS_MAX; i++) { /* the fleet has fewer answers */
        wait.position.value = i;
        fleet_step(f, n, &(struct event){.type = EVENT_REQUEST, .request = wait});
    }
    CHECK(fleet_status(f, n).waiters == WAITERS_MAX);
    CHECK(fleet_request(f, n, named)->reply.status == ACCORD_E_FULL);
    CHECK(fleet_status(f, n).outbox == 1);
    CHECK(fleet_status(f, n).retries == 1);
    fleet_free(f);
}
