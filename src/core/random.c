/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/random.h"

static void check(const struct random *r)
{
    ASSERT((r->state[0] | r->state[1] | r->state[2] | r->state[3]) != 0);
}

static uint64_t rotate(uint64_t x, unsigned bits)
{
    ASSERT(bits > 0);
    ASSERT(bits < 64);
    return (x << bits) | (x >> (64 - bits));
}

void random_init(struct random *r, const uint64_t seed[4])
{
    memcpy(r->state, seed, sizeof r->state);
    r->messages = 0;
    r->state[0] |= (r->state[0] | r->state[1] | r->state[2] | r->state[3]) == 0;
    /* A seed of few bits, as tests have, needs some steps until all of the state has moved. */
    for (int i = 0; i < 16; i++)
        random_next(r);
    check(r);
}

/* xoshiro256** (Blackman and Vigna). */
uint64_t random_next(struct random *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    check(r);
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *r, uint64_t below)
{
    ASSERT(below > 0);
    return random_next(r) % below;
}

uint64_t random_spread(struct random *r, uint64_t value, uint32_t permille)
{
    ASSERT(permille < 1000);
    uint64_t reach = value / 1000 * permille + value % 1000 * permille / 1000;

    return value - reach + random_below(r, 2 * reach + 1);
}

/* An odd factor: different instants stay different. */
static uint64_t of_instant(uint64_t now_ns)
{
    return now_ns * 0x9e3779b97f4a7c15;
}

struct id128 random_message(struct random *r, uint64_t wall_ms, uint64_t now_ns)
{
    struct id128 id = {wall_ms << 16 | r->messages++, random_next(r) ^ of_instant(now_ns)};

    id.low |= id128_is_none(id);
    ASSERT(!id128_is_none(id));
    return id;
}

uint64_t random_nonce(struct random *r, uint64_t now_ns)
{
    uint64_t nonce = random_next(r) ^ of_instant(now_ns);

    return nonce | (nonce == 0);
}
