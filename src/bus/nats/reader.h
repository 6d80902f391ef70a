/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.h - follows the stream: attach, read, head.
 *
 * A push consumer (feed.h) pushes; where it was lost, or what it pushed was, another takes its
 * place. So what came together need not belong together: where one consumer ends and the next
 * begins, and before each own beat (which may renew the lease), the message before is read once
 * more from the stream's leader, and must be the one that was delivered. What the consumer
 * numbers without a gap, and the stream with one, is a hole of the log.
 *
 * All on one thread, but for wake(), high() and own(). */
#ifndef ACCORD_BUS_NATS_READER_H
#define ACCORD_BUS_NATS_READER_H

#include "bus/nats/stream.h"

#include <pthread.h>

enum {
    FEED_MESSAGES_MAX = 512, /* not consumed; then the server is told to wait */
    CONSUMER_BYTES_MAX = 64,
};

struct nats_feed;

struct nats_reader {
    struct nats_link *link;
    uint64_t max_stale_ms, timeout_ms;
    struct hand hand;

    pthread_mutex_t mutex; /* guards the feeds, and the five below */
    pthread_cond_t changed;
    struct nats_feed *feed;
    unsigned feeds; /* that libnats may still call */
    bool woken;
    uint64_t high;    /* the highest sequence delivered, in this epoch */
    struct id128 own; /* incarnation whose beats are ours */

    bool attached;
    struct nats_stream stream;         /* as it was when attached */
    uint64_t at;                       /* delivered up to here */
    struct id128 message;              /* of the entry there; none: nothing was delivered yet */
    uint64_t next;                     /* sequence of the next message */
    char consumer[CONSUMER_BYTES_MAX]; /* that pushed the last one */
    uint64_t pushed;                   /* its number of the last one that was taken */
    struct entry entries[DELIVER_BATCH_MAX];
    struct nats_holder held[DELIVER_BATCH_MAX + 1]; /* which the entries point into */
    size_t entry_count, held_count;
};

void nats_reader_init(struct nats_reader *r, struct nats_link *l, const struct bus_settings *s);
/* Waits until libnats calls no more. */
void nats_reader_done(struct nats_reader *r);

/* As in bus.h. */
int nats_reader_attach(struct nats_reader *r, const struct cursor *resume, uint64_t view_ms,
                       struct bus_attached *out, char why[BUS_WHY_BYTES_MAX]);
int nats_reader_read(struct nats_reader *r, uint64_t after, uint64_t timeout_ms,
                     const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX]);
int nats_reader_head(struct nats_reader *r, const struct cursor *at, uint64_t *head,
                     char why[BUS_WHY_BYTES_MAX]);
void nats_reader_wake(struct nats_reader *r);

/* From now on beats of this incarnation are ours. */
void nats_reader_own(struct nats_reader *r, struct id128 incarnation);

/* The highest sequence that was seen. */
uint64_t nats_reader_high(struct nats_reader *r);

#endif
