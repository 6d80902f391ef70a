/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/place.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPECTED "redis://user:password@host:port/db?cluster=name (or rediss://)"

enum { DATABASE_MAX = 65535 };

/* The path is a number, a name, or both. */
static int parse_path(struct redis_place *p, char why[BUS_WHY_BYTES_MAX])
{
    const char *path = p->url.path, *name = path;
    size_t digits = strspn(path, "0123456789");

    if (digits > 0 && (path[digits] == '/' || path[digits] == 0)) {
        unsigned long database = strtoul(path, NULL, 10);
        if (digits > 5 || database > DATABASE_MAX)
            return bus_fail(why, ACCORD_E_INVALID, "database %.20s: expected 0 to %d", path,
                            DATABASE_MAX);
        p->database = (uint32_t)database;
        name = path + digits + (path[digits] == '/');
    }
    const char *option = bus_url_option(&p->url, "cluster", NULL);
    if (name[0] && option && strcmp(name, option) != 0)
        return bus_fail(why, ACCORD_E_INVALID,
                        "the URL names two clusters, /%.40s and cluster=%.40s", name, option);
    const char *cluster = name[0] ? name : option ? option : "default";
    if (!bus_cluster_is_valid(cluster))
        return bus_fail(why, ACCORD_E_INVALID,
                        "cluster \"%.40s\": a cluster's name is 1 to 32 of a-z, 0-9 and _; "
                        "expected " EXPECTED,
                        cluster);
    snprintf(p->cluster, sizeof p->cluster, "%s", cluster);
    snprintf(p->changes, sizeof p->changes, "accord:{%s}:changes", cluster);
    snprintf(p->log, sizeof p->log, "accord:{%s}:log", cluster);
    snprintf(p->messages, sizeof p->messages, "accord:{%s}:messages", cluster);
    snprintf(p->client, sizeof p->client, "accord");
    return ACCORD_OK;
}

static int parse_tls(struct redis_place *p, char why[BUS_WHY_BYTES_MAX])
{
    const char *verify = bus_url_option(&p->url, "verify", "yes");

    p->tls = strcmp(p->url.scheme, "rediss") == 0;
    p->ca = bus_url_option(&p->url, "ca", NULL);
    p->cert = bus_url_option(&p->url, "cert", NULL);
    p->key = bus_url_option(&p->url, "key", NULL);
    p->insecure = strcmp(verify, "insecure") == 0;
    if (!p->insecure && strcmp(verify, "yes") != 0)
        return bus_fail(why, ACCORD_E_INVALID, "verify=%.40s: expected yes or insecure",
                        verify);
    if (!p->tls && (p->ca || p->cert || p->key || p->insecure))
        return bus_fail(why, ACCORD_E_INVALID,
                        "ca, cert, key and verify are for TLS: write rediss://");
    if (!p->cert != !p->key)
        return bus_fail(why, ACCORD_E_INVALID, "cert and key go together");
    if (p->insecure && p->ca)
        return bus_fail(why, ACCORD_E_INVALID,
                        "verify=insecure and ca contradict each other; leave one of them out");
    return ACCORD_OK;
}

static int parse(struct redis_place *p, char why[BUS_WHY_BYTES_MAX])
{
    static const char *const known[] = {"cluster", "replicas", "allow_evicting", "ca",
                                        "cert",    "key",      "verify",         NULL};

    int status = bus_url_know(&p->url, known, why);
    if (status == ACCORD_OK)
        status = parse_path(p, why);
    if (status == ACCORD_OK)
        status = parse_tls(p, why);
    if (status == ACCORD_OK)
        status =
            bus_url_number(&p->url, "replicas", 0, REDIS_REPLICAS_MAX, 0, &p->replicas, why);
    if (status == ACCORD_OK)
        status = bus_url_flag(&p->url, "allow_evicting", false, &p->allow_evicting, why);
    if (status == ACCORD_OK && p->url.user && !p->url.password)
        status = bus_fail(why, ACCORD_E_INVALID,
                          "the URL has a user and no password; give one, or password_file");
    return status;
}

int redis_place_init(struct redis_place *out, const char *url, char why[BUS_WHY_BYTES_MAX])
{
    memset(out, 0, sizeof *out);
    int status = bus_url_parse(&out->url, url, REDIS_PORT, EXPECTED, why);
    if (status == ACCORD_OK)
        status = parse(out, why);
    if (status != ACCORD_OK)
        redis_place_done(out);
    return status;
}

void redis_place_node_name(const struct redis_place *p, const char *node,
                           char out[REDIS_CLIENT_BYTES_MAX])
{
    snprintf(out, REDIS_CLIENT_BYTES_MAX, "accord:{%s}:node:%.*s", p->cluster,
             NODE_NAME_BYTES_MAX, node);
}

void redis_place_of_node(struct redis_place *p, const char *node)
{
    if (node)
        redis_place_node_name(p, node, p->client);
}

void redis_place_done(struct redis_place *p)
{
    bus_url_done(&p->url);
}
