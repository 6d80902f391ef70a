/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/histogram.h"

/* Below STEPS each value has its bucket; above, the five bits after the highest choose it. */
static unsigned bucket_of(uint64_t value)
{
    if (value < DEMO_HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned shift = 58 - (unsigned)__builtin_clzll(value);
    uint64_t bucket =
        (shift + 1ull) * DEMO_HISTOGRAM_STEPS + ((value >> shift) - DEMO_HISTOGRAM_STEPS);
    return bucket < DEMO_HISTOGRAM_BUCKETS ? (unsigned)bucket : DEMO_HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < DEMO_HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = bucket / DEMO_HISTOGRAM_STEPS - 1;
    uint64_t step = bucket % DEMO_HISTOGRAM_STEPS + DEMO_HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void demo_histogram_add(struct demo_histogram *h, uint64_t value)
{
    demo_count(&h->buckets[bucket_of(value)], 1);
    demo_count(&h->count, 1);
    if (value > demo_counted(&h->max))
        atomic_store_explicit(&h->max, value, memory_order_relaxed);
}

void demo_histogram_merge(struct demo_histogram *into, const struct demo_histogram *from)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < DEMO_HISTOGRAM_BUCKETS; i++) {
        uint64_t more = demo_counted(&from->buckets[i]);
        demo_count(&into->buckets[i], more);
        count += more;
    }
    demo_count(&into->count, count);
    if (demo_counted(&from->max) > demo_counted(&into->max))
        atomic_store_explicit(&into->max, demo_counted(&from->max), memory_order_relaxed);
}

uint64_t demo_histogram_quantile(const struct demo_histogram *h, unsigned permille)
{
    uint64_t count = demo_counted(&h->count), seen = 0;
    uint64_t rank = (count * permille + 999) / 1000;

    for (unsigned i = 0; i < DEMO_HISTOGRAM_BUCKETS && count > 0; i++) {
        seen += demo_counted(&h->buckets[i]);
        if (seen >= rank && seen > 0)
            return u64_min(bucket_end(i), demo_counted(&h->max));
    }
    return demo_counted(&h->max);
}
