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

enum {
    PG_PARAMETERS_MAX = 32,
    PG_APPLICATION_BYTES_MAX = 64, /* with its end: the server cuts off what is more */
};

struct pg_place {
    struct bus_url url;
    char schema[PG_SCHEMA_NAME_BYTES_MAX]; /* "accord", "accord_shop" */
    char application[PG_APPLICATION_BYTES_MAX];
};

/* ACCORD_E_INVALID, ACCORD_E_DENIED (a password's file). *out may not be copied or moved. On
 * failure nothing is left in it. */
MUST_CHECK int pg_place_init(struct pg_place *out, const char *url,
                             char why[BUS_WHY_BYTES_MAX]);
void pg_place_done(struct pg_place *p);

/* Names the connections of a node "accord_shop node web1", cut as the server would; NULL, or
 * where the URL has an application_name, leaves that ("accord" by default). */
void pg_place_of_node(struct pg_place *p, const char *node);
/* "accord_shop node web1", whole; its length as snprintf() gives it. */
int pg_place_node_name(const struct pg_place *p, const char *node, char *out, size_t size);

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
