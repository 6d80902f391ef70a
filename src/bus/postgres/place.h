/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* place.h - the URL of a PostgreSQL bus: which servers, how to get in, which cluster.
 *
 *     postgres://user:password@host:port,host:port/database?cluster=name&option=value
 *
 * A host that begins with a slash (%2Frun%2Fpostgresql) is the folder of a unix socket. What is
 * not said here, libpq takes from its own places (PGUSER, ~/.pgpass, a service file is not
 * read). TLS is verified (sslmode=verify-full) unless the server is this host.
 */
#ifndef ACCORD_BUS_POSTGRES_PLACE_H
#define ACCORD_BUS_POSTGRES_PLACE_H

#include "bus/postgres/schema.h"
#include "bus/url.h"

enum { PG_PARAMETERS_MAX = 32 };

struct pg_place {
    struct bus_url url;
    char schema[PG_SCHEMA_NAME_BYTES_MAX]; /* "accord", "accord_shop" */
};

/* ACCORD_E_INVALID, ACCORD_E_DENIED (a password's file). *out may not be copied or moved. On
 * failure nothing is left in it. */
MUST_CHECK int pg_place_init(struct pg_place *out, const char *url,
                             char why[BUS_WHY_BYTES_MAX]);
void pg_place_done(struct pg_place *p);

/* Whether server `index` is reached without a network. */
bool pg_place_is_local(const struct pg_place *p, size_t index);

/* What PQconnectStartParams() wants for server `index`, whose name was resolved to `address`
 * (NULL: not needed). `room` holds what has to be made. */
struct pg_parameters {
    const char *names[PG_PARAMETERS_MAX], *values[PG_PARAMETERS_MAX]; /* NULL ends */
    char port[8], timeout[16];
};
void pg_place_parameters(const struct pg_place *p, size_t index, const char *address,
                         uint64_t timeout_ms, struct pg_parameters *out);

#endif
