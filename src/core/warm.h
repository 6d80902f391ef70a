/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* warm.h - does this incarnation begin with what an earlier one had?
 *
 * It may where the shell knows at which cursor the earlier one stood (core_settings.resume):
 * then the first attach resumes there, and everything later is applied to the new, empty
 * segment. The earlier segment may be given at any time after that (EVENT_INHERIT), by the
 * service manager or by a process that still maps it: what nothing has touched since the cursor
 * is copied over, in bounded steps (cache/inherit.h); what somebody wants to load, at once:
 * while it can be had from there nobody reads the origin for it. A segment that is there before
 * the first attach is copied first, for WARM_HEAD_START_NS at most, since a replay touches
 * whole slots.
 *
 * Nothing that an earlier incarnation knew is proven any more after a cold boot: that ends it.
 * Where no segment has come WARM_WAIT_NS after the attach, the node is called cold; one that
 * comes later is taken nevertheless.
 *
 * The entries up to the cursor are read again as far as the view of members needs them. They
 * took hold in the earlier segment before its position moved (L2), so here they are not applied
 * once more.
 *
 * Pure. Part of the core: included by inside.h alone.
 */
#ifndef ACCORD_CORE_WARM_H
#define ACCORD_CORE_WARM_H

#include "cache/inherit.h"
#include "core/core.h"
#include "core/text.h"

#define WARM_HEAD_START_NS (2 * NS_PER_S)
#define WARM_WAIT_NS       (2 * NS_PER_S)
enum { WARM_STEP_ITEMS = 1024 };

struct warm {
    enum core_warmth state;
    uint64_t floor;       /* entries up to here are in the earlier segment; 0: none is */
    uint64_t reaches;     /* the earlier segment's position: the log must be that long */
    uint64_t give_up_ns;  /* cold if nothing was given by then; UINT64_MAX: no such time */
    uint64_t hold_ns;     /* no attach before, while copying */
    struct inherit *copy; /* WARM_COPYING */
    struct inherit_counts counts;
    struct text why;
    bool cold_wanted; /* EFFECT_COLD is to be said */
    enum drop cold_cause;
    struct text cold_why;
};

#endif
