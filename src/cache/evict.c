/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Two chains: newcomers pass through the small one, what proved itself lives in the main one.
 *
 * No fixed rule for "proved itself" is right for every load: S3-FIFO's loses to LRU on bursts,
 * a frequency sketch (W-TinyLFU) by far more. So each item carries a kind that says why it is
 * where it is, and for each kind we learn how likely such an item is asked for again: from its
 * counter if it was kept, from its ghost if it was dropped. A kind is worth main memory if it
 * does nearly as well as what is there. The size of the small chain is learnt from how soon
 * ghosts come back. On five real traces this misses 5.3 % less than LRU at 1 % of the keys, 8 %
 * less at 10 %, and never much more (docs/mechanism, bench/miss_bench.c). What is not obvious
 * below was tried the other way: a ghost that expires counts as a failure of its kind;
 * unproven items go round the small chain again; nothing gets two laps for nothing. */
#include "cache/evict.h"

enum kind {
    NEW,
    PASSED_1, /* left the small chain with a counter of 1, 2, 3 */
    PASSED_2,
    PASSED_3,
    GHOST_NEW,    /* came back after it had been dropped as a newcomer, */
    GHOST_PASSED, /* as one that had passed, */
    GHOST_GHOST,  /* as one that had come back before, */
    GHOST_LIVED,  /* as one that had lived in main */
    LIVED_0,      /* survived main with a score of 0, 1, more */
    LIVED_1,
    LIVED_2,
    IDLE_PASSED, /* at the end of main with nothing, one lap more, by what it was */
    IDLE_GHOST_NEW,
    IDLE_GHOST,
    IDLE_LIVED,
    IDLE_AGAIN,
    KINDS
};

enum {
    SCORE_MAX = 7,
    KIND_BITS = 4,
    WAYS = 16,       /* ghosts of one set, a cache line */
    STAMP_BITS = 14, /* of a ghost's time, in units of a 1024th of the memory's capacity */
    STAMP_UNITS = 1024,
    FINGERPRINT_BITS = 13,
    REMOVED = 16, /* beside the kind of a ghost: it was not the policy that dropped it */
    MEMORY_PER_GHOST = 128,
    STRICT_ROUND = 8, /* blocks emptied for one request before main keeps only the best */
};
_Static_assert(FINGERPRINT_BITS + KIND_BITS + 1 + STAMP_BITS == 32, "a ghost is 32 bits");

static const double small_first = 0.15, small_min = 0.05, small_max = 0.30;
static const double main_worth = 0.75, ghost_worth = 0.5625; /* of the mean of main */
static const double prior = 0.3, prior_weight = 8, window = 1024;
static const double lap_weight = 0.05, young = 0.05;

struct evict {
    double seen[KINDS], asked[KINDS];
    double main_seen, main_asked;
    double lap;   /* drops while an item goes once through main, smoothed */
    double small; /* share of the blocks */
    uint64_t drops;
    uint64_t capacity;   /* items that there are: so many drops back a ghost is remembered */
    uint64_t stamp_unit; /* drops */
    uint64_t set_mask, sets_max;
    unsigned round;
    _Alignas(64) uint32_t ghosts[]; /* fingerprint:13 removed:1 kind:4 stamp:14; 0: none */
};

static uint64_t sets_max(size_t memory_bytes)
{
    uint64_t sets = 1;

    while (sets * 2 * WAYS * MEMORY_PER_GHOST <= memory_bytes)
        sets *= 2;
    return sets;
}

size_t evict_bytes(size_t memory_bytes)
{
    return sizeof(struct evict) + sets_max(memory_bytes) * WAYS * sizeof(uint32_t);
}

void evict_init(struct evict *e, size_t memory_bytes)
{
    e->sets_max = sets_max(memory_bytes);
    e->small = small_first;
}

/* ---- what is learnt of kinds ---- */

static void learn(double *seen, double *asked, bool hit)
{
    *seen += 1;
    *asked += hit;
    if (*seen > window) {
        *seen /= 2;
        *asked /= 2;
    }
}

static void observe(struct evict *e, enum kind kind, bool hit)
{
    learn(&e->seen[kind], &e->asked[kind], hit);
}

static double worth(const struct evict *e, enum kind kind)
{
    return (e->asked[kind] + prior_weight * prior) / (e->seen[kind] + prior_weight);
}

static double mean_of_main(const struct evict *e)
{
    return (e->main_asked + prior_weight * prior) / (e->main_seen + prior_weight);
}

/* ---- ghosts ---- */

struct ghost {
    enum kind kind;
    bool removed;
    uint64_t age; /* drops since */
};

static uint64_t mix(uint64_t hash)
{
    return (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9ull;
}

static uint32_t *set_of(struct evict *e, uint64_t hash)
{
    return e->ghosts + (mix(hash) >> 16 & e->set_mask) * WAYS;
}

static uint32_t fingerprint_of(uint64_t hash)
{
    return (uint32_t)(mix(hash) >> 51) | 1; /* never 0: that is a free way */
}

static struct ghost ghost_of(const struct evict *e, uint32_t way)
{
    uint32_t now = (uint32_t)(e->drops / e->stamp_unit);
    uint32_t stamps = (1u << STAMP_BITS) - 1;

    return (struct ghost){.kind = (enum kind)(way >> STAMP_BITS & 15),
                          .removed = way >> STAMP_BITS & REMOVED,
                          .age = (uint64_t)((now - way) & stamps) * e->stamp_unit};
}

static bool is_expired(const struct evict *e, const struct ghost *g)
{
    return g->age >= u64_min(e->capacity, (e->set_mask + 1) * WAYS * 4 / 5);
}

/* Nobody asked for it again: a failure of what it was. */
static void give_up(struct evict *e, uint32_t *way)
{
    struct ghost g = ghost_of(e, *way);

    if (*way && !g.removed)
        observe(e, g.kind, false);
    *way = 0;
}

/* The table follows the number of items, which moves slowly; where that has left the bounds for
 * which the table was laid out, it starts anew. */
static void size_ghosts(struct evict *e, uint64_t items)
{
    if (e->capacity && items >= e->capacity / 2 && items <= e->capacity * 2)
        return;
    uint64_t sets = 1;
    while (sets < e->sets_max && sets * WAYS * 4 < items * 5)
        sets *= 2;
    memset(e->ghosts, 0, sets * WAYS * sizeof e->ghosts[0]);
    e->set_mask = sets - 1;
    e->capacity = u64_max(1, items);
    e->stamp_unit = u64_max(1, e->capacity / STAMP_UNITS);
    if (e->lap == 0)
        e->lap = (double)e->capacity;
}

static void remember(struct evict *e, uint64_t hash, enum kind kind, unsigned removed)
{
    if (e->capacity == 0)
        return;
    uint32_t *set = set_of(e, hash), *oldest = set;
    uint64_t oldest_age = 0;
    for (int i = 0; i < WAYS; i++) {
        struct ghost g = ghost_of(e, set[i]);
        if (set[i] && is_expired(e, &g))
            give_up(e, &set[i]);
        if (set[i] == 0)
            g.age = UINT64_MAX;
        if (g.age > oldest_age) {
            oldest_age = g.age;
            oldest = &set[i];
        }
    }
    give_up(e, oldest);
    *oldest = fingerprint_of(hash) << (STAMP_BITS + KIND_BITS + 1) |
              ((uint32_t)kind | removed) << STAMP_BITS |
              ((uint32_t)(e->drops / e->stamp_unit) & ((1u << STAMP_BITS) - 1));
}

/* Finds and forgets the ghost of `hash`. */
static bool recall(struct evict *e, uint64_t hash, struct ghost *g)
{
    if (e->capacity == 0)
        return false;
    uint32_t *set = set_of(e, hash);
    for (int i = 0; i < WAYS; i++) {
        if (set[i] == 0 || set[i] >> (STAMP_BITS + KIND_BITS + 1) != fingerprint_of(hash))
            continue;
        *g = ghost_of(e, set[i]);
        if (is_expired(e, g)) {
            give_up(e, &set[i]);
            return false;
        }
        set[i] = 0;
        return true;
    }
    return false;
}

/* ---- decisions ---- */

static unsigned mark_of(enum kind kind, unsigned score)
{
    return (unsigned)kind | score << KIND_BITS;
}

static enum kind kind_of(unsigned mark)
{
    return (enum kind)(mark & ((1u << KIND_BITS) - 1));
}

static bool was_new(enum kind kind)
{
    return kind <= PASSED_3;
}

static enum kind kind_of_return(enum kind was)
{
    if (was == NEW)
        return GHOST_NEW;
    if (was_new(was) || was == IDLE_PASSED)
        return GHOST_PASSED;
    if (was <= GHOST_LIVED || was == IDLE_GHOST_NEW || was == IDLE_GHOST)
        return GHOST_GHOST;
    return GHOST_LIVED;
}

/* A newcomer that comes back at once was dropped too soon: the small chain was too short. One
 * from main that does so: main was. */
static void resize_small(struct evict *e, const struct ghost *g)
{
    if ((double)g->age >= young * (double)e->capacity)
        return;
    e->small += (was_new(g->kind) ? 1.0 : -2.0) / (double)e->capacity;
    if (e->small < small_min)
        e->small = small_min;
    if (e->small > small_max)
        e->small = small_max;
}

enum evict_chain evict_admit(struct evict *e, uint64_t hash, unsigned *mark,
                             uint64_t *ghost_hits)
{
    struct ghost g;
    enum kind kind;

    *mark = mark_of(NEW, 0);
    if (!recall(e, hash, &g))
        return EVICT_SMALL;
    *ghost_hits += 1;
    if (g.removed) {
        kind = g.kind;
    } else {
        observe(e, g.kind, (double)g.age < 0.5 * e->lap);
        resize_small(e, &g);
        kind = kind_of_return(g.kind);
    }
    *mark = mark_of(kind, 0);
    if (kind == NEW)
        return EVICT_SMALL;
    return worth(e, kind) >= ghost_worth * mean_of_main(e) ? EVICT_MAIN : EVICT_SMALL;
}

uint64_t evict_stamp(const struct evict *e)
{
    return e->drops;
}

enum evict_chain evict_victim(const struct evict *e, const struct evict_need *need)
{
    uint32_t in_small = need->blocks[EVICT_SMALL], in_main = need->blocks[EVICT_MAIN];
    bool too_many = in_small > 1 && in_small > e->small * need->blocks_max;

    if (too_many || in_main == 0)
        return EVICT_SMALL;
    return in_main > 1 || in_small == 0 ? EVICT_MAIN : EVICT_SMALL;
}

void evict_begin(struct evict *e, const struct evict_need *need, enum evict_chain chain,
                 uint64_t stamp)
{
    size_ghosts(e, need->items);
    e->round = need->round;
    if (chain == EVICT_MAIN)
        e->lap += lap_weight * ((double)(e->drops - stamp) - e->lap);
}

static void drop(struct evict *e, uint64_t hash, enum kind kind)
{
    e->drops++;
    remember(e, hash, kind, 0);
}

static bool keep_small(struct evict *e, const struct evict_item *item, enum evict_chain *chain,
                       unsigned *mark)
{
    enum kind was = kind_of(item->mark);

    if (item->hits == 0) {
        drop(e, item->hash, was); /* whether its kind was right, the ghost will tell */
        return false;
    }
    observe(e, was, true);
    enum kind kind = (enum kind)(NEW + item->hits);
    *mark = mark_of(kind, 0);
    *chain = worth(e, kind) >= main_worth * mean_of_main(e) ? EVICT_MAIN : EVICT_SMALL;
    return true;
}

static enum kind kind_of_idle(enum kind was)
{
    if (was_new(was))
        return IDLE_PASSED;
    if (was == GHOST_NEW)
        return IDLE_GHOST_NEW;
    if (was <= GHOST_LIVED)
        return IDLE_GHOST;
    return was <= LIVED_2 ? IDLE_LIVED : IDLE_AGAIN;
}

static bool keep_main(struct evict *e, const struct evict_item *item, unsigned *mark)
{
    enum kind was = kind_of(item->mark);
    unsigned score = (item->mark >> KIND_BITS) + item->hits;
    bool strict = e->round >= STRICT_ROUND;

    if (score > SCORE_MAX)
        score = SCORE_MAX;
    observe(e, was, item->hits > 0);
    learn(&e->main_seen, &e->main_asked, item->hits > 0);
    if (score > (strict ? 2u : 0u)) {
        *mark = mark_of(score > 2 ? LIVED_2 : (enum kind)(LIVED_0 + score - 1), score - 1);
        return true;
    }
    enum kind kind = kind_of_idle(was);
    *mark = mark_of(kind, 0);
    if (!strict && kind != IDLE_AGAIN && worth(e, kind) >= main_worth * mean_of_main(e))
        return true;
    drop(e, item->hash, kind);
    return false;
}

bool evict_keep(struct evict *e, const struct evict_item *item, enum evict_chain *chain,
                unsigned *mark)
{
    *chain = EVICT_MAIN;
    return item->chain == EVICT_SMALL ? keep_small(e, item, chain, mark)
                                      : keep_main(e, item, mark);
}

void evict_forget(struct evict *e, const struct evict_item *item)
{
    enum kind kind = kind_of(item->mark);

    if (kind == NEW && item->hits > 0)
        kind = (enum kind)(NEW + item->hits);
    remember(e, item->hash, kind, REMOVED);
}
