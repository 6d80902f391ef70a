/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* presence.h - which nodes have a connection, by pg_stat_activity (B18).
 *
 * Any role sees the names there, of its own and of others' connections. What the URL's
 * application_name replaces cannot be told: ACCORD_E_UNSUPPORTED. */
#ifndef ACCORD_BUS_POSTGRES_PRESENCE_H
#define ACCORD_BUS_POSTGRES_PRESENCE_H

#include "bus/postgres/reader.h"

/* As the method of struct bus_ops. */
MUST_CHECK int pg_presence(struct pg_reader *r, const char *const *names, size_t count,
                           bool *there, char why[BUS_WHY_BYTES_MAX]);

#endif
