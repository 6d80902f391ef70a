/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

enum { OURS = 1, THEIRS = 2 };

static struct fleet_node *add(struct fleet *f, const char *name, unsigned key)
{
    struct fleet_node *n = fleet_add(f, name);

    n->key = key;
    n->settings.signing = key > 0;
    fleet_start(f, n);
    return n;
}

static struct fleet_node *fresh(struct fleet *f, const char *name)
{
    struct fleet_node *n = add(f, name, OURS);

    fleet_settle(f);
    return n;
}

static void fill(struct fleet *f, struct fleet_node *n, const char *key)
{
    struct token token = fleet_get(f, n, key).token;

    CHECK(fleet_request(f, n, fleet_fill(key, "v", &token))->reply.status == ACCORD_OK);
}

/* What somebody writes who calls himself web9, signed as `key` says. */
static void say(struct fleet *f, enum change_op op, const char *text, unsigned key)
{
    f->signs = key;
    fleet_insert_change(f, (struct change){.op = op,
                                           .key = bytes_of_text(text),
                                           .origin = bytes_of_text("web9"),
                                           .incarnation = {9, 9},
                                           .sequence = 1,
                                           .nonce = 77});
    f->signs = 0;
    fleet_run(f, 50 * NS_PER_MS);
}

static void by_hand(struct fleet *f, enum change_op op, const char *key)
{
    fleet_insert(f, op, key);
    fleet_run(f, 50 * NS_PER_MS);
}

static uint64_t silence_ns(void)
{
    return 4 * FLEET_L + FLEET_L + FLEET_L / 2;
}

TEST(trust_of_two_nodes_with_one_key_is_full)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1"), *b = fresh(f, "web2");

    fill(f, b, "k");
    CHECK(fleet_hits(f, b, "k", "v"));
    CHECK(fleet_request(f, a, fleet_remove("k"))->count <= 1);
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(!fleet_hits(f, b, "k", "v"));
    for (unsigned i = TRUST_UNSIGNED; i < TRUST_KINDS; i++)
        CHECK(fleet_status(f, a).refused[i] + fleet_status(f, b).refused[i] == 0);
    CHECK(fleet_status(f, b).members == 2);
    fleet_free(f);
}

TEST(trust_keeps_a_newcomer_with_another_key_unsure_and_silent_and_tells_him_why)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1"), *c;

    fill(f, a, "k");
    c = add(f, "web3", THEIRS);
    size_t entries = f->log_count;
    fleet_run(f, 10 * FLEET_L);
    CHECK(!fleet_status(f, c).fresh);
    CHECK(strstr(fleet_status(f, c).why, "this node's signing key is not the fleet's"));
    CHECK(strstr(fleet_status(f, c).why, "web1"));
    CHECK(strstr(fleet_status(f, c).why, "keys differ; compare signing-key-file"));
    CHECK(c->notes[NOTE_REFUSED] >= 1);
    CHECK(fleet_status(f, c).refused[TRUST_KEYS] >= 1);
    for (size_t i = entries; i < f->log_count; i++) /* it has said nothing */
        CHECK(f->entries[i].held.signed_with == OURS);
    CHECK(fleet_hits(f, a, "k", "v")); /* and web1 has noticed nothing */
    CHECK(fleet_status(f, a).lease_losses == 0);
    CHECK(fleet_status(f, a).refused[TRUST_KEYS] == 0);
    fleet_free(f);
}

/* So what it removes is never acknowledged, and P1 promises nothing of it. */
TEST(trust_answers_a_removal_of_a_node_with_another_key_as_unpublished)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *c;

    fresh(f, "web1");
    c = add(f, "web3", THEIRS);
    fleet_run(f, FLEET_L);
    struct fleet_answer *answer = fleet_request(f, c, fleet_remove("k"));
    while (answer->count == 0)
        fleet_run(f, 10 * NS_PER_MS);
    CHECK(answer->reply.status == ACCORD_E_UNPUBLISHED);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "k") == 0);
    fleet_free(f);
}

TEST(trust_lets_a_node_go_on_once_those_with_the_other_key_are_gone)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1"), *c = add(f, "web3", THEIRS);

    fleet_run(f, 2 * FLEET_L);
    CHECK(!fleet_status(f, c).fresh);
    fleet_kill(f, a);
    fleet_run(f, silence_ns() + FLEET_L);
    CHECK(fleet_status(f, c).fresh);
    CHECK(strcmp(fleet_status(f, c).why, "") == 0);
    fleet_free(f);
}

/* Both begin at once: at most one of them goes on, and the other is told. */
TEST_SEEDS(trust_lets_one_of_two_nodes_go_on_that_begin_with_two_keys_at_once, 20)
{
    struct fleet *f = fleet_new(rng);

    f->delay_max_ns = 30 * NS_PER_MS;
    struct fleet_node *a = add(f, "web1", OURS), *b = add(f, "web2", THEIRS);
    fleet_run(f, 6 * silence_ns());
    CHECK(fleet_status(f, a).fresh || fleet_status(f, b).fresh);
    CHECK(!fleet_status(f, a).fresh || !fleet_status(f, b).fresh);
    fleet_free(f);
}

TEST(trust_lets_no_stranger_disturb_who_was_there_first)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1");

    fill(f, a, "k");
    for (unsigned i = 0; i < 20; i++) {
        say(f, i % 2 ? CHANGE_BEAT : CHANGE_JOIN, "", i % 3 ? THEIRS : 0);
        say(f, CHANGE_LEAVE, "", THEIRS);
    }
    CHECK(fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).lease_losses == 0);
    CHECK(fleet_status(f, a).members == 1);
    CHECK(fleet_status(f, a).refused[TRUST_KEYS] == 33);
    CHECK(fleet_status(f, a).refused[TRUST_NAKED] == 7);
    CHECK(a->notes[NOTE_REFUSED] == 2); /* one of each kind in ten seconds */
    CHECK(strstr(fleet_status(f, a).refused_last, "web9"));
    fleet_free(f);
}

TEST(trust_drops_the_cache_for_a_removal_that_may_be_real_but_not_at_a_strangers_will)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1");

    fill(f, a, "k");
    say(f, CHANGE_REMOVE, "k", THEIRS);
    CHECK(!fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).drops[DROP_UNVERIFIED] == 1);
    fleet_settle(f);
    fill(f, a, "k");
    for (unsigned i = 0; i < 10; i++)
        say(f, CHANGE_CLEAR, "", i % 2 ? THEIRS : 0);
    CHECK(fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).drops[DROP_UNVERIFIED] == 1);
    fleet_run(f, 600 * NS_PER_S);
    say(f, CHANGE_REMOVE, "k", 0);
    CHECK(!fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).drops[DROP_UNVERIFIED] == 2);
    fleet_free(f);
}

TEST(trust_believes_no_stranger_about_max_stale)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1");

    f->signs = THEIRS;
    fleet_insert_change(f, (struct change){.op = CHANGE_BEAT,
                                           .origin = bytes_of_text("web9"),
                                           .incarnation = {9, 9},
                                           .has_version = true,
                                           .version = MAX_STALE_MS_MAX});
    f->signs = 0;
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, a).max_stale_ns == FLEET_L);
    CHECK(fleet_status(f, a).fresh);
    fleet_free(f);
}

TEST(trust_refuses_removals_by_hand_where_none_are_allowed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1");

    fill(f, a, "k");
    by_hand(f, CHANGE_REMOVE, "k");
    CHECK(fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).refused[TRUST_UNSIGNED] == 1);
    CHECK(fleet_status(f, a).applied_foreign == 0);
    CHECK(fleet_status(f, a).cold_boots == 0);
    CHECK(strstr(fleet_status(f, a).refused_last, "a person or a trigger"));
    fleet_free(f);
}

static struct fleet_node *tolerant(struct fleet *f, uint32_t a_second)
{
    struct fleet_node *n = fleet_add(f, "web1");

    n->key = OURS;
    n->settings.signing = true;
    n->settings.unsigned_removals = a_second;
    fleet_start(f, n);
    fleet_settle(f);
    return n;
}

TEST(trust_lets_removals_of_one_key_by_hand_pass_and_nothing_else)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = tolerant(f, 10);

    fill(f, a, "k");
    fill(f, a, "other");
    by_hand(f, CHANGE_TAG, "k");
    by_hand(f, CHANGE_PREFIX, "k");
    by_hand(f, CHANGE_NAMESPACE, "k");
    by_hand(f, CHANGE_CLEAR, "");
    CHECK(fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).refused[TRUST_UNSIGNED] == 4);
    by_hand(f, CHANGE_REMOVE, "k");
    CHECK(!fleet_hits(f, a, "k", "v"));
    CHECK(fleet_hits(f, a, "other", "v"));
    CHECK(fleet_status(f, a).unsigned_applied == 1);
    CHECK(fleet_status(f, a).applied_foreign == 1);
    fleet_free(f);
}

static size_t seen_count;
static uint8_t seen[8];

static void see(struct fleet *f, struct fleet_node *n, const struct entry *e, bool own)
{
    (void)f;
    (void)n;
    CHECK(!own);
    if (e->change.op == CHANGE_REMOVE && seen_count < COUNT_OF(seen))
        seen[seen_count++] = e->change.key.data[0];
}

/* Effects point to what stands for each, and are carried out after the last. */
TEST(trust_tells_watchers_of_each_removal_by_hand)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = tolerant(f, 10);
    struct entry entries[3] = {{.position = 0}};

    f->applied = see;
    seen_count = 0;
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        entries[i].position = f->newest + 1 + i;
        entries[i].trust = TRUST_UNSIGNED;
        entries[i].change.op = CHANGE_REMOVE;
        entries[i].change.key = bytes_of(&"abc"[i], 1);
        entries[i].change.message = (struct id128){7, i + 1};
    }
    fleet_step(f, n,
               &(struct event){.type = EVENT_BUS_ENTRIES,
                               .entries = {.entries = entries, .count = COUNT_OF(entries)}});
    CHECK(seen_count == COUNT_OF(entries));
    CHECK(memcmp(seen, "abc", 3) == 0);
    fleet_free(f);
}

TEST(trust_of_an_altered_beat_says_nothing_about_our_key)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = add(f, "web1", OURS);
    struct entry e = {.position = 1,
                      .trust = TRUST_ALTERED,
                      .change = {.op = CHANGE_BEAT,
                                 .origin = bytes_of_text("web9"),
                                 .message = {1, 1},
                                 .incarnation = {9, 9}}};

    while (!fleet_status(f, n).attached)
        fleet_run(f, NS_PER_MS);
    fleet_step(
        f, n,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
    CHECK(fleet_status(f, n).refused[TRUST_ALTERED] == 1);
    CHECK(!strstr(fleet_status(f, n).why, "is not the fleet's"));
    fleet_free(f);
}

TEST(trust_drops_the_cache_for_more_removals_by_hand_than_are_allowed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = tolerant(f, 3);
    char key[16];

    fill(f, a, "other");
    for (unsigned i = 0; i < 9; i++) {
        snprintf(key, sizeof key, "k%u", i);
        fleet_insert(f, CHANGE_REMOVE, key);
    }
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(!fleet_hits(f, a, "other", "v"));
    CHECK(!fleet_status(f, a).fresh);
    CHECK(strstr(fleet_status(f, a).why, "unsigned-removals allows (3/s)"));
    CHECK(fleet_status(f, a).unsigned_applied == 3);
    CHECK(fleet_status(f, a).unsigned_over == 6);
    CHECK(fleet_status(f, a).drops[DROP_UNSIGNED] == 1);
    fleet_run(f, 2 * NS_PER_S); /* it is over */
    CHECK(fleet_status(f, a).fresh);
    fill(f, a, "other");
    by_hand(f, CHANGE_REMOVE, "k9");
    CHECK(fleet_hits(f, a, "other", "v"));
    CHECK(fleet_status(f, a).unsigned_applied == 4);
    fleet_free(f);
}

/* As the bus gives it, whatever its signature came to. */
static void give(struct fleet *f, struct fleet_node *n, enum trust trust, struct change c)
{
    struct entry e = {
        .position = fleet_status(f, n).cursor.position + 1, .trust = trust, .change = c};

    e.change.message = (struct id128){e.position, 5};
    fleet_step(
        f, n,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
}

static struct change of_web9(enum change_op op, const char *key)
{
    return (struct change){.op = op,
                           .key = bytes_of_text(key),
                           .origin = bytes_of_text("web9"),
                           .incarnation = {9, 9}};
}

TEST(trust_says_what_is_wrong_with_each_kind_of_entry)
{
    static const struct {
        enum trust trust;
        const char *words;
        uint64_t drops; /* one that was in the log before is known by then */
    } kinds[] = {{TRUST_NAKED, "give that node the signing-key-file", 1},
                 {TRUST_KEYS, "compare signing-key-file", 1},
                 {TRUST_ALTERED, "was altered after it was signed", 1},
                 {TRUST_REPLAYED, "was in the log before", 0},
                 {TRUST_LATE, "was signed long ago", 1}};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *a = fresh(f, "web1");
        give(f, a, kinds[i].trust, of_web9(CHANGE_REMOVE, "k"));
        CHECK(strstr(fleet_status(f, a).refused_last, "the remove of web9 at position "));
        CHECK(strstr(fleet_status(f, a).refused_last, kinds[i].words));
        CHECK(fleet_status(f, a).refused[kinds[i].trust] == 1);
        CHECK(fleet_status(f, a).drops[DROP_UNVERIFIED] == kinds[i].drops);
        fleet_free(f);
    }
}

TEST(trust_drops_the_cache_for_an_operation_that_it_does_not_know)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1");

    fill(f, a, "k");
    give(f, a, TRUST_KEYS, of_web9((enum change_op)99, "k"));
    CHECK(strstr(fleet_status(f, a).refused_last, "the change of web9"));
    CHECK(fleet_status(f, a).drops[DROP_UNVERIFIED] == 1);
    CHECK(!fleet_hits(f, a, "k", "v"));
    fleet_free(f);
}

TEST(trust_believes_of_a_removal_by_hand_what_it_takes_away_and_no_more)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = tolerant(f, 10);
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .soft = true};

    fill(f, a, "k");
    give(f, a, TRUST_UNSIGNED, c);
    CHECK(fleet_get(f, a, "k").state == ACCORD_STALE);
    c = (struct change){
        .op = CHANGE_REMOVE, .key = bytes_of_text("k"), .has_version = true, .version = 1};
    give(f, a, TRUST_UNSIGNED, c);
    CHECK(fleet_get(f, a, "k").state == ACCORD_MISS);
    CHECK(fleet_status(f, a).unsigned_applied == 2);
    c.key = bytes_of(NULL, 0); /* of no key: not one that may pass */
    give(f, a, TRUST_UNSIGNED, c);
    give(f, a, TRUST_KEYS, of_web9(CHANGE_BEAT, "")); /* nor one that names a node */
    CHECK(fleet_status(f, a).unsigned_applied == 2);
    CHECK(fleet_status(f, a).refused[TRUST_UNSIGNED] == 1);
    CHECK(fleet_status(f, a).refused[TRUST_KEYS] == 1);
    fleet_free(f);
}

TEST(trust_of_a_signed_change_that_names_nobody_shows_no_other_node)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1");

    fill(f, a, "k");
    f->signs = OURS;
    by_hand(f, CHANGE_REMOVE, "k");
    f->signs = 0;
    CHECK(!fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).members == 1);
    fleet_free(f);
}

/* What is in view was there before anything was kept here: it costs nothing, however much. */
TEST(trust_drops_nothing_for_what_was_in_the_log_before)
{
    struct fleet *f = fleet_new(NULL);

    say(f, CHANGE_REMOVE, "k", THEIRS);
    for (unsigned i = 0; i < 9; i++)
        by_hand(f, CHANGE_REMOVE, "k");
    struct fleet_node *a = tolerant(f, 3);
    CHECK(fleet_status(f, a).refused[TRUST_KEYS] == 1);
    CHECK(fleet_status(f, a).unsigned_applied == 9);
    CHECK(fleet_status(f, a).unsigned_over == 0);
    CHECK(fleet_status(f, a).cold_boots == 0);
    fill(f, a, "k");
    fleet_run(f, 2 * NS_PER_S);

    fleet_kill(f, a); /* nor for what the earlier run had read */
    struct fixture old = a->segment;
    fleet_start_resumed(f, a, &old);
    fleet_settle(f);
    CHECK(fleet_hits(f, a, "k", "v"));
    CHECK(fleet_status(f, a).cold_boots == 0);
    fixture_done(&old);
    fleet_free(f);
}

/* Somebody is there whose key is ours, so it is not our key that is wrong. */
TEST(trust_lets_a_newcomer_go_on_where_a_node_of_its_key_lives_among_strangers)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh(f, "web1");

    say(f, CHANGE_BEAT, "", THEIRS);
    struct fleet_node *b = add(f, "web2", OURS);
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, b).fresh);
    CHECK(fleet_status(f, b).refused[TRUST_KEYS] == 1);
    fleet_kill(f, a); /* and goes on when it is alone with them, for it was there */
    for (unsigned i = 0; i < 10; i++) {
        say(f, CHANGE_BEAT, "", THEIRS);
        fleet_run(f, FLEET_L);
    }
    CHECK(fleet_status(f, b).fresh);
    CHECK(fleet_status(f, b).lease_losses == 0);
    fleet_free(f);
}

/* Whatever strangers write: nodes of one key stay in accord, and their removals are applied. */
TEST_SEEDS(trust_keeps_a_fleet_in_accord_whatever_strangers_write, 30)
{
    struct fleet *f = fleet_new(rng);

    f->delay_max_ns = 20 * NS_PER_MS;
    f->repeat_permille = 50;
    struct fleet_node *n[3] = {fresh(f, "web1"), fresh(f, "web2"), fresh(f, "web3")};
    for (unsigned i = 0; i < 60; i++) {
        static const enum change_op ops[] = {CHANGE_REMOVE, CHANGE_CLEAR, CHANGE_JOIN,
                                             CHANGE_LEAVE, CHANGE_BEAT};
        enum change_op op = ops[test_random(rng, COUNT_OF(ops))];
        say(f, op, op == CHANGE_REMOVE ? "k" : "", (unsigned)test_random(rng, 2) * THEIRS);
        fleet_settle(f);
        size_t from = (size_t)test_random(rng, 3), to = (from + 1) % 3;
        fill(f, n[to], "k");
        fleet_request(f, n[from], fleet_remove("k"));
        fleet_run(f, 200 * NS_PER_MS);
        CHECK(!fleet_hits(f, n[to], "k", "v"));
    }
    for (size_t i = 0; i < 3; i++) {
        CHECK(fleet_status(f, n[i]).members == 3);
        CHECK(fleet_status(f, n[i]).divergences == 0);
        CHECK(fleet_status(f, n[i]).gaps == 0);
        CHECK(fleet_status(f, n[i]).drops[DROP_UNVERIFIED] <= 1);
    }
    fleet_free(f);
}
