/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_peer.h - the connection of one CHP server to another: it asks there as a client does.
 *
 * It connects by itself, again and again. What is said while there is no connection is not
 * sent, rather than wait and arrive later. No call waits. One thread. Built without libzmq,
 * chp_peer_new() fails, and nothing else is called. */
#ifndef ACCORD_NET_CHP_PEER_H
#define ACCORD_NET_CHP_PEER_H

#include "net/chp_sockets.h"

struct chp_peer;

/* NULL: no memory, no descriptor, or no libzmq. */
struct chp_peer *chp_peer_new(const struct chp_address *address);
void chp_peer_free(struct chp_peer *p); /* NULL is fine */

int chp_peer_fd(
    const struct chp_peer *p); /* as chp_sockets_fd(); sending may swallow its sign */
/* False: there is no connection, or it is full. */
bool chp_peer_say(struct chp_peer *p, const struct bytes *frames, size_t count);
/* As chp_receive(). */
size_t chp_peer_receive(struct chp_peer *p, struct bytes frames[CHP_RECEIVED_MAX]);

#endif
