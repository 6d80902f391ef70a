/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* How old a fresh read may be, while the cluster's max_stale changes: at most as old as the
 * largest number that was in force at any time since the oldest moment which that number
 * allows. So a raised one counts at once, and a lowered one when the last lease by the old one
 * has ended. A namespace, or a node, may have a smaller number of its own. */
#include "sim/sim.h"

void bound_begin(struct sim *s)
{
    s->term_count = 0;
    bound_note(s, s->plan.max_stale_ns);
}

void bound_note(struct sim *s, uint64_t max_stale_ns)
{
    if (s->term_count > 0 && s->terms[s->term_count - 1].max_stale_ns == max_stale_ns)
        return;
    ASSERT(s->term_count < TERMS_MAX);
    s->terms[s->term_count++] = (struct term){.at_ns = s->now_ns, .max_stale_ns = max_stale_ns};
}

bool bound_has_room(const struct sim *s)
{
    return s->term_count < TERMS_MAX / 2; /* the log may lose changes, too */
}

uint64_t bound_since(const struct sim *s, const struct cache *c, size_t key)
{
    const struct host *h = &s->hosts[c->host];
    uint64_t clock_ns = clock_at(&h->clock, s->now_ns), oldest_ns = UINT64_MAX;

    for (size_t i = 0; i < s->term_count; i++) {
        uint64_t max_stale_ns = u64_min(c->local_ns, s->terms[i].max_stale_ns);
        uint64_t bound_ns = key_max_stale_ns(s, key, max_stale_ns);
        uint64_t since_ns = clock_since(&h->clock, u64_sub_sat(clock_ns, bound_ns));
        bool last = i + 1 == s->term_count;
        if (last || s->terms[i + 1].at_ns > since_ns)
            oldest_ns = u64_min(oldest_ns, since_ns);
    }
    return oldest_ns;
}
