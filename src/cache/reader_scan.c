/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/clock.h"
#include "cache/item.h"
#include "cache/reader.h"

/* A key is read with reader_borrow() again: the walk itself trusts nothing but the bytes of the
 * key, and the answer is the same that a get would have given. */
static void scan_item(const struct reader *r, uint64_t location, uint8_t *scratch,
                      size_t scratch_bytes, reader_each each, void *context)
{
    struct item_view item;
    struct read_result result;
    struct borrow borrow;

    if (location >= r->arena_bytes ||
        !item_parse(r, location, load_at(r->blocks, location), &item) || item.key_bytes == 0 ||
        item.key_bytes > scratch_bytes)
        return;
    arena_copy(r->blocks, item.key_offset, scratch, item.key_bytes);
    struct bytes key = bytes_of(scratch, item.key_bytes);
    struct reader quiet = *r; /* a walk is not a use: it must not keep anything alive */
    quiet.hint_words = NULL;
    reader_borrow(&quiet, key, &borrow, &result);
    if (borrow.held)
        each(context, key, &result);
}

uint64_t reader_scan(const struct reader *r, uint64_t cursor, void *scratch,
                     size_t scratch_bytes, reader_each each, void *context)
{
    uint64_t count = load(&r->header->bucket_count);

    if (count > r->buckets_max || cursor >= count)
        return 0;
    uint64_t block = load(r->directory + (cursor >> r->bucket_shift));
    if (block >= r->block_count)
        return 0;
    const struct bucket *bucket =
        (const struct bucket *)(const void *)(r->blocks + (block << r->block_shift)) +
        (cursor & ((1u << r->bucket_shift) - 1));
    uint64_t words[BUCKET_WORDS];
    for (int i = 0; i < BUCKET_WORDS; i++)
        words[i] = load(&bucket->word[i]);
    for (unsigned lane = 0; lane < BUCKET_LANES; lane++) {
        uint32_t low = location_low(words[3 + lane / 2], lane);
        if (low)
            scan_item(r, lane_location(low, lane_fingerprint(words, lane), r->high_bits),
                      scratch, scratch_bytes, each, context);
    }
    return cursor + 1 < count ? cursor + 1 : 0;
}
