/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/presence.h"

#include "net/time.h"

enum { NODE_CONNECTION_BYTES_MAX = PG_SCHEMA_NAME_BYTES_MAX + NODE_NAME_BYTES_MAX + 8 };

static bool is_among(const PGresult *r, const struct pg_place *p, const char *node)
{
    char name[NODE_CONNECTION_BYTES_MAX];
    size_t length = (size_t)pg_place_node_name(p, node, name, sizeof name);

    length = u64_min(length, PG_APPLICATION_BYTES_MAX - 1);
    for (int row = 0; row < PQntuples(r); row++) {
        struct bytes seen = pg_bytes(r, row, 0);
        if (seen.size_bytes == length && memcmp(seen.data, name, length) == 0)
            return true;
    }
    return false;
}

int pg_presence(struct pg_reader *r, const char *const *names, size_t count, bool *there,
                char why[BUS_WHY_BYTES_MAX])
{
    static const struct pg_statement connected = {
        PG_PRESENT, "SELECT DISTINCT application_name FROM pg_stat_activity"
                    " WHERE datname = current_database()"
                    " AND starts_with(application_name, '@ node ')"};
    const struct pg_place *p = r->link.place;
    const struct pg_arguments none = {.count = 0};
    PGresult *result = NULL;

    if (bus_url_option(&p->url, "application_name", NULL))
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "application_name= in the URL hides which node a connection is of");
    r->link.deadline_ns = time_monotonic_ns() + r->settings->timeout_ms * NS_PER_MS;
    int status = pg_asked(pg_link_run(&r->link, &connected, &none, &result, why));
    for (size_t i = 0; i < count && status == ACCORD_OK; i++)
        there[i] = is_among(result, p, names[i]);
    PQclear(result);
    return status;
}
