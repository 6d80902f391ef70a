/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/empty.h"

#include "cache/arena.h"
#include "cache/index.h"
#include "cache/removal.h"

enum { AHEAD = 16 }; /* items whose buckets are prefetched before they are judged */

/* What is done with the items of a block. */
enum mode {
    JUDGE,   /* ask the policy */
    COMPACT, /* keep all that lives: most of the block is dead */
    DROP,    /* keep nothing */
};

struct verdict {
    bool keep;
    enum evict_chain chain;
    unsigned mark;
    unsigned hits;
};

static void drop(struct writer *w, struct place at, uint64_t location,
                 const struct item_view *item)
{
    index_unlink(w, at);
    w->entries--;
    arena_died(w, location, item);
}

static void copy_on(struct writer *w, struct place at, uint64_t hash, uint64_t location,
                    const struct item_view *item, const struct verdict *v)
{
    struct item_fields f = arena_fields(w, item);

    f.mark = v->mark;
    uint64_t copy = arena_append(w, v->chain, &f);
    index_replace(w, at, hash, copy, v->hits);
    arena_died(w, location, item);
    w->counts.copied++;
}

/* The chain that has room: the wanted one, else the other. Both may begin a new block
 * for what stays of one, but only one free block is sure. */
static bool chain_with_room(const struct writer *w, enum evict_chain *chain, uint32_t bytes)
{
    enum evict_chain other = *chain == EVICT_MAIN ? EVICT_SMALL : EVICT_MAIN;

    if (arena_has_room(w, *chain, bytes))
        return true;
    *chain = other;
    return arena_has_room(w, other, bytes);
}

static bool is_worthless(const struct writer *w, const struct item_view *item)
{
    return removal_hard(w, item) || removal_expired(w, item);
}

/* Too old to be told from the base of today's block: one miss in 24.8 days. */
static bool is_too_old(const struct writer *w, const struct item_view *item)
{
    return item->ttl_ms != UINT64_MAX && item->birth_ms < arena_birth_ms_min(w);
}

static struct verdict judge(struct writer *w, enum mode mode, const struct evict_item *item)
{
    struct verdict v = {true, item->chain, item->mark, item->hits};

    if (mode == COMPACT)
        return v;
    v.hits = 0;
    if (mode == DROP) {
        evict_forget(w->evict, item);
        v.keep = false;
    } else {
        v.keep = evict_keep(w->evict, item, &v.chain, &v.mark);
    }
    return v;
}

static void empty_item(struct writer *w, enum mode mode, struct place at, uint64_t hash,
                       uint64_t location, const struct item_view *item)
{
    struct evict_item candidate = {hash, arena_chain_of(w, location), index_hits(w, at),
                                   item->mark};

    if (is_worthless(w, item)) {
        w->counts.expired_dropped++;
        drop(w, at, location, item);
        return;
    }
    struct verdict v = judge(w, mode, &candidate);
    if (v.keep && !is_too_old(w, item) &&
        chain_with_room(w, &v.chain, (uint32_t)(item->end_offset - location))) {
        copy_on(w, at, hash, location, item, &v);
        return;
    }
    w->counts.evicted++;
    drop(w, at, location, item);
}

struct ahead {
    uint64_t location;
    uint64_t hash;
    struct item_view item;
};

static uint64_t look_ahead(struct writer *w, uint64_t location, struct ahead *a)
{
    a->location = location;
    ASSERT(view_item(w, location, &a->item));
    a->hash = hash_of_key(w, item_key(w, &a->item));
    index_prefetch(w, a->hash);
    return a->item.end_offset;
}

/* Walks the block in order, the index some items behind. */
static void walk(struct writer *w, uint32_t block, enum mode mode)
{
    uint64_t base = (uint64_t)block << w->view.block_shift;
    uint64_t begun = 0, done = 0, next = base + BLOCK_FIRST_ITEM;
    uint64_t end = base + w->state[block].used_bytes;
    struct ahead ring[AHEAD];

    while (w->state[block].live_items > 0) {
        while (next < end && begun - done < AHEAD)
            next = look_ahead(w, next, &ring[begun++ % AHEAD]);
        ASSERT(done < begun);
        const struct ahead *a = &ring[done++ % AHEAD];
        struct place at;
        if (index_find_location(w, a->hash, a->location, &at))
            empty_item(w, mode, at, a->hash, a->location, &a->item);
    }
}

static void empty_block(struct writer *w, uint32_t block, enum mode mode)
{
    enum evict_chain chain = (enum evict_chain)(w->state[block].kind - BLOCK_CHAIN);

    if (w->chains[chain].open == block)
        w->chains[chain].open = NO_BLOCK;
    w->evicting = block;
    walk(w, block, mode);
    w->evicting = NO_BLOCK;
    arena_release(w, block);
}

/* The closed block with the fewest live bytes, if at least half of it is dead: copying the rest
 * together costs less than it gains, and throws nothing away. */
static uint32_t deadest(const struct writer *w)
{
    uint32_t best = NO_BLOCK, least = block_bytes(w) / 2;

    for (uint32_t block = 0; block < w->view.block_count; block++)
        if (w->state[block].kind >= BLOCK_CHAIN && w->state[block].live_bytes <= least &&
            !arena_is_open(w, block)) {
            least = w->state[block].live_bytes;
            best = block;
        }
    return best;
}

/* A block from before the last clear: nothing in it lives, whatever the counts say. */
static uint32_t cleared(const struct writer *w)
{
    for (int chain = 0; chain < EVICT_CHAINS; chain++) {
        uint32_t block = w->chains[chain].oldest;
        if (block != NO_BLOCK && w->state[block].order < w->clear_order)
            return block;
    }
    return NO_BLOCK;
}

static struct evict_need need_of(const struct writer *w, unsigned round)
{
    struct evict_need need = {.blocks_max = w->view.block_count - w->index_blocks,
                              .items = w->entries,
                              .round = round};

    for (int chain = 0; chain < EVICT_CHAINS; chain++)
        need.blocks[chain] = w->chains[chain].blocks;
    return need;
}

void empty_one(struct writer *w, unsigned round, bool force)
{
    uint32_t block = cleared(w);

    if (block == NO_BLOCK)
        block = deadest(w);
    if (block != NO_BLOCK && !force) {
        empty_block(w, block, COMPACT);
        return;
    }
    struct evict_need need = need_of(w, round);
    enum evict_chain chain = evict_victim(w->evict, &need);
    block = w->chains[chain].oldest;
    ASSERT(block != NO_BLOCK);
    evict_begin(w->evict, &need, chain, w->state[block].stamp);
    empty_block(w, block, force ? DROP : JUDGE);
}
