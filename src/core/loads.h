/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* loads.h - who is loading which key on this host? At most one caller per key (L11).
 *
 * Who has the right to load a key keeps it until the key is filled, until load_timeout, or
 * until its connection closes; then it may go to the next who waits (see waits.h, whose lists
 * are numbered as the loads here).
 *
 * Pure. One owner; not thread-safe. Keys are copied in.
 */
#ifndef ACCORD_CORE_LOADS_H
#define ACCORD_CORE_LOADS_H

#include "base/limits.h"
#include "cache/token.h"
#include "core/owners.h"

enum { LOADS_BUCKETS = 8192 };

struct load {
    uint64_t client;
    uint64_t deadline_ns;
    struct token token; /* as it was granted */
    struct bytes key;   /* in keys[] of the same index */
    uint64_t hash;
    uint32_t chain;          /* in its bucket; links are index + 1, 0: none */
    uint32_t previous, next; /* by deadline, the earliest first */
};

struct loads {
    uint64_t timeout_ns, seed;
    size_t count;
    uint32_t used, spare, first, last;
    uint32_t buckets[LOADS_BUCKETS];
    struct owners owners;
    struct owned owned[LOADS_MAX];
    uint32_t owner_buckets[LOADS_BUCKETS];
    struct load list[LOADS_MAX];
    uint8_t keys[LOADS_MAX][KEY_BYTES_MAX];
};

/* `l` is zeroed memory, and stays where it is. `seed`: random, so that nobody can choose keys
 * that collide. */
void loads_init(struct loads *l, uint64_t timeout_ns, uint64_t seed);

struct load *loads_find(struct loads *l, struct bytes key); /* NULL: nobody loads it */
/* `client` is to load `key`, which nobody loads. NULL: the table is full. */
MUST_CHECK struct load *loads_add(struct loads *l, struct bytes key, uint64_t client,
                                  const struct token *token, uint64_t now_ns);
/* The right passes to another. */
void loads_pass(struct loads *l, struct load *load, uint64_t client, const struct token *token,
                uint64_t now_ns);
void loads_remove(struct loads *l, struct load *load);
uint32_t loads_index(const struct loads *l, const struct load *load);

struct load *loads_expired(struct loads *l, uint64_t now_ns);   /* NULL: none */
uint64_t loads_deadline_ns(const struct loads *l);              /* UINT64_MAX: none */
struct load *loads_of_client(struct loads *l, uint64_t client); /* any; NULL: none */

/* Asserts every invariant by walking it all; for tests. */
void loads_check(const struct loads *l);

#endif
