/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* time.h - the clocks of those who wait for servers and disks. A lease is measured by another
 * one: node/clock.h.
 *
 * Thread-safe; neither fails.
 */
#ifndef ACCORD_NET_TIME_H
#define ACCORD_NET_TIME_H

#include "base/base.h"

uint64_t time_monotonic_ns(void); /* since some moment of this boot, suspend not counted */
uint64_t time_wall_ms(void);      /* Unix time, as people set it */

#endif
