/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/trail.h"

static void check(const struct trail *t)
{
    ASSERT(t->newest == 0 ||
           t->entries[(t->newest - 1) % TRAIL_ENTRIES_MAX].position == t->cursor.position);
    ASSERT(t->newest > 0 || id128_is_none(t->cursor.message));
}

void trail_start(struct trail *t, struct id128 log, uint64_t epoch, uint64_t after)
{
    t->cursor = (struct cursor){.log = log, .epoch = epoch, .position = after};
    t->newest = 0;
    check(t);
}

/* Positions grow along the ring: the hash at `position`, or 0 where it is not remembered. */
static uint64_t find(const struct trail *t, uint64_t position)
{
    uint64_t first = u64_sub_sat(t->newest, TRAIL_ENTRIES_MAX), end = t->newest;

    while (first < end) {
        uint64_t middle = first + (end - first) / 2;
        uint64_t there = t->entries[middle % TRAIL_ENTRIES_MAX].position;

        if (there == position)
            return t->entries[middle % TRAIL_ENTRIES_MAX].hash;
        if (there < position)
            first = middle + 1;
        else
            end = middle;
    }
    return 0;
}

enum trail_step trail_look(const struct trail *t, uint64_t position, struct id128 message)
{
    check(t);
    if (position > t->cursor.position)
        return TRAIL_NEXT;
    return trail_diverged(t, position, entry_hash(position, message)) ? TRAIL_REPLACED
                                                                      : TRAIL_REPEAT;
}

void trail_move(struct trail *t, uint64_t position, struct id128 message)
{
    ASSERT(position > t->cursor.position);

    t->entries[t->newest % TRAIL_ENTRIES_MAX].position = position;
    t->entries[t->newest % TRAIL_ENTRIES_MAX].hash = entry_hash(position, message);
    t->newest++;
    t->cursor.position = position;
    t->cursor.message = message;
    t->cursor.hash = cursor_hash(t->cursor.hash, position, message);
    check(t);
}

void trail_add_late(struct trail *t, uint64_t position, struct id128 message)
{
    uint64_t first = u64_sub_sat(t->newest, TRAIL_ENTRIES_MAX - 1), at = t->newest;

    check(t);
    ASSERT(position < t->cursor.position);
    ASSERT(find(t, position) == 0);
    if (at == first || t->entries[first % TRAIL_ENTRIES_MAX].position > position)
        return; /* it would be forgotten at once */
    for (; t->entries[(at - 1) % TRAIL_ENTRIES_MAX].position > position; at--)
        t->entries[at % TRAIL_ENTRIES_MAX] = t->entries[(at - 1) % TRAIL_ENTRIES_MAX];
    t->entries[at % TRAIL_ENTRIES_MAX].position = position;
    t->entries[at % TRAIL_ENTRIES_MAX].hash = entry_hash(position, message);
    t->newest++;
    check(t);
}

uint64_t trail_hash(const struct trail *t, uint64_t position)
{
    check(t);
    return find(t, position);
}

bool trail_reaches(const struct trail *t, uint64_t position)
{
    uint64_t first = u64_sub_sat(t->newest, TRAIL_ENTRIES_MAX);

    check(t);
    return t->newest > 0 && position >= t->entries[first % TRAIL_ENTRIES_MAX].position;
}

bool trail_diverged(const struct trail *t, uint64_t position, uint64_t hash)
{
    check(t);
    uint64_t here = find(t, position);

    return hash != 0 && here != 0 && hash != here;
}
