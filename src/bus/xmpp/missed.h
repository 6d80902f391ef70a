/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* missed.h - beats that a reader has missed, and that nobody can say again.
 *
 * Beats are not archived, and they are numbered like all changes of their sender. So each
 * message says which number its first change has, and which the sender's last archived change
 * before it (struct xmpp_voice). Who has delivered up to `last` of that sender, with `kept` no
 * later, knows that what lies between was beats: empty ones are put in their place, and the
 * sequence has no hole. They say that their sender lived, which the message behind them says
 * too; nothing else. Where `kept` is later than what was delivered, a change is missing:
 * nothing is put there.
 *
 * Pure; callers guard. */
#ifndef ACCORD_BUS_XMPP_MISSED_H
#define ACCORD_BUS_XMPP_MISSED_H

#include "bus/xmpp/beside.h"

enum { XMPP_MISSED_MAX = 1024 }; /* between two messages of a sender; more is a hole */

/* Up to which number each incarnation was heard; the oldest are forgotten. Zeroed: none. */
struct xmpp_voices {
    struct xmpp_voices_of {
        struct id128 incarnation;
        uint64_t last;
    } list[MEMBERS_MAX];
    size_t next; /* a ring */
};

uint64_t xmpp_voices_last(const struct xmpp_voices *v, struct id128 incarnation); /* 0: none */
void xmpp_voices_heard(struct xmpp_voices *v, struct id128 incarnation, uint64_t last);

/* How many beats, and nothing else, lie between `last` and the message; 0 too where that cannot
 * be known, or where they are too many. */
uint64_t xmpp_missed_count(const struct xmpp_voice *voice, uint64_t last);

/* At most so many may have been missed before the message by who heard it live, and its
 * sender's `last` before (0: none). */
uint64_t xmpp_missed_room(const struct xmpp_voice *voice, uint64_t last);

/* What is put in the place of the beat with that number; its name is the origin's of `next`. */
struct change xmpp_missed_beat(const struct change *next, uint64_t sequence);

#endif
