/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/miss.h"

#include <stdlib.h>

enum { CAPACITY_MIN = 16, CAPACITY_KEPT = 128 };
#define NONE UINT16_MAX

_Static_assert((MISS_TOKENS_MAX & (MISS_TOKENS_MAX - 1)) == 0, "a power of two");
_Static_assert(MISS_TOKENS_MAX < NONE, "places are 16 bits");

struct miss {
    uint64_t hash;
    uint64_t epoch, slot, bulk; /* the token, but for the segment's incarnation */
    uint16_t next;              /* in its chain */
    bool used;
};

static uint16_t *head_of(struct misses *m, uint64_t hash)
{
    return &m->heads[hash & (m->capacity - 1)];
}

static void link_place(struct misses *m, uint16_t place)
{
    uint16_t *head = head_of(m, m->places[place].hash);

    m->places[place].next = *head;
    *head = place;
}

static void forget(struct misses *m, uint16_t place)
{
    uint16_t *at = head_of(m, m->places[place].hash);

    ASSERT(m->places[place].used);
    while (*at != place) {
        ASSERT(*at != NONE);
        at = &m->places[*at].next;
    }
    *at = m->places[place].next;
    m->places[place].used = false;
    m->live--;
}

static uint16_t find(struct misses *m, uint64_t hash)
{
    uint16_t place = m->capacity > 0 ? *head_of(m, hash) : NONE;

    while (place != NONE && m->places[place].hash != hash)
        place = m->places[place].next;
    return place;
}

static bool grow(struct misses *m)
{
    uint32_t capacity = m->capacity > 0 ? 2 * m->capacity : CAPACITY_MIN;
    struct miss *places = realloc(m->places, capacity * sizeof *places);

    if (!places)
        return false;
    m->places = places;
    uint16_t *heads = realloc(m->heads, capacity * sizeof *heads);
    if (!heads)
        return false;
    m->heads = heads;
    m->capacity = capacity;
    memset(heads, 0xff, capacity * sizeof *heads);
    for (uint32_t i = 0; i < m->count; i++) {
        if (places[i].used)
            link_place(m, (uint16_t)i);
    }
    return true;
}

/* A place that is free, the oldest one's where none is; NONE: no memory at all. */
static uint16_t free_place(struct misses *m)
{
    if (m->count == m->capacity && m->capacity < MISS_TOKENS_MAX && !grow(m) &&
        m->capacity == 0)
        return NONE;
    if (m->count < m->capacity)
        return (uint16_t)m->count++;
    uint16_t place = (uint16_t)m->next;
    m->next = (m->next + 1) & (m->capacity - 1);
    if (m->places[place].used)
        forget(m, place);
    return place;
}

void misses_remember(struct misses *m, uint64_t hash, const struct token *token)
{
    /* The first token stays: who missed first may still be loading, and a token of now would
     * let a value in that was read before. At worst a SET too many is refused. */
    if (find(m, hash) != NONE)
        return;
    uint16_t place = free_place(m);
    if (place == NONE)
        return;
    m->places[place] =
        (struct miss){hash, token->epoch, token->slot, token->bulk, NONE, /* used= */ true};
    link_place(m, place);
    m->live++;
}

/* A client that fills what it misses should not walk through a ring of 1,024 places. */
static void shrink(struct misses *m)
{
    while (m->next == 0 && m->count > 0 && !m->places[m->count - 1].used)
        m->count--;
    if (m->live > 0)
        return;
    m->count = m->next = 0;
    if (m->capacity > CAPACITY_KEPT)
        misses_done(m);
}

bool misses_take(struct misses *m, uint64_t hash, struct id128 incarnation, struct token *out)
{
    uint16_t place = find(m, hash);

    if (place == NONE)
        return false;
    const struct miss *miss = &m->places[place];
    *out = (struct token){incarnation, miss->epoch, miss->slot, miss->bulk};
    forget(m, place);
    shrink(m);
    return true;
}

size_t misses_bytes(const struct misses *m)
{
    return m->capacity * (sizeof *m->places + sizeof *m->heads);
}

void misses_done(struct misses *m)
{
    free(m->places);
    free(m->heads);
    *m = (struct misses){0};
}
