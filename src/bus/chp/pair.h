/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pair.h - which of two hubs answers, and that the other one has what it said: the Binary Star
 * of ZeroMQ's guide (chapter 4), with a copy that is waited for.
 *
 * A hub begins waiting. It becomes passive when it hears that the other is active, and active
 * when the other waits too (the primary of the two), when it is the one that still has logs, or
 * when the other was silent for PAIR_TICKS and a node asks here: that is its vote. Who becomes
 * active renews every log (bus.h, B15), so whatever the copy lacks is noticed. Of two active
 * ones the older yields: each takeover has the next term.
 *
 * What the active one says is held until the other has confirmed a message that was sent after
 * it, with all entries before it. Hence, while both are up and hear each other: nothing that
 * was acknowledged is in one of them only, and no head is told by one that was replaced, for
 * the other would not have confirmed. Where the other confirms nothing for PAIR_TICKS it is
 * lost, and the active one goes on alone. If both live then and only do not hear each other,
 * both may answer: nobody can tell without a third. When they meet again, who remains renews
 * every log.
 *
 * Time goes by ticks, of which a process that stood still counts one, however long it stood.
 *
 * No sockets: hub.c hands over what came, hub_host says it. One thread.
 */
#ifndef ACCORD_BUS_CHP_PAIR_H
#define ACCORD_BUS_CHP_PAIR_H

#include "bus/chp/hub_copy.h"
#include "bus/chp/pair_held.h"

enum {
    PAIR_TICKS = 4,       /* of HUB_TICK_MS: then the other is silent, or lost */
    PAIR_REPLY_MS = 1000, /* older news of the other decide nothing */
};

enum pair_state { PAIR_WAITING, PAIR_ACTIVE, PAIR_PASSIVE };
/* Of the other one, to the active. */
enum pair_other {
    PAIR_LOST,    /* it confirms nothing, and is not waited for */
    PAIR_JOINING, /* it confirms, but has not all yet */
    PAIR_WHOLE,   /* it has all that was acknowledged */
};

struct pair_message;

struct pair {
    const struct hub_host *host;
    struct hub_logs *logs;
    bool primary;
    const char *servers; /* as both were told */
    uint64_t id;         /* of this process */

    enum pair_state state;
    uint64_t term;  /* of the newest takeover that it knows of */
    uint64_t alone; /* this time of being active it has answered alone; 0: it has not */
    uint64_t rival,
        counted; /* that of another active one: heard of, and answered by renewing */

    uint64_t ticks, ping, ping_ms;
    unsigned silent; /* ticks without a word of the other */
    bool complained;

    /* Active: what the other confirms. */
    enum pair_other other;
    uint64_t session, sent, confirmed;
    bool sent_all;
    unsigned waited; /* ticks for the confirmation */
    struct pair_held held;
    uint8_t *packed; /* HUB_COPY_BYTES_MAX; of the message sent last */
    size_t packed_bytes;

    /* Not active: what was confirmed. */
    uint64_t followed, taken;

    uint64_t takeovers;
};

/* ACCORD_E_NOMEM. What is given is borrowed. */
MUST_CHECK int pair_init(struct pair *p, const struct hub_host *host, struct hub_logs *logs,
                         const struct hub_pair *as);
void pair_done(struct pair *p);

/* Whether that is a word of the other server, or one to it. */
bool pair_takes(struct bytes key);
/* It came to our ROUTER; to what we said. */
void pair_asked(struct pair *p, struct bytes client, const struct bytes *frames, size_t count);
void pair_answered(struct pair *p, const struct bytes *frames, size_t count);
/* Every HUB_TICK_MS, after all that came was handed over. */
void pair_tick(struct pair *p);

/* A client asks: true, if it is to be answered here. */
bool pair_is_asked(struct pair *p);
/* What the active one says to a client, or to all where that is none; as of hub_host. */
MUST_CHECK int pair_say(struct pair *p, struct bytes client, const struct bytes *frames,
                        size_t count);
/* After each question: what was added goes to the other. */
void pair_go_on(struct pair *p);
/* A log is not there any more, or has lost entries. */
void pair_begin_anew(struct pair *p);
const char *pair_text(const struct pair *p); /* for people */

#endif
