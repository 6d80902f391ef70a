/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* evict.h - which items stay: the policy, apart from the blocks and the index.
 *
 * Items live in two chains of blocks, in order of arrival. To free memory the writer asks which
 * chain gives up its oldest block, then walks that block and asks of each live item: copy it
 * on (to which chain?), or drop it? The policy sees hashes and the two-bit counters that
 * readers bump (hostile, lossy), keeps a mark of 7 bits in each item, and remembers what it
 * dropped in a table of fingerprints.
 *
 * Pure. Memory comes from the caller. */
#ifndef ACCORD_CACHE_EVICT_H
#define ACCORD_CACHE_EVICT_H

#include "base/base.h"

enum evict_chain { EVICT_SMALL, EVICT_MAIN, EVICT_CHAINS };
enum { EVICT_MARK_BITS = 7 };

struct evict; /* lives in evict_bytes() of memory, zeroed, 64-byte aligned */

size_t evict_bytes(size_t memory_bytes);
void evict_init(struct evict *e, size_t memory_bytes);

/* The chain and the mark for a key that is not here. Counts a ghost hit in *ghost_hits. */
enum evict_chain evict_admit(struct evict *e, uint64_t hash, unsigned *mark,
                             uint64_t *ghost_hits);

/* What a block is to be stamped with when it is opened. */
uint64_t evict_stamp(const struct evict *e);

/* A block is to be emptied. How many blocks each chain has, how many items there are in all,
 * and how many blocks were emptied already for the same request: the more, the less is kept. */
struct evict_need {
    uint32_t blocks[EVICT_CHAINS]; /* not both 0 */
    uint32_t blocks_max;           /* that items could have */
    uint64_t items;
    unsigned round;
};
/* The chain that gives up its oldest block. */
enum evict_chain evict_victim(const struct evict *e, const struct evict_need *need);
/* It is that block, stamped `stamp`; evict_keep() follows for each of its items. */
void evict_begin(struct evict *e, const struct evict_need *need, enum evict_chain chain,
                 uint64_t stamp);

struct evict_item {
    uint64_t hash;
    enum evict_chain chain;
    unsigned hits; /* 0..3 */
    unsigned mark;
};
/* True: copy it to *chain with a counter of 0 and *mark. False: drop it. */
bool evict_keep(struct evict *e, const struct evict_item *item, enum evict_chain *chain,
                unsigned *mark);

/* A key was removed, or dropped for reasons that are none of the policy's: if it comes back, it
 * is no newcomer, and its coming back proves nothing. */
void evict_forget(struct evict *e, const struct evict_item *item);

#endif
