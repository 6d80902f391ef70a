/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* item.h - the packed item: what it holds, how it is read from hostile memory.
 *
 *   header u64: value_bytes:20 key_bytes:14 flags:6 mark:7 bulk:17 (after the block's base)
 *   birth  u32  ms after the block's base
 *   lifetime: nothing, u8, u32 or 2 x u32, by the two bits of ITEM_LIFETIME:
 *     0 never expires; 1 ttl u32, ms after birth; 2 ttl and grace u32, ms after birth and ttl;
 *     3 u8, a row of the segment's table of lifetimes: most items share a few of them
 *   extra  u8   with ITEM_EXTRA; then what it names, in this order:
 *     ttl and grace u64 (where 2 x u32 are too small), version u64, tag count u8 and tag slots
 * u16 each key, value
 *
 * No padding: an item starts at any byte. That is what keeps the overhead at 12 bytes (13 with
 * an ordinary ttl, 16 with any) beside the index. The namespace is not stored: it is a function
 * of the key.
 */
#ifndef ACCORD_CACHE_ITEM_H
#define ACCORD_CACHE_ITEM_H

#include "cache/evict.h"
#include "cache/segment.h"

enum {
    /* Beside enum item_flag, which has the three low bits. */
    ITEM_LIFETIME = 24,
    ITEM_LIFETIME_TTL = 8,
    ITEM_LIFETIME_GRACE = 16,
    ITEM_LIFETIME_ROW = 24,
    ITEM_EXTRA = 32,
    ITEM_PUBLIC_FLAGS = ITEM_NEGATIVE | ITEM_UNSURE | ITEM_SOFT,

    EXTRA_LIFETIME = 1,
    EXTRA_VERSION = 2,
    EXTRA_TAGS = 4,

    ITEM_VALUE_BITS = 20,
    ITEM_FLAGS_SHIFT = 34,
    ITEM_MARK_SHIFT = 40, /* the eviction policy's; readers ignore it */
    ITEM_BULK_SHIFT = ITEM_MARK_SHIFT + EVICT_MARK_BITS,
    ITEM_BULK_MAX = (1 << 17) - 1,
    ITEM_HEADER_BYTES = 12,
    ITEM_FIXED_BYTES_MAX = ITEM_HEADER_BYTES + 1 + 16 + 8, /* without tags */
};
/* item_parse() may load this far from where an item begins before it knows its size. */
_Static_assert(ITEM_BULK_SHIFT + 17 == 64, "the header is 8 bytes");
_Static_assert(ITEM_FIXED_BYTES_MAX + 1 + 2 * ITEM_TAGS_MAX + 2 * 8 <= GUARD_BYTES, "guard");

/* An item's fields in absolute terms; offsets are in the arena. */
struct item_view {
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint32_t flags; /* public ones and those above */
    uint32_t mark;
    uint32_t tag_count;
    uint64_t bulk;
    uint64_t birth_ms;
    uint64_t ttl_ms;   /* UINT64_MAX: never expires */
    uint64_t grace_ms; /* after ttl */
    uint64_t version;
    uint64_t tags_offset;
    uint64_t key_offset;
    uint64_t end_offset;
};

/* Bytes of items, in either of the two ways of segment.h. */
#if ITEM_LOADS_PLAIN
typedef uint64_t __attribute__((aligned(1), may_alias)) unaligned_word;

ALWAYS_INLINE uint64_t load_at(const uint8_t *blocks, uint64_t offset)
{
    return *(const volatile unaligned_word *)(const void *)(blocks + offset);
}

ALWAYS_INLINE uint64_t word_of(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, 8);
    return word;
}

/* From 8 bytes on the last 8 overlap those before, so that no branch depends on how many there
 * are. */
ALWAYS_INLINE bool arena_equals(const uint8_t *blocks, uint64_t offset, const uint8_t *data,
                                size_t bytes)
{
    uint64_t end = offset + bytes - 8, mine = 0;

    if (LIKELY(bytes - 8 <= 8)) {
        uint64_t differs = word_of(data) ^ load_at(blocks, offset);
        return (differs | (word_of(data + bytes - 8) ^ load_at(blocks, end))) == 0;
    }
    if (bytes > 16) {
        const uint8_t *last = data + bytes - 8;
        for (; data < last; data += 8, offset += 8)
            if (word_of(data) != load_at(blocks, offset))
                return false;
        return word_of(last) == load_at(blocks, end);
    }
    for (size_t i = 0; i < bytes; i++)
        mine |= (uint64_t)data[i] << i * 8;
    return bytes == 0 || (mine ^ load_at(blocks, offset)) << (64 - bytes * 8) == 0;
}

/* Here and not by a call for the sizes that a cache is full of: a call would put all that the
 * rest of a get needs on the stack, and the addresses that it loads from last depend on the
 * size, which comes with the item's first line. The last 64 bytes overlap those before. */
ALWAYS_INLINE void arena_copy(const uint8_t *blocks, uint64_t offset, uint8_t *to, size_t bytes)
{
    const uint8_t *from = blocks + offset;

    if (LIKELY(bytes - 64 <= 192)) {
        size_t last = bytes - 64;
        memcpy(to, from, 64);
        for (size_t i = 64; UNLIKELY(i < last); i += 64)
            memcpy(to + i, from + i, 64);
        memcpy(to + last, from + last, 64);
    } else if (bytes) {
        memcpy(to, from, bytes);
    }
}

/* Nothing read above sinks below: the compiler is told, x86 keeps the order of loads. */
ALWAYS_INLINE void arena_loads_done(void)
{
    __asm__ volatile("" ::: "memory");
}
#else
/* 8 bytes from any offset, little-endian. Loads only the aligned words that hold them. */
ALWAYS_INLINE uint64_t load_at(const uint8_t *blocks, uint64_t offset)
{
    const uint64_t *word = (const uint64_t *)(const void *)(blocks + (offset & ~7ull));
    unsigned shift = (unsigned)(offset & 7) * 8;

    if (shift == 0)
        return load(word);
    uint64_t low = load(word);
    return low >> shift | load(word + 1) << (64 - shift);
}

/* Whether the `bytes` from `offset` equal `data`. Loads whole aligned words, so up to 7 bytes
 * on either side of what is named. */
ALWAYS_INLINE bool arena_equals(const uint8_t *blocks, uint64_t offset, const uint8_t *data,
                                size_t bytes)
{
    const uint64_t *word = (const uint64_t *)(const void *)(blocks + (offset & ~7ull));
    unsigned shift = (unsigned)(offset & 7) * 8;
    uint64_t low = load(word), mine = 0, theirs;

    for (; bytes > 8; bytes -= 8, data += 8) {
        uint64_t next = load(++word);
        theirs = shift ? low >> shift | next << (64 - shift) : low;
        low = next;
        memcpy(&mine, data, 8);
        if (mine != theirs)
            return false;
    }
    theirs = low >> shift;
    if (shift && bytes * 8 > 64 - shift)
        theirs |= load(word + 1) << (64 - shift);
    mine = 0;
    memcpy(&mine, data, bytes);
    return bytes == 0 || ((mine ^ theirs) << (64 - bytes * 8)) == 0;
}

/* Copies `bytes` from `offset`, as above. */
ALWAYS_INLINE void arena_copy(const uint8_t *blocks, uint64_t offset, uint8_t *to, size_t bytes)
{
    const uint64_t *word = (const uint64_t *)(const void *)(blocks + (offset & ~7ull));
    unsigned shift = (unsigned)(offset & 7) * 8;

    if (bytes == 0)
        return;
    if (shift == 0) {
        for (; bytes >= 8; bytes -= 8, to += 8, word++) {
            uint64_t whole = load(word);
            memcpy(to, &whole, 8);
        }
        uint64_t last = bytes ? load(word) : 0;
        memcpy(to, &last, bytes);
        return;
    }
    uint64_t low = load(word);
    for (; bytes >= 8; bytes -= 8, to += 8) {
        uint64_t next = load(++word);
        uint64_t whole = low >> shift | next << (64 - shift);
        low = next;
        memcpy(to, &whole, 8);
    }
    if (bytes == 0)
        return;
    uint64_t last = low >> shift;
    if (bytes * 8 > 64 - shift)
        last |= load(word + 1) << (64 - shift);
    memcpy(to, &last, bytes);
}

ALWAYS_INLINE void arena_loads_done(void)
{
}
#endif

ALWAYS_INLINE uint32_t header_value_bytes(uint64_t header)
{
    return (uint32_t)header & ((1u << ITEM_VALUE_BITS) - 1);
}

ALWAYS_INLINE uint32_t header_key_bytes(uint64_t header)
{
    return (uint32_t)(header >> ITEM_VALUE_BITS) & 0x3fff;
}

ALWAYS_INLINE uint32_t header_flags(uint64_t header)
{
    return (uint32_t)(header >> ITEM_FLAGS_SHIFT) & 63;
}

ALWAYS_INLINE void item_parse_extra(const uint8_t *blocks, uint64_t *at, struct item_view *v)
{
    uint32_t extra = (uint32_t)load_at(blocks, *at) & 0xff;

    *at += 1;
    if (extra & EXTRA_LIFETIME) {
        v->ttl_ms = load_at(blocks, *at);
        v->grace_ms = load_at(blocks, *at + 8);
        *at += 16;
    }
    if (extra & EXTRA_VERSION) {
        v->version = load_at(blocks, *at);
        *at += 8;
    }
    if (extra & EXTRA_TAGS) {
        v->tag_count = (uint32_t)load_at(blocks, *at) & 0xff;
        v->tags_offset = *at + 1;
        *at += 1 + 2ull * v->tag_count;
    }
}

ALWAYS_INLINE void item_parse_lifetime(const struct reader *r, uint64_t *at,
                                       struct item_view *v)
{
    uint64_t word = load_at(r->blocks, *at);
    uint32_t form = v->flags & ITEM_LIFETIME;

    if (form == ITEM_LIFETIME_ROW) {
        const struct lifetime_entry *row = r->lifetimes + (word & (LIFETIMES - 1));
        v->ttl_ms = load(&row->ttl_ms);
        v->grace_ms = load(&row->grace_ms);
        *at += 1;
        return;
    }
    v->ttl_ms = (uint32_t)word;
    v->grace_ms = form == ITEM_LIFETIME_GRACE ? word >> 32 : 0;
    *at += form == ITEM_LIFETIME_GRACE ? 8 : 4;
}

/* Reads the item at `offset` < arena_bytes, whatever is there. False: what is there cannot be
 * an item; *v is then undefined. The loads go at most GUARD_BYTES past `offset`, and the guard
 * after the last block is mapped, so no check is needed before them. What the view
 * names lies within the block of `offset`. */
ALWAYS_INLINE bool item_parse(const struct reader *r, uint64_t offset, uint64_t header,
                              struct item_view *v)
{
    const uint8_t *blocks = r->blocks;
    const struct block_entry *block = r->table + (offset >> r->block_shift);
    uint64_t at = offset + ITEM_HEADER_BYTES;

    v->value_bytes = header_value_bytes(header);
    v->key_bytes = header_key_bytes(header);
    v->flags = header_flags(header);
    v->mark = (uint32_t)(header >> ITEM_MARK_SHIFT) & ((1u << EVICT_MARK_BITS) - 1);
    v->bulk = load(&block->base_bulk) + (header >> ITEM_BULK_SHIFT);
    v->birth_ms = load(&block->base_ms);
    v->birth_ms += (uint32_t)load_at(blocks, offset + 8);
    v->ttl_ms = UINT64_MAX;
    v->grace_ms = 0;
    v->version = 0;
    v->tag_count = 0;
    v->tags_offset = 0;
    if (v->flags & (ITEM_LIFETIME | ITEM_EXTRA)) {
        if (v->flags & ITEM_LIFETIME)
            item_parse_lifetime(r, &at, v);
        if (v->flags & ITEM_EXTRA)
            item_parse_extra(blocks, &at, v);
    }
    v->key_offset = at;
    v->end_offset = at + v->key_bytes + v->value_bytes;
    return v->tag_count <= ITEM_TAGS_MAX &&
           (v->end_offset - 1) >> r->block_shift == offset >> r->block_shift;
}

ALWAYS_INLINE uint64_t item_value_offset(const struct item_view *v)
{
    return v->key_offset + v->key_bytes;
}

ALWAYS_INLINE uint16_t item_tag(const struct reader *r, const struct item_view *v, uint32_t i)
{
    return (uint16_t)load_at(r->blocks, v->tags_offset + 2ull * i);
}

#endif
