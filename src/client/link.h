/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* link.h - one connection to the daemon: a command out, a reply in, each bounded in time.
 *
 * A connection is used by one thread at a time, one request at a time. Deadlines are instants
 * of monotonic_ns(). A write to a closed connection never raises SIGPIPE; a signal never cuts a
 * call short. After any failure but ACCORD_E_INVALID and _E_NOMEM of link_send() nothing
 * is known of what the daemon did, and the connection is good for link_done() only.
 */
#ifndef ACCORD_CLIENT_LINK_H
#define ACCORD_CLIENT_LINK_H

#include "client/reply.h"

enum {
    LINK_ARGS_MAX = 4096,
    LINK_FDS_MAX = 2,            /* descriptors that one reply may bring */
    LINK_KEEP_BYTES = 256 * 1024 /* buffers larger than this are not kept when idle */
};

struct link {
    int fd;                   /* -1: none */
    struct id128 incarnation; /* of the daemon, as it said when the connection was made */
    /* What came in: in[in_at..in_end) is not parsed yet. */
    uint8_t *in;
    size_t in_at, in_end, in_room;
    uint8_t *out;
    size_t out_end, out_room;
    struct reply_node *nodes;
    size_t nodes_room;
    int fds[LINK_FDS_MAX]; /* received and not taken */
    size_t fd_count;
};

uint64_t monotonic_ns(void);

/* Empty: no descriptor, no memory. */
void link_init(struct link *c);
/* Closes, and frees the buffers; *c is empty then. It says no goodbye: in a child after fork()
 * the parent's connection is not disturbed. */
void link_done(struct link *c);

/* A socket that is not connected yet; so that the caller can do it under a lock that fork()
 * takes too. ACCORD_E_IO. */
MUST_CHECK int link_socket(struct link *c);
/* ACCORD_E_DOWN: nobody listens there; ACCORD_E_DENIED: permissions; ACCORD_E_TIMEOUT: there is
 * a daemon, but it does not take connections; ACCORD_E_INVALID: the path is too long. */
MUST_CHECK int link_connect(struct link *c, const char *path, uint64_t deadline_ns);

/* Whether the daemon still holds the other end, and nothing unread lies here. One system call.
 */
bool link_is_idle(const struct link *c);

/* Sends a command of `count` arguments. ACCORD_E_INVALID: too many of them, nothing was sent;
 * ACCORD_E_NOMEM: likewise; ACCORD_E_DOWN; ACCORD_E_TIMEOUT. */
MUST_CHECK int link_send(struct link *c, const struct bytes *args, size_t count,
                         uint64_t deadline_ns);
/* The same, and `fd` with its first byte; it stays the caller's. -1: none. */
MUST_CHECK int link_send_fd(struct link *c, const struct bytes *args, size_t count, int fd,
                            uint64_t deadline_ns);

/* Waits for one reply: *out is its first node, valid until the next call for this connection.
 * ACCORD_E_TIMEOUT; ACCORD_E_DOWN: closed by the daemon; ACCORD_E_FORMAT or _E_SIZE: nonsense;
 * ACCORD_E_NOMEM. An error of the daemon is a reply like any other. ACCORD_E_TIMEOUT alone
 * leaves the connection usable: the reply may still be waited for. */
MUST_CHECK int link_receive(struct link *c, uint64_t deadline_ns,
                            const struct reply_node **out);

/* Waits until something lies here to be read, or the connection ended. ACCORD_E_TIMEOUT; _E_IO.
 */
MUST_CHECK int link_wait(const struct link *c, uint64_t deadline_ns);

/* Whether everything that came in was taken: with one request at a time there is nothing that a
 * daemon could have to say after its reply. */
bool link_is_settled(const struct link *c);

/* Frees large buffers before a settled connection idles, and closes descriptors not taken. */
void link_trim(struct link *c);

#endif
