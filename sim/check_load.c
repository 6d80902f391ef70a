/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* L11: at most one caller at a time is told to load a key on one host. */
#include "sim/check.h"

#include "base/base.h"

void check_right_given(struct check *c, size_t cache, size_t key, uint64_t client,
                       uint64_t now_ns, uint64_t until_ns)
{
    struct check_right *spare = NULL;

    for (size_t i = 0; i < CHECK_RIGHTS_MAX; i++) {
        struct check_right *r = &c->rights[i];
        if (r->held && r->until_ns <= now_ns)
            r->held = false;
        if (!r->held && !spare)
            spare = r;
        if (r->held && r->cache == cache && r->key == key)
            check_fail(c, "L11",
                       "client %llu was told to load key %zu, which client %llu is loading",
                       (unsigned long long)client, key, (unsigned long long)r->client);
    }
    ASSERT(spare);
    *spare = (struct check_right){true, cache, key, client, until_ns};
}

void check_right_used(struct check *c, size_t cache, size_t key)
{
    for (size_t i = 0; i < CHECK_RIGHTS_MAX; i++)
        if (c->rights[i].cache == cache && c->rights[i].key == key)
            c->rights[i].held = false;
}

void check_right_gone(struct check *c, size_t cache, uint64_t client)
{
    for (size_t i = 0; i < CHECK_RIGHTS_MAX; i++)
        if (c->rights[i].cache == cache && c->rights[i].client == client)
            c->rights[i].held = false;
}
