/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hand.h - which entry of the log is in hand, for whoever comes after a crash.
 *
 * An entry that crashes what reads or applies it would end every node of the fleet at the same
 * place, again after each start. So whoever takes an entry in hand first writes its position
 * to a place that outlives the process (node/poison.h maps a file there): one store, no call.
 * A start that finds three tries of one entry is told to skip it.
 *
 * Pure: the place is memory of the owner. It has one writer; nobody reads it meanwhile.
 */
#ifndef ACCORD_WIRE_HAND_H
#define ACCORD_WIRE_HAND_H

#include "wire/change.h"

/* Its layout is part of docs/format/state.txt. */
struct hand_place {
    struct id128 log;
    uint64_t epoch;
    uint64_t check;    /* hand_check() of these two */
    uint64_t position; /* in hand; 0: none */
};

/* All zero: nothing is noted, nothing skipped. */
struct hand {
    struct hand_place *place;
    const struct cursor *poison; /* of each: log, epoch, position; to be skipped */
    size_t poison_count;         /* at most POISONS_MAX */
};

uint64_t hand_check(struct id128 log, uint64_t epoch);

/* What is taken from here on is of this log. Nothing is in hand. */
void hand_attach(const struct hand *h, struct id128 log, uint64_t epoch);

/* Which of the poison list stands there; -1: none. */
int hand_poison(const struct hand *h, struct id128 log, uint64_t epoch, uint64_t position);

/* The same of the log attached. */
static inline bool hand_skips(const struct hand *h, uint64_t position)
{
    return h->poison_count > 0 && h->place &&
           hand_poison(h, h->place->log, h->place->epoch, position) >= 0;
}

/* Before anything looks at the entry; position 0: it is out of hand. The compiler may move
 * nothing over it; the processor need not be told, for the kernel sees what it has done. */
static inline void hand_take(const struct hand *h, uint64_t position)
{
    if (!h->place)
        return;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&h->place->position, position, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* What is known of a skipped entry: that it is there, and its name. It may have meant anything.
 */
static inline struct entry hand_skipped(uint64_t position, struct id128 message)
{
    return (struct entry){.position = position,
                          .change = {.op = CHANGE_CLEAR, .message = message}};
}

#endif
