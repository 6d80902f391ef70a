/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* lag.h - whether what a node has proven is older than half of L, and when to say so.
 *
 * A node asks where the head is six times in L, so half of L without an answer that is caught
 * up with means that the bus is slow or the node does not keep up: it has half of L left. Said
 * when it begins, but once in LAG_TELL_EVERY_NS at most. Pure. */
#ifndef ACCORD_NODE_LAG_H
#define ACCORD_NODE_LAG_H

#include "base/base.h"

#define LAG_TELL_EVERY_NS (60 * NS_PER_S)

struct lag {
    bool lagging;
    uint64_t alarms;  /* times that it began */
    uint64_t told_ns; /* 0: never */
};

/* What is now: `lag_ns` only where it is known. True: time to say so. */
bool lag_look(struct lag *l, uint64_t now_ns, bool known, uint64_t lag_ns, uint64_t bound_ns);

#endif
