/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* link.h - one connection to a Redis server, every wait bounded by a deadline.
 *
 * hiredis formats and reads the protocol; sockets, time limits and TLS are ours: its own calls
 * block, and its 0.14 has no TLS. Deadlines are of CLOCK_MONOTONIC, in nanoseconds. One thread.
 * After a failure the link is closed: what was under way on it is unknown. */
#ifndef ACCORD_BUS_REDIS_LINK_H
#define ACCORD_BUS_REDIS_LINK_H

#include <hiredis/hiredis.h>

#include "bus/redis/tls.h"

struct redis_link {
    int fd; /* -1: closed */
    struct redis_tls *tls;
    redisReader *reader;
    char peer[128];    /* "host:port", for messages */
    unsigned expected; /* replies that are still to come */
};

void redis_link_init(struct redis_link *l);
void redis_link_close(struct redis_link *l); /* fine where it is closed */
static inline bool redis_link_is_open(const struct redis_link *l)
{
    return l->fd >= 0;
}

/* ACCORD_E_DOWN, ACCORD_E_DENIED (TLS), ACCORD_E_IO. */
MUST_CHECK int redis_link_connect(struct redis_link *l, const struct bus_url_server *server,
                                  struct redis_tls_context *tls, uint64_t deadline_ns,
                                  char why[BUS_WHY_BYTES_MAX]);

/* Whether the server has closed an idle link, as far as is known here. Closes it then. */
bool redis_link_is_stale(struct redis_link *l);

/* A command of `count` words; its reply is received later. ACCORD_E_DOWN, ACCORD_E_NOMEM. */
MUST_CHECK int redis_link_send(struct redis_link *l, size_t count, const char *const *words,
                               const size_t *sizes, uint64_t deadline_ns,
                               char why[BUS_WHY_BYTES_MAX]);
/* The same, of words that end with NULL. */
MUST_CHECK int redis_link_say(struct redis_link *l, uint64_t deadline_ns,
                              char why[BUS_WHY_BYTES_MAX], const char *word, ...)
    __attribute__((sentinel));

/* The next reply, of the caller (freeReplyObject()); error replies are replies. wake_fd, where
 * not -1, ends the wait as soon as it can be read: then, and at the deadline where `patient`,
 * *out is NULL, the reply still to come, and the link as it was. ACCORD_E_DOWN. */
MUST_CHECK int redis_link_receive(struct redis_link *l, redisReply **out, uint64_t deadline_ns,
                                  char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int redis_link_wait(struct redis_link *l, redisReply **out, uint64_t deadline_ns,
                               int wake_fd, char why[BUS_WHY_BYTES_MAX]);

#endif
