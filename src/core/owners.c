/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/owners.h"

static uint32_t *bucket_of(struct owners *o, uint64_t client)
{
    return &o->buckets[client % o->bucket_count];
}

void owners_init(struct owners *o, struct owned *list, uint32_t *buckets, uint32_t bucket_count)
{
    ASSERT(bucket_count > 0);
    *o = (struct owners){.list = list, .buckets = buckets, .bucket_count = bucket_count};
}

void owners_add(struct owners *o, uint32_t index, uint64_t client)
{
    uint32_t *bucket = bucket_of(o, client);

    o->list[index] = (struct owned){.client = client, .next = *bucket};
    if (*bucket > 0)
        o->list[*bucket - 1].previous = index + 1;
    *bucket = index + 1;
}

void owners_remove(struct owners *o, uint32_t index)
{
    const struct owned *e = &o->list[index];

    if (e->previous > 0)
        o->list[e->previous - 1].next = e->next;
    else {
        ASSERT(*bucket_of(o, e->client) == index + 1);
        *bucket_of(o, e->client) = e->next;
    }
    if (e->next > 0)
        o->list[e->next - 1].previous = e->previous;
}

uint32_t owners_find(struct owners *o, uint64_t client)
{
    uint32_t link = *bucket_of(o, client);

    for (; link > 0; link = o->list[link - 1].next) {
        o->looked_at++;
        if (o->list[link - 1].client == client)
            break;
    }
    return link;
}

size_t owners_count(const struct owners *o)
{
    size_t count = 0;

    for (uint32_t b = 0; b < o->bucket_count; b++)
        for (uint32_t i = o->buckets[b], before = 0; i > 0; i = o->list[i - 1].next) {
            ASSERT(o->list[i - 1].client % o->bucket_count == b);
            ASSERT(o->list[i - 1].previous == before);
            before = i;
            count++;
        }
    return count;
}
