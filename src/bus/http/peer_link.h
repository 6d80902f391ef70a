/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_link.h - a peer_node with its sockets and threads: one thread asks (net/http_client),
 * one answers (net/http_server on a loop of its own), and whoever has the lock may look at the
 * node and wait for it to change.
 *
 * Each peer is asked on a line of its own, so that one that is dead delays no other (T20). Who
 * does not answer is asked again, later each time, up to half a second.
 */
#ifndef ACCORD_BUS_HTTP_PEER_LINK_H
#define ACCORD_BUS_HTTP_PEER_LINK_H

#include "bus/http/peer_node.h"
#include "bus/http/peer_url.h"

#include <pthread.h>

enum {
    PEER_ASK_MS_MAX = 2000, /* until a peer's answer is there, or it counts as silent */
    PEER_AGAIN_MS_MIN = 20, /* until one that is silent is asked again */
    PEER_AGAIN_MS_MAX = 500,
};

struct peer_link;

/* Listens, and begins to ask. ACCORD_E_CONFLICT, _E_DENIED, _E_IO, _E_INVALID: as net_bind()
 * says; ACCORD_E_FULL, _E_NOMEM. */
MUST_CHECK int peer_link_new(struct peer_link **out, const struct peer_url *u,
                             const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);
/* The peers are no more asked, nor answered. NULL is fine. */
void peer_link_free(struct peer_link *l);

/* The node, for whoever calls this, until the unlock; which asks what there is to ask, and
 * wakes who waits. */
struct peer_node *peer_link_lock(struct peer_link *l);
void peer_link_unlock(struct peer_link *l);
/* Locked: sends what there is, and waits until something changes. False: that time came. */
bool peer_link_wait(struct peer_link *l, uint64_t until_ms);

uint64_t peer_link_now_ms(void);

#endif
