/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/connection.h"

#include <stdlib.h>

/* Numbers are given in order, so that the low bits spread them perfectly. */
static size_t place_of(const struct resp_door *d, uint64_t client)
{
    return client & (d->table_capacity - 1);
}

static void insert(struct resp_door *d, struct connection *c)
{
    size_t i = place_of(d, c->client);

    while (d->table[i])
        i = (i + 1) & (d->table_capacity - 1);
    d->table[i] = c;
}

static bool grow(struct resp_door *d)
{
    struct connection **old = d->table;
    size_t old_capacity = d->table_capacity;
    size_t capacity = old_capacity > 0 ? 2 * old_capacity : 64;
    struct connection **table = calloc(capacity, sizeof(struct connection *));

    if (!table)
        return false;
    d->table = table;
    d->table_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i])
            insert(d, old[i]);
    }
    free(old);
    return true;
}

bool clients_add(struct resp_door *d, struct connection *c)
{
    if (2 * (d->table_count + 1) > d->table_capacity && !grow(d))
        return false;
    insert(d, c);
    d->table_count++;
    return true;
}

static size_t find(const struct resp_door *d, uint64_t client)
{
    if (d->table_capacity == 0)
        return SIZE_MAX;
    for (size_t i = place_of(d, client); d->table[i]; i = (i + 1) & (d->table_capacity - 1)) {
        if (d->table[i]->client == client)
            return i;
    }
    return SIZE_MAX;
}

struct connection *clients_find(const struct resp_door *d, uint64_t client)
{
    size_t i = find(d, client);

    return i == SIZE_MAX ? NULL : d->table[i];
}

void clients_remove(struct resp_door *d, struct connection *c)
{
    size_t hole = find(d, c->client), mask = d->table_capacity - 1;

    ASSERT(hole != SIZE_MAX);
    /* What follows moves up into the hole unless its own place lies after it. */
    for (size_t i = (hole + 1) & mask; d->table[i]; i = (i + 1) & mask) {
        size_t home = place_of(d, d->table[i]->client);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            d->table[hole] = d->table[i];
            hole = i;
        }
    }
    d->table[hole] = NULL;
    d->table_count--;
}
