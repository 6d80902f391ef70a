/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* private.h - the HTTP door inside. Only src/door/http.
 *
 *     http.c      listeners, and which path is what
 *     guard.c     who may ask
 *     metrics.c   views as Prometheus's text
 *     acs.c       what ArsDigita's servers ask for
 *     acs_command.c   what a command of theirs means
 *     page.c      text that grows
 */
#ifndef ACCORD_DOOR_HTTP_PRIVATE_H
#define ACCORD_DOOR_HTTP_PRIVATE_H

#include "door/http/http.h"

/* Text that grows; what finds no memory marks it as broken, and adds nothing. */
struct page {
    char *data;
    size_t bytes, capacity;
    bool broken;
};

PRINTF_LIKE(2, 3) void page_add(struct page *t, const char *format, ...);
void page_add_bytes(struct page *t, struct bytes bytes);
void page_free(struct page *t);

struct http_door {
    const struct door_host *host;
    struct http_settings settings;
    struct http_server *servers[HTTP_LISTENERS_MAX];
    size_t server_count;
    char own_name[256];
    uint64_t refused;
    uint64_t client, request; /* of the last removal; its answer: */
    struct reply reply;
    uint64_t acs_flushes, acs_refused, acs_replays;
    struct acs_seen *seen; /* ACS_SEEN_MAX of them, once there is one; a ring */
    uint64_t seen_count;
    struct page body; /* of the answer being made */
};

/* Answers with one line of text, and a newline. */
PRINTF_LIKE(4, 5)
void answer_line(struct http_door *d, struct http_answer *a, unsigned status,
                 const char *format, ...);
/* The same, where the caller is to blame: it is counted. */
PRINTF_LIKE(4, 5)
void answer_refused(struct http_door *d, struct http_answer *a, unsigned status,
                    const char *format, ...);
/* What may be shown of text that somebody sent: printable, and not long. */
const char *shown(const char *text, char out[104]);

/* guard.c. False: `a` says why not. */
bool guard_admits(struct http_door *d, const struct http_request *r, struct http_answer *a);
/* Without a word: where there is a password, whether it was given. */
bool guard_knows_password(const struct http_door *d, const struct http_request *r);
bool guard_wants_password(struct http_door *d, const struct http_request *r,
                          struct http_answer *a);

/* metrics.c. False: out of memory. */
bool metrics_write(const struct door_host *host, struct page *out);

#endif
