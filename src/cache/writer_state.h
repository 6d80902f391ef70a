/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* writer_state.h - the writer's private memory. Inside src/cache only; readers never see it. */
#ifndef ACCORD_CACHE_WRITER_STATE_H
#define ACCORD_CACHE_WRITER_STATE_H

#include "cache/evict.h"
#include "cache/item.h"

#define NO_BLOCK UINT32_MAX

/* The writer's truth about a block; what it publishes of it is struct block_entry. */
struct block_state {
    uint32_t used_bytes;
    uint32_t live_bytes; /* of items that the index names */
    uint32_t live_items;
    uint32_t older, newer; /* in its chain */
    uint8_t kind;          /* enum block_kind, + chain */
    uint8_t pad[3];
    uint64_t order;
    uint64_t stamp; /* the policy's, when it was opened */
};

struct chain {
    uint32_t oldest, newest; /* the newest may be open */
    uint32_t open;           /* NO_BLOCK: none takes items now */
    uint32_t blocks;
};

struct writer {
    struct reader view; /* of the same segment: constants, and the lookups of item.h */
    struct segment_header *header;
    uint8_t *blocks;
    struct block_entry *table;
    uint64_t *directory;
    uint64_t *slots;
    struct tag_entry *tags;
    struct namespace_entry *namespaces;
    struct lifetime_entry *lifetimes;
    uint32_t *hint_words; /* hostile: any value is a value */

    struct block_state *state;
    uint32_t *free_blocks; /* a stack */
    uint32_t free_count;
    uint32_t evicting; /* the block being emptied: not to be released under the walk */
    struct chain chains[EVICT_CHAINS];
    uint64_t order;       /* of the next block to be opened */
    uint64_t clear_order; /* blocks opened before it hold nothing that counts: cleared */

    /* A bit for each line of 8 `slots` of which one is not 0: 1 KiB, where those are 512. An
     * inherited item asks for one at random. */
    uint64_t slots_moved[SLOTS / 8 / 64];

    uint64_t entries; /* lanes in use */
    uint32_t bucket_count;
    uint32_t index_blocks;
    uint32_t index_blocks_max;

    uint64_t now_ns; /* newest time told to us; never goes back */
    struct evict *evict;
    struct writer_counts counts;
};

static inline uint32_t block_bytes(const struct writer *w)
{
    return 1u << w->view.block_shift;
}

static inline uint32_t block_of(const struct writer *w, uint64_t location)
{
    return (uint32_t)(location >> w->view.block_shift);
}

/* The writer reads its own stores plainly: nobody else writes. */
static inline bool view_item(const struct writer *w, uint64_t location, struct item_view *v)
{
    return item_parse(&w->view, location, load_at(w->blocks, location), v);
}

static inline struct bytes item_key(const struct writer *w, const struct item_view *v)
{
    return bytes_of(w->blocks + v->key_offset, v->key_bytes);
}

static inline struct bytes item_value(const struct writer *w, const struct item_view *v)
{
    return bytes_of(w->blocks + item_value_offset(v), v->value_bytes);
}

static inline uint64_t hash_of_key(const struct writer *w, struct bytes key)
{
    return key_hash(w->view.secret, key);
}

#endif
