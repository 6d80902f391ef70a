/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* presence.h - which nodes have a connection, by CLIENT LIST (B18). */
#ifndef ACCORD_BUS_REDIS_PRESENCE_H
#define ACCORD_BUS_REDIS_PRESENCE_H

#include "bus/redis/place.h"

/* Whether the text of CLIENT LIST has a connection of that node of the place's cluster and
 * database. Pure. */
bool redis_presence_has(const struct redis_place *p, struct bytes list, const char *node);

#endif
