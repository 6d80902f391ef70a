/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* deferred.h - what a door asks while the effects of another event are still being carried out.
 *
 * Effects belong to the core until its next step, so that step has to wait; what the door gave
 * is borrowed for the call, so it is copied. One owner, the loop; not thread-safe.
 */
#ifndef ACCORD_NODE_DEFERRED_H
#define ACCORD_NODE_DEFERRED_H

#include "core/core.h"

struct deferred {
    struct deferred *next;
    bool is_gone; /* a client that is gone; else a request */
    uint64_t client_gone;
    struct request request; /* what it points to lies behind this struct */
};

/* A queue, in the order of asking. Zeroed: empty. */
struct deferred_queue {
    struct deferred *first, *last;
};

/* ACCORD_E_NOMEM: nothing was queued. */
MUST_CHECK int deferred_add_request(struct deferred_queue *q, const struct request *r);
MUST_CHECK int deferred_add_gone(struct deferred_queue *q, uint64_t client);
/* The next one, now the caller's, to be freed with free(). NULL: none. */
struct deferred *deferred_take(struct deferred_queue *q);
void deferred_done(struct deferred_queue *q);

#endif
