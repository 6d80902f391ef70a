/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/index.h"

enum {
    /* Entries per 1000 lanes from which the index grows, and buckets looked into before
     * giving up on making room. Simulated (10 lanes, 4 M keys, linear hashing): at 870 with 16
     * no insert fails while growing and the load stays there; with 4 buckets every
     * twentieth fails, each costing a split, and the load falls to 780. Above 900 inserts
     * move entries more often than not. */
    LOAD_PERMILLE = 870,
    VISITED_MAX = 16,
    VISITED_FULL = 2, /* where the index cannot grow: cheaper to drop the coldest */
    QUEUE_MAX = 2 + VISITED_MAX * BUCKET_LANES,
};

static struct bucket *bucket_of(const struct writer *w, uint32_t index)
{
    uint64_t block = w->directory[index >> w->view.bucket_shift];

    return (struct bucket *)(void *)(w->blocks + (block << w->view.block_shift)) +
           (index & ((1u << w->view.bucket_shift) - 1));
}

void index_buckets(const struct writer *w, uint64_t hash, uint32_t buckets[2])
{
    buckets[0] = bucket_index((uint32_t)hash, w->bucket_count);
    buckets[1] = bucket_index((uint32_t)(hash >> 32), w->bucket_count);
}

void index_prefetch_buckets(const struct writer *w, uint64_t hash)
{
    uint32_t buckets[2];

    index_buckets(w, hash, buckets);
    __builtin_prefetch(bucket_of(w, buckets[0]));
    __builtin_prefetch(bucket_of(w, buckets[1]));
}

void index_prefetch(const struct writer *w, uint64_t hash)
{
    uint32_t buckets[2];

    index_buckets(w, hash, buckets);
    index_prefetch_buckets(w, hash);
    __builtin_prefetch(w->hint_words + buckets[0]);
    __builtin_prefetch(w->hint_words + buckets[1]);
}

static uint64_t lane_of(const struct writer *w, const struct bucket *b, unsigned lane)
{
    uint32_t low = location_low(b->word[3 + lane / 2], lane);

    return low ? lane_location(low, lane_fingerprint(b->word, lane), w->view.high_bits) : 0;
}

uint64_t index_location(const struct writer *w, struct place at)
{
    return lane_of(w, bucket_of(w, at.bucket), at.lane);
}

unsigned index_hits(const struct writer *w, struct place at)
{
    return __atomic_load_n(w->hint_words + at.bucket, __ATOMIC_RELAXED) >> at.lane * 2 &
           HINT_MAX;
}

static void set_hits(struct writer *w, struct place at, unsigned hits)
{
    uint32_t *word = w->hint_words + at.bucket;
    uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
    uint32_t changed = (value & ~((uint32_t)HINT_MAX << at.lane * 2)) | hits << at.lane * 2;

    if (changed != value)
        __atomic_store_n(word, changed, __ATOMIC_RELAXED);
}

bool index_find(const struct writer *w, uint64_t hash, struct bytes key, struct place *at,
                uint64_t *location, struct item_view *item)
{
    uint32_t buckets[2], mask = w->view.fingerprint_mask;

    index_buckets(w, hash, buckets);
    for (int i = 0; i < 2; i++) {
        const struct bucket *b = bucket_of(w, buckets[i]);
        uint32_t match = bucket_match(b->word[0], b->word[1], b->word[2],
                                      hash_fingerprint(hash) & mask, mask);
        for (; match; match &= match - 1) {
            unsigned lane = lane_of_bit((unsigned)__builtin_ctz(match));
            *location = lane_of(w, b, lane);
            if (*location == 0)
                continue;
            ASSERT(view_item(w, *location, item));
            if (!bytes_equal(item_key(w, item), key))
                continue;
            *at = (struct place){buckets[i], lane};
            return true;
        }
    }
    return false;
}

bool index_find_location(const struct writer *w, uint64_t hash, uint64_t location,
                         struct place *at)
{
    uint32_t buckets[2];

    index_buckets(w, hash, buckets);
    for (int i = 0; i < 2; i++) {
        const struct bucket *b = bucket_of(w, buckets[i]);
        for (unsigned lane = 0; lane < BUCKET_LANES; lane++) {
            uint32_t low = location_low(b->word[3 + lane / 2], lane);
            if (low == (uint32_t)location && lane_of(w, b, lane) == location) {
                *at = (struct place){buckets[i], lane};
                return true;
            }
        }
    }
    return false;
}

/* ---- the only stores to a bucket ---- */

static void bump(struct bucket *b)
{
    uint64_t w0 = b->word[0];

    store(&b->word[0], (w0 & ~0xffffffffull) | (uint32_t)(w0 + 1));
}

static void set_fingerprint(struct bucket *b, unsigned lane, uint32_t lane_bits)
{
    unsigned shift = (lane + 2) % 4 * 16;
    uint64_t *word = &b->word[(lane + 2) / 4];

    store(word, (*word & ~(0xffffull << shift)) | (uint64_t)lane_bits << shift);
}

static void set_low(struct bucket *b, unsigned lane, uint32_t low)
{
    unsigned shift = (lane & 1) * 32;
    uint64_t *word = &b->word[3 + lane / 2];

    store(word, (*word & ~(0xffffffffull << shift)) | (uint64_t)low << shift);
}

static uint32_t lane_bits(const struct writer *w, uint64_t hash, uint64_t location)
{
    return (hash_fingerprint(hash) & w->view.fingerprint_mask) |
           (uint32_t)(location >> LOCATION_BITS) << (16 - w->view.high_bits);
}

/* Fingerprint, sequence, location: whoever sees the location and the same sequence before and
 * after has the fingerprint that belongs to it. */
static void link_words(struct writer *w, struct place at, uint32_t bits, uint32_t low)
{
    struct bucket *b = bucket_of(w, at.bucket);

    set_fingerprint(b, at.lane, bits);
    bump(b);
    set_low(b, at.lane, low);
}

static void link_raw(struct writer *w, struct place at, uint32_t bits, uint32_t low,
                     unsigned hits)
{
    set_hits(w, at, hits);
    link_words(w, at, bits, low);
}

void index_unlink(struct writer *w, struct place at)
{
    struct bucket *b = bucket_of(w, at.bucket);

    set_low(b, at.lane, 0);
    bump(b);
    set_hits(w, at, 0);
}

void index_link(struct writer *w, struct place at, uint64_t hash, uint64_t location,
                unsigned hits)
{
    ASSERT(index_location(w, at) == 0);
    link_raw(w, at, lane_bits(w, hash, location), (uint32_t)location, hits);
}

void index_link_first(struct writer *w, struct place at, uint64_t hash, uint64_t location)
{
    ASSERT(index_location(w, at) == 0);
    link_words(w, at, lane_bits(w, hash, location), (uint32_t)location);
}

/* With the same lane bits (always below 4 GiB) a reader finds the old item or the new one,
 * never none; else there is an instant of a miss, which is allowed. */
void index_replace(struct writer *w, struct place at, uint64_t hash, uint64_t location,
                   unsigned hits)
{
    struct bucket *b = bucket_of(w, at.bucket);
    uint32_t bits = lane_bits(w, hash, location);

    if (lane_fingerprint(b->word, at.lane) == bits) {
        set_low(b, at.lane, (uint32_t)location);
        bump(b);
        set_hits(w, at, hits);
        return;
    }
    index_unlink(w, at);
    link_raw(w, at, bits, (uint32_t)location, hits);
}

/* Moves an entry into a lane that is free, or whose own entry has been copied elsewhere. */
static void move_entry(struct writer *w, struct place from, struct place to)
{
    const struct bucket *b = bucket_of(w, from.bucket);
    uint32_t bits = lane_fingerprint(b->word, from.lane);
    uint32_t low = location_low(b->word[3 + from.lane / 2], from.lane);
    unsigned hits = index_hits(w, from);

    if (index_location(w, to) != 0)
        index_unlink(w, to);
    link_raw(w, to, bits, low, hits);
}

/* ---- making room ---- */

static bool can_grow(const struct writer *w)
{
    return w->bucket_count < (uint64_t)w->index_blocks_max << w->view.bucket_shift;
}

/* How many of ten bits are set. */
static unsigned count_bits(uint32_t lanes)
{
    lanes = (lanes & 0x155) + (lanes >> 1 & 0x155);
    lanes = (lanes & 0x333) + (lanes >> 2 & 0x333);
    return (lanes + (lanes >> 4) + (lanes >> 8)) & 15;
}

struct step {
    uint32_t bucket;
    int parent;    /* index in the queue; -1: one of the key's own two buckets */
    unsigned lane; /* of the parent, whose entry would move to `bucket` */
};

struct search {
    struct step queue[QUEUE_MAX];
    int count;
};

static void enqueue(struct search *s, uint32_t bucket, int parent, unsigned lane)
{
    for (int i = 0; i < s->count; i++)
        if (s->queue[i].bucket == bucket)
            return;
    ASSERT(s->count < QUEUE_MAX);
    s->queue[s->count++] = (struct step){bucket, parent, lane};
}

static void prefetch_items(const struct writer *w, uint32_t bucket)
{
    const struct bucket *b = bucket_of(w, bucket);

    for (unsigned lane = 0; lane < BUCKET_LANES; lane++)
        __builtin_prefetch(w->blocks + lane_of(w, b, lane));
}

static uint64_t hash_at(const struct writer *w, uint64_t location)
{
    struct item_view item;

    ASSERT(view_item(w, location, &item));
    return hash_of_key(w, item_key(w, &item));
}

/* The chain of moves that ends in `last`, the free lane: from the end back, so that each entry
 * is in its new lane before it leaves the old one. Returns the lane that became free. */
static struct place unwind(struct writer *w, const struct search *s, int at, unsigned lane,
                           struct place last)
{
    for (;;) {
        struct place from = {s->queue[at].bucket, lane};
        move_entry(w, from, last);
        last = from;
        if (s->queue[at].parent < 0)
            break;
        lane = s->queue[at].lane;
        at = s->queue[at].parent;
    }
    index_unlink(w, last);
    return last;
}

/* Breadth first: the fewest moves. */
static bool displace(struct writer *w, const uint32_t buckets[2], struct place *out)
{
    int most = can_grow(w) ? VISITED_MAX : VISITED_FULL;
    struct search s;

    s.count = 0;
    enqueue(&s, buckets[0], -1, 0);
    enqueue(&s, buckets[1], -1, 0);
    for (int i = 0; i < s.count && i < most; i++) {
        uint32_t bucket = s.queue[i].bucket;
        const struct bucket *b = bucket_of(w, bucket);
        prefetch_items(w, bucket);
        for (unsigned from = 0; from < BUCKET_LANES; from++) {
            uint32_t pair[2];
            index_buckets(w, hash_at(w, lane_of(w, b, from)), pair);
            uint32_t other = pair[0] == bucket ? pair[1] : pair[0];
            if (other == bucket)
                continue;
            uint32_t lanes = bucket_free(bucket_of(w, other)->word);
            if (lanes) {
                struct place last = {other, (unsigned)__builtin_ctz(lanes)};
                *out = unwind(w, &s, i, from, last);
                return true;
            }
            enqueue(&s, other, i, from);
        }
    }
    return false;
}

bool index_make_room(struct writer *w, uint64_t hash, struct place *at)
{
    uint32_t buckets[2];

    index_buckets(w, hash, buckets);
    uint32_t free0 = bucket_free(bucket_of(w, buckets[0])->word);
    uint32_t free1 = bucket_free(bucket_of(w, buckets[1])->word);
    if ((free0 | free1) == 0)
        return displace(w, buckets, at);
    if (count_bits(free1) > count_bits(free0))
        *at = (struct place){buckets[1], (unsigned)__builtin_ctz(free1)};
    else
        *at = (struct place){buckets[0], (unsigned)__builtin_ctz(free0)};
    return true;
}

struct place index_coldest(const struct writer *w, uint64_t hash)
{
    struct place coldest = {0, 0};
    unsigned least = HINT_MAX + 1;
    uint32_t buckets[2];

    index_buckets(w, hash, buckets);
    for (int i = 0; i < 2; i++)
        for (unsigned lane = 0; lane < BUCKET_LANES; lane++) {
            struct place at = {buckets[i], lane};
            unsigned hits = index_hits(w, at);
            ASSERT(index_location(w, at) != 0);
            if (hits < least) {
                least = hits;
                coldest = at;
            }
        }
    ASSERT(least <= HINT_MAX);
    return coldest;
}

/* ---- growth ---- */

bool index_wants_bucket(const struct writer *w)
{
    uint64_t lanes = (uint64_t)w->bucket_count * BUCKET_LANES;

    return w->entries * 1000 > lanes * LOAD_PERMILLE && can_grow(w);
}

bool index_wants_block(const struct writer *w)
{
    return w->bucket_count == w->index_blocks << w->view.bucket_shift;
}

bool index_may_have_block(const struct writer *w)
{
    return w->index_blocks < w->index_blocks_max;
}

void index_add_block(struct writer *w, uint32_t block)
{
    uint64_t *words =
        (uint64_t *)(void *)(w->blocks + ((uint64_t)block << w->view.block_shift));

    ASSERT(w->index_blocks < w->index_blocks_max);
    for (uint32_t i = 0; i < block_bytes(w) / 8; i++)
        store(words + i,
              0); /* a late reader may still be looking at the items that were here */
    store(&w->directory[w->index_blocks], block);
    w->index_blocks++;
}

/* Copies the entries of `from` that belong to the new bucket; returns their lanes. */
static uint32_t copy_split(struct writer *w, uint32_t from, uint32_t to)
{
    const struct bucket *b = bucket_of(w, from);
    uint32_t moved = 0;
    unsigned next = 0;

    prefetch_items(w, from);
    for (unsigned lane = 0; lane < BUCKET_LANES; lane++) {
        uint64_t location = lane_of(w, b, lane);
        if (location == 0)
            continue;
        uint64_t hash = hash_at(w, location);
        uint32_t first = bucket_index((uint32_t)hash, to + 1);
        uint32_t second = bucket_index((uint32_t)(hash >> 32), to + 1);
        if (first == from || second == from)
            continue;
        ASSERT(first == to || second == to);
        move_entry(w, (struct place){from, lane}, (struct place){to, next++});
        moved |= 1u << lane;
    }
    return moved;
}

void index_split(struct writer *w)
{
    ASSERT(!index_wants_block(w));
    uint32_t to = w->bucket_count;
    uint32_t from = to - (0x80000000u >> __builtin_clz(to));
    uint32_t moved = copy_split(w, from, to);

    w->bucket_count = to + 1;
    store(&w->header->bucket_count, w->bucket_count);
    for (unsigned lane = 0; lane < BUCKET_LANES; lane++)
        if (moved >> lane & 1)
            index_unlink(w, (struct place){from, lane});
}
