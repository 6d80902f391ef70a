/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* change_batch.h - a batch of changes that owns its bytes, to travel between threads.
 *
 * The bytes live in one buffer that grows to what the largest batch needed, at most what its
 * count of changes can hold, and is used again. One owner at a time.
 */
#ifndef ACCORD_NODE_CHANGE_BATCH_H
#define ACCORD_NODE_CHANGE_BATCH_H

#include "bus/bus.h"

struct change_batch {
    size_t count, max;
    struct entry *entries;  /* of copy_entries */
    struct change *changes; /* of copy_changes */
    uint8_t *bytes;
    size_t room;
};

/* Of at most `max` changes. ACCORD_E_NOMEM: *b is as change_batch_done() leaves it. */
MUST_CHECK int change_batch_init(struct change_batch *b, size_t max);
void change_batch_done(struct change_batch *b); /* zeroed is fine */

/* Replace what was there. ACCORD_E_NOMEM with `why`; then the batch is empty. */
MUST_CHECK int change_batch_copy_entries(struct change_batch *b, const struct entry *entries,
                                         size_t count, char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int change_batch_copy_changes(struct change_batch *b, const struct change *changes,
                                         size_t count, char why[BUS_WHY_BYTES_MAX]);
void change_batch_swap(struct change_batch *a, struct change_batch *b);

#endif
