/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* http_server.h - HTTP/1.1 on the loop: requests come in whole and parsed, answers go out.
 *
 * libmicrohttpd parses and writes (docs/decision/http.md); here it is put on libuv's loop, and
 * given limits. What it refuses by itself (malformed, too large) never comes to handle(). All
 * on the loop's thread; nothing here knows of caches.
 *
 * Limits: HTTP_REQUEST_BYTES_MAX of a request's head, body_bytes_max of its body,
 * HTTP_CONNECTIONS_MAX of a server, and HTTP_SECONDS_MAX for each request: a connection on
 * which that long no request came to its answer's end, however slowly it sends or reads, is
 * closed.
 */
#ifndef ACCORD_NET_HTTP_SERVER_H
#define ACCORD_NET_HTTP_SERVER_H

#include "net/bind.h"

#include <uv.h>

/* Beside limits.h, which every file includes, for they concern few. */
enum {
    HTTP_CONNECTIONS_MAX = 64,      /* of one listener; more are told 503 */
    HTTP_REQUEST_BYTES_MAX = 32768, /* the head of one request */
    HTTP_SECONDS_MAX = 10,          /* until a connection's next request is answered */
    HTTP_CLIENT_BYTES_MAX = 65536,  /* of memory that one connection holds */
    HTTP_ARGUMENTS_MAX = 16,
};

struct http_argument {
    const char *name;   /* decoded; ends at the first NUL, if it held one */
    struct bytes value; /* decoded: "+" is a space */
};

/* All of it is borrowed for the call. Text that did not come is NULL. */
struct http_request {
    const char *method, *path; /* the path is decoded, and ends before the "?" */
    const char *peer;          /* the caller's address, without its port */
    const char *host;          /* as sent, with its port */
    size_t host_count;         /* how often that header came */
    const char *origin;
    const char *fetch_site; /* Sec-Fetch-Site, which browsers send */
    bool has_body;          /* it announced one */
    struct bytes body;      /* where the server takes bodies; else nobody reads it */
    size_t length_count;    /* in how many ways; more than one never comes to handle() */
    bool is_chunked;        /* the one of them that does not say how long it is */
    uint64_t body_bytes;    /* as announced */
    const char *password;   /* of Authorization: Basic, or the token of Bearer */
    struct http_argument arguments[HTTP_ARGUMENTS_MAX];
    size_t argument_count; /* may be more than there is room for: refuse it */
};

/* Zeroed before handle(). The body is borrowed until handle()'s caller has copied it. */
struct http_answer {
    unsigned status;
    const char *type; /* Content-Type; NULL: text/plain, UTF-8 */
    struct bytes body;
    const char *allow; /* Allow; NULL: none */
    bool ask_password; /* WWW-Authenticate */
};

struct http_server_hooks {
    void *context;
    void (*handle)(void *context, const struct http_request *request,
                   struct http_answer *answer);
    /* One line for the log of what went wrong on a connection; may be NULL. */
    void (*note)(void *context, const char *what, const char *why);
    /* Instead of a limit's default; 0: that. For tests. */
    unsigned seconds_max, connections_max;
    /* Of a body, which then comes whole with its request; a longer one is refused (413), and so
     * is one that does not say how long it is (411). 0: whoever announces one is answered
     * before it comes, and the connection is closed. */
    size_t body_bytes_max;
};

struct http_counts {
    uint64_t connections; /* now; the rest is since the start */
    uint64_t requests, refused_full, closed_slow;
};

struct http_server;

/* Listens on "http://host:port", as net_bind() does, whose errors these are; ACCORD_E_NOMEM. */
MUST_CHECK int http_server_new(struct http_server **out, uv_loop_t *loop, const char *address,
                               bool has_password, const struct http_server_hooks *hooks,
                               char why[NET_WHY_BYTES_MAX]);
const char *http_server_address(const struct http_server *s);
void http_server_count(const struct http_server *s, struct http_counts *out);
/* Every connection is closed, and nobody is called any more. The memory goes once the loop has
 * closed the handles: run it once more. NULL is fine. */
void http_server_free(struct http_server *s);
/* Memory that one takes at most. */
size_t http_server_bytes_max(void);

#endif
