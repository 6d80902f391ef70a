/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/loads.h"

static void check(const struct loads *l)
{
    ASSERT(l->count <= l->used);
    ASSERT(l->used <= LOADS_MAX);
    ASSERT((l->first == 0) == (l->count == 0));
}

static struct load *at(struct loads *l, uint32_t link)
{
    ASSERT(link <= l->used);
    return link > 0 ? &l->list[link - 1] : NULL;
}

uint32_t loads_index(const struct loads *l, const struct load *load)
{
    ASSERT(load >= l->list);
    ASSERT(load < l->list + l->used);
    return (uint32_t)(load - l->list);
}

static uint64_t hash_of(const struct loads *l, struct bytes key)
{
    uint64_t hash = l->seed ^ key.size_bytes;

    for (size_t i = 0; i < key.size_bytes; i++) {
        hash = (hash ^ key.data[i]) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 29;
    }
    return hash;
}

static uint32_t *bucket_of(struct loads *l, uint64_t hash)
{
    return &l->buckets[hash % LOADS_BUCKETS];
}

void loads_init(struct loads *l, uint64_t timeout_ns, uint64_t seed)
{
    ASSERT(timeout_ns > 0);
    l->timeout_ns = timeout_ns;
    l->seed = seed;
    owners_init(&l->owners, l->owned, l->owner_buckets, COUNT_OF(l->owner_buckets));
    check(l);
}

struct load *loads_find(struct loads *l, struct bytes key)
{
    check(l);
    if (l->count == 0)
        return NULL;
    uint64_t hash = hash_of(l, key);

    for (uint32_t i = *bucket_of(l, hash); i > 0; i = l->list[i - 1].chain)
        if (l->list[i - 1].hash == hash && bytes_equal(l->list[i - 1].key, key))
            return &l->list[i - 1];
    return NULL;
}

/* All rights last equally long, so the newest is always the last to end. */
static void line_up(struct loads *l, struct load *load, uint64_t now_ns)
{
    uint32_t link = loads_index(l, load) + 1;

    load->deadline_ns = u64_add_sat(now_ns, l->timeout_ns);
    load->previous = l->last;
    load->next = 0;
    ASSERT(l->last == 0 || at(l, l->last)->deadline_ns <= load->deadline_ns);
    if (l->last > 0)
        at(l, l->last)->next = link;
    else
        l->first = link;
    l->last = link;
}

static void step_out(struct loads *l, struct load *load)
{
    if (load->previous > 0)
        at(l, load->previous)->next = load->next;
    else
        l->first = load->next;
    if (load->next > 0)
        at(l, load->next)->previous = load->previous;
    else
        l->last = load->previous;
}

struct load *loads_add(struct loads *l, struct bytes key, uint64_t client,
                       const struct token *token, uint64_t now_ns)
{
    check(l);
    ASSERT(key.size_bytes > 0);
    ASSERT(key.size_bytes <= KEY_BYTES_MAX);
    ASSERT(!loads_find(l, key));
    if (l->count == LOADS_MAX)
        return NULL;

    uint32_t index = l->spare > 0 ? l->spare - 1 : l->used++;
    struct load *load = &l->list[index];
    if (l->spare > 0)
        l->spare = load->next;
    uint64_t hash = hash_of(l, key);
    uint32_t *bucket = bucket_of(l, hash);
    *load = (struct load){.client = client, .token = *token, .hash = hash, .chain = *bucket};
    memcpy(l->keys[index], key.data, key.size_bytes);
    load->key = bytes_of(l->keys[index], key.size_bytes);
    *bucket = index + 1;
    l->count++;
    owners_add(&l->owners, index, client);
    line_up(l, load, now_ns);
    check(l);
    return load;
}

void loads_pass(struct loads *l, struct load *load, uint64_t client, const struct token *token,
                uint64_t now_ns)
{
    check(l);
    step_out(l, load);
    owners_remove(&l->owners, loads_index(l, load));
    owners_add(&l->owners, loads_index(l, load), client);
    load->client = client;
    load->token = *token;
    line_up(l, load, now_ns);
    check(l);
}

void loads_remove(struct loads *l, struct load *load)
{
    uint32_t *link = bucket_of(l, load->hash);

    check(l);
    while (at(l, *link) != load) {
        ASSERT(*link > 0);
        link = &at(l, *link)->chain;
    }
    *link = load->chain;
    step_out(l, load);
    owners_remove(&l->owners, loads_index(l, load));
    load->next = l->spare;
    l->spare = loads_index(l, load) + 1;
    l->count--;
    check(l);
}

struct load *loads_expired(struct loads *l, uint64_t now_ns)
{
    check(l);
    struct load *load = at(l, l->first);

    return load && load->deadline_ns <= now_ns ? load : NULL;
}

uint64_t loads_deadline_ns(const struct loads *l)
{
    check(l);
    return l->first > 0 ? l->list[l->first - 1].deadline_ns : UINT64_MAX;
}

struct load *loads_of_client(struct loads *l, uint64_t client)
{
    check(l);
    return at(l, owners_find(&l->owners, client));
}

void loads_check(const struct loads *l)
{
    size_t chained = 0, lined = 0;

    check(l);
    for (size_t b = 0; b < LOADS_BUCKETS; b++)
        for (uint32_t i = l->buckets[b]; i > 0; i = l->list[i - 1].chain)
            chained++;
    for (uint32_t i = l->first; i > 0; i = l->list[i - 1].next)
        lined++;
    ASSERT(chained == l->count);
    ASSERT(lined == l->count);
    ASSERT(owners_count(&l->owners) == l->count);
}
