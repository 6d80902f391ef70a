/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Of holes (hole.h): what comes late, out of order, or from far back; stops, and bounds. */
#include "core/fleet.h"
#include "wire/resend.h"

static const struct id128 web9 = {9, 1};

static struct fleet_node *alone(struct fleet *f)
{
    struct fleet_node *n = fleet_add(f, "web1");

    fleet_start(f, n);
    fleet_settle(f);
    return n;
}

static void fill(struct fleet *f, struct fleet_node *n, const char *key)
{
    struct token token = fleet_get(f, n, key).token;

    CHECK(fleet_request(f, n, fleet_fill(key, "v", &token))->reply.status == ACCORD_OK);
}

/* web9, which is no core: its change, or its beat, goes into the log. */
static void say(struct fleet *f, enum change_op op, uint64_t sequence, const char *text)
{
    struct bytes said = bytes_of_text(text);

    fleet_insert_change(f,
                        (struct change){.op = op,
                                        .origin = bytes_of_text("web9"),
                                        .incarnation = web9,
                                        .sequence = sequence,
                                        .nonce = op == CHANGE_BEAT ? sequence : 0,
                                        .about = op == CHANGE_BEAT ? said : (struct bytes){0},
                                        .key = op == CHANGE_BEAT ? (struct bytes){0} : said});
}

static void say_resend(struct fleet *f, uint64_t sequence, struct resend r)
{
    char text[RESEND_TEXT_BYTES_MAX];

    resend_print(&r, text);
    say(f, CHANGE_BEAT, sequence, text);
}

/* How many beats of the log say so of a hole; `out`: the newest. */
static size_t said(const struct fleet *f, enum resend_kind kind, struct resend *out)
{
    size_t count = 0;

    for (size_t i = 0; i < f->log_count; i++) {
        const struct fleet_change *h = &f->entries[i].held;
        struct resend r;
        if (h->change.op != CHANGE_BEAT ||
            resend_parse(bytes_of(h->about, h->change.about.size_bytes), &r) != ACCORD_OK ||
            r.kind != kind)
            continue;
        *out = r;
        count++;
    }
    return count;
}

/* ---- what comes by itself, and what cannot be told -----------------------------------------
 */

/* web9's 3 (or 3 and 4) are asked for, and nobody has answered. */
static void make_asked(struct fleet *f, struct fleet_node *n, uint64_t until)
{
    say(f, CHANGE_BEAT, 1, "");
    say(f, CHANGE_REMOVE, 2, "other");
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, until, "another");
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 1);
}

TEST(hole_is_closed_by_the_missing_change_itself_where_it_comes_late)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    fill(f, n, "k");
    make_asked(f, n, 4);
    say(f, CHANGE_REMOVE, 3, "k");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 0);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_status(f, n).cold_boots == 0);
    fleet_free(f);
}

TEST(hole_stays_open_for_the_first_change_where_a_later_one_comes_before_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    make_asked(f, n, 5);
    say(f, CHANGE_REMOVE, 4, "a");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 1 && !fleet_status(f, n).fresh);
    CHECK(fleet_status(f, n).cold_boots == 0);
    say(f, CHANGE_REMOVE, 2, "a"); /* that one was never missing, and was another */
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_TWINS] == 1);
    fleet_free(f);
}

TEST(hole_before_the_saved_place_does_not_matter_to_who_resumes)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n;

    say(f, CHANGE_BEAT, 1, "");
    say(f, CHANGE_REMOVE, 3, "another");
    n = alone(f);
    fill(f, n, "k");
    fleet_run(f, 2 * NS_PER_S);
    fleet_kill(f, n);
    struct fixture old = n->segment;
    fleet_start_resumed(f, n, &old);
    fleet_settle(f);
    CHECK(fleet_status(f, n).gaps == 0);
    CHECK(fleet_status(f, n).cold_boots == 0);
    CHECK(fleet_hits(f, n, "k", "v"));
    fixture_done(&old);
    fleet_free(f);
}

/* There is no one to be asked, nor anything to be kept. */
TEST(hole_that_is_noticed_or_open_while_a_node_stops_is_not_asked_for)
{
    for (int open = 0; open < 2; open++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = alone(f);
        struct resend r;
        say(f, CHANGE_BEAT, 1, "");
        fleet_run(f, 20 * NS_PER_MS);
        f->fail_permille = 1000; /* so that it cannot leave at once */
        fleet_request(f, n, fleet_remove("k"));
        if (open)
            say(f, CHANGE_REMOVE, 4, "a"), fleet_run(f, 100 * NS_PER_MS);
        fleet_step(f, n, &(struct event){.type = EVENT_STOP});
        if (!open)
            say(f, CHANGE_REMOVE, 4, "a"), fleet_run(f, 100 * NS_PER_MS);
        CHECK(fleet_status(f, n).gaps == 1);
        CHECK(fleet_status(f, n).drops[DROP_GAP] == (open ? 0u : 1u));
        fleet_run(f, 5 * NS_PER_S);
        CHECK(n->stopped);
        CHECK(said(f, RESEND_WANTED, &r) == 0);
        fleet_free(f);
    }
}

TEST(hole_drops_the_cache_where_the_bus_can_prove_no_place_at_all)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    fill(f, n, "k");
    say(f, CHANGE_BEAT, 1, "");
    uint64_t before = f->newest;
    fleet_run(f, 20 * NS_PER_MS);
    fleet_insert(f, CHANGE_REMOVE, "b");
    fleet_run(f, 20 * NS_PER_MS);
    uint64_t here = fleet_status(f, n).cursor.position;
    say(f, CHANGE_REMOVE, 3, "a");
    fleet_delete(f, before);
    fleet_delete(f, here);
    fleet_run(f, 300 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
    CHECK(fleet_status(f, n).holes_open == 0);
    fleet_settle(f);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

/* One is asked for already; the place before the next one is gone. */
TEST(hole_whose_place_cannot_be_proven_is_asked_for_beside_another_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct change other = {.op = CHANGE_REMOVE,
                           .key = bytes_of_text("x"),
                           .origin = bytes_of_text("web8"),
                           .incarnation = {8, 1},
                           .sequence = 1};
    struct resend r;

    make_asked(f, n, 4);
    fleet_insert_change(f, other);
    uint64_t before = f->newest;
    fleet_insert(f, CHANGE_REMOVE, "b");
    fleet_run(f, 20 * NS_PER_MS);
    other.sequence = 3;
    fleet_insert_change(f, other);
    fleet_delete(f, before);
    fleet_run(f, 300 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 2);
    CHECK(said(f, RESEND_WANTED, &r) == 2);
    CHECK(r.incarnation.high == 8);
    fleet_free(f);
}

/* The answer to another node, which has looked already, may not be complete for us. */
TEST(hole_that_is_read_again_is_not_closed_by_an_answer)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    say(f, CHANGE_BEAT, 1, "");
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "k");
    fleet_miss(n, f->newest, 1);
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 3, "b");
    while (fleet_status(f, n).gaps == 0)
        fleet_run(f, NS_PER_MS / 10);
    struct resend r = {RESEND_DONE, web9, 2, 4};
    char text[RESEND_TEXT_BYTES_MAX];
    resend_print(&r, text);
    while (!fleet_status(f, n).attached)
        fleet_run(f, NS_PER_MS / 10);
    struct entry e = {.position = f->newest,
                      .change = {.op = CHANGE_BEAT,
                                 .origin = bytes_of_text("web9"),
                                 .incarnation = web9,
                                 .message = {77, 77},
                                 .about = bytes_of_text(text)}};
    fleet_step(
        f, n,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
    CHECK(fleet_status(f, n).holes_resent == 0);
    fleet_free(f);
}

/* A change with an identity and without a number, as one that was kept over a restart. */
static void say_unnumbered(struct fleet *f, struct id128 incarnation, const char *key)
{
    fleet_insert_change(f, (struct change){.op = CHANGE_REMOVE,
                                           .key = bytes_of_text(key),
                                           .origin = bytes_of_text("web8"),
                                           .incarnation = incarnation});
}

/* What is farther back than the trail remembers is told by numbers; where there are none, it is
 * applied once more. */
TEST(hole_that_is_read_again_from_far_back_brings_what_was_missed_there)
{
    static const struct id128 web8 = {8, 1}, web7 = {7, 1};
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct change of_8 = {.op = CHANGE_REMOVE,
                          .key = bytes_of_text("x"),
                          .origin = bytes_of_text("web8"),
                          .incarnation = web8};

    say(f, CHANGE_BEAT, 1, "");
    of_8.sequence = 1;
    fleet_insert_change(f, of_8);
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "k"); /* missed, and told of by 3 */
    fleet_miss(n, f->newest, 1);
    say_unnumbered(f, web7, "a"); /* of a member without numbers */
    say_unnumbered(f, web8, "b");
    fleet_insert(f, CHANGE_REMOVE, "c");
    of_8.sequence = 2;
    fleet_insert_change(f, of_8);
    of_8.sequence = 3; /* missed, and told of by 4, which lies behind web9's 3 */
    of_8.key = bytes_of_text("m");
    fleet_insert_change(f, of_8);
    fleet_miss(n, f->newest, 1);
    for (unsigned i = 0; i < 1100; i++)
        fleet_insert(f, CHANGE_REMOVE, "d");
    while (fleet_status(f, n).cursor.position < f->newest)
        fleet_run(f, NS_PER_MS);
    fill(f, n, "k"), fill(f, n, "m");
    say(f, CHANGE_REMOVE, 3, "e");
    fleet_run(f, 2 * NS_PER_S);
    CHECK(fleet_status(f, n).holes_replayed >= 1);
    CHECK(fleet_status(f, n).gaps == 1);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_get(f, n, "m").state == ACCORD_MISS);
    fleet_free(f);
}

/* What another node's hole brings along of members whose numbers are not known. */
TEST(hole_brings_late_what_members_without_numbers_have_said)
{
    static const struct id128 web8 = {8, 1};
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct change numbered = {.op = CHANGE_REMOVE,
                              .key = bytes_of_text("m"),
                              .origin = bytes_of_text("web8"),
                              .incarnation = web8,
                              .sequence = 7};

    fill(f, n, "k"), fill(f, n, "m");
    say(f, CHANGE_BEAT, 1, "");
    say_unnumbered(f, web8, "a");
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "b");
    fleet_miss(n, f->newest, 1);
    say_unnumbered(f, web8, "k");
    fleet_miss(n, f->newest, 1);
    fleet_insert_change(f, numbered); /* the first that has one */
    fleet_miss(n, f->newest, 1);
    fleet_insert(f, CHANGE_REMOVE, "c");
    say(f, CHANGE_REMOVE, 3, "d");
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_replayed == 1 && fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_get(f, n, "m").state == ACCORD_MISS);
    fleet_free(f);
}

/* Answers that wait to be published are as many as are remembered; who asks for one more gives
 * up in time. */
TEST(hole_is_not_answered_where_too_many_answers_wait)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    const struct id128 own = n->settings.incarnation;
    struct resend r;

    for (unsigned i = 0; i < RESENDS_MAX + 1u; i++)
        fleet_request(f, n, fleet_remove("mine"));
    fleet_run(f, 20 * NS_PER_MS);
    f->fail_permille = 1000;
    for (uint64_t i = 0; i < RESENDS_MAX + 1u; i++)
        say_resend(f, i + 1, (struct resend){RESEND_WANTED, own, i + 2, i + 3});
    fleet_run(f, 20 * NS_PER_MS);
    f->fail_permille = 0;
    fleet_run(f, 5 * NS_PER_S);
    CHECK(said(f, RESEND_DONE, &r) == RESENDS_MAX);
    CHECK(fleet_status(f, n).resends == RESENDS_MAX);
    fleet_free(f);
}

/* So many others came meanwhile that it is known no more who has said it. */
TEST(hole_drops_the_cache_where_its_origin_is_forgotten)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    make_asked(f, n, 4);
    for (uint64_t i = 0; i < MEMBERS_MAX; i++)
        fleet_insert_change(f, (struct change){.op = CHANGE_REMOVE,
                                               .key = bytes_of_text("x"),
                                               .origin = bytes_of_text("z"),
                                               .incarnation = {1000 + i, 1}});
    while (fleet_status(f, n).cold_boots == 0)
        fleet_run(f, NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_SILENT] == 1);
    CHECK(strstr(n->why, "of a node that is forgotten did not arrive, and it is gone"));
    fleet_free(f);
}

/* Whoever never came to say anything again was silent before it was asked. */
TEST(hole_of_a_node_that_is_silent_drops_the_cache_at_once)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    say(f, CHANGE_BEAT, 1, "");
    fleet_run(f, 7 * FLEET_L);
    CHECK(fleet_status(f, n).members == 1);
    say(f, CHANGE_REMOVE, 3, "a");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_SILENT] == 1);
    fleet_free(f);
}

/* What is missing may be what was skipped: its origin must not say it again. */
TEST(hole_where_an_entry_was_skipped_that_ended_earlier_runs_is_not_asked_for)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct cursor poison = {.log = f->log, .epoch = f->epoch, .position = 30};
    struct resend r;

    n->settings.hand = (struct hand){.poison = &poison, .poison_count = 1};
    fleet_start(f, n);
    fleet_settle(f);
    say(f, CHANGE_BEAT, 1, "");
    while (f->newest < 29)
        fleet_insert(f, CHANGE_REMOVE, "a");
    say(f, CHANGE_REMOVE, 2, "b");
    say(f, CHANGE_REMOVE, 3, "c");
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_POISON] == 1);
    CHECK(fleet_status(f, n).drops[DROP_GAP] == 1);
    CHECK(said(f, RESEND_WANTED, &r) == 0);
    fleet_settle(f);
    say(f, CHANGE_REMOVE, 4, "d"); /* nothing is missing behind it */
    say(f, CHANGE_REMOVE, 6, "e"); /* and this is another hole */
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 1);
    fleet_free(f);
}

/* Of two senders the first place from which reading may begin again is that of the second. */
TEST(hole_that_is_found_in_a_replay_and_begins_before_it_is_replayed_from_there)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct change other = {.op = CHANGE_REMOVE,
                           .key = bytes_of_text("x"),
                           .origin = bytes_of_text("web8"),
                           .incarnation = {8, 1},
                           .sequence = 1};

    fill(f, n, "k");
    say(f, CHANGE_BEAT, 1, "");
    fleet_insert_change(f, other);
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "k");
    fleet_miss(n, f->newest, 2);
    say(f, CHANGE_REMOVE, 3, "a");
    fleet_miss(n, f->newest, 1);
    other.sequence = 2;
    fleet_insert_change(f, other);
    fleet_miss(n, f->newest, 1);
    fleet_insert(f, CHANGE_REMOVE, "b");
    other.sequence = 3;
    fleet_insert_change(f, other);
    fleet_run(f, 500 * NS_PER_MS);
    CHECK(fleet_status(f, n).gaps == 2);
    CHECK(fleet_status(f, n).holes_replayed == 2);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

/* One that is asked for lies in what is read again for another one, farther back than the trail
 * remembers: by its number it is known to be missing. */
TEST(hole_that_is_asked_for_is_closed_by_what_is_read_again_for_another_one)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct change other = {.op = CHANGE_REMOVE,
                           .key = bytes_of_text("x"),
                           .origin = bytes_of_text("web8"),
                           .incarnation = {8, 1},
                           .sequence = 1};

    say(f, CHANGE_BEAT, 1, "");
    fleet_insert_change(f, other);
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "k");
    fleet_miss(n, f->newest, 2);
    for (unsigned i = 0; i < 1100; i++)
        fleet_insert(f, CHANGE_REMOVE, "d");
    while (fleet_status(f, n).cursor.position < f->newest)
        fleet_run(f, NS_PER_MS);
    fill(f, n, "k");
    say(f, CHANGE_REMOVE, 3, "a");
    while (n->attaches < 2 || fleet_status(f, n).holes_open == 0 ||
           fleet_status(f, n).cursor.position < f->newest)
        fleet_run(f, NS_PER_MS);
    other.sequence = 3;
    fleet_insert_change(f, other);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(fleet_status(f, n).gaps == 2);
    CHECK(fleet_status(f, n).holes_replayed == 1);
    other.sequence = 2;
    fleet_insert_change(f, other);
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).fresh && fleet_status(f, n).cold_boots == 0);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

/* A delivery from before the replay, that began farther back still. */
TEST(hole_that_is_read_again_takes_nothing_from_before_it_for_missed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    size_t first = f->log_count;
    for (unsigned i = 0; i < 1100; i++) /* more than the trail remembers */
        fleet_insert(f, CHANGE_REMOVE, "a");
    say(f, CHANGE_BEAT, 1, "");
    while (fleet_status(f, n).cursor.position < f->newest)
        fleet_run(f, NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "k");
    fleet_miss(n, f->newest, 1);
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 3, "b");
    while (fleet_status(f, n).gaps == 0 || !fleet_status(f, n).attached)
        fleet_run(f, NS_PER_MS / 10);
    uint64_t applied = fleet_status(f, n).applied_changes;
    struct entry e = {.position = f->entries[first].position,
                      .change = f->entries[first].held.change};
    fleet_step(
        f, n,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
    CHECK(fleet_status(f, n).applied_changes == applied);
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_replayed == 1 && fleet_status(f, n).fresh);
    fleet_free(f);
}

/* Who was silent may have come back and have a lease: its sign of life is what is missing. */
TEST(hole_makes_a_strict_removal_wait_for_who_seemed_silent)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct request r = fleet_remove("k");

    r.want_strict = true;
    r.wait_ns = 20 * NS_PER_S;
    say(f, CHANGE_BEAT, 1, "");
    fleet_run(f, 12 * FLEET_L);
    struct fleet_answer *a = fleet_request(f, n, r);
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK); /* nobody else is there */
    say(f, CHANGE_BEAT, 2, "");
    fleet_miss(n, f->newest, 1000);
    say(f, CHANGE_BEAT, 3, "");
    while (fleet_status(f, n).gaps == 0)
        fleet_run(f, NS_PER_MS / 10);
    fleet_miss(n, f->newest, 1000); /* nor when it is read again */
    a = fleet_request(f, n, r);
    fleet_run(f, FLEET_L / 2);
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(a->count == 0);
    fleet_free(f);
}
