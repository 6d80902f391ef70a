/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The bus: one primary with an ordered log, perhaps a deposed one that still answers. It keeps
 * the clauses of bus/bus.h, except where a fault says otherwise. */
#include "sim/sim.h"

#include <stdlib.h>

void bus_begin(struct sim *s)
{
    struct bus *b = &s->bus;

    for (size_t i = 0; i < SERVERS_MAX; i++) {
        struct server *v = &b->servers[i];
        *v = (struct server){.slots = v->slots, .capacity = v->capacity};
    }
    memset(b->buckets, 0, sizeof b->buckets);
    b->epochs = b->logs = b->records = b->poisons = 0;
    b->primary = 0;
    b->servers[0].used = b->servers[0].alive = true;
    b->servers[0].log = (struct id128){++b->logs, 0xacc0};
    b->servers[0].epoch = ++b->epochs;
    b->servers[0].max_stale_ns = b->servers[0].max_stale_before_ns = s->plan.max_stale_ns;
}

struct server *bus_primary(struct sim *s)
{
    struct server *v = &s->bus.servers[s->bus.primary];

    return v->alive ? v : NULL;
}

/* ---- records -------------------------------------------------------------------------------
 */

static struct bytes copied(struct sim *s, struct bytes from)
{
    uint8_t *to = from.size_bytes > 0 ? sim_alloc(s, from.size_bytes) : NULL;

    if (to)
        memcpy(to, from.data, from.size_bytes);
    return bytes_of(to, from.size_bytes);
}

/* Of what is not trusted a removal by hand counts, and the first one that may be a node's:
 * later ones are nothing to a host that has dropped its cache for that. */
static bool counts(struct sim *s, const struct change *c, enum trust trust)
{
    bool first = !s->bus.doubted;

    if (trust == TRUST_FULL || trust == TRUST_UNSIGNED)
        return true;
    if (trust == TRUST_REPLAYED || c->op >= CHANGE_JOIN)
        return false;
    s->bus.doubted = true;
    return first;
}

static struct record *record_of(struct sim *s, const struct change *c, enum trust trust)
{
    struct record **bucket =
        &s->bus.buckets[(c->message.high ^ c->message.low) % RECORD_BUCKETS];

    for (struct record *r = *bucket; r; r = r->next)
        if (id128_equal(r->change.message, c->message))
            return r;
    struct record *r = sim_alloc(s, sizeof *r);
    r->change = *c;
    r->change.key = copied(s, c->key);
    r->change.origin = copied(s, c->origin);
    r->change.about = copied(s, c->about);
    bool covers = counts(s, c, trust);
    for (size_t k = 0; k < KEYS && covers; k++)
        r->covers |= (uint32_t)change_covers(c, k) << k;
    r->trust = trust;
    r->poison = poison_drawn(s, c);
    r->serial = ++s->bus.records;
    r->next = *bucket;
    *bucket = r;
    return r;
}

/* ---- what a change means for a key ---------------------------------------------------------
 */

static bool begins_with(const char *key, struct bytes start)
{
    return strlen(key) >= start.size_bytes && memcmp(key, start.data, start.size_bytes) == 0;
}

static bool in_namespace(const char *key, struct bytes name)
{
    return strlen(key) > name.size_bytes && begins_with(key, name) &&
           key[name.size_bytes] == ':';
}

bool change_covers(const struct change *c, size_t key)
{
    const char *name = key_names[key];
    const struct bytes *tags;
    size_t count;

    switch (c->op) {
    case CHANGE_REMOVE:
        return bytes_equal(c->key, bytes_of_text(name));
    case CHANGE_TAG:
        tags = key_tags(key, &count);
        for (size_t i = 0; i < count; i++)
            if (bytes_equal(tags[i], c->key))
                return true;
        return false;
    case CHANGE_PREFIX:
        return begins_with(name, c->key);
    case CHANGE_NAMESPACE:
        return in_namespace(name, c->key);
    case CHANGE_CLEAR:
        return true;
    default:
        return false;
    }
}

/* The least version that whoever applied it may hold. A SET speaks for the version that it
 * brings, whatever has been committed since; a removal may name one. */
uint64_t change_floor(const struct sim *s, const struct change *c, size_t key)
{
    uint64_t version = version_at_wall(s, key, c->wall_ms);

    if (c->has_version)
        version = u64_min(version, key_version_of(s, c, key));
    return u64_min(version, call_version(s, c));
}

uint64_t record_floor(const struct sim *s, const struct record *r, size_t key)
{
    struct change c = r->change;

    if (r->trust != TRUST_FULL)
        c.has_version = c.has_fingerprint = false; /* nobody may believe it */
    return change_floor(s, &c, key);
}

/* ---- the log -------------------------------------------------------------------------------
 */

size_t bus_first_after(const struct server *v, uint64_t position)
{
    size_t low = v->first, high = v->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->slots[middle].position <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct slot *bus_at(const struct server *v, uint64_t position)
{
    size_t after = bus_first_after(v, position);

    return after > v->first && v->slots[after - 1].position == position ? &v->slots[after - 1]
                                                                        : NULL;
}

static void append(struct sim *s, struct server *v, struct record *r)
{
    if (v->count == v->capacity) {
        v->capacity = v->capacity > 0 ? 2 * v->capacity : 256;
        v->slots = realloc(v->slots, v->capacity * sizeof *v->slots);
        ASSERT(v->slots);
    }
    v->newest += 1 + rng_below(&s->rng, s->plan.position_gap + 1);
    if (change_sets_max_stale(&r->change)) {
        v->max_stale_ns = r->change.version * NS_PER_MS;
        v->max_stale_before_ns = change_max_stale_before(&r->change) * NS_PER_MS;
    }
    uint64_t before = v->count > v->first ? v->slots[v->count - 1].record->serial : 0;
    v->slots[v->count++] = (struct slot){.record = r,
                                         .position = v->newest,
                                         .taken_ns = s->now_ns,
                                         .log = v->log.high,
                                         .epoch = v->epoch,
                                         .index = ++v->entries,
                                         .taking = ++s->bus.takings,
                                         .before = before,
                                         .max_stale_ns = v->max_stale_ns,
                                         .max_stale_before_ns = v->max_stale_before_ns};
    r->position[v - s->bus.servers] = v->newest;
}

static void acknowledge(struct sim *s, const struct record *r)
{
    for (size_t k = 0; k < KEYS; k++)
        if (key_is_protected(k) && record_covers(r, k))
            check_acknowledged(&s->check, k, record_floor(s, r, k), s->now_ns, r->serial);
}

uint64_t bus_take(struct sim *s, size_t server, const struct change *c)
{
    bool by_hand = s->plan.signing && c->origin.size_bytes == 0;

    return bus_take_from(s, server, c, by_hand ? TRUST_UNSIGNED : TRUST_FULL);
}

uint64_t bus_take_from(struct sim *s, size_t server, const struct change *c, enum trust trust)
{
    struct server *v = &s->bus.servers[server];
    struct record *r = record_of(s, c, trust);

    ASSERT(v->alive);
    if (r->position[server] > 0)
        return r->position[server]; /* B12 */
    append(s, v, r);
    trace(s, TRACE_TAKEN, NO_HOST, NO_KEY, c->op, v->newest);
    if (!v->deposed) {
        acknowledge(s, r);
        bound_note(s, v->max_stale_ns);
    }
    if (trust == TRUST_FULL || trust == TRUST_UNSIGNED)
        call_taken(s, c);
    ping_taken(s, c);
    link_news(s, server);
    return v->newest;
}

bool bus_proven(const struct server *v, const struct cursor *c, size_t index)
{
    if (!id128_equal(c->log, v->log) || c->epoch != v->epoch || c->position > v->newest ||
        c->position < v->pruned_to)
        return false;
    (void)index;
    const struct slot *slot = bus_at(v, c->position);
    return id128_is_none(c->message) ||
           (slot && id128_equal(slot->record->change.message, c->message));
}

uint64_t bus_position_before(const struct server *v, uint64_t since_ns)
{
    uint64_t position = v->pruned_to;

    for (size_t i = v->first; i < v->count && v->slots[i].taken_ns < since_ns; i++)
        position = v->slots[i].position;
    return position;
}

/* ---- what goes wrong with it ---------------------------------------------------------------
 */

static void forget_slots(struct sim *s, struct server *v, size_t from)
{
    for (size_t i = from; i < v->count; i++)
        v->slots[i].record->position[v - s->bus.servers] = 0;
    v->entries -= v->count - from;
    v->count = from;
    v->newest = from > v->first ? v->slots[from - 1].position : v->pruned_to;
    v->max_stale_ns = from > 0 ? v->slots[from - 1].max_stale_ns : s->plan.max_stale_ns;
    v->max_stale_before_ns =
        from > 0 ? v->slots[from - 1].max_stale_before_ns : s->plan.max_stale_ns;
}

static size_t spare_server(struct sim *s)
{
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (!s->bus.servers[i].used)
            return i;
    return SERVERS_MAX;
}

static void copy_server(struct sim *s, size_t to, size_t from)
{
    struct server *v = &s->bus.servers[to], *old = &s->bus.servers[from];
    struct slot *slots = v->slots;
    size_t capacity = v->capacity;

    if (capacity < old->count) {
        capacity = old->capacity;
        slots = realloc(slots, capacity * sizeof *slots);
        ASSERT(slots);
    }
    *v = *old;
    v->slots = slots;
    v->capacity = capacity;
    if (old->count > 0)
        memcpy(slots, old->slots, old->count * sizeof *slots);
    for (size_t i = 0; i < RECORD_BUCKETS; i++)
        for (struct record *r = s->bus.buckets[i]; r; r = r->next)
            r->position[to] = r->position[from];
}

static bool has_deposed(const struct sim *s)
{
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (s->bus.servers[i].used && s->bus.servers[i].deposed)
            return true;
    return false;
}

/* A replica that lacks the newest `lost` entries becomes the primary, with a new epoch. In a
 * split the old one lives on for a while, for those who do not notice. */
void bus_failover(struct sim *s, size_t lost, bool split)
{
    size_t old = s->bus.primary, to = spare_server(s);
    struct server *v = &s->bus.servers[old];

    if (to == SERVERS_MAX || !v->alive || has_deposed(s))
        return;
    copy_server(s, to, old);
    struct server *w = &s->bus.servers[to];
    size_t kept = w->count - w->first;
    forget_slots(s, w, w->count - (lost < kept ? lost : kept));
    w->epoch = ++s->bus.epochs;
    bound_note(s, w->max_stale_ns);
    s->bus.primary = to;
    SOMETIMES(lost > 0 && kept > 0, "bus: failover lost a tail");
    v->deposed = true;
    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];
        h->on_old_side = split && rng_below(&s->rng, 2) == 0;
        if (h->on_old_side)
            h->excused_until_ns = UINT64_MAX;
        else if (h->link.server == old)
            link_lose(s, h);
    }
    uint64_t lives_ns = split ? rng_below(&s->rng, 4 * s->plan.max_stale_ns) : 0;
    sim_push(s, (struct happening){
                    .at_ns = s->now_ns + lives_ns, .kind = HAPPEN_SERVER_END, .a = old});
    if (!split)
        v->alive = false;
}

/* Until all have noticed, positions that they have passed are given away a second time. */
static void excuse_all(struct sim *s)
{
    uint64_t until_ns = s->now_ns + 3 * s->plan.most_stale_ns + 2 * s->plan.bus_timeout_ns;

    for (size_t k = 0; k < KEYS; k++)
        check_strict_forget(&s->check, k);
    for (size_t i = 0; i < s->host_count; i++)
        s->hosts[i].excused_until_ns = u64_max(s->hosts[i].excused_until_ns, until_ns);
}

/* The newest entries vanish. `says_so`: with a new epoch, as the contract asks; else what was
 * acknowledged is lost in silence, and nothing is promised of it. */
void bus_truncate(struct sim *s, size_t lost, bool says_so)
{
    struct server *v = &s->bus.servers[s->bus.primary];
    size_t kept = v->count - v->first;

    if (!v->alive)
        return;
    size_t from = v->count - (lost < kept ? lost : kept);
    for (size_t i = from; i < v->count && !says_so; i++)
        check_voided(&s->check, v->slots[i].record->serial);
    if (!says_so && from < v->count)
        excuse_all(s);
    forget_slots(s, v, from);
    bound_note(s, v->max_stale_ns);
    if (says_so)
        v->epoch = ++s->bus.epochs;
    SOMETIMES(says_so, "bus: truncated with a new epoch");
    SOMETIMES(!says_so, "bus: truncated in silence");
}

static bool is_numbered(const struct slot *slot)
{
    const struct change *c = &slot->record->change;

    return c->sequence > 0 && c->op != CHANGE_JOIN && c->op != CHANGE_LEAVE;
}

/* One of the newest entries, though not the last, is at the end now, and a row that a trigger
 * wrote stands where it was: so a log looks that lost its newest part in silence, when its
 * senders have said nearly all of it again. Each place but that one is proven as before. */
void bus_move(struct sim *s)
{
    struct server *v = &s->bus.servers[s->bus.primary];
    size_t back = 2 + rng_below(&s->rng, 8);
    struct change row;

    if (!v->alive || v->count < v->first + back)
        return;
    struct slot *slot = &v->slots[v->count - back];
    if (!is_numbered(slot) || !task_row(s, &row))
        return;
    struct record *moved = slot->record, *r = record_of(s, &row, TRUST_FULL);
    excuse_all(s);
    slot->record = r;
    slot->taken_ns = s->now_ns;
    slot->taking = ++s->bus.takings;
    slot[1].before = r->serial;
    r->position[s->bus.primary] = slot->position;
    moved->position[s->bus.primary] = 0;
    acknowledge(s, r);
    append(s, v, moved);
    link_news(s, s->bus.primary);
}

/* Somebody deleted the log and made a new one. */
void bus_replace(struct sim *s)
{
    struct server *v = &s->bus.servers[s->bus.primary];

    if (!v->alive)
        return;
    forget_slots(s, v, v->first);
    v->first = v->count = 0;
    v->max_stale_ns = v->max_stale_before_ns = s->plan.max_stale_ns;
    bound_note(s, v->max_stale_ns);
    v->newest = v->pruned_to = v->entries = 0;
    v->log = (struct id128){++s->bus.logs, 0xacc0};
    v->epoch = ++s->bus.epochs;
}

/* Old changes go, beats stay for the view of members; the newest entry stays (B8). */
void bus_prune(struct sim *s)
{
    struct server *v = &s->bus.servers[s->bus.primary];
    uint64_t view_ns = s->now_ns - 8 * s->plan.most_stale_ns;

    while (v->first + 1 < v->count &&
           v->slots[v->first].taken_ns < u64_min(view_ns, s->now_ns - s->plan.retain_ns)) {
        struct slot *slot = &v->slots[v->first++];
        slot->record->position[s->bus.primary] = 0;
        v->pruned_to = slot->position;
    }
    SOMETIMES(v->first > 0, "bus: pruned");
}
