/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/outbox.h"

enum {
    IN_LOG = 1,  /* acknowledged, or seen */
    RESENT = 2,  /* keeps sequence 0 */
    KEPT = 4,    /* in the state journal */
    MORE = 8,    /* the next one travels in the same batch */
    FOLDED = 16, /* does not travel: a later one of its batch says the same */
    SEEN = 32    /* in the log, by this node */
};

static void check(const struct outbox *o)
{
    ASSERT(o->oldest <= o->confirmed);
    ASSERT(o->confirmed <= o->sent);
    ASSERT(o->sent <= o->next);
    ASSERT(o->next - o->oldest <= OUTBOX_CHANGES_MAX);
    ASSERT(o->key_bytes <= OUTBOX_BYTES_MAX);
    ASSERT((o->state == OUTBOX_IDLE) == (o->changes_count == 0));
    ASSERT(o->state != OUTBOX_IDLE || o->confirmed == o->sent);
}

static size_t slot_of(uint64_t ordinal)
{
    ASSERT(ordinal > 0);
    return ordinal % OUTBOX_CHANGES_MAX;
}

static uint32_t *bucket_of(struct outbox *o, struct id128 message)
{
    return &o->buckets[(message.high ^ message.low) % OUTBOX_BUCKETS];
}

void outbox_init(struct outbox *o)
{
    o->oldest = o->confirmed = o->sent = o->next = 1;
    o->batch_from = UINT64_MAX;
    check(o);
}

bool outbox_has_room(const struct outbox *o, size_t count, size_t key_bytes)
{
    check(o);
    return count <= OUTBOX_CHANGES_MAX - (o->next - o->oldest) &&
           key_bytes <= OUTBOX_BYTES_MAX - o->key_bytes;
}

/* Keys lie in a ring, each in one piece. The two spare keys of room make up for the end that is
 * skipped, so that whatever outbox_has_room() allows does fit. */
static struct bytes copy_key(struct outbox *o, struct bytes key)
{
    uint8_t *at = o->arena + o->arena_end;

    ASSERT(key.size_bytes <= KEY_BYTES_MAX);
    if (key.size_bytes == 0)
        return bytes_of(NULL, 0);
    if (o->arena_end + key.size_bytes > sizeof o->arena)
        at = o->arena;
    memcpy(at, key.data, key.size_bytes);
    o->arena_end = (size_t)(at - o->arena) + key.size_bytes;
    o->key_bytes += key.size_bytes;
    return bytes_of(at, key.size_bytes);
}

uint64_t outbox_add(struct outbox *o, const struct change *c, bool resent)
{
    size_t slot = slot_of(o->next);
    uint32_t *bucket = bucket_of(o, c->message);

    ASSERT(outbox_has_room(o, 1, c->key.size_bytes));
    ASSERT(!id128_is_none(c->message));
    o->changes[slot] = *c;
    o->changes[slot].key = copy_key(o, c->key);
    o->changes[slot].sequence = 0;
    o->flags[slot] = resent ? RESENT | KEPT : 0;
    o->positions[slot] = 0;
    o->chain[slot] = *bucket;
    *bucket = (uint32_t)slot + 1;
    check(o);
    return o->next++;
}

bool outbox_is_ready(const struct outbox *o)
{
    check(o);
    return o->state == OUTBOX_IDLE && o->sent < o->next;
}

bool outbox_fills_batch(const struct outbox *o)
{
    check(o);
    return o->next - o->sent >= PUBLISH_BATCH_MAX;
}

/* ---- changes that travel together ----------------------------------------------------------
 */

static uint64_t fold_hash(const struct change *c)
{
    uint64_t hash = cursor_hash(c->op, c->key.size_bytes, (struct id128){c->version, c->soft});

    for (size_t i = 0; i < c->key.size_bytes; i++)
        hash = (hash ^ c->key.data[i]) * 0x100000001b3;
    return hash ^ hash >> 32;
}

/* What a set publishes is left alone: it keeps some bytes and removes others. */
static bool may_fold(const struct change *c)
{
    return !c->has_fingerprint;
}

static bool says_the_same(const struct change *a, const struct change *b)
{
    return a->op == b->op && a->soft == b->soft && a->has_version == b->has_version &&
           a->version == b->version && bytes_equal(a->key, b->key);
}

/* The change of the table that says the same as the one at `slot`, which becomes known else. */
static struct change *find_later(struct outbox *o, size_t slot)
{
    const struct change *c = &o->changes[slot];
    size_t at = fold_hash(c) % OUTBOX_FOLD_SLOTS;

    for (; o->fold[at] > 0; at = (at + 1) % OUTBOX_FOLD_SLOTS)
        if (says_the_same(&o->changes[o->fold[at] - 1], c))
            return &o->changes[o->fold[at] - 1];
    o->fold[at] = (uint32_t)slot + 1;
    return NULL;
}

size_t outbox_join(struct outbox *o, uint64_t from)
{
    size_t folded = 0;

    check(o);
    ASSERT(from >= o->sent);
    ASSERT(o->next - from <= PUBLISH_BATCH_MAX);
    memset(o->fold, 0, sizeof o->fold);
    for (uint64_t i = o->next; i-- > from;) {
        size_t slot = slot_of(i);
        if (i + 1 < o->next)
            o->flags[slot] |= MORE;
        struct change *later = may_fold(&o->changes[slot]) ? find_later(o, slot) : NULL;
        if (!later)
            continue;
        if (later->nonce == 0)
            later->nonce = o->changes[slot].nonce; /* somebody waits for beats */
        o->flags[slot] |= FOLDED;
        folded++;
    }
    check(o);
    return folded;
}

/* How many travel together from ordinal `from` on. */
static size_t joined(const struct outbox *o, uint64_t from)
{
    size_t count = 1;

    for (uint64_t i = from; o->flags[slot_of(i)] & MORE; i++)
        count++;
    ASSERT(from + count <= o->next);
    return count;
}

static void append(struct outbox *o, const struct change *c, bool counted, uint64_t *sequence)
{
    ASSERT(o->changes_count < PUBLISH_BATCH_MAX);
    struct change *to = &o->batch_changes[o->changes_count++];

    *to = *c;
    to->sequence = counted ? ++*sequence : 0;
}

void outbox_compose(struct outbox *o, const struct change *control, uint64_t *sequence)
{
    check(o);
    ASSERT(o->state == OUTBOX_IDLE);
    if (control)
        append(o, control, /* counted= */ true, sequence);
    o->batch_from = o->sent;
    while (o->sent < o->next) {
        uint64_t end = o->sent + joined(o, o->sent);
        if (o->changes_count + (end - o->sent) > PUBLISH_BATCH_MAX)
            break;
        for (; o->sent < end; o->sent++) {
            size_t slot = slot_of(o->sent);
            if (!(o->flags[slot] & (IN_LOG | FOLDED)))
                append(o, &o->changes[slot], !(o->flags[slot] & RESENT), sequence);
        }
    }
    ASSERT(o->changes_count > 0);
    o->state = OUTBOX_SENT;
    o->batch++;
    check(o);
}

void outbox_resend(struct outbox *o)
{
    check(o);
    ASSERT(o->state == OUTBOX_FAILED);
    o->state = OUTBOX_SENT;
    o->batch++;
}

/* A resent change may be seen while it still waits: then it need not travel. */
static void advance(struct outbox *o)
{
    while (o->confirmed < o->next && (o->flags[slot_of(o->confirmed)] & IN_LOG))
        o->confirmed++;
    o->sent = u64_max(o->sent, o->confirmed);
}

bool outbox_acknowledged(struct outbox *o, uint64_t batch, uint64_t last)
{
    check(o);
    if (o->state != OUTBOX_SENT || batch != o->batch)
        return false;
    /* Only the last one's position is known; the others lie before it. */
    for (uint64_t i = o->confirmed; i < o->sent; i++) {
        size_t slot = slot_of(i);
        o->positions[slot] = o->positions[slot] > 0 ? o->positions[slot] : last;
        o->flags[slot] |= IN_LOG;
    }
    o->state = OUTBOX_IDLE;
    o->batch_from = UINT64_MAX;
    o->changes_count = 0;
    o->failures = 0;
    advance(o);
    check(o);
    return true;
}

bool outbox_failed(struct outbox *o, uint64_t batch, uint64_t retry_ns)
{
    check(o);
    if (o->state != OUTBOX_SENT || batch != o->batch)
        return false;
    o->state = OUTBOX_FAILED;
    o->retry_ns = retry_ns;
    o->failures += o->failures < UINT32_MAX;
    check(o);
    return true;
}

static uint64_t ordinal_of(const struct outbox *o, size_t slot)
{
    return o->oldest + (slot + OUTBOX_CHANGES_MAX - slot_of(o->oldest)) % OUTBOX_CHANGES_MAX;
}

bool outbox_saw(struct outbox *o, struct id128 message, uint64_t position)
{
    check(o);
    if (o->oldest == o->next)
        return false; /* mostly so: without a look at a table that is cold */
    for (uint32_t i = *bucket_of(o, message); i > 0; i = o->chain[i - 1]) {
        if (!id128_equal(o->changes[i - 1].message, message))
            continue;
        uint64_t ordinal = ordinal_of(o, i - 1);
        ASSERT(ordinal < o->next);
        /* Seen in the log, though the batch before it was not: only what was sent by an
         * earlier run can be there already. */
        o->flags[i - 1] |= IN_LOG | SEEN;
        o->positions[i - 1] = position;
        advance(o);
        check(o);
        return true;
    }
    return false;
}

static bool wants_keeping(const struct outbox *o, uint64_t ordinal)
{
    return !(o->flags[slot_of(ordinal)] & (IN_LOG | KEPT));
}

bool outbox_keep(struct outbox *o, uint64_t from, uint64_t until, const struct change **first,
                 size_t *count)
{
    uint64_t i = u64_max(from, o->confirmed), run;

    check(o);
    ASSERT(until <= o->next);
    while (i < until && !wants_keeping(o, i))
        i++;
    /* A run is neighbours in memory too: it ends where the ring does. */
    for (run = i; run < until && wants_keeping(o, run) && (run == i || slot_of(run) > 0); run++)
        o->flags[slot_of(run)] |= KEPT;
    if (run == i)
        return false;
    *first = outbox_change(o, i);
    *count = (size_t)(run - i);
    return true;
}

size_t outbox_forget(const struct outbox *o, uint64_t from, struct id128 *messages)
{
    size_t count = 0;

    check(o);
    ASSERT(from >= o->oldest);
    for (uint64_t i = from; i < o->confirmed; i++)
        if (o->flags[slot_of(i)] & KEPT)
            messages[count++] = o->changes[slot_of(i)].message;
    return count;
}

static void free_oldest(struct outbox *o)
{
    size_t slot = slot_of(o->oldest);
    struct change *c = &o->changes[slot];
    uint32_t *link = bucket_of(o, c->message);

    while (*link != slot + 1) {
        ASSERT(*link > 0);
        link = &o->chain[*link - 1];
    }
    *link = o->chain[slot];
    ASSERT(o->key_bytes >= c->key.size_bytes);
    o->key_bytes -= c->key.size_bytes;
    o->oldest++;
}

static void trim(struct outbox *o, uint64_t applied, bool *all_seen)
{
    while (o->oldest < o->confirmed && o->oldest < o->batch_from &&
           o->positions[slot_of(o->oldest)] <= applied) {
        /* Of one that an earlier run has sent the position may be any. */
        *all_seen &= (o->flags[slot_of(o->oldest)] & (SEEN | RESENT | FOLDED)) != 0;
        free_oldest(o);
    }
}

bool outbox_trim(struct outbox *o, uint64_t applied)
{
    bool all_seen = true;

    check(o);
    trim(o, applied, &all_seen);
    check(o);
    return all_seen;
}

void outbox_forget_confirmed(struct outbox *o)
{
    bool all_seen = true;

    check(o);
    trim(o, UINT64_MAX, &all_seen);
    check(o);
}

const struct change *outbox_change(const struct outbox *o, uint64_t ordinal)
{
    ASSERT(ordinal >= o->oldest);
    ASSERT(ordinal < o->next);
    return &o->changes[slot_of(ordinal)];
}

uint64_t outbox_position(const struct outbox *o, uint64_t ordinal)
{
    ASSERT(ordinal >= o->oldest);
    ASSERT(ordinal < o->next);
    return o->positions[slot_of(ordinal)];
}

size_t outbox_count(const struct outbox *o)
{
    check(o);
    return (size_t)(o->next - o->confirmed);
}

void outbox_check(const struct outbox *o)
{
    size_t reached = 0, key_bytes = 0;

    check(o);
    for (size_t b = 0; b < OUTBOX_BUCKETS; b++)
        for (uint32_t i = o->buckets[b]; i > 0; i = o->chain[i - 1])
            reached++;
    ASSERT(reached == o->next - o->oldest);
    for (uint64_t i = o->oldest; i < o->next; i++)
        key_bytes += outbox_change(o, i)->key.size_bytes;
    ASSERT(key_bytes == o->key_bytes);
}
