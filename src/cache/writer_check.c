/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Walks everything. For tests and the simulator: it takes as long as the segment is large. */
#include "cache/index.h"
#include "cache/writer_state.h"

struct walked {
    uint64_t entries, items, item_bytes;
};

static bool counts_item(const struct writer *w, uint64_t location)
{
    return w->state[block_of(w, location)].order >= w->clear_order;
}

static void check_entry(const struct writer *w, struct place at, struct walked *sum)
{
    uint64_t location = index_location(w, at), found_location;
    struct item_view item, found_item;
    struct place found;

    if (location == 0)
        return;
    ASSERT(location < w->view.arena_bytes);
    ASSERT(view_item(w, location, &item));
    const struct block_state *block = &w->state[block_of(w, location)];
    ASSERT(block->kind >= BLOCK_CHAIN);
    ASSERT((item.end_offset - 1) % block_bytes(w) < block->used_bytes);
    /* The key maps here, and only here: the first entry of this key is this entry. */
    uint64_t hash = hash_of_key(w, item_key(w, &item));
    ASSERT(index_find(w, hash, item_key(w, &item), &found, &found_location, &found_item));
    ASSERT(found.bucket == at.bucket);
    ASSERT(found.lane == at.lane);
    sum->entries++;
    if (counts_item(w, location)) {
        sum->items++;
        sum->item_bytes += (uint64_t)item.key_bytes + item.value_bytes;
    }
}

static void check_index(const struct writer *w)
{
    struct walked sum = {0};

    ASSERT(w->bucket_count <= w->index_blocks << w->view.bucket_shift);
    ASSERT(w->bucket_count == w->header->bucket_count);
    ASSERT(w->index_blocks <= w->index_blocks_max);
    for (uint32_t i = 0; i < w->index_blocks; i++)
        ASSERT(w->state[w->directory[i]].kind == BLOCK_INDEX);
    for (uint32_t bucket = 0; bucket < w->bucket_count; bucket++)
        for (unsigned lane = 0; lane < BUCKET_LANES; lane++)
            check_entry(w, (struct place){bucket, lane}, &sum);
    ASSERT(sum.entries == w->entries);
    ASSERT(sum.items == w->counts.items);
    ASSERT(sum.item_bytes == w->counts.item_bytes);
}

/* The items of a block follow each other without a gap, and as many as it says are alive. */
static void check_block(const struct writer *w, uint32_t block)
{
    const struct block_state *b = &w->state[block];
    uint64_t base = (uint64_t)block << w->view.block_shift, at = base + BLOCK_FIRST_ITEM;
    uint32_t live_items = 0, live_bytes = 0;

    ASSERT(w->table[block].used_kind == ((uint64_t)b->used_bytes << 8 | b->kind));
    ASSERT(b->used_bytes <= block_bytes(w));
    while (at < base + b->used_bytes) {
        struct item_view item;
        struct place place;
        ASSERT(view_item(w, at, &item));
        if (index_find_location(w, hash_of_key(w, item_key(w, &item)), at, &place)) {
            live_items++;
            live_bytes += (uint32_t)(item.end_offset - at);
        }
        at = item.end_offset;
    }
    ASSERT(at == base + b->used_bytes);
    ASSERT(live_items == b->live_items);
    ASSERT(live_bytes == b->live_bytes);
}

static uint32_t check_chain(const struct writer *w, int which)
{
    const struct chain *c = &w->chains[which];
    uint32_t blocks = 0, older = NO_BLOCK;

    for (uint32_t block = c->oldest; block != NO_BLOCK; block = w->state[block].newer) {
        ASSERT(w->state[block].kind == BLOCK_CHAIN + which);
        ASSERT(w->state[block].older == older);
        ASSERT(older == NO_BLOCK || w->state[older].order < w->state[block].order);
        check_block(w, block);
        older = block;
        blocks++;
    }
    ASSERT(c->newest == older);
    ASSERT(c->open == NO_BLOCK || c->open == c->newest);
    ASSERT(blocks == c->blocks);
    return blocks;
}

static void check_slots(const struct writer *w)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (w->slots[slot] != 0)
            ASSERT(w->slots_moved[slot / 512] >> slot / 8 % 64 & 1);
}

void writer_check(const struct writer *w)
{
    uint32_t blocks = w->free_count + w->index_blocks;

    check_index(w);
    check_slots(w);
    for (int chain = 0; chain < EVICT_CHAINS; chain++)
        blocks += check_chain(w, chain);
    ASSERT(blocks == w->view.block_count);
    ASSERT(w->free_count >= 1);
    for (uint32_t i = 0; i < w->free_count; i++)
        ASSERT(w->state[w->free_blocks[i]].kind == BLOCK_FREE);
    ASSERT(w->evicting == NO_BLOCK);
}
