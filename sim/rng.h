/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* rng.h - the one source of chance of a run. */
#ifndef ACCORD_SIM_RNG_H
#define ACCORD_SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ull); /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* In [0, below); 0 where below is 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t below)
{
    return below > 0 ? rng_next(r) % below : 0;
}

static inline bool rng_chance(struct rng *r, uint64_t permille)
{
    return permille > 0 && rng_below(r, 1000) < permille;
}

/* In [low, high]. */
static inline uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high)
{
    return low + rng_below(r, high - low + 1);
}

/* Mostly small, at times near `most`: so that both are tried. */
static inline uint64_t rng_skewed(struct rng *r, uint64_t most)
{
    return rng_below(r, 1 + (most >> rng_below(r, 10)));
}

/* 0 in half of the cases. Two draws in one expression would be in no certain order. */
static inline uint64_t rng_maybe(struct rng *r, uint64_t below)
{
    bool some = rng_chance(r, 500);

    return some ? rng_below(r, below) : 0;
}

#endif
