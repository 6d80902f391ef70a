/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* publisher.h - appends batches, each as one message.
 *
 * A repeated batch is known again by what this process remembers, and, for two minutes, by the
 * server (Nats-Msg-Id). Repeated later by another process, a change is in the log twice, which
 * the core sees by its origin's sequence; both are the same removal.
 *
 * An acknowledged sequence that is not above all that this process has seen says that the log
 * lost its tail: the batch is then "unknown", and the log gets another epoch.
 *
 * One thread, but for nats_publisher_aim(). */
#ifndef ACCORD_BUS_NATS_PUBLISHER_H
#define ACCORD_BUS_NATS_PUBLISHER_H

#include "bus/nats/stream.h"

#include <pthread.h>

enum { NATS_REMEMBERED_SETS = 2048, NATS_REMEMBERED_WAYS = 8 }; /* messages, the newest */

struct nats_publisher {
    struct nats_link *link;
    uint64_t retain_ms, retain_changes;
    pthread_mutex_t mutex;     /* guards the target */
    struct nats_stream target; /* what was attached */
    bool aimed;
    uint64_t high;        /* the highest sequence acknowledged in this epoch */
    uint64_t epoch;       /* that `high` and `known` are of */
    uint64_t unpruned;    /* changes and beats since the last pruning */
    uint8_t *payload;     /* of NATS_PAYLOAD_BYTES_MAX; what is not used is no memory */
    uint8_t *part;        /* of message_bytes */
    size_t message_bytes; /* that the server takes at once */
    struct nats_known {
        struct id128 message;
        uint64_t position;
    } known[NATS_REMEMBERED_SETS][NATS_REMEMBERED_WAYS];
};

MUST_CHECK int nats_publisher_init(struct nats_publisher *p, struct nats_link *l,
                                   const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);
void nats_publisher_done(struct nats_publisher *p);

/* From now on into that stream. Any thread. */
void nats_publisher_aim(struct nats_publisher *p, const struct nats_stream *s);

/* As in bus.h; `seen` is the highest sequence that the reader was given. */
int nats_publisher_publish(struct nats_publisher *p, uint64_t seen,
                           const struct change *changes, size_t count, struct position *last,
                           char why[BUS_WHY_BYTES_MAX]);

#endif
