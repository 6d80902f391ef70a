/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"
#include "wire/letter.h"

static const struct id128 web9 = {9, 1};

/* ---- what was answered, as a door sees it --------------------------------------------------
 */

struct row {
    char name[NODE_NAME_BYTES_MAX + 1], state[16], version[16], why[128];
    struct id128 incarnation;
    bool answered, self, known, in_log, is_member;
    uint64_t applied, lag, asked, round_trip_ns;
};

struct told {
    size_t count;
    struct row rows[8];
};

static void keep(char *to, size_t to_bytes, struct bytes from)
{
    snprintf(to, to_bytes, "%.*s", (int)from.size_bytes, (const char *)from.data);
}

/* Rows are only there while the reply is given. */
static void collect(struct fleet *f, struct fleet_answer *a)
{
    struct told *t = f->context;
    struct core_answer out;

    t->count = 0;
    for (size_t at = 0; core_answer(f->nodes[a->node].core, a->reply.letter, &at, &out);) {
        CHECK(t->count < COUNT_OF(t->rows));
        struct row *r = &t->rows[t->count++];
        *r = (struct row){.incarnation = out.incarnation,
                          .answered = out.answered,
                          .self = out.self,
                          .known = out.applied_known,
                          .in_log = out.in_log,
                          .is_member = out.member,
                          .applied = out.applied,
                          .lag = out.lag,
                          .asked = out.asked,
                          .round_trip_ns = out.round_trip_ns};
        keep(r->name, sizeof r->name, bytes_of_text(out.name));
        keep(r->state, sizeof r->state, out.state);
        keep(r->version, sizeof r->version, out.version);
        keep(r->why, sizeof r->why, bytes_of_text(out.why ? out.why : ""));
    }
}

static const struct row *row_of(const struct told *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    return NULL;
}

/* ---- fleets --------------------------------------------------------------------------------
 */

static struct fleet *three(uint64_t *rng, struct told *t)
{
    struct fleet *f = fleet_new(rng);

    fleet_start(f, fleet_add(f, "web1"));
    fleet_start(f, fleet_add(f, "web2"));
    fleet_start(f, fleet_add(f, "web3"));
    fleet_settle(f);
    fleet_run(f, NS_PER_S);
    f->context = t;
    f->answered = collect;
    return f;
}

static struct fleet_answer *ping(struct fleet *f, struct fleet_node *n, const char *name,
                                 uint64_t wait_ms)
{
    struct bytes to = bytes_of_text(name);

    return fleet_request(
        f, n,
        (struct request){
            .op = REQUEST_PING, .keys = &to, .key_count = 1, .wait_ns = wait_ms * NS_PER_MS});
}

/* web9, which is no core, says that in a beat. */
static void say(struct fleet *f, uint64_t sequence, const char *text)
{
    fleet_insert_change(f, (struct change){.op = CHANGE_BEAT,
                                           .origin = bytes_of_text("web9"),
                                           .incarnation = web9,
                                           .sequence = sequence,
                                           .nonce = sequence,
                                           .about = bytes_of_text(text)});
}

/* How many beats of the log begin so. */
static size_t said(const struct fleet *f, const char *text)
{
    size_t count = 0;

    for (size_t i = 0; i < f->log_count; i++) {
        const struct fleet_change *h = &f->entries[i].held;
        count += h->change.op == CHANGE_BEAT && h->change.about.size_bytes >= strlen(text) &&
                 memcmp(h->about, text, strlen(text)) == 0;
    }
    return count;
}

/* A publish of that node is on its way, and the bus takes none: what it is asked waits. */
static void hold_up(struct fleet *f, struct fleet_node *n)
{
    f->fail_permille = 1000;
    fleet_request(f, n, fleet_remove("k"));
}

/* ---- answered ------------------------------------------------------------------------------
 */

TEST(letter_to_a_node_is_answered_by_it_alone_with_how_it_is)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_answer *a = ping(f, &f->nodes[0], "web2", 5000);

    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK && a->reply.count == 1);
    CHECK(t.count == 1);
    const struct row *r = row_of(&t, "web2");
    CHECK(r && r->answered && !r->self && r->asked == 1);
    CHECK(strcmp(r->state, "fresh") == 0 && strcmp(r->version, "test") == 0 && !r->why[0]);
    CHECK(id128_equal(r->incarnation, f->nodes[1].settings.incarnation));
    CHECK(r->round_trip_ns > 0 && r->round_trip_ns < 250 * NS_PER_MS);
    CHECK(r->known && r->applied > 0 && r->lag == 0);
    CHECK(said(f, "ask ") == 1 && said(f, "answer ") == 1);
    CHECK(fleet_status(f, &f->nodes[0]).letters_asked == 1);
    CHECK(fleet_status(f, &f->nodes[1]).letters_answered == 1);
    CHECK(fleet_status(f, &f->nodes[2]).letters_answered == 0);
    CHECK(fleet_status(f, &f->nodes[2]).applied_foreign == 0);
    fleet_free(f);
}

TEST(letter_to_all_is_answered_by_all_and_by_the_way_back_for_ourselves)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_answer *a = ping(f, &f->nodes[0], "*", 5000);

    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.count == 3 && t.count == 3);
    CHECK(row_of(&t, "web1")->self && row_of(&t, "web1")->lag == 0);
    CHECK(!row_of(&t, "web2")->self && row_of(&t, "web3")->answered);
    CHECK(said(f, "ask ") == 1 && said(f, "answer ") == 2); /* none of ourselves */
    fleet_free(f);
}

TEST(letter_is_answered_with_why_a_node_is_unsure)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_node *late = fleet_add(f, "web4");

    late->settings.join_settle_ns = 3600 * NS_PER_S;
    fleet_start(f, late);
    fleet_run(f, NS_PER_S);
    ping(f, &f->nodes[0], "web4", 5000);
    fleet_run(f, NS_PER_S);
    CHECK(t.count == 1 && strcmp(t.rows[0].state, "unsure") == 0);
    CHECK(strstr(t.rows[0].why, "another node has this name"));
    fleet_free(f);
}

TEST(letter_of_a_person_is_answered_in_the_log)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    fleet_insert_change(
        f, (struct change){.op = CHANGE_BEAT,
                           .about = bytes_of_text("ask 0000000000000007 5000 web2 ping")});
    fleet_run(f, NS_PER_S);
    CHECK(said(f, "answer 0000000000000007 done test fresh") == 1);
    CHECK(said(f, "answer ") == 1);
    fleet_free(f);
}

TEST(letter_of_a_kind_that_is_not_known_is_refused_in_words)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    say(f, 1, "ask 0000000000000007 5000 web2 compact now");
    fleet_run(f, NS_PER_S);
    CHECK(said(f, "answer 0000000000000007 refused this node knows no such question") == 1);
    fleet_free(f);
}

/* ---- asked again ---------------------------------------------------------------------------
 */

TEST(letter_that_comes_again_is_answered_again_with_what_was_said_and_done_once)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    for (uint64_t i = 1; i <= 3; i++) {
        say(f, i, "ask 0000000000000007 5000 web2 ping");
        fleet_run(f, NS_PER_S);
    }
    CHECK(said(f, "answer 0000000000000007 done test fresh") == 3);
    CHECK(fleet_status(f, &f->nodes[1]).letters_answered == 1);
    say(f, 4, "ask 0000000000000007 5000 web2 compact"); /* nothing else is done for it */
    fleet_run(f, NS_PER_S);
    CHECK(said(f, "answer 0000000000000007 done test fresh") == 4);
    CHECK(said(f, "answer ") == 4);
    fleet_free(f);
}

TEST(letter_that_comes_twice_before_its_answer_has_left_is_answered_once)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    hold_up(f, &f->nodes[1]);
    say(f, 1, "ask 0000000000000007 5000 web2 ping");
    say(f, 2, "ask 0000000000000007 5000 web2 ping");
    fleet_run(f, 100 * NS_PER_MS);
    f->fail_permille = 0;
    fleet_run(f, 2 * NS_PER_S);
    CHECK(said(f, "answer ") == 1);
    fleet_free(f);
}

TEST(letter_is_asked_again_ever_more_seldom_until_time_is_over)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_answer *a = ping(f, &f->nodes[0], "nobody", 60000);

    fleet_run(f, 59 * NS_PER_S);
    CHECK(a->count == 0);
    size_t asked = said(f, "ask ");
    CHECK(asked >= 7 && asked <= 10); /* after 0.25 s, 0.75, 1.75, 3.75, 7.75, 15.75, 31.75 */
    fleet_run(f, 2 * NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK && a->reply.count == 0);
    CHECK(t.count == 1 && !t.rows[0].answered && !t.rows[0].is_member && t.rows[0].in_log);
    CHECK(t.rows[0].asked == asked);
    fleet_run(f, 60 * NS_PER_S);
    CHECK(said(f, "ask ") == asked);
    fleet_free(f);
}

TEST(letter_that_a_node_missed_is_answered_when_it_comes_again)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    fleet_cut(f, &f->nodes[1], true);
    fleet_run(f, 20 * NS_PER_S);
    struct fleet_answer *a = ping(f, &f->nodes[0], "web2", 60000);
    fleet_run(f, 10 * NS_PER_S);
    CHECK(a->count == 0);
    fleet_cut(f, &f->nodes[1], false);
    fleet_run(f, 30 * NS_PER_S);
    CHECK(a->count == 1 && t.rows[0].answered && t.rows[0].asked > 1);
    CHECK(fleet_status(f, &f->nodes[1]).letters_answered == 1);
    fleet_free(f);
}

TEST(letter_is_answered_by_the_next_run_of_a_node_that_was_killed)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_node *two = &f->nodes[1];
    struct id128 before = two->settings.incarnation;

    fleet_kill(f, two);
    fixture_done(&two->segment);
    struct fleet_answer *a = ping(f, &f->nodes[0], "*", 30000);
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 0); /* web2 is not silent yet */
    fleet_start(f, two);
    fleet_run(f, 20 * NS_PER_S);
    CHECK(a->count == 1 && a->reply.count == 3 && t.count == 3); /* nobody waits for the dead */
    CHECK(!id128_equal(row_of(&t, "web2")->incarnation, before));
    fleet_free(f);
}

/* ---- not answered --------------------------------------------------------------------------
 */

TEST(letter_that_may_be_older_than_its_asker_waits_is_not_answered)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_node *two = &f->nodes[1];

    fleet_cut(f, two, true);
    say(f, 1, "ask 0000000000000007 1000 web2 ping");
    fleet_run(f, 2 * NS_PER_S);
    fleet_cut(f, two, false); /* within two max_stale: nobody can tell so sharply */
    fleet_run(f, 2 * NS_PER_S);
    CHECK(said(f, "answer 0000000000000007") == 1);
    fleet_cut(f, two, true);
    say(f, 2, "ask 0000000000000008 1000 web2 ping");
    fleet_run(f, 30 * NS_PER_S);
    fleet_cut(f, two, false);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(said(f, "answer 0000000000000008") == 0);
    CHECK(fleet_status(f, two).letters_late == 1);
    say(f, 3, "ask 0000000000000008 1000 web2 ping");
    fleet_run(f, NS_PER_S);
    CHECK(said(f, "answer 0000000000000008") == 1);
    fleet_free(f);
}

TEST(letter_from_before_a_node_began_is_not_answered)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    say(f, 1, "ask 0000000000000007 60000 web4 ping");
    fleet_run(f, NS_PER_S);
    fleet_start(f, fleet_add(f, "web4")); /* it reads what is in view */
    fleet_run(f, 5 * NS_PER_S);
    CHECK(fleet_status(f, &f->nodes[3]).letters_late == 1);
    CHECK(said(f, "answer ") == 0);
    fleet_free(f);
}

TEST(letter_names_who_has_not_answered)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    fleet_kill(f, &f->nodes[2]);
    fixture_done(&f->nodes[2].segment);
    struct fleet_answer *a = ping(f, &f->nodes[0], "*", 2000);
    fleet_run(f, 3 * NS_PER_S);
    CHECK(a->count == 1 && a->reply.count == 2 && t.count == 3);
    CHECK(!row_of(&t, "web3")->answered && row_of(&t, "web3")->is_member);
    CHECK(row_of(&t, "web3")->in_log);
    fleet_run(f, 20 * NS_PER_S); /* silent by now: nobody waits for it, but it is named */
    a = ping(f, &f->nodes[0], "*", 2000);
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && t.count == 3 && !row_of(&t, "web3")->answered);
    fleet_free(f);
}

TEST(letter_to_all_neither_waits_for_a_relay_nor_names_it)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    fleet_insert_change(f, (struct change){.op = CHANGE_JOIN,
                                           .origin = bytes_of_text("web9"),
                                           .incarnation = web9,
                                           .sequence = 1,
                                           .about = bytes_of_text("relay uncoupled:redis 0")});
    fleet_run(f, NS_PER_S);
    CHECK(fleet_status(f, &f->nodes[0]).members == 4);
    struct fleet_answer *a = ping(f, &f->nodes[0], "*", 20000);
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.count == 3 && t.count == 3 && !row_of(&t, "web9"));
    ping(f, &f->nodes[0], "web9", 500); /* whoever asks it by name hears of it */
    fleet_run(f, NS_PER_S);
    CHECK(t.count == 1 && row_of(&t, "web9") && !t.rows[0].answered);
    fleet_free(f);
}

/* So many have answered as are here; but one of them is not here any more. */
TEST(letter_to_all_waits_for_each_that_is_here_though_one_that_answered_has_left)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_node *late = fleet_add(f, "web4");

    fleet_start(f, late);
    fleet_settle(f);
    fleet_run(f, NS_PER_S);
    fleet_cut(f, &f->nodes[2], true);
    fleet_cut(f, late, true);
    struct fleet_answer *a = ping(f, &f->nodes[0], "*", 20000);
    fleet_run(f, NS_PER_S);
    fleet_step(f, &f->nodes[1], &(struct event){.type = EVENT_STOP});
    fleet_run(f, NS_PER_S);
    CHECK(fleet_status(f, &f->nodes[0]).members == 3);
    fleet_cut(f, &f->nodes[2], false);
    fleet_run(f, 3 * NS_PER_S);
    CHECK(said(f, "answer ") >= 2 && a->count == 0);
    fleet_cut(f, late, false);
    fleet_run(f, 3 * NS_PER_S);
    CHECK(a->count == 1 && t.count == 4 && row_of(&t, "web2")->answered);
    CHECK(row_of(&t, "web3")->answered && row_of(&t, "web4")->answered);
    fleet_free(f);
}

TEST(letter_without_a_bus_ends_in_time_and_says_that_it_has_not_left)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    fleet_cut(f, &f->nodes[0], true);
    fleet_run(f, 20 * NS_PER_S);
    struct fleet_answer *a = ping(f, &f->nodes[0], "web2", 1000);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(a->count == 1 && t.count == 1 && !t.rows[0].answered && !t.rows[0].in_log);
    fleet_free(f);
}

/* ---- bounds --------------------------------------------------------------------------------
 */

TEST(letters_beyond_the_limit_are_refused_and_a_client_that_goes_makes_room)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_answer *a;

    for (unsigned i = 0; i < LETTERS_MAX; i++)
        CHECK(ping(f, &f->nodes[0], "nobody", 60000)->count == 0);
    a = ping(f, &f->nodes[0], "web2", 1000);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_FULL);
    CHECK(strstr(a->reply.why_text, "16 questions"));
    fleet_gone(f, &f->nodes[0], 1);
    a = ping(f, &f->nodes[0], "web2", 1000);
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK && a->reply.count == 1);
    fleet_free(f);
}

TEST(letter_with_a_bad_name_or_time_is_refused)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    static const char *const names[] = {
        "", "a b", "tab\there",
        "a-name-of-more-than-64-bytes-a-name-of-more-than-64-bytes-a-name-"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        CHECK(ping(f, &f->nodes[0], names[i], 1000)->reply.status == ACCORD_E_INVALID);
    CHECK(ping(f, &f->nodes[0], "web2", 0)->reply.status == ACCORD_E_INVALID);
    CHECK(ping(f, &f->nodes[0], "web2", LETTER_WAIT_MS_MAX + 1)->reply.status ==
          ACCORD_E_INVALID);
    CHECK(fleet_status(f, &f->nodes[0]).letters_asked == 0);
    fleet_free(f);
}

TEST(letters_that_come_in_a_flood_are_answered_up_to_the_limit_and_keep_no_lease)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    char text[LETTER_TEXT_BYTES_MAX];

    hold_up(f, &f->nodes[1]);
    for (unsigned i = 1; i <= LETTERS_TAKEN_MAX + 6; i++) {
        snprintf(text, sizeof text, "ask %016x 5000 web2 ping", i);
        say(f, i, text);
    }
    fleet_run(f, 100 * NS_PER_MS);
    f->fail_permille = 0;
    fleet_run(f, 20 * NS_PER_S);
    CHECK(said(f, "answer ") == LETTERS_TAKEN_MAX);
    CHECK(fleet_status(f, &f->nodes[1]).letters_full == 6);
    CHECK(fleet_status(f, &f->nodes[1]).lease_losses == 0);
    struct fleet_answer *a = ping(f, &f->nodes[1], "web1", 5000);
    fleet_run(f, NS_PER_S);
    CHECK(a->reply.count == 1);
    fleet_free(f);
}

TEST(letter_is_answered_by_nobody_else_and_by_each_once)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_answer *a = ping(f, &f->nodes[0], "nobody", 3000);
    struct letter l;
    char text[LETTER_TEXT_BYTES_MAX];

    fleet_run(f, 100 * NS_PER_MS);
    for (size_t i = 0; i < f->log_count; i++)
        if (f->entries[i].held.change.about.size_bytes > 0 &&
            letter_parse(
                bytes_of(f->entries[i].held.about, f->entries[i].held.change.about.size_bytes),
                &l) == ACCORD_OK)
            break;
    CHECK(bytes_equal(l.to, bytes_of_text("nobody")));
    struct letter answer = {
        .type = LETTER_ANSWER, .id = l.id, .body = bytes_of_text("x fresh")};
    letter_print(&answer, text);
    say(f, 1, text); /* web9 was not asked */
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 0);
    struct change c = {.op = CHANGE_BEAT,
                       .origin = bytes_of_text("nobody"),
                       .incarnation = {9, 2},
                       .nonce = 1,
                       .about = bytes_of_text(text)};
    fleet_insert_change(f, c);
    fleet_insert_change(f, c);
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1 && a->reply.count == 1 && t.count == 1);
    fleet_insert_change(f, c); /* nobody waits any more */
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(a->count == 1);
    fleet_free(f);
}

TEST(letters_end_when_the_node_stops)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_answer *a = ping(f, &f->nodes[0], "nobody", 60000);

    fleet_step(f, &f->nodes[0], &(struct event){.type = EVENT_STOP});
    CHECK(a->count == 1 && a->reply.count == 0);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(f->nodes[0].stopped);
    fleet_free(f);
}

/* ---- what does not fit ---------------------------------------------------------------------
 */

/* The number of the question that is in the log. */
static uint64_t question(const struct fleet *f)
{
    struct letter l;

    for (size_t i = f->log_count; i-- > 0;) {
        const struct fleet_change *h = &f->entries[i].held;
        if (h->change.about.size_bytes > 0 &&
            letter_parse(bytes_of(h->about, h->change.about.size_bytes), &l) == ACCORD_OK &&
            l.type == LETTER_ASK)
            return l.id;
    }
    return 0;
}

static void answer_as(struct fleet *f, const char *name, uint64_t id, struct letter answer)
{
    char text[LETTER_TEXT_BYTES_MAX];

    answer.type = LETTER_ANSWER;
    answer.id = id;
    letter_print(&answer, text);
    fleet_insert_change(f, (struct change){.op = CHANGE_BEAT,
                                           .origin = bytes_of_text(name),
                                           .incarnation = web9,
                                           .nonce = 1,
                                           .about = bytes_of_text(text)});
    fleet_run(f, 50 * NS_PER_MS);
}

TEST(letter_tells_an_answer_in_other_words_as_it_is)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    struct fleet_answer *a = ping(f, &f->nodes[0], "web9", 3000);
    fleet_run(f, 100 * NS_PER_MS);
    answer_as(f, "web9", question(f), (struct letter){.body = bytes_of_text("well")});
    CHECK(a->count == 1 && t.count == 1 && strcmp(t.rows[0].why, "well") == 0);
    CHECK(t.rows[0].state[0] == '\0');

    a = ping(f, &f->nodes[0], "web9", 3000);
    fleet_run(f, 100 * NS_PER_MS);
    answer_as(f, "web9", question(f), (struct letter){.verdict = VERDICT_REFUSED});
    CHECK(a->count == 1 && t.count == 1);
    CHECK(strcmp(t.rows[0].state, letter_verdict_word(VERDICT_REFUSED)) == 0);
    CHECK(!t.rows[0].known); /* it told no place in this log */
    fleet_free(f);
}

/* Who answers before it could have heard the question answers another one. */
TEST(letter_that_was_not_said_yet_is_answered_by_nobody)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    struct fleet_answer *a = ping(f, &f->nodes[0], "web9", 3000);
    fleet_run(f, 100 * NS_PER_MS);
    uint64_t id = question(f);
    fleet_gone(f, &f->nodes[0], 1); /* whoever asked is gone */
    answer_as(f, "web9", id, (struct letter){.body = bytes_of_text("x fresh")});
    CHECK(a->count == 0);
    answer_as(f, "web9", id + 1, (struct letter){.body = bytes_of_text("x fresh")});
    answer_as(f, "", id, (struct letter){.body = bytes_of_text("x fresh")});
    CHECK(fleet_status(f, &f->nodes[0]).letters_repeated == 0);
    fleet_free(f);
}

TEST(letter_is_not_taken_by_a_node_that_stops)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_node *two = &f->nodes[1];

    hold_up(f, two);
    fleet_step(f, two, &(struct event){.type = EVENT_STOP});
    say(f, 1, "ask 0000000000000007 1000 web2 ping");
    fleet_run(f, 10 * NS_PER_MS);
    f->fail_permille = 0;
    fleet_run(f, 5 * NS_PER_S);
    CHECK(two->stopped);
    CHECK(said(f, "answer ") == 0);
    fleet_free(f);
}

/* Each question and each answer in turn, so that neither waits for all of the other kind. */
TEST(letters_that_are_asked_and_answered_at_once_take_turns)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_node *one = &f->nodes[0];

    hold_up(f, one);
    say(f, 1, "ask 0000000000000007 20000 web1 ping");
    say(f, 2, "ask 0000000000000008 20000 web1 ping");
    fleet_run(f, 20 * NS_PER_MS);
    struct fleet_answer *a = ping(f, one, "web2", 20000);
    struct fleet_answer *b = ping(f, one, "web3", 20000);
    f->fail_permille = 0;
    fleet_run(f, 5 * NS_PER_S);
    CHECK(a->count == 1 && a->reply.count == 1 && b->count == 1 && b->reply.count == 1);
    CHECK(said(f, "answer 0000000000000007") == 1 && said(f, "answer 0000000000000008") == 1);
    fleet_free(f);
}

/* The log is another one when it comes again: its place in the new one counts. */
TEST(letter_that_comes_back_in_another_epoch_is_told_by_its_place_there)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    struct fleet_answer *a = ping(f, &f->nodes[0], "nobody", 20000);
    fleet_run(f, 100 * NS_PER_MS);
    fleet_lose_tail(f, 1);
    fleet_run(f, 25 * NS_PER_S);
    CHECK(a->count == 1 && t.count == 1 && t.rows[0].in_log && t.rows[0].asked > 1);
    fleet_free(f);
}

/* A node that was started again within its silence is known twice; the newer one counts. */
TEST(letter_names_the_newest_of_a_nodes_incarnations_once)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct fleet_node *three_ = &f->nodes[2];

    fleet_kill(f, three_);
    fixture_done(&three_->segment);
    fleet_start(f, three_);
    fleet_run(f, NS_PER_S);
    fleet_kill(f, three_);
    fixture_done(&three_->segment);
    struct fleet_answer *a = ping(f, &f->nodes[0], "*", 1000);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(a->count == 1 && t.count == 3 && !row_of(&t, "web3")->answered);
    fleet_free(f);
}

TEST(letter_names_a_node_once_though_an_older_incarnation_was_heard_last)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);
    struct change old = {
        .op = CHANGE_BEAT, .origin = bytes_of_text("web9"), .incarnation = web9, .nonce = 1};
    struct change new = old;

    new.incarnation.low++;
    fleet_insert_change(f, old);
    fleet_run(f, 20 * NS_PER_MS);
    fleet_insert_change(f, new);
    fleet_run(f, 20 * NS_PER_MS);
    fleet_insert_change(f, old); /* stuck on its way for a while */
    fleet_run(f, 20 * NS_PER_MS);
    struct fleet_answer *a = ping(f, &f->nodes[0], "*", 1000);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(a->count == 1 && t.count == 4 && !row_of(&t, "web9")->answered);
    fleet_free(f);
}

TEST(letter_of_a_client_that_stays_is_kept_where_another_one_goes)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    struct fleet_answer *a = ping(f, &f->nodes[0], "web2", 3000);
    fleet_gone(f, &f->nodes[0], 2);
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.count == 1);
    fleet_free(f);
}

/* Bytes above those of ASCII are no name. */
TEST(letter_to_a_name_that_no_node_can_have_is_refused)
{
    struct told t = {0};
    struct fleet *f = three(NULL, &t);

    CHECK(ping(f, &f->nodes[0],
               "w\xc3\xa9"
               "b",
               1000)
              ->reply.status == ACCORD_E_INVALID);
    fleet_free(f);
}

/* ---- over seeds ----------------------------------------------------------------------------
 */

enum { DONE_MAX = 4096 };

/* Every answer in the log: one text for each question and incarnation, whatever came between.
 */
struct done {
    uint64_t id;
    struct id128 incarnation;
    char text[LETTER_BODY_BYTES_MAX + 16];
};

static void check_done_once(const struct fleet *f)
{
    static struct done list[DONE_MAX];
    size_t count = 0;

    for (size_t i = 0; i < f->log_count; i++) {
        const struct fleet_change *h = &f->entries[i].held;
        struct letter l;
        if (h->change.op != CHANGE_BEAT || h->change.about.size_bytes == 0 ||
            letter_parse(bytes_of(h->about, h->change.about.size_bytes), &l) != ACCORD_OK ||
            l.type != LETTER_ANSWER)
            continue;
        struct done d = {.id = l.id, .incarnation = h->change.incarnation};
        snprintf(d.text, sizeof d.text, "%d %.*s", (int)l.verdict, (int)l.body.size_bytes,
                 (const char *)l.body.data);
        for (size_t j = 0; j < count; j++)
            if (list[j].id == d.id && id128_equal(list[j].incarnation, d.incarnation))
                CHECK(strcmp(list[j].text, d.text) == 0);
        CHECK(count < DONE_MAX);
        list[count++] = d;
    }
}

static void harm(struct fleet *f, uint64_t *rng)
{
    struct fleet_node *n = &f->nodes[test_random(rng, f->count)];

    switch (test_random(rng, 6)) {
    case 0:
        fleet_cut(f, n, true);
        break;
    case 1:
        if (!n->alive)
            break;
        fleet_kill(f, n);
        fixture_done(&n->segment);
        break;
    case 2:
        f->unknown_permille = (unsigned)test_random(rng, 400);
        break;
    case 3:
        f->fail_permille = (unsigned)test_random(rng, 400);
        break;
    case 4:
        f->repeat_permille = (unsigned)test_random(rng, 400);
        break;
    default:
        if (f->log_count > 4)
            fleet_lose_tail(f, 1 + test_random(rng, 3));
    }
}

static void heal(struct fleet *f)
{
    f->unknown_permille = f->fail_permille = f->repeat_permille = 0;
    for (size_t i = 0; i < f->count; i++) {
        fleet_cut(f, &f->nodes[i], false);
        if (!f->nodes[i].alive)
            fleet_start(f, &f->nodes[i]);
    }
}

/* Whatever is lost, repeated, late or killed: each question is replied to once and in time,
 * each node has one answer to it, and after all has healed everybody answers everybody. */
TEST(letters_are_replied_to_once_and_in_time_whatever_fails)
{
    struct told t = {0};
    struct fleet *f = three(rng, &t);

    f->delay_max_ns = 50 * NS_PER_MS;
    for (unsigned round = 0; round < 60; round++) {
        size_t from = test_random(rng, f->count);
        uint64_t wait_ms = 100 + test_random(rng, 8000);
        if (f->nodes[from].alive) {
            struct fleet_answer *a =
                ping(f, &f->nodes[from],
                     test_random(rng, 2) ? "*" : f->nodes[test_random(rng, 3)].name, wait_ms);
            (void)a;
        }
        if (test_random(rng, 3) == 0)
            harm(f, rng);
        fleet_run(f, test_random(rng, 1500) * NS_PER_MS);
        if (test_random(rng, 4) == 0)
            heal(f);
    }
    heal(f);
    fleet_run(f, 40 * NS_PER_S);
    for (uint64_t i = 0; i < f->answer_count; i++)
        CHECK(f->answers[i].count == 1 || f->answers[i].abandoned);
    check_done_once(f);
    for (size_t i = 0; i < f->count; i++) {
        struct fleet_answer *a = ping(f, &f->nodes[i], "*", 10000);
        fleet_run(f, 10 * NS_PER_S);
        CHECK(a->count == 1 && a->reply.count >= 3);
        for (size_t j = 0; j < f->count; j++)
            CHECK(row_of(&t, f->nodes[j].name) && row_of(&t, f->nodes[j].name)->answered);
    }
    fleet_free(f);
}
