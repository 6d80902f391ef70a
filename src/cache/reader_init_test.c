/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/fixture.h"
#include "cache/segment.h"

TEST(a_mapping_that_is_no_segment_is_refused)
{
    struct fixture f;
    struct reader r = {0};
    uint64_t *words, kept;

    fixture_plain(&f);
    words = f.segment;
    CHECK(reader_init(&r, NULL, 0, NULL, 0) == ACCORD_E_FORMAT);
    CHECK(reader_init(&r, f.segment, 4095, NULL, 0) == ACCORD_E_FORMAT);
    CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes - 1, NULL, 0) == ACCORD_E_FORMAT);
    /* Every word of the header that is a size or an offset, made absurd. */
    for (size_t i = 0; i < 19; i++) {
        if (i == 3 || i == 4 || i == 17) /* incarnation; hints_bytes is not trusted at all */
            continue;
        kept = words[i];
        words[i] = UINT64_MAX - 7;
        CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes, NULL, 0) == ACCORD_E_FORMAT);
        words[i] = kept;
    }
    CHECK(r.segment == NULL);
    words[1]++; /* the next format */
    CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes, NULL, 0) == ACCORD_E_FORMAT);
    words[1]--;
    CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes, NULL, 0) == ACCORD_OK);
}

TEST(a_header_that_contradicts_itself_is_refused)
{
    struct fixture f;
    struct reader r = {0};

    fixture_plain(&f);
    struct segment_header *h = f.segment, kept = *h;
    struct segment_header bad[] = {kept, kept, kept, kept, kept, kept, kept, kept, kept, kept};
    bad[0].block_shift = BLOCK_SHIFT_MIN - 1;
    bad[1].block_count = 0;
    bad[2].directory_count = 0;
    bad[3].directory_count = kept.block_count + 1;
    bad[4].namespace_count = 0;
    bad[5].namespace_count = NAMESPACES_MAX + 1;
    bad[6].segment_bytes = GUARD_BYTES - 1;
    bad[7].blocks_offset += LINE_BYTES; /* lines, but no page */
    bad[8].table_offset++;
    bad[9].location_high_bits = 5;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        *h = bad[i];
        CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes, NULL, 0) == ACCORD_E_FORMAT);
        CHECK(r.segment == NULL);
    }
    *h = kept;
    CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes, NULL, 0) == ACCORD_OK);
    fixture_done(&f);
}

TEST(hints_that_are_too_small_are_left_alone)
{
    struct fixture f;
    struct reader r;

    fixture_plain(&f);
    CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes, f.hints,
                      READER_LINES * sizeof(struct reader_line)) == ACCORD_OK);
    CHECK(!r.hint_words);
    CHECK(!reader_count_line(&r, 0));
    CHECK(reader_init(&r, f.segment, f.sizes.segment_bytes, f.hints, f.sizes.hints_bytes) ==
          ACCORD_OK);
    CHECK(r.hint_words);
    CHECK(reader_count_line(&r, READER_LINES - 1));
    CHECK(!reader_count_line(&r, READER_LINES));
    fixture_done(&f);
}
