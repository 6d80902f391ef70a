/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp.h - the CHP door: ZeroMQ's Clustered Hashmap Protocol (RFC 12) over this host's cache.
 *
 * A client reads a subtree's snapshot and hears of every update below it; it sets keys, with a
 * ttl. The tree is what a plain GET would find here (names.h says how keys are called): live
 * items whose value is not empty. Whatever ends one, be it a removal of any kind on any host,
 * its ttl, or eviction, is told as an empty value; what changes by itself within a second on
 * 65,536 keys.
 *
 * A set is a SET as through the RESP door: stored here, published, copies on other hosts
 * removed unless they are the same bytes; an empty value is a removal. There are no answers:
 * the update with the client's own uuid says that it was stored here.
 *
 * While the node is unsure it vouches for nothing: HUGZ stops, and snapshots wait. A client of
 * model 6 then goes to its other server. Sequences begin with the wall clock in microseconds,
 * so that a server started again goes on above what its clients have seen.
 *
 * One thread, the loop's.
 */
#ifndef ACCORD_DOOR_CHP_CHP_H
#define ACCORD_DOOR_CHP_CHP_H

#include "door/resp.h"

struct chp_door;

/* Whether an address is for this door: it begins with "chp:". */
bool chp_door_takes(const char *address);

/* Listens at "chp://host:port". `host` is borrowed for the door's life. On failure *out is
 * untouched and `why` says what to do. Errors as of resp_door_new(); ACCORD_E_UNSUPPORTED:
 * built without libzmq. */
MUST_CHECK int chp_door_new(struct chp_door **out, const struct door_host *host,
                            const char *address, char why[DOOR_WHY_BYTES_MAX]);

/* Who takes what is below CHP_BUS_TREE in a door's place: a hub, of which a door knows nothing.
 * Frames are borrowed for the call. */
struct chp_beside {
    void *context;
    /* A client of the ROUTER, without its name. */
    void (*asked)(void *context, struct bytes client, const struct bytes *frames, size_t count);
    /* The collector. */
    void (*told)(void *context, const struct bytes *frames, size_t count);
};
/* At most once, before the loop runs. `beside` is borrowed for the door's life. Without it such
 * messages are refused. */
void chp_door_serve(struct chp_door *d, const struct chp_beside *beside);

/* What such a one says. The sequence is the next of this door; the others as of
 * net/chp_sockets.h. */
uint64_t chp_door_sequence(struct chp_door *d);
int chp_door_send(struct chp_door *d, struct bytes client, const struct bytes *frames,
                  size_t count);
void chp_door_publish(struct chp_door *d, const struct bytes *frames, size_t count);
void chp_door_refused(struct chp_door *d, const char *why, struct bytes about);

/* Nothing more is read or told. Its handles are closed with the loop, as of resp_door_free().
 */
void chp_door_free(struct chp_door *d);

/* False: the request was another door's. */
bool chp_door_reply(struct chp_door *d, const struct reply *reply);

/* A request of any door was handed to the core, and has taken hold. */
void chp_door_requested(struct chp_door *d, const struct request *r);
/* A change was applied (EFFECT_APPLIED). */
void chp_door_applied(struct chp_door *d, const struct entry *entry, bool own);
/* Much may have changed at once: the cache was dropped, or an earlier one was inherited. */
void chp_door_changed(struct chp_door *d);

/* Counted since start, but for `keys` and `snapshots_open`, which are what is now. */
struct chp_counts {
    uint64_t keys, snapshots_open;
    uint64_t snapshots;   /* ended with KTHXBAI */
    uint64_t updates;     /* values and removals published */
    uint64_t sets;        /* values and removals of clients that were handed to the core */
    uint64_t sets_failed; /* of them, answered with an error */
    uint64_t refused;     /* messages that were no set and no question */
    uint64_t unlisted;    /* keys that clients were not told of: too many, or without memory */
};
void chp_door_count(const struct chp_door *d, struct chp_counts *sum); /* adds */

#endif
