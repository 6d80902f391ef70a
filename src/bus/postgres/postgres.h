/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* postgres.h - the bus over a table of a PostgreSQL database that the fleet already has
 * (docs/operating/bus_postgres.md). */
#ifndef ACCORD_BUS_POSTGRES_POSTGRES_H
#define ACCORD_BUS_POSTGRES_POSTGRES_H

#include "bus/bus.h"

extern const struct bus_ops bus_postgres;

#endif
