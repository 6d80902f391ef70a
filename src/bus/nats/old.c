/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/old.h"

#include <stdio.h>

#include "bus/nats/nats.h"
#include "bus/url.h"

static int add(char *url, size_t url_bytes, char why[BUS_WHY_BYTES_MAX])
{
    size_t used = strlen(url);
    const char *separator = strchr(url, '?') ? "&" : "?";
    static const char option[] = "allow_old_server=1";

    if (used + 1 + sizeof option > url_bytes)
        return bus_fail(why, ACCORD_E_INVALID, "the URL has no room for ?%s", option);
    snprintf(url + used, url_bytes - used, "%s%s", separator, option);
    return ACCORD_OK;
}

int nats_allow_old_server(char *url, size_t url_bytes, char why[BUS_WHY_BYTES_MAX])
{
    char unsaid[BUS_WHY_BYTES_MAX];
    struct bus_url u;
    bool allowed = false;
    const struct bus_ops *ops = bus_find(url, unsaid);

    if (ops && ops != &bus_nats)
        return bus_fail(why, ACCORD_E_INVALID,
                        "an old server is allowed of nats:// and tls:// only; leave it out");
    if (!ops || bus_url_parse(&u, url, 1, "", unsaid) != ACCORD_OK)
        return ACCORD_OK;
    bool said = bus_url_option(&u, "allow_old_server", NULL) != NULL;
    int status = bus_url_flag(&u, "allow_old_server", true, &allowed, unsaid);
    bus_url_done(&u);
    if (status != ACCORD_OK || (said && allowed))
        return ACCORD_OK;
    if (said)
        return bus_fail(why, ACCORD_E_INVALID,
                        "the URL says allow_old_server=0: leave one of both out");
    return add(url, url_bytes, why);
}
