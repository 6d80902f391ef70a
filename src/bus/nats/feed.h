/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* feed.h - one ordered subscription, and the messages that it pushed and nobody took yet.
 *
 * libnats calls on a thread of its own. Where the feed is full that thread waits, and flow
 * control makes the server wait. */
#ifndef ACCORD_BUS_NATS_FEED_H
#define ACCORD_BUS_NATS_FEED_H

#include "bus/nats/reader.h"

/* Begins at `sequence`; the reader's feed before is let go. */
MUST_CHECK int nats_feed_open(struct nats_reader *r, uint64_t sequence,
                              char why[BUS_WHY_BYTES_MAX]);
void nats_feed_close(struct nats_reader *r);

/* The first message, not yet taken; NULL: none came until `until_ms` of the monotonic clock, or
 * before wake(). */
natsMsg *nats_feed_first(struct nats_reader *r, uint64_t until_ms);
/* Takes it; it is the caller's to destroy. */
natsMsg *nats_feed_take(struct nats_reader *r);

#endif
