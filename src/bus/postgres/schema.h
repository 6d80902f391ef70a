/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* schema.h - the SQL that makes a cluster's log in a database, and the tools beside it.
 *
 * Everything lies in one schema: accord, or accord_NAME for ?cluster=NAME. The same text is run
 * by a node that may, and printed for a DBA (accord bus schema). It may be run again at any
 * time: what is there stays, functions are made anew.
 */
#ifndef ACCORD_BUS_POSTGRES_SCHEMA_H
#define ACCORD_BUS_POSTGRES_SCHEMA_H

#include "bus/bus.h"

enum {
    PG_FORMAT = 1,
    PG_SCHEMA_VERSION = 6, /* of the functions */
    PG_SCHEMA_NAME_BYTES_MAX = 48,
    PG_MOVE_ROWS_MAX = 10000, /* of the outbox at once: the bus's lock is held so long */
};

/* `sql` with each '@' replaced by `schema`, malloc()ed; NULL: out of memory. */
char *pg_expand(const char *sql, const char *schema);

/* The whole text, malloc()ed; NULL: out of memory. */
char *pg_schema_text(const char *schema);

#endif
