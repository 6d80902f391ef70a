/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/deferred.h"

#include <stdlib.h>

static void add(struct deferred_queue *q, struct deferred *d)
{
    if (q->last)
        q->last->next = d;
    else
        q->first = d;
    q->last = d;
}

static size_t bytes_in(const struct bytes *list, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += list[i].size_bytes;
    return size;
}

static struct bytes copy(uint8_t **to, struct bytes from)
{
    struct bytes copied = bytes_of(*to, from.size_bytes);

    if (from.size_bytes > 0)
        memcpy(*to, from.data, from.size_bytes);
    *to += from.size_bytes;
    return copied;
}

static const struct bytes *copy_list(uint8_t **to, struct bytes *room, const struct bytes *list,
                                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        room[i] = copy(to, list[i]);
    return room;
}

int deferred_add_request(struct deferred_queue *q, const struct request *r)
{
    const struct item *item = &r->item;
    size_t lists = (r->key_count + item->tag_count) * sizeof(struct bytes);
    size_t bytes = bytes_in(r->keys, r->key_count) + bytes_in(item->tags, item->tag_count) +
                   item->key.size_bytes + item->value.size_bytes + r->retry_id.size_bytes +
                   (r->kinds ? r->key_count : 0);
    struct deferred *d = malloc(sizeof *d + lists + bytes + 1);

    if (!d)
        return ACCORD_E_NOMEM;
    memset(d, 0, sizeof *d);
    struct bytes *keys = (struct bytes *)(void *)(d + 1), *tags = keys + r->key_count;
    uint8_t *to = (uint8_t *)(tags + item->tag_count);
    d->request = *r;
    d->request.keys = copy_list(&to, keys, r->keys, r->key_count);
    d->request.item.tags = copy_list(&to, tags, item->tags, item->tag_count);
    d->request.item.key = copy(&to, item->key);
    d->request.item.value = copy(&to, item->value);
    d->request.retry_id = copy(&to, r->retry_id);
    if (r->kinds)
        d->request.kinds = copy(&to, bytes_of(r->kinds, r->key_count)).data;
    add(q, d);
    return ACCORD_OK;
}

int deferred_add_gone(struct deferred_queue *q, uint64_t client)
{
    struct deferred *d = calloc(1, sizeof *d);

    if (!d)
        return ACCORD_E_NOMEM;
    d->is_gone = true;
    d->client_gone = client;
    add(q, d);
    return ACCORD_OK;
}

struct deferred *deferred_take(struct deferred_queue *q)
{
    struct deferred *d = q->first;

    if (d)
        q->first = d->next;
    if (!q->first)
        q->last = NULL;
    return d;
}

void deferred_done(struct deferred_queue *q)
{
    struct deferred *d;

    while ((d = deferred_take(q)))
        free(d);
}
