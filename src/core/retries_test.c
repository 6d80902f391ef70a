/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/retries.h"

#include "core/fleet.h"
#include "core/inside.h"

#include <stdlib.h>

static struct request named(const char *key, const char *id, uint64_t wait_ns)
{
    struct request r = fleet_remove(key);

    r.retry_id = bytes_of_text(id);
    r.want_strict = wait_ns > 0;
    r.wait_ns = wait_ns;
    return r;
}

/* Web1 and web2, which have watched the log for long. */
static struct fleet *two(void)
{
    struct fleet *f = fleet_new(NULL);

    fleet_start(f, fleet_add(f, "web1"));
    fleet_start(f, fleet_add(f, "web2"));
    fleet_settle(f);
    fleet_run(f, 6 * FLEET_L);
    return f;
}

static size_t removals(const struct fleet *f)
{
    return fleet_log_count(f, CHANGE_REMOVE, "k");
}

TEST(retry_of_a_removal_that_timed_out_waits_for_the_first)
{
    struct fleet *f = two();

    f->nodes[1].reading = false; /* it beats on, and applies nothing */
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], named("k", "r1", NS_PER_S));
    fleet_run(f, NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_TIMEOUT);
    struct fleet_answer *b = fleet_request(f, &f->nodes[0], named("k", "r1", 20 * NS_PER_S));
    fleet_run(f, 100 * NS_PER_MS);
    CHECK(b->count == 0);
    fleet_run(f, FLEET_L / 2 + 2 * NS_PER_S); /* it counts from when the first was in the log */
    CHECK(b->count == 1 && b->reply.status == ACCORD_OK && b->reply.has_position);
    CHECK(b->answered_ns - a->asked_ns < FLEET_L + FLEET_L / 2 + 100 * NS_PER_MS);
    struct fleet_answer *c = fleet_request(f, &f->nodes[0], named("k", "r1", 20 * NS_PER_S));
    fleet_run(f, 20 * NS_PER_MS); /* the proof */
    CHECK(c->count == 1 && c->reply.position.value == b->reply.position.value);
    CHECK(removals(f) == 1);
    CHECK(fleet_status(f, &f->nodes[0]).retries == 2);
    fleet_free(f);
}

TEST(retry_after_the_connection_broke_waits_for_the_first_still_on_its_way)
{
    struct fleet *f = two();
    struct request r = named("k", "r1", 20 * NS_PER_S);

    r.client = 5;
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], r);
    fleet_gone(f, &f->nodes[0], 5);
    r.client = 6;
    struct fleet_answer *b = fleet_request(f, &f->nodes[0], r);
    r.want_strict = false;
    struct fleet_answer *c = fleet_request(f, &f->nodes[0], r); /* it may ask for less */
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(a->count == 0);
    CHECK(b->count == 1 && b->reply.status == ACCORD_OK);
    CHECK(c->count == 1 && c->reply.status == ACCORD_OK);
    CHECK(c->reply.position.value == b->reply.position.value);
    struct fleet_answer *d = fleet_request(f, &f->nodes[0], r);
    CHECK(d->count == 1 && d->reply.position.value == b->reply.position.value);
    CHECK(removals(f) == 1);
    fleet_free(f);
}

TEST(retry_with_other_words_is_another_removal)
{
    struct fleet *f = two();
    struct request soft = named("k", "r1", NS_PER_S), version = named("k", "r1", NS_PER_S);

    soft.soft = true;
    version.has_version = true;
    fleet_request(f, &f->nodes[0], named("k", "r1", NS_PER_S));
    fleet_request(f, &f->nodes[0], named("k", "r2", NS_PER_S));
    fleet_request(f, &f->nodes[0], soft);
    fleet_request(f, &f->nodes[0], version);
    fleet_request(f, &f->nodes[0], named("kk", "r1", NS_PER_S));
    fleet_request(f, &f->nodes[0], fleet_remove("k"));
    fleet_request(f, &f->nodes[0], fleet_remove("k"));
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(removals(f) == 6);
    CHECK(fleet_status(f, &f->nodes[0]).retries == 0);
    fleet_free(f);
}

TEST(retry_after_the_log_has_changed_is_made_again)
{
    struct fleet *f = two();

    fleet_request(f, &f->nodes[0], named("k", "r1", NS_PER_S));
    fleet_run(f, 50 * NS_PER_MS);
    CHECK(removals(f) == 1);
    fleet_lose_tail(f, 4);
    fleet_run(f, NS_PER_S); /* they notice */
    fleet_settle(f);
    CHECK(removals(f) == 0);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], named("k", "r1", 20 * NS_PER_S));
    fleet_run(f, 2 * FLEET_L);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK);
    CHECK(removals(f) == 1);
    fleet_free(f);
}

TEST(retry_after_the_log_has_changed_without_our_notice_is_made_again)
{
    struct fleet *f = two();
    struct fleet_node *n = &f->nodes[0];
    struct request r = named("k", "r1", 0);

    n->reading = false; /* so it does not hear of the epoch that took the first */
    fleet_lose_tail(f, 0);
    struct fleet_answer *a = fleet_request(f, n, r);
    fleet_run(f, 3 * NS_PER_MS);
    CHECK(a->count == 1 && a->reply.position.epoch == f->epoch);
    struct fleet_answer *b = fleet_request(f, n, r);
    CHECK(b->count == 0);
    fleet_run(f, 3 * NS_PER_MS);
    CHECK(b->count == 1 && b->reply.status == ACCORD_OK);
    CHECK(removals(f) == 2);
    fleet_free(f);
}

TEST(retry_after_a_restart_waits_for_what_the_journal_had)
{
    struct fleet *f = two();
    struct fixture left = f->nodes[0].segment;
    struct bytes keys[] = {bytes_of_text("j"), bytes_of_text("k")};
    struct request r = named("k", "r1", 30 * NS_PER_S);

    r.keys = keys;
    r.key_count = 2;
    fleet_cut(f, &f->nodes[0], true);
    struct fleet_answer *a = fleet_request(f, &f->nodes[0], r);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(a->count == 1 && a->reply.status == ACCORD_E_UNPUBLISHED);
    fleet_kill(f, &f->nodes[0]);
    fleet_cut(f, &f->nodes[0], false);
    fleet_start(f, &f->nodes[0]);
    struct fleet_answer *b = fleet_request(f, &f->nodes[0], r);
    fleet_run(f, 20 * NS_PER_S);
    CHECK(b->count == 1 && b->reply.status == ACCORD_OK);
    CHECK(removals(f) == 1 && fleet_log_count(f, CHANGE_REMOVE, "j") == 1);
    fixture_done(&left);
    fleet_free(f);
}

/* What was answered UNPUBLISHED is kept, whoever is answered: the first may be gone. */
TEST(retry_that_is_unpublished_has_all_its_changes_in_the_journal)
{
    struct fleet *f = two();
    struct bytes keys[] = {bytes_of_text("j"), bytes_of_text("k")};
    struct request r = named("k", "r1", 0);

    r.keys = keys;
    r.key_count = 2;
    r.client = 5;
    fleet_cut(f, &f->nodes[0], true);
    fleet_request(f, &f->nodes[0], r);
    fleet_gone(f, &f->nodes[0], 5);
    r.client = 6;
    struct fleet_answer *b = fleet_request(f, &f->nodes[0], r);
    fleet_run(f, 2 * NS_PER_S);
    CHECK(b->count == 1 && b->reply.status == ACCORD_E_UNPUBLISHED);
    CHECK(f->nodes[0].kept == 2);
    fleet_free(f);
}

TEST(retry_is_known_by_each_of_its_words)
{
    static const uint8_t kinds[][2] = {{REQUEST_REMOVE, REQUEST_REMOVE_TAG},
                                       {REQUEST_REMOVE_TAG, REQUEST_REMOVE}};
    /* Of 15, 16 and 17 bytes, and with zeros at the end: blocks have 16. */
    static const char text[] = "0123456789abcdefg\0\0\0";
    struct bytes keys[2] = {bytes_of_text("a"), bytes_of_text("b")};
    struct request r = {.op = REQUEST_REMOVE_MANY,
                        .keys = keys,
                        .key_count = 2,
                        .kinds = kinds[0],
                        .retry_id = bytes_of_text("id")};
    uint64_t names[12];
    size_t count = 0;

    names[count++] = retries_name(&r);
    r.kinds = kinds[1];
    names[count++] = retries_name(&r);
    r.soft = true;
    names[count++] = retries_name(&r);
    r.has_version = true;
    names[count++] = retries_name(&r);
    r.version = 1;
    names[count++] = retries_name(&r);
    r.key_count = 1;
    names[count++] = retries_name(&r);
    r.retry_id = bytes_of_text("other");
    names[count++] = retries_name(&r);
    for (size_t bytes = 15; bytes <= 19; bytes++) {
        keys[0] = bytes_of(text, bytes);
        names[count++] = retries_name(&r);
    }
    CHECK(count == COUNT_OF(names));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(names[i] != names[k]);
    CHECK(retries_name(&r) == names[count - 1]);
}

TEST(retries_of_one_bucket_are_forgotten_in_the_order_in_which_they_came)
{
    struct retries *t = calloc(1, sizeof *t);

    CHECK(t);
    for (uint64_t i = 1; i <= RETRIES_MAX + 3; i++)
        retries_add(t, i * RETRIES_MAX, i, i, 0);
    for (uint64_t i = 1; i <= RETRIES_MAX + 3; i++) {
        const struct retry *r = retries_find(t, i * RETRIES_MAX);
        CHECK((r != NULL) == (i > 3));
        CHECK(!r || r->from == i);
    }
    free(t);
}

TEST_SEEDS(retries_knows_the_newest_and_where_they_stand, 5)
{
    struct retries *t = calloc(1, sizeof *t);
    struct outbox *o = calloc(1, sizeof *o);
    uint64_t sequence = 0, first = test_random(rng, UINT64_MAX / 2) + 1;

    CHECK(t && o);
    outbox_init(o);
    for (uint64_t i = 0; i < RETRIES_MAX + 1000; i++) {
        struct change c = {
            .op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {first + i * 7919, i}};
        CHECK(!retries_find(t, c.message.high));
        retries_add(t, c.message.high, o->next, o->next, i);
        outbox_add(o, &c, false);
        if (test_random(rng, 3) > 0)
            continue;
        outbox_compose(o, NULL, &sequence);
        CHECK(outbox_acknowledged(o, o->batch, i + 100));
        retries_settle(t, o, /* epoch= */ 4, /* now_ns= */ i);
        outbox_trim(o, UINT64_MAX);
        const struct retry *r = retries_find(t, c.message.high);
        CHECK(r && r->confirmed && r->position == i + 100 && r->epoch == 4 && r->since_ns == i);
    }
    for (uint64_t i = 0; i < RETRIES_MAX + 1000; i++) {
        const struct retry *r = retries_find(t, first + i * 7919);
        CHECK((r != NULL) == (i >= 1000));
        CHECK(!r || r->reading == i);
    }
    free(o);
    free(t);
}

/* It stands behind a later change in the queue of who waits, and its own is confirmed, applied
 * and forgotten before that one is in the log. */
TEST(retry_is_answered_though_it_waits_behind_a_later_change)
{
    struct fleet *f = two();
    struct fleet_node *n = &f->nodes[0];
    struct fleet_answer *a = fleet_request(f, n, named("k", "r1", 0));
    struct fleet_answer *later = fleet_request(f, n, fleet_remove("other"));
    struct fleet_answer *again = fleet_request(f, n, named("k", "r1", 0));

    fleet_run(f, 20 * NS_PER_MS);
    CHECK(a->count == 1 && a->reply.status == ACCORD_OK);
    CHECK(later->count == 1 && later->reply.status == ACCORD_OK);
    CHECK(again->count == 1 && again->reply.status == ACCORD_OK);
    CHECK(again->answered_ns == a->answered_ns);
    CHECK(again->reply.position.value == a->reply.position.value);
    CHECK(removals(f) == 1);
    fleet_free(f);
}

/* The journal may have failed: then the first was answered "unpublished", and the second must
 * not be answered OK before the change is in the log. */
TEST(retry_is_not_answered_ok_by_a_journal_that_may_have_failed)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.ack_local = true;
    fleet_start(f, n);
    fleet_settle(f);
    fleet_cut(f, n, true);
    CHECK(fleet_request(f, n, named("k", "r1", 0))->count == 1);
    struct fleet_answer *again = fleet_request(f, n, named("k", "r1", 0));
    CHECK(again->count == 0);
    fleet_cut(f, n, false);
    fleet_run(f, 900 * NS_PER_MS);
    CHECK(again->count == 1 && again->reply.status == ACCORD_OK && again->reply.has_position);
    CHECK(removals(f) == 1);
    fleet_free(f);
}
