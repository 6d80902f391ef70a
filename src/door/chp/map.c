/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#define XXH_INLINE_ALL
#include "door/chp/map.h"

#include <stdlib.h>
#include <xxhash.h>

enum { CAPACITY_MIN = 64 };
#define NO_PLACE UINT32_MAX

void chp_map_init(struct chp_map *m, uint64_t seed)
{
    *m = (struct chp_map){.first_free = NO_PLACE, .seed = seed};
}

void chp_map_done(struct chp_map *m)
{
    for (uint32_t i = 0; i < m->places; i++)
        free(m->entries[i].bytes);
    free(m->entries);
    free(m->table);
    chp_map_init(m, m->seed);
}

static void check(const struct chp_map *m)
{
    ASSERT(m->count <= m->places);
    ASSERT(m->places <= m->capacity);
    ASSERT(m->bytes <= CHP_KEYS_BYTES_MAX);
    ASSERT(m->table_size == 0 || m->table_size >= 2 * m->count);
}

static uint64_t hash_of(const struct chp_map *m, struct bytes key)
{
    return XXH3_64bits_withSeed(key.data, key.size_bytes, m->seed);
}

/* ---- the table ------------------------------------------------------------------------ */

/* Where the place is noted, or the empty word that ends its run. */
static uint32_t *word_of(const struct chp_map *m, uint64_t hash, struct bytes key)
{
    uint32_t i = (uint32_t)hash & (m->table_size - 1);

    while (m->table[i] != 0) {
        const struct chp_entry *e = &m->entries[m->table[i] - 1];
        if (e->hash == hash && bytes_equal(chp_entry_key(e), key))
            break;
        i = (i + 1) & (m->table_size - 1);
    }
    return &m->table[i];
}

/* Takes a word out; those after it that would not be found any more move up. */
static void word_clear(struct chp_map *m, uint32_t *word)
{
    uint32_t mask = m->table_size - 1, hole = (uint32_t)(word - m->table);

    for (uint32_t i = (hole + 1) & mask; m->table[i] != 0; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)m->entries[m->table[i] - 1].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        m->table[hole] = m->table[i];
        hole = i;
    }
    m->table[hole] = 0;
}

static bool table_grow(struct chp_map *m)
{
    uint32_t size = m->table_size ? 2 * m->table_size : 2 * CAPACITY_MIN;
    uint32_t *table = calloc(size, sizeof *table), *old = m->table;

    if (!table)
        return false;
    m->table = table;
    m->table_size = size;
    for (uint32_t i = 0; i < m->places; i++) {
        const struct chp_entry *e = &m->entries[i];
        if (e->bytes)
            *word_of(m, e->hash, chp_entry_key(e)) = i + 1;
    }
    free(old);
    return true;
}

static bool entries_grow(struct chp_map *m)
{
    uint32_t capacity = m->capacity ? 2 * m->capacity : CAPACITY_MIN;
    struct chp_entry *entries = realloc(m->entries, capacity * sizeof *entries);

    if (!entries)
        return false;
    m->entries = entries;
    m->capacity = capacity;
    return true;
}

/* ---- entries -------------------------------------------------------------------------- */

struct chp_entry *chp_map_find(const struct chp_map *m, struct bytes key)
{
    if (m->table_size == 0)
        return NULL;
    uint32_t place = *word_of(m, hash_of(m, key), key);
    return place > 0 ? &m->entries[place - 1] : NULL;
}

/* A free place, taken off the list; NULL: no memory. */
static struct chp_entry *take_place(struct chp_map *m)
{
    if (m->first_free == NO_PLACE) {
        if (m->places == m->capacity && !entries_grow(m))
            return NULL;
        return &m->entries[m->places++];
    }
    struct chp_entry *e = &m->entries[m->first_free];
    m->first_free = e->next_free;
    return e;
}

static uint8_t *joined(struct bytes key, struct bytes properties)
{
    uint8_t *bytes = malloc(key.size_bytes + properties.size_bytes);

    if (!bytes)
        return NULL;
    memcpy(bytes, key.data, key.size_bytes);
    if (properties.size_bytes > 0)
        memcpy(bytes + key.size_bytes, properties.data, properties.size_bytes);
    return bytes;
}

static struct chp_entry *put_new(struct chp_map *m, struct bytes key, uint8_t *bytes)
{
    if (m->count == CHP_KEYS_MAX || (2 * (m->count + 1) > m->table_size && !table_grow(m)))
        return NULL;
    struct chp_entry *e = take_place(m);
    if (!e)
        return NULL;
    uint64_t hash = hash_of(m, key);
    *word_of(m, hash, key) = (uint32_t)(e - m->entries) + 1;
    *e = (struct chp_entry){.bytes = bytes, .hash = hash};
    m->count++;
    return e;
}

struct chp_entry *chp_map_put(struct chp_map *m, struct bytes key, struct bytes properties)
{
    struct chp_entry *e = chp_map_find(m, key);
    size_t before = e ? e->key_bytes + e->properties_bytes : 0;
    size_t after = key.size_bytes + properties.size_bytes;

    if (m->bytes - before + after > CHP_KEYS_BYTES_MAX)
        return NULL;
    uint8_t *bytes = joined(key, properties);
    if (!bytes)
        return NULL;
    if (!e && !(e = put_new(m, key, bytes))) {
        free(bytes);
        return NULL;
    }
    if (e->bytes != bytes)
        free(e->bytes);
    e->bytes = bytes;
    e->key_bytes = (uint32_t)key.size_bytes;
    e->properties_bytes = (uint32_t)properties.size_bytes;
    m->bytes += after - before;
    check(m);
    return e;
}

void chp_map_remove(struct chp_map *m, struct chp_entry *e)
{
    ASSERT(e->bytes);
    word_clear(m, word_of(m, e->hash, chp_entry_key(e)));
    m->bytes -= e->key_bytes + e->properties_bytes;
    m->count--;
    free(e->bytes);
    e->bytes = NULL;
    e->next_free = m->first_free;
    m->first_free = (uint32_t)(e - m->entries);
    check(m);
}

struct chp_entry *chp_map_at(const struct chp_map *m, uint32_t place)
{
    return place < m->places && m->entries[place].bytes ? &m->entries[place] : NULL;
}
