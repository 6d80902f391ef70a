/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* clock.h - which clock may the segment's readers use, and does it still run right?
 *
 * CLOCK_BOOTTIME counts suspend and is always right, but costs a system call's worth of
 * arithmetic per hit. An invariant time-stamp counter costs half and keeps counting while a
 * hypervisor pauses the guest; it is used only where the kernel itself trusts it, is fitted to
 * BOOTTIME at start, and compared with it at every beat: more than 1 % apart since the last
 * comparison, and the node uses BOOTTIME for good.
 */
#ifndef ACCORD_NODE_CLOCK_H
#define ACCORD_NODE_CLOCK_H

#include "cache/writer.h"

struct node_clock {
    struct segment_clock_settings settings;
    char source[32];      /* the kernel's clock source, for people */
    uint64_t seen_ns;     /* at the last comparison: the TSC as ns */
    uint64_t boottime_ns; /* and BOOTTIME */
    bool broken;
};

enum { CLOCK_COMPARE_NS_MIN = 50000000 }; /* comparisons closer together prove nothing */

/* Chooses and fits: takes tens of milliseconds where the TSC is used. allow_tsc false:
 * BOOTTIME. */
void clock_start(struct node_clock *c, bool allow_tsc);

/* True once, when the TSC was found wrong: *now then is what replaces it, in which time does
 * not go backwards. False: all is well, or it is too soon to say. */
MUST_CHECK bool clock_went_wrong(struct node_clock *c, struct segment_clock_settings *now);

/* The comparison alone, on given readings; what clock_went_wrong() decides by. */
bool clock_apart(uint64_t tsc_elapsed_ns, uint64_t boottime_elapsed_ns);

/* What is used and what it covers, one line for people. Static. */
const char *clock_about(const struct node_clock *c);

/* Of the shell itself: Unix time in milliseconds. */
uint64_t clock_wall_ms(void);

#endif
