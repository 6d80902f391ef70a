/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* place.h - where a log is: chp://host:port/cluster, as a node with --listen chp://host:port
 * serves it, or chp://host:port,host:port/cluster, as two do of which one answers (pair.h).
 * Without a cluster it is "accord". */
#ifndef ACCORD_BUS_CHP_PLACE_H
#define ACCORD_BUS_CHP_PLACE_H

#include "bus/chp/talk.h"
#include "bus/url.h"

enum { CHP_PORT_DEFAULT = 5556, CHP_SERVER_BYTES_MAX = 96, CHP_PAIR = 2 };

struct chp_place {
    struct bus_url url; /* one server, or two */
    char cluster[TALK_CLUSTER_BYTES_MAX];
    char server[CHP_PAIR][CHP_SERVER_BYTES_MAX]; /* "127.0.0.1:5556", for people */
    char prefix[TALK_PREFIX_BYTES_MAX];
    const char *node; /* "": a tool */
    uint64_t max_stale_ms, retain_ms, retain_changes, timeout_ms;
};

/* ACCORD_E_INVALID: the URL or a setting; `why` says which. The pointers of *out point into it:
 * it may not be copied. s->node is borrowed. */
MUST_CHECK int chp_place_parse(struct chp_place *out, const struct bus_settings *s,
                               char why[BUS_WHY_BYTES_MAX]);

/* A question of this cluster; the nonce is the caller's. */
struct talk_question chp_place_question(const struct chp_place *p, enum talk_verb verb);
uint64_t chp_place_deadline(const struct chp_place *p); /* of a call that begins now */

#endif
