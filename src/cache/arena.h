/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* arena.h - the blocks: who has which, appending items, emptying a block when memory is short.
 *
 * Invariant: between two public calls at least one block is free, so that emptying a block
 * always has somewhere to copy what stays. */
#ifndef ACCORD_CACHE_ARENA_H
#define ACCORD_CACHE_ARENA_H

#include "cache/encode.h"
#include "cache/writer_state.h"

/* A block's base time lies so far (24.8 days) before the day it was opened, so that copies of
 * old items keep their birth. */
#define BACKDATED_MS_MAX (1ull << 31)

/* The largest item that a block holds. */
size_t arena_item_bytes_max(const struct writer *w);

/* Makes sure that arena_append() of `bytes` to `chain` will find room. True: for that it
 * had to empty blocks, and the places and locations known to the caller are void. */
bool arena_reserve(struct writer *w, enum evict_chain chain, size_t bytes);
/* Writes the item, numbered with `bulk` as of now, and returns its location. It counts as live:
 * link it. */
uint64_t arena_append(struct writer *w, enum evict_chain chain, const struct item_fields *f);
/* The same, by who knows already how it is to be packed. */
uint64_t arena_append_as(struct writer *w, enum evict_chain chain, const struct item_fields *f,
                         const struct encode_form *form);
/* What a copy of a stored item is made of; the pointers are into the arena. A copy is numbered
 * with the bulk of its day, as a fill is: no hard removal since has touched it (the caller
 * checked), and a soft one since is kept as a flag. */
struct item_fields arena_fields(const struct writer *w, const struct item_view *item);
/* The item at `location` is no longer named by the index. */
void arena_died(struct writer *w, uint64_t location, const struct item_view *item);

/* Whether arena_append() has room without emptying anything. */
bool arena_has_room(const struct writer *w, enum evict_chain chain, size_t bytes);
/* The same, and still one block is free afterwards. */
bool arena_has_spare_room(const struct writer *w, enum evict_chain chain, size_t bytes);
/* Whether arena_take_block() has one without emptying anything. */
bool arena_has_spare(const struct writer *w);
/* The oldest time of birth that the base of a block opened today can tell. */
uint64_t arena_birth_ms_min(const struct writer *w);
bool arena_is_open(const struct writer *w, uint32_t block);
/* Gives back a block in which nothing lives. */
void arena_release(struct writer *w, uint32_t block);

/* A block for the index, emptying others if need be; NO_BLOCK: none can be had. */
uint32_t arena_take_block(struct writer *w);

enum evict_chain arena_chain_of(const struct writer *w, uint64_t location);
/* Whether an item there counts in counts.items: it is newer than the last clear. */
bool arena_counts(const struct writer *w, uint64_t location);
/* Closes the open blocks, so that what comes now is not in one block with what was. */
void arena_close_all(struct writer *w);

#endif
