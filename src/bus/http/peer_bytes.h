/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_bytes.h - numbers in what HTTP peers say to each other: little-endian, and what is
 * cut off reads as nothing, remembered in `short_of`. Pure. */
#ifndef ACCORD_BUS_HTTP_PEER_BYTES_H
#define ACCORD_BUS_HTTP_PEER_BYTES_H

#include "base/base.h"

struct peer_cut {
    struct bytes rest;
    bool short_of; /* something was asked for that was not there */
};

static inline struct bytes peer_cut_bytes(struct peer_cut *c, size_t bytes)
{
    struct bytes taken = bytes_of(c->rest.data, bytes);

    if (bytes > c->rest.size_bytes) {
        c->short_of = true;
        c->rest.size_bytes = 0;
        return bytes_of(NULL, 0);
    }
    c->rest = bytes_of(c->rest.data + bytes, c->rest.size_bytes - bytes);
    return taken;
}

static inline uint64_t peer_cut_number(struct peer_cut *c, size_t bytes)
{
    struct bytes b = peer_cut_bytes(c, bytes);
    uint64_t number = 0;

    for (size_t i = 0; i < b.size_bytes; i++)
        number |= (uint64_t)b.data[i] << (8 * i);
    return number;
}

static inline struct id128 peer_cut_id(struct peer_cut *c)
{
    uint64_t high = peer_cut_number(c, 8);

    return (struct id128){high, peer_cut_number(c, 8)};
}

/* Where the next goes. */
static inline uint8_t *peer_put(uint8_t *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++, number >>= 8)
        to[i] = (uint8_t)number;
    return to + bytes;
}

static inline uint8_t *peer_put_id(uint8_t *to, struct id128 id)
{
    return peer_put(peer_put(to, id.high, 8), id.low, 8);
}

static inline uint8_t *peer_put_bytes(uint8_t *to, struct bytes b)
{
    if (b.size_bytes > 0)
        memcpy(to, b.data, b.size_bytes);
    return to + b.size_bytes;
}

#endif
