/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* owners.h - which entries of a table belong to this client?
 *
 * A table of entries numbered from 0 (waits, loads) keeps one of these beside it, so that a
 * client's departure costs what the client left, and not a walk over everybody's entries.
 * Clients are numbered one after the other, so their numbers spread over the buckets by
 * themselves; nobody chooses his own.
 *
 * Pure. One owner; not thread-safe. The memory is the caller's, and larger than any index.
 */
#ifndef ACCORD_CORE_OWNERS_H
#define ACCORD_CORE_OWNERS_H

#include "base/base.h"

struct owned {
    uint64_t client;
    uint32_t previous, next; /* in its bucket; index + 1, 0: none */
};

struct owners {
    struct owned *list; /* as many as the table has entries */
    uint32_t *buckets;  /* index + 1 of the first; 0: none */
    uint32_t bucket_count;
    uint64_t looked_at; /* entries, ever: the work done, for tests */
};

void owners_init(struct owners *o, struct owned *list, uint32_t *buckets,
                 uint32_t bucket_count); /* the buckets are zeroed memory */
void owners_add(struct owners *o, uint32_t index, uint64_t client);
void owners_remove(struct owners *o, uint32_t index);
/* Any entry of the client: its index + 1; 0: none. */
uint32_t owners_find(struct owners *o, uint64_t client);

/* How many there are, by walking it all; for tests. */
size_t owners_count(const struct owners *o);

#endif
