/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader_damage_test.c - branches of the reader that no healthy segment takes, one by one: what
 * reader_fuzz.c finds by chance is here for certain. */
#include "cache/fixture.h"
#include "cache/index.h"
#include "cache/item.h"
#include "cache/writer_state.h"

/* The lower half of where the key's entry says that its item is. */
static uint32_t *location_of(struct fixture *f, const char *text)
{
    struct bytes key = bytes_of_text(text);
    struct item_view item;
    struct place at;
    uint64_t location;

    CHECK(index_find(f->writer, hash_of_key(f->writer, key), key, &at, &location, &item));
    const struct writer *w = f->writer;
    uint64_t block = w->directory[at.bucket >> w->view.bucket_shift];
    struct bucket *b = (struct bucket *)(void *)(w->blocks + (block << w->view.block_shift)) +
                       (at.bucket & ((1u << w->view.bucket_shift) - 1));
    return (uint32_t *)(void *)&b->word[3] + at.lane;
}

static bool is_missed(struct fixture *f, const char *text)
{
    char buffer[16];
    struct read_request q = {
        .key = bytes_of_text(text), .buffer = buffer, .buffer_bytes = sizeof buffer};

    reader_get_many(&f->reader, &q, 1);
    return q.result.state == ACCORD_MISS && fixture_get(f, text).state == ACCORD_MISS;
}

TEST(an_entry_that_names_no_item_or_another_one_is_a_miss_and_no_stray_read)
{
    struct fixture f;

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "longer", "w") == ACCORD_OK);
    CHECK(fixture_set(&f, "l", "x") == ACCORD_OK);
    uint32_t *k = location_of(&f, "k"), kept = *k;
    const uint32_t wrong[] = {UINT32_MAX, *location_of(&f, "longer"), *location_of(&f, "l"),
                              kept + 1, 1};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        *k = wrong[i];
        CHECK(is_missed(&f, "k"));
    }
    /* The same header where there is no room for what it announces. */
    memcpy(f.writer->blocks + f.reader.arena_bytes - 8, f.writer->blocks + kept, 8);
    *k = (uint32_t)f.reader.arena_bytes - 8;
    CHECK(is_missed(&f, "k"));
    *k = kept;
    CHECK(fixture_has(&f, "k", "v"));
    fixture_done(&f);
}

TEST(a_key_that_cannot_be_is_lent_and_peeked_at_as_a_miss)
{
    static const uint8_t long_key[KEY_BYTES_MAX + 1] = {'k'};
    const struct bytes keys[] = {bytes_of(long_key, 0), bytes_of(long_key, sizeof long_key)};
    struct fixture f;
    struct read_result r;
    struct borrow borrow;

    fixture_plain(&f);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        reader_borrow(&f.reader, keys[i], &borrow, &r);
        CHECK(r.state == ACCORD_MISS);
        CHECK(!borrow.value.data);
        reader_peek(&f.reader, keys[i], f.now_ns, &r);
        CHECK(r.state == ACCORD_MISS);
    }
    fixture_done(&f);
}

static bool refreshes(struct fixture *f, const char *key)
{
    struct read_result r = fixture_get(f, key);

    CHECK(r.state == ACCORD_HIT);
    return r.refresh;
}

TEST(what_never_expires_has_no_jitter_and_is_never_refreshed)
{
    const struct segment_namespace spaces[] = {
        {.name = "both", .refresh_permille = 500, .jitter_permille = 200},
        {.name = "end", .refresh_permille = 1000},
        {.name = "jitter", .jitter_permille = 200}};
    struct fixture f;

    fixture_settings(&f, 8 * MIB);
    for (size_t i = 0; i < COUNT_OF(spaces); i++)
        fixture_namespace(&f, spaces[i]);
    fixture_start(&f);
    fixture_lease(&f, 3600 * NS_PER_S);
    struct item timed = fixture_item("both:timed", "v");
    timed.ttl_ns = 100 * NS_PER_S;
    CHECK(writer_fill(f.writer, &timed, NULL, f.now_ns) == ACCORD_OK);
    timed.key = bytes_of_text("end:timed");
    CHECK(writer_fill(f.writer, &timed, NULL, f.now_ns) == ACCORD_OK);
    timed.key = bytes_of_text("jitter:timed");
    CHECK(writer_fill(f.writer, &timed, NULL, f.now_ns) == ACCORD_OK);
    CHECK(fixture_set(&f, "both:k", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "jitter:k", "v") == ACCORD_OK);
    CHECK(!refreshes(&f, "both:timed"));
    fixture_at(&f, f.now_ns + 70 * NS_PER_S);
    fixture_lease(&f, 3600 * NS_PER_S);
    CHECK(refreshes(&f, "both:timed"));
    CHECK(!refreshes(&f, "both:k"));
    CHECK(!refreshes(&f, "end:timed"));
    CHECK(!refreshes(&f, "jitter:timed"));
    CHECK(!refreshes(&f, "jitter:k"));
    CHECK(fixture_get(&f, "jitter:k").ttl_ns == UINT64_MAX);
    fixture_done(&f);
}
