/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/arena.h"
#include "cache/encode.h"
#include "cache/fixture.h"

static struct item_fields random_fields(uint64_t *rng, uint8_t *bytes)
{
    static const uint64_t spans[] = {
        1, 1000, UINT32_MAX - 1ull, UINT32_MAX, UINT32_MAX + 1ull, UINT64_MAX - 1, UINT64_MAX};
    struct item_fields f = {.key = bytes_of(bytes, 1 + test_random(rng, 60)),
                            .value = bytes_of(bytes + 60, test_random(rng, 100)),
                            .flags = (uint32_t)test_random(rng, 8),
                            .tag_count = (uint32_t)test_random(rng, ITEM_TAGS_MAX + 1),
                            .mark = (uint32_t)test_random(rng, 128),
                            .ttl_ms = spans[test_random(rng, 7)],
                            .version = test_random(rng, 2) ? test_random(rng, UINT64_MAX) : 0};

    f.grace_ms = f.ttl_ms == UINT64_MAX || test_random(rng, 2) ? 0 : spans[test_random(rng, 6)];
    if (f.ttl_ms < UINT32_MAX)
        f.ttl_ms += test_random(rng, 1000); /* soon more than there are rows for */
    f.tag_count = test_random(rng, 2) ? 0 : f.tag_count;
    for (uint32_t i = 0; i < f.tag_count; i++)
        f.tags[i] = (uint16_t)test_random(rng, 65536);
    return f;
}

/* At any offset, beside neighbours that must not change. */
TEST_SEEDS(what_is_encoded_is_parsed_back, 3)
{
    uint8_t bytes[160];
    struct fixture f;
    uint64_t kept_location = 0;
    struct item_fields kept = {0};

    fixture_plain(&f);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)test_random(rng, 256);
    for (int n = 0; n < 3000; n++) {
        struct item_fields fields = random_fields(rng, bytes);
        struct item_view v;
        fields.birth_ms = f.now_ns / NS_PER_MS;
        arena_reserve(f.writer, EVICT_SMALL, encode_bytes(f.writer, &fields));
        uint64_t location = arena_append(f.writer, EVICT_SMALL, &fields);
        CHECK(view_item(f.writer, location, &v));
        CHECK(v.end_offset - location == encode_bytes(f.writer, &fields));
        CHECK((v.flags & ITEM_PUBLIC_FLAGS) == fields.flags);
        CHECK(v.mark == fields.mark);
        CHECK(v.ttl_ms == fields.ttl_ms);
        CHECK(v.grace_ms == fields.grace_ms);
        CHECK(v.version == fields.version);
        CHECK(v.birth_ms == fields.birth_ms);
        CHECK(v.tag_count == fields.tag_count);
        for (uint32_t i = 0; i < v.tag_count; i++)
            CHECK(item_tag(&f.writer->view, &v, i) == fields.tags[i]);
        CHECK(bytes_equal(item_key(f.writer, &v), fields.key));
        CHECK(bytes_equal(item_value(f.writer, &v), fields.value));
        if (kept_location &&
            block_of(f.writer, kept_location) == block_of(f.writer, location)) {
            CHECK(view_item(f.writer, kept_location, &v));
            CHECK(bytes_equal(item_key(f.writer, &v), kept.key));
            CHECK(bytes_equal(item_value(f.writer, &v), kept.value));
        }
        kept_location = location;
        kept = fields;
        if (f.writer->free_count <= 2)
            break; /* nothing is linked, so nothing could be emptied */
    }
}

static void check_same(const struct fixture *a, const struct item_view *x,
                       const struct fixture *b, const struct item_view *y)
{
    CHECK((x->flags & ITEM_PUBLIC_FLAGS) == (y->flags & ITEM_PUBLIC_FLAGS));
    CHECK(x->mark == y->mark && x->version == y->version && x->tag_count == y->tag_count);
    CHECK(x->birth_ms == y->birth_ms && x->ttl_ms == y->ttl_ms && x->grace_ms == y->grace_ms);
    CHECK(bytes_equal(item_key(a->writer, x), item_key(b->writer, y)));
    CHECK(bytes_equal(item_value(a->writer, x), item_value(b->writer, y)));
}

/* The rows of lifetimes differ, and so does the offset that it comes to lie at. */
TEST_SEEDS(what_is_taken_over_as_it_is_packed_says_the_same, 3)
{
    uint8_t bytes[160];
    struct fixture old, new;
    int as_packed = 0, anew = 0;

    fixture_plain(&old);
    fixture_plain(&new);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)test_random(rng, 256);
    for (int n = 0; n < 2000; n++) {
        struct item_fields fields = random_fields(rng, bytes),
                           other = random_fields(rng, bytes);
        struct item_view v, copy;
        struct encode_form form;
        fields.birth_ms = other.birth_ms = old.now_ns / NS_PER_MS;
        arena_append(new.writer, EVICT_SMALL, &other);
        CHECK(view_item(old.writer, arena_append(old.writer, EVICT_SMALL, &fields), &v));
        struct item_fields taken = arena_fields(old.writer, &v);
        if (!encode_form_packed(new.writer, &taken, &v, old.writer->blocks, &form)) {
            anew++;
            continue;
        }
        as_packed++;
        uint64_t at = arena_append_as(new.writer, EVICT_SMALL, &taken, &form);
        CHECK(view_item(new.writer, at, &copy));
        CHECK(copy.end_offset - at == form.bytes);
        check_same(&old, &v, &new, &copy);
        if (old.writer->free_count <= 2 || new.writer->free_count <= 2)
            break; /* nothing is linked, so nothing could be emptied */
    }
    CHECK(as_packed > 100 && anew > 100);
    fixture_done(&old);
    fixture_done(&new);
}

TEST(an_ordinary_item_has_a_header_of_12_bytes_and_13_with_a_ttl)
{
    struct fixture f;
    struct item_fields fields = {.key = bytes_of_text("0123456789abcdef"),
                                 .value = bytes_of_text("value"),
                                 .ttl_ms = UINT64_MAX};

    fixture_plain(&f);
    CHECK(encode_bytes(f.writer, &fields) == 12 + 16 + 5);
    fields.ttl_ms = 60000;
    fields.grace_ms = 5000;
    CHECK(encode_bytes(f.writer, &fields) == 13 + 16 + 5);
    fields.version = 1;
    fields.tag_count = 2;
    CHECK(encode_bytes(f.writer, &fields) == 13 + 1 + 8 + 1 + 4 + 16 + 5);
}
