/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEFAULT_PORT = 5432 };
#define EXPECTED       "postgres://user@host/database[?cluster=name]"
#define SYSTEM_CA_FILE "/etc/ssl/certs/ca-certificates.crt"

/* Handed to libpq as they are. */
static const char *const passed_on[] = {
    "passfile",         "sslmode", "sslrootcert",
    "sslcert",          "sslkey",  "sslpassword",
    "sslcrl",           "sslsni",  "ssl_min_protocol_version",
    "application_name", NULL};
static const char *const known[] = {
    "cluster",          "passfile",    "sslmode", "sslrootcert", "sslcert",
    "sslkey",           "sslpassword", "sslcrl",  "sslsni",      "ssl_min_protocol_version",
    "application_name", NULL};

int pg_place_init(struct pg_place *out, const char *url, char why[BUS_WHY_BYTES_MAX])
{
    int status = bus_url_parse(&out->url, url, DEFAULT_PORT, EXPECTED, why);

    if (status != ACCORD_OK)
        return status;
    status = bus_url_know(&out->url, known, why);
    if (status == ACCORD_OK && (!out->url.path[0] || strchr(out->url.path, '/')))
        status =
            bus_fail(why, ACCORD_E_INVALID, "the URL names no database; expected %s", EXPECTED);
    const char *cluster = bus_url_option(&out->url, "cluster", NULL);
    if (status == ACCORD_OK && cluster && !bus_cluster_is_valid(cluster))
        status =
            bus_fail(why, ACCORD_E_INVALID,
                     "cluster=%.100s: a cluster's name is 1 to 32 of a-z, 0-9 and _", cluster);
    if (status != ACCORD_OK) {
        bus_url_done(&out->url);
        return status;
    }
    snprintf(out->schema, sizeof out->schema, "accord%s%s", cluster ? "_" : "",
             cluster ? cluster : "");
    snprintf(out->application, sizeof out->application, "%s",
             bus_url_option(&out->url, "application_name", "accord"));
    return ACCORD_OK;
}

int pg_place_node_name(const struct pg_place *p, const char *node, char *out, size_t size)
{
    return snprintf(out, size, "%s node %s", p->schema, node);
}

void pg_place_of_node(struct pg_place *p, const char *node)
{
    if (node && !bus_url_option(&p->url, "application_name", NULL))
        (void)pg_place_node_name(p, node, p->application, sizeof p->application);
}

void pg_place_done(struct pg_place *p)
{
    bus_url_done(&p->url);
}

bool pg_place_is_local(const struct pg_place *p, size_t index)
{
    const char *host = p->url.servers[index].host;

    return host[0] == '/' || strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
           strncmp(host, "127.", 4) == 0;
}

static void add(struct pg_parameters *out, size_t *count, const char *name, const char *value)
{
    ASSERT(*count < PG_PARAMETERS_MAX - 1);
    if (!value)
        return;
    out->names[*count] = name;
    out->values[*count] = value;
    (*count)++;
}

/* libpq looks for ~/.postgresql/root.crt only; most certificates come from the system's
 * authorities. */
static const char *authorities(const struct pg_place *p)
{
    if (bus_url_option(&p->url, "sslrootcert", NULL) || getenv("PGSSLROOTCERT"))
        return NULL;
    return access(SYSTEM_CA_FILE, R_OK) == 0 ? SYSTEM_CA_FILE : NULL;
}

void pg_place_parameters(const struct pg_place *p, size_t index, const char *address,
                         uint64_t timeout_ms, struct pg_parameters *out)
{
    const struct bus_url_server *server = &p->url.servers[index];
    size_t count = 0;

    *out = (struct pg_parameters){0};
    snprintf(out->port, sizeof out->port, "%u", server->port);
    snprintf(out->timeout, sizeof out->timeout, "%llu",
             (unsigned long long)u64_min(timeout_ms, INT32_MAX));
    add(out, &count, "host", server->host);
    add(out, &count, "hostaddr", address);
    add(out, &count, "port", out->port);
    add(out, &count, "dbname", p->url.path);
    add(out, &count, "user", p->url.user);
    add(out, &count, "password", p->url.password);
    add(out, &count, "application_name", p->application);
    add(out, &count, "client_encoding", "UTF8");
    add(out, &count, "gssencmode", "disable"); /* it asks a KDC, which may not answer */
    add(out, &count, "target_session_attrs", "read-write");
    /* A server that vanished is noticed also where nothing is asked. */
    add(out, &count, "tcp_user_timeout", out->timeout);
    add(out, &count, "keepalives_idle", "10");
    add(out, &count, "keepalives_interval", "5");
    add(out, &count, "keepalives_count", "3");
    for (size_t i = 0; passed_on[i]; i++)
        if (strcmp(passed_on[i], "application_name") != 0)
            add(out, &count, passed_on[i], bus_url_option(&p->url, passed_on[i], NULL));
    if (!pg_place_is_local(p, index)) {
        if (!bus_url_option(&p->url, "sslmode", NULL))
            add(out, &count, "sslmode", "verify-full");
        add(out, &count, "sslrootcert", authorities(p));
    }
}
