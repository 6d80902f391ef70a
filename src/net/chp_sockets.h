/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_sockets.h - the three ZeroMQ sockets of a CHP door: at P a ROUTER for snapshots, at P+1 a
 * PUB for updates, at P+2 the collector of what clients set.
 *
 * The collector is a SUB, as RFC 12 has it and model 6 of the guide, or a PULL, as models 3 to
 * 5; ZeroMQ lets one socket be only one of them. No call waits. Threads of libzmq's own do the
 * sending; what waits there is bounded by message counts. One thread.
 *
 * Built without libzmq, chp_sockets_new() says so, and nothing else is called.
 */
#ifndef ACCORD_NET_CHP_SOCKETS_H
#define ACCORD_NET_CHP_SOCKETS_H

#include "net/bind.h"

struct chp_address {
    char text[160]; /* as it was given */
    char host[64];  /* numeric; IPv6 in brackets */
    uint16_t port;  /* P */
    bool push;      /* the collector takes PUSH instead of PUB */
};

/* "chp://host:port", then "?collector=push". ACCORD_E_INVALID: it is none, or it
 * is open to other hosts. Looks the name up. */
MUST_CHECK int chp_address_parse(const char *text, struct chp_address *out,
                                 char why[NET_WHY_BYTES_MAX]);

struct chp_sockets;
enum chp_socket { CHP_SNAPSHOTS, CHP_UPDATES, CHP_COLLECTOR };

/* Binds all three. Errors as of resp_door_listen(); ACCORD_E_UNSUPPORTED: built without libzmq.
 */
MUST_CHECK int chp_sockets_new(struct chp_sockets **out, const struct chp_address *address,
                               char why[NET_WHY_BYTES_MAX]);
void chp_sockets_free(struct chp_sockets *s); /* NULL is fine */

/* Readable when something may have come; then receive until there is nothing. */
int chp_sockets_fd(const struct chp_sockets *s, enum chp_socket which);

enum { CHP_RECEIVED_MAX = 17 };
/* The frames of the next message, valid until the next call; of more than CHP_RECEIVED_MAX only
 * the first ones. Returns how many; 0: nothing is there. */
size_t chp_receive(struct chp_sockets *s, enum chp_socket which,
                   struct bytes frames[CHP_RECEIVED_MAX]);

/* To one client of the ROUTER. ACCORD_E_BUSY: it has not taken what it was sent before; nothing
 * was sent, come again. ACCORD_E_GONE: it is not connected any more. */
MUST_CHECK int chp_send(struct chp_sockets *s, struct bytes client, const struct bytes *frames,
                        size_t count);

/* To all who subscribe to what the first frame begins with. Whoever is CHP_UPDATES_MAX behind
 * does not get it. */
void chp_publish(struct chp_sockets *s, const struct bytes *frames, size_t count);
/* Subscriptions that have come so far hold for what is published from now on. */
void chp_subscribed(struct chp_sockets *s);

#endif
