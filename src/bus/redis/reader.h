/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.h - the reading side of the redis bus: attach, read, head. One thread.
 *
 * Two links: on one it asks, on the other it lies in wait (XREAD BLOCK), since a link that
 * waits can carry no question. What XREAD brings is delivered as it comes where its first entry
 * says that it follows the one delivered last, in the epoch that was attached
 * (redis_row_follows()); else it is but a wake-up, and the entries are asked for together with
 * a look at the log that proves them. */
#ifndef ACCORD_BUS_REDIS_READER_H
#define ACCORD_BUS_REDIS_READER_H

#include "bus/redis/shared.h"

struct redis_reader {
    struct redis_shared *shared;
    struct redis_link asks;
    struct redis_link waits;
    uint64_t waits_after;    /* of the XREAD under way */
    uint64_t waits_until_ns; /* its answer comes by then, or never; 0: none is under way */
    int wake;                /* eventfd */
    struct redis_words call;

    /* What was attached, and the entry last delivered: read() goes on only after just that. */
    struct cursor seen;
    bool at_end; /* read() has shown that nothing came after `seen`, or delivered all there was
                  */

    redisReply *held;       /* the bytes of what was delivered */
    const redisReply *rows; /* its entries, and the next of them to be delivered; or NULL */
    size_t next_row;
    struct entry delivered[DELIVER_BATCH_MAX];
};

/* Connects. On failure nothing is held. */
MUST_CHECK int redis_reader_init(struct redis_reader *r, struct redis_shared *shared,
                                 char why[BUS_WHY_BYTES_MAX]);
void redis_reader_done(struct redis_reader *r); /* fine on zeroed memory, and twice */

/* As bus.h says. */
MUST_CHECK int redis_reader_attach(struct redis_reader *r, const struct cursor *resume,
                                   uint64_t view_ms, struct bus_attached *out,
                                   char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int redis_reader_read(struct redis_reader *r, uint64_t after, uint64_t timeout_ms,
                                 const struct entry **entries, size_t *count,
                                 char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int redis_reader_head(struct redis_reader *r, const struct cursor *at,
                                 uint64_t *head, char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int redis_reader_present(struct redis_reader *r, const char *const *names,
                                    size_t count, bool *there, char why[BUS_WHY_BYTES_MAX]);
void redis_reader_wake(struct redis_reader *r); /* any thread */

#endif
