/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hole.h - changes of another node that did not arrive, and how they come after all.
 *
 * Each incarnation numbers its changes. One that bears a later number than the next shows a
 * hole: what is missing may remove anything that is here, so the lease ends at once, and none
 * is held again before the hole is closed (L5), in one of three ways:
 *
 *     replay   the log is read again, once, from the place of the number before the hole. What
 *              was not met there before is applied, late.
 *     resend   the log does not have them either. A beat asks their origin (wire/resend.h),
 *              which publishes them again as new changes out of its journal (sent.h), and then
 *              says so: who has read that has read them.
 *     drop     the origin is gone or has them no more, or max_stale has passed since the hole
 *              was noticed, or there are too many: the cache is dropped, and reading begins
 *              anew.
 *
 * Late is harmless. A removal takes from the items that are there those that it means, whatever
 * came before it or after; what was stored since the hole was noticed was stored as unsure. The
 * two kinds of change of which that is not true are not applied late: see sent.h.
 *
 * While a hole is open everything else is applied, but neither beats nor the segment nor the
 * saved cursor say that we stand beyond it: nobody takes it for a confirmation (P3), and no
 * later run inherits the cache.
 *
 * The struct is a part of the core (inside.h), and hole.c one of its files.
 */
#ifndef ACCORD_CORE_HOLE_H
#define ACCORD_CORE_HOLE_H

#include "wire/resend.h"

enum hole_state {
    HOLE_REPLAY, /* the log is being read again, and has not come to `until` yet */
    HOLE_ASK,    /* it does not have them; their origin is to be asked */
    HOLE_ASKED
};

/* The entry at a place in the log. */
struct place {
    uint64_t position;
    struct id128 message;
};

struct hole {
    enum hole_state state;
    struct id128 incarnation;
    uint64_t from, until; /* sequences [from, until) are missing */
    struct place before;  /* of from - 1: nothing is missing up to there */
    uint64_t noticed_ns;
};

enum hole_answer_state {
    ANSWER_NONE,
    ANSWER_WAITS, /* until ordinal `last` of the outbox is in the log */
    ANSWER_SAID
};

struct hole_answer {
    enum hole_answer_state state;
    uint64_t from, until;
    uint64_t last; /* 0: there is nothing to wait for */
    bool gone;
};

struct holes {
    size_t count;
    struct hole list[HOLES_MAX];
    bool attaching;                          /* for a replay; not since the cache was dropped */
    struct hole_answer answers[RESENDS_MAX]; /* a ring: who asks for the same is not answered
                                                a second time */
    uint64_t answered;
    char word[RESEND_TEXT_BYTES_MAX]; /* of the beat on its way */
};

#endif
