/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bind.h - where doors listen on TCP, under one rule: what is open to other hosts needs a
 * password.
 */
#ifndef ACCORD_NET_BIND_H
#define ACCORD_NET_BIND_H

#include "base/base.h"

#include <sys/socket.h>

enum { NET_WHY_BYTES_MAX = 512, NET_PEER_BYTES_MAX = 64, NET_ADDRESS_BYTES_MAX = 160 };

struct net_bound {
    int fd;                              /* listens; the caller's */
    char address[NET_ADDRESS_BYTES_MAX]; /* with its scheme, and the port that port 0 became */
};

/* Listens on `address`: `scheme` ("tcp://") followed by host:port (IPv6 in brackets; port 0:
 * any free one). An address that is not loopback needs a password. On failure *out is untouched
 * and `why` says what to do. ACCORD_E_INVALID: not such an address, or no password;
 * ACCORD_E_DENIED: not permitted; ACCORD_E_CONFLICT: the port is in use; ACCORD_E_IO. */
MUST_CHECK int net_bind(struct net_bound *out, const char *scheme, const char *address,
                        bool has_password, char why[NET_WHY_BYTES_MAX]);

/* "127.0.0.1:80", "[::1]:80", or "unix:0". */
void net_peer_text(const struct sockaddr *a, char text[NET_PEER_BYTES_MAX]);

#endif
