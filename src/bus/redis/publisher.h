/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* publisher.h - the writing side of the redis bus, on a link of its own. One thread. */
#ifndef ACCORD_BUS_REDIS_PUBLISHER_H
#define ACCORD_BUS_REDIS_PUBLISHER_H

#include "bus/redis/shared.h"

struct redis_publisher {
    struct redis_shared *shared;
    struct redis_link link;
    struct redis_words call;
    uint8_t *ids;          /* messages as bytes, of one call */
    uint64_t prune_due_ns; /* the next step, at the earliest */
    uint64_t published;    /* changes since the last step */
    bool pruning;          /* its reply is still to come */
};

MUST_CHECK int redis_publisher_init(struct redis_publisher *p, struct redis_shared *shared,
                                    char why[BUS_WHY_BYTES_MAX]);
void redis_publisher_done(struct redis_publisher *p); /* fine on zeroed memory, and twice */

/* As bus.h says; to the log that the mark names. */
MUST_CHECK int redis_publisher_publish(struct redis_publisher *p, const struct change *changes,
                                       size_t count, struct position *last,
                                       char why[BUS_WHY_BYTES_MAX]);

#endif
