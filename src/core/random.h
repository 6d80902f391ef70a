/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* random.h - every random choice of the core, from one seed.
 *
 * Pure: the same seed gives the same choices, so that a run can be repeated. Good enough for
 * ids that must not meet (a well-mixed generator seeded by the kernel); not for secrets. One
 * owner; not thread-safe.
 */
#ifndef ACCORD_CORE_RANDOM_H
#define ACCORD_CORE_RANDOM_H

#include "base/base.h"

struct random {
    uint64_t state[4]; /* never all zero */
    uint16_t messages; /* ids made, modulo 65536 */
};

void random_init(struct random *r, const uint64_t seed[4]); /* any seed, zeros too */
uint64_t random_next(struct random *r);
uint64_t random_below(struct random *r, uint64_t below); /* in [0, below); below > 0 */
/* `value` moved by at most permille thousandths, up or down; for what must not happen in step
 * on many nodes. */
uint64_t random_spread(struct random *r, uint64_t value, uint32_t permille);
/* The name of a change made at wall_ms: 48 bits of time, 16 of a counter, 64 at random; never
 * none. Later ones are greater, so that a database which finds them by an index writes one page
 * for many, not a page each. A clock that goes back costs that, nothing else.
 *
 * now_ns, of any clock: two processes that woke from one image of a machine draw alike, and
 * what they name in the same nanosecond alone is named alike. */
struct id128 random_message(struct random *r, uint64_t wall_ms, uint64_t now_ns);
uint64_t random_nonce(struct random *r, uint64_t now_ns); /* never 0 */

#endif
