/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_set.h"

#include "base/limits.h"
#include "bus/http/peer_bytes.h"
#include "wire/change.h"

static void check(const struct peer_set *s)
{
    ASSERT(s->count <= PEERS_MAX);
    for (size_t i = 1; i < s->count; i++)
        ASSERT(strcmp(s->members[i - 1].address, s->members[i].address) < 0);
}

bool peer_address_is_valid(struct bytes address)
{
    size_t digits = 0;

    if (address.size_bytes == 0 || address.size_bytes > PEER_ADDRESS_BYTES_MAX)
        return false;
    for (size_t i = 0; i < address.size_bytes; i++)
        if (address.data[i] <= ' ' || address.data[i] > '~' || address.data[i] == '/')
            return false;
    while (digits < address.size_bytes &&
           address.data[address.size_bytes - 1 - digits] >= '0' &&
           address.data[address.size_bytes - 1 - digits] <= '9')
        digits++;
    return digits >= 1 && digits <= 5 && address.size_bytes > digits + 1 &&
           address.data[address.size_bytes - 1 - digits] == ':';
}

void peer_set_init(struct peer_set *s, uint64_t max_stale_ms)
{
    memset(s, 0, sizeof *s);
    s->max_stale_ms = s->max_stale_before_ms = max_stale_ms;
}

/* The index of the first that is not before `address`. */
static size_t place_of(const struct peer_set *s, const char *address)
{
    size_t i = 0;

    while (i < s->count && strcmp(s->members[i].address, address) < 0)
        i++;
    return i;
}

const struct peer_member *peer_set_find(const struct peer_set *s, const char *address)
{
    size_t i = place_of(s, address);

    check(s);
    return i < s->count && strcmp(s->members[i].address, address) == 0 ? &s->members[i] : NULL;
}

bool peer_set_has(const struct peer_set *s, const char *address)
{
    const struct peer_member *m = peer_set_find(s, address);

    return m && peer_is_in(m);
}

size_t peer_set_in_count(const struct peer_set *s)
{
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++)
        count += peer_is_in(&s->members[i]);
    return count;
}

/* The member of that address, made with counter 0 where there was none; NULL: no room. */
static struct peer_member *make(struct peer_set *s, const char *address)
{
    size_t i = place_of(s, address), bytes = strlen(address) + 1;

    if (i < s->count && strcmp(s->members[i].address, address) == 0)
        return &s->members[i];
    if (s->count == PEERS_MAX)
        return NULL;
    ASSERT(bytes <= sizeof s->members[i].address);
    memmove(&s->members[i + 1], &s->members[i], (s->count - i) * sizeof s->members[0]);
    memset(&s->members[i], 0, sizeof s->members[i]);
    memcpy(s->members[i].address, address, bytes);
    s->count++;
    return &s->members[i];
}

int peer_set_join(struct peer_set *s, const char *address)
{
    struct peer_member *m = make(s, address);

    if (!m)
        return ACCORD_E_FULL;
    if (!peer_is_in(m)) {
        m->counter++;
        m->incarnation = (struct id128){0, 0};
        m->last = 0;
    }
    check(s);
    return ACCORD_OK;
}

int peer_set_enter(struct peer_set *s, const char *address, struct id128 incarnation)
{
    int status = peer_set_join(s, address);

    if (status != ACCORD_OK)
        return status;
    struct peer_member *m = make(s, address);
    if (!id128_is_none(m->incarnation) && !id128_equal(m->incarnation, incarnation))
        m->counter += 2;
    m->incarnation = incarnation;
    return ACCORD_OK;
}

void peer_set_leave(struct peer_set *s, const char *address, struct id128 incarnation,
                    uint64_t last)
{
    struct peer_member *m = (struct peer_member *)peer_set_find(s, address);

    if (!m || !peer_is_in(m))
        return;
    m->counter++;
    m->incarnation = incarnation;
    m->last = last;
}

void peer_set_max_stale(struct peer_set *s, uint64_t ms, uint64_t before_ms)
{
    s->max_stale_ms = ms;
    s->max_stale_before_ms = before_ms;
    s->max_stale_times++;
}

/* Whether b knows better of that address. Where both say that it is out, and differ in how, one
 * of them was told to forget it: then nothing proves that all was heard. Of two that are in by
 * the same counter either may win: the other enters again. */
static bool is_later(const struct peer_member *a, const struct peer_member *b)
{
    if (a->counter != b->counter)
        return b->counter > a->counter;
    if (id128_equal(a->incarnation, b->incarnation))
        return b->last > a->last;
    if (id128_is_none(a->incarnation) || id128_is_none(b->incarnation))
        return id128_is_none(b->incarnation) != peer_is_in(b);
    return b->incarnation.high != a->incarnation.high
               ? b->incarnation.high > a->incarnation.high
               : b->incarnation.low > a->incarnation.low;
}

static bool has_later_max_stale(const struct peer_set *a, const struct peer_set *b)
{
    if (a->max_stale_times != b->max_stale_times)
        return b->max_stale_times > a->max_stale_times;
    if (a->max_stale_ms != b->max_stale_ms)
        return b->max_stale_ms > a->max_stale_ms;
    return b->max_stale_before_ms > a->max_stale_before_ms;
}

static size_t count_new(const struct peer_set *s, const struct peer_set *other)
{
    size_t count = 0;

    for (size_t i = 0; i < other->count; i++)
        count += !peer_set_find(s, other->members[i].address);
    return count;
}

int peer_set_merge(struct peer_set *s, const struct peer_set *other, bool *changed)
{
    check(other);
    if (s->count + count_new(s, other) > PEERS_MAX)
        return ACCORD_E_FULL;
    *changed = false;
    for (size_t i = 0; i < other->count; i++) {
        const struct peer_member *from = &other->members[i];
        struct peer_member *to = make(s, from->address);

        ASSERT(to);
        if (is_later(to, from)) {
            *to = *from;
            *changed = true;
        }
    }
    if (has_later_max_stale(s, other)) {
        s->max_stale_ms = other->max_stale_ms;
        s->max_stale_before_ms = other->max_stale_before_ms;
        s->max_stale_times = other->max_stale_times;
        *changed = true;
    }
    check(s);
    return ACCORD_OK;
}

uint64_t peer_set_hash(const struct peer_set *s)
{
    uint64_t hash = cursor_hash(s->max_stale_times, s->max_stale_ms,
                                (struct id128){s->max_stale_before_ms, s->count});

    check(s);
    for (size_t i = 0; i < s->count; i++) {
        const struct peer_member *m = &s->members[i];
        for (const char *c = m->address; *c; c++)
            hash = cursor_hash(hash, (uint8_t)*c, (struct id128){0, 0});
        hash = cursor_hash(cursor_hash(hash, m->counter, m->incarnation), m->last,
                           (struct id128){0, 0});
    }
    return hash;
}

size_t peer_set_encode(const struct peer_set *s, uint8_t *out)
{
    uint8_t *at = out;

    at = peer_put(at, s->max_stale_ms, 8);
    at = peer_put(at, s->max_stale_before_ms, 8);
    at = peer_put(at, s->max_stale_times, 8);
    at = peer_put(at, s->count, 2);
    for (size_t i = 0; i < s->count; i++) {
        const struct peer_member *m = &s->members[i];
        struct bytes address = bytes_of_text(m->address);
        at = peer_put_bytes(peer_put(at, address.size_bytes, 1), address);
        at = peer_put_id(peer_put(at, m->counter, 8), m->incarnation);
        at = peer_put(at, m->last, 8);
    }
    ASSERT((size_t)(at - out) <= PEER_SET_BYTES_MAX);
    return (size_t)(at - out);
}

static bool max_stale_is_valid(uint64_t ms)
{
    return ms >= MAX_STALE_MS_MIN && ms <= MAX_STALE_MS_MAX;
}

static bool decode_member(struct peer_cut *c, struct peer_member *m)
{
    struct bytes address = peer_cut_bytes(c, peer_cut_number(c, 1));

    memset(m, 0, sizeof *m);
    m->counter = peer_cut_number(c, 8);
    m->incarnation = peer_cut_id(c);
    m->last = peer_cut_number(c, 8);
    if (c->short_of || !peer_address_is_valid(address) || m->counter == 0 ||
        m->counter > INT64_MAX)
        return false;
    memcpy(m->address, address.data, address.size_bytes);
    return !peer_is_in(m) || m->last == 0;
}

int peer_set_decode(struct bytes bytes, struct peer_set *out)
{
    struct peer_cut c = {.rest = bytes};
    struct peer_set s;

    memset(&s, 0, sizeof s);
    s.max_stale_ms = peer_cut_number(&c, 8);
    s.max_stale_before_ms = peer_cut_number(&c, 8);
    s.max_stale_times = peer_cut_number(&c, 8);
    uint64_t count = peer_cut_number(&c, 2);
    if (c.short_of || count > PEERS_MAX || !max_stale_is_valid(s.max_stale_ms) ||
        !max_stale_is_valid(s.max_stale_before_ms))
        return ACCORD_E_FORMAT;
    for (; s.count < count; s.count++) {
        struct peer_member *m = &s.members[s.count];
        if (!decode_member(&c, m) || (s.count > 0 && strcmp(m[-1].address, m->address) >= 0))
            return ACCORD_E_FORMAT;
    }
    if (c.rest.size_bytes > 0)
        return ACCORD_E_FORMAT;
    *out = s;
    return ACCORD_OK;
}
