/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* members.h - who else is there, and did we miss anything that they said?
 *
 * Each incarnation is a member of its own: a restarted daemon does not answer for its
 * predecessor, whose segment may still be mapped. An incarnation is known from the first entry
 * that bears it, and a member from its first join or beat. It stays one until it leaves;
 * silence is a judgement made by our own clock since we applied its last beat.
 *
 * Within one incarnation sequences grow by one: a hole means that an entry was lost on its way
 * here, whatever the bus says (L5).
 *
 * Pure. Times are nanoseconds of the segment's clock. One owner; not thread-safe.
 */
#ifndef ACCORD_CORE_MEMBERS_H
#define ACCORD_CORE_MEMBERS_H

#include "core/core.h"
#include "core/hole.h"

enum { MEMBERS_BUCKETS = 2048, MEMBER_NUMBERS = 8 };

struct member {
    struct core_member view;
    bool joined;   /* a join or a beat of it was seen, not only changes */
    bool gone;     /* left; the entry goes at the next members_sweep() */
    bool namesake; /* another incarnation has, or had, the same name */
    bool twins;    /* two processes bear this incarnation: its numbers tell nothing, its beats
                      confirm nothing, and one of both leaves, not both */
    bool has_sequence;
    uint64_t sequence;
    struct place heard; /* of that change */
    struct {
        uint64_t sequence;
        struct id128 message;
    } numbered[MEMBER_NUMBERS]; /* the newest of its changes, by sequence; whatever the log */
    uint64_t beat_position;     /* of its newest join or beat */
    uint32_t next;              /* in its bucket: index + 1; 0: the end */
};

struct members {
    uint64_t silence_ns;
    uint64_t silence_due_ns; /* no member falls silent before; UINT64_MAX: none to fall */
    size_t count;
    bool overflowed; /* a member had to be forgotten: the view is not whole */
    uint32_t buckets[MEMBERS_BUCKETS];
    struct member list[MEMBERS_MAX];
};

void members_init(struct members *m, uint64_t silence_ns);
void members_set_silence(struct members *m, uint64_t silence_ns);

struct member *members_find(struct members *m, struct id128 incarnation); /* NULL: unknown */
/* The entry of that incarnation, made where it is missing. Where the table is full, the one
 * that was silent longest makes room, and `overflowed` is set. Valid until members_sweep(). */
struct member *members_get(struct members *m, struct id128 incarnation, struct bytes name,
                           uint64_t now_ns);

/* Its newest change has this sequence, not 0, and lies there. */
void members_sequence(struct member *member, uint64_t sequence, struct place at);
/* It gave that number to this change. */
void members_numbered(struct member *member, uint64_t sequence, struct id128 message);
/* It gave that number to another change before: of one process that cannot be. False where it
 * is too long ago to be known. */
bool members_numbered_other(const struct member *member, uint64_t sequence,
                            struct id128 message);
/* The next sequence of each is taken as it comes, nobody has confirmed anything, and each is a
 * member again from its next join or beat: after another place in the log, or another log. */
void members_forget_sequences(struct members *m);

/* A join or beat of that member, at `position`, was applied now. True: it was none before, or
 * was silent. */
bool members_beat(struct members *m, struct member *member, uint64_t position, uint64_t now_ns);
void members_leave(struct members *m, struct member *member);
/* Drops who left, and who was silent for ten times the silence. */
void members_sweep(struct members *m, uint64_t now_ns);
/* One that has just fallen silent and was not returned yet; NULL: none (left). */
const struct member *members_fell_silent(struct members *m, uint64_t now_ns);

/* Names that are there: not silent, not gone; of two incarnations of a name, one. */
size_t members_live(const struct members *m);
/* A later incarnation of its name is there. */
bool members_is_succeeded(const struct members *m, const struct member *member);
size_t members_seen(const struct members *m);                           /* of all joined */
const struct member *members_at(const struct members *m, size_t index); /* of those */

/* Asserts every invariant by walking it all; for tests. */
void members_check(const struct members *m);

#endif
