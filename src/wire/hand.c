/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/hand.h"

uint64_t hand_check(struct id128 log, uint64_t epoch)
{
    return cursor_hash(/* hash= */ 0, epoch, log);
}

void hand_attach(const struct hand *h, struct id128 log, uint64_t epoch)
{
    hand_take(h, 0); /* first: a position never stands beside another log's name */
    if (!h->place)
        return;
    h->place->log = log;
    h->place->epoch = epoch;
    h->place->check = hand_check(log, epoch);
}

int hand_poison(const struct hand *h, struct id128 log, uint64_t epoch, uint64_t position)
{
    for (size_t i = 0; i < h->poison_count; i++) {
        const struct cursor *p = &h->poison[i];
        if (p->position == position && p->epoch == epoch && id128_equal(p->log, log))
            return (int)i;
    }
    return -1;
}
