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

static void fill(struct fleet *f, struct fleet_node *n, const char *key, const char *value)
{
    struct token token = fleet_get(f, n, key).token;
    struct request r = fleet_fill(key, value, &token);
    static const struct bytes tag = {(const uint8_t *)"t", 1};

    r.item.tags = &tag;
    r.item.tag_count = 1;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
}

/* Delivers one entry at the next position, as the bus would. */
static void deliver_at(struct fleet *f, struct fleet_node *n, uint64_t position,
                       struct change c)
{
    struct entry e = {.position = position, .change = c};

    fleet_step(
        f, n,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
}

static void deliver(struct fleet *f, struct fleet_node *n, struct change c)
{
    deliver_at(f, n, fleet_status(f, n).cursor.position + 1, c);
}

static struct change change(enum change_op op, const char *key)
{
    static uint64_t messages;

    return (struct change){.op = op, .key = bytes_of_text(key), .message = {77, ++messages}};
}

static struct change change_of(const char *origin, uint64_t incarnation, enum change_op op,
                               uint64_t sequence)
{
    struct change c = change(op, op == CHANGE_REMOVE ? "other" : "");

    c.origin = bytes_of_text(origin);
    c.incarnation = (struct id128){incarnation, 1};
    c.sequence = sequence;
    c.nonce = sequence;
    return c;
}

TEST(apply_removes_what_a_person_or_a_trigger_wrote)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    fill(f, n, "k", "v");
    fleet_insert(f, CHANGE_REMOVE, "k");
    fleet_run(f, 10 * NS_PER_MS);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_status(f, n).applied_foreign == 1);
    fleet_free(f);
}

TEST(apply_knows_every_op_hard_and_soft)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    static const struct {
        enum change_op op;
        const char *key;
    } removals[] = {{CHANGE_REMOVE, "fill:a:1"}, {CHANGE_TAG, "t"},
                    {CHANGE_PREFIX, "fill:a:"},  {CHANGE_PREFIX, "fill:"},
                    {CHANGE_NAMESPACE, "fill"},  {CHANGE_CLEAR, ""}};

    for (size_t i = 0; i < COUNT_OF(removals); i++)
        for (int soft = 0; soft < 2; soft++) {
            struct change c = change(removals[i].op, removals[i].key);
            c.soft = soft;
            fill(f, n, "fill:a:1", "v");
            fill(f, n, "fill:b:1", "v");
            deliver(f, n, c);
            CHECK(fleet_get(f, n, "fill:a:1").state == (soft ? ACCORD_STALE : ACCORD_MISS));
            bool narrow = i == 0 || i == 2;
            CHECK((fleet_get(f, n, "fill:b:1").state == ACCORD_HIT) == narrow);
            deliver(f, n, change(CHANGE_CLEAR, ""));
        }
    fleet_free(f);
}

TEST(apply_removes_more_rather_than_less_where_settings_differ_between_nodes)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    fill(f, n, "elsewhere:1", "v"); /* "elsewhere" is not declared here: it is in default */
    deliver(f, n, change(CHANGE_NAMESPACE, "elsewhere"));
    CHECK(fleet_get(f, n, "elsewhere:1").state == ACCORD_MISS);
    fill(f, n, "short:a/1", "v"); /* no delimiter here */
    fill(f, n, "fill:b:1", "v");
    deliver(f, n, change(CHANGE_PREFIX, "short:a/"));
    CHECK(fleet_get(f, n, "short:a/1").state == ACCORD_MISS);
    CHECK(fleet_hits(f, n, "fill:b:1", "v"));
    deliver(f, n, change((enum change_op)99, "")); /* of a later version: it may mean all */
    CHECK(fleet_get(f, n, "fill:b:1").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(apply_keeps_newer_versions_and_equal_bytes)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct token token = fleet_get(f, n, "k").token;
    struct request r = fleet_fill("k", "v", &token);
    struct change c = change(CHANGE_REMOVE, "k");

    r.item.version = 7;
    CHECK(fleet_request(f, n, r)->reply.status == ACCORD_OK);
    c.has_version = true;
    c.version = 7;
    deliver(f, n, c);
    CHECK(fleet_hits(f, n, "k", "v"));
    struct token after = fleet_get(f, n, "k").token;
    CHECK(after.slot > token.slot); /* loads that began before are refused nevertheless */
    c = change(CHANGE_REMOVE, "k");
    c.has_version = true;
    c.version = 8;
    deliver(f, n, c);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);

    fill(f, n, "k", "same");
    c = change(CHANGE_REMOVE, "k");
    c.has_fingerprint = true;
    c.fingerprint = value_fingerprint(bytes_of_text("same"));
    deliver(f, n, c);
    CHECK(fleet_hits(f, n, "k", "same"));
    c = change(CHANGE_REMOVE, "k");
    c.has_fingerprint = true;
    c.fingerprint = value_fingerprint(bytes_of_text("other"));
    deliver(f, n, c);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(apply_moves_only_the_position_for_an_own_change_and_applies_one_that_only_looks_own)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    fleet_request(f, n, fleet_remove("k"));
    fill(f, n, "k", "loaded after the removal");
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(fleet_hits(f, n, "k", "loaded after the removal"));
    CHECK(fleet_status(f, n).cursor.position == f->newest);

    struct change c =
        change(CHANGE_REMOVE, "k"); /* our name and incarnation, not our message */
    c.origin = bytes_of_text("web1");
    c.incarnation = n->settings.incarnation;
    deliver(f, n, c);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    fleet_free(f);
}

TEST(apply_ignores_what_was_delivered_before)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct change c = change(CHANGE_REMOVE, "k");

    deliver(f, n, c);
    struct core_status before = fleet_status(f, n);
    fill(f, n, "k", "v");
    struct entry e = {.position = before.cursor.position, .change = c};
    fleet_step(
        f, n,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
    CHECK(fleet_hits(f, n, "k", "v"));
    CHECK(fleet_status(f, n).applied_changes == before.applied_changes);
    fleet_free(f);
}

TEST(apply_gives_up_the_log_where_an_entry_was_replaced)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    fill(f, n, "k", "v");
    deliver(f, n, change(CHANGE_REMOVE, "other"));
    struct entry e = {.position = fleet_status(f, n).cursor.position,
                      .change = change(CHANGE_REMOVE, "other")};
    fleet_step(
        f, n,
        &(struct event){.type = EVENT_BUS_ENTRIES, .entries = {.entries = &e, .count = 1}});
    CHECK(fleet_status(f, n).divergences == 1);
    CHECK(fleet_status(f, n).drops[DROP_REPLACED] == 1);
    CHECK(strstr(n->why, "another entry stood before at position "));
    CHECK(n->attaches == 2);
    CHECK(fleet_get(f, n, "k").state == ACCORD_UNSURE);
    fleet_free(f);
}

TEST(apply_notices_by_a_beat_that_another_node_saw_another_entry)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct change beat = change_of("web9", 9, CHANGE_BEAT, 1);

    beat.lease_epoch = f->epoch;
    beat.applied = fleet_status(f, n).cursor.position;
    beat.applied_hash = 12345;
    beat.lease_epoch = f->epoch + 1; /* of another epoch: positions mean something else */
    deliver(f, n, beat);
    CHECK(fleet_status(f, n).divergences == 0);
    beat = change_of("web9", 9, CHANGE_BEAT, 2);
    beat.lease_epoch = f->epoch;
    beat.applied = fleet_status(f, n).cursor.position;
    beat.applied_hash = 12345;
    deliver(f, n, beat);
    CHECK(fleet_status(f, n).divergences == 1);
    CHECK(fleet_status(f, n).drops[DROP_DIVERGED] == 1);
    CHECK(!fleet_status(f, n).fresh);
    fleet_free(f);
}

/* The log was cut back and grew again; who wrote this beat had not noticed yet. Everybody reads
 * it again and again, as often as it attaches. */
TEST(apply_starts_anew_only_once_for_a_beat_that_saw_another_entry)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct change beat = change_of("web9", 9, CHANGE_BEAT, 1);
    struct fleet_entry *e = &f->entries[f->log_count++];

    beat.lease_epoch = f->epoch;
    beat.applied = fleet_status(f, n).cursor.position;
    beat.applied_hash = 12345;
    e->held.change = beat;
    memcpy(e->held.origin, "web9", 5);
    e->position = ++f->newest;
    e->at_ns = f->now_ns;
    fleet_run(f, NS_PER_S);
    CHECK(fleet_status(f, n).divergences == 1);
    CHECK(n->attaches == 2);
    CHECK(fleet_status(f, n).fresh);
    fleet_free(f);
}

TEST(apply_takes_nothing_of_a_log_that_was_given_up)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    uint64_t position = fleet_status(f, n).cursor.position;

    fleet_step(f, n, &(struct event){.type = EVENT_BUS_GONE});
    deliver(f, n, change(CHANGE_REMOVE, "k"));
    CHECK(fleet_status(f, n).cursor.position == position);
    fleet_free(f);
}

TEST(apply_lets_the_older_of_two_namesakes_stay)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *old = fresh_node(f, "web1");
    struct fleet_node *young = fleet_add(f, "web1");

    fleet_start(f, young);
    fleet_run(f, NS_PER_S);
    CHECK(!old->fatal);
    CHECK(fleet_status(f, old).fresh);
    CHECK(young->fatal);
    CHECK(young->notes[NOTE_LEASE_HELD] == 0); /* it never served as web1 */
    CHECK(strcmp(young->why,
                 "another live node is named web1; give each node its own --name") == 0);
    fleet_step(f, young, &(struct event){.type = EVENT_STOP});
    fleet_run(f, NS_PER_S);
    CHECK(young->stopped);
    CHECK(fleet_status(f, old).members == 1);
    fleet_free(f);
}

TEST(apply_lets_one_of_two_simultaneous_namesakes_stay)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fleet_add(f, "web1"), *b = fleet_add(f, "web1");

    fleet_start(f, a);
    fleet_start(f, b);
    fleet_run(f, NS_PER_S);
    CHECK(a->fatal != b->fatal);
    fleet_free(f);
}

TEST(apply_lets_a_node_come_back_under_its_name_after_it_was_killed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1"), *other = fresh_node(f, "web2");
    struct fixture segment = n->segment;

    fleet_kill(f, n);
    fleet_start(f, n);
    fleet_settle(f);
    fleet_run(f, 20 * NS_PER_S);
    CHECK(!n->fatal);
    CHECK(fleet_status(f, n).fresh);
    CHECK(fleet_status(f, other).members == 2);
    CHECK(core_member_count(other->core) == 3); /* the predecessor is still known */
    CHECK(other->notes[NOTE_MEMBER_SILENT] == 1);
    fixture_done(&segment);
    fleet_free(f);
}

/* Positions of another epoch, or of a log that was longer once, prove nothing of our join. */
TEST(apply_does_not_yield_to_a_beat_of_its_predecessor_from_another_log)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct fixture segment = n->segment;
    struct id128 before = n->settings.incarnation;

    fleet_kill(f, n);
    fleet_start(f, n);
    fleet_settle(f);
    uint64_t newest = fleet_status(f, n).cursor.position;
    deliver_at(f, n, newest + 10, change(CHANGE_REMOVE, "k")); /* no entry is at + 5 */
    for (uint64_t i = 0; i < 3; i++) {
        struct change beat = change_of("web1", 0, CHANGE_BEAT, 0);
        beat.incarnation = before;
        beat.lease_epoch = f->epoch + (i == 0);
        beat.applied = newest + (i == 0 ? 0 : i == 1 ? 5 : 100);
        beat.applied_hash = 12345;
        deliver(f, n, beat);
        CHECK(!n->fatal);
    }
    fixture_done(&segment);
    fleet_free(f);
}

TEST(apply_counts_a_silent_member_out_and_back_in)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fresh_node(f, "web1"), *b = fleet_add(f, "web2");

    b->settings.expect_members = 2;
    fleet_start(f, b);
    fleet_settle(f);
    fleet_run(f, NS_PER_S);
    CHECK(fleet_status(f, b).ready);
    fleet_cut(f, a, true);
    fleet_run(f, 5 * FLEET_L);
    CHECK(fleet_status(f, b).members == 2);
    fleet_run(f, 2 * FLEET_L);
    CHECK(fleet_status(f, b).members == 1);
    CHECK(!fleet_status(f, b).ready);
    CHECK(fleet_status(f, b).fresh);
    fleet_cut(f, a, false);
    fleet_run(f, 2 * FLEET_L);
    CHECK(fleet_status(f, b).members == 2);
    CHECK(strcmp(core_member(b->core, 0)->about, "app test") == 0);
    fleet_free(f);
}

TEST(apply_knows_of_each_member_what_it_asks_of_its_namespaces)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fleet_add(f, "web1"), *b = fresh_node(f, "web2");

    memcpy(a->settings.policies, "default user.ttl=1h", sizeof "default user.ttl=1h");
    fleet_start(f, a);
    fleet_settle(f);
    const struct core_member *m = core_member(b->core, 0);
    m = m->self ? core_member(b->core, 1) : m;
    CHECK(strcmp(m->about, "app test") == 0);
    CHECK(strcmp(m->policies, "default user.ttl=1h") == 0);
    CHECK(core_member(a->core, 0)->self || core_member(a->core, 0)->policies[0] == '\0');

    /* Each beat says it again; one of a version that does not leaves it as it was. */
    struct change beat = change_of("web9", 9, CHANGE_BEAT, 1);
    beat.about = bytes_of_text("\tdefault\x1b[2J\x7f");
    deliver(f, b, beat);
    deliver(f, b, change_of("web9", 9, CHANGE_BEAT, 2));
    m = core_member(b->core, 2);
    CHECK(m->about[0] == '\0' && strcmp(m->policies, "default?[2J?") == 0);
    fleet_free(f);
}

/* Its join is forgotten after an hour, and it stays for months. */
TEST(apply_learns_from_a_beat_what_a_join_that_is_gone_had_told)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *a = fleet_add(f, "web1");

    fleet_start(f, a);
    fleet_settle(f);
    fleet_run(f, 2 * FLEET_L);
    fleet_delete(f, f->entries[0].position);
    struct fleet_node *b = fresh_node(f, "web2");
    fleet_run(f, 2 * FLEET_L);
    const struct core_member *m = core_member(b->core, 0);
    m = m->self ? core_member(b->core, 1) : m;
    CHECK(strcmp(m->name, "web1") == 0 && strcmp(m->about, "app test") == 0);

    struct change beat = change_of("web9", 9, CHANGE_BEAT, 1); /* a word that we do not know */
    beat.about = bytes_of_text("wave 0123 to all");
    deliver(f, b, beat);
    CHECK(core_member(b->core, 2)->about[0] == '\0');
    fleet_free(f);
}

TEST(apply_takes_who_leaves_at_his_word_once_and_only_who_was_there)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    deliver(f, n, change_of("web9", 9, CHANGE_LEAVE, 1)); /* it had never joined */
    CHECK(n->notes[NOTE_MEMBER_LEFT] == 0);
    deliver(f, n, change_of("web9", 9, CHANGE_JOIN, 2));
    CHECK(fleet_status(f, n).members == 2);
    struct change leave[] = {change_of("web9", 9, CHANGE_LEAVE, 3),
                             change_of("web9", 9, CHANGE_LEAVE, 4)};
    uint64_t position = fleet_status(f, n).cursor.position;
    struct entry both[] = {{position + 1, leave[0], TRUST_FULL},
                           {position + 2, leave[1], TRUST_FULL}};
    fleet_step(f, n,
               &(struct event){.type = EVENT_BUS_ENTRIES,
                               .entries = {.entries = both, .count = COUNT_OF(both)}});
    CHECK(n->notes[NOTE_MEMBER_LEFT] == 1);
    CHECK(fleet_status(f, n).members == 1);
    fleet_free(f);
}

TEST(apply_counts_a_change_of_somebody_without_an_identity_as_foreign)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct change trigger = change(CHANGE_REMOVE, "k");

    fill(f, n, "k", "v");
    trigger.origin = bytes_of_text("pg"); /* a name, but no incarnation: nothing to count */
    trigger.sequence = 7;
    deliver(f, n, trigger);
    trigger = change(CHANGE_REMOVE, "l");
    trigger.origin = bytes_of_text("pg");
    trigger.sequence = 9;
    deliver(f, n, trigger);
    CHECK(fleet_get(f, n, "k").state == ACCORD_MISS);
    CHECK(fleet_status(f, n).applied_foreign == 2);
    CHECK(fleet_status(f, n).gaps == 0);
    CHECK(fleet_status(f, n).members == 1);
    fleet_free(f);
}

TEST(apply_tells_a_namesake_that_joined_later_only_once_and_not_while_it_must_end_itself)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    deliver(f, n, change_of("web1", 9, CHANGE_JOIN, 1));
    CHECK(n->notes[NOTE_NAME_TAKEN] == 1);
    deliver(f, n, change_of("web1", 9, CHANGE_BEAT, 2));
    CHECK(n->notes[NOTE_NAME_TAKEN] == 1);
    fleet_step(f, n, &(struct event){.type = EVENT_STOP});
    deliver(f, n, change_of("web1", 8, CHANGE_JOIN, 1));
    CHECK(n->notes[NOTE_NAME_TAKEN] == 1);
    CHECK(!n->fatal);
    fleet_free(f);
}

TEST(apply_of_more_members_than_it_can_know_makes_a_strict_removal_wait_for_every_lease)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct request strict = fleet_remove("k");

    fleet_run(f, 6 * FLEET_L);
    strict.want_strict = true;
    strict.wait_ns = NS_PER_S;
    struct fleet_answer *a = fleet_request(f, n, strict);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK && a->count == 1); /* it is alone */
    for (int leaves = 0; leaves < 2; leaves++)
        for (uint64_t i = 1; i <= MEMBERS_MAX; i++) { /* one more than there is room for */
            struct change c = change_of("x", 1000 + i, leaves ? CHANGE_LEAVE : CHANGE_BEAT, 0);
            c.nonce = i;
            fleet_insert_change(f, c);
        }
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, n).members == 1);
    a = fleet_request(f, n, strict);
    fleet_run(f, NS_PER_S);
    CHECK(a->reply.status == ACCORD_E_TIMEOUT); /* who was forgotten may hold the item */
    fleet_run(f, 6 * FLEET_L);
    a = fleet_request(f, n, strict);
    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->reply.status == ACCORD_OK && a->count == 1);
    fleet_free(f);
}

/* ---- what ended earlier runs ---------------------------------------------------------------
 */

static struct cursor poisoned_at(const struct fleet *f, uint64_t position)
{
    return (struct cursor){.log = f->log, .epoch = f->epoch, .position = position};
}

TEST(apply_notes_each_entry_before_it_looks_at_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct hand_place place = {0};

    n->settings.hand.place = &place;
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(place.position == fleet_status(f, n).cursor.position);
    deliver(f, n, change(CHANGE_REMOVE, "k"));
    CHECK(place.position == fleet_status(f, n).cursor.position);
    fleet_free(f);
}

TEST(apply_skips_what_ended_earlier_runs_and_drops_the_cache)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct cursor poison = poisoned_at(f, 40);

    fleet_kill(f, n);
    n->settings.hand = (struct hand){.poison = &poison, .poison_count = 1};
    fleet_start(f, n);
    fleet_settle(f);
    fill(f, n, "k", "v");
    fill(f, n, "other", "v");
    while (fleet_status(f, n).cursor.position < 39)
        deliver(f, n, change(CHANGE_REMOVE, "elsewhere"));
    CHECK(fleet_hits(f, n, "k", "v"));
    CHECK(fleet_status(f, n).poison.value == 0);

    uint64_t boots = fleet_status(f, n).cold_boots;
    deliver(f, n, change_of("web9", 9, CHANGE_JOIN, 1)); /* whatever it says */
    struct core_status s = fleet_status(f, n);
    CHECK(s.cursor.position == 40);
    CHECK(s.poison.value == 40 && s.poison.epoch == f->epoch);
    CHECK(s.drops[DROP_POISON] == 1);
    CHECK(s.cold_boots == boots + 1);
    CHECK(n->cold_cause == DROP_POISON && n->cold_at.value == 40);
    CHECK(!s.fresh);
    CHECK(s.members == 1); /* the joiner is not believed to be there: the view is young */
    CHECK(strstr(n->why, "position 40"));
    CHECK(fleet_get(f, n, "k").state != ACCORD_HIT);

    fleet_settle(f); /* and goes on, in step with the others: the name of the entry is kept */
    fill(f, n, "k", "w");
    CHECK(fleet_hits(f, n, "k", "w"));
    CHECK(fleet_status(f, n).drops[DROP_POISON] == 1);
    fleet_free(f);
}

TEST(apply_skips_an_own_change_too_and_does_not_wait_for_it)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct cursor poison = poisoned_at(f, f->newest + 1);

    fleet_kill(f, n);
    n->settings.hand = (struct hand){.poison = &poison, .poison_count = 1};
    fleet_start(f, n); /* its first entry, a beat or join, stands there */
    fleet_settle(f);
    fleet_run(f, FLEET_L);
    CHECK(fleet_status(f, n).drops[DROP_POISON] == 1);
    CHECK(fleet_status(f, n).outbox == 0);
    fleet_free(f);
}

/* What the bus answers to who asked for a part of the log again. */
static void attach_again(struct fleet *f, struct fleet_node *n, uint64_t epoch, uint64_t after,
                         bool resumed)
{
    fleet_step(f, n,
               &(struct event){.type = EVENT_BUS_ATTACHED,
                               .attached = {.log = f->log,
                                            .epoch = epoch,
                                            .after = after,
                                            .head = resumed ? fleet_status(f, n).head : after,
                                            .max_stale_ns = FLEET_L,
                                            .resumed = resumed}});
}

TEST(apply_skips_what_ended_earlier_runs_though_it_comes_late)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct cursor poison = poisoned_at(f, 40);
    uint64_t sequence = 0;

    fleet_kill(f, n);
    n->settings.hand = (struct hand){.poison = &poison, .poison_count = 1};
    fleet_start(f, n);
    fleet_settle(f);
    while (fleet_status(f, n).cursor.position < 39)
        deliver(f, n, change_of("web9", 9, CHANGE_BEAT, ++sequence));
    fill(f, n, "k", "v");
    deliver_at(f, n, 41, change(CHANGE_REMOVE, "other"));
    CHECK(fleet_status(f, n).gaps == 0);
    deliver_at(f, n, 42, change_of("web9", 9, CHANGE_BEAT, sequence + 2));
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(fleet_status(f, n).poison.value == 0);
    attach_again(f, n, f->epoch, 39, /* resumed= */ true);
    deliver_at(f, n, 40, change_of("web9", 9, CHANGE_BEAT, sequence + 1));
    CHECK(fleet_status(f, n).poison.value == 40);
    CHECK(fleet_status(f, n).drops[DROP_POISON] == 1);
    CHECK(fleet_status(f, n).holes_open == 0); /* nothing is left that it could have removed */
    CHECK(fleet_get(f, n, "k").state != ACCORD_HIT);
    fleet_free(f);
}

TEST(apply_asks_for_what_is_missing_where_what_it_skipped_was_in_another_epoch)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");
    struct cursor poison = poisoned_at(f, 40);

    fleet_kill(f, n);
    n->settings.hand = (struct hand){.poison = &poison, .poison_count = 1};
    fleet_start(f, n);
    fleet_settle(f);
    deliver_at(f, n, 40, change(CHANGE_REMOVE, "other"));
    CHECK(fleet_status(f, n).poison.value == 40);
    attach_again(f, n, f->epoch + 1, 10, /* resumed= */ false);
    deliver_at(f, n, 20, change_of("web9", 9, CHANGE_BEAT, 1));
    deliver_at(f, n, 21, change_of("web9", 9, CHANGE_BEAT, 3));
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(fleet_status(f, n).drops[DROP_GAP] == 0);
    fleet_free(f);
}

TEST(apply_asks_nothing_of_the_numbers_of_twins_that_come_late)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fresh_node(f, "web1");

    deliver_at(f, n, 50, change_of("web9", 9, CHANGE_BEAT, 1));
    deliver_at(f, n, 51, change_of("web9", 9, CHANGE_BEAT, 1)); /* another one */
    CHECK(fleet_status(f, n).drops[DROP_TWINS] == 1);
    attach_again(f, n, f->epoch, 51, /* resumed= */ false);
    deliver_at(f, n, 60, change_of("web8", 8, CHANGE_BEAT, 1));
    deliver_at(f, n, 62, change(CHANGE_REMOVE, "other")); /* 61 is missed */
    deliver_at(f, n, 63, change_of("web8", 8, CHANGE_BEAT, 3));
    CHECK(fleet_status(f, n).holes_open == 1);
    uint64_t applied = fleet_status(f, n).applied_changes;
    attach_again(f, n, f->epoch, 60, /* resumed= */ true);
    deliver_at(f, n, 61, change_of("web9", 9, CHANGE_REMOVE, 7));
    CHECK(fleet_status(f, n).applied_changes == applied + 1);
    CHECK(fleet_status(f, n).holes_open == 1);
    CHECK(fleet_status(f, n).gaps == 2); /* no third for the twins' 7 */
    fleet_free(f);
}
