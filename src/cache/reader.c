/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The hot path, in one translation unit on purpose: begin (lease, hash, prefetch), take (token,
 * removals), match (buckets), look_at (key, copy, sequence), decide (clock).
 *
 * Its speed is that of two loads which wait for memory, the bucket's and then the item's, and
 * of how much of the next get the processor begins meanwhile: it looks some 250 instructions
 * ahead, past branches that it foretells. So the usual hit is straight and short, what is rare
 * is called, and nothing branches on which bucket it was (docs/decision/read-path.md).
 *
 * Why a sequence without odd values is enough: the writer unlinks a location before it bumps
 * the bucket's sequence, and bumps before it reuses the memory; it writes a fingerprint
 * before it bumps, and bumps before it links a new location. All by release stores in that
 * order, so: who loads the sequence first and finds it the same last has seen
 * fingerprints and locations that belong together, and bytes that nobody reused meanwhile.
 *
 * The sequence has 32 bits. To be fooled a reader must sleep through exactly 2^32 changes of
 * one bucket and wake with its first deadline still ahead. One writer changes a bucket at most
 * some 10^7 times a second, so that takes minutes; a lease lasts seconds. */
#include "cache/reader.h"

#include "cache/clock.h"
#include "cache/item.h"
#include "cache/pair.h"

enum { TRIES_MAX = 8 };

/* What a look came to before the clock was read. */
enum looked {
    LOOKED_MOVED, /* something changed meanwhile: nothing is known */
    LOOKED_OTHER, /* the entry is of another key */
    LOOKED_ABSENT,
    LOOKED_REMOVED,
    LOOKED_SOFT, /* an item, removed softly */
    LOOKED_ITEM,
};

/* One lookup. What it loads first is kept for what is decided last. On the path of the usual
 * hit nothing that is called takes its address, so that it lives in registers. */
struct probe {
    uint64_t deadline; /* first of all loads */
    uint64_t hash;
    const struct namespace_entry *space;
    uint64_t newest; /* number of the last removal of everything or of the namespace */
    uint32_t count;  /* of buckets */
    uint32_t bucket[2];
    const struct bucket *at[2];
    uint32_t sequence[2];
    uint32_t bits; /* lanes of both that may be the key's, by pair_match() */
    /* Of the entry that was looked at: */
    const struct bucket *found;
    uint32_t found_bucket;
    uint32_t found_sequence;
    uint32_t lane;
    struct item_view item;
};

ALWAYS_INLINE const struct bucket *bucket_at(const struct reader *r, uint32_t index)
{
    const struct bucket *buckets = (const struct bucket *)(const void *)r->blocks;
    uint64_t block = load(r->directory + (index >> r->bucket_shift));

    if (block >= r->block_count)
        block = 0;
    return buckets + (block << r->bucket_shift | (index & r->bucket_mask));
}

/* A count that cannot be is taken for 2: there are always so many, and absent_for_sure() will
 * not be sure. */
ALWAYS_INLINE void locate(const struct reader *r, struct probe *p)
{
    uint64_t count = load(&r->header->bucket_count);

    if (UNLIKELY(count < 2 || count > r->buckets_max))
        count = 2;
    p->count = (uint32_t)count;
    p->bucket[0] = bucket_index((uint32_t)p->hash, p->count);
    p->bucket[1] = bucket_index((uint32_t)(p->hash >> 32), p->count);
    p->at[0] = bucket_at(r, p->bucket[0]);
    p->at[1] = bucket_at(r, p->bucket[1]);
    __builtin_prefetch(p->at[0]);
    __builtin_prefetch(p->at[1]);
}

ALWAYS_INLINE void begin(const struct reader *r, struct bytes key, struct probe *p)
{
    p->deadline = load(&r->header->deadline_ns);
    p->hash = key_hash(r->secret, key);
    locate(r, p);
    p->space = r->namespaces + namespace_of(r, key);
}

/* The namespace's own bound cuts the deadline: the question that the lease rests on must be
 * younger than it. It is loaded before anything of the item, as the deadline was, and before
 * the generation. A question and a deadline of two different clocks cannot be compared: the
 * clock changes once in the life of a segment, and then nothing is fresh. */
static NOINLINE uint64_t tightened(const struct reader *r, uint64_t deadline,
                                   uint64_t max_stale_ns)
{
    const struct segment_header *h = r->header;
    uint64_t clock = deadline & DEADLINE_FALLBACK;
    uint64_t asked_ns = load(&h->asked_ns);
    bool same_clock = ((load(&h->deadline_ns) ^ deadline) & DEADLINE_FALLBACK) == 0;
    uint64_t end_ns = asked_ns > 0 && same_clock
                          ? u64_add_sat(asked_ns, max_stale_ns) & ~DEADLINE_FALLBACK
                          : 0;

    return u64_min(deadline & ~DEADLINE_FALLBACK, end_ns) | clock;
}

/* The token, and what was removed of all that the key belongs to: before the lookup. */
ALWAYS_INLINE void take(const struct reader *r, struct probe *p, struct token *token)
{
    const struct segment_header *h = r->header;

    token->incarnation = r->incarnation;
    token->epoch = load(&h->epoch);
    token->bulk = load(&h->bulk);
    token->slot = load(r->slots + hash_slot(p->hash));
    uint64_t max_stale_ns = load(&p->space->max_stale_ns);
    if (UNLIKELY(max_stale_ns != 0))
        p->deadline = tightened(r, p->deadline, max_stale_ns);
    uint64_t hard = load(&h->generation_hard), soft = load(&h->generation_soft);
    uint64_t space_hard = load(&p->space->hard), space_soft = load(&p->space->soft);
    p->newest = u64_max(u64_max(hard, soft), u64_max(space_hard, space_soft));
    /* Compared here, while the buckets are on their way: one register to keep, not four. */
    __asm__("" : "+r"(p->newest));
}

ALWAYS_INLINE void match(const struct reader *r, struct probe *p)
{
    p->bits = pair_match(p->at[0], p->at[1], hash_fingerprint(p->hash), r->fingerprint_mask,
                         p->sequence);
}

/* `second` is 0 or all ones. */
ALWAYS_INLINE uint64_t choose(uint64_t second, uint64_t a, uint64_t b)
{
    return a ^ ((a ^ b) & second);
}

/* The location that `bit` of p->bits names, 0 for none. The sequence is loaded before it, so
 * that a location linked or reused later shows. The fingerprint lane is loaded once more for
 * the location's top bits; the fingerprint itself need not be of that sequence: the key
 * decides. */
ALWAYS_INLINE uint64_t locate_item(const struct reader *r, struct probe *p, unsigned bit)
{
    uint64_t second = 0 - (uint64_t)pair_second(bit);

    p->lane = pair_lane(bit);
    p->found = (const struct bucket *)choose(second, (uintptr_t)p->at[0], (uintptr_t)p->at[1]);
    p->found_bucket = (uint32_t)choose(second, p->bucket[0], p->bucket[1]);
    p->found_sequence = bucket_sequence(load(&p->found->word[0]));
    if (r->hint_words)
        __builtin_prefetch(r->hint_words + p->found_bucket, /* to write: */ 1);
    uint32_t low = bucket_low(p->found, p->lane);
    if (r->high_bits == 0 || low == 0)
        return low;
    uint64_t bits = load(&p->found->word[(p->lane + 2) / 4]) >> ((p->lane + 2) % 4 * 16);
    return lane_location(low, (uint32_t)bits & 0xffff, r->high_bits);
}

/* The second and third line are asked for with the first: where the value ends is not known
 * before that one has come. */
ALWAYS_INLINE void prefetch_value(const struct reader *r, uint64_t location)
{
    __builtin_prefetch(r->blocks + location + LINE_BYTES);
    __builtin_prefetch(r->blocks + location + (size_t)2 * LINE_BYTES);
}

/* Whether the item at `location` is of the key; then p->item is filled. */
ALWAYS_INLINE bool item_is(const struct reader *r, struct bytes key, struct probe *p,
                           uint64_t location)
{
    if (location == 0 || location >= r->arena_bytes)
        return false;
    prefetch_value(r, location);
    uint64_t header = load_at(r->blocks, location);
    return header_key_bytes(header) == key.size_bytes &&
           item_parse(r, location, header, &p->item) &&
           arena_equals(r->blocks, p->item.key_offset, key.data, key.size_bytes);
}

/* What removals did to an item that has tags, or is older than one of all, or has a mark. By
 * value, not by the address of the item. */
static NOINLINE enum looked removed(const struct reader *r, const struct namespace_entry *space,
                                    uint64_t bulk, uint32_t flags, uint64_t tags_offset,
                                    uint32_t tag_count)
{
    const struct segment_header *h = r->header;
    bool soft =
        (flags & ITEM_SOFT) || bulk < load(&h->generation_soft) || bulk < load(&space->soft);

    if (bulk < load(&h->generation_hard) || bulk < load(&space->hard))
        return LOOKED_REMOVED;
    for (uint32_t i = 0; i < tag_count; i++) {
        uint64_t slot = load_at(r->blocks, tags_offset + 2ull * i) & 0xffff;
        if (bulk < load(&r->tags[slot].hard))
            return LOOKED_REMOVED;
        soft = soft || bulk < load(&r->tags[slot].soft);
    }
    return soft ? LOOKED_SOFT : LOOKED_ITEM;
}

ALWAYS_INLINE enum looked copy_found(const struct reader *r, const struct probe *p,
                                     void *buffer, size_t buffer_bytes, struct read_result *out)
{
    const struct item_view *v = &p->item;
    enum looked looked = LOOKED_ITEM;
    size_t bytes = v->value_bytes;

    if (UNLIKELY(v->bulk < p->newest) || UNLIKELY((v->flags & ITEM_SOFT) | v->tag_count))
        looked = removed(r, p->space, v->bulk, v->flags, v->tags_offset, v->tag_count);
    out->value_bytes = bytes;
    out->version = v->version;
    out->flags = (uint8_t)(v->flags & ITEM_PUBLIC_FLAGS);
    out->truncated = bytes > buffer_bytes;
    if (buffer)
        arena_copy(r->blocks, item_value_offset(v), buffer,
                   UNLIKELY(bytes > buffer_bytes) ? buffer_bytes : bytes);
    return looked;
}

ALWAYS_INLINE bool unchanged(const struct probe *p)
{
    arena_loads_done();
    return bucket_sequence(load(&p->found->word[0])) == p->found_sequence;
}

/* Looks at the item that `bit` names. */
ALWAYS_INLINE enum looked look_at(const struct reader *r, struct bytes key, struct probe *p,
                                  unsigned bit, void *buffer, size_t buffer_bytes,
                                  struct read_result *out)
{
    uint64_t location = locate_item(r, p, bit);

    if (!item_is(r, key, p, location))
        return LOOKED_OTHER;
    enum looked looked = copy_found(r, p, buffer, buffer_bytes, out);
    return unchanged(p) ? looked : LOOKED_MOVED;
}

/* The usual lookup, after begin(): the first candidate, which is nearly always the key's own.
 * False: it is not simply an item, and look() must say what it is. */
ALWAYS_INLINE bool look_first(const struct reader *r, struct bytes key, struct probe *p,
                              void *buffer, size_t buffer_bytes, struct read_result *out)
{
    return LIKELY(p->bits) && LIKELY(look_at(r, key, p, (unsigned)__builtin_ctz(p->bits),
                                             buffer, buffer_bytes, out) == LOOKED_ITEM);
}

/* An entry that moves between its two buckets while we look may be passed over, so a key is
 * absent only if neither bucket changed, nor the number of buckets. */
static bool absent_for_sure(const struct reader *r, const struct probe *p)
{
    return bucket_sequence(load(&p->at[0]->word[0])) == p->sequence[0] &&
           bucket_sequence(load(&p->at[1]->word[0])) == p->sequence[1] &&
           load(&r->header->bucket_count) == p->count;
}

/* The whole lookup, from the start: every candidate, and all again while anything moves. */
static NOINLINE enum looked look(const struct reader *r, struct bytes key, struct probe *p,
                                 void *buffer, size_t buffer_bytes, struct read_result *out)
{
    for (int try = 0; try < TRIES_MAX; try++) {
        enum looked looked = LOOKED_OTHER;
        begin(r, key, p);
        take(r, p, &out->token);
        match(r, p);
        for (; p->bits && looked == LOOKED_OTHER; p->bits &= p->bits - 1)
            looked =
                look_at(r, key, p, (unsigned)__builtin_ctz(p->bits), buffer, buffer_bytes, out);
        if (looked > LOOKED_ABSENT)
            return looked;
        if (looked == LOOKED_OTHER && absent_for_sure(r, p))
            return LOOKED_ABSENT;
    }
    return LOOKED_ABSENT; /* the bucket never stood still: a miss is always true enough */
}

/* Lossy on purpose: a plain load and store of a word that other readers and the writer also
 * write. A counter at its maximum, the usual case for a hot key, costs no store. */
ALWAYS_INLINE void hint(const struct reader *r, const struct probe *p)
{
    if (!r->hint_words)
        return;
    uint32_t *word = r->hint_words + p->found_bucket;
    uint32_t value = __atomic_load_n(word, __ATOMIC_RELAXED);
    if ((value >> p->lane * 2 & HINT_MAX) < HINT_MAX)
        __atomic_store_n(word, value + (1u << p->lane * 2), __ATOMIC_RELAXED);
}

ALWAYS_INLINE void answer(struct read_result *out, enum accord_state state, enum accord_why why)
{
    out->state = state;
    out->why = why;
}

/* UINT64_MAX ms or more ns than fit: never. */
ALWAYS_INLINE uint64_t ns_of(uint64_t ms)
{
    return ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : ms * NS_PER_MS;
}

/* Soft expiry, spread by key so that what was loaded together does not expire together. */
ALWAYS_INLINE uint64_t spread_ns(const struct probe *p, uint64_t settings, uint64_t ttl_ns)
{
    uint64_t jitter = settings_jitter_permille(settings);

    if (jitter == 0 || ttl_ns == UINT64_MAX)
        return ttl_ns;
    uint64_t share = jitter * (hash_mix(p->hash) & 0xffff); /* permille x 65536 */
    return ttl_ns - ttl_ns / 65536 * u64_min(share, 65536000) / 1000;
}

/* Where it is set at all. */
ALWAYS_INLINE bool wants_refresh(uint64_t settings, uint64_t ttl_ns, uint64_t age_ns)
{
    uint64_t refresh = settings_refresh_permille(settings);

    return refresh < 1000 && ttl_ns != UINT64_MAX && age_ns > ttl_ns / 1000 * refresh;
}

/* What decides whether an item is of use when it is not simply fresh. */
struct doubt {
    uint64_t settings;
    uint64_t ttl_ns;
    uint64_t end_ns; /* of its grace, since the fill */
    uint32_t flags;
    bool soft, leased;
};

static NOINLINE void decide_doubtful(struct doubt d, struct read_result *out)
{
    bool unsure = d.flags & ITEM_UNSURE, negative = d.flags & ITEM_NEGATIVE;
    bool gone = out->age_ns >= (negative ? d.ttl_ns : d.end_ns);

    if (!d.leased) {
        bool serve = unsure || settings_when_unsure(d.settings) == WHEN_UNSURE_STALE;
        answer(out, serve && !gone && !(negative && d.soft) ? ACCORD_STALE : ACCORD_UNSURE,
               ACCORD_WHY_UNSURE);
    } else if (unsure) {
        answer(out, ACCORD_MISS, ACCORD_WHY_UNSURE);
    } else if (gone) {
        answer(out, ACCORD_MISS, ACCORD_WHY_EXPIRED);
    } else if (d.soft) {
        answer(out, negative ? ACCORD_MISS : ACCORD_STALE, ACCORD_WHY_REMOVED);
    } else {
        answer(out, ACCORD_STALE, ACCORD_WHY_EXPIRED);
    }
    if (out->state != ACCORD_STALE)
        *out = (struct read_result){.state = out->state, .why = out->why, .token = out->token};
}

/* Birth is not saturated: no clock comes near, and a hostile one makes a wrong age, no more. */
ALWAYS_INLINE void decide(const struct probe *p, bool soft, uint64_t now_ns,
                          struct read_result *out)
{
    const struct item_view *v = &p->item;
    uint64_t settings = load(&p->space->settings), left_ns = UINT64_MAX;
    uint64_t ttl_ns = spread_ns(p, settings, ns_of(v->ttl_ms));
    uint64_t age_ns = u64_sub_sat(now_ns, v->birth_ms * NS_PER_MS);
    bool leased = now_ns < (p->deadline & ~DEADLINE_FALLBACK);

    if (ttl_ns != UINT64_MAX)
        left_ns = u64_sub_sat(ttl_ns, age_ns);
    out->age_ns = age_ns;
    out->ttl_ns = left_ns;
    out->refresh = false;
    if (UNLIKELY(!leased) || UNLIKELY(soft) || UNLIKELY(left_ns == 0) ||
        UNLIKELY(v->flags & ITEM_UNSURE)) {
        uint64_t end_ns = ns_of(u64_add_sat(v->ttl_ms, v->grace_ms));
        decide_doubtful((struct doubt){settings, ttl_ns, end_ns, v->flags, soft, leased}, out);
        return;
    }
    answer(out, ACCORD_HIT, ACCORD_WHY_NONE);
    if (UNLIKELY(v->flags & ITEM_NEGATIVE))
        out->state = ACCORD_NEGATIVE;
    if (settings_refresh_permille(settings) && wants_refresh(settings, ttl_ns, age_ns)) {
        out->refresh = true;
        out->why = ACCORD_WHY_REFRESH;
    }
}

ALWAYS_INLINE bool holds_item(const struct read_result *out)
{
    return out->state == ACCORD_HIT || out->state == ACCORD_STALE ||
           out->state == ACCORD_NEGATIVE;
}

/* There is no item: a miss if the lease still runs, else we cannot even say that. */
static NOINLINE void conclude_absent(uint64_t deadline, enum accord_why why, uint64_t now_ns,
                                     struct read_result *out)
{
    *out = (struct read_result){.token = out->token};
    if (now_ns < (deadline & ~DEADLINE_FALLBACK))
        answer(out, ACCORD_MISS, why);
    else
        answer(out, ACCORD_UNSURE, ACCORD_WHY_UNSURE);
}

/* `r` to report a hit to; NULL: a look that is no use. */
ALWAYS_INLINE void conclude(const struct reader *r, const struct probe *p, enum looked looked,
                            uint64_t now_ns, struct read_result *out)
{
    if (UNLIKELY(looked <= LOOKED_REMOVED)) {
        conclude_absent(p->deadline,
                        looked == LOOKED_REMOVED ? ACCORD_WHY_REMOVED : ACCORD_WHY_ABSENT,
                        now_ns, out);
        return;
    }
    decide(p, looked == LOOKED_SOFT, now_ns, out);
    if (r && holds_item(out))
        hint(r, p);
}

ALWAYS_INLINE bool key_is_valid(struct bytes key)
{
    return key.size_bytes - 1 < KEY_BYTES_MAX;
}

/* Every field of *out is set on every path: it is not cleared first, which would cost a hit. */

/* The answer for a key that cannot be here, whatever the lease. */
static NOINLINE void refuse(const struct reader *r, struct read_result *out)
{
    *out = (struct read_result){.state = ACCORD_MISS, .why = ACCORD_WHY_ABSENT};
    out->token.incarnation = r->incarnation;
}

/* Hands out what the lookup found; `b` is zero before. */
ALWAYS_INLINE void lend(const struct reader *r, const struct probe *p, struct borrow *b,
                        const struct read_result *out)
{
    if (!holds_item(out))
        return;
    b->value = bytes_of(r->blocks + item_value_offset(&p->item), p->item.value_bytes);
    b->bucket = p->found_bucket;
    b->sequence = p->found_sequence;
    b->deadline = out->state == ACCORD_STALE ? 0 : p->deadline;
    b->held = true;
}

/* A get, or a borrow where `b` is not NULL, whatever the key and whatever is found. */
static NOINLINE void get_any(const struct reader *r, struct bytes key, void *buffer,
                             size_t buffer_bytes, struct borrow *b, struct read_result *out)
{
    struct probe p;

    if (!key_is_valid(key)) {
        refuse(r, out);
        return;
    }
    enum looked looked = look(r, key, &p, buffer, buffer_bytes, out);
    conclude(r, &p, looked, clock_now_ns(r, p.deadline), out);
    if (b)
        lend(r, &p, b, out);
}

void reader_get(const struct reader *r, struct bytes key, void *buffer, size_t buffer_bytes,
                struct read_result *out)
{
    struct probe p;

    if (LIKELY(key_is_valid(key))) {
        begin(r, key, &p);
        take(r, &p, &out->token);
        match(r, &p);
        if (LIKELY(look_first(r, key, &p, buffer, buffer_bytes, out))) {
            conclude(r, &p, LOOKED_ITEM, clock_now_ns(r, p.deadline), out);
            return;
        }
    }
    get_any(r, key, buffer, buffer_bytes, NULL, out);
}

void reader_borrow(const struct reader *r, struct bytes key, struct borrow *b,
                   struct read_result *out)
{
    struct probe p;

    *b = (struct borrow){0};
    if (LIKELY(key_is_valid(key))) {
        begin(r, key, &p);
        take(r, &p, &out->token);
        match(r, &p);
        if (LIKELY(look_first(r, key, &p, NULL, 0, out))) {
            conclude(r, &p, LOOKED_ITEM, clock_now_ns(r, p.deadline), out);
            lend(r, &p, b, out);
            out->truncated = false;
            return;
        }
    }
    get_any(r, key, NULL, 0, b, out);
    out->truncated = false;
}

void reader_peek(const struct reader *r, struct bytes key, uint64_t now_ns,
                 struct read_result *out)
{
    struct probe p;

    if (!key_is_valid(key)) {
        refuse(r, out);
        return;
    }
    enum looked looked = look(r, key, &p, NULL, 0, out);
    conclude(NULL, &p, looked, now_ns, out);
    out->truncated = false;
}

/* The lines of the item that the first candidate names, while the other keys are begun. What is
 * found here is looked up once more later: the sequence must be loaded first again. */
ALWAYS_INLINE void prefetch_item(const struct reader *r, struct probe *p)
{
    if (UNLIKELY(!p->bits))
        return;
    uint64_t location = locate_item(r, p, (unsigned)__builtin_ctz(p->bits));
    if (location >= r->arena_bytes)
        return;
    __builtin_prefetch(r->blocks + location);
    prefetch_value(r, location);
}

/* Each step for all the keys before the next, so that their loads wait together. One clock
 * reading at the end serves all: it only has to come after the last load. */
static void get_some(const struct reader *r, struct read_request *q, size_t count)
{
    struct probe p[GET_MANY_MAX];
    bool found[GET_MANY_MAX];

    for (size_t i = 0; i < count; i++)
        if (LIKELY(key_is_valid(q[i].key))) {
            begin(r, q[i].key, &p[i]);
            __builtin_prefetch(r->slots + hash_slot(p[i].hash));
        }
    for (size_t i = 0; i < count; i++)
        if (LIKELY(key_is_valid(q[i].key))) {
            take(r, &p[i], &q[i].result.token);
            match(r, &p[i]);
            prefetch_item(r, &p[i]);
        }
    for (size_t i = 0; i < count; i++)
        found[i] = LIKELY(key_is_valid(q[i].key)) &&
                   look_first(r, q[i].key, &p[i], q[i].buffer, q[i].buffer_bytes, &q[i].result);
    uint64_t deadline = load(&r->header->deadline_ns), now_ns = clock_now_ns(r, deadline);
    for (size_t i = 0; i < count; i++) {
        if (LIKELY(found[i]) && LIKELY(((p[i].deadline ^ deadline) & DEADLINE_FALLBACK) == 0))
            conclude(r, &p[i], LOOKED_ITEM, now_ns, &q[i].result);
        else
            get_any(r, q[i].key, q[i].buffer, q[i].buffer_bytes, NULL, &q[i].result);
    }
}

void reader_get_many(const struct reader *r, struct read_request *requests, size_t count)
{
    while (count > 0) {
        size_t some = count < GET_MANY_MAX ? count : GET_MANY_MAX;
        get_some(r, requests, some);
        requests += some;
        count -= some;
    }
}

/* Borrowed bytes were read through a plain pointer: those loads may not sink below the check of
 * the sequence. The one fence there is; gcc's ThreadSanitizer knows none, and is not
 * asked about plain loads that are validated afterwards. */
#if defined(__SANITIZE_THREAD__)
static void order_plain_loads(void)
{
}
#else
static void order_plain_loads(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}
#endif

bool reader_borrow_valid(const struct reader *r, const struct borrow *b)
{
    if (!b->held || b->bucket >= r->buckets_max)
        return false;
    const struct bucket *bucket = bucket_at(r, (uint32_t)b->bucket);
    order_plain_loads();
    if (bucket_sequence(load(&bucket->word[0])) != b->sequence)
        return false;
    return b->deadline == 0 ||
           clock_now_ns(r, b->deadline) < (b->deadline & ~DEADLINE_FALLBACK);
}

void reader_token(const struct reader *r, struct bytes key, struct token *out)
{
    out->incarnation = r->incarnation;
    out->epoch = load(&r->header->epoch);
    out->bulk = load(&r->header->bulk);
    out->slot = load(r->slots + hash_slot(key_hash(r->secret, key)));
}

uint64_t reader_now_ns(const struct reader *r)
{
    return clock_now_ns(r, load(&r->header->deadline_ns));
}

uint64_t reader_deadline_ns(const struct reader *r, uint64_t *epoch, uint64_t *position)
{
    uint64_t deadline = load(&r->header->deadline_ns);

    if (epoch)
        *epoch = load(&r->header->epoch);
    if (position)
        *position = load(&r->header->position);
    return deadline & ~DEADLINE_FALLBACK;
}

uint64_t reader_asked_ns(const struct reader *r)
{
    return load(&r->header->asked_ns);
}

struct reader_line *reader_count_line(const struct reader *r, uint32_t line)
{
    if (!r->hint_words || line >= READER_LINES)
        return NULL;
    return (struct reader_line *)(void *)r->hints + line;
}

static void add_one(uint64_t *counter)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

void reader_line_add(struct reader_line *line, enum accord_state state)
{
    if (!line)
        return;
    if (state == ACCORD_HIT)
        add_one(&line->hits);
    else if (state == ACCORD_STALE)
        add_one(&line->stale);
    else if (state == ACCORD_NEGATIVE)
        add_one(&line->negative);
    else if (state == ACCORD_UNSURE)
        add_one(&line->unsure);
    else
        add_one(&line->misses);
}
