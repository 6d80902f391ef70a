/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/held.h"

#include <stdlib.h>

int held_add(struct held_queue *q, const struct reply *reply, uint64_t first, uint64_t last)
{
    size_t why_bytes = reply->why_text ? strlen(reply->why_text) + 1 : 0;
    struct held *h = malloc(sizeof *h + reply->value.size_bytes + why_bytes);

    ASSERT(!q->last || q->last->last <= last);
    if (!h)
        return ACCORD_E_NOMEM;
    *h = (struct held){.first = first, .last = last, .reply = *reply};
    uint8_t *to = (uint8_t *)(h + 1);
    if (reply->value.size_bytes > 0)
        memcpy(to, reply->value.data, reply->value.size_bytes);
    h->reply.value = bytes_of(to, reply->value.size_bytes);
    to += reply->value.size_bytes;
    if (why_bytes > 0)
        h->reply.why_text = memcpy(to, reply->why_text, why_bytes);
    if (q->last)
        q->last->next = h;
    else
        q->first = h;
    q->last = h;
    return ACCORD_OK;
}

struct held *held_take(struct held_queue *q, uint64_t ticket)
{
    struct held *h = q->first;

    if (!h || h->last > ticket)
        return NULL;
    q->first = h->next;
    if (!q->first)
        q->last = NULL;
    return h;
}

void held_done(struct held_queue *q)
{
    struct held *h;

    while ((h = held_take(q, UINT64_MAX)))
        free(h);
}
