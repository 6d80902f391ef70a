/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* burst.c - SETs that follow each other in a burst.
 *
 * They are one event of the core: what surrounds a request there (the clock, deadlines, the
 * outbox, who waits) costs half as much as the request, and their cache misses overlap. Each
 * has its slot from the start, so replies keep their order; any other command comes after all
 * that were taken before it.
 */
#include "door/connection.h"

bool burst_is(const struct connection *c, const uint8_t *data, const char *name, size_t count)
{
    const struct resp_argument *a = c->parser.arguments;

    if (c->parser.count != count || a[0].bytes != 3 || a[0].dropped)
        return false;
    for (int i = 0; i < 3; i++) /* bit 5 apart, nothing but the other case is this letter */
        if ((data[a[0].offset + (size_t)i] | 0x20) != name[i])
            return false;
    for (size_t i = 1; i < count; i++)
        if (a[i].dropped)
            return false;
    return c->authenticated && !c->multi && !c->mute && !c->mute_next &&
           (c->resp3 || !c->watching);
}

void sets_init(struct resp_door *d)
{
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        struct request *r = &d->sets.requests[i];
        *r = request_make(REQUEST_SET, &r->item.key, 1);
    }
}

bool sets_take(struct connection *c, const uint8_t *data)
{
    const struct resp_argument *a = c->parser.arguments;
    struct set_batch *b = &c->door->sets;

    if (!burst_is(c, data, "set", /* count= */ 3) || a[1].bytes == 0 ||
        a[1].bytes > KEY_BYTES_MAX)
        return false;
    gets_run(c);
    if (b->count == REQUESTS_MAX)
        sets_run(c);
    c->mute_command = false;
    struct slot *s = slot_new(c, finish_ok, 1);
    if (!s)
        return true; /* out of memory: it is doomed */
    struct request *r = &b->requests[b->count++];
    r->client = c->client;
    r->id = s->id;
    r->item.key = bytes_of(data + a[1].offset, a[1].bytes);
    r->item.value = bytes_of(data + a[2].offset, a[2].bytes);
    r->has_token = take_token(c, r->item.key, &r->token);
    return true;
}

void sets_run(struct connection *c)
{
    struct set_batch *b = &c->door->sets;
    size_t count = b->count;

    if (count == 0)
        return;
    b->count = 0;
    c->commands += count;
    c->door->counts.commands += count;
    c->last_command = "set";
    c->requested = true;
    c->door->host->submit(c->door->host->node, b->requests, count);
}
