/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/retries.h"

#include "core/core.h"

static void check(const struct retries *t)
{
    ASSERT(t->settled <= t->added);
    ASSERT(t->added - t->settled <= RETRIES_MAX);
}

static struct retry *at(struct retries *t, uint64_t number)
{
    return &t->ring[number % RETRIES_MAX];
}

/* Sixteen bytes at a time; the length keeps neighbours apart. */
static uint64_t fold(uint64_t hash, struct bytes b)
{
    for (size_t i = 0; i <= b.size_bytes; i += 16) {
        struct id128 block = {0, 0};
        size_t left = b.size_bytes - i;
        if (left > 0)
            memcpy(&block, b.data + i, left < 16 ? left : 16);
        hash = cursor_hash(hash, b.size_bytes, block);
    }
    return hash;
}

uint64_t retries_name(const struct request *r)
{
    uint64_t hash = fold(r->op, r->retry_id);

    hash = cursor_hash(hash, r->key_count,
                       (struct id128){r->version, (r->soft ? 2u : 0u) | r->has_version});
    for (size_t i = 0; i < r->key_count; i++)
        hash = fold(r->kinds ? hash ^ r->kinds[i] : hash, r->keys[i]);
    return hash | (hash == 0);
}

struct retry *retries_find(struct retries *t, uint64_t name)
{
    check(t);
    for (uint32_t i = t->buckets[name % RETRIES_MAX]; i > 0; i = t->ring[i - 1].next)
        if (t->ring[i - 1].name == name)
            return &t->ring[i - 1];
    return NULL;
}

static void forget(struct retries *t, const struct retry *old)
{
    uint32_t *link = &t->buckets[old->name % RETRIES_MAX];

    while (&t->ring[*link - 1] != old) {
        ASSERT(*link > 0);
        link = &t->ring[*link - 1].next;
    }
    *link = old->next;
}

void retries_add(struct retries *t, uint64_t name, uint64_t from, uint64_t ordinal,
                 uint64_t reading)
{
    struct retry *slot = at(t, t->added);
    uint32_t *bucket = &t->buckets[name % RETRIES_MAX];

    check(t);
    ASSERT(name != 0);
    if (t->added >= RETRIES_MAX)
        forget(t, slot);
    t->settled = u64_max(t->settled, u64_sub_sat(t->added + 1, RETRIES_MAX));
    *slot = (struct retry){
        .name = name, .from = from, .ordinal = ordinal, .reading = reading, .next = *bucket};
    *bucket = (uint32_t)(slot - t->ring) + 1;
    t->added++;
    check(t);
}

void retries_settle(struct retries *t, const struct outbox *o, uint64_t epoch, uint64_t now_ns)
{
    check(t);
    for (; t->settled < t->added && at(t, t->settled)->ordinal < o->confirmed; t->settled++) {
        struct retry *retry = at(t, t->settled);
        retry->confirmed = true;
        retry->position = outbox_position(o, retry->ordinal);
        retry->epoch = epoch;
        retry->since_ns = now_ns;
    }
    check(t);
}
