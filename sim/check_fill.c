/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* P2: what was read before a removal is never stored as fresh after it. */
#include "sim/check.h"

void check_applied(struct check *c, size_t cache, size_t key, uint64_t version)
{
    if (version > c->applied[cache][key])
        c->applied[cache][key] = version;
}

void check_token_old(struct check *c, size_t key, const char *source)
{
    check_fail(c, "P2", "a fill of key %zu was stored with a token of %s", key, source);
}

void check_kept_unsure(struct check *c, size_t cache, size_t key, uint64_t version,
                       uint64_t at_ns)
{
    c->unsure[cache][key] = version + 1;
    c->unsure_ns[cache][key] = at_ns;
}

void check_set(struct check *c, size_t cache, size_t key)
{
    c->unsure[cache][key] = 0;
}

void check_unsure_inherited(struct check *c, size_t cache, size_t from)
{
    for (size_t k = 0; k < c->keys; k++) {
        c->unsure[cache][k] = c->unsure[from][k];
        c->unsure_ns[cache][k] = c->unsure_ns[from][k];
    }
}

void check_unsure_read(struct check *c, const struct check_read *r)
{
    bool since = r->start_ns >= c->unsure_ns[r->cache][r->key]; /* else it may have read what
                                                                    lay there before */

    if (since && c->unsure[r->cache][r->key] == r->version + 1)
        check_fail(c, "unsure",
                   "version %llu of key %zu was kept while unsure, and called fresh",
                   (unsigned long long)r->version, r->key);
}

void check_stored(struct check *c, size_t cache, size_t key, uint64_t version)
{
    check_set(c, cache, key);
    if (version < c->applied[cache][key])
        check_fail(c, "P2",
                   "version %llu of key %zu was stored as fresh, after a removal at version "
                   "%llu took hold there",
                   (unsigned long long)version, key,
                   (unsigned long long)c->applied[cache][key]);
}
