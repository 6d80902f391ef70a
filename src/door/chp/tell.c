/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* tell.c - updates: each is told when it takes hold; what goes by itself (ttl, eviction), or
 * with many others (a tag, a namespace), is found by looking at what clients were told of. */
#define XXH_INLINE_ALL
#include "door/chp/inside.h"

#include <xxhash.h>

enum {
    LOOKS_PER_TURN = 4096, /* keys looked at before others have their turn */
    WALK_PER_TURN = 256,   /* buckets of the index */
};

bool chp_live(const struct chp_door *d, struct bytes key, struct bytes *value, uint64_t *ttl_ms)
{
    struct read_result result;
    struct borrow borrow;

    /* Only this thread writes the segment: what is borrowed stays. */
    reader_borrow(&d->reader, key, &borrow, &result);
    if (!borrow.held || result.state != ACCORD_HIT || borrow.value.size_bytes == 0)
        return false;
    *value = borrow.value;
    *ttl_ms = result.ttl_ns == UINT64_MAX ? UINT64_MAX : result.ttl_ns / NS_PER_MS;
    return true;
}

struct bytes chp_lines(uint64_t ttl_ms, struct bytes properties,
                       uint8_t room[CHP_LINES_BYTES_MAX])
{
    size_t bytes = chp_ttl_print(ttl_ms, (char *)room);

    ASSERT(properties.size_bytes <= CHP_PROPERTIES_BYTES_MAX);
    if (properties.size_bytes > 0)
        memcpy(room + bytes, properties.data, properties.size_bytes);
    return bytes_of(room, bytes + properties.size_bytes);
}

static void publish(struct chp_door *d, const struct chp_message *m)
{
    uint8_t sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];

    chp_frames(m, sequence, frames);
    chp_publish(d->sockets, frames, CHP_FRAMES);
}

void chp_hugz(struct chp_door *d)
{
    publish(d, &(struct chp_message){.key = bytes_of_text(CHP_HUGZ)});
}

static bool is_being_set(const struct chp_door *d, struct bytes key)
{
    return d->setting.key.size_bytes > 0 && bytes_equal(key, d->setting.key);
}

/* ---- one key -------------------------------------------------------------------------- */

static void tell_gone(struct chp_door *d, struct bytes key, struct bytes name,
                      struct chp_entry *e)
{
    struct chp_message m = {.key = name, .sequence = ++d->sequence};

    if (is_being_set(d, key))
        m.uuid = d->setting.uuid;
    if (e)
        chp_map_remove(&d->map, e);
    d->counts.updates++;
    publish(d, &m);
}

/* Notes who set it and with which properties; NULL: there is no room for one more key. */
static struct chp_entry *note_value(struct chp_door *d, struct bytes key, uint64_t hash)
{
    struct bytes properties = bytes_of(NULL, 0);
    bool set = is_being_set(d, key);
    struct chp_entry *e = chp_map_find(&d->map, key);

    if (e && e->value_hash == hash && !set) {
        e->sequence = ++d->sequence;
        return e;
    }
    if (set)
        properties = d->setting.properties;
    e = chp_map_put(&d->map, key, properties);
    if (!e)
        return NULL;
    e->value_hash = hash;
    e->sequence = ++d->sequence;
    e->has_uuid = set && d->setting.uuid.size_bytes == CHP_UUID_BYTES;
    if (e->has_uuid)
        memcpy(e->uuid, d->setting.uuid.data, CHP_UUID_BYTES);
    return e;
}

static void tell_value(struct chp_door *d, struct bytes key, struct bytes name,
                       struct bytes value, uint64_t ttl_ms)
{
    uint64_t hash = XXH3_64bits_withSeed(value.data, value.size_bytes, d->map.seed);
    struct chp_entry *e = note_value(d, key, hash);
    uint8_t room[CHP_LINES_BYTES_MAX];

    if (!e) {
        d->counts.unlisted++;
        chp_complain(d, "chp-full",
                     "clients are not told of every key: there are too many, or no memory",
                     name);
        e = chp_map_find(&d->map, key);
        if (e)
            tell_gone(d, key, name, e);
        return;
    }
    d->counts.updates++;
    publish(
        d, &(struct chp_message){.key = name,
                                 .sequence = e->sequence,
                                 .uuid = bytes_of(e->uuid, e->has_uuid ? CHP_UUID_BYTES : 0),
                                 .properties = chp_lines(ttl_ms, chp_entry_properties(e), room),
                                 .value = value});
}

static bool knows(const struct chp_door *d, const struct chp_entry *e, struct bytes value)
{
    return e &&
           e->value_hash == XXH3_64bits_withSeed(value.data, value.size_bytes, d->map.seed);
}

void chp_tell(struct chp_door *d, struct bytes key, enum chp_tell how)
{
    uint8_t room[CHP_NAME_BYTES_MAX];
    struct bytes name, value;
    uint64_t ttl_ms;

    if (key.size_bytes == 0 || key.size_bytes > KEY_BYTES_MAX ||
        !chp_name_of(d->host->namespaces, d->host->namespace_count, key, room, &name))
        return;
    struct chp_entry *e = chp_map_find(&d->map, key);
    if (chp_live(d, key, &value, &ttl_ms)) {
        if (how == CHP_ALWAYS || !knows(d, e, value))
            tell_value(d, key, name, value, ttl_ms);
    } else if (how == CHP_ALWAYS || e) {
        tell_gone(d, key, name, e);
    }
}

/* ---- many ----------------------------------------------------------------------------- */

void chp_look(struct chp_door *d, uint32_t count)
{
    uint8_t key[KEY_BYTES_MAX];
    struct bytes value;
    uint64_t ttl_ms;

    for (; count > 0 && d->map.places > 0; count--) {
        d->look_at = d->look_at < d->map.places ? d->look_at : 0;
        const struct chp_entry *e = chp_map_at(&d->map, d->look_at++);
        if (!e || chp_live(d, chp_entry_key(e), &value, &ttl_ms))
            continue;
        struct bytes gone = bytes_of(key, e->key_bytes); /* the entry goes first */
        memcpy(key, e->bytes, e->key_bytes);
        chp_tell(d, gone, CHP_IF_CHANGED);
    }
}

void chp_look_at_all(struct chp_door *d)
{
    d->looks_left = d->map.places;
    if (d->looks_left > 0)
        chp_busy(d);
}

static void tell_found(void *context, struct bytes key, const struct read_result *item)
{
    if (item->state == ACCORD_HIT)
        chp_tell(context, key, CHP_IF_CHANGED);
}

static void walk(struct chp_door *d)
{
    for (unsigned i = 0; i < WALK_PER_TURN && d->walking; i++) {
        d->walk_cursor = reader_scan(&d->reader, d->walk_cursor, d->walk_key,
                                     sizeof d->walk_key, tell_found, d);
        d->walking = d->walk_cursor != 0;
    }
}

bool chp_look_on(struct chp_door *d)
{
    uint32_t now = (uint32_t)u64_min(LOOKS_PER_TURN, d->looks_left);

    if (!chp_is_fresh(d)) /* nothing would be found; when it is again, all is looked at */
        return false;
    d->looks_left -= now;
    chp_look(d, now);
    walk(d);
    return d->looks_left > 0 || d->walking;
}

/* ---- what others did ------------------------------------------------------------------ */

static void tell_removed(struct chp_door *d, const struct request *r)
{
    bool more = false;

    for (size_t i = 0; i < r->key_count; i++) {
        enum request_op op = r->op == REQUEST_REMOVE_MANY ? r->kinds[i] : r->op;
        if (op == REQUEST_REMOVE)
            chp_tell(d, r->keys[i], CHP_ALWAYS);
        else
            more = true;
    }
    if (more)
        chp_look_at_all(d);
}

void chp_door_requested(struct chp_door *d, const struct request *r)
{
    switch (r->op) {
    case REQUEST_FILL:
        chp_tell(d, r->item.key, CHP_IF_CHANGED);
        break;
    case REQUEST_SET:
        chp_tell(d, r->item.key, CHP_ALWAYS);
        break;
    case REQUEST_EXPIRE:
        chp_tell(d, r->keys[0], CHP_ALWAYS);
        break;
    case REQUEST_REMOVE:
    case REQUEST_REMOVE_MANY:
    case REQUEST_REMOVE_TAG:
    case REQUEST_CLEAR:
        tell_removed(d, r);
        break;
    case REQUEST_REMOVE_HERE: /* told of once it is applied, as what others change */
    case REQUEST_LOAD:
    case REQUEST_SYNC:
    case REQUEST_PING:
    case REQUEST_MAX_STALE:
    case REQUEST_FENCE_FLOOR:
    case REQUEST_FRESHEN:
    case REQUEST_BATCH_BEGIN:
    case REQUEST_BATCH_END:
        break;
    }
}

/* Own changes were told when they were asked for. */
void chp_door_applied(struct chp_door *d, const struct entry *entry, bool own)
{
    enum change_op op = entry->change.op;

    if (own || op == CHANGE_JOIN || op == CHANGE_LEAVE || op == CHANGE_BEAT)
        return;
    if (op != CHANGE_REMOVE)
        chp_look_at_all(d);
    else if (chp_map_find(&d->map, entry->change.key))
        chp_tell(d, entry->change.key, CHP_IF_CHANGED);
    else
        chp_tell(d, entry->change.key, CHP_ALWAYS); /* a client may know it of an earlier run */
}

void chp_door_changed(struct chp_door *d)
{
    d->walking = true;
    d->walk_cursor = 0;
    chp_look_at_all(d);
    chp_busy(d);
}
