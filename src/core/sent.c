/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/sent.h"

enum { SOFT = 1, VERSION = 2, FINGERPRINT = 4, BOUND = 8 };

static void check(const struct sent *s)
{
    ASSERT(s->first > 0);
    ASSERT(s->first <= s->next);
    ASSERT(s->next - s->first <= SENT_CHANGES_MAX);
    ASSERT(s->key_bytes <= SENT_BYTES_MAX);
}

static bool removes(enum change_op op)
{
    return op != CHANGE_JOIN && op != CHANGE_LEAVE && op != CHANGE_BEAT;
}

bool sent_is_bound_to_its_place(const struct change *c)
{
    bool resets = c->op == CHANGE_NAMESPACE && c->has_version && c->version == 0;

    return resets || change_sets_max_stale(c);
}

void sent_init(struct sent *s)
{
    s->first = s->next = 1;
    check(s);
}

static void drop_oldest(struct sent *s)
{
    const struct sent_slot *slot = &s->slots[s->first % SENT_CHANGES_MAX];

    ASSERT(s->first < s->next);
    ASSERT(s->key_bytes >= slot->key_bytes);
    s->key_bytes -= slot->key_bytes;
    s->first++;
}

/* Two changes of one node never share the low half but by chance; a removal's high half may be
 * the hash of its id (retries.h). */
static uint64_t folded(struct id128 message)
{
    return message.low ^ (message.high << 32 | message.high >> 32);
}

/* As in the outbox: a ring of whole keys, with two spare ones for the end that is skipped. */
static uint32_t copy_key(struct sent *s, struct bytes key)
{
    if (s->arena_end + key.size_bytes > sizeof s->arena)
        s->arena_end = 0;
    size_t at = s->arena_end;
    if (key.size_bytes > 0)
        memcpy(s->arena + at, key.data, key.size_bytes);
    s->arena_end += key.size_bytes;
    s->key_bytes += key.size_bytes;
    return (uint32_t)at;
}

void sent_add(struct sent *s, const struct change *c)
{
    struct bytes key = removes(c->op) ? c->key : bytes_of(NULL, 0);

    check(s);
    ASSERT(c->sequence == s->next);
    ASSERT(key.size_bytes <= KEY_BYTES_MAX);
    while (s->next - s->first == SENT_CHANGES_MAX ||
           s->key_bytes + key.size_bytes > SENT_BYTES_MAX)
        drop_oldest(s);
    s->slots[s->next % SENT_CHANGES_MAX] = (struct sent_slot){
        .wall_ms = c->wall_ms,
        .version = c->version,
        .fingerprint = c->fingerprint,
        .message = folded(c->message),
        .key_at = copy_key(s, key),
        .key_bytes = (uint32_t)key.size_bytes,
        .op = (uint8_t)c->op,
        .flags = (uint8_t)((c->soft ? SOFT : 0) | (c->has_version ? VERSION : 0) |
                           (c->has_fingerprint ? FINGERPRINT : 0) |
                           (sent_is_bound_to_its_place(c) ? BOUND : 0))};
    s->next++;
    check(s);
}

bool sent_can_repeat(const struct sent *s, uint64_t from, uint64_t until, size_t *count,
                     size_t *key_bytes)
{
    check(s);
    if (from < s->first || until > s->next || from >= until || until - from > HOLE_CHANGES_MAX)
        return false;
    *count = *key_bytes = 0;
    for (uint64_t i = from; i < until; i++) {
        const struct sent_slot *slot = &s->slots[i % SENT_CHANGES_MAX];
        if (slot->flags & BOUND)
            return false;
        *count += removes((enum change_op)slot->op);
        *key_bytes += slot->key_bytes;
    }
    return true;
}

bool sent_change(const struct sent *s, uint64_t sequence, struct change *out)
{
    const struct sent_slot *slot = &s->slots[sequence % SENT_CHANGES_MAX];

    check(s);
    ASSERT(sequence >= s->first);
    ASSERT(sequence < s->next);
    if (!removes((enum change_op)slot->op))
        return false;
    *out = (struct change){
        .op = (enum change_op)slot->op,
        .key = bytes_of(slot->key_bytes > 0 ? s->arena + slot->key_at : NULL, slot->key_bytes),
        .soft = slot->flags & SOFT,
        .has_version = slot->flags & VERSION,
        .version = slot->version,
        .has_fingerprint = slot->flags & FINGERPRINT,
        .fingerprint = slot->fingerprint,
        .wall_ms = slot->wall_ms};
    return true;
}

bool sent_is_foreign(const struct sent *s, uint64_t sequence, struct id128 message)
{
    check(s);
    ASSERT(sequence > 0);
    if (sequence >= s->next)
        return true;
    return sequence >= s->first &&
           s->slots[sequence % SENT_CHANGES_MAX].message != folded(message);
}
