/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hub.h - the serving side of the CHP bus: the logs of clusters, behind the three sockets of a
 * CHP server (talk.h says what travels).
 *
 * Who has the sockets hands over what is below "/accord/", and sends what the hub says; the hub
 * has no socket, no thread and no timer. It answers at once, whether or not the node that
 * serves it knows anything: it is what that node learns from.
 *
 * It begins without a log, and with none it ends: a log is of one hub. So a server that was
 * started again has other logs, with other names and epochs, and whoever was attached to one
 * notices (bus.h, B7).
 *
 * One thread, that of the sockets: hence a head that is answered is of a moment after the
 * question, and at least what was acknowledged before it (B13).
 */
#ifndef ACCORD_BUS_CHP_HUB_H
#define ACCORD_BUS_CHP_HUB_H

#include "base/base.h"
#include "base/limits.h"

/* Of the sockets. */
struct hub_host {
    void *context;
    uint64_t (*sequence)(void *context); /* the next of this server: they grow, also over its
                                            restarts */
    /* To one client of the ROUTER; ACCORD_E_BUSY: it has no room; ACCORD_E_GONE: it is gone. */
    int (*send)(void *context, struct bytes client, const struct bytes *frames, size_t count);
    void (*publish)(void *context, const struct bytes *frames, size_t count);
    /* To the other server of a pair; false: it is not connected. NULL: there is none. */
    bool (*say)(void *context, const struct bytes *frames, size_t count);
    /* Which of the two answers has changed, and why: for people. `what` is static. */
    void (*noted)(void *context, const char *what);
    /* A message was refused: for people. `why` is static. */
    void (*refused)(void *context, const char *why, struct bytes about);
};

/* Beside limits.h, which every file includes, for they concern few. */
enum { HUB_TICK_MS = 500 };
enum { CHP_LOGS_MAX = 16 };          /* clusters of which one server is the bus */
#define CHP_LOG_BYTES_MAX (64 * MIB) /* entries of one of their logs; the oldest go */

struct hub;

/* `host` is copied. NULL: no memory. */
struct hub *hub_new(const struct hub_host *host);
void hub_free(struct hub *h); /* NULL is fine */

/* It is one of two that serve the same logs (pair.h). */
struct hub_pair {
    bool primary;        /* of a pair that begins, it answers */
    const char *servers; /* "127.0.0.1:5556,127.0.0.1:6556": the same at both */
};
/* Before anything is handed over; `as` is borrowed. ACCORD_E_NOMEM. Then hub_tick() is called
 * every HUB_TICK_MS, after all that came was handed over. */
MUST_CHECK int hub_pair(struct hub *h, const struct hub_pair *as);
void hub_tick(struct hub *h);
/* What the other server answered to what was said to it. */
void hub_answered(struct hub *h, const struct bytes *frames, size_t count);
/* For people: which of the two this one is now; "": it is not one of two. */
const char *hub_pair_text(const struct hub *h);

/* Whether that is below "/accord/": a key, or a subtree that is asked for. */
bool hub_takes(struct bytes path);

/* What a client of the ROUTER sent, without its name: a question, or what a node publishes. */
void hub_asked(struct hub *h, struct bytes client, const struct bytes *frames, size_t count);
/* What came to the collector: a person's. */
void hub_told(struct hub *h, const struct bytes *frames, size_t count);

/* Counted since start, but for `logs` and `entries`, which are what is now. */
struct hub_counts {
    uint64_t logs, entries;
    uint64_t appended, questions, refused;
    uint64_t takeovers; /* times that it became the one of a pair that answers */
};
void hub_count(const struct hub *h, struct hub_counts *sum); /* adds */

/* The last `count` entries of a cluster vanish, as at a failover. For tests. */
void hub_cut(struct hub *h, const char *cluster, size_t count);

#endif
