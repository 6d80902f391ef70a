/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_kit.h - what the contract's suite needs of each bus besides the bus itself: misfortunes,
 * brought about behind its back on the real server. */
#ifndef ACCORD_TEST_BUS_KIT_H
#define ACCORD_TEST_BUS_KIT_H

#include "bus/bus.h"

enum { KIT_URL_BYTES_MAX = 512 };

struct bus_kit {
    const char *name;
    /* A URL of this test's own; equal `cluster`, equal log. Ends the test as skipped where
     * there is no server. */
    void (*url)(char out[KIT_URL_BYTES_MAX], const char *cluster);
    /* Writes as a person would, past every check. `op` may be no op; key.data NULL: no key. */
    void (*write)(const char *url, const char *op, struct bytes key);
    /* The log loses its last `count` entries; their positions are given again. */
    void (*cut)(const char *url, unsigned count);
    /* Another log, empty, is there now. */
    void (*replace)(const char *url);
    /* Of each call, where the suite does not ask for another: a server that does much by itself
     * for a login may need longer on a busy machine. 0: as on all. */
    uint64_t timeout_ms;
};

extern const struct bus_kit bus_kit_memory, bus_kit_sqlite, bus_kit_nats, bus_kit_postgres,
    bus_kit_redis, bus_kit_xmpp, bus_kit_xmpp_ejabberd, bus_kit_chp, bus_kit_chp_pair,
    bus_kit_http;

#endif
