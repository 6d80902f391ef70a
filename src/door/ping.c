/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* ping.c - ACCORD.PING: a question to one node, or to every node, through the bus. */
#include "door/connection.h"

enum { PING_WAIT_MS = 5000 };

/* Rows for all that were asked, whether they have answered or not. */
static void finish_ping(struct connection *c, struct slot *s, const struct reply *reply)
{
    const struct door_host *host = c->door->host;

    if (slot_failed(c, s))
        return;
    host->pinged(host->node, reply->letter);
    reply_view(c, "ping", /* one= */ false);
    host->pinged(host->node, 0);
}

static bool name_fits(struct connection *c, struct bytes name)
{
    bool fits = name.size_bytes >= 1 && name.size_bytes <= NODE_NAME_BYTES_MAX;

    for (size_t i = 0; fits && i < name.size_bytes; i++)
        fits = name.data[i] > ' ' && name.data[i] <= '~';
    if (!fits)
        reply_error(c,
                    "ERR a node's name has 1 to %d letters, digits, \".\", \"_\" or \"-\"; "
                    "* asks every node (ACCORD.NODES lists them)",
                    NODE_NAME_BYTES_MAX);
    return fits;
}

void command_ACCORD_PING(struct connection *c, const struct bytes *args, size_t count)
{
    struct request r = request_make(REQUEST_PING, args + 1, 1);
    uint64_t wait_ms = PING_WAIT_MS;

    if (count != 2 && (count != 4 || !word_is(args[2], "wait"))) {
        reply_error(c, "ERR syntax error: ACCORD.PING node|* [WAIT ms]");
        return;
    }
    if (count == 4 && (resp_unsigned(args[3], &wait_ms) != ACCORD_OK || wait_ms < 1 ||
                       wait_ms > LETTER_WAIT_MS_MAX)) {
        reply_error(c, "ERR WAIT takes 1 to %d milliseconds", LETTER_WAIT_MS_MAX);
        return;
    }
    if (!name_fits(c, args[1]))
        return;
    r.wait_ns = wait_ms * NS_PER_MS;
    struct slot *s = slot_new(c, finish_ping, 1);
    if (s)
        slot_submit(c, s->id, &r);
}
