/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/place.h"

#include "net/time.h"

#include <stdio.h>

#define EXPECTED "chp://127.0.0.1:5556/cluster"

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
static int url_check(const struct bus_url *u, char why[BUS_WHY_BYTES_MAX])
{
    if (u->server_count != 1)
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: the URL has %zu servers; one is served by one (a backup that "
                        "takes over is not built yet)",
                        u->server_count);
    if (u->user || u->password)
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: the protocol has no users; expected " EXPECTED);
    if (u->servers[0].port > UINT16_MAX - 2)
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: port %u: it takes the next two ports also, so %d is the last",
                        u->servers[0].port, UINT16_MAX - 2);
    if (u->path[0] && !bus_cluster_is_valid(u->path))
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: \"%.40s\" is no cluster's name: 1 to 32 of a-z, 0-9 and _; "
                        "expected " EXPECTED,
                        u->path);
    return ACCORD_OK;
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
    snprintf(out->server, sizeof out->server,
             strchr(u->servers[0].host, ':') ? "[%.64s]:%u" : "%.64s:%u", u->servers[0].host,
             u->servers[0].port);
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
