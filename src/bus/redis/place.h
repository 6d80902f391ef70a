/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* place.h - where a log in Redis is: servers, user, database, cluster, and how to get there.
 *
 *     redis://[user[:password]@]host[:port][,host[:port]…][/db][/cluster][?option=value&…]
 *     rediss:// likewise, by TLS
 *
 *   cluster=name        which log of the server (default "default"); as in the path
 *   password_file=path  its first line is the password
 *   replicas=n          a change, and the head that proves a lease, count only once so many
 *                       replicas have them (WAIT); 0: none is asked
 *   allow-evicting=1    also a server that may throw the log away (maxmemory-policy allkeys-*)
 *   ca=path             of the authorities that may have signed the server's certificate;
 *                       default: the system's
 *   cert=path key=path  the certificate that we show
 *   verify=insecure     believe any server
 */
#ifndef ACCORD_BUS_REDIS_PLACE_H
#define ACCORD_BUS_REDIS_PLACE_H

#include "bus/url.h"

enum {
    REDIS_PORT = 6379,
    REDIS_KEY_BYTES_MAX = 64, /* "accord:{cluster}:messages" and its end */
    REDIS_REPLICAS_MAX = 16,
    REDIS_CLIENT_BYTES_MAX = REDIS_KEY_BYTES_MAX + NODE_NAME_BYTES_MAX,
};

struct redis_place {
    struct bus_url url;
    uint32_t database;
    char cluster[40];
    /* The log's three keys; the braces keep them on one server of a partitioned Redis. */
    char changes[REDIS_KEY_BYTES_MAX];   /* stream: the entries */
    char log[REDIS_KEY_BYTES_MAX];       /* hash: what log it is, its epoch, its numbers */
    char messages[REDIS_KEY_BYTES_MAX];  /* hash: message id to entry */
    char client[REDIS_CLIENT_BYTES_MAX]; /* the name of our connections */
    uint64_t replicas;
    bool allow_evicting;
    bool tls, insecure;
    const char *ca, *cert, *key; /* NULL: not given */
};

/* May not be copied. ACCORD_E_INVALID, ACCORD_E_DENIED (password_file); nothing is held then.
 */
MUST_CHECK int redis_place_init(struct redis_place *out, const char *url,
                                char why[BUS_WHY_BYTES_MAX]);
/* Names the connections of a node, as CLIENT LIST shows them: "accord:{shop}:node:web1" (Redis
 * takes no blanks). NULL leaves "accord". */
void redis_place_of_node(struct redis_place *p, const char *node);
void redis_place_node_name(const struct redis_place *p, const char *node,
                           char out[REDIS_CLIENT_BYTES_MAX]);
void redis_place_done(struct redis_place *p); /* wipes the password; fine on zeroed memory */

#endif
