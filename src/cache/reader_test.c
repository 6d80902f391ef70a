/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/fixture.h"
#include "cache/item.h"

enum { TTL_S = 10, GRACE_S = 5 };
#define START_NS (1000 * NS_PER_S)

static void fill(struct fixture *f, struct item item)
{
    CHECK(writer_fill(f->writer, &item, NULL, f->now_ns) == ACCORD_OK);
}

static struct item timed(const char *key)
{
    struct item item = fixture_item(key, "value");

    item.ttl_ns = TTL_S * NS_PER_S;
    item.grace_ns = GRACE_S * NS_PER_S;
    return item;
}

TEST(what_was_filled_is_a_hit_and_what_was_not_is_a_miss)
{
    struct fixture f;

    fixture_plain(&f);
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_ABSENT));
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(fixture_has(&f, "k", "v"));
    CHECK(fixture_is(&f, "kk", ACCORD_MISS, ACCORD_WHY_ABSENT));
    struct read_result r = fixture_get(&f, "k");
    CHECK(r.ttl_ns == UINT64_MAX);
    CHECK(r.version == 0);
    CHECK(!r.refresh);
    CHECK(r.token.epoch == 1);
}

TEST(without_a_lease_nothing_is_called_fresh)
{
    struct fixture f;

    fixture_settings(&f, 8 * MIB);
    fixture_start(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    struct read_result r = fixture_get(&f, "k");
    CHECK(r.state == ACCORD_UNSURE);
    CHECK(r.why == ACCORD_WHY_UNSURE);
    CHECK(r.value_bytes == 0);
    CHECK(r.token.epoch == 1);
    CHECK(fixture_is(&f, "absent", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
}

TEST(a_lease_covers_until_its_deadline_and_not_at_it)
{
    struct fixture f;

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    fixture_lease(&f, NS_PER_S);
    fixture_at(&f, START_NS + NS_PER_S - 1);
    CHECK(fixture_has(&f, "k", "v"));
    fixture_at(&f, START_NS + NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    fixture_at(&f, START_NS + NS_PER_S + 1);
    CHECK(fixture_is(&f, "k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    fixture_lease(&f, NS_PER_S);
    CHECK(fixture_has(&f, "k", "v"));
    fixture_lease(&f, 0);
    CHECK(fixture_is(&f, "k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
}

TEST(an_item_is_fresh_then_stale_then_gone)
{
    struct fixture f;

    fixture_plain(&f);
    fill(&f, timed("k"));
    fixture_at(&f, START_NS + TTL_S * NS_PER_S - 1);
    CHECK(fixture_has(&f, "k", "value"));
    fixture_at(&f, START_NS + TTL_S * NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_STALE, ACCORD_WHY_EXPIRED));
    struct read_result r = fixture_get(&f, "k");
    CHECK(r.value_bytes == 5);
    CHECK(r.age_ns == TTL_S * NS_PER_S);
    CHECK(r.ttl_ns == 0);
    fixture_at(&f, START_NS + (TTL_S + GRACE_S) * NS_PER_S - 1);
    CHECK(fixture_is(&f, "k", ACCORD_STALE, ACCORD_WHY_EXPIRED));
    fixture_at(&f, START_NS + (TTL_S + GRACE_S) * NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_EXPIRED));
}

TEST(a_ttl_of_years_and_a_grace_of_years_are_kept)
{
    const uint64_t year_ns = 365ull * 86400 * NS_PER_S;
    struct fixture f;
    struct item item = timed("k");

    fixture_plain(&f);
    item.ttl_ns = 2 * year_ns;
    item.grace_ns = 3 * year_ns;
    fill(&f, item);
    const struct {
        uint64_t at_ns;
        enum accord_state state;
    } expected[] = {{2 * year_ns - 1, ACCORD_HIT},
                    {2 * year_ns, ACCORD_STALE},
                    {5 * year_ns - 1, ACCORD_STALE},
                    {5 * year_ns, ACCORD_MISS}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        fixture_at(&f, START_NS + expected[i].at_ns);
        fixture_lease(&f, NS_PER_S);
        CHECK(fixture_get(&f, "k").state == expected[i].state);
    }
}

TEST(a_negative_item_says_so_and_is_never_served_past_its_ttl)
{
    struct fixture f;
    struct item item = timed("k");

    fixture_plain(&f);
    item.flags = ITEM_NEGATIVE;
    fill(&f, item);
    struct read_result r = fixture_get(&f, "k");
    CHECK(r.state == ACCORD_NEGATIVE);
    CHECK(r.flags & ITEM_NEGATIVE);
    CHECK(r.value_bytes == 0);
    fixture_at(&f, START_NS + TTL_S * NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_EXPIRED));
    fixture_at(&f, START_NS);
    CHECK(writer_remove_key(f.writer, bytes_of_text("k"), true, f.now_ns));
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_REMOVED));
}

TEST(what_was_filled_unsure_is_stale_in_the_outage_and_gone_after_it)
{
    struct fixture f;
    struct item item = timed("k");

    fixture_plain(&f);
    item.flags = ITEM_UNSURE;
    fixture_lease(&f, 0);
    fill(&f, item);
    CHECK(fixture_is(&f, "k", ACCORD_STALE, ACCORD_WHY_UNSURE));
    CHECK(strcmp(fixture_text, "value") == 0);
    fixture_lease(&f, 3600 * NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_MISS, ACCORD_WHY_UNSURE));
    fixture_lease(&f, 0);
    fixture_at(&f, START_NS + (TTL_S + GRACE_S) * NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
}

TEST(a_namespace_may_serve_stale_while_unsure)
{
    struct fixture f;

    fixture_settings(&f, 8 * MIB);
    fixture_namespace(
        &f, (struct segment_namespace){.name = "old", .when_unsure = WHEN_UNSURE_STALE});
    fixture_namespace(
        &f, (struct segment_namespace){.name = "no", .when_unsure = WHEN_UNSURE_ERROR});
    fixture_start(&f);
    CHECK(fixture_set(&f, "old:k", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "no:k", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(fixture_is(&f, "old:k", ACCORD_STALE, ACCORD_WHY_UNSURE));
    CHECK(fixture_is(&f, "old:absent", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    CHECK(fixture_is(&f, "no:k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    CHECK(fixture_is(&f, "k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    /* A stale absence is told by the flag; past a soft removal it is worth nothing. */
    struct item none = fixture_item("old:none", "");
    none.flags = ITEM_NEGATIVE;
    fill(&f, none);
    CHECK(fixture_is(&f, "old:none", ACCORD_STALE, ACCORD_WHY_UNSURE));
    CHECK(fixture_get(&f, "old:none").flags & ITEM_NEGATIVE);
    CHECK(writer_remove_key(f.writer, bytes_of_text("old:none"), true, f.now_ns));
    CHECK(fixture_is(&f, "old:none", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
}

TEST(a_hit_past_the_refresh_point_asks_for_a_refresh)
{
    struct fixture f;

    fixture_settings(&f, 8 * MIB);
    f.namespaces[0].refresh_permille = 800;
    fixture_start(&f);
    fixture_lease(&f, 3600 * NS_PER_S);
    fill(&f, timed("k"));
    fixture_at(&f, START_NS + 8 * NS_PER_S);
    CHECK(fixture_is(&f, "k", ACCORD_HIT, ACCORD_WHY_NONE));
    fixture_at(&f, START_NS + 8 * NS_PER_S + 1);
    CHECK(fixture_is(&f, "k", ACCORD_HIT, ACCORD_WHY_REFRESH));
    CHECK(fixture_get(&f, "k").refresh);
}

TEST(jitter_spreads_soft_expiry_and_never_makes_it_later)
{
    struct fixture f;
    char key[32];
    int expired = 0;

    fixture_settings(&f, 8 * MIB);
    f.namespaces[0].jitter_permille = 200;
    fixture_start(&f);
    fixture_lease(&f, 3600 * NS_PER_S);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        fill(&f, timed(key));
    }
    fixture_at(&f, START_NS + TTL_S * NS_PER_S * 8 / 10 - 1);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        CHECK(fixture_get(&f, key).state == ACCORD_HIT);
    }
    fixture_at(&f, START_NS + TTL_S * NS_PER_S * 9 / 10);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        expired += fixture_get(&f, key).state == ACCORD_STALE;
    }
    CHECK(expired > 400);
    CHECK(expired < 600);
    fixture_at(&f, START_NS + TTL_S * NS_PER_S);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        CHECK(fixture_get(&f, key).state == ACCORD_STALE);
    }
}

TEST(a_key_of_no_bytes_or_too_many_is_a_miss)
{
    static char key[KEY_BYTES_MAX + 2];
    struct fixture f;

    fixture_plain(&f);
    memset(key, 'k', sizeof key);
    struct item item = fixture_item("", "v");
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_E_SIZE);
    for (size_t bytes = KEY_BYTES_MAX - 1; bytes <= KEY_BYTES_MAX + 1; bytes++) {
        struct read_result r;
        item.key = bytes_of(key, bytes);
        int status = writer_fill(f.writer, &item, NULL, f.now_ns);
        CHECK(status == (bytes <= KEY_BYTES_MAX ? ACCORD_OK : ACCORD_E_SIZE));
        reader_get(&f.reader, item.key, NULL, 0, &r);
        CHECK(r.state == (bytes <= KEY_BYTES_MAX ? ACCORD_HIT : ACCORD_MISS));
    }
    fixture_lease(&f, 0);
    struct read_result r;
    reader_get(&f.reader, bytes_of("", 0), NULL, 0, &r);
    CHECK(r.state == ACCORD_MISS);
}

TEST(a_short_buffer_gets_the_beginning_and_is_told_the_size)
{
    struct fixture f;
    struct read_result r;
    char buffer[8];

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "0123456789") == ACCORD_OK);
    for (size_t room = 0; room <= 8; room++) {
        memset(buffer, '-', sizeof buffer);
        reader_get(&f.reader, bytes_of_text("k"), buffer, room, &r);
        CHECK(r.state == ACCORD_HIT);
        CHECK(r.truncated);
        CHECK(r.value_bytes == 10);
        CHECK(memcmp(buffer, "01234567", room) == 0);
        CHECK(room == 8 || buffer[room] == '-');
    }
}

/* All alignments of item, key and value, in both directions. */
TEST(values_and_keys_of_every_length_come_back_exactly)
{
    static uint8_t value[400], back[400];
    struct fixture f;
    char key[400];

    fixture_plain(&f);
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 37 + 11);
    memset(key, 'x', sizeof key);
    for (size_t bytes = 0; bytes < sizeof value; bytes++) {
        struct item item = fixture_item("", "");
        struct read_result r;
        item.key = bytes_of(key, 1 + bytes % 67);
        item.value = bytes_of(value, bytes);
        fill(&f, item);
        memset(back, 0, sizeof back);
        reader_get(&f.reader, item.key, back, sizeof back, &r);
        CHECK(r.state == ACCORD_HIT);
        CHECK(r.value_bytes == bytes);
        CHECK(memcmp(back, value, bytes) == 0);
        CHECK(bytes == sizeof back || back[bytes] == 0);
        memset(back, 0, sizeof back);
        reader_get(&f.reader, item.key, back, bytes / 2, &r);
        CHECK(r.value_bytes == bytes);
        CHECK(memcmp(back, value, bytes / 2) == 0);
        CHECK(back[bytes / 2] == 0);
    }
}

/* The fingerprint hides from other tests whether all of a key is compared. */
TEST(keys_that_differ_in_any_byte_are_not_equal)
{
    static uint64_t words[16];
    uint8_t *arena = (uint8_t *)words, key[48];

    for (size_t i = 0; i < sizeof words; i++)
        arena[i] = (uint8_t)test_random(rng, 256);
    for (size_t bytes = 0; bytes <= sizeof key; bytes++)
        for (uint64_t offset = 8; offset < 16; offset++) {
            memcpy(key, arena + offset, bytes);
            CHECK(arena_equals(arena, offset, key, bytes));
            for (size_t i = 0; i < bytes; i++) {
                key[i] ^= (uint8_t)(1u << test_random(rng, 8));
                CHECK(!arena_equals(arena, offset, key, bytes));
                key[i] = arena[offset + i];
            }
        }
}

TEST(a_borrow_holds_until_the_item_changes_or_the_lease_ends)
{
    struct fixture f;
    struct borrow b;
    struct read_result r;

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "borrowed") == ACCORD_OK);
    reader_borrow(&f.reader, bytes_of_text("k"), &b, &r);
    CHECK(r.state == ACCORD_HIT);
    CHECK(bytes_equal(b.value, bytes_of_text("borrowed")));
    CHECK(reader_borrow_valid(&f.reader, &b));
    fixture_at(&f, START_NS + 3600 * NS_PER_S);
    fixture_lease(&f, 3600 * NS_PER_S); /* a later lease does not vouch for it */
    CHECK(!reader_borrow_valid(&f.reader, &b));
    reader_borrow(&f.reader, bytes_of_text("k"), &b, &r);
    CHECK(reader_borrow_valid(&f.reader, &b));
    CHECK(writer_remove_key(f.writer, bytes_of_text("k"), false, f.now_ns));
    CHECK(!reader_borrow_valid(&f.reader, &b));
    reader_borrow(&f.reader, bytes_of_text("k"), &b, &r);
    CHECK(r.state == ACCORD_MISS);
    CHECK(!reader_borrow_valid(&f.reader, &b));
}

TEST(a_stale_borrow_promises_only_its_bytes)
{
    struct fixture f;
    struct borrow b;
    struct read_result r;

    fixture_plain(&f);
    fill(&f, timed("k"));
    fixture_at(&f, START_NS + TTL_S * NS_PER_S);
    reader_borrow(&f.reader, bytes_of_text("k"), &b, &r);
    CHECK(r.state == ACCORD_STALE);
    fixture_lease(&f, 0);
    CHECK(reader_borrow_valid(&f.reader, &b));
    CHECK(fixture_set(&f, "k", "new") == ACCORD_OK);
    CHECK(!reader_borrow_valid(&f.reader, &b));
}

TEST(a_batch_answers_as_single_gets_do)
{
    enum { COUNT = 3 * GET_MANY_MAX + 5 };
    static struct read_request requests[COUNT];
    static char keys[COUNT][16], buffers[COUNT][16];
    struct fixture f;

    fixture_plain(&f);
    for (int i = 0; i < COUNT; i++) {
        snprintf(keys[i], sizeof keys[i], "key %d", i);
        if (i % 3)
            CHECK(fixture_set(&f, keys[i], keys[i] + 1) == ACCORD_OK);
        requests[i] =
            (struct read_request){bytes_of_text(keys[i]), buffers[i], sizeof buffers[i], {0}};
    }
    requests[7].key = bytes_of("", 0);
    reader_get_many(&f.reader, requests, COUNT);
    for (int i = 0; i < COUNT; i++) {
        bool there = i % 3 && i != 7;
        CHECK(requests[i].result.state == (there ? ACCORD_HIT : ACCORD_MISS));
        CHECK(!there || memcmp(buffers[i], keys[i] + 1, strlen(keys[i]) - 1) == 0);
    }
    fixture_lease(&f, 0);
    reader_get_many(&f.reader, requests, COUNT);
    CHECK(requests[1].result.state == ACCORD_UNSURE);
    CHECK(requests[0].result.state == ACCORD_UNSURE);
}

TEST(a_reader_without_hints_reads_the_same)
{
    struct fixture f;
    struct reader bare;
    struct read_result r;

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    CHECK(reader_init(&bare, f.segment, f.sizes.segment_bytes, NULL, 0) == ACCORD_OK);
    bare.ns_base = f.now_ns;
    reader_get(&bare, bytes_of_text("k"), NULL, 0, &r);
    CHECK(r.state == ACCORD_HIT);
    CHECK(reader_count_line(&bare, 0) == NULL);
    reader_line_add(reader_count_line(&bare, 0), ACCORD_HIT);
}

TEST(readers_count_in_lines_of_their_own)
{
    struct fixture f;

    fixture_plain(&f);
    struct reader_line *line = reader_count_line(&f.reader, READER_LINES - 1);
    CHECK(line != NULL);
    CHECK(reader_count_line(&f.reader, READER_LINES) == NULL);
    reader_line_add(line, ACCORD_HIT);
    reader_line_add(line, ACCORD_HIT);
    reader_line_add(line, ACCORD_STALE);
    reader_line_add(line, ACCORD_NEGATIVE);
    reader_line_add(line, ACCORD_MISS);
    reader_line_add(line, ACCORD_UNSURE);
    CHECK(line->hits == 2);
    CHECK(line->stale == 1);
    CHECK(line->negative == 1);
    CHECK(line->misses == 1);
    CHECK(line->unsure == 1);
}

TEST(the_lease_line_is_readable)
{
    struct fixture f;
    uint64_t epoch = 0, position = 0;

    fixture_plain(&f);
    writer_set_position(f.writer, 77);
    writer_set_lease(f.writer, f.now_ns + 5, f.now_ns - 6);
    writer_new_epoch(f.writer);
    CHECK(reader_deadline_ns(&f.reader, &epoch, &position) == f.now_ns + 5);
    CHECK(reader_deadline_ns(&f.reader, NULL, NULL) == f.now_ns + 5);
    CHECK(reader_asked_ns(&f.reader) == f.now_ns - 6);
    CHECK(epoch == 2);
    CHECK(position == 77);
    CHECK(reader_now_ns(&f.reader) == f.now_ns);
}

TEST(a_namespace_may_be_fresh_for_less_than_the_lease)
{
    struct fixture f;
    struct read_result out;
    struct borrow b, other;

    fixture_settings(&f, 8 * MIB);
    fixture_namespace(
        &f, (struct segment_namespace){.name = "tight", .max_stale_ns = 200 * NS_PER_MS});
    fixture_namespace(&f, (struct segment_namespace){.name = "as", .max_stale_ns = UINT64_MAX});
    fixture_start(&f);
    fixture_lease(&f, 3 * NS_PER_S);
    CHECK(fixture_set(&f, "tight:k", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "as:k", "v") == ACCORD_OK);
    fixture_at(&f, START_NS + 200 * NS_PER_MS - 1);
    CHECK(fixture_has(&f, "tight:k", "v"));
    CHECK(fixture_is(&f, "tight:absent", ACCORD_MISS, ACCORD_WHY_ABSENT));
    reader_borrow(&f.reader, bytes_of_text("tight:k"), &b, &out);
    CHECK(reader_borrow_valid(&f.reader, &b));
    reader_borrow(&f.reader, bytes_of_text("as:k"), &other, &out);
    fixture_at(&f, START_NS + 200 * NS_PER_MS);
    CHECK(!reader_borrow_valid(&f.reader, &b));
    CHECK(reader_borrow_valid(&f.reader, &other));
    CHECK(fixture_is(&f, "tight:k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    CHECK(fixture_is(&f, "tight:absent", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    CHECK(fixture_has(&f, "as:k", "v"));
    /* A newer question is what helps, not a later deadline; and the lease bounds it as well. */
    writer_set_lease(f.writer, f.now_ns + 3600 * NS_PER_S, START_NS);
    CHECK(fixture_is(&f, "tight:k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    writer_set_lease(f.writer, f.now_ns + 1, f.now_ns);
    CHECK(fixture_has(&f, "tight:k", "v"));
    fixture_at(&f, f.now_ns + 1);
    CHECK(fixture_is(&f, "tight:k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    fixture_done(&f);
}

/* What only a damaged segment holds, or one in the middle of its growth. */

TEST(a_count_of_buckets_that_cannot_be_is_a_miss_and_no_stray_read)
{
    static const uint64_t counts[] = {0, 1, UINT32_MAX, UINT64_MAX};
    struct fixture f;
    char scratch[16];

    fixture_plain(&f);
    struct segment_header *h = f.segment;
    uint64_t count = h->bucket_count;
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        h->bucket_count = counts[i];
        CHECK(fixture_is(&f, "absent", ACCORD_MISS, ACCORD_WHY_ABSENT));
        struct read_result r = fixture_get(&f, "k");
        CHECK(r.state == ACCORD_MISS || fixture_has(&f, "k", "v"));
        if (counts[i] != 1)
            CHECK(reader_scan(&f.reader, 0, scratch, sizeof scratch, NULL, NULL) == 0);
    }
    h->bucket_count = count;
    CHECK(fixture_has(&f, "k", "v"));
    fixture_done(&f);
}

TEST(a_directory_that_names_no_block_is_a_miss_and_no_stray_read)
{
    struct fixture f;
    char scratch[16];

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    uint64_t *first =
        (uint64_t *)(void *)((uint8_t *)f.segment +
                             ((struct segment_header *)f.segment)->directory_offset);
    uint64_t block = *first;
    *first = UINT64_MAX;
    struct read_result r = fixture_get(&f, "k");
    CHECK(r.state == ACCORD_MISS || fixture_has(&f, "k", "v"));
    CHECK(fixture_is(&f, "absent", ACCORD_MISS, ACCORD_WHY_ABSENT));
    CHECK(reader_scan(&f.reader, 0, scratch, sizeof scratch, NULL, NULL) == 0);
    *first = block;
    CHECK(fixture_has(&f, "k", "v"));
    fixture_done(&f);
}

TEST(a_namespace_tighter_than_the_lease_is_unsure_where_no_question_is_known)
{
    struct fixture f;
    struct segment_namespace n = {.name = "tight", .max_stale_ns = NS_PER_S};

    fixture_settings(&f, 8 * MIB);
    fixture_namespace(&f, n);
    fixture_start(&f);
    fixture_lease(&f, 3600 * NS_PER_S);
    CHECK(fixture_set(&f, "tight:k", "v") == ACCORD_OK);
    CHECK(fixture_has(&f, "tight:k", "v"));
    ((struct segment_header *)f.segment)->asked_ns = 0; /* nobody has ever asked */
    CHECK(fixture_is(&f, "tight:k", ACCORD_UNSURE, ACCORD_WHY_UNSURE));
    fixture_done(&f);
}

TEST(a_borrow_of_another_segment_s_bucket_is_not_valid)
{
    struct fixture f;
    struct borrow borrow;
    struct read_result r;

    fixture_plain(&f);
    CHECK(fixture_set(&f, "k", "v") == ACCORD_OK);
    reader_borrow(&f.reader, bytes_of_text("k"), &borrow, &r);
    CHECK(reader_borrow_valid(&f.reader, &borrow));
    borrow.bucket = f.reader.buckets_max;
    CHECK(!reader_borrow_valid(&f.reader, &borrow));
    fixture_done(&f);
}
