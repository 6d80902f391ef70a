/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* keys.h - which row is asked for next: a skewed choice, or a real trace.
 *
 * Either way a sequence of row numbers, made before the readers start and dealt out to them in
 * turn, as a load balancer would: reader i of n takes elements i, i + n, i + 2 n, …, and begins
 * again at the end.
 */
#ifndef ACCORD_CLI_DEMO_KEYS_H
#define ACCORD_CLI_DEMO_KEYS_H

#include "base/base.h"

enum {
    DEMO_KEYS_ZIPF = 1 << 20,          /* elements of a made sequence */
    DEMO_TRACE_REQUESTS_MAX = 1 << 24, /* lines of a trace that are used; 4 bytes each */
    DEMO_TRACE_LINE_BYTES_MAX = 8192,
    DEMO_KEYS_WHY_BYTES_MAX = 512,
};

struct demo_keys {
    uint32_t *rows;
    size_t count;    /* at least 1 */
    size_t distinct; /* different keys that the trace had; for zipf: rows */
};

/* `count` choices from row_count rows (at least 1), the k-th most popular with a probability
 * in proportion to k^-exponent; which row is popular is shuffled. The same for the same seed.
 * ACCORD_E_NOMEM. */
MUST_CHECK int demo_keys_zipf(struct demo_keys *out, size_t count, uint32_t row_count,
                              double exponent, uint64_t seed);

/* One key a line, as it is or compressed with zstd (then through the program zstdcat). The k-th
 * different key becomes row k modulo row_count; empty lines are passed over; what follows
 * DEMO_TRACE_REQUESTS_MAX lines is not read. Any failure fills `why`. */
MUST_CHECK int demo_keys_trace(struct demo_keys *out, const char *path, uint32_t row_count,
                               char why[DEMO_KEYS_WHY_BYTES_MAX]);

void demo_keys_free(struct demo_keys *k); /* zeroed is fine */

/* Uniform 64 bits; any state but it should differ between users. */
uint64_t demo_random(uint64_t *state);

#endif
