/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* resolve.h - a host's addresses, within a time.
 *
 * getaddrinfo() has no timeout and cannot be cancelled: a name server that does not answer
 * would hold a thread for half a minute. It runs in a thread that is left to itself where it
 * takes too long.
 */
#ifndef ACCORD_BUS_RESOLVE_H
#define ACCORD_BUS_RESOLVE_H

#include "bus/bus.h"

enum { RESOLVED_MAX = 4, RESOLVED_BYTES_MAX = 64 };

struct resolved {
    char address[RESOLVED_MAX][RESOLVED_BYTES_MAX]; /* as numbers */
    size_t count;
};

/* deadline_ns: of CLOCK_MONOTONIC. ACCORD_E_DOWN: no such name, or no answer in time. */
MUST_CHECK int resolve(const char *host, uint64_t deadline_ns, struct resolved *out,
                       char why[BUS_WHY_BYTES_MAX]);

#endif
