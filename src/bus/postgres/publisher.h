/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* publisher.h - the publishing side: one statement a batch, then a wake-up; and pruning.
 *
 * The statement takes the bus's lock, appends and commits in one round trip: a node that stops
 * in the middle of anything holds no lock. The wake-up is a transaction of its own behind it,
 * since NOTIFY would hold a lock of the whole server through the flush to disk. Not
 * thread-safe.
 */
#ifndef ACCORD_BUS_POSTGRES_PUBLISHER_H
#define ACCORD_BUS_POSTGRES_PUBLISHER_H

#include "bus/postgres/reader.h"

struct pg_publisher {
    struct pg_link link;
    const struct bus_settings *settings;
    struct pg_shared *shared;
    uint64_t published,
        prune_due_ns; /* since the log was last pruned; when next at the latest */
    char notify[16 + PG_SCHEMA_NAME_BYTES_MAX];
};

void pg_publisher_init(struct pg_publisher *p, const struct pg_place *place,
                       const struct bus_settings *settings, struct pg_shared *shared);
void pg_publisher_done(struct pg_publisher *p);

/* As the method of struct bus_ops. */
MUST_CHECK int pg_publisher_publish(struct pg_publisher *p, const struct change *changes,
                                    size_t count, struct position *last,
                                    char why[BUS_WHY_BYTES_MAX]);

#endif
