/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_url.h - who the peers are, and where this node is asked:
 *
 *     http://web1:7311,web2:7311?listen=10.0.0.3:7311&key_file=/etc/accord/peers.key
 *
 * listen: where this node listens; address: how its peers reach it, where that is another. The
 * list may hold this node's own address. Without a key_file all of them must be of this host.
 */
#ifndef ACCORD_BUS_HTTP_PEER_URL_H
#define ACCORD_BUS_HTTP_PEER_URL_H

#include "bus/http/peer_key.h"
#include "bus/http/peer_set.h"
#include "bus/url.h"

enum { PEER_PORT_DEFAULT = 7311 };

struct peer_url {
    char listen[BUS_URL_BYTES_MAX];           /* http://host:port */
    char address[PEER_ADDRESS_BYTES_MAX + 1]; /* empty: the one that listen becomes */
    char listed[BUS_URL_SERVERS_MAX][PEER_ADDRESS_BYTES_MAX + 1];
    size_t listed_count;
    struct peer_key key;
};

/* ACCORD_E_INVALID: the URL, or what its key file holds; ACCORD_E_DENIED: that cannot be read.
 * `why` says what to write instead. */
MUST_CHECK int peer_url_parse(struct peer_url *out, const char *url,
                              char why[BUS_WHY_BYTES_MAX]);

#endif
