/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* retries.h - was this removal asked for before?
 *
 * A caller that lost its connection, or got no answer, asks again with the id that it gave the
 * first time, and is answered for the first. A removal is known by a hash of its id and of all
 * that it says, so that another removal under the same id is another one. The newest
 * RETRIES_MAX are known; an older one is just removed again, which is harmless.
 *
 * The hash is half of the message id of the removal's last change, so that one kept in the
 * state journal is known after a restart too.
 *
 * Pure. One owner; not thread-safe. Pointers hold until the next retries_add().
 */
#ifndef ACCORD_CORE_RETRIES_H
#define ACCORD_CORE_RETRIES_H

#include "core/outbox.h"

struct retry {
    uint64_t name;
    uint64_t from, ordinal; /* its changes in the outbox, while the last is not confirmed */
    uint64_t reading;       /* the core's, when it was accepted */
    bool confirmed;         /* then it stands at `position` of `epoch`, known at since_ns */
    uint64_t position, epoch, since_ns;
    uint32_t next; /* in its bucket: index + 1; 0: the end */
};

struct retries {
    uint64_t added, settled; /* ever; those in between are not confirmed yet */
    uint32_t buckets[RETRIES_MAX];
    struct retry ring[RETRIES_MAX];
};

struct request;
/* Never 0. */
uint64_t retries_name(const struct request *r);

struct retry *retries_find(struct retries *t, uint64_t name); /* the newest; NULL: unknown */
/* Ordinals only grow. */
void retries_add(struct retries *t, uint64_t name, uint64_t from, uint64_t ordinal,
                 uint64_t reading);
/* Takes over what the outbox knows by now of those that are confirmed, before it is trimmed. */
void retries_settle(struct retries *t, const struct outbox *o, uint64_t epoch, uint64_t now_ns);

#endif
