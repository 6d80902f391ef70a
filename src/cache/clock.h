/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* clock.h - the one thing in src/cache that is not pure: what time is it on the segment's
 * clock?
 *
 * The reader needs it, once per hit, in any process. The writer never includes this. */
#ifndef ACCORD_CACHE_CLOCK_H
#define ACCORD_CACHE_CLOCK_H

#include "cache/segment.h"

#if defined(SEGMENT_STEP)
enum { CLOCK_HAS_TSC = 1 };
uint64_t clock_tsc(void); /* the simulator's */
#elif defined(__x86_64__)
enum { CLOCK_HAS_TSC = 1 };

/* A plain RDTSC may run ahead of earlier loads, but not past an interrupt or a VM exit: those
 * discard what has not retired, so it is early by less than the depth of the pipeline (under a
 * microsecond), never by a pause. RDTSCP would cost a third more for that. The empty asm
 * keeps the compiler from moving it. */
static inline uint64_t clock_tsc(void)
{
    __asm__ volatile("" ::: "memory");
    return __builtin_ia32_rdtsc();
}
#else
enum { CLOCK_HAS_TSC = 0 };
static inline uint64_t clock_tsc(void)
{
    return 0;
}
#endif

/* CLOCK_BOOTTIME in ns: counts suspend. */
uint64_t clock_boottime_ns(void);

/* Now, on the clock that the lease word `deadline` is of. A tsc_mult of 0 makes a clock that
 * stands at r->ns_base: tests and the simulator move it. */
static inline uint64_t clock_now_ns(const struct reader *r, uint64_t deadline)
{
    if (deadline & DEADLINE_FALLBACK) {
        uint64_t base_ns = load(&r->header->fallback_base);
        return clock_boottime_ns() + base_ns;
    }
    if (r->clock == CLOCK_CLASS_TSC) {
        __extension__ typedef unsigned __int128 wide;
        return r->ns_base + (uint64_t)((wide)(clock_tsc() - r->tsc_base) * r->tsc_mult >> 32);
    }
    return clock_boottime_ns() + r->ns_base;
}

#endif
