/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* admin.h - for the people who run the server: `accord bus schema` and `accord bus drop`. */
#ifndef ACCORD_BUS_REDIS_ADMIN_H
#define ACCORD_BUS_REDIS_ADMIN_H

#include "bus/bus.h"

/* As bus.h says: the ACL of a user who may do just what Accord does. */
MUST_CHECK int redis_schema(const struct bus_settings *s, char **out,
                            char why[BUS_WHY_BYTES_MAX]);
MUST_CHECK int redis_drop(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);

#endif
