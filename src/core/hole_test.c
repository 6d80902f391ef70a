/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"
#include "wire/resend.h"

static const struct id128 web9 = {9, 1};

static struct fleet_node *add(struct fleet *f, const char *name)
{
    struct fleet_node *n = fleet_add(f, name);

    fleet_start(f, n);
    return n;
}

/* One node, fresh; whatever else is in the log, the test writes there. */
static struct fleet_node *alone(struct fleet *f)
{
    struct fleet_node *n = add(f, "web1");

    fleet_settle(f);
    return n;
}

static void fill(struct fleet *f, struct fleet_node *n, const char *key)
{
    struct token token = fleet_get(f, n, key).token;

    CHECK(fleet_request(f, n, fleet_fill(key, "v", &token))->reply.status == ACCORD_OK);
}

/* web9, which is no core: its change, or beat that says `about`, goes into the log. */
static void say(struct fleet *f, enum change_op op, uint64_t sequence, const char *text)
{
    struct change c = {
        .op = op, .origin = bytes_of_text("web9"), .incarnation = web9, .sequence = sequence};

    if (op == CHANGE_BEAT) {
        c.about = bytes_of_text(text);
        c.nonce = sequence;
    } else {
        c.key = bytes_of_text(text);
    }
    fleet_insert_change(f, c);
}

static void say_resend(struct fleet *f, uint64_t sequence, struct resend r)
{
    char text[RESEND_TEXT_BYTES_MAX];

    resend_print(&r, text);
    say(f, CHANGE_BEAT, sequence, text);
}

/* web9 says 1 and 2, and 4; what is 3 never comes to the log. */
static void make_hole(struct fleet *f)
{
    say(f, CHANGE_BEAT, 1, "");
    say(f, CHANGE_REMOVE, 2, "other");
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 4, "another");
}

/* The newest beat that asks, or answers, in the log. */
static bool find_word(const struct fleet *f, enum resend_kind kind, struct resend *out,
                      size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < f->log_count; i++) {
        const struct fleet_change *h = &f->entries[i].held;
        struct resend r;
        if (h->change.op == CHANGE_BEAT &&
            resend_parse(bytes_of(h->about, h->change.about.size_bytes), &r) == ACCORD_OK &&
            r.kind == kind) {
            *out = r;
            (*count)++;
        }
    }
    return *count > 0;
}

static uint64_t segment_position(const struct fleet_node *n)
{
    struct inherit_place place;

    inherit_place(&n->segment.reader, &place);
    return place.position;
}

/* ---- the three ways ------------------------------------------------------------------------
 */

/* Removals of a key that begins with "m" are left out, so many times, on each node of `who`. */
struct lossy {
    struct fleet_node *who[FLEET_NODES_MAX];
    size_t count;
    unsigned times;
};

static void lose_some(struct fleet *f, const struct change *c)
{
    struct lossy *l = f->context;

    if (c->op == CHANGE_REMOVE && c->key.data[0] == 'm')
        for (size_t i = 0; i < l->count; i++)
            fleet_miss(l->who[i], f->newest, l->times);
}

/* web1 removes "mine", which the others have and do not hear of, and then "next". */
static struct fleet *lossy_fleet(struct lossy *l, size_t count, unsigned times)
{
    static const char *const names[] = {"web1", "web2", "web3", "web4"};
    struct fleet *f = fleet_new(NULL);

    for (size_t i = 0; i < count; i++)
        add(f, names[i]);
    fleet_settle(f);
    *l = (struct lossy){.times = times};
    for (size_t i = 1; i < count; i++) {
        l->who[l->count++] = &f->nodes[i];
        fill(f, &f->nodes[i], "mine");
        fill(f, &f->nodes[i], "kept");
    }
    f->context = l;
    f->taken = lose_some;
    fleet_request(f, &f->nodes[0], fleet_remove("mine"));
    fleet_run(f, 20 * NS_PER_MS);
    f->taken = NULL; /* what is said again, arrives */
    fleet_request(f, &f->nodes[0], fleet_remove("next"));
    return f;
}

TEST(hole_is_closed_by_reading_the_log_again_and_the_cache_is_kept)
{
    struct lossy l;
    struct fleet *f = lossy_fleet(&l, 2, 1);
    struct fleet_node *n = l.who[0];

    CHECK(fleet_hits(f, n, "mine", "v")); /* nobody can know yet */
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).gaps == 1);
    CHECK(fleet_status(f, n).holes_replayed == 1);
    CHECK(fleet_status(f, n).holes_open == 0);
    CHECK(fleet_status(f, n).cold_boots == 0);
    CHECK(n->attaches == 2);
    CHECK(n->notes[NOTE_HOLE_CLOSED] == 1);
    CHECK(fleet_status(f, n).lease_losses == 1);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "mine").state == ACCORD_MISS);
    CHECK(fleet_hits(f, n, "kept", "v"));
    CHECK(fleet_status(f, &f->nodes[0]).resends == 0);
    fleet_free(f);
}

TEST(hole_is_closed_by_its_origin_where_the_log_does_not_have_it)
{
    struct lossy l;
    struct fleet *f = lossy_fleet(&l, 2, 1000);
    struct fleet_node *n = l.who[0];

    fleet_run(f, 500 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_resent == 1);
    CHECK(fleet_status(f, n).holes_replayed == 0);
    CHECK(fleet_status(f, n).cold_boots == 0);
    CHECK(n->attaches == 2); /* read again once */
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "mine").state == ACCORD_MISS);
    CHECK(fleet_hits(f, n, "kept", "v"));
    CHECK(fleet_status(f, &f->nodes[0]).resends == 1);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "mine") == 2);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "next") == 1); /* only what was missing */
    CHECK(fleet_status(f, &f->nodes[0]).fresh);
    fleet_free(f);
}

TEST(hole_of_many_nodes_is_answered_once)
{
    struct lossy l;
    struct fleet *f = lossy_fleet(&l, 4, 1000);

    fleet_run(f, NS_PER_S);
    for (size_t i = 0; i < l.count; i++) {
        CHECK(fleet_status(f, l.who[i]).holes_resent == 1);
        CHECK(fleet_status(f, l.who[i]).cold_boots == 0);
        CHECK(fleet_status(f, l.who[i]).fresh);
        CHECK(fleet_get(f, l.who[i], "mine").state == ACCORD_MISS);
    }
    CHECK(fleet_status(f, &f->nodes[0]).resends == 1);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "mine") == 2);
    fleet_free(f);
}

TEST(hole_drops_the_cache_where_its_origin_was_killed)
{
    struct lossy l;
    struct fleet *f = lossy_fleet(&l, 2, 1000);
    struct fleet_node *n = l.who[0];

    fleet_run(f, 2 * NS_PER_MS); /* "next" is in the log */
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "next") == 1);
    fleet_kill(f, &f->nodes[0]);
    fleet_run(f, 500 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(!fleet_status(f, n).fresh);
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_LATE] == 1);
    fleet_settle(f);
    CHECK(fleet_get(f, n, "mine").state == ACCORD_MISS);
    CHECK(fleet_get(f, n, "kept").state == ACCORD_MISS);
    CHECK(fleet_status(f, n).cold_boots == 1);
    fleet_free(f);
}

TEST(hole_drops_the_cache_at_once_where_its_origin_has_left)
{
    struct lossy l;
    struct fleet *f = lossy_fleet(&l, 2, 1000);
    struct fleet_node *n = l.who[0];

    fleet_step(f, &f->nodes[0], &(struct event){.type = EVENT_STOP});
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_SILENT] == 1);
    CHECK(fleet_status(f, n).cold_boots == 1);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "mine").state == ACCORD_MISS);
    fleet_free(f);
}

static void lose_max_stale(struct fleet *f, const struct change *c)
{
    if (change_sets_max_stale(c) && f->context)
        fleet_miss(f->context, f->newest, 1000);
    if (change_sets_max_stale(c))
        f->context = NULL;
}

TEST(hole_drops_the_cache_where_its_origin_cannot_say_again_what_is_missing)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *origin = add(f, "web1"), *n = add(f, "web2");
    struct request stage = {.op = REQUEST_MAX_STALE, .max_stale_ns = 2 * NS_PER_S};

    fleet_settle(f);
    fill(f, n, "kept");
    f->context = n;
    f->taken = lose_max_stale; /* said again later it could undo a newer one */
    fleet_request(f, origin, stage);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(n->miss_count == 1);
    fleet_request(f, origin, fleet_remove("next"));
    fleet_run(f, 500 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_GONE] == 1);
    CHECK(fleet_status(f, origin).resends == 0);
    fleet_settle(f);
    CHECK(fleet_get(f, n, "kept").state == ACCORD_MISS);
    CHECK(fleet_status(f, n).max_stale_ns == 2 * NS_PER_S); /* told by the bus */
    fleet_free(f);
}

/* ---- while it is open ----------------------------------------------------------------------
 */

TEST(hole_ends_the_lease_at_once_and_none_is_held_before_it_is_closed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct resend r;
    size_t count;

    fill(f, n, "k");
    uint64_t epoch = fleet_get(f, n, "any").token.epoch;
    make_hole(f);
    while (fleet_status(f, n).gaps == 0)
        fleet_run(f, NS_PER_MS);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_UNSURE);
    CHECK(fleet_get(f, n, "any").token.epoch != epoch); /* tokens given before are void */
    CHECK(strstr(fleet_status(f, n).why, "changes 3-3 of web9 did not arrive before position"));
    unsigned asked = n->asks;
    fleet_run(f, FLEET_L * 8 / 10);
    CHECK(n->asks > asked); /* and was answered */
    CHECK(!fleet_status(f, n).fresh);
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(fleet_status(f, n).cursor.position == f->newest); /* all else is applied */
    CHECK(find_word(f, RESEND_WANTED, &r, &count) && count == 1);
    CHECK(id128_equal(r.incarnation, web9) && r.from == 3 && r.until == 4);

    say(f, CHANGE_REMOVE, 5, "k");
    say_resend(f, 6, (struct resend){RESEND_DONE, web9, 3, 4});
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(fleet_status(f, n).fresh); /* by the questions answered meanwhile */
    CHECK(fleet_status(f, n).holes_resent == 1);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(hole_is_not_taken_for_applied_by_beats_nor_by_the_segment_nor_by_what_is_saved)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    uint64_t before = 0;

    fleet_run(f, 2 * NS_PER_S);
    make_hole(f);
    for (size_t i = 0; i < f->log_count; i++)
        if (id128_equal(f->entries[i].held.change.incarnation, web9) &&
            f->entries[i].held.change.sequence == 2)
            before = f->entries[i].position;
    fleet_run(f, 2 * NS_PER_S);
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(segment_position(n) == 0);
    CHECK(n->saved.position <= before);
    const struct fleet_entry *newest = &f->entries[f->log_count - 1];
    CHECK(newest->held.change.op == CHANGE_BEAT);
    CHECK(newest->held.change.applied == before);
    struct fleet_answer *sync = fleet_request(f, n, fleet_sync(NS_PER_S));
    fleet_run(f, 500 * NS_PER_MS);
    CHECK(sync->count == 0);

    say_resend(f, 5, (struct resend){RESEND_DONE, web9, 3, 4});
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(sync->count == 1 && sync->reply.status == ACCORD_OK);
    CHECK(segment_position(n) == fleet_status(f, n).cursor.position);
    fleet_run(f, 1500 * NS_PER_MS);
    CHECK(n->saved.position > before);
    newest = &f->entries[f->log_count - 1];
    CHECK(newest->held.change.applied > before);
    fleet_free(f);
}

TEST(hole_is_closed_only_by_the_incarnation_whose_changes_are_missing)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    const struct id128 web8 = {8, 1};
    char text[RESEND_TEXT_BYTES_MAX];

    make_hole(f);
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 1);
    resend_print(&(struct resend){RESEND_DONE, web9, 3, 4}, text);
    struct change c = {.op = CHANGE_BEAT,
                       .origin = bytes_of_text("web9"),
                       .incarnation = web8, /* its successor, perhaps */
                       .sequence = 1,
                       .nonce = 1,
                       .about = bytes_of_text(text)};
    fleet_insert_change(f, c);
    resend_print(&(struct resend){RESEND_DONE, web8, 3, 4}, text);
    c.sequence = c.nonce = 2;
    fleet_insert_change(f, c);
    say_resend(f, 5, (struct resend){RESEND_DONE, web8, 3, 4});
    say_resend(f, 6, (struct resend){RESEND_DONE, web9, 4, 9}); /* not all of it */
    say_resend(f, 7, (struct resend){RESEND_GONE, web9, 1, 3});
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(fleet_status(f, n).cold_boots == 0);
    say_resend(f, 8, (struct resend){RESEND_GONE, web9, 2, 5});
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_GONE] == 1);
    fleet_free(f);
}

TEST(hole_that_nobody_closes_drops_the_cache_after_max_stale)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    fill(f, n, "k");
    make_hole(f);
    while (fleet_status(f, n).gaps == 0)
        fleet_run(f, NS_PER_MS);
    uint64_t noticed_ns = f->now_ns;
    fleet_run(f, FLEET_L - 2 * NS_PER_MS);
    CHECK(fleet_status(f, n).cold_boots == 0);
    while (fleet_status(f, n).cold_boots == 0)
        fleet_run(f, NS_PER_MS);
    CHECK(f->now_ns <= noticed_ns + FLEET_L + 2 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_LATE] == 1);
    CHECK(strcmp(n->why, "changes 3-3 of web9 did not arrive, and nobody said them again in "
                         "time") == 0);
    fleet_settle(f);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(n->colds == 2 && n->cold_cause == DROP_HOLE_LATE); /* the first is the start */
    CHECK(fleet_status(f, n).gaps == 1); /* it is in view again, and does not matter */
    fleet_free(f);
}

/* ---- replays -------------------------------------------------------------------------------
 */

TEST(hole_of_which_the_replay_brings_a_part_is_asked_for_the_rest)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct resend r;
    size_t count;

    say(f, CHANGE_BEAT, 1, "");
    for (uint64_t i = 2; i <= 4; i++)
        say(f, CHANGE_REMOVE, i, "a");
    fleet_miss(n, f->newest - 2, 1);
    fleet_miss(n, f->newest - 1, 1000);
    fleet_run(f, 500 * NS_PER_MS);
    CHECK(fleet_status(f, n).gaps == 1);
    CHECK(find_word(f, RESEND_WANTED, &r, &count) && count == 1);
    CHECK(r.from == 3 && r.until == 4);
    fleet_free(f);
}

TEST(hole_replayed_for_one_sender_brings_what_was_missed_of_others)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    fill(f, n, "k");
    say(f, CHANGE_BEAT, 1, "");
    fleet_run(f, 20 * NS_PER_MS);
    fleet_insert(f, CHANGE_REMOVE, "k"); /* a person's: it bears no number */
    fleet_miss(n, f->newest, 1);
    say(f, CHANGE_REMOVE, 2, "a");
    fleet_miss(n, f->newest, 1);
    fleet_insert(f, CHANGE_REMOVE, "b");
    say(f, CHANGE_REMOVE, 3, "c");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_replayed == 1);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

/* It was seen once, so it is known to be there. */
TEST(hole_is_open_until_what_told_of_it_is_applied)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    fill(f, n, "k");
    say(f, CHANGE_BEAT, 1, "");
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "a");
    fleet_miss(n, f->newest, 1);
    say(f, CHANGE_REMOVE, 3, "k");
    while (fleet_status(f, n).gaps == 0)
        fleet_run(f, NS_PER_MS / 10);
    fleet_miss(n, f->newest, 1000); /* not when it is read again */
    fleet_insert(f, CHANGE_REMOVE, "b");
    fleet_run(f, 200 * NS_PER_MS);
    CHECK(!fleet_hits(f, n, "k", "v"));
    CHECK(fleet_status(f, n).holes_open == 1);
    fleet_run(f, 4 * NS_PER_S);
    CHECK(fleet_status(f, n).drops[DROP_HOLE_LATE] == 1);
    fleet_free(f);
}

/* What is found only when the log is read again for another's sake has numbers, too. */
TEST(hole_before_what_is_read_late_is_noticed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct change other = {.op = CHANGE_REMOVE,
                           .key = bytes_of_text("x"),
                           .origin = bytes_of_text("web8"),
                           .incarnation = {8, 1}};
    struct resend r;
    size_t count;

    fill(f, n, "k");
    other.sequence = 1;
    fleet_insert_change(f, other);
    say(f, CHANGE_BEAT, 1, "");
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 2, "k");
    fleet_miss(n, f->newest, 1000);
    say(f, CHANGE_REMOVE, 3, "a");
    fleet_miss(n, f->newest, 1);
    other.sequence = 2;
    fleet_insert_change(f, other);
    fleet_miss(n, f->newest, 1);
    fleet_insert(f, CHANGE_REMOVE, "b"); /* its place is beyond theirs */
    other.sequence = 3;
    fleet_insert_change(f, other); /* the log is read again: web9's 3 comes, and still no 2 */
    fleet_run(f, 500 * NS_PER_MS);
    CHECK(fleet_status(f, n).gaps == 2);
    CHECK(!fleet_status(f, n).fresh);
    CHECK(find_word(f, RESEND_WANTED, &r, &count) && count == 1);
    CHECK(id128_equal(r.incarnation, web9) && r.from == 2 && r.until == 3);
    fleet_free(f);
}

TEST(hole_is_replayed_once_and_so_is_each_of_several)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    static const char *const names[] = {"a", "b", "c"};

    for (uint64_t sequence = 1; sequence <= 4; sequence++)
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            struct change c = {.op = CHANGE_REMOVE,
                               .key = bytes_of_text("x"),
                               .origin = bytes_of_text(names[i]),
                               .incarnation = {100 + i, 1},
                               .sequence = sequence};
            if (sequence != 3)
                fleet_insert_change(f, c);
        }
    fleet_run(f, NS_PER_S);
    CHECK(fleet_status(f, n).gaps == 3);
    CHECK(fleet_status(f, n).holes_open == 3);
    CHECK(n->attaches == 4);
    fleet_free(f);
}

TEST(hole_is_asked_for_where_the_bus_cannot_prove_the_place_before_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    struct resend r;
    size_t count;

    fill(f, n, "k");
    say(f, CHANGE_BEAT, 1, "");
    fleet_run(f, 20 * NS_PER_MS);
    uint64_t before = f->newest;
    fleet_insert(f, CHANGE_REMOVE, "b");
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 3, "a");
    fleet_delete(f, before);
    fleet_run(f, 300 * NS_PER_MS);
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(n->attaches == 3);
    CHECK(find_word(f, RESEND_WANTED, &r, &count) && count == 1);
    say_resend(f, 4, (struct resend){RESEND_DONE, web9, 2, 3});
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_status(f, n).cold_boots == 0);
    CHECK(fleet_hits(f, n, "k", "v"));
    fleet_free(f);
}

TEST(hole_that_holds_what_may_not_come_late_drops_the_cache)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    say(f, CHANGE_BEAT, 1, "");
    fleet_insert_change(f, (struct change){.op = CHANGE_NAMESPACE,
                                           .key = bytes_of_text("lsn"),
                                           .has_version = true,
                                           .origin = bytes_of_text("web9"),
                                           .incarnation = web9,
                                           .sequence = 2});
    fleet_miss(n, f->newest, 1);
    fleet_insert(f, CHANGE_REMOVE, "b"); /* so that its place is passed */
    fleet_run(f, 20 * NS_PER_MS);
    say(f, CHANGE_REMOVE, 3, "a");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_GAP] == 1);
    fleet_settle(f);
    CHECK(fleet_status(f, n).cold_boots == 1);
    fleet_free(f);
}

/* The log as it was up to the newest `kept` of its entries, from an older copy; nobody is told.
 */
static void restore(struct fleet *f, uint64_t newest)
{
    while (f->log_count > 0 && f->entries[f->log_count - 1].position > newest)
        f->log_count--;
    f->newest = newest;
}

/* What lies between a hole and our place is passed over when it comes again. So nothing may be
 * there that did not come before: the entry at our place must be met on the way. Positions have
 * gaps, so that the new entry stands where none stood. */
TEST(hole_that_is_read_again_in_a_log_that_was_cut_back_meanwhile_costs_the_cache)
{
    for (int linearizable = 0; linearizable < 2; linearizable++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = fleet_add(f, "web1");
        n->settings.head_linearizable = linearizable;
        fleet_start(f, n);
        fleet_settle(f);
        fill(f, n, "k");
        say(f, CHANGE_BEAT, 1, "");
        fleet_run(f, 20 * NS_PER_MS);
        say(f, CHANGE_REMOVE, 2, "missed");
        uint64_t missed = f->newest;
        fleet_miss(n, missed, 1);
        f->newest += 5;
        fleet_insert(f, CHANGE_REMOVE, "lost");
        fleet_run(f, 20 * NS_PER_MS);
        CHECK(fleet_status(f, n).cursor.position == f->newest);
        say(f, CHANGE_REMOVE, 3, "lost too");
        while (n->attaches < 2 || n->read_position != missed)
            fleet_run(f, NS_PER_MS / 4);
        restore(f, missed);
        fleet_insert(f, CHANGE_REMOVE, "k");
        f->newest += 10;
        fleet_insert(f, CHANGE_REMOVE, "other");
        fleet_run(f, 2 * FLEET_L);
        CHECK(fleet_status(f, n).fresh);
        CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
        CHECK(fleet_status(f, n).drops[DROP_GONE] == 1);
        fleet_free(f);
    }
}

/* ---- bounds, and what is no hole -----------------------------------------------------------
 */

TEST(hole_beyond_the_bounds_drops_the_cache)
{
    for (int many = 0; many < 2; many++) {
        struct fleet *f = fleet_new(NULL);
        struct fleet_node *n = alone(f);
        for (uint64_t i = 0; i < (many ? HOLES_MAX + 1u : 1u); i++) {
            struct change c = {.op = CHANGE_REMOVE,
                               .key = bytes_of_text("x"),
                               .origin = bytes_of_text("z"),
                               .incarnation = {200 + i, 1},
                               .sequence = 1};
            fleet_insert_change(f, c);
            c.sequence = many ? 3 : HOLE_CHANGES_MAX + 3;
            fleet_insert_change(f, c);
        }
        fleet_run(f, NS_PER_S);
        CHECK(fleet_status(f, n).drops[DROP_HOLE_MANY] == 1);
        CHECK(fleet_status(f, n).cold_boots == 1);
        fleet_settle(f);
        fleet_free(f);
    }
}

TEST(hole_is_not_what_a_number_that_comes_again_shows_and_the_cache_is_dropped)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);

    say(f, CHANGE_BEAT, 1, "");
    for (uint64_t i = 2; i < 14; i++) /* the first is forgotten */
        say(f, CHANGE_REMOVE, i, "a");
    say(f, CHANGE_REMOVE, 2, "a");
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(fleet_status(f, n).drops[DROP_GAP] == 1);
    fleet_settle(f);
    CHECK(fleet_status(f, n).drops[DROP_GAP] == 1); /* in view again, and of before */
    CHECK(fleet_status(f, n).cold_boots == 1);
    fleet_free(f);
}

TEST(hole_from_before_the_start_does_not_matter)
{
    struct fleet *f = fleet_new(NULL);

    make_hole(f);
    struct fleet_node *n = alone(f);
    CHECK(fleet_status(f, n).gaps == 0);
    CHECK(fleet_status(f, n).cold_boots == 0);
    fill(f, n, "k");
    say(f, CHANGE_REMOVE, 5, "a");
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(fleet_status(f, n).gaps == 0);
    CHECK(fleet_hits(f, n, "k", "v"));
    fleet_free(f);
}

TEST(hole_is_not_answered_for_another_incarnation_nor_twice)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    const struct id128 own = n->settings.incarnation;
    struct resend r;
    size_t count;

    fleet_request(f, n, fleet_remove("mine"));
    fleet_run(f, 20 * NS_PER_MS);
    say_resend(f, 1, (struct resend){RESEND_WANTED, {own.high, own.low + 1}, 1, 2});
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(!find_word(f, RESEND_DONE, &r, &count) && !find_word(f, RESEND_GONE, &r, &count));
    for (uint64_t i = 2; i < 5; i++) {
        say_resend(f, i, (struct resend){RESEND_WANTED, own, 1, 2});
        fleet_run(f, 100 * NS_PER_MS);
    }
    CHECK(find_word(f, RESEND_DONE, &r, &count) && count == 1); /* of a join: nothing to say */
    CHECK(id128_equal(r.incarnation, own) && r.from == 1 && r.until == 2);
    CHECK(fleet_log_count(f, CHANGE_REMOVE, "mine") == 1);
    say_resend(f, 5, (struct resend){RESEND_WANTED, own, 500, 501}); /* not said yet */
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(find_word(f, RESEND_GONE, &r, &count) && count == 1);
    CHECK(fleet_status(f, n).fresh);
    fleet_free(f);
}

TEST(hole_is_answered_again_where_more_is_asked_for)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = alone(f);
    const struct id128 own = n->settings.incarnation;
    struct resend r;
    size_t count;

    for (int i = 0; i < 3; i++) {
        fleet_request(f, n, fleet_remove("mine"));
        fleet_run(f, 20 * NS_PER_MS);
    }
    say_resend(f, 1, (struct resend){RESEND_WANTED, own, 1, 3});
    say_resend(f, 2, (struct resend){RESEND_WANTED, own, 1, 4});
    say_resend(f, 3, (struct resend){RESEND_WANTED, own, 2, 4}); /* the second says that, too */
    fleet_run(f, NS_PER_S);
    CHECK(find_word(f, RESEND_DONE, &r, &count) && count == 2);
    CHECK(r.from == 1 && r.until == 4);
    fleet_free(f);
}

/* ---- a property ----------------------------------------------------------------------------
 */

static void lose_any(struct fleet *f, const struct change *c)
{
    struct fleet_node *n = &f->nodes[test_random(f->rng, f->count)];

    if (c->sequence > 1 && test_random(f->rng, 1000) < 60 && n->miss_count < FLEET_MISSES_MAX)
        fleet_miss(n, f->newest, 1 + (unsigned)test_random(f->rng, 3));
}

/* Whatever is left out on whose way: no node that is fresh holds a key that was removed a
 * second ago (entries follow each other faster than that, so each hole is noticed by then). */
TEST_SEEDS(hole_never_lets_a_fresh_node_keep_what_was_removed, 60)
{
    static const char *const keys[] = {"a", "b", "c", "d"};
    uint64_t removed_ns[COUNT_OF(keys)] = {0},
             filled_ns[FLEET_NODES_MAX][COUNT_OF(keys)] = {{0}};
    struct fleet *f = fleet_new(rng);

    f->delay_min_ns = NS_PER_MS;
    f->delay_max_ns = 30 * NS_PER_MS;
    add(f, "web1"), add(f, "web2"), add(f, "web3");
    fleet_settle(f);
    f->taken = lose_any;
    for (size_t i = 0; i < 400; i++) {
        size_t k = test_random(rng, COUNT_OF(keys)), at = test_random(rng, f->count);
        struct fleet_node *n = &f->nodes[at];
        if (test_random(rng, 3) > 0 && fleet_get(f, n, keys[k]).state == ACCORD_MISS) {
            fill(f, n, keys[k]);
            filled_ns[at][k] = f->now_ns;
        } else if (test_random(rng, 2) > 0) {
            fleet_request(f, n, fleet_remove(keys[k]));
            removed_ns[k] = f->now_ns;
        }
        for (size_t j = 0; j < f->count; j++) /* each says something: its next number */
            fleet_request(f, &f->nodes[j], fleet_remove("tick"));
        fleet_run(f, 50 * NS_PER_MS);
        for (size_t j = 0; j < f->count; j++)
            for (size_t x = 0; x < COUNT_OF(keys); x++)
                CHECK(!fleet_hits(f, &f->nodes[j], keys[x], "v") ||
                      filled_ns[j][x] > removed_ns[x] || f->now_ns < removed_ns[x] + NS_PER_S);
    }
    f->taken = NULL;
    fleet_settle(f);
    fleet_free(f);
}
