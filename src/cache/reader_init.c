/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/clock.h"
#include "cache/item.h"
#include "cache/reader.h"

static bool within(uint64_t offset, uint64_t count, uint64_t each_bytes, uint64_t total)
{
    return offset % LINE_BYTES == 0 && offset <= total &&
           count <= (total - offset) / each_bytes;
}

/* A copy of the header, so that what was checked is what is used. */
static bool header_is_sane(const struct segment_header *h, size_t mapped_bytes)
{
    uint64_t total = h->segment_bytes;

    if (h->magic != SEGMENT_MAGIC || h->format != SEGMENT_FORMAT || total > mapped_bytes)
        return false;
    if (h->block_shift < BLOCK_SHIFT_MIN || h->block_shift > BLOCK_SHIFT_MAX)
        return false;
    uint64_t blocks_max = (16 * 4 * GIB) >> h->block_shift;
    if (h->block_count == 0 || h->block_count > blocks_max || h->location_high_bits > 4 ||
        h->block_count > (16 * 4 * GIB >> (4 - h->location_high_bits)) >> h->block_shift)
        return false;
    if (h->directory_count == 0 || h->directory_count > h->block_count)
        return false;
    if (h->namespace_count == 0 || h->namespace_count > NAMESPACES_MAX)
        return false;
    if (h->clock > CLOCK_CLASS_TSC ||
        (h->clock == CLOCK_CLASS_TSC && !CLOCK_HAS_TSC && h->tsc_mult != 0))
        return false;
    return total >= GUARD_BYTES && h->blocks_offset % PAGE_BYTES == 0 &&
           within(h->blocks_offset, h->block_count, 1ull << h->block_shift,
                  total - GUARD_BYTES) &&
           within(h->table_offset, h->block_count, sizeof(struct block_entry), total) &&
           within(h->directory_offset, h->directory_count, sizeof(uint64_t), total) &&
           within(h->slots_offset, SLOTS, sizeof(uint64_t), total) &&
           within(h->tags_offset, SLOTS, sizeof(struct tag_entry), total) &&
           within(h->names_offset, NAME_SLOTS, sizeof(uint64_t), total) &&
           within(h->lifetimes_offset, LIFETIMES, sizeof(struct lifetime_entry), total) &&
           within(h->namespaces_offset, h->namespace_count, sizeof(struct namespace_entry),
                  total);
}

static void bind_hints(struct reader *r, void *hints, size_t hints_bytes)
{
    size_t lines_bytes = READER_LINES * sizeof(struct reader_line);

    if (!hints || hints_bytes < lines_bytes + r->buckets_max * sizeof(uint32_t))
        return;
    r->hints = hints;
    r->hints_bytes = hints_bytes;
    r->hint_words = (uint32_t *)(void *)(r->hints + lines_bytes);
}

static void bind(struct reader *r, const struct segment_header *h, const uint8_t *segment)
{
    r->incarnation = (struct id128){h->incarnation_high, h->incarnation_low};
    r->header = (const struct segment_header *)(const void *)segment;
    r->blocks = segment + h->blocks_offset;
    r->table = (const struct block_entry *)(const void *)(segment + h->table_offset);
    r->directory = (const uint64_t *)(const void *)(segment + h->directory_offset);
    r->slots = (const uint64_t *)(const void *)(segment + h->slots_offset);
    r->tags = (const struct tag_entry *)(const void *)(segment + h->tags_offset);
    r->names = (const uint64_t *)(const void *)(segment + h->names_offset);
    r->namespaces =
        (const struct namespace_entry *)(const void *)(segment + h->namespaces_offset);
    r->lifetimes = (const struct lifetime_entry *)(const void *)(segment + h->lifetimes_offset);
    r->arena_bytes = h->block_count << h->block_shift;
    r->block_shift = (uint32_t)h->block_shift;
    r->block_count = (uint32_t)h->block_count;
    r->bucket_shift = r->block_shift - 6;
    r->bucket_mask = (1u << r->bucket_shift) - 1;
    r->buckets_max = (uint32_t)(h->directory_count << r->bucket_shift);
    r->high_bits = (uint32_t)h->location_high_bits;
    r->fingerprint_mask = 0xffffu >> r->high_bits;
    r->namespace_count = (uint32_t)h->namespace_count;
    r->clock = (uint32_t)h->clock;
    r->tsc_base = h->tsc_base;
    r->tsc_mult = h->tsc_mult;
    r->ns_base = h->ns_base;
    memcpy(r->secret, h->secret, sizeof r->secret);
}

int reader_init(struct reader *r, const void *segment, size_t segment_bytes, void *hints,
                size_t hints_bytes)
{
    struct segment_header header;

    if (!segment || segment_bytes < sizeof header)
        return ACCORD_E_FORMAT;
    memcpy(&header, segment, sizeof header);
    if (!header_is_sane(&header, segment_bytes))
        return ACCORD_E_FORMAT;
    *r = (struct reader){.segment = segment, .segment_bytes = segment_bytes};
    bind(r, &header, segment);
    bind_hints(r, hints, hints_bytes);
    return ACCORD_OK;
}
