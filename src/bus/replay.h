/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* replay.h - was this signed change in the log before?
 *
 * A signature proves who said a change, not that it was said just now: whoever can write to the
 * log can write an old entry again. Each incarnation numbers its changes, so a number that is
 * not higher than its last is a copy. Of an incarnation (or of a change without a number) that
 * is not known here, the signature tells how far its sender had read the log: one that was
 * first said before anything that is remembered here had not read beyond that. No clock
 * decides.
 *
 * Bounded: what is remembered longest makes room, and the floor rises to it. What is read a
 * second time (an attach at an earlier place) is judged as it was.
 *
 * Pure; one thread.
 */
#ifndef ACCORD_BUS_REPLAY_H
#define ACCORD_BUS_REPLAY_H

#include "wire/change.h"

enum {
    REPLAY_WRITERS_MAX = MEMBERS_MAX,
    REPLAY_MESSAGES_MAX = 4096, /* of changes without a number: sent again after a restart */
    REPLAY_REFUSED_MAX = 256,   /* of which it is known when they are read again */
};

struct replay_writer {
    struct id128 incarnation;
    uint64_t sequence, position; /* of its newest */
};

struct replay_message {
    struct id128 message;
    uint64_t position;
};

struct replay {
    uint64_t seen_to; /* judged up to here */
    uint64_t head;    /* of the log when reading began: up to here nothing can be judged */
    uint64_t writers_floor, messages_floor;
    size_t writer_count, message_count, refused_count;
    struct replay_writer writers[REPLAY_WRITERS_MAX];
    struct replay_message messages[REPLAY_MESSAGES_MAX]; /* a ring */
    struct {
        uint64_t position;
        enum trust trust;
    } refused[REPLAY_REFUSED_MAX]; /* a ring */
};

/* Another log, another epoch, or the first: reading begins after `after`. */
void replay_begin(struct replay *r, uint64_t after, uint64_t head);

/* The next entry, whose signature is good: TRUST_FULL, _REPLAYED or _LATE. */
enum trust replay_judge(struct replay *r, uint64_t position, const struct change *c,
                        uint64_t read_to);

#endif
