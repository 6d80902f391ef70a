/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* rights.h - what the server refused to a connection's user.
 *
 * Who may not ask a subject is answered nothing: the request times out, and only an error
 * beside it, which belongs to no request, tells why. The newest is kept here, so that who has
 * waited in vain can say it. What nodes can do without (who is connected) does not count.
 *
 * Any thread. libnats may call after the connection is gone; then nobody is told. */
#ifndef ACCORD_BUS_NATS_RIGHTS_H
#define ACCORD_BUS_NATS_RIGHTS_H

#include "bus/bus.h"

#include <nats/nats.h>

enum { NATS_RIGHTS_BYTES_MAX = 200 };

struct nats_rights {
    uint64_t number; /* 0: not watched */
    struct nats_rights *next;
    uint64_t refused_ms;
    char refused[NATS_RIGHTS_BYTES_MAX]; /* as the server says it */
};

/* Before the connection is made with `o`. The struct stays where it is until done. */
natsStatus nats_rights_watch(struct nats_rights *r, natsOptions *o);
void nats_rights_done(struct nats_rights *r);

/* Whether something was refused at that time of the monotonic clock or later; *out: what, and
 * how to grant it. */
bool nats_rights_missing(const struct nats_rights *r, uint64_t since_ms,
                         char out[BUS_WHY_BYTES_MAX]);

/* What counts: "Permissions Violation for Publish to "$JS.API.…"". */
bool nats_rights_is_needed(const char *refused);

#endif
