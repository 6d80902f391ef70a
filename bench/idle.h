/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* idle.h - what it costs that nodes know they are fresh, when nobody does anything: 3 and then
 * 50 daemons on one bus, each with its lease. Counted are messages, as the server counts them,
 * and the time of the processor that each daemon took, ours and the kernel's, which means
 * something on a busy machine too. Those of 50 on one host wake each other: on fifty hosts it
 * is the same work for each.
 */
#ifndef ACCORD_BENCH_IDLE_H
#define ACCORD_BENCH_IDLE_H

#include <stdint.h>

struct idle_bus {
    const char *bus;         /* "redis", in the names of the results */
    const char *unit;        /* of what is counted: "messages/s, each node" */
    const char *peer;        /* what the design allows, in words */
    double (*count)(void *); /* so many until now, of the whole server */
    void *context;
    double (*designed)(int nodes); /* a second and node */
    const char *durability;
};

/* Measures `nodes` daemons at this URL, and ends them. */
void idle_measure(const struct idle_bus *b, const char *url, int nodes);

enum { IDLE_FEW = 3, IDLE_MANY = 50, IDLE_L_S = 3 }; /* max_stale, in seconds */

#endif
