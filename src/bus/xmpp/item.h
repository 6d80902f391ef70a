/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* item.h - what one message of the room holds for the log, and where.
 *
 * How many entries it has follows from the message alone, so that all who count agree: `count`
 * of our element, one (a CLEAR) where that is torn, as many as a person's text means; a part
 * that is not the last has none. Nothing of a record but its size and message id is looked at
 * before it is delivered (B17). */
#ifndef ACCORD_BUS_XMPP_ITEM_H
#define ACCORD_BUS_XMPP_ITEM_H

#include "bus/xmpp/link.h"

enum {
    XMPP_BATCHES_MAX = 16,          /* that are being put together at one time */
    XMPP_PARTS_BYTES_MAX = 64 << 20 /* of those */
};

/* Pieces of batches that came in parts. Zeroed: none. */
struct xmpp_parts {
    struct xmpp_part {
        uint64_t batch;
        uint32_t next; /* parts that came, in their order */
        uint8_t *data;
        size_t bytes;
    } list[XMPP_BATCHES_MAX]; /* a ring */
    size_t newest;
    size_t bytes;
};
void xmpp_parts_done(struct xmpp_parts *p);

struct xmpp_item {
    unsigned references;
    bool archived, begin;
    bool whole;        /* false: parts of it did not come; they are in the archive */
    uint64_t number;   /* archived changes before it */
    uint64_t place;    /* of its first entry; 0: archived */
    uint32_t missed;   /* places before it that are left for beats that we have missed */
    uint32_t count;    /* entries */
    struct id128 last; /* the archived change `number` */
    struct xmpp_heard heard;
    uint32_t *offsets;      /* of records in heard.data; count of them */
    struct change *changes; /* of a text */
};

/* Takes what is in `h`. NULL: it has no entries, and is no `begin`; or out of memory. */
struct xmpp_item *xmpp_item_new(struct xmpp_heard *h, struct xmpp_parts *parts);
void xmpp_item_drop(struct xmpp_item *i); /* one reference; NULL is fine */

/* The name of its entry; made of log and message where a person wrote it. */
struct id128 xmpp_item_message(const struct xmpp_item *i, size_t index, struct id128 log);
uint64_t xmpp_item_position(const struct xmpp_item *i, size_t index, struct id128 log);
/* Behind its last entry: number and place. */
static inline uint64_t xmpp_item_end(const struct xmpp_item *i)
{
    return i->number + (i->archived ? i->count : 0);
}
/* The entry; `hand` notes it while it is parsed. Its bytes lie in the item. */
struct entry xmpp_item_entry(const struct xmpp_item *i, size_t index, struct id128 log,
                             const struct hand *hand);

#endif
