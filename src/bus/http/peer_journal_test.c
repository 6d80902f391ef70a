/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_journal.h"

#include <stdlib.h>

#include "test.h"

static uint8_t record[CHANGE_RECORD_BYTES_MAX];

/* A change whose record has about `bytes`, named by its number. */
static void add(struct peer_journal *j, size_t bytes, bool is_sign, bool ends)
{
    static uint8_t key[KEY_BYTES_MAX];
    struct change c = {
        .op = CHANGE_REMOVE, .key = bytes_of(key, bytes), .message = {j->newest + 1, 1}};
    struct peer_told told = {0};
    size_t size;

    CHECK(change_encode(&c, record, sizeof record, &size) == ACCORD_OK);
    told.record = bytes_of(record, size);
    CHECK(peer_journal_reserve(j, 1));
    CHECK(peer_journal_add(j, &told, is_sign, ends));
}

static void add_many(struct peer_journal *j, size_t count, size_t bytes)
{
    for (size_t i = 0; i < count; i++)
        add(j, bytes, false, true);
}

/* The numbers of what stands there, by their messages. */
static void check_told(const struct peer_journal *j, uint64_t first, size_t count)
{
    size_t bytes;
    CHECK(peer_journal_count(j, first, &bytes) == count);
    uint8_t *out = malloc(bytes + 1);
    struct id128 message;
    struct peer_told t;

    CHECK(out);
    peer_journal_copy(j, first, count, out);
    struct bytes told = bytes_of(out, bytes);
    for (uint64_t n = first; n < first + count; n++) {
        CHECK(peer_told_next(&told, &t));
        CHECK(change_record_message(t.record, &message) && message.high == n);
    }
    CHECK(told.size_bytes == 0);
    free(out);
}

TEST(peer_journal_tells_what_was_published_from_any_number_it_has)
{
    struct peer_journal j = {0};

    CHECK(peer_journal_oldest(&j) == 1);
    check_told(&j, 1, 0);
    add_many(&j, 100, 10);
    check_told(&j, 1, 100);
    check_told(&j, 40, 61);
    check_told(&j, 101, 0);
    peer_journal_forget(&j, 40);
    CHECK(peer_journal_oldest(&j) == 40);
    add_many(&j, 300, 10); /* around the ring */
    check_told(&j, 40, 361);
    peer_journal_done(&j);
    CHECK(j.newest == 0);
}

TEST(peer_journal_tells_what_was_published_at_once_at_once)
{
    enum { EACH = 60, BYTES = KEY_BYTES_MAX }; /* one publish is more than is told at once */
    struct peer_journal j = {0};

    _Static_assert((size_t)EACH * BYTES > PEER_TELL_BYTES, "more than is told at once");
    for (unsigned i = 0; i < 2 * EACH; i++)
        add(&j, BYTES, false, (i + 1) % EACH == 0);
    check_told(&j, 1, EACH);
    check_told(&j, 1 + EACH, EACH);
    add_many(&j, 100, BYTES);
    size_t bytes, count = peer_journal_count(&j, 1 + 2 * EACH, &bytes);
    CHECK(count > 20 && count < 40 && bytes <= PEER_TELL_BYTES);
    peer_journal_done(&j);
}

TEST(peer_journal_keeps_the_newest_sign_of_life_and_all_after_it)
{
    struct peer_journal j = {0};

    add_many(&j, 5, 10);
    add(&j, 10, /* is_sign= */ true, true);
    add_many(&j, 5, 10);
    CHECK(j.newest_sign == 6);
    peer_journal_forget(&j, 12);
    CHECK(peer_journal_oldest(&j) == 6);
    add(&j, 10, /* is_sign= */ true, true);
    peer_journal_forget(&j, 8);
    CHECK(peer_journal_oldest(&j) == 8);
    peer_journal_undo(&j, 1);
    CHECK(j.newest == 11 && j.newest_sign == 11);
    peer_journal_done(&j);
}

TEST(peer_journal_forgets_what_is_beyond_its_bounds_whoever_lacks_it)
{
    struct peer_journal j = {0};

    add_many(&j, PEER_JOURNAL_CHANGES_MAX + 10, 10);
    peer_journal_forget(&j, 1);
    CHECK(j.count == PEER_JOURNAL_CHANGES_MAX && peer_journal_oldest(&j) == 11);
    peer_journal_done(&j);
    size_t fit = PEER_JOURNAL_BYTES_MAX / KEY_BYTES_MAX;
    add_many(&j, fit + 10, KEY_BYTES_MAX);
    CHECK(j.bytes > PEER_JOURNAL_BYTES_MAX);
    peer_journal_forget(&j, 1);
    CHECK(j.bytes <= PEER_JOURNAL_BYTES_MAX && j.count > fit / 2);
    CHECK(peer_journal_oldest(&j) > 1);
    peer_journal_done(&j);
}
