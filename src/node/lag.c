/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/lag.h"

bool lag_look(struct lag *l, uint64_t now_ns, bool known, uint64_t lag_ns, uint64_t bound_ns)
{
    bool before = l->lagging;

    l->lagging = known && bound_ns > 0 && lag_ns > bound_ns / 2;
    if (!l->lagging)
        return false;
    l->alarms += !before;
    if (l->told_ns > 0 && now_ns < u64_add_sat(l->told_ns, LAG_TELL_EVERY_NS))
        return false;
    l->told_ns = now_ns;
    return true;
}
