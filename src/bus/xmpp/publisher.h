/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* publisher.h - says batches in the room, and waits for them to come back.
 *
 * A repeated change is known again by what this process has heard in the room; repeated by a
 * later process it is in the log twice, which the core sees by its origin's sequence.
 *
 * One thread, but for xmpp_publisher_aim(). */
#ifndef ACCORD_BUS_XMPP_PUBLISHER_H
#define ACCORD_BUS_XMPP_PUBLISHER_H

#include "bus/xmpp/room.h"

struct xmpp_publisher {
    struct xmpp_room *room;
    uint64_t timeout_ms, retain_changes;
    bool aimed; /* these three are guarded by the link's mutex */
    struct id128 log;
    uint64_t epoch;
    uint8_t *records; /* of one part */
    char *body;
    struct change *list; /* of PUBLISH_BATCH_MAX */
    /* What is pending in the room: the messages, and the seat from which it was said. */
    /* Of the incarnation that publishes here (missed.h): the newest batch that was archived, or
     * was to be, and the last archived change before it. */
    struct id128 incarnation;
    bool kept_known;
    uint64_t kept, newest_first, newest_last;
    struct id128 *said; /* of PUBLISH_BATCH_MAX */
    size_t said_count;
    uint64_t said_generation;
};

MUST_CHECK int xmpp_publisher_init(struct xmpp_publisher *p, struct xmpp_room *room,
                                   const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);
void xmpp_publisher_done(struct xmpp_publisher *p);

/* From now on into that log. Any thread. */
void xmpp_publisher_aim(struct xmpp_publisher *p, struct id128 log, uint64_t epoch);

/* As in bus.h. */
int xmpp_publisher_publish(struct xmpp_publisher *p, const struct change *changes, size_t count,
                           struct position *last, char why[BUS_WHY_BYTES_MAX]);

#endif
