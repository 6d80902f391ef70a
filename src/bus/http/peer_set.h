/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_set.h - who belongs to a cluster of HTTP peers: a set that only grows.
 *
 * An address has a counter, odd while it is in, even when it is out. Beside it stands who that
 * is: each incarnation enters anew, so that nobody takes what another has acknowledged for its
 * word; none: it is listed, and not heard of yet. Of who has left, the number of its last
 * change too, so that whoever has heard that far knows that nothing is missing; none: it was
 * forgotten by command. Beside them stands the cluster's max_stale, with the count of times
 * that it was set. Two sets merge by the larger counter, so it does not matter who heard what
 * first (docs/decision/http-peers.md).
 *
 * Sorted by address: equal sets have equal hashes. Pure, plain data; not thread-safe.
 */
#ifndef ACCORD_BUS_HTTP_PEER_SET_H
#define ACCORD_BUS_HTTP_PEER_SET_H

#include "base/base.h"

enum {
    PEERS_MAX = 64, /* addresses in a set: also those that are out */
    PEER_ADDRESS_BYTES_MAX = 64,
    PEER_SET_BYTES_MAX = 26 + PEERS_MAX * (1 + PEER_ADDRESS_BYTES_MAX + 32),
};

struct peer_member {
    char address[PEER_ADDRESS_BYTES_MAX + 1]; /* "web1:7001" */
    uint64_t counter;                         /* at least 1 */
    struct id128 incarnation;                 /* that is in, or left */
    uint64_t last;                            /* its last number, when it has left */
};

struct peer_set {
    size_t count;
    struct peer_member members[PEERS_MAX];
    uint64_t max_stale_ms, max_stale_before_ms;
    uint64_t max_stale_times; /* that it was set; 0: only wished for */
};

static inline bool peer_is_in(const struct peer_member *m)
{
    return m->counter % 2 == 1;
}

/* host:port with a port, printable, without spaces, at most PEER_ADDRESS_BYTES_MAX. */
bool peer_address_is_valid(struct bytes address);

void peer_set_init(struct peer_set *s, uint64_t max_stale_ms); /* empty, and only wished for */
const struct peer_member *peer_set_find(const struct peer_set *s, const char *address);
/* Whether that address is in. */
bool peer_set_has(const struct peer_set *s, const char *address);
size_t peer_set_in_count(const struct peer_set *s);

/* Makes sure that the address is in. ACCORD_E_FULL: no room for it; unchanged. */
MUST_CHECK int peer_set_join(struct peer_set *s, const char *address);
/* That incarnation is in; where another is, after it. */
MUST_CHECK int peer_set_enter(struct peer_set *s, const char *address,
                              struct id128 incarnation);
/* It is out: this incarnation, with that last number; or forgotten: none, and 0. Nothing is
 * done where it is not in. */
void peer_set_leave(struct peer_set *s, const char *address, struct id128 incarnation,
                    uint64_t last);
/* One more time. */
void peer_set_max_stale(struct peer_set *s, uint64_t ms, uint64_t before_ms);

/* Adds what `other` knows better; *changed: it did. ACCORD_E_FULL: both together are too many;
 * unchanged. */
MUST_CHECK int peer_set_merge(struct peer_set *s, const struct peer_set *other, bool *changed);

/* Of all of it. */
uint64_t peer_set_hash(const struct peer_set *s);

/* `out` has room for PEER_SET_BYTES_MAX; how many it took. */
size_t peer_set_encode(const struct peer_set *s, uint8_t *out);
/* All of `bytes`. ACCORD_E_FORMAT: it is no set; *out is untouched. */
MUST_CHECK int peer_set_decode(struct bytes bytes, struct peer_set *out);

#endif
