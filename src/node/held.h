/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* held.h - replies that wait until changes are on disk: copies, in the order of their tickets.
 *
 * Each is for a client's request, so there are no more than requests that wait for an answer.
 */
#ifndef ACCORD_NODE_HELD_H
#define ACCORD_NODE_HELD_H

#include "core/core.h"

struct held {
    struct held *next;
    uint64_t first, last; /* the tickets of what must be on disk before */
    struct reply reply;   /* its bytes follow */
};

struct held_queue { /* zeroed is empty */
    struct held *first, *last;
};

/* `last` never goes back. ACCORD_E_NOMEM: the queue is as it was. */
MUST_CHECK int held_add(struct held_queue *q, const struct reply *reply, uint64_t first,
                        uint64_t last);
/* The oldest whose tickets are all done, up to `ticket`, or NULL; free() it. */
struct held *held_take(struct held_queue *q, uint64_t ticket);
void held_done(struct held_queue *q);

#endif
