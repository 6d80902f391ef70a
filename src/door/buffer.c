/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/connection.h"

#include <stdlib.h>

static uint8_t *take(struct resp_door *d, size_t capacity)
{
    if (capacity == BUFFER_BYTES && d->pool_count > 0)
        return d->pool[--d->pool_count];
    return malloc(capacity);
}

static void give(struct resp_door *d, uint8_t *data, size_t capacity)
{
    if (capacity == BUFFER_BYTES && d->pool_count < POOL_MAX)
        d->pool[d->pool_count++] = data;
    else
        free(data);
}

void buffer_release(struct resp_door *d, struct buffer *b)
{
    if (b->data)
        give(d, b->data, b->capacity);
    *b = (struct buffer){0};
}

/* Never moves what is in the buffer to other offsets: slots and attach_at count on that. */
bool buffer_room(struct resp_door *d, struct buffer *b, size_t room)
{
    if (b->capacity - b->bytes >= room)
        return true;
    size_t capacity = b->capacity > 0 ? b->capacity : BUFFER_BYTES;
    while (capacity - b->bytes < room)
        capacity *= 2;
    uint8_t *data = take(d, capacity);
    if (!data)
        return false;
    if (b->bytes > b->start)
        memcpy(data + b->start, b->data + b->start, b->bytes - b->start);
    if (b->data)
        give(d, b->data, b->capacity);
    b->data = data;
    b->capacity = capacity;
    return true;
}
