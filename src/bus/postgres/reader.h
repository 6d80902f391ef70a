/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.h - the reading side of the bus: a connection that listens, and looks when it heard.
 *
 * A notification is a wake-up and nothing more; what it may have failed to say, a poll finds.
 * Transactions of applications notify nobody (NOTIFY makes commits wait for each other, and
 * forbids PREPARE TRANSACTION): one node of the cluster, whoever holds a lock of the session,
 * looks at the outbox often, and the others as often as they poll. One thread.
 */
#ifndef ACCORD_BUS_POSTGRES_READER_H
#define ACCORD_BUS_POSTGRES_READER_H

#include <pthread.h>

#include "bus/postgres/log.h"

/* What reader and publisher know together. */
struct pg_shared {
    pthread_mutex_t mutex;
    struct pg_target target; /* what is attached */
    struct pg_mark mark;
};

struct pg_reader {
    struct pg_link link;
    const struct bus_settings *settings;
    struct pg_shared *shared;
    int stop_fd;
    bool listening, elected;
    bool look_at_once; /* something was heard, or not all was fetched */
    uint64_t poll_ns, next_poll_ns, next_election_ns;
    struct pg_target target; /* as attached */
    uint64_t seen_position;  /* the last entry delivered, or where reading began */
    struct id128 seen_message;
    PGresult *rows; /* what the entries point into */
    int next_row;   /* of it, to be delivered by the next read */
    struct entry delivered[DELIVER_BATCH_MAX];
};

struct pg_mark pg_shared_mark(struct pg_shared *s);
/* A newer entry that was seen in `in`. */
void pg_shared_saw(struct pg_shared *s, const struct pg_target *in, uint64_t position,
                   struct id128 message);

/* ACCORD_E_IO: no descriptor is left. Does not connect. */
MUST_CHECK int pg_reader_init(struct pg_reader *r, const struct pg_place *place,
                              const struct bus_settings *settings, struct pg_shared *shared,
                              char why[BUS_WHY_BYTES_MAX]);
void pg_reader_done(struct pg_reader *r);

/* As the methods of struct bus_ops. */
MUST_CHECK int pg_reader_attach(struct pg_reader *r, const struct cursor *resume,
                                uint64_t view_ms, struct bus_attached *out,
                                char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int pg_reader_read(struct pg_reader *r, uint64_t after, uint64_t timeout_ms,
                              const struct entry **entries, size_t *count,
                              char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int pg_reader_head(struct pg_reader *r, const struct cursor *at, uint64_t *head,
                              char why[BUS_WHY_BYTES_MAX]);
void pg_reader_wake(struct pg_reader *r); /* any thread */

/* Connects and makes the log where it is missing. */
MUST_CHECK int pg_reader_connect(struct pg_reader *r, char why[BUS_WHY_BYTES_MAX]);

#endif
