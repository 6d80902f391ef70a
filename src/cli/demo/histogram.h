/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* histogram.h - how long did it take, for most and for the slowest? Within 3 %, in 8 KiB.
 *
 * Log-linear buckets: 32 to each power of two, so that a percentile is at most 1/32 too high.
 * One process adds, others may read meanwhile (in shared memory); adding is a few instructions.
 * Zeroed memory is an empty histogram. Values above the last bucket count in the last.
 */
#ifndef ACCORD_CLI_DEMO_HISTOGRAM_H
#define ACCORD_CLI_DEMO_HISTOGRAM_H

#include "base/base.h"

#include <stdatomic.h>

enum { DEMO_HISTOGRAM_STEPS = 32, DEMO_HISTOGRAM_BUCKETS = 32 * DEMO_HISTOGRAM_STEPS };

struct demo_histogram {
    _Atomic uint64_t count;
    _Atomic uint64_t max;
    _Atomic uint64_t buckets[DEMO_HISTOGRAM_BUCKETS];
};

/* Adds to a counter that this process alone writes. */
static inline void demo_count(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

static inline uint64_t demo_counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void demo_histogram_add(struct demo_histogram *h, uint64_t value);
/* Adds what `from` has counted to `into`. */
void demo_histogram_merge(struct demo_histogram *into, const struct demo_histogram *from);
/* The least value that `permille` of all values do not exceed, rounded up to its bucket's end
 * and never above the largest value seen; 0 where nothing was added. */
uint64_t demo_histogram_quantile(const struct demo_histogram *h, unsigned permille);

#endif
