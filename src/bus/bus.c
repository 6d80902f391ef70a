/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/bus.h"

#include <stdarg.h>
#include <stdio.h>

#include "bus/chp/chp.h"
#include "bus/memory.h"
#include "bus/nats/nats.h"
#include "bus/postgres/postgres.h"
#include "bus/redis/redis.h"
#include "bus/sqlite/sqlite.h"
#include "bus/xmpp/xmpp.h"

/* Each bus adds its line here, and one to test/contract/contract.h. */
static const struct bus_ops *const known[] = {&bus_sqlite, &bus_postgres, &bus_redis, &bus_nats,
                                              &bus_xmpp,   &bus_chp,      &bus_memory};

int bus_fail(char why[BUS_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, BUS_WHY_BYTES_MAX, format, arguments);
    va_end(arguments);
    return status;
}

int bus_check_changes(const struct change *changes, size_t count, char why[BUS_WHY_BYTES_MAX])
{
    if (count == 0 || count > PUBLISH_BATCH_MAX)
        return bus_fail(why, ACCORD_E_INVALID, "%zu changes at once; expected 1 to %d", count,
                        PUBLISH_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *problem = change_problem(&changes[i]);

        if (!problem && id128_is_none(changes[i].message))
            problem = "it has no message id";
        if (problem)
            return bus_fail(why, ACCORD_E_INVALID, "change %zu: %s", i, problem);
    }
    return ACCORD_OK;
}

static void say_unknown(const char *url, char why[BUS_WHY_BYTES_MAX])
{
    char list[128] = "";
    size_t used = 0;

    for (size_t i = 0; i < COUNT_OF(known) && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s:", i > 0 ? ", " : "",
                                 known[i]->scheme);
    (void)bus_fail(why, 0, "\"%.100s\" names no bus of this build; it has %s (e.g. %s)", url,
                   list, "sqlite:/var/lib/accord/bus.db");
}

static bool begins_with(const char *url, const char *scheme)
{
    size_t length = scheme ? strlen(scheme) : 0;

    return length > 0 && strncmp(url, scheme, length) == 0 && url[length] == ':';
}

const struct bus_ops *bus_find(const char *url, char why[BUS_WHY_BYTES_MAX])
{
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (begins_with(url, known[i]->scheme) || begins_with(url, known[i]->also))
            return known[i];
    }
    say_unknown(url, why);
    return NULL;
}
