/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* When the faults have ended and the stated time has passed, every host is fresh and stands at
 * the end of the log, and nothing waits any more. And no queue is ever longer than its bound.
 */
#include "sim/check.h"

static void none(struct check *c, const struct check_host *h, const char *what, uint64_t count)
{
    if (count > 0)
        check_fail(c, "convergence", "%s still has %llu %s", h->name, (unsigned long long)count,
                   what);
}

void check_healed(struct check *c, const struct check_host *h)
{
    if (!h->attached)
        check_fail(c, "convergence", "%s is not attached to the bus", h->name);
    if (!h->fresh)
        check_fail(c, "convergence", "%s has no lease", h->name);
    if (h->position != h->newest)
        check_fail(c, "convergence", "%s stands at %llu, the log at %llu", h->name,
                   (unsigned long long)h->position, (unsigned long long)h->newest);
    if (h->lease_left_ns > h->max_stale_ns)
        check_fail(c, "convergence", "%s has a lease longer than max_stale", h->name);
    none(c, h, "changes in its outbox", h->outbox);
    none(c, h, "waiting requests", h->waiters);
    none(c, h, "loads", h->loads);
    none(c, h, "changes in its journal", h->kept);
}

void check_bounds(struct check *c, const struct check_bound *bounds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bounds[i].is > bounds[i].max)
            check_fail(c, "bounds", "%s: %llu, at most %llu", bounds[i].what,
                       (unsigned long long)bounds[i].is, (unsigned long long)bounds[i].max);
}
