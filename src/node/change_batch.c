/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/change_batch.h"

#include <stdlib.h>

int change_batch_init(struct change_batch *b, size_t max)
{
    memset(b, 0, sizeof *b);
    b->max = max;
    b->entries = calloc(max, sizeof *b->entries);
    b->changes = calloc(max, sizeof *b->changes);
    if (b->entries && b->changes)
        return ACCORD_OK;
    change_batch_done(b);
    return ACCORD_E_NOMEM;
}

void change_batch_done(struct change_batch *b)
{
    free(b->entries);
    free(b->changes);
    free(b->bytes);
    memset(b, 0, sizeof *b);
}

void change_batch_swap(struct change_batch *a, struct change_batch *b)
{
    struct change_batch kept = *a;

    *a = *b;
    *b = kept;
}

static size_t size_of(const struct change *c)
{
    return c->key.size_bytes + c->origin.size_bytes + c->about.size_bytes;
}

static struct bytes copy(uint8_t **to, struct bytes from)
{
    struct bytes copied = bytes_of(*to, from.size_bytes);

    if (from.size_bytes > 0)
        memcpy(*to, from.data, from.size_bytes);
    *to += from.size_bytes;
    return copied;
}

static void copy_bytes(uint8_t **to, struct change *c)
{
    c->key = copy(to, c->key);
    c->origin = copy(to, c->origin);
    c->about = copy(to, c->about);
}

/* Room for `bytes`, and at least one, so that no pointer is NULL. */
static int reserve(struct change_batch *b, size_t bytes, char why[BUS_WHY_BYTES_MAX])
{
    uint8_t *larger;

    b->count = 0;
    if (bytes < b->room)
        return ACCORD_OK;
    larger = realloc(b->bytes, bytes + 1);
    if (!larger)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory for a batch of %zu bytes", bytes);
    b->bytes = larger;
    b->room = bytes + 1;
    return ACCORD_OK;
}

int change_batch_copy_entries(struct change_batch *b, const struct entry *entries, size_t count,
                              char why[BUS_WHY_BYTES_MAX])
{
    size_t bytes = 0;

    ASSERT(count <= b->max);
    for (size_t i = 0; i < count; i++)
        bytes += size_of(&entries[i].change);
    int status = reserve(b, bytes, why);
    if (status != ACCORD_OK)
        return status;
    uint8_t *to = b->bytes;
    memcpy(b->entries, entries, count * sizeof *entries);
    for (size_t i = 0; i < count; i++)
        copy_bytes(&to, &b->entries[i].change);
    ASSERT(to == b->bytes + bytes);
    b->count = count;
    return ACCORD_OK;
}

int change_batch_copy_changes(struct change_batch *b, const struct change *changes,
                              size_t count, char why[BUS_WHY_BYTES_MAX])
{
    size_t bytes = 0;

    ASSERT(count <= b->max);
    for (size_t i = 0; i < count; i++)
        bytes += size_of(&changes[i]);
    int status = reserve(b, bytes, why);
    if (status != ACCORD_OK)
        return status;
    uint8_t *to = b->bytes;
    memcpy(b->changes, changes, count * sizeof *changes);
    for (size_t i = 0; i < count; i++)
        copy_bytes(&to, &b->changes[i]);
    ASSERT(to == b->bytes + bytes);
    b->count = count;
    return ACCORD_OK;
}
