/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Walks the blocks in the order in which they were opened, so that the new chains have the
 * order of the old ones. Each item costs four cache lines that nothing else brings (its two
 * buckets, here and there), so they are asked for some items ahead. */
#include "cache/inherit.h"

#include "cache/adopt.h"
#include "cache/arena.h"
#include "cache/index.h"

enum { AHEAD = 32 };

struct inherit_block {
    uint64_t order;
    uint32_t block;
    uint32_t used_bytes;
    uint32_t chain;
};

struct inherit {
    struct reader old;
    struct writer *w;
    uint64_t now_ms, old_now_ms; /* one instant */
    uint64_t generation_hard, generation_soft;
    uint32_t buckets; /* of the old index; 0: it cannot be one */
    bool spread;      /* the new index is as large as that, or as large as it may be */
    struct inherit_counts counts;
    uint64_t early;  /* of those kept, copied by inherit_key(): the walk finds them here */
    uint32_t at;     /* in `list` */
    uint64_t offset; /* in that block: the next item */
    uint32_t count;
    struct inherit_block list[];
};

/* An item whose buckets are on their way. */
struct candidate {
    struct item_view item;
    uint64_t location, hash;
};

void inherit_place(const struct reader *old, struct inherit_place *out)
{
    const struct segment_header *h = old->header;

    *out = (struct inherit_place){.log = {load(&h->log_high), load(&h->log_low)},
                                  .epoch = load(&h->log_epoch),
                                  .position = load(&h->position)};
}

size_t inherit_bytes(const struct reader *old)
{
    return sizeof(struct inherit) + old->block_count * sizeof(struct inherit_block);
}

uint64_t inherit_used_bytes(const struct reader *old)
{
    uint64_t used = 0;

    for (uint32_t block = 0; block < old->block_count; block++)
        used += (load(&old->table[block].used_kind) & 0xff) != BLOCK_FREE;
    return used << old->block_shift;
}

/* ---- which blocks, in which order ---- */

static bool older(const struct inherit_block *a, const struct inherit_block *b)
{
    return a->order != b->order ? a->order < b->order : a->block < b->block;
}

static void sift_down(struct inherit_block *list, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count && older(&list[child], &list[child + 1]))
            child++;
        if (!older(&list[at], &list[child]))
            return;
        struct inherit_block kept = list[at];
        list[at] = list[child];
        list[child] = kept;
        at = child;
    }
}

/* Heapsort: no recursion, no bad case. */
static void sort(struct inherit_block *list, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(list, i, count);
    for (uint32_t end = count; end-- > 1;) {
        struct inherit_block kept = list[0];
        list[0] = list[end];
        list[end] = kept;
        sift_down(list, 0, end);
    }
}

static void list_blocks(struct inherit *in)
{
    for (uint32_t block = 0; block < in->old.block_count; block++) {
        const struct block_entry *e = in->old.table + block;
        uint64_t used_kind = load(&e->used_kind), used = used_kind >> 8,
                 kind = used_kind & 0xff;

        if (kind < BLOCK_CHAIN || kind >= BLOCK_CHAIN + EVICT_CHAINS)
            continue;
        in->list[in->count++] = (struct inherit_block){
            .order = load(&e->order),
            .block = block,
            .used_bytes = (uint32_t)u64_min(used, 1ull << in->old.block_shift),
            .chain = (uint32_t)kind - BLOCK_CHAIN};
    }
    sort(in->list, in->count);
}

/* Where the new segment is smaller, what is youngest goes into it. */
static void leave_oldest(struct inherit *in)
{
    const struct writer *w = in->w;
    uint64_t index = (in->buckets >> w->view.bucket_shift) + 1;
    uint64_t blocks = u64_sub_sat(w->free_count, u64_min(index, w->index_blocks_max) + 1);
    uint64_t room = blocks << w->view.block_shift, sum = 0;
    uint32_t i = in->count;

    while (i > 0 && sum + in->list[i - 1].used_bytes <= room)
        sum += in->list[--i].used_bytes;
    in->at = i;
}

int inherit_begin(struct inherit **out, void *memory, const struct reader *old,
                  struct writer *w, uint64_t now_ns, uint64_t old_now_ns)
{
    struct inherit *in = memory;
    uint64_t buckets = load(&old->header->bucket_count);

    if (memcmp(old->secret, w->view.secret, sizeof old->secret) != 0)
        return ACCORD_E_FORMAT;
    *in = (struct inherit){.old = *old,
                           .w = w,
                           .now_ms = now_ns / NS_PER_MS,
                           .old_now_ms = old_now_ns / NS_PER_MS,
                           .generation_hard = load(&old->header->generation_hard),
                           .generation_soft = load(&old->header->generation_soft),
                           .offset = BLOCK_FIRST_ITEM};
    in->buckets = buckets >= 2 && buckets <= old->buckets_max ? (uint32_t)buckets : 0;
    list_blocks(in);
    leave_oldest(in);
    if (in->buckets == 0)
        in->at = in->count; /* nothing is alive without an index */
    *out = in;
    return ACCORD_OK;
}

struct inherit_counts inherit_counts(const struct inherit *in)
{
    struct inherit_counts counts = in->counts;

    counts.touched = u64_sub_sat(counts.touched, in->early);
    return counts;
}

/* ---- is it alive there? ---- */

/* NULL: the directory names no block. */
static const uint64_t *old_bucket(const struct inherit *in, uint32_t half)
{
    const struct reader *r = &in->old;
    uint32_t index = bucket_index(half, in->buckets);
    uint64_t block = load(r->directory + (index >> r->bucket_shift));

    if (block >= r->block_count)
        return NULL;
    return (const uint64_t *)(const void *)(r->blocks + (block << r->block_shift) +
                                            (uint64_t)(index & r->bucket_mask) * LINE_BYTES);
}

/* Whether the bucket that `half` of the hash leads to names the item; and in which lane. */
static bool names(const struct inherit *in, uint32_t half, const struct candidate *c,
                  struct place *at)
{
    const uint64_t *words = old_bucket(in, half);
    uint32_t mask = in->old.fingerprint_mask;

    if (!words)
        return false;
    uint64_t prints[3] = {load(words), load(words + 1), load(words + 2)};
    uint32_t match =
        bucket_match(prints[0], prints[1], prints[2], hash_fingerprint(c->hash) & mask, mask);
    for (; match; match &= match - 1) {
        unsigned lane = lane_of_bit((unsigned)__builtin_ctz(match));
        if (lane_location(location_low(load(words + 3 + lane / 2), lane),
                          lane_fingerprint(prints, lane), in->old.high_bits) == c->location) {
            *at = (struct place){bucket_index(half, in->buckets), lane};
            return true;
        }
    }
    return false;
}

static bool is_live(const struct inherit *in, const struct candidate *c, struct place *at)
{
    return names(in, (uint32_t)c->hash, c, at) || names(in, (uint32_t)(c->hash >> 32), c, at);
}

/* True: gone. *soft: stale. */
static bool is_removed(const struct inherit *in, struct bytes key, const struct item_view *item,
                       bool *soft)
{
    const struct namespace_entry *space = in->old.namespaces + namespace_of(&in->old, key);
    uint64_t hard = u64_max(in->generation_hard, load(&space->hard));
    uint64_t softly = u64_max(in->generation_soft, load(&space->soft));

    for (uint32_t i = 0; i < item->tag_count; i++) {
        const struct tag_entry *tag = in->old.tags + item_tag(&in->old, item, i);
        hard = u64_max(hard, load(&tag->hard));
        softly = u64_max(softly, load(&tag->soft));
    }
    *soft = (item->flags & ITEM_SOFT) || item->bulk < softly;
    return item->bulk < hard;
}

/* ---- one item ---- */

static struct bytes key_of(const struct inherit *in, const struct item_view *item)
{
    return bytes_of(in->old.blocks + item->key_offset, item->key_bytes);
}

/* Its age is the same on both clocks. */
static void fields_of(const struct inherit *in, const struct item_view *item, bool soft,
                      struct item_fields *f)
{
    uint64_t age_ms = u64_sub_sat(in->old_now_ms, item->birth_ms);

    f->key = key_of(in, item);
    f->value = bytes_of(in->old.blocks + item_value_offset(item), item->value_bytes);
    f->flags = (item->flags & ITEM_NEGATIVE) | (soft ? ITEM_SOFT : 0u);
    f->tag_count = item->tag_count;
    f->mark = item->mark;
    f->birth_ms = u64_sub_sat(in->now_ms, age_ms);
    f->ttl_ms = item->ttl_ms;
    f->grace_ms = item->ttl_ms == UINT64_MAX ? 0 : item->grace_ms;
    f->version = item->version;
    for (uint32_t i = 0; i < item->tag_count; i++)
        f->tags[i] = item_tag(&in->old, item, i);
}

static bool is_expired(const struct item_fields *f, uint64_t now_ms)
{
    return now_ms >= u64_add_sat(f->birth_ms, u64_add_sat(f->ttl_ms, f->grace_ms));
}

/* What was filled without a lease is nothing that anybody vouches for. */
static bool take(struct inherit *in, const struct candidate *c, enum evict_chain chain,
                 uint64_t now_ns)
{
    struct encode_form form;
    struct item_fields f;
    struct place at;
    bool soft;

    if ((c->item.flags & ITEM_UNSURE) || c->item.ttl_ms == 0 || !is_live(in, c, &at) ||
        is_removed(in, key_of(in, &c->item), &c->item, &soft))
        return false;
    fields_of(in, &c->item, soft, &f);
    if (is_expired(&f, now_ns / NS_PER_MS))
        return false;
    /* Where it was in an index of this size it fits again; else room is searched for. */
    bool same = in->buckets == in->w->bucket_count;
    if (!encode_form_packed(in->w, &f, &c->item, in->old.blocks, &form))
        form = encode_form_of(in->w, &f);
    enum adopted adopted =
        writer_adopt(in->w, c->hash, &f, &form, chain, same ? &at : NULL, now_ns);
    in->counts.kept += adopted == ADOPTED;
    in->counts.touched += adopted == ADOPTED_NOT;
    in->counts.left += adopted == ADOPTED_FULL;
    return adopted == ADOPTED;
}

static void prefetch(const struct inherit *in, uint64_t hash)
{
    __builtin_prefetch(old_bucket(in, (uint32_t)hash));
    __builtin_prefetch(old_bucket(in, (uint32_t)(hash >> 32)));
    index_prefetch_buckets(in->w, hash);
}

/* ---- steps ---- */

/* The next item of the block; false: there is none, or what is there is none. */
static bool parse_next(struct inherit *in, struct candidate *c)
{
    const struct inherit_block *b = &in->list[in->at];
    uint64_t base = (uint64_t)b->block << in->old.block_shift;

    if (in->offset + ITEM_HEADER_BYTES > b->used_bytes)
        return false;
    c->location = base + in->offset;
    if (!item_parse(&in->old, c->location, load_at(in->old.blocks, c->location), &c->item) ||
        c->item.end_offset - base > b->used_bytes || c->item.key_bytes == 0 ||
        c->item.key_bytes > KEY_BYTES_MAX)
        return false;
    in->offset = c->item.end_offset - base;
    c->hash = key_hash(in->old.secret, key_of(in, &c->item));
    return true;
}

/* Up to `items` of one block; returns how many were looked at. The buckets of one are asked for
 * while those before it are copied. */
static uint32_t take_some(struct inherit *in, uint32_t items, uint64_t now_ns)
{
    struct candidate some[AHEAD];
    uint32_t parsed = 0, taken = 0;
    bool ended = false;

    do {
        struct candidate *next = &some[parsed % AHEAD];
        ended = ended || parsed == items || !parse_next(in, next);
        if (!ended) {
            prefetch(in, next->hash);
            parsed++;
        }
        if (taken < parsed && (ended || parsed - taken == AHEAD))
            take(in, &some[taken++ % AHEAD], (enum evict_chain)in->list[in->at].chain, now_ns);
    } while (!ended || taken < parsed);
    if (parsed < items) {
        in->at++;
        in->offset = BLOCK_FIRST_ITEM;
    }
    return parsed + 1; /* a block without items is work too */
}

/* ---- one key, before its turn ---- */

/* Whether an item of this key is at `location`, in a block of items; *chain: of which. */
static bool holds_key(const struct inherit *in, uint64_t location, struct bytes key,
                      struct item_view *item, enum evict_chain *chain)
{
    const struct reader *r = &in->old;
    uint64_t block = location >> r->block_shift;

    if (location == 0 || block >= r->block_count)
        return false;
    uint64_t kind = load(&r->table[block].used_kind) & 0xff;
    if (kind < BLOCK_CHAIN || kind >= BLOCK_CHAIN + EVICT_CHAINS ||
        !item_parse(r, location, load_at(r->blocks, location), item) ||
        !bytes_equal(key_of(in, item), key))
        return false;
    *chain = (enum evict_chain)(kind - BLOCK_CHAIN);
    return true;
}

bool inherit_key(struct inherit *in, struct bytes key, uint64_t now_ns)
{
    struct candidate c = {.hash = key_hash(in->old.secret, key)};
    enum evict_chain chain;

    ASSERT(key.size_bytes > 0 && key.size_bytes <= KEY_BYTES_MAX);
    for (int half = 0; half < 2 && in->buckets > 0; half++) {
        const uint64_t *words = old_bucket(in, (uint32_t)(c.hash >> half * 32));
        for (unsigned lane = 0; words && lane < BUCKET_LANES; lane++) {
            uint64_t prints[3] = {load(words), load(words + 1), load(words + 2)};
            c.location = lane_location(location_low(load(words + 3 + lane / 2), lane),
                                       lane_fingerprint(prints, lane), in->old.high_bits);
            if (!holds_key(in, c.location, key, &c.item, &chain))
                continue;
            bool taken = take(in, &c, chain, now_ns);
            in->early += taken;
            return taken;
        }
    }
    return false;
}

bool inherit_some(struct inherit *in, uint32_t items, uint64_t now_ns)
{
    if (!in->spread && in->at < in->count) {
        in->spread = !writer_spread_index(in->w, in->buckets, items);
        return true;
    }
    for (uint32_t looked = 0; looked < items && in->at < in->count;)
        looked += take_some(in, items - looked, now_ns);
    return in->at < in->count;
}
