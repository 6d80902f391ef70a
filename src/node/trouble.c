/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/trouble.h"

bool trouble_met(struct trouble *t, uint64_t now_ns)
{
    if (t->tries++ == 0)
        t->since_ns = t->told_ns = now_ns;
    if (now_ns < u64_add_sat(t->told_ns, TROUBLE_TELL_EVERY_NS))
        return false;
    t->told_ns = now_ns;
    return true;
}

void trouble_over(struct trouble *t)
{
    *t = (struct trouble){.tries = 0};
}
