/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/cold.h"

#include <stdio.h>

void cold_boot(struct cold *c, uint64_t now_ns, uint64_t max_stale_ns, const char *cause,
               const char *why, struct position position)
{
    c->waits = true;
    c->unsure_due_ns = max_stale_ns > UINT64_MAX / COLD_PATIENCE
                           ? UINT64_MAX
                           : u64_add_sat(now_ns, COLD_PATIENCE * max_stale_ns);
    c->cause = cause;
    snprintf(c->why, sizeof c->why, "%s", why);
    c->position = position;
}

enum cold_run cold_due(struct cold *c, uint64_t now_ns, bool fresh)
{
    if (!c->waits)
        return COLD_NOTHING;
    if (fresh) {
        c->waits = false;
        return COLD_FRESH;
    }
    if (now_ns < c->unsure_due_ns)
        return COLD_NOTHING;
    c->unsure_due_ns = UINT64_MAX;
    return COLD_UNSURE;
}

uint64_t cold_deadline_ns(const struct cold *c)
{
    return c->waits ? c->unsure_due_ns : UINT64_MAX;
}
