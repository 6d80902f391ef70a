/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_inside.h - what peer_node.c (a node's state) and peer_carry.c (what it says to its
 * peers, and hears) know of each other. */
#ifndef ACCORD_BUS_HTTP_PEER_INSIDE_H
#define ACCORD_BUS_HTTP_PEER_INSIDE_H

#include "bus/http/peer_node.h"

struct peer *peer_of(struct peer_node *n, const char *address); /* or NULL */
/* It is in, and not this node. */
bool peer_is_asked(const struct peer_node *n, const struct peer *p);
bool peer_has_ended(const struct peer_node *n, const struct peer *p, struct id128 incarnation);
/* Of who says so itself: what its last incarnation said has an end. */
void peer_met(struct peer_node *n, struct peer *p, struct id128 incarnation, uint64_t now_ms);

void peer_node_new_epoch(struct peer_node *n, uint64_t now_ms);
/* And another epoch, after which nobody need know of them. */
void peer_node_forget_all_parted(struct peer_node *n, uint64_t now_ms);
/* Of n->set: who has left, and who is new. */
void peer_node_set_changed(struct peer_node *n, uint64_t now_ms);
/* ACCORD_E_FORMAT: it is no set; ACCORD_E_FULL: there is no room for all. */
MUST_CHECK int peer_node_merge(struct peer_node *n, struct bytes set, uint64_t now_ms);
/* Whether every member has said that it has the same set, and all that it had published then is
 * here. ACCORD_E_DOWN: not yet. */
MUST_CHECK int peer_node_agreed(const struct peer_node *n, char why[BUS_WHY_BYTES_MAX]);
void peer_node_try_to_join(struct peer_node *n);
/* What no member lacks, and what is old. */
void peer_node_forget(struct peer_node *n, uint64_t now_ms);

#endif
