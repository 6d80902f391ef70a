/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* map.h - which keys the clients of a CHP door were told of, so that they can be told when one
 * goes: by ttl, eviction, a tag, whatever. Values are not here: the segment has them.
 *
 * An entry keeps its place until it is removed, so a walk by place misses none that was there
 * when it began. Bounded by CHP_KEYS_MAX and CHP_KEYS_BYTES_MAX. One thread.
 */
#ifndef ACCORD_DOOR_CHP_MAP_H
#define ACCORD_DOOR_CHP_MAP_H

#include "base/limits.h"
#include "wire/chp.h"

struct chp_entry {
    uint8_t *bytes; /* key, then properties; NULL: the place is free */
    uint32_t key_bytes, properties_bytes;
    uint32_t next_free;
    bool has_uuid;
    uint8_t uuid[CHP_UUID_BYTES];
    uint64_t hash;
    uint64_t value_hash;
    uint64_t sequence; /* of the last message about it */
};

struct chp_map {
    struct chp_entry *entries; /* by place; [0 .. places) */
    uint32_t places, capacity, first_free;
    uint32_t *table; /* places plus 1, open addressing; 0: empty */
    uint32_t table_size;
    uint64_t seed;
    size_t count, bytes;
};

void chp_map_init(struct chp_map *m, uint64_t seed);
void chp_map_done(struct chp_map *m);

static inline struct bytes chp_entry_key(const struct chp_entry *e)
{
    return bytes_of(e->bytes, e->key_bytes);
}

static inline struct bytes chp_entry_properties(const struct chp_entry *e)
{
    return bytes_of(e->bytes + e->key_bytes, e->properties_bytes);
}

/* NULL: not there. Valid until the next put or remove. */
struct chp_entry *chp_map_find(const struct chp_map *m, struct bytes key);
/* The entry of `key`, new or with these properties in place of its own. NULL: no room, or no
 * memory; nothing changed. */
struct chp_entry *chp_map_put(struct chp_map *m, struct bytes key, struct bytes properties);
void chp_map_remove(struct chp_map *m, struct chp_entry *e);
/* The entry at this place; NULL: none. */
struct chp_entry *chp_map_at(const struct chp_map *m, uint32_t place);

#endif
