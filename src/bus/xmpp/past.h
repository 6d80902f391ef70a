/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* past.h - looks back through the room's archive for the place in the log: for the newest
 * message that says where its sender stood, and for that place itself. */
#ifndef ACCORD_BUS_XMPP_PAST_H
#define ACCORD_BUS_XMPP_PAST_H

#include "bus/xmpp/room.h"

enum { XMPP_PAST_MAX = XMPP_INDEX_MAX }; /* messages that are looked at */

struct xmpp_past_wanted {
    uint64_t number;       /* back to that number, */
    uint64_t came_ms;      /* and to messages that came before then (the server's clock) */
    uint64_t max_stale_ms; /* of a log that is begun */
    bool anew;             /* entries were lost: an epoch is begun whatever is found */
};

/* Takes a seat, looks back, and counts from there on (room.h). What the archive no longer has
 * of what is wanted is not in the index then. ACCORD_E_DOWN, _DENIED, _UNSUPPORTED, _TIMEOUT,
 * _IO. The mutex is not held. */
MUST_CHECK int xmpp_past_look(struct xmpp_room *r, const struct xmpp_past_wanted *wanted,
                              uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX]);

#endif
