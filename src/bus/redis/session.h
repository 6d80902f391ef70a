/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* session.h - a link to the one server that holds the log: the primary among those of the URL,
 * logged in, checked, and with our scripts. */
#ifndef ACCORD_BUS_REDIS_SESSION_H
#define ACCORD_BUS_REDIS_SESSION_H

#include "bus/redis/link.h"

enum { REDIS_VERSION_MIN = 7 };

/* Asks every server of the URL, and takes the primary; of several that say they are one, that
 * whose log has seen the most failovers: a primary that was replaced and came back does not
 * know of its successor's. ACCORD_E_DOWN: none can be reached, or none is a primary;
 * ACCORD_E_DENIED, ACCORD_E_UNSUPPORTED: what one of them answered. `l` is closed then. */
MUST_CHECK int redis_session_open(struct redis_link *l, const struct redis_place *p,
                                  struct redis_tls_context *tls, uint64_t deadline_ns,
                                  char why[BUS_WHY_BYTES_MAX]);

/* What an error reply means to who asked; the link is closed where it may no longer be of use.
 * `what`: "to append". */
MUST_CHECK int redis_session_error(struct redis_link *l, const redisReply *reply,
                                   const char *what, char why[BUS_WHY_BYTES_MAX]);

#endif
