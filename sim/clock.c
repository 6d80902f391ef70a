/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What time a host believes it is: a line whose slope changes, and may be 0 for a while. */
#include "sim/sim.h"

static uint64_t shows(const struct host_clock *c, size_t i, uint64_t true_ns)
{
    return c->changes[i].clock_ns +
           (true_ns - c->changes[i].true_ns) * c->changes[i].permille / 1000;
}

void clock_begin(struct host_clock *c, uint64_t true_ns, uint64_t clock_ns, uint32_t permille)
{
    c->changes[0].true_ns = true_ns;
    c->changes[0].clock_ns = clock_ns;
    c->changes[0].permille = permille;
    c->count = 1;
}

void clock_rate(struct host_clock *c, uint64_t true_ns, uint32_t permille)
{
    uint64_t now_ns = shows(c, c->count - 1, true_ns);

    if (c->count == CLOCK_CHANGES_MAX) {
        memmove(&c->changes[0], &c->changes[1], (c->count - 1) * sizeof c->changes[0]);
        c->count--;
    }
    c->changes[c->count].true_ns = true_ns;
    c->changes[c->count].clock_ns = now_ns;
    c->changes[c->count].permille = permille;
    c->count++;
}

uint64_t clock_at(const struct host_clock *c, uint64_t true_ns)
{
    return shows(c, c->count - 1, true_ns);
}

static uint64_t moment_of(const struct host_clock *c, size_t i, uint64_t clock_ns)
{
    uint64_t permille = c->changes[i].permille;
    uint64_t ahead_ns = u64_sub_sat(clock_ns, c->changes[i].clock_ns);

    if (ahead_ns == 0)
        return c->changes[i].true_ns;
    if (permille == 0 || ahead_ns > UINT64_MAX / 2000)
        return UINT64_MAX;
    return c->changes[i].true_ns + (ahead_ns * 1000 + permille - 1) / permille;
}

uint64_t clock_moment(const struct host_clock *c, uint64_t true_ns, uint64_t clock_ns)
{
    return u64_max(true_ns, moment_of(c, c->count - 1, clock_ns));
}

uint64_t clock_since(const struct host_clock *c, uint64_t clock_ns)
{
    size_t i = c->count - 1;

    while (i > 0 && c->changes[i].clock_ns >= clock_ns)
        i--;
    return c->changes[i].clock_ns >= clock_ns ? 0 : moment_of(c, i, clock_ns);
}
