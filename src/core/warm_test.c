/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/warm.h"

#include "cache/writer_state.h"
#include "core/fleet.h"

/* A fleet of two, of which web1 is restarted. */
struct pair {
    struct fleet *f;
    struct fleet_node *web1, *web2;
    struct fixture old; /* web1's earlier segment */
};

static void fill(struct pair *p, struct fleet_node *n, const char *key, const char *value)
{
    struct fleet_answer *a = fleet_request(p->f, n, fleet_load(key, 0));

    CHECK(a->count == 1 && a->reply.has_token);
    fleet_request(p->f, n, fleet_fill(key, value, &a->reply.token));
    CHECK(fleet_hits(p->f, n, key, value));
}

static void pair_start(struct pair *p)
{
    *p = (struct pair){.f = fleet_new(NULL)};
    p->web1 = fleet_add(p->f, "web1");
    p->web2 = fleet_add(p->f, "web2");
    fleet_start(p->f, p->web1);
    fleet_start(p->f, p->web2);
    fleet_settle(p->f);
    fill(p, p->web1, "kept", "v");
    fill(p, p->web1, "other", "v");
    fill(p, p->web1, "removed", "v");
    fleet_run(p->f, 2 * NS_PER_S);
    CHECK(p->web1->saved.position > 0);
    CHECK(p->web1->notes[NOTE_COLD] == 1); /* it was its first start */
    CHECK(p->web1->colds == 1 && p->web1->cold_cause == DROP_START);
    memset(p->web1->notes, 0, sizeof p->web1->notes);
    p->web1->colds = 0;
}

static void pair_kill(struct pair *p)
{
    fleet_kill(p->f, p->web1);
    p->old = p->web1->segment;
}

static void pair_done(struct pair *p)
{
    if (p->old.segment)
        fixture_done(&p->old);
    fleet_free(p->f);
}

static void remove_by_web2(struct pair *p, const char *key)
{
    struct fleet_answer *a = fleet_request(p->f, p->web2, fleet_remove(key));

    fleet_run(p->f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK);
}

static bool misses(struct pair *p, const char *key)
{
    return fleet_get(p->f, p->web1, key).state == ACCORD_MISS;
}

TEST(a_restarted_node_serves_what_it_had_but_for_what_was_removed_meanwhile)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    remove_by_web2(&p, "removed");
    fleet_start_resumed(p.f, p.web1, &p.old);
    fleet_settle(p.f);
    CHECK(fleet_hits(p.f, p.web1, "kept", "v"));
    CHECK(fleet_hits(p.f, p.web1, "other", "v"));
    CHECK(misses(&p, "removed"));
    struct core_status s = fleet_status(p.f, p.web1);
    CHECK(s.warmth == WARM_KEPT && s.inherited == 3 && s.cold_boots == 0);
    CHECK(strcmp(s.warm_why, "3 items kept") == 0);
    CHECK(p.web1->notes[NOTE_WARM] == 1 && p.web1->notes[NOTE_COLD] == 0);
    CHECK(p.web1->colds == 0);
    CHECK(!p.web1->inheriting);
    pair_done(&p);
}

TEST(a_segment_that_comes_late_is_inherited_but_for_what_was_touched_meanwhile)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    remove_by_web2(&p, "removed");
    fleet_start_resumed(p.f, p.web1, NULL);
    fleet_settle(p.f);
    CHECK(misses(&p, "kept"));
    fill(&p, p.web1, "other", "newer");
    fleet_run(p.f, 5 * NS_PER_S);
    CHECK(p.web1->notes[NOTE_COLD] == 1); /* said after a while, and taken back: */
    CHECK(fleet_status(p.f, p.web1).drops[DROP_NO_SEGMENT] == 1);
    fleet_inherit(p.f, p.web1, &p.old);
    fleet_run(p.f, NS_PER_S);
    CHECK(fleet_hits(p.f, p.web1, "kept", "v"));
    CHECK(fleet_hits(p.f, p.web1, "other", "newer"));
    CHECK(misses(&p, "removed"));
    CHECK(fleet_status(p.f, p.web1).warmth == WARM_KEPT);
    CHECK(fleet_status(p.f, p.web1).inherited == 1);
    pair_done(&p);
}

/* What it reads up to the place where the earlier segment stood is not applied. If the log is
 * restored from an older copy meanwhile, that would swallow what is new there. */
TEST(a_log_that_is_cut_back_before_the_earlier_segment_s_place_is_met_costs_the_cache)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    fleet_start_resumed(p.f, p.web1, NULL);
    while (p.web1->notes[NOTE_ATTACHED] == 0)
        fleet_run(p.f, NS_PER_MS / 4);
    uint64_t floor = p.web1->settings.cursor.position;
    struct entry e = {
        .position = floor,
        .change = {.op = CHANGE_REMOVE, .key = bytes_of_text("kept"), .message = {0xf00, 1}}};
    CHECK(fleet_status(p.f, p.web1).cursor.position < floor);
    fleet_step(
        p.f, p.web1,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
    CHECK(fleet_status(p.f, p.web1).drops[DROP_REPLACED] == 1);
    fleet_inherit(p.f, p.web1, &p.old);
    fleet_settle(p.f);
    CHECK(misses(&p, "kept"));
    pair_done(&p);
}

static void bump_only(struct writer *w, struct bytes key)
{
    w->slots[hash_slot(hash_of_key(w, key))]++;
}

/* What a crash in the middle of applying an entry can leave: any part of its effect, and the
 * position before it. */
TEST(nobody_loads_what_the_earlier_segment_still_has)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    remove_by_web2(&p, "removed");
    fleet_start_resumed(p.f, p.web1, NULL);
    fleet_settle(p.f);
    fleet_inherit(p.f, p.web1, &p.old);
    CHECK(p.web1->inheriting); /* in steps, and the first is just done */
    CHECK(misses(&p, "kept"));
    struct fleet_answer *a = fleet_request(p.f, p.web1, fleet_load("kept", 0));
    CHECK(a->count == 1 && a->reply.state == ACCORD_HIT && !a->reply.has_token);
    CHECK(fleet_hits(p.f, p.web1, "kept", "v"));
    a = fleet_request(p.f, p.web1, fleet_load("removed", 0));
    CHECK(a->count == 1 && a->reply.state == ACCORD_MISS && a->reply.has_token);
    fleet_run(p.f, NS_PER_S);
    CHECK(fleet_status(p.f, p.web1).warmth == WARM_KEPT);
    CHECK(fleet_status(p.f, p.web1).inherited == 2);
    pair_done(&p);
}

TEST(a_crash_in_the_middle_of_an_entry_leaves_nothing_undone)
{
    for (int half = 0; half < 3; half++) {
        struct pair p;

        pair_start(&p);
        fleet_cut(p.f, p.web1, true); /* so that the entry is not applied before the crash */
        remove_by_web2(&p, "removed");
        if (half == 1) /* the counter, not the unlink */
            bump_only(p.web1->segment.writer, bytes_of_text("removed"));
        if (half == 2)
            writer_remove_key(p.web1->segment.writer, bytes_of_text("removed"), false, 0);
        pair_kill(&p);
        fleet_cut(p.f, p.web1, false);
        fleet_start_resumed(p.f, p.web1, &p.old);
        fleet_settle(p.f);
        CHECK(misses(&p, "removed"));
        CHECK(fleet_hits(p.f, p.web1, "kept", "v"));
        pair_done(&p);
    }
}

TEST(tokens_of_the_earlier_incarnation_are_refused)
{
    struct pair p;

    pair_start(&p);
    struct fleet_answer *a = fleet_request(p.f, p.web1, fleet_load("new", 0));
    struct token token = a->reply.token;
    pair_kill(&p);
    fleet_start_resumed(p.f, p.web1, &p.old);
    fleet_settle(p.f);
    a = fleet_request(p.f, p.web1, fleet_fill("new", "v", &token));
    CHECK(a->reply.status == ACCORD_E_TOKEN);
    CHECK(misses(&p, "new"));
    pair_done(&p);
}

TEST(a_log_that_cannot_prove_the_saved_place_starts_the_node_cold)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    fleet_lose_tail(p.f, 1);
    fleet_start_resumed(p.f, p.web1, &p.old);
    fleet_settle(p.f);
    CHECK(misses(&p, "kept"));
    struct core_status s = fleet_status(p.f, p.web1);
    CHECK(s.warmth == WARM_NEVER && s.drops[DROP_GONE] == 1 && s.cold_boots == 1);
    CHECK(strcmp(s.warm_why, "the log cannot prove the cursor") == 0);
    CHECK(p.web1->colds == 1 && p.web1->cold_cause == DROP_GONE);
    CHECK(p.web1->cold_at.epoch == p.f->epoch); /* of the log that it reads now */
    fill(&p, p.web1, "kept", "newer");          /* and it works as any */
    pair_done(&p);
}

/* An undetected loss: same log, same epoch, but shorter than the earlier segment had seen. */
TEST(a_log_shorter_than_the_segment_had_applied_starts_the_node_cold)
{
    for (int late = 0; late < 2; late++) {
        struct pair p;

        pair_start(&p);
        remove_by_web2(&p, "removed");
        fleet_run(p.f, 200 * NS_PER_MS);
        pair_kill(&p);
        struct inherit_place place;
        inherit_place(&p.old.reader, &place);
        writer_set_position(p.old.writer, place.position + 1000);
        fleet_start_resumed(p.f, p.web1, late ? NULL : &p.old);
        fleet_settle(p.f);
        if (late)
            fleet_inherit(p.f, p.web1, &p.old);
        fleet_run(p.f, NS_PER_S);
        CHECK(misses(&p, "kept"));
        CHECK(fleet_status(p.f, p.web1).drops[late ? DROP_SEGMENT : DROP_GONE] == 1);
        pair_done(&p);
    }
}

TEST(a_segment_that_does_not_fit_the_saved_cursor_is_refused)
{
    for (int what = 0; what < 3; what++) {
        struct pair p;
        struct inherit_place place;

        pair_start(&p);
        pair_kill(&p);
        inherit_place(&p.old.reader, &place);
        if (what == 0)
            writer_set_log(p.old.writer, (struct id128){1, 1}, place.epoch);
        else if (what == 1)
            writer_set_log(p.old.writer, place.log, place.epoch + 1);
        else
            writer_set_position(p.old.writer, p.web1->saved.position - 1);
        fleet_start_resumed(p.f, p.web1, &p.old);
        CHECK(strstr(p.web1->refused, "the earlier segment"));
        CHECK(!p.web1->inheriting);
        fleet_settle(p.f);
        CHECK(misses(&p, "kept"));
        CHECK(fleet_status(p.f, p.web1).drops[DROP_SEGMENT] == 1);
        pair_done(&p);
    }
}

TEST(nothing_is_inherited_twice_nor_after_a_cold_boot)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    fleet_start_resumed(p.f, p.web1, &p.old);
    fleet_settle(p.f);
    fleet_inherit(p.f, p.web1, &p.old);
    CHECK(strcmp(p.web1->refused, "a segment was inherited already") == 0);
    fleet_lose_tail(p.f, 1);
    fleet_run(p.f, 10 * NS_PER_S);
    CHECK(fleet_status(p.f, p.web1).cold_boots == 1);
    CHECK(misses(&p, "kept"));
    fleet_inherit(p.f, p.web1, &p.old);
    CHECK(p.web1->refused[0]);
    CHECK(misses(&p, "kept"));
    pair_done(&p);
}

TEST(a_change_kept_by_the_earlier_run_is_not_undone_by_what_is_inherited)
{
    struct pair p;

    pair_start(&p);
    p.web1->settings.ack_local = true;
    pair_kill(&p);
    struct change change = {
        .op = CHANGE_REMOVE, .key = bytes_of_text("removed"), .message = {77, 77}};
    CHECK(p.web1->journal_count == 0);
    fleet_start_resumed(p.f, p.web1, NULL);
    fleet_step(
        p.f, p.web1,
        &(struct event){.type = EVENT_RESEND, .resend = {.changes = &change, .count = 1}});
    fleet_inherit(p.f, p.web1, &p.old);
    fleet_settle(p.f);
    CHECK(misses(&p, "removed"));
    CHECK(fleet_hits(p.f, p.web1, "kept", "v"));
    pair_done(&p);
}

TEST(a_cold_boot_is_told_once_its_position_is_noted)
{
    struct pair p;

    pair_start(&p);
    fleet_lose_tail(p.f, 1);
    fleet_run(p.f, 10 * NS_PER_S);
    CHECK(p.web1->notes[NOTE_COLD_BOOT] == 1);
    CHECK(p.web1->colds == 1);
    CHECK(p.web1->cold_at.epoch == p.f->epoch);
    CHECK(p.web1->cold_at.value < fleet_status(p.f, p.web1).cursor.position);
    pair_done(&p);
}

TEST(members_from_before_the_cursor_are_known_after_a_warm_start)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    fleet_start_resumed(p.f, p.web1, &p.old);
    fleet_settle(p.f);
    CHECK(fleet_status(p.f, p.web1).members == 2);
    CHECK(fleet_status(p.f, p.web2).members == 2);
    pair_done(&p);
}

TEST(a_namesake_from_before_the_cursor_is_met_after_a_warm_start)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    struct fleet_node *other = fleet_add(p.f, "web1"); /* takes the name meanwhile */
    fleet_start(p.f, other);
    fleet_run(p.f, 20 * NS_PER_S);
    fleet_start_resumed(p.f, p.web1, &p.old);
    fleet_run(p.f, 10 * NS_PER_S);
    CHECK(p.web1->fatal);
    CHECK(!other->fatal);
    pair_done(&p);
}

TEST(a_clean_stop_saves_its_last_place)
{
    struct pair p;

    pair_start(&p);
    remove_by_web2(&p, "removed");
    uint64_t before = p.web1->saved.position;
    fleet_insert(p.f, CHANGE_REMOVE, "foreign");
    fleet_run(p.f, 100 * NS_PER_MS);
    fleet_step(p.f, p.web1, &(struct event){.type = EVENT_STOP});
    fleet_run(p.f, NS_PER_S);
    CHECK(p.web1->stopped);
    CHECK(p.web1->saved.position > before);
    CHECK(p.web1->saved.position == fleet_status(p.f, p.web1).cursor.position);
    CHECK(reader_deadline_ns(&p.web1->segment.reader, NULL, NULL) == 0);
    pair_done(&p);
}

/* The bus has proven the place, and then the log is cut back: what stands there now was not
 * applied by the earlier segment. Positions have gaps, so that nothing stands at the place. */
TEST(a_saved_place_that_is_not_met_again_costs_what_was_inherited)
{
    struct pair p;

    pair_start(&p);
    fleet_kill(p.f, p.web2);
    fixture_done(&p.web2->segment);
    fleet_run(p.f, 2 * NS_PER_S);
    pair_kill(&p);
    uint64_t place = p.web1->saved.position;
    fleet_start_resumed(p.f, p.web1, &p.old);
    while (!fleet_status(p.f, p.web1).attached)
        fleet_run(p.f, NS_PER_MS / 4);
    CHECK(p.web1->read_position < place);
    while (p.f->log_count > 0 && p.f->entries[p.f->log_count - 1].position >= place)
        p.f->log_count--;
    p.f->newest = place; /* the next number is beyond it */
    fleet_insert(p.f, CHANGE_REMOVE, "kept");
    fleet_run(p.f, 5 * NS_PER_S);
    CHECK(fleet_status(p.f, p.web1).drops[DROP_REPLACED] == 1);
    CHECK(!fleet_hits(p.f, p.web1, "other", "v"));
    CHECK(!fleet_hits(p.f, p.web1, "kept", "v"));
    pair_done(&p);
}

/* ---- the theorem ---------------------------------------------------------------------------
 */

enum { KEYS = 12 };

static void key_name(unsigned i, char text[16])
{
    snprintf(text, 16, "key%u", i);
}

/* Each key's value is its version at the origin: what is served as fresh may not be older than
 * a version whose removal was acknowledged L ago. */
struct origin {
    unsigned version[KEYS];
    unsigned needed[KEYS];   /* what a fresh read may not be older than, */
    uint64_t since_ns[KEYS]; /* once this was L ago */
};

static void some_change(struct pair *p, struct origin *o, uint64_t *rng, struct fleet_node *n)
{
    unsigned i = (unsigned)test_random(rng, KEYS);
    char key[16], value[16];

    key_name(i, key);
    snprintf(value, sizeof value, "%u", o->version[i]);
    if (test_random(rng, 3) > 0) {
        struct fleet_answer *a = fleet_request(p->f, n, fleet_load(key, 0));
        if (a->count == 1 && a->reply.has_token)
            fleet_request(p->f, n, fleet_fill(key, value, &a->reply.token));
        return;
    }
    o->version[i]++;
    struct fleet_answer *a = fleet_request(p->f, p->web2, fleet_remove(key));
    for (int wait = 0; wait < 100 && a->count == 0; wait++)
        fleet_run(p->f, 20 * NS_PER_MS);
    CHECK(a->count == 1);
    if (a->reply.status == ACCORD_OK) {
        o->needed[i] = o->version[i];
        o->since_ns[i] = p->f->now_ns;
    }
}

static unsigned check_reads(struct pair *p, const struct origin *o)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < KEYS; i++) {
        char key[16], value[16] = "";
        struct read_result r;
        key_name(i, key);
        reader_get(&p->web1->segment.reader, bytes_of_text(key), value, sizeof value - 1, &r);
        if (r.state != ACCORD_HIT)
            continue;
        hits++;
        CHECK((unsigned)strtoul(value, NULL, 10) >= o->needed[i] ||
              p->f->now_ns < o->since_ns[i] + FLEET_L);
    }
    return hits;
}

static void some_time(struct pair *p, struct origin *o, uint64_t *rng, struct fleet_node *n)
{
    for (uint64_t i = test_random(rng, 30); i > 0; i--) {
        some_change(p, o, rng, n);
        fleet_run(p->f, test_random(rng, 300) * NS_PER_MS);
        if (p->web1->alive)
            check_reads(p, o);
    }
}

TEST_SEEDS(a_node_restarted_at_any_time_never_serves_anything_older_than_the_bound, 150)
{
    struct pair p;
    struct origin o = {0};
    unsigned hits = 0;

    pair_start(&p);
    p.f->rng = rng;
    p.f->delay_max_ns = p.f->delay_min_ns + 200 * NS_PER_MS;
    p.f->repeat_permille = 100;
    for (int round = 0; round < 4; round++) {
        some_time(&p, &o, rng, p.web1);
        if (test_random(rng, 2))
            fleet_cut(p.f, p.web1, true); /* it falls behind, then dies */
        fleet_run(p.f, test_random(rng, 3000) * NS_PER_MS);
        if (p.old.segment)
            fixture_done(&p.old);
        pair_kill(&p);
        fleet_cut(p.f, p.web1, false);
        some_time(&p, &o, rng, p.web2);
        bool late = test_random(rng, 2);
        fleet_start_resumed(p.f, p.web1, late ? NULL : &p.old);
        if (late) {
            some_time(&p, &o, rng, p.web1);
            fleet_inherit(p.f, p.web1, &p.old);
        }
        fleet_settle(p.f);
        hits += check_reads(&p, &o);
    }
    CHECK(fleet_status(p.f, p.web1).cold_boots == 0);
    CHECK(hits > 0);
    pair_done(&p);
}

TEST(a_node_that_kept_nothing_says_why)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    snprintf(n->settings.cold_why, sizeof n->settings.cold_why,
             "its state was of another host");
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(strcmp(fleet_status(f, n).warm_why, "its state was of another host") == 0);
    CHECK(n->colds == 1 && n->cold_cause == DROP_START);
    fleet_free(f);
}

/* More than one step copies. */
static void pair_fill(struct pair *p)
{
    char key[32];

    for (int i = 0; i < 4 * WARM_STEP_ITEMS; i++) {
        snprintf(key, sizeof key, "item%d", i);
        fill(p, p->web1, key, "v");
    }
    fleet_run(p->f, 2 * NS_PER_S);
}

TEST(a_cold_boot_while_the_earlier_segment_is_copied_gives_it_back)
{
    struct pair p;

    pair_start(&p);
    pair_fill(&p);
    pair_kill(&p);
    fleet_start_resumed(p.f, p.web1, &p.old);
    CHECK(fleet_status(p.f, p.web1).warmth == WARM_COPYING);
    CHECK(p.web1->inheriting);
    fleet_step(p.f, p.web1, &(struct event){.type = EVENT_BUS_GONE, .gone.why = "of a test"});
    fleet_step(p.f, p.web1, &(struct event){.type = EVENT_BUS_LOST});
    CHECK(fleet_status(p.f, p.web1).warmth != WARM_KEPT);
    fleet_run(p.f, NS_PER_S);
    CHECK(!p.web1->inheriting);
    pair_done(&p);
}

TEST(a_copy_that_takes_long_does_not_hold_up_the_attach)
{
    struct pair p;

    pair_start(&p);
    pair_fill(&p);
    pair_kill(&p);
    fleet_start_resumed(p.f, p.web1, &p.old);
    unsigned attaches = p.web1->attaches;
    CHECK(fleet_status(p.f, p.web1).warmth == WARM_COPYING);
    p.f->now_ns += WARM_HEAD_START_NS;
    fleet_step(p.f, p.web1, &(struct event){.type = EVENT_TICK});
    CHECK(fleet_status(p.f, p.web1).warmth == WARM_COPYING);
    CHECK(p.web1->attaches == attaches + 1);
    fleet_settle(p.f);
    CHECK(fleet_status(p.f, p.web1).warmth == WARM_KEPT);
    CHECK(fleet_hits(p.f, p.web1, "item0", "v"));
    pair_done(&p);
}

TEST(a_segment_is_waited_for_from_the_first_attach_alone)
{
    struct pair p;

    pair_start(&p);
    pair_kill(&p);
    fleet_start_resumed(p.f, p.web1, NULL);
    fleet_settle(p.f);
    fleet_cut(p.f, p.web1, true);
    fleet_cut(p.f, p.web1, false);
    fleet_settle(p.f);
    CHECK(fleet_status(p.f, p.web1).warmth == WARM_OPEN);
    CHECK(p.web1->notes[NOTE_COLD] == 0);
    fleet_run(p.f, WARM_WAIT_NS);
    CHECK(p.web1->notes[NOTE_COLD] == 1);
    CHECK(p.web1->cold_cause == DROP_NO_SEGMENT);
    pair_done(&p);
}
