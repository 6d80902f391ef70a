/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* stream.h - the log as a JetStream stream, ACCORD_<cluster>.
 *
 * Its subjects: accord.CLUSTER.log.EPOCH for changes, accord.CLUSTER.beat.EPOCH for members'
 * beats (which are pruned apart), accord.CLUSTER.do.VERB for people. What names the log is in
 * its description (nats_meta). The epoch is in the subjects so that the server itself refuses
 * who publishes by an old one: whoever finds that entries were lost gives the stream another
 * epoch, and a message on a subject of the epoch before has no taker (B15).
 *
 * The epoch that the rest of Accord sees is made of that one and of the time at which the
 * stream was created, so that a stream made anew from a backup is another log too. */
#ifndef ACCORD_BUS_NATS_STREAM_H
#define ACCORD_BUS_NATS_STREAM_H

#include "bus/nats/link.h"

/* What NATS says of the stream now. */
struct nats_stream {
    struct nats_meta meta;
    uint64_t epoch; /* for cursors and positions */
    uint64_t first, last, deleted, messages;
    uint64_t server_ms; /* the server's clock, Unix time; 0: it does not tell */
    char log_subject[NATS_NAME_BYTES_MAX * 2];
    char beat_subject[NATS_NAME_BYTES_MAX * 2];
};

/* ACCORD_E_GONE: there is none; ACCORD_E_UNSUPPORTED: one of this name that is not Accord's. */
MUST_CHECK int nats_stream_look(struct nats_link *l, struct nats_stream *out,
                                char why[BUS_WHY_BYTES_MAX]);
/* The same, after making it where it is missing. */
MUST_CHECK int nats_stream_make(struct nats_link *l, uint64_t max_stale_ms,
                                struct nats_stream *out, char why[BUS_WHY_BYTES_MAX]);

/* The three below do what they can: what fails now, the next one who finds it does. */

/* Entries were lost: gives the stream another epoch, unless it has one other than `was`, of its
 * meta, already. */
void nats_stream_lost(struct nats_link *l, uint64_t was);

/* The entry at `position` set max_stale: said in the description, unless a later one is. */
void nats_stream_set_max_stale(struct nats_link *l, const struct change *c, uint64_t position);

/* What time it is on the server, whose clock stamped what is in the stream; where it does not
 * tell, a minute before ours. */
uint64_t nats_stream_now_ms(const struct nats_stream *s);

/* Prunes changes beyond `changes` messages or older than retain_ms, and old beats; never the
 * newest message of each. */
void nats_stream_prune(struct nats_link *l, uint64_t changes, uint64_t retain_ms);

/* The sequence of the first message that the server took at that Unix time or later; behind the
 * last where there is none. */
MUST_CHECK int nats_stream_since(struct nats_link *l, uint64_t wall_ms, uint64_t *sequence,
                                 char why[BUS_WHY_BYTES_MAX]);

/* The least sequence from which on no message is missing, at least `from`. */
MUST_CHECK int nats_stream_whole_from(struct nats_link *l, const struct nats_stream *s,
                                      uint64_t from, uint64_t *sequence,
                                      char why[BUS_WHY_BYTES_MAX]);

/* Deletes it, with all in it. ACCORD_E_GONE: there is none. */
MUST_CHECK int nats_stream_drop(struct nats_link *l, char why[BUS_WHY_BYTES_MAX]);

#endif
