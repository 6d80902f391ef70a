/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* memory.c - what all clients together hold: commands not finished, replies not read. Each has
 * its own limits; the sum has one too, and when it is reached, who holds the most goes. */
#include "door/connection.h"

static size_t footprint(const struct connection *c)
{
    size_t arguments = c->parser.arguments == c->inline_arguments
                           ? 0
                           : c->parser.capacity * sizeof *c->parser.arguments;

    return c->in.capacity + c->out.capacity + c->held.capacity + c->queue.capacity + arguments +
           c->slot_capacity * sizeof *c->slots + misses_bytes(&c->misses);
}

/* Those that are doomed are gone already, but for their end. */
static struct connection *largest(const struct resp_door *d)
{
    struct connection *most = NULL;

    for (struct connection *c = d->connections; c; c = c->next)
        if (!c->doomed && (!most || c->counted_bytes > most->counted_bytes))
            most = c;
    return most;
}

void memory_forget(struct connection *c)
{
    ASSERT(c->door->client_bytes >= c->counted_bytes);
    c->door->client_bytes -= c->counted_bytes;
    c->counted_bytes = 0;
}

void memory_count(struct connection *c)
{
    struct resp_door *d = c->door;

    if (c->doomed)
        return;
    memory_forget(c);
    c->counted_bytes = footprint(c);
    d->client_bytes += c->counted_bytes;
    while (d->client_bytes > d->settings.client_bytes_max) {
        struct connection *most = largest(d);
        ASSERT(most);
        d->counts.closed_memory++;
        connection_doom(most, "all clients together hold as much as client-memory allows, "
                              "and it holds the most");
        /* Not only when it is ended, in the next turn: many may be written to until then. (What
         * is held for slots is read even of the doomed.) */
        if (!most->running && most != c)
            buffer_release(d, &most->out);
    }
}

size_t resp_door_bytes_max(const struct resp_settings *s)
{
    size_t client = sizeof(struct connection) + 3 * NAME_BYTES_MAX + KEY_BYTES_MAX;

    /* One client may be in the middle of a command when it is found out. */
    return s->client_bytes_max + OUTPUT_BYTES_MAX + COMMAND_BYTES_MAX +
           s->clients_max * client + POOL_MAX * (size_t)BUFFER_BYTES + INPUT_BYTES;
}
