/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* sqlite.h - sqlite:/path/to/file[?cluster=name], for the processes of one host.
 *
 * For people: docs/operating/sqlite.md. */
#ifndef ACCORD_BUS_SQLITE_SQLITE_H
#define ACCORD_BUS_SQLITE_SQLITE_H

#include "bus/bus.h"

extern const struct bus_ops bus_sqlite;

#endif
