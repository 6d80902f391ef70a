/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* redis.h - redis:// and rediss:// (place.h says what may be in them): a stream of a Redis
 * server.
 *
 * For people: docs/operating/bus_redis.md. */
#ifndef ACCORD_BUS_REDIS_REDIS_H
#define ACCORD_BUS_REDIS_REDIS_H

#include "bus/bus.h"

extern const struct bus_ops bus_redis;

#endif
