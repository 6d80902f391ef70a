/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* tls.h - TLS over bytes that somebody else carries: hiredis 0.14 has none of its own.
 *
 * Nothing here touches a socket: what came is given in, what is to be sent is taken out; so all
 * waiting, and its bounds, are link.c's. TLS 1.2 at least; the server's certificate, and that
 * it is of the host that was asked for, are verified. One thread per session; a context may be
 * shared. */
#ifndef ACCORD_BUS_REDIS_TLS_H
#define ACCORD_BUS_REDIS_TLS_H

#include "bus/redis/place.h"

struct redis_tls_context;
struct redis_tls;

/* ACCORD_E_INVALID: a file of the URL is not readable or not what it should be. */
MUST_CHECK int redis_tls_context_new(struct redis_tls_context **out,
                                     const struct redis_place *place,
                                     char why[BUS_WHY_BYTES_MAX]);
void redis_tls_context_free(struct redis_tls_context *c); /* NULL is fine */

/* A session with `host`: a name or an address. ACCORD_E_NOMEM. */
MUST_CHECK int redis_tls_new(struct redis_tls **out, struct redis_tls_context *context,
                             const char *host, char why[BUS_WHY_BYTES_MAX]);
void redis_tls_free(struct redis_tls *t); /* NULL is fine */

/* Bytes that came from the socket. */
MUST_CHECK int redis_tls_feed(struct redis_tls *t, const uint8_t *data, size_t size);
/* Bytes for the socket, at most `room`; 0: none. */
size_t redis_tls_drain(struct redis_tls *t, uint8_t *out, size_t room);

/* One step of the handshake. *done: it is complete. ACCORD_E_DENIED: the server is not the one
 * it should be, or refused us. */
MUST_CHECK int redis_tls_handshake(struct redis_tls *t, bool *done,
                                   char why[BUS_WHY_BYTES_MAX]);
/* All of the plain text, into what redis_tls_drain() gives. */
MUST_CHECK int redis_tls_write(struct redis_tls *t, const uint8_t *data, size_t size,
                               char why[BUS_WHY_BYTES_MAX]);
/* Plain text, at most `room`; *size 0: none is there yet. ACCORD_E_DOWN: the session is over.
 */
MUST_CHECK int redis_tls_read(struct redis_tls *t, uint8_t *out, size_t room, size_t *size,
                              char why[BUS_WHY_BYTES_MAX]);

#endif
