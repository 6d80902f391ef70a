/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* P3: after a strict removal has answered OK, no read that starts later, on any host, in
 * whatever segment is still mapped there, returns the old value as fresh. */
#include "sim/check.h"

void check_strict_done(struct check *c, size_t key, uint64_t version, uint64_t at_ns)
{
    floors_add(&c->strict[key], at_ns, version, 0);
}

void check_strict_forget(struct check *c, size_t key)
{
    c->strict[key].count = 0;
}

void check_strict_read(struct check *c, const struct check_read *r)
{
    uint64_t floor = floors_before(&c->strict[r->key], r->start_ns);

    if (!r->excused && r->version < floor)
        check_fail(c, "P3",
                   "a fresh read of key %zu returned version %llu; a strict removal at "
                   "version %llu had answered OK before it began",
                   r->key, (unsigned long long)r->version, (unsigned long long)floor);
}
