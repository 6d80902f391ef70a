/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_journal.h"

#include <stdlib.h>

static void check(const struct peer_journal *j)
{
    ASSERT(j->at + j->count <= j->capacity);
    ASSERT(j->count <= j->newest);
    ASSERT(j->newest_sign <= j->newest);
}

static struct peer_journal_item *item(const struct peer_journal *j, uint64_t number)
{
    ASSERT(number >= peer_journal_oldest(j));
    ASSERT(number <= j->newest);
    return &j->items[j->at + (number - peer_journal_oldest(j))];
}

static void drop(struct peer_journal *j, struct peer_journal_item *i)
{
    j->bytes -= i->bytes;
    j->count--;
    free(i->told);
}

void peer_journal_done(struct peer_journal *j)
{
    while (j->count > 0)
        drop(j, &j->items[j->at + j->count - 1]);
    free(j->items);
    memset(j, 0, sizeof *j);
}

bool peer_journal_reserve(struct peer_journal *j, size_t count)
{
    if (j->at > 0 && j->at + j->count + count > j->capacity) {
        memmove(j->items, j->items + j->at, j->count * sizeof *j->items);
        j->at = 0;
    }
    if (j->at + j->count + count <= j->capacity)
        return true;
    size_t capacity = 2 * (j->count + count);
    struct peer_journal_item *grown = realloc(j->items, capacity * sizeof *grown);
    if (!grown)
        return false;
    j->items = grown;
    j->capacity = capacity;
    return true;
}

bool peer_journal_add(struct peer_journal *j, const struct peer_told *told, bool is_sign,
                      bool ends)
{
    size_t room = 2 + told->vector_count * PEER_PLACE_BYTES + told->record.size_bytes;
    struct peer_journal_item i = {.told = malloc(room), .ends = ends};

    ASSERT(j->at + j->count < j->capacity);
    if (!i.told)
        return false;
    i.bytes = (uint32_t)peer_told_put(told, i.told);
    ASSERT(i.bytes == room);
    j->items[j->at + j->count++] = i;
    j->bytes += i.bytes;
    j->newest++;
    if (is_sign)
        j->newest_sign = j->newest;
    check(j);
    return true;
}

/* Which sign of life was the newest before is not known any more: whoever is met until the next
 * one is told none. */
void peer_journal_undo(struct peer_journal *j, size_t count)
{
    ASSERT(count <= j->count);
    for (size_t n = 0; n < count; n++)
        drop(j, &j->items[j->at + j->count - 1]);
    j->newest -= count;
    j->newest_sign = u64_min(j->newest_sign, j->newest);
    check(j);
}

static bool is_beyond_the_bounds(const struct peer_journal *j)
{
    return j->count > PEER_JOURNAL_CHANGES_MAX || j->bytes > PEER_JOURNAL_BYTES_MAX;
}

void peer_journal_forget(struct peer_journal *j, uint64_t needed)
{
    if (j->newest_sign > 0)
        needed = u64_min(needed, j->newest_sign);
    while (j->count > 0 && (peer_journal_oldest(j) < needed || is_beyond_the_bounds(j))) {
        drop(j, &j->items[j->at]);
        j->at++;
    }
    check(j);
}

size_t peer_journal_count(const struct peer_journal *j, uint64_t first, size_t *bytes)
{
    size_t count = 0, whole = 0, sum = 0;

    *bytes = 0;
    for (uint64_t n = first; n <= j->newest; n++) {
        const struct peer_journal_item *i = item(j, n);
        sum += i->bytes;
        if (sum > PEER_TELL_BYTES && whole > 0)
            break;
        count++;
        if (i->ends) {
            whole = count;
            *bytes = sum;
        }
    }
    return whole;
}

void peer_journal_copy(const struct peer_journal *j, uint64_t first, size_t count, uint8_t *out)
{
    for (uint64_t n = first; n < first + count; n++) {
        const struct peer_journal_item *i = item(j, n);
        memcpy(out, i->told, i->bytes);
        out += i->bytes;
    }
}
