/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* miss.h - which token did this connection see when it missed this key?
 *
 * GET and SET carry no token; the connection remembers one for each of its last
 * MISS_TOKENS_MAX keys that GET answered nil for, so that the SET that follows is refused where
 * something was removed in between (promise P2). Keys are kept as 64-bit keyed hashes: two keys
 * that share one (a chance of 2^-44 for a full memory, not to be steered from outside) share
 * the older token.
 *
 * Grows from 16 places as needed. Zeroed memory is an empty memory.
 */
#ifndef ACCORD_DOOR_MISS_H
#define ACCORD_DOOR_MISS_H

#include "cache/token.h"

struct miss;

struct misses {
    struct miss *places; /* a ring */
    uint16_t *heads;     /* as many: first place of each chain */
    uint32_t capacity;   /* a power of two; 0 or 16 .. MISS_TOKENS_MAX */
    uint32_t count;      /* places used so far */
    uint32_t live;       /* of them, not forgotten */
    uint32_t next;       /* overwritten next, once all are used */
};

/* A key that is remembered already keeps its first token until that is taken: callers may share
 * a connection, and the first of them may still be loading.
 * Out of memory: the oldest is forgotten instead of growing, or nothing is remembered. */
void misses_remember(struct misses *m, uint64_t hash, const struct token *token);
/* True: *out is the token, of the segment `incarnation`; it is forgotten. */
bool misses_take(struct misses *m, uint64_t hash, struct id128 incarnation, struct token *out);
size_t misses_bytes(const struct misses *m); /* of memory that it holds */
void misses_done(struct misses *m);          /* frees it; empty after */

#endif
