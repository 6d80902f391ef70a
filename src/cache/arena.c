/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/arena.h"

#include "cache/empty.h"
#include "cache/removal.h"

enum {
    RESERVED_BLOCKS = 1, /* free between calls; see arena.h */
    EMPTIED_MAX = 16,    /* blocks emptied for one request before the next is dropped whole */
};

size_t arena_item_bytes_max(const struct writer *w)
{
    return block_bytes(w) - BLOCK_FIRST_ITEM;
}

/* ---- blocks and chains ---- */

static void publish(struct writer *w, uint32_t block)
{
    const struct block_state *b = &w->state[block];

    store(&w->table[block].used_kind, (uint64_t)b->used_bytes << 8 | b->kind);
}

static void chain_push(struct writer *w, enum evict_chain which, uint32_t block)
{
    struct chain *c = &w->chains[which];

    w->state[block].older = c->newest;
    w->state[block].newer = NO_BLOCK;
    if (c->newest != NO_BLOCK)
        w->state[c->newest].newer = block;
    else
        c->oldest = block;
    c->newest = block;
    c->blocks++;
}

static void chain_remove(struct writer *w, uint32_t block)
{
    const struct block_state *b = &w->state[block];
    struct chain *c = &w->chains[b->kind - BLOCK_CHAIN];

    if (b->older != NO_BLOCK)
        w->state[b->older].newer = b->newer;
    else
        c->oldest = b->newer;
    if (b->newer != NO_BLOCK)
        w->state[b->newer].older = b->older;
    else
        c->newest = b->older;
    if (c->open == block)
        c->open = NO_BLOCK;
    c->blocks--;
}

void arena_release(struct writer *w, uint32_t block)
{
    ASSERT(w->state[block].live_items == 0);
    ASSERT(w->state[block].live_bytes == 0);
    chain_remove(w, block);
    w->state[block] = (struct block_state){.kind = BLOCK_FREE};
    publish(w, block);
    w->free_blocks[w->free_count++] = block;
}

bool arena_is_open(const struct writer *w, uint32_t block)
{
    return w->chains[w->state[block].kind - BLOCK_CHAIN].open == block;
}

static void release_if_dead(struct writer *w, uint32_t block)
{
    if (w->state[block].live_items == 0 && block != w->evicting && !arena_is_open(w, block))
        arena_release(w, block);
}

static void close_chain(struct writer *w, enum evict_chain chain)
{
    uint32_t block = w->chains[chain].open;

    w->chains[chain].open = NO_BLOCK;
    if (block != NO_BLOCK)
        release_if_dead(w, block);
}

void arena_close_all(struct writer *w)
{
    for (int chain = 0; chain < EVICT_CHAINS; chain++)
        close_chain(w, (enum evict_chain)chain);
}

/* How long before now an item may have been born, at most. */
uint64_t arena_birth_ms_min(const struct writer *w)
{
    return u64_sub_sat(w->now_ns / NS_PER_MS, BACKDATED_MS_MAX);
}

/* The base lies 24.8 days before now, so that copies of old items keep their birth, and 24.8
 * days are left for new ones. */
static void open_block(struct writer *w, enum evict_chain chain)
{
    ASSERT(w->free_count > 0);
    uint32_t block = w->free_blocks[--w->free_count];
    struct block_state *b = &w->state[block];

    *b = (struct block_state){.used_bytes = BLOCK_FIRST_ITEM,
                              .kind = (uint8_t)(BLOCK_CHAIN + chain),
                              .order = w->order++,
                              .stamp = evict_stamp(w->evict)};
    store(&w->table[block].base_bulk, w->header->bulk);
    store(&w->table[block].base_ms, arena_birth_ms_min(w));
    store(&w->table[block].order, b->order);
    publish(w, block);
    chain_push(w, chain, block);
    w->chains[chain].open = block;
}

static bool open_has_room(const struct writer *w, enum evict_chain chain, size_t bytes)
{
    uint32_t block = w->chains[chain].open;

    return block != NO_BLOCK && block_bytes(w) - w->state[block].used_bytes >= bytes &&
           w->header->bulk - w->table[block].base_bulk <= ITEM_BULK_MAX &&
           w->now_ns / NS_PER_MS - w->table[block].base_ms <= UINT32_MAX;
}

bool arena_has_room(const struct writer *w, enum evict_chain chain, size_t bytes)
{
    return w->free_count > 0 || open_has_room(w, chain, bytes);
}

bool arena_has_spare(const struct writer *w)
{
    return w->free_count > RESERVED_BLOCKS;
}

bool arena_has_spare_room(const struct writer *w, enum evict_chain chain, size_t bytes)
{
    return arena_has_spare(w) || open_has_room(w, chain, bytes);
}

enum evict_chain arena_chain_of(const struct writer *w, uint64_t location)
{
    return (enum evict_chain)(w->state[block_of(w, location)].kind - BLOCK_CHAIN);
}

bool arena_counts(const struct writer *w, uint64_t location)
{
    return w->state[block_of(w, location)].order >= w->clear_order;
}

/* ---- items ---- */

uint64_t arena_append(struct writer *w, enum evict_chain chain, const struct item_fields *f)
{
    struct encode_form form = encode_form_of(w, f);

    return arena_append_as(w, chain, f, &form);
}

uint64_t arena_append_as(struct writer *w, enum evict_chain chain, const struct item_fields *f,
                         const struct encode_form *form)
{
    uint32_t bytes = (uint32_t)form->bytes;

    if (!open_has_room(w, chain, bytes)) {
        close_chain(w, chain);
        open_block(w, chain);
    }
    uint32_t block = w->chains[chain].open;
    struct block_state *b = &w->state[block];
    const struct block_entry *e = &w->table[block];
    ASSERT(b->used_bytes + bytes <= block_bytes(w));
    /* What never expires may be a copy of something older: then its age is told too low. */
    ASSERT(f->birth_ms >= e->base_ms || f->ttl_ms == UINT64_MAX);
    uint64_t location = ((uint64_t)block << w->view.block_shift) + b->used_bytes;
    encode_item(w, location, f, form, w->header->bulk - e->base_bulk,
                u64_sub_sat(f->birth_ms, e->base_ms));
    b->used_bytes += bytes;
    b->live_bytes += bytes;
    b->live_items++;
    publish(w, block);
    w->counts.items++;
    w->counts.item_bytes += f->key.size_bytes + f->value.size_bytes;
    return location;
}

void arena_died(struct writer *w, uint64_t location, const struct item_view *item)
{
    uint32_t block = block_of(w, location);
    struct block_state *b = &w->state[block];
    uint32_t bytes = (uint32_t)(item->end_offset - location);

    ASSERT(b->live_items > 0);
    ASSERT(b->live_bytes >= bytes);
    if (arena_counts(w, location)) {
        w->counts.items--;
        w->counts.item_bytes -= (uint64_t)item->key_bytes + item->value_bytes;
    }
    b->live_bytes -= bytes;
    b->live_items--;
    release_if_dead(w, block);
}

struct item_fields arena_fields(const struct writer *w, const struct item_view *item)
{
    struct item_fields f = {.key = item_key(w, item),
                            .value = item_value(w, item),
                            .flags = item->flags & ITEM_PUBLIC_FLAGS,
                            .tag_count = item->tag_count,
                            .mark = item->mark,
                            .birth_ms = item->birth_ms,
                            .ttl_ms = item->ttl_ms,
                            .grace_ms = item->grace_ms,
                            .version = item->version};

    for (uint32_t i = 0; i < item->tag_count; i++)
        f.tags[i] = item_tag(&w->view, item, i);
    if (removal_soft(w, item))
        f.flags |= ITEM_SOFT;
    return f;
}

/* ---- making room ---- */

bool arena_reserve(struct writer *w, enum evict_chain chain, size_t bytes)
{
    ASSERT(bytes <= arena_item_bytes_max(w));
    unsigned emptied = 0;
    for (; !open_has_room(w, chain, bytes) && w->free_count <= RESERVED_BLOCKS; emptied++)
        empty_one(w, emptied, /* force= */ emptied >= EMPTIED_MAX);
    return emptied > 0;
}

uint32_t arena_take_block(struct writer *w)
{
    for (unsigned i = 0; w->free_count <= RESERVED_BLOCKS; i++)
        empty_one(w, i, /* force= */ i >= EMPTIED_MAX);
    uint32_t block = w->free_blocks[--w->free_count];
    w->state[block] = (struct block_state){.kind = BLOCK_INDEX};
    publish(w, block);
    return block;
}
