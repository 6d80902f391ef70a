/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* lease.h - may this node answer reads from its own memory as fresh, and until when?
 *
 * A lease says: at `question_ns` we asked the bus what its newest change is, and have since
 * applied every change up to the answer without a hole; so until question + term no read
 * served here misses a change that the bus had acknowledged more than term_ns earlier (P1).
 * The node's own beats bound it too, so that a node that can read but not write stops before
 * the others stop waiting for it:
 *
 *     deadline = min(question + term, sending of the newest own beat applied + member_ttl)
 *
 * Both count from the *sending*, and are matched by nonce: what waited in a queue, or was
 * replayed, says nothing of changes made meanwhile.
 *
 * A question is a read of the head, or (where the bus cannot read its head linearizably) an own
 * beat that came back through the log. Questions are numbered: a wait for "a question sent
 * after me" is a wait for caught_serial.
 *
 * Pure. Times are nanoseconds of the segment's clock, given by the caller. One owner; not
 * thread-safe. Void under a head that lags behind acknowledged changes (bus.h, B13): that
 * cannot be detected here.
 */
#ifndef ACCORD_CORE_LEASE_H
#define ACCORD_CORE_LEASE_H

#include "base/base.h"

enum { LEASE_BEATS_MAX = 16 }; /* own beats on their way; older ones are too old to help */

enum lease_question {
    QUESTION_NONE,    /* nothing asked */
    QUESTION_ASKED,   /* on its way */
    QUESTION_ANSWERED /* the answer waits until it is applied here */
};

struct lease {
    uint64_t term_ns;       /* L, as it holds for this node */
    uint64_t member_ttl_ns; /* of the cluster */
    uint64_t opens_ns;      /* no lease before; UINT64_MAX: the own join was not applied yet */
    uint64_t deadline_ns;   /* granted: reads are covered before this instant; 0: none */

    uint64_t question_ns;     /* sending of the newest question caught up with; 0: none */
    uint64_t caught_serial;   /* its number, also where it is too old to grant anything */
    uint64_t answered_serial; /* newest question of which the bus said that our place holds */
    uint64_t beat_ns;         /* sending of the newest own beat applied; 0: none */

    enum lease_question question; /* at most one at a time: see lease_ask() */
    uint64_t nonce, sent_ns, target, serial;
    uint64_t last_serial; /* of the newest question sent, of either kind */

    struct {
        uint64_t nonce; /* 0: unused */
        uint64_t sent_ns;
        uint64_t serial; /* 0: asks nothing */
        uint64_t after;  /* the newest position known then: in this log it comes later */
    } beats[LEASE_BEATS_MAX];
    uint32_t beat_next;
};

void lease_init(struct lease *l, uint64_t term_ns, uint64_t member_ttl_ns);
/* Other terms, as another log may have. Drops the lease where they differ. */
void lease_set_terms(struct lease *l, uint64_t term_ns, uint64_t member_ttl_ns);

/* Terms of the same log that change while a lease may be held: what was granted is cut to the
 * new ones, never made longer; that takes a renewal. */
void lease_change_terms(struct lease *l, uint64_t term_ns, uint64_t member_ttl_ns);

/* A question with this nonce leaves now; only where l->question is QUESTION_NONE: a newer one
 * never replaces one still being caught up with, for under steady writes its answer would
 * always be ahead of us, and no lease would ever be granted. */
void lease_ask(struct lease *l, uint64_t nonce, uint64_t now_ns);
/* The answer came. Other nonces are late answers, and ignored. True: caught up at once. */
bool lease_answered(struct lease *l, uint64_t nonce, uint64_t head, uint64_t applied);
/* There will be no answer. False: it is not the nonce of the question outstanding. */
bool lease_unanswered(struct lease *l, uint64_t nonce);
void lease_abandon(struct lease *l); /* whatever is outstanding */
/* Everything up to `applied` is in, without a hole. True: the question is caught up with. */
bool lease_applied(struct lease *l, uint64_t applied);

/* A beat with this nonce was made now, when the log was known to reach up to `after`. */
void lease_beat_sent(struct lease *l, uint64_t nonce, bool asks, uint64_t now_ns,
                     uint64_t after);
/* Whether that beat can lie at `position`: else the log lost what it had when it was made. True
 * too where it is none of ours that counts. */
bool lease_beat_fits(const struct lease *l, uint64_t nonce, uint64_t position);
/* An own beat was applied in its place in the log. False: none of ours that counts. */
bool lease_beat_applied(struct lease *l, uint64_t nonce);

/* One made is not applied yet, nor given up. */
bool lease_awaits_beats(const struct lease *l);

/* Recomputes the deadline. True: it moved, or was granted; write it down. */
MUST_CHECK bool lease_renew(struct lease *l, uint64_t now_ns);
/* True, once: a lease was held and has run out. */
MUST_CHECK bool lease_lapsed(struct lease *l, uint64_t now_ns);
bool lease_is_valid(const struct lease *l, uint64_t now_ns);

/* Ends it, and forgets every question and beat, applied or on its way: what was learnt before a
 * hole, a new epoch or another log proves nothing after it (L5). opens_ns stays. */
void lease_drop(struct lease *l);

#endif
