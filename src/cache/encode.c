/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/encode.h"

enum { LIFETIME_WAYS = 4, NO_ROW = LIFETIMES };

/* The row of a lifetime, taken now if one of its few rows is free; NO_ROW: others have them
 * all. Rows are never given back: a program with a thousand different ttls pays 4 bytes for
 * each item, as it would without the table. */
static uint32_t lifetime_row(struct writer *w, uint64_t ttl_ms, uint64_t grace_ms)
{
    uint64_t hash = (ttl_ms * 0x9e3779b97f4a7c15ull) ^ (grace_ms * 0xd6e8feb86659fd93ull);

    for (uint32_t i = 0; i < LIFETIME_WAYS; i++) {
        uint32_t row = (uint32_t)((hash >> 48) + i) & (LIFETIMES - 1);
        struct lifetime_entry *e = &w->lifetimes[row];
        if (e->ttl_ms == 0) {
            store(&e->grace_ms, grace_ms);
            store(&e->ttl_ms, ttl_ms);
        }
        if (e->ttl_ms == ttl_ms && e->grace_ms == grace_ms)
            return row;
    }
    return NO_ROW;
}

static size_t lifetime_bytes(uint32_t flags)
{
    static const uint8_t bytes[4] = {0, 4, 8, 1};

    return bytes[(flags & ITEM_LIFETIME) / ITEM_LIFETIME_TTL];
}

static size_t bytes_of_form(const struct encode_form *form, const struct item_fields *f)
{
    size_t bytes = ITEM_HEADER_BYTES + lifetime_bytes(form->flags);

    if (form->extra) {
        bytes += 1u + (form->extra & EXTRA_LIFETIME ? 16u : 0u);
        bytes += form->extra & EXTRA_VERSION ? 8u : 0u;
        bytes += form->extra & EXTRA_TAGS ? 1u + 2u * f->tag_count : 0u;
    }
    return bytes + f->key.size_bytes + f->value.size_bytes;
}

struct encode_form encode_form_of(struct writer *w, const struct item_fields *f)
{
    struct encode_form form = {.flags = f->flags & ITEM_PUBLIC_FLAGS, .row = NO_ROW};

    ASSERT(f->ttl_ms > 0);
    if (f->ttl_ms != UINT64_MAX)
        form.row = lifetime_row(w, f->ttl_ms, f->grace_ms);
    if (form.row != NO_ROW)
        form.flags |= ITEM_LIFETIME_ROW;
    else if (f->ttl_ms > UINT32_MAX || f->grace_ms > UINT32_MAX)
        form.extra |= f->ttl_ms == UINT64_MAX ? 0u : EXTRA_LIFETIME;
    else
        form.flags |= f->grace_ms ? ITEM_LIFETIME_GRACE : ITEM_LIFETIME_TTL;
    form.extra |= (f->version ? EXTRA_VERSION : 0u) | (f->tag_count ? EXTRA_TAGS : 0u);
    form.flags |= form.extra ? ITEM_EXTRA : 0u;
    form.bytes = bytes_of_form(&form, f);
    return form;
}

/* Rows are this segment's own. What names extras, which few items do, is packed anew: hostile
 * bytes may say the same in ways that nobody writes. */
bool encode_form_packed(struct writer *w, const struct item_fields *f,
                        const struct item_view *item, const uint8_t *blocks,
                        struct encode_form *form)
{
    uint32_t kind = item->flags & ITEM_LIFETIME;

    if ((item->flags & ITEM_EXTRA) || (kind && f->ttl_ms == UINT64_MAX))
        return false;
    size_t rest = f->key.size_bytes + f->value.size_bytes + lifetime_bytes(kind);
    *form = (struct encode_form){.flags = (f->flags & ITEM_PUBLIC_FLAGS) | kind,
                                 .row = NO_ROW,
                                 .bytes = ITEM_HEADER_BYTES + rest};
    if (kind == ITEM_LIFETIME_ROW) {
        form->row = lifetime_row(w, f->ttl_ms, f->grace_ms);
        rest--;
        if (form->row == NO_ROW)
            return false;
    }
    form->packed = bytes_of(blocks + item->end_offset - rest, rest);
    return true;
}

size_t encode_bytes(struct writer *w, const struct item_fields *f)
{
    return encode_form_of(w, f).bytes;
}

/* Appends bytes at any offset by whole aligned words; the first one is shared with the item
 * before, whose bytes it repeats. */
struct stream {
    uint64_t *word;
    uint64_t held;
    unsigned bits; /* of `held` that are in use, < 64 */
};

static struct stream stream_at(uint8_t *at)
{
    unsigned bits = (unsigned)((uintptr_t)at & 7) * 8;
    uint64_t *word = (uint64_t *)(void *)(at - bits / 8);

    return (struct stream){word, bits ? *word & ((1ull << bits) - 1) : 0, bits};
}

/* The low `bytes` (1..8) of `value`; the rest of it is 0. */
static void put(struct stream *s, uint64_t value, unsigned bytes)
{
    unsigned bits = s->bits + bytes * 8;

    s->held |= value << s->bits;
    if (bits >= 64) {
        store(s->word++, s->held);
        s->held = s->bits ? value >> (64 - s->bits) : 0;
        bits -= 64;
    }
    s->bits = bits;
}

static void put_tail(struct stream *s, struct bytes b)
{
    uint64_t value = 0;

    memcpy(&value, b.data, b.size_bytes);
    put(s, value, (unsigned)b.size_bytes);
}

/* The word in hand is filled up, and then they go by whole words from wherever they lie. The
 * last few are what is left of the last 8. */
static void put_bytes(struct stream *s, struct bytes b)
{
    uint64_t value;

    if (b.size_bytes < 8) {
        if (b.size_bytes)
            put_tail(s, b);
        return;
    }
    const uint8_t *from = b.data + 8 - s->bits / 8, *last = b.data + b.size_bytes - 8;
    memcpy(&value, b.data, 8);
    store(s->word++, s->held | value << s->bits);
    for (; from <= last; from += 8) {
        memcpy(&value, from, 8);
        store(s->word++, value);
    }
    s->bits = (unsigned)(last + 8 - from) * 8;
    memcpy(&value, last, 8);
    s->held = s->bits ? value >> (64 - s->bits) : 0;
}

static void put_end(struct stream *s)
{
    if (s->bits)
        store(s->word, s->held);
}

static void put_extra(struct stream *s, const struct item_fields *f, uint32_t extra)
{
    put(s, extra, 1);
    if (extra & EXTRA_LIFETIME) {
        put(s, f->ttl_ms, 8);
        put(s, f->grace_ms, 8);
    }
    if (extra & EXTRA_VERSION)
        put(s, f->version, 8);
    if (extra & EXTRA_TAGS) {
        put(s, f->tag_count, 1);
        for (uint32_t i = 0; i < f->tag_count; i++)
            put(s, f->tags[i], 2);
    }
}

static void put_lifetime(struct stream *s, const struct item_fields *f,
                         const struct encode_form *form)
{
    uint32_t kind = form->flags & ITEM_LIFETIME;

    if (kind == ITEM_LIFETIME_ROW) {
        put(s, form->row, 1);
    } else if (kind) {
        put(s, f->ttl_ms, 4);
        if (kind == ITEM_LIFETIME_GRACE)
            put(s, f->grace_ms, 4);
    }
}

void encode_item(struct writer *w, uint64_t location, const struct item_fields *f,
                 const struct encode_form *form, uint64_t bulk, uint64_t birth_ms)
{
    struct stream s = stream_at(w->blocks + location);

    put(&s,
        f->value.size_bytes | (uint64_t)f->key.size_bytes << ITEM_VALUE_BITS |
            (uint64_t)form->flags << ITEM_FLAGS_SHIFT | (uint64_t)f->mark << ITEM_MARK_SHIFT |
            bulk << ITEM_BULK_SHIFT,
        8);
    put(&s, birth_ms, 4);
    if (form->packed.data) {
        if (form->row != NO_ROW)
            put(&s, form->row, 1);
        put_bytes(&s, form->packed);
        put_end(&s);
        return;
    }
    put_lifetime(&s, f, form);
    if (form->extra)
        put_extra(&s, f, form->extra);
    put_bytes(&s, f->key);
    put_bytes(&s, f->value);
    put_end(&s);
}
