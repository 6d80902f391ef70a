/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* feed.h - one push consumer of our own, and the messages that it pushed and nobody took yet.
 *
 * The server numbers what it pushes, and says so where nothing comes (a heartbeat), with the
 * number of the last. So what was lost on the way is known, and so is a consumer that is dead:
 * it is silent for NATS_FEED_SILENT_MS. Then the feed is lost, and the reader opens another at
 * its place. libnats has ordered consumers, which do this by themselves; but 3.4 reads freed
 * memory where one is closed while it is being made anew.
 *
 * libnats calls on a thread of its own. Where the feed is full that thread waits, and flow
 * control makes the server wait. */
#ifndef ACCORD_BUS_NATS_FEED_H
#define ACCORD_BUS_NATS_FEED_H

#include "bus/nats/reader.h"

enum {
    NATS_FEED_HEARTBEAT_MS = 600,
    NATS_FEED_SILENT_MS = 3 * NATS_FEED_HEARTBEAT_MS,
    NATS_FEED_INACTIVE_S = 5, /* without us, the server forgets the consumer */
};

/* Begins at `sequence`; the reader's feed before is let go. Bounded by the link's timeout. */
MUST_CHECK int nats_feed_open(struct nats_reader *r, uint64_t sequence,
                              char why[BUS_WHY_BYTES_MAX]);
void nats_feed_close(struct nats_reader *r);

/* The first message, not yet taken; NULL: none came until `until_ms` of the monotonic clock, or
 * before wake(), or before the feed was lost. */
natsMsg *nats_feed_first(struct nats_reader *r, uint64_t until_ms);
/* Takes it; it is the caller's to destroy. */
natsMsg *nats_feed_take(struct nats_reader *r);

/* Whether nothing more can be expected of it. */
bool nats_feed_is_lost(struct nats_reader *r);

#endif
