/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* index.h - the writer's side of the index: find, link, replace, unlink, make room, grow.
 *
 * A key has one entry, in one of its two buckets. Each store below is safe for readers at
 * any instant; the order that makes it so is argued in reader.c. The eviction counter of
 * an entry moves with it and is cleared with it. */
#ifndef ACCORD_CACHE_INDEX_H
#define ACCORD_CACHE_INDEX_H

#include "cache/writer_state.h"

struct place {
    uint32_t bucket;
    uint32_t lane;
};

/* The two buckets of a hash. */
void index_buckets(const struct writer *w, uint64_t hash, uint32_t buckets[2]);
void index_prefetch(const struct writer *w, uint64_t hash); /* with their hints */
void index_prefetch_buckets(const struct writer *w, uint64_t hash);

/* The entry of `key`; false: none. */
bool index_find(const struct writer *w, uint64_t hash, struct bytes key, struct place *at,
                uint64_t *location, struct item_view *item);
/* The entry that names `location`; false: the item there is dead. */
bool index_find_location(const struct writer *w, uint64_t hash, uint64_t location,
                         struct place *at);

/* A free lane in one of the two buckets, after moving other entries if need be; false: none. */
bool index_make_room(struct writer *w, uint64_t hash, struct place *at);
/* Of the entries in the two buckets of `hash`, all full, the one used least. */
struct place index_coldest(const struct writer *w, uint64_t hash);

/* `at` is free; and in a segment that begins, where its hint was never set: what a client has
 * written there meanwhile can cost hit ratio, nothing else. */
void index_link_first(struct writer *w, struct place at, uint64_t hash, uint64_t location);
/* `at` is free. */
void index_link(struct writer *w, struct place at, uint64_t hash, uint64_t location,
                unsigned hits);
/* `at` names another item of the same key. */
void index_replace(struct writer *w, struct place at, uint64_t hash, uint64_t location,
                   unsigned hits);
void index_unlink(struct writer *w, struct place at);

uint64_t index_location(const struct writer *w, struct place at); /* 0: free */
unsigned index_hits(const struct writer *w, struct place at);

/* Whether the index is fuller than it should be, and may grow. */
bool index_wants_bucket(const struct writer *w);
/* Whether the next bucket needs another block first. */
bool index_wants_block(const struct writer *w);
/* Whether it may have one. */
bool index_may_have_block(const struct writer *w);
/* Gives the index a block from the pool. */
void index_add_block(struct writer *w, uint32_t block);
/* Adds one bucket, splitting another. Needs index_wants_block() to be false. */
void index_split(struct writer *w);

#endif
