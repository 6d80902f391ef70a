/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/clock.h"

#include <time.h>

uint64_t clock_boottime_ns(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_BOOTTIME, &now); /* cannot fail on a Linux that has it (2.6.39) */
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}
