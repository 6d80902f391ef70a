/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/sent.h"
#include "test.h"

#include <stdlib.h>

static struct sent *new_sent(void)
{
    struct sent *s = calloc(1, sizeof *s);

    ASSERT(s);
    sent_init(s);
    return s;
}

static uint64_t add(struct sent *s, struct change c)
{
    c.sequence = s->next;
    sent_add(s, &c);
    return c.sequence;
}

static bool can(const struct sent *s, uint64_t from, uint64_t until)
{
    size_t count, key_bytes;

    return sent_can_repeat(s, from, until, &count, &key_bytes);
}

TEST(sent_says_again_what_a_change_removes)
{
    struct sent *s = new_sent();
    const struct change c = {.op = CHANGE_REMOVE,
                             .key = bytes_of_text("user:1"),
                             .soft = true,
                             .has_version = true,
                             .version = 7,
                             .has_fingerprint = true,
                             .fingerprint = 8,
                             .wall_ms = 9,
                             .nonce = 10,
                             .message = {11, 12},
                             .origin = bytes_of_text("web1"),
                             .incarnation = {13, 14}};
    struct change out;
    uint64_t sequence = add(s, c);

    CHECK(sent_change(s, sequence, &out));
    CHECK(out.op == CHANGE_REMOVE && bytes_equal(out.key, c.key) && out.soft);
    CHECK(out.has_version && out.version == 7 && out.has_fingerprint && out.fingerprint == 8);
    CHECK(out.wall_ms == 9);
    CHECK(out.sequence == 0 && out.nonce == 0 && id128_is_none(out.message));
    free(s);
}

TEST(sent_keeps_only_the_number_of_a_sign_of_life)
{
    struct sent *s = new_sent();
    struct change out = {.wall_ms = 77};
    size_t count = 9, key_bytes = 9;

    uint64_t join = add(s, (struct change){.op = CHANGE_JOIN});
    add(s, (struct change){.op = CHANGE_TAG, .key = bytes_of_text("t")});
    uint64_t beat = add(s, (struct change){.op = CHANGE_BEAT});
    CHECK(!sent_change(s, join, &out) && !sent_change(s, beat, &out));
    CHECK(out.wall_ms == 77);
    CHECK(sent_can_repeat(s, join, beat + 1, &count, &key_bytes));
    CHECK(count == 1 && key_bytes == 1);
    free(s);
}

TEST(sent_repeats_only_what_it_holds_and_no_more_than_one_hole_may_have)
{
    struct sent *s = new_sent();

    for (size_t i = 0; i < SENT_CHANGES_MAX + 10; i++)
        add(s, (struct change){.op = CHANGE_CLEAR});
    CHECK(s->first == 11 && s->next == SENT_CHANGES_MAX + 11);
    CHECK(!can(s, 10, 12));
    CHECK(can(s, 11, 12));
    CHECK(can(s, s->next - 1, s->next));
    CHECK(!can(s, s->next - 1, s->next + 1));
    CHECK(!can(s, 12, 12) && !can(s, 13, 12) && !can(s, 0, 12));
    CHECK(can(s, 20, 20 + HOLE_CHANGES_MAX));
    CHECK(!can(s, 20, 21 + HOLE_CHANGES_MAX));
    free(s);
}

TEST(sent_gives_up_the_oldest_for_long_keys_and_keeps_every_other_whole)
{
    static uint8_t key[KEY_BYTES_MAX];
    struct sent *s = new_sent();
    struct change out;

    for (uint64_t i = 1; i <= 3000; i++) {
        size_t size = 1 + (size_t)(i * 2654435761u % KEY_BYTES_MAX);
        memset(key, (int)(i % 251), size);
        add(s, (struct change){.op = CHANGE_REMOVE, .key = bytes_of(key, size)});
        CHECK(s->key_bytes <= SENT_BYTES_MAX);
    }
    CHECK(s->first > 1);
    CHECK(s->key_bytes > SENT_BYTES_MAX - KEY_BYTES_MAX); /* no more than was needed */
    for (uint64_t i = s->first; i < s->next; i++) {
        CHECK(sent_change(s, i, &out));
        CHECK(out.key.size_bytes == 1 + (size_t)(i * 2654435761u % KEY_BYTES_MAX));
        for (size_t at = 0; at < out.key.size_bytes; at++)
            ASSERT(out.key.data[at] == i % 251);
    }
    free(s);
}

TEST(sent_does_not_repeat_what_is_bound_to_its_place_in_the_log)
{
    struct sent *s = new_sent();
    const struct bytes name = bytes_of_text("user");

    add(s, (struct change){.op = CHANGE_NAMESPACE, .key = name});
    add(s, (struct change){
               .op = CHANGE_NAMESPACE, .key = name, .has_version = true, .version = 5});
    CHECK(can(s, 1, 3));
    uint64_t reset =
        add(s, (struct change){.op = CHANGE_NAMESPACE, .key = name, .has_version = true});
    uint64_t stale = add(
        s,
        (struct change){.op = CHANGE_BEAT, .has_version = true, .version = MAX_STALE_MS_MIN});
    add(s, (struct change){.op = CHANGE_BEAT});
    CHECK(!can(s, reset, reset + 1) && !can(s, 1, reset + 1));
    CHECK(!can(s, stale, stale + 1));
    CHECK(can(s, stale + 1, stale + 2));
    free(s);
}

TEST(sent_says_of_a_number_that_it_has_forgotten_nothing)
{
    struct sent *s = new_sent();
    const struct change c = {.op = CHANGE_REMOVE,
                             .key = bytes_of_text("k"),
                             .has_fingerprint = true,
                             .fingerprint = 8,
                             .message = {11, 12}};
    struct change again;

    for (size_t i = 0; i <= SENT_CHANGES_MAX; i++)
        add(s, c);
    CHECK(sent_change(s, s->first, &again) && again.has_fingerprint && again.fingerprint == 8);
    CHECK(s->first == 2);
    CHECK(sent_change(s, add(s, (struct change){.op = CHANGE_CLEAR, .message = {11, 12}}),
                      &again));
    CHECK(again.key.size_bytes == 0 && !again.has_fingerprint);
    CHECK(s->first == 3);
    CHECK(sent_is_foreign(s, 3, (struct id128){11, 13}));
    CHECK(!sent_is_foreign(s, 2, (struct id128){11, 13}));
    CHECK(sent_is_foreign(s, s->next, (struct id128){11, 12})); /* not given yet */
    free(s);
}
