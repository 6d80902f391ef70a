/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/outbox.h"
#include "test.h"

#include <stdlib.h>

static struct change removal(uint64_t n, const char *key)
{
    return (struct change){
        .op = CHANGE_REMOVE, .key = bytes_of_text(key), .message = {n, n * 3 + 1}};
}

static struct outbox *box(void)
{
    struct outbox *o = calloc(1, sizeof *o);

    CHECK(o);
    outbox_init(o);
    return o;
}

TEST(outbox_gathers_what_comes_while_a_batch_travels)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    struct change a = removal(1, "a"), b = removal(2, "b"), c = removal(3, "c");
    struct change join = {.op = CHANGE_JOIN, .message = {9, 9}};

    CHECK(!outbox_is_ready(o));
    CHECK(outbox_add(o, &a, false) == 1);
    CHECK(outbox_is_ready(o));
    outbox_compose(o, &join, &sequence);
    CHECK(o->changes_count == 2);
    CHECK(o->batch_changes[0].op == CHANGE_JOIN);
    CHECK(o->batch_changes[0].sequence == 1);
    CHECK(o->batch_changes[1].sequence == 2);
    outbox_add(o, &b, false);
    outbox_add(o, &c, false);
    CHECK(!outbox_is_ready(o));
    CHECK(!outbox_acknowledged(o, o->batch + 1, 50));
    CHECK(outbox_acknowledged(o, o->batch, 50));
    CHECK(outbox_position(o, 1) == 50);
    CHECK(outbox_is_ready(o));
    outbox_compose(o, NULL, &sequence);
    CHECK(o->changes_count == 2);
    CHECK(bytes_equal(o->batch_changes[1].key, bytes_of_text("c")));
    CHECK(o->batch_changes[1].sequence == 4);
    CHECK(outbox_count(o) == 2);
    outbox_check(o);
    free(o);
}

TEST(outbox_repeats_a_failed_batch_unchanged)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    struct change a = removal(1, "a"), b = removal(2, "b");

    outbox_add(o, &a, false);
    outbox_compose(o, NULL, &sequence);
    uint64_t batch = o->batch;
    outbox_add(o, &b, false);
    CHECK(outbox_failed(o, batch, 77));
    CHECK(o->retry_ns == 77);
    CHECK(!outbox_is_ready(o));
    outbox_resend(o);
    CHECK(o->changes_count == 1);
    CHECK(o->batch_changes[0].sequence == 1);
    CHECK(id128_equal(o->batch_changes[0].message, a.message));
    CHECK(!outbox_acknowledged(o, batch, 5)); /* a late answer to the first attempt */
    CHECK(o->failures == 1);
    CHECK(outbox_acknowledged(o, o->batch, 5));
    CHECK(o->failures == 0);
    CHECK(outbox_is_ready(o));
    free(o);
}

TEST(outbox_knows_its_own_until_they_are_applied)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    struct change a = removal(1, "a"), b = removal(2, "b");

    outbox_add(o, &a, false);
    outbox_add(o, &b, false);
    outbox_compose(o, NULL, &sequence);
    CHECK(!outbox_saw(o, (struct id128){1, 5}, 3)); /* somebody else's */
    CHECK(outbox_saw(o, a.message, 8));             /* before the bus has answered */
    CHECK(o->confirmed == 2);
    CHECK(outbox_trim(o, 8));
    CHECK(o->oldest == 1); /* the batch may have to be repeated */
    CHECK(outbox_acknowledged(o, o->batch, 9));
    CHECK(o->confirmed == 3);
    CHECK(outbox_position(o, 1) == 8);
    CHECK(outbox_position(o, 2) == 9);
    CHECK(outbox_trim(o, 8));
    CHECK(o->oldest == 2);
    CHECK(!outbox_saw(o, a.message, 8));
    CHECK(outbox_saw(o, b.message, 9));
    CHECK(outbox_trim(o, 9));
    CHECK(o->oldest == 3);
    CHECK(o->key_bytes == 0);
    outbox_check(o);
    free(o);
}

TEST(outbox_tells_when_one_was_acknowledged_and_not_met_at_its_position)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    struct change kept = removal(1, "kept"), a = removal(2, "a"), b = removal(3, "b");

    outbox_add(o, &kept, /* resent= */ true); /* its old place in the log may lie far behind */
    outbox_add(o, &a, false);
    outbox_add(o, &b, false);
    outbox_compose(o, NULL, &sequence);
    CHECK(outbox_acknowledged(o, o->batch, 9));
    CHECK(outbox_trim(o, 8));
    CHECK(outbox_saw(o, a.message, 8));
    CHECK(!outbox_trim(o, 9)); /* b is not where it was said to be */
    CHECK(o->oldest == 4);
    CHECK(outbox_trim(o, 10)); /* told once */
    outbox_add(o, &a, false);
    outbox_compose(o, NULL, &sequence);
    CHECK(outbox_acknowledged(o, o->batch, 11));
    outbox_forget_confirmed(o); /* of another place in the log nothing is expected */
    CHECK(outbox_trim(o, 12));
    outbox_check(o);
    free(o);
}

TEST(outbox_forgets_confirmed_ones_where_the_log_may_not_show_them)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    struct change a = removal(1, "a"), b = removal(2, "b");

    outbox_add(o, &a, false);
    outbox_compose(o, NULL, &sequence);
    outbox_add(o, &b, false);
    CHECK(outbox_acknowledged(o, o->batch, 9));
    outbox_forget_confirmed(o);
    CHECK(!outbox_saw(o, a.message, 9));
    CHECK(outbox_count(o) == 1); /* what waits is never dropped */
    free(o);
}

TEST(outbox_sends_what_was_kept_without_a_sequence_and_skips_what_is_there)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    struct change a = removal(1, "a"), b = removal(2, "b"), c = removal(3, "c");
    struct id128 messages[8];

    outbox_add(o, &a, /* resent= */ true);
    outbox_add(o, &b, true);
    outbox_add(o, &c, false);
    CHECK(outbox_saw(o, b.message, 4)); /* published before the restart */
    CHECK(o->confirmed == 1);
    outbox_compose(o, NULL, &sequence);
    CHECK(o->changes_count == 2);
    CHECK(o->batch_changes[0].sequence == 0);
    CHECK(o->batch_changes[1].sequence == 1);
    CHECK(outbox_acknowledged(o, o->batch, 6));
    CHECK(outbox_position(o, 2) == 4);
    CHECK(outbox_forget(o, 1, messages) == 2);
    CHECK(id128_equal(messages[1], b.message));
    free(o);
}

TEST(outbox_keeps_each_change_once_and_only_while_it_is_not_in_the_log)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    const struct change *first;
    size_t count;
    struct id128 messages[8];

    for (uint64_t i = 1; i <= 5; i++) {
        struct change c = removal(i, "k");
        outbox_add(o, &c, false);
        if (i == 1)
            outbox_compose(o, NULL, &sequence);
    }
    CHECK(outbox_keep(o, 3, 4, &first, &count));
    CHECK(count == 1);
    CHECK(first->message.high == 3);
    CHECK(outbox_acknowledged(o, o->batch, 1));
    CHECK(outbox_keep(o, 1, 6, &first, &count)); /* 1 is in the log, 3 is kept */
    CHECK(count == 1);
    CHECK(first->message.high == 2);
    CHECK(outbox_keep(o, 1, 6, &first, &count));
    CHECK(count == 2);
    CHECK(first->message.high == 4);
    CHECK(!outbox_keep(o, 1, 6, &first, &count));
    CHECK(outbox_forget(o, 1, messages) == 0); /* 1 was never kept */
    outbox_compose(o, NULL, &sequence);
    CHECK(outbox_acknowledged(o, o->batch, 9));
    CHECK(outbox_forget(o, 2, messages) == 4);
    free(o);
}

TEST(outbox_accepts_exactly_as_many_changes_as_its_bound)
{
    struct outbox *o = box();
    uint64_t sequence = 0;

    for (uint64_t i = 1; i <= OUTBOX_CHANGES_MAX; i++) {
        struct change c = removal(i, "k");
        CHECK(outbox_has_room(o, 1, 1));
        outbox_add(o, &c, false);
        CHECK(i < OUTBOX_CHANGES_MAX || !outbox_has_room(o, 1, 1));
    }
    outbox_compose(o, NULL, &sequence);
    CHECK(o->changes_count == PUBLISH_BATCH_MAX);
    CHECK(outbox_acknowledged(o, o->batch, 1));
    outbox_trim(o, 1);
    CHECK(outbox_has_room(o, PUBLISH_BATCH_MAX, 1));
    CHECK(!outbox_has_room(o, PUBLISH_BATCH_MAX + 1, 1));
    outbox_check(o);
    free(o);
}

TEST(outbox_accepts_exactly_as_many_bytes_of_keys_as_its_bound)
{
    static const uint8_t key[KEY_BYTES_MAX] = {1};
    struct outbox *o = box();
    uint64_t n = 0;

    while (outbox_has_room(o, 1, sizeof key)) {
        struct change c = {.op = CHANGE_REMOVE, .key = {key, sizeof key}, .message = {++n, 1}};
        outbox_add(o, &c, false);
    }
    CHECK(n == OUTBOX_BYTES_MAX / KEY_BYTES_MAX);
    CHECK(outbox_has_room(o, 1, 0));
    CHECK(!outbox_has_room(o, 1, 1));
    free(o);
}

/* Keys of all sizes go round the ring for a long time; each batch carries the bytes it was
 * given, and nothing is sent twice or left out. */
TEST(outbox_takes_a_failure_only_of_the_batch_that_is_on_its_way)
{
    struct outbox *o = box();
    uint64_t sequence = 0;
    struct change a = removal(1, "a");

    outbox_add(o, &a, false);
    CHECK(!outbox_failed(o, o->batch, 7)); /* nothing is on its way */
    outbox_compose(o, NULL, &sequence);
    CHECK(!outbox_failed(o, o->batch + 1, 7));
    CHECK(o->state == OUTBOX_SENT);
    CHECK(o->failures == 0);
    CHECK(outbox_failed(o, o->batch, 7));
    CHECK(!outbox_failed(o, o->batch, 8)); /* said twice */
    CHECK(o->retry_ns == 7);
    CHECK(o->failures == 1);
    outbox_check(o);
    free(o);
}

TEST(outbox_keeps_in_two_runs_what_lies_around_the_end_of_its_ring)
{
    enum { BEFORE = 3, AFTER = 5 };
    struct outbox *o = box();
    uint64_t sequence = 0;
    const struct change *first;
    size_t count;

    while (o->next % OUTBOX_CHANGES_MAX != OUTBOX_CHANGES_MAX - BEFORE) {
        struct change c = removal(o->next, "k");
        outbox_add(o, &c, false);
        outbox_compose(o, NULL, &sequence);
        CHECK(outbox_acknowledged(o, o->batch, o->next));
        CHECK(outbox_saw(o, c.message, o->next));
        CHECK(outbox_trim(o, o->next));
    }
    uint64_t from = o->next;
    for (uint64_t i = 0; i < BEFORE + AFTER; i++) {
        struct change c = removal(o->next, "k");
        outbox_add(o, &c, false);
    }
    CHECK(outbox_keep(o, from, o->next, &first, &count));
    CHECK(first == outbox_change(o, from));
    CHECK(count == BEFORE);
    CHECK(outbox_keep(o, from, o->next, &first, &count));
    CHECK(first == outbox_change(o, from + BEFORE));
    CHECK(count == AFTER);
    CHECK(!outbox_keep(o, from, o->next, &first, &count));
    outbox_check(o);
    free(o);
}

static bool says_the_same(const struct change *a, const struct change *b)
{
    return !a->has_fingerprint && !b->has_fingerprint && a->nonce == 0 && a->op == b->op &&
           a->soft == b->soft && a->has_version == b->has_version && a->version == b->version &&
           bytes_equal(a->key, b->key);
}

/* Against a comparison of each with each. */
TEST_SEEDS(outbox_joins_by_leaving_out_exactly_what_is_said_again_later, 5)
{
    static const char *const keys[] = {"",   "a",   "b",   "c",   "aa",
                                       "ab", "abc", "abd", "x:1", "x:2"};
    static struct change all[PUBLISH_BATCH_MAX];
    struct outbox *o = box();
    uint64_t sequence = 0;
    size_t folded = 0, sent = 0;

    for (size_t i = 0; i < COUNT_OF(all); i++) {
        all[i] = removal(i + 1, keys[test_random(rng, COUNT_OF(keys))]);
        all[i].op = test_random(rng, 2) ? CHANGE_REMOVE : CHANGE_TAG;
        all[i].soft = test_random(rng, 2) == 0;
        all[i].has_version = test_random(rng, 2) == 0;
        all[i].version = test_random(rng, all[i].has_version ? 30 : 1);
        outbox_add(o, &all[i], false);
    }
    for (size_t i = 0; i < COUNT_OF(all); i++)
        for (size_t k = i + 1; k < COUNT_OF(all); k++)
            if (says_the_same(&all[i], &all[k])) {
                folded++;
                break;
            }
    CHECK(folded > 0);
    CHECK(outbox_join(o, o->next - COUNT_OF(all)) == folded);
    outbox_compose(o, NULL, &sequence);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        bool again = false;
        for (size_t k = i + 1; k < COUNT_OF(all) && !again; k++)
            again = says_the_same(&all[i], &all[k]);
        if (!again)
            CHECK(id128_equal(o->batch_changes[sent++].message, all[i].message));
    }
    CHECK(sent == o->changes_count);
    outbox_check(o);
    free(o);
}

TEST_SEEDS(outbox_carries_every_key_unharmed_and_once, 3)
{
    struct outbox *o = box();
    uint64_t sequence = 0, added = 0, sent = 0;
    static uint8_t key[KEY_BYTES_MAX];

    for (int step = 0; step < 60000; step++) {
        size_t size = 1 + (size_t)test_random(rng, KEY_BYTES_MAX);
        if (test_random(rng, 200) > 0 && outbox_has_room(o, 1, size)) {
            struct change c = {
                .op = CHANGE_REMOVE, .key = {key, size}, .message = {++added, 7}};
            memcpy(key, &added, sizeof added < size ? sizeof added : size);
            outbox_add(o, &c, false);
        } else if (outbox_is_ready(o)) {
            outbox_compose(o, NULL, &sequence);
        } else if (o->state == OUTBOX_SENT) {
            for (size_t i = 0; i < o->changes_count; i++) {
                const struct change *c = &o->batch_changes[i];
                sent++;
                CHECK(c->message.high == sent);
                CHECK(c->sequence == sent);
                CHECK(memcmp(c->key.data, &sent,
                             c->key.size_bytes < 8 ? c->key.size_bytes : 8) == 0);
            }
            CHECK(outbox_acknowledged(o, o->batch, sent));
            outbox_trim(o, sent - test_random(rng, 2));
        }
    }
    CHECK(sent > 20000);
    outbox_check(o);
    free(o);
}
