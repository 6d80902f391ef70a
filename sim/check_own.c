/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What a host has answered holds in its own cache at once: a removal (L1), a position waited
 * for (SYNC), a read no older than asked (MAXSTALE). */
#include "sim/check.h"

void check_cache_begin(struct check *c, size_t cache, size_t from)
{
    for (size_t k = 0; k < c->keys; k++) {
        const struct floors *before = from < CHECK_CACHES_MAX ? &c->own[from][k] : 0;
        uint64_t best = before && before->count > 0 ? before->list[before->count - 1].best : 0;

        c->own[cache][k].count = 0;
        if (best > 0)
            floors_add(&c->own[cache][k], 0, best, 0);
        c->unsure[cache][k] = 0;
        c->applied[cache][k] = from < CHECK_CACHES_MAX ? c->applied[from][k] : 0;
    }
    for (size_t i = 0; i < CHECK_RIGHTS_MAX; i++)
        if (c->rights[i].cache == cache)
            c->rights[i].held = false;
}

void check_own_word(struct check *c, size_t cache, size_t key, uint64_t version, uint64_t at_ns)
{
    if (version > floors_before(&c->own[cache][key], UINT64_MAX))
        floors_add(&c->own[cache][key], at_ns, version, 0);
}

void check_own_read(struct check *c, const struct check_read *r)
{
    uint64_t floor = floors_before(&c->own[r->cache][r->key], r->start_ns);

    if (r->version < floor)
        check_fail(c, "own word",
                   "a fresh read of key %zu returned version %llu; this host had answered "
                   "before that version %llu is the least",
                   r->key, (unsigned long long)r->version, (unsigned long long)floor);
}
