/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/place.h"

#include "net/time.h"

#include <stdio.h>
#include <stdlib.h>

#define EXPECTED      "chp://127.0.0.1:5556/cluster"
#define EXPECTED_PAIR "chp://127.0.0.1:5556,127.0.0.1:6556/cluster"

static int settings_check(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    if (s->timeout_ms == 0 || s->max_stale_ms < MAX_STALE_MS_MIN ||
        s->max_stale_ms > MAX_STALE_MS_MAX)
        return bus_fail(why, ACCORD_E_INVALID,
                        "timeout must be at least 1 ms, max_stale from %d to %d ms",
                        MAX_STALE_MS_MIN, MAX_STALE_MS_MAX);
    return ACCORD_OK;
}

/* CHP takes the next two ports as well. */
static int ports_check(const struct bus_url *u, char why[BUS_WHY_BYTES_MAX])
{
    for (size_t i = 0; i < u->server_count; i++)
        if (u->servers[i].port > UINT16_MAX - 2)
            return bus_fail(why, ACCORD_E_INVALID,
                            "chp: port %u: it takes the next two ports also, so %d is the last",
                            u->servers[i].port, UINT16_MAX - 2);
    if (u->server_count == 1 || strcmp(u->servers[0].host, u->servers[1].host) != 0 ||
        abs(u->servers[0].port - u->servers[1].port) > 2)
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_INVALID,
                    "chp: ports %u and %u: each server takes the next two ports also, so they "
                    "overlap; expected such as " EXPECTED_PAIR,
                    u->servers[0].port, u->servers[1].port);
}

static int url_check(const struct bus_url *u, char why[BUS_WHY_BYTES_MAX])
{
    if (u->server_count > CHP_PAIR)
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: the URL has %zu servers; it is one, or a primary and a backup: "
                        "expected such as " EXPECTED_PAIR,
                        u->server_count);
    if (u->user || u->password)
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: the protocol has no users; expected " EXPECTED);
    if (u->path[0] && !bus_cluster_is_valid(u->path))
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: \"%.40s\" is no cluster's name: 1 to 32 of a-z, 0-9 and _; "
                        "expected " EXPECTED,
                        u->path);
    return ports_check(u, why);
}

int chp_place_parse(struct chp_place *out, const struct bus_settings *s,
                    char why[BUS_WHY_BYTES_MAX])
{
    static const char *const known[] = {NULL};
    struct bus_url *u = &out->url;

    memset(out, 0, sizeof *out);
    int status = settings_check(s, why);
    if (status == ACCORD_OK)
        status = bus_url_parse(u, s->url, CHP_PORT_DEFAULT, EXPECTED, why);
    if (status == ACCORD_OK)
        status = bus_url_know(u, known, why);
    if (status == ACCORD_OK)
        status = url_check(u, why);
    if (status != ACCORD_OK)
        return status;
    snprintf(out->cluster, sizeof out->cluster, "%s", u->path[0] ? u->path : "accord");
    for (size_t i = 0; i < u->server_count; i++)
        snprintf(out->server[i], sizeof out->server[i],
                 strchr(u->servers[i].host, ':') ? "[%.64s]:%u" : "%.64s:%u",
                 u->servers[i].host, u->servers[i].port);
    talk_prefix(out->cluster, out->prefix);
    out->node = s->node ? s->node : "";
    out->max_stale_ms = s->max_stale_ms;
    out->retain_ms = s->retain_ms;
    out->retain_changes = s->retain_changes;
    out->timeout_ms = s->timeout_ms;
    return ACCORD_OK;
}

struct talk_question chp_place_question(const struct chp_place *p, enum talk_verb verb)
{
    struct talk_question q = {.verb = verb};

    memcpy(q.cluster, p->cluster, sizeof q.cluster);
    return q;
}

uint64_t chp_place_deadline(const struct chp_place *p)
{
    return u64_add_sat(time_monotonic_ns(), p->timeout_ms * NS_PER_MS);
}
