/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* http_client.h - asks other servers over HTTP/1.1, many at a time, on a thread of its own.
 *
 * libcurl asks (docs/decision/http.md); here it is given lines and limits. A line asks one
 * server, one question at a time, and keeps the connection; lines do not wait for each other.
 * Redirects are not followed, and no proxy of the environment is asked: what is asked for goes
 * to the address that stands there, or fails.
 *
 * Bounds: `lines` questions under way; each answered or given up after its time; an answer
 * longer than HTTP_ANSWER_BYTES_MAX is none (ACCORD_E_SIZE). A body that is sent has at most
 * HTTP_POST_BYTES_MAX, and is held until its answer.
 */
#ifndef ACCORD_NET_HTTP_CLIENT_H
#define ACCORD_NET_HTTP_CLIENT_H

#include "net/bind.h"

enum {
    HTTP_ANSWER_BYTES_MAX = 8192,
    HTTP_URL_BYTES_MAX = 32768,
    HTTP_LINES_MAX = 64,
    HTTP_POST_BYTES_MAX = 16 * 1024 * 1024, /* a body that is sent */
};

/* Borrowed for the call. */
struct http_result {
    int status;        /* ACCORD_OK: it answered; else ACCORD_E_DOWN, _TIMEOUT, _SIZE, _IO */
    unsigned code;     /* of the answer */
    struct bytes body; /* of the answer */
    const char *why;   /* for people, where it did not answer */
};

struct http_client_hooks {
    void *context;
    /* On the client's thread, once a question. The line is free again: it may be asked here. */
    void (*done)(void *context, size_t line, const struct http_result *result);
};

struct http_client;

/* ACCORD_E_NOMEM, _E_IO: `why` says what. */
MUST_CHECK int http_client_new(struct http_client **out, size_t lines,
                               const struct http_client_hooks *hooks,
                               char why[NET_WHY_BYTES_MAX]);

/* Asks `url` (http://…, copied) on a free line, in `delay_ms` at the earliest, and waits up to
 * timeout_ms for the whole answer. Any thread. ACCORD_E_BUSY: the line is not free;
 * ACCORD_E_SIZE: the URL is too long; then nothing is asked. */
MUST_CHECK int http_client_ask(struct http_client *c, size_t line, const char *url,
                               uint64_t delay_ms, uint64_t timeout_ms);

/* The same with a body, which is copied: a POST of octets. ACCORD_E_SIZE: the body is too long,
 * too; ACCORD_E_NOMEM. */
MUST_CHECK int http_client_post(struct http_client *c, size_t line, const char *url,
                                struct bytes body, uint64_t delay_ms, uint64_t timeout_ms);

/* What is under way is given up, and done() is called no more. NULL is fine. */
void http_client_free(struct http_client *c);

/* Appends to `url` what stands for these bytes in a query; false, and nothing done: it does not
 * fit into `size`. Pure. */
bool http_url_add(char *url, size_t size, struct bytes text);

#endif
