/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/members.h"

enum { FORGET_AFTER_SILENCES = 10 };

static void check(const struct members *m)
{
    ASSERT(m->count <= MEMBERS_MAX);
    ASSERT(m->silence_ns > 0);
}

static uint32_t *bucket_of(struct members *m, struct id128 incarnation)
{
    /* Incarnations are random; the fold spreads those of tests too. */
    return &m->buckets[(incarnation.high * 31 + incarnation.low) % MEMBERS_BUCKETS];
}

void members_init(struct members *m, uint64_t silence_ns)
{
    memset(m->buckets, 0, sizeof m->buckets);
    m->count = 0;
    m->overflowed = false;
    m->silence_ns = silence_ns;
    m->silence_due_ns = UINT64_MAX;
    check(m);
}

void members_set_silence(struct members *m, uint64_t silence_ns)
{
    check(m);
    m->silence_due_ns = silence_ns == m->silence_ns ? m->silence_due_ns : 0; /* look anew */
    m->silence_ns = silence_ns;
    check(m);
}

struct member *members_find(struct members *m, struct id128 incarnation)
{
    check(m);
    for (uint32_t i = *bucket_of(m, incarnation); i > 0; i = m->list[i - 1].next) {
        ASSERT(i <= m->count);
        if (id128_equal(m->list[i - 1].view.incarnation, incarnation))
            return &m->list[i - 1];
    }
    return NULL;
}

/* The link that leads to entry `index`. */
static uint32_t *link_to(struct members *m, size_t index)
{
    uint32_t *link = bucket_of(m, m->list[index].view.incarnation);

    while (*link != index + 1) {
        ASSERT(*link > 0);
        link = &m->list[*link - 1].next;
    }
    return link;
}

static void remove_at(struct members *m, size_t index)
{
    size_t last = m->count - 1;

    ASSERT(index < m->count);
    *link_to(m, index) = m->list[index].next;
    if (index != last) {
        *link_to(m, last) = (uint32_t)index + 1;
        m->list[index] = m->list[last];
    }
    m->count--;
}

/* Who left goes first, then who was heard least recently; never this node itself. */
static void make_room(struct members *m)
{
    size_t worst = 0;

    ASSERT(m->count == MEMBERS_MAX);
    for (size_t i = 1; i < m->count; i++) {
        const struct member *a = &m->list[i], *b = &m->list[worst];
        if (b->view.self || a->gone ||
            (!a->view.self && !b->gone && a->view.last_seen_ns < b->view.last_seen_ns))
            worst = i;
    }
    m->overflowed |= !m->list[worst].gone;
    remove_at(m, worst);
}

struct member *members_get(struct members *m, struct id128 incarnation, struct bytes name,
                           uint64_t now_ns)
{
    struct member *member = members_find(m, incarnation);

    if (member)
        return member;
    if (m->count == MEMBERS_MAX)
        make_room(m);

    uint32_t *bucket = bucket_of(m, incarnation);
    size_t size = name.size_bytes < NODE_NAME_BYTES_MAX ? name.size_bytes : NODE_NAME_BYTES_MAX;
    member = &m->list[m->count];
    *member = (struct member){.next = *bucket};
    member->view.incarnation = incarnation;
    member->view.last_seen_ns = now_ns;
    if (size > 0)
        memcpy(member->view.name, name.data, size);
    *bucket = (uint32_t)++m->count;
    check(m);
    return member;
}

void members_sequence(struct member *member, uint64_t sequence, struct place at)
{
    ASSERT(sequence > 0); /* 0 is outside the count: it was kept across a restart */
    ASSERT(!member->has_sequence || sequence > member->sequence);
    member->has_sequence = true;
    member->sequence = sequence;
    member->heard = at;
}

void members_numbered(struct member *member, uint64_t sequence, struct id128 message)
{
    member->numbered[sequence % MEMBER_NUMBERS].sequence = sequence;
    member->numbered[sequence % MEMBER_NUMBERS].message = message;
}

bool members_numbered_other(const struct member *member, uint64_t sequence,
                            struct id128 message)
{
    ASSERT(sequence > 0);
    return member->numbered[sequence % MEMBER_NUMBERS].sequence == sequence &&
           !id128_equal(member->numbered[sequence % MEMBER_NUMBERS].message, message);
}

void members_forget_sequences(struct members *m)
{
    check(m);
    for (size_t i = 0; i < m->count; i++) {
        m->list[i].has_sequence = false;
        m->list[i].view.applied = 0;
        m->list[i].joined = false; /* at a position that may mean another entry now */
    }
}

static bool same_name(const struct member *a, const struct member *b)
{
    return memcmp(a->view.name, b->view.name, sizeof a->view.name) == 0;
}

static void mark_namesakes(struct members *m, struct member *newcomer)
{
    ASSERT(newcomer->joined);
    for (size_t i = 0; i < m->count; i++)
        if (&m->list[i] != newcomer && same_name(&m->list[i], newcomer))
            m->list[i].namesake = newcomer->namesake = true;
}

bool members_beat(struct members *m, struct member *member, uint64_t position, uint64_t now_ns)
{
    check(m);
    bool is_new = !member->joined || member->gone;
    bool news = is_new || member->view.silent;

    member->joined = true;
    member->gone = false;
    member->view.silent = false;
    member->view.last_seen_ns = now_ns;
    member->beat_position = position;
    if (is_new) {
        member->view.joined_position = position;
        mark_namesakes(m, member);
    }
    m->silence_due_ns = u64_min(m->silence_due_ns, u64_add_sat(now_ns, m->silence_ns));
    check(m);
    return news;
}

void members_leave(struct members *m, struct member *member)
{
    check(m);
    ASSERT(member >= m->list);
    ASSERT(member < m->list + m->count);
    member->gone = true;
}

void members_sweep(struct members *m, uint64_t now_ns)
{
    check(m);
    for (size_t i = m->count; i-- > 0;) {
        const struct member *member = &m->list[i];
        uint64_t age_ns = u64_sub_sat(now_ns, member->view.last_seen_ns);

        if (member->gone ||
            (!member->view.self && age_ns / FORGET_AFTER_SILENCES >= m->silence_ns))
            remove_at(m, i);
    }
    check(m);
}

const struct member *members_fell_silent(struct members *m, uint64_t now_ns)
{
    uint64_t due_ns = UINT64_MAX;

    check(m);
    if (now_ns < m->silence_due_ns)
        return NULL;
    for (size_t i = 0; i < m->count; i++) {
        struct member *member = &m->list[i];
        uint64_t silent_ns = u64_add_sat(member->view.last_seen_ns, m->silence_ns);

        if (!member->joined || member->gone || member->view.silent)
            continue;
        if (silent_ns <= now_ns) {
            member->view.silent = true;
            return member;
        }
        due_ns = u64_min(due_ns, silent_ns);
    }
    m->silence_due_ns = due_ns;
    return NULL;
}

static bool is_live(const struct member *member)
{
    return member->joined && !member->gone && !member->view.silent;
}

/* A killed daemon's successor counts instead of it, though both are still heard of. */
bool members_is_succeeded(const struct members *m, const struct member *member)
{
    for (size_t i = 0; i < m->count && member->namesake; i++)
        if (is_live(&m->list[i]) && same_name(&m->list[i], member) &&
            m->list[i].view.joined_position > member->view.joined_position)
            return true;
    return false;
}

size_t members_live(const struct members *m)
{
    size_t live = 0;

    check(m);
    for (size_t i = 0; i < m->count; i++)
        live += is_live(&m->list[i]) && !members_is_succeeded(m, &m->list[i]);
    return live;
}

size_t members_seen(const struct members *m)
{
    size_t seen = 0;

    check(m);
    for (size_t i = 0; i < m->count; i++)
        seen += m->list[i].joined && !m->list[i].gone;
    return seen;
}

const struct member *members_at(const struct members *m, size_t index)
{
    size_t at = 0;

    check(m);
    for (;; at++) {
        ASSERT(at < m->count); /* index is below members_seen() */
        if (m->list[at].joined && !m->list[at].gone && index-- == 0)
            return &m->list[at];
    }
}

void members_check(const struct members *m)
{
    size_t reached = 0;

    check(m);
    for (size_t b = 0; b < MEMBERS_BUCKETS; b++)
        for (uint32_t i = m->buckets[b]; i > 0; i = m->list[i - 1].next) {
            ASSERT(i <= m->count);
            reached++;
            ASSERT(reached <= m->count);
        }
    ASSERT(reached == m->count);
}
