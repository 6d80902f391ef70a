/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pair_held.h - what a hub has said, and nobody is to hear yet: the other server of its pair
 * has not confirmed it (pair.h).
 *
 * A queue, bounded by bytes. What is held in the course of one question belongs together: where
 * a client has no room for a part of an answer, it is not sent the rest, so that an answer with
 * its end is whole. One thread. */
#ifndef ACCORD_BUS_CHP_PAIR_HELD_H
#define ACCORD_BUS_CHP_PAIR_HELD_H

#include "bus/chp/hub.h"

#define PAIR_HELD_BYTES_MAX (64 * MIB)

struct pair_held_message;

struct pair_held {
    struct pair_held_message *first, **end;
    size_t bytes;
    uint64_t question; /* being answered now */
    uint64_t failed;   /* a client had no room for its answer */
};

void pair_held_init(struct pair_held *h);
void pair_held_drop(struct pair_held *h); /* all of it; nobody hears it */

/* To one client, or to all where it has no bytes; after the pair's message `turn`. `ticks` is
 * the time. ACCORD_E_BUSY: there is no room, or no memory. */
MUST_CHECK int pair_held_add(struct pair_held *h, struct bytes client,
                             const struct bytes *frames, size_t count, uint64_t turn,
                             uint64_t ticks);
/* Says what waits for no later message than `turn`. */
void pair_held_release(struct pair_held *h, const struct hub_host *host, uint64_t turn);
/* All that is held waits for that message now. */
void pair_held_wait(struct pair_held *h, uint64_t turn);
/* When the first was held; UINT64_MAX: nothing is. */
uint64_t pair_held_since(const struct pair_held *h);

#endif
