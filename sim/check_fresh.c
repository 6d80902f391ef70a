/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* P1: whoever serves a value as fresh has applied every change that the bus acknowledged more
 * than max_stale before, by the clock of the host that serves. */
#include "sim/check.h"

void check_committed(struct check *c, size_t key, uint64_t version)
{
    c->committed[key] = version;
}

void check_acknowledged(struct check *c, size_t key, uint64_t version, uint64_t at_ns,
                        uint64_t source)
{
    floors_add(&c->acknowledged[key], at_ns, version, source);
}

void check_voided(struct check *c, uint64_t source)
{
    for (size_t k = 0; k < c->keys; k++)
        floors_void(&c->acknowledged[k], source);
}

void check_fresh_read(struct check *c, const struct check_read *r)
{
    uint64_t floor = floors_before(&c->acknowledged[r->key], r->since_ns);

    if (r->version > c->committed[r->key])
        check_fail(c, "P1", "a read of key %zu returned version %llu, which nobody committed",
                   r->key, (unsigned long long)r->version);
    if (!r->excused && r->version < floor)
        check_fail(c, "P1",
                   "a fresh read of key %zu returned version %llu; the bus had "
                   "acknowledged the removal at version %llu more than max_stale earlier",
                   r->key, (unsigned long long)r->version, (unsigned long long)floor);
}
