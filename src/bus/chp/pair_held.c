/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/pair_held.h"

#include "wire/chp.h"

#include <stdlib.h>

struct pair_held_message {
    struct pair_held_message *next;
    uint64_t turn, ticks, question;
    size_t bytes; /* of memory */
    struct bytes client, frames[CHP_FRAMES];
    size_t count;
};

void pair_held_init(struct pair_held *h)
{
    *h = (struct pair_held){.end = &h->first};
}

static struct pair_held_message *take_first(struct pair_held *h)
{
    struct pair_held_message *m = h->first;

    h->first = m->next;
    h->bytes -= m->bytes;
    if (!h->first)
        h->end = &h->first;
    return m;
}

void pair_held_drop(struct pair_held *h)
{
    while (h->first)
        free(take_first(h));
}

static struct bytes put(uint8_t **to, struct bytes b)
{
    if (b.size_bytes > 0)
        memcpy(*to, b.data, b.size_bytes);
    *to += b.size_bytes;
    return bytes_of(*to - b.size_bytes, b.size_bytes);
}

int pair_held_add(struct pair_held *h, struct bytes client, const struct bytes *frames,
                  size_t count, uint64_t turn, uint64_t ticks)
{
    size_t bytes = sizeof(struct pair_held_message) + client.size_bytes;

    ASSERT(count <= CHP_FRAMES);
    for (size_t i = 0; i < count; i++)
        bytes += frames[i].size_bytes;
    struct pair_held_message *m =
        h->bytes + bytes <= PAIR_HELD_BYTES_MAX ? malloc(bytes) : NULL;
    if (!m)
        return ACCORD_E_BUSY;
    uint8_t *to = (uint8_t *)(m + 1);
    *m = (struct pair_held_message){
        .turn = turn, .ticks = ticks, .question = h->question, .bytes = bytes, .count = count};
    m->client = put(&to, client);
    for (size_t i = 0; i < count; i++)
        m->frames[i] = put(&to, frames[i]);
    *h->end = m;
    h->end = &m->next;
    h->bytes += bytes;
    return ACCORD_OK;
}

static void say(struct pair_held *h, const struct hub_host *host,
                const struct pair_held_message *m)
{
    if (m->client.size_bytes == 0)
        host->publish(host->context, m->frames, m->count);
    else if (m->question != h->failed &&
             host->send(host->context, m->client, m->frames, m->count) != ACCORD_OK)
        h->failed = m->question;
}

void pair_held_release(struct pair_held *h, const struct hub_host *host, uint64_t turn)
{
    while (h->first && h->first->turn <= turn) {
        struct pair_held_message *m = take_first(h);
        say(h, host, m);
        free(m);
    }
}

void pair_held_wait(struct pair_held *h, uint64_t turn)
{
    for (struct pair_held_message *m = h->first; m; m = m->next)
        m->turn = turn;
}

uint64_t pair_held_since(const struct pair_held *h)
{
    return h->first ? h->first->ticks : UINT64_MAX;
}
