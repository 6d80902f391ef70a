/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* http.h - the HTTP door: what monitoring asks of a node.
 *
 *     GET /metrics    the numbers of the views, in Prometheus's text format
 *     GET /healthz    200 while the daemon answers at all
 *     GET /readyz     200 while its reads are fresh and as many members are there as expected,
 *                     else 503; the body says which, in the words of `accord status`
 *     and what ArsDigita's servers say to each other: acs.h
 *
 * Who may ask: the Host header must be an address, localhost, this host's name or one of
 * settings->names (else a page elsewhere could have its own name point here); a page of another
 * origin may not ask at all. Where the node has a password, /metrics and what /readyz says
 * beside its first word need it (Basic, any user; or Bearer). Answers carry no key and no
 * value.
 */
#ifndef ACCORD_DOOR_HTTP_HTTP_H
#define ACCORD_DOOR_HTTP_HTTP_H

#include "door/door.h"
#include "net/http_server.h"

enum {
    HTTP_LISTENERS_MAX = 16,
    HTTP_NAMES_MAX = 16,
    ACS_SEEN_MAX = 65536, /* signed commands remembered, so that none counts twice */
};

/* Texts are borrowed for the door's life. */
struct http_settings {
    const char *names[HTTP_NAMES_MAX];
    size_t name_count;
    const char *machines[HTTP_NAMES_MAX]; /* addresses of ArsDigita's servers, "*" for parts */
    size_t machine_count;
    const char *secret;                    /* what OpenACS signs with; NULL: none */
    unsigned seconds_max, connections_max; /* 0: as in limits.h */
};

/* Counted since start, but for the first, which is what is now. */
struct http_door_counts {
    uint64_t connections, requests;
    uint64_t refused;    /* for who asked, or how: 400, 401, 403, 405, 413, 421 */
    uint64_t full, slow; /* over the limit of connections; closed for taking too long */
    uint64_t acs_flushes, acs_refused, acs_replays; /* see acs.h */
};

struct http_door;

/* ACCORD_E_NOMEM. `host` is borrowed for the door's life. */
MUST_CHECK int http_door_new(struct http_door **out, const struct door_host *host,
                             const struct http_settings *s);
/* One more listener: "http://host:port". What is open to other hosts needs host->password.
 * Errors as of net_bind(); ACCORD_E_FULL: HTTP_LISTENERS_MAX. */
MUST_CHECK int http_door_listen(struct http_door *d, const char *address,
                                char why[NET_WHY_BYTES_MAX]);
/* Port filled in; NULL past the end. */
const char *http_door_address(const struct http_door *d, size_t index);
void http_door_count(const struct http_door *d, struct http_door_counts *out);
/* The core's reply to a request of this door; others are not its own. NULL: none is. */
void http_door_reply(struct http_door *d, const struct reply *reply);
bool http_door_owns(const struct http_door *d, uint64_t client);
/* Closes every connection; run the loop once more before it is closed. NULL is fine. */
void http_door_free(struct http_door *d);

#endif
