/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* place.h - where a log in a chat room is, and how to get there.
 *
 *     xmpp://user:password@host[:port]/room@conference.host[?option=value&…]
 *
 *   domain=name         of the account user@name, where it is not the host's
 *   nick=name           under which we are seen in the room; default: the node's name
 *   room_password=text  of the room
 *   password_file=path  its first line is the account's password
 *   ca=path             of the authorities that may have signed the server's certificate
 *   tls=direct          TLS from the first byte on (port 5223); default: STARTTLS, demanded
 *   tls=insecure-off    no TLS; then the server must offer SCRAM
 */
#ifndef ACCORD_BUS_XMPP_PLACE_H
#define ACCORD_BUS_XMPP_PLACE_H

#include "bus/url.h"

enum {
    XMPP_PORT = 5222,
    XMPP_JID_BYTES_MAX = 512,
    XMPP_NICK_BYTES_MAX = 96, /* with its end */
};

struct xmpp_place {
    struct bus_url url;
    char jid[XMPP_JID_BYTES_MAX];  /* with a resource that is this connection's alone */
    char room[XMPP_JID_BYTES_MAX]; /* bare */
    char nick[XMPP_NICK_BYTES_MAX];
    const char *room_password; /* NULL: none */
    const char *ca;            /* NULL: the system's */
    bool direct_tls, no_tls;
};

/* May not be copied. `node`: NULL of a tool. ACCORD_E_INVALID, ACCORD_E_DENIED (a file of a
 * password); nothing is held then. */
MUST_CHECK int xmpp_place_init(struct xmpp_place *out, const char *url, const char *node,
                               char why[BUS_WHY_BYTES_MAX]);
void xmpp_place_done(struct xmpp_place *p); /* wipes the passwords; fine on zeroed memory */

uint64_t xmpp_random(void);

#endif
