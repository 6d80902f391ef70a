/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Random operations on a segment of 8 MiB and on a plain table that forgets nothing. The
 * segment may forget (evict); it may never say more than the table allows. */
#include "cache/fixture.h"

enum { KEYS = 400, TAGS = 6, SPACES = 4, STEPS = 4000, VALUE_BYTES_MAX = 40000 };
#define TIGHT_NS (10 * NS_PER_S) /* max_stale of the last space */

struct known {
    bool there;
    bool unsure, negative, soft;
    uint32_t version;
    uint32_t value_bytes;
    uint64_t serial; /* the value is a function of it */
    uint64_t birth_ns, ttl_ns, grace_ns;
    unsigned tags; /* bits */
};

struct model {
    struct fixture f;
    struct known known[KEYS];
    uint64_t removed_at[KEYS]; /* step of the last removal that touches the key */
    uint64_t step, serial, epoch;
    unsigned hits, misses, stale, late;
};

static const char *const spaces[SPACES] = {"", "users:", "pages:", "tight:"};
static uint8_t big[VALUE_BYTES_MAX], back[VALUE_BYTES_MAX];

static struct bytes key_of(unsigned i, char text[64])
{
    /* Two prefixes: of i % 5, and of i % 5 and i % 7. */
    int bytes = snprintf(text, 64, "%s%u/%u/%u", spaces[i % SPACES], i % 5, i % 7, i);

    return bytes_of(text, (size_t)bytes);
}

static void make_value(uint64_t serial, uint8_t *to, size_t bytes)
{
    uint64_t rng = serial;

    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = test_random(&rng, UINT64_MAX);
        memcpy(to + i, &word, bytes - i < 8 ? bytes - i : 8);
    }
}

static void model_start(struct model *m)
{
    fixture_settings(&m->f, 8 * MIB);
    fixture_namespace(&m->f, (struct segment_namespace){.name = "users", .delimiter = '/'});
    fixture_namespace(
        &m->f, (struct segment_namespace){.name = "pages", .when_unsure = WHEN_UNSURE_STALE});
    fixture_namespace(&m->f,
                      (struct segment_namespace){.name = "tight", .max_stale_ns = TIGHT_NS});
    fixture_start(&m->f);
    fixture_lease(&m->f, 3600 * NS_PER_S);
}

static uint64_t pick_bytes(uint64_t *rng)
{
    uint64_t most[] = {10, 200, 2000, VALUE_BYTES_MAX};

    return test_random(rng, most[test_random(rng, 4)]);
}

static void fill(struct model *m, uint64_t *rng)
{
    static const char *const names[TAGS] = {"a", "b", "c", "d", "e", "f"};
    unsigned i = (unsigned)test_random(rng, KEYS);
    struct known *k = &m->known[i], next = {.there = true, .serial = ++m->serial};
    struct bytes tags[TAGS];
    struct item item = {.tags = tags};
    char text[64];

    item.key = key_of(i, text);
    next.value_bytes = (uint32_t)pick_bytes(rng);
    next.birth_ns = m->f.now_ns;
    next.ttl_ns = test_random(rng, 2) ? UINT64_MAX : (1 + test_random(rng, 200)) * NS_PER_S;
    next.grace_ns = test_random(rng, 2) ? 0 : test_random(rng, 100) * NS_PER_S;
    next.negative = test_random(rng, 10) == 0;
    next.unsure = test_random(rng, 10) == 0;
    next.version = test_random(rng, 3) ? 0 : (uint32_t)test_random(rng, 50);
    next.tags = (unsigned)test_random(rng, 1u << TAGS) & (unsigned)test_random(rng, 1u << TAGS);
    for (unsigned tag = 0; tag < TAGS; tag++)
        if (next.tags >> tag & 1)
            tags[item.tag_count++] = bytes_of_text(names[tag]);
    make_value(next.serial, big, next.value_bytes);
    item.value = bytes_of(big, next.value_bytes);
    item.ttl_ns = next.ttl_ns;
    item.grace_ns = next.grace_ns;
    item.flags =
        (uint8_t)((next.negative ? ITEM_NEGATIVE : 0) | (next.unsure ? ITEM_UNSURE : 0));
    item.version = next.version;
    if (next.negative)
        next.value_bytes = 0;
    int status = writer_fill(m->f.writer, &item, NULL, m->f.now_ns);
    if (status == ACCORD_E_VERSION)
        CHECK(k->there && k->version > next.version);
    else
        CHECK(status == ACCORD_OK);
    if (status == ACCORD_OK)
        *k = next;
}

static void mark(struct model *m, unsigned i, bool soft)
{
    if (soft)
        m->known[i].soft = true;
    else
        m->known[i].there = false;
}

/* A removal that touches the key whatever item is loaded for it. */
static void touch(struct model *m, unsigned i, bool soft)
{
    m->removed_at[i] = m->step;
    mark(m, i, soft);
}

static void remove_some(struct model *m, uint64_t *rng)
{
    static const char *const names[TAGS] = {"a", "b", "c", "d", "e", "f"};
    bool soft = test_random(rng, 2);
    unsigned which = (unsigned)test_random(rng, 40), i = (unsigned)test_random(rng, KEYS);
    char text[64];

    if (which < 30) {
        struct known k = m->known[i];
        bool live = writer_remove_key(m->f.writer, key_of(i, text), soft, m->f.now_ns);
        CHECK(!live || k.there);
        touch(m, i, soft);
    } else if (which < 34) {
        unsigned tag = (unsigned)test_random(rng, TAGS);
        writer_remove_tag(m->f.writer, bytes_of_text(names[tag]), soft);
        for (unsigned j = 0; j < KEYS; j++)
            if (m->known[j].there && m->known[j].tags >> tag & 1)
                mark(m, j, soft);
    } else if (which < 38) {
        unsigned a = (unsigned)test_random(rng, 5), b = (unsigned)test_random(rng, 7);
        bool deep = test_random(rng, 2);
        int bytes = deep ? snprintf(text, 64, "users:%u/%u/", a, b)
                         : snprintf(text, 64, "users:%u/", a);
        CHECK(writer_remove_prefix(m->f.writer, bytes_of(text, (size_t)bytes), soft) == 0);
        for (unsigned j = 1; j < KEYS; j += SPACES)
            if (j % 5 == a && (!deep || j % 7 == b))
                touch(m, j, soft);
    } else if (which < 39) {
        CHECK(writer_remove_namespace(m->f.writer, bytes_of_text("pages"), soft) == 0);
        for (unsigned j = 2; j < KEYS; j += SPACES)
            touch(m, j, soft);
    } else if (test_random(rng, 10) == 0) {
        writer_clear(m->f.writer, soft);
        for (unsigned j = 0; j < KEYS; j++)
            touch(m, j, soft);
    }
}

static bool same_value(const struct known *k, const struct read_result *r)
{
    static uint8_t want[VALUE_BYTES_MAX];

    make_value(k->serial, want, k->value_bytes);
    return r->value_bytes == k->value_bytes && memcmp(back, want, k->value_bytes) == 0;
}

/* To the millisecond that items are stored with. */
static bool is_past(const struct known *k, uint64_t now_ns, uint64_t span_ns)
{
    return now_ns - k->birth_ns >= span_ns;
}

static void read_one(struct model *m, uint64_t *rng)
{
    unsigned i = (unsigned)test_random(rng, KEYS);
    const struct known *k = &m->known[i];
    bool leased = m->f.now_ns < reader_deadline_ns(&m->f.reader, NULL, NULL);
    bool late = i % SPACES == 3 && m->f.now_ns - reader_asked_ns(&m->f.reader) >= TIGHT_NS;
    struct read_result r;
    char text[64];

    m->late += leased && late;
    leased &= !late;
    reader_get(&m->f.reader, key_of(i, text), back, sizeof back, &r);
    uint64_t end_ns = u64_add_sat(k->ttl_ns, k->grace_ns);
    if (r.state == ACCORD_HIT || r.state == ACCORD_NEGATIVE) {
        CHECK(leased);
        CHECK(k->there && !k->soft && !k->unsure);
        CHECK(k->negative == (r.state == ACCORD_NEGATIVE));
        CHECK(same_value(k, &r));
        CHECK(!is_past(k, m->f.now_ns, k->ttl_ns));
        CHECK(r.version == k->version);
        CHECK(r.age_ns == m->f.now_ns - k->birth_ns);
        m->hits++;
    } else if (r.state == ACCORD_STALE) {
        CHECK(k->there);
        CHECK(same_value(k, &r));
        CHECK(!is_past(k, m->f.now_ns, end_ns));
        CHECK(leased ? k->soft || is_past(k, m->f.now_ns, k->ttl_ns)
                     : k->unsure || i % SPACES == 2);
        m->stale++;
    } else {
        CHECK(r.state == (leased ? ACCORD_MISS : ACCORD_UNSURE));
        m->misses++;
    }
    CHECK(r.token.epoch == m->epoch);
}

/* Token, then perhaps a removal or a new epoch, then the fill. */
static void load_one(struct model *m, uint64_t *rng)
{
    unsigned i = (unsigned)test_random(rng, KEYS);
    uint64_t epoch = m->epoch;
    struct token t;
    char text[64];

    reader_token(&m->f.reader, key_of(i, text), &t);
    m->step++;
    uint64_t began = m->step;
    for (uint64_t n = test_random(rng, 3); n > 0; n--)
        remove_some(m, rng);
    if (test_random(rng, 20) == 0) {
        writer_new_epoch(m->f.writer);
        m->epoch++;
    }
    struct known next = {.there = true,
                         .serial = ++m->serial,
                         .value_bytes = (uint32_t)test_random(rng, 300),
                         .birth_ns = m->f.now_ns,
                         .ttl_ns = UINT64_MAX};
    make_value(next.serial, big, next.value_bytes);
    struct item item = {
        .key = key_of(i, text), .value = bytes_of(big, next.value_bytes), .ttl_ns = UINT64_MAX};
    int status = writer_fill(m->f.writer, &item, &t, m->f.now_ns);
    if (m->removed_at[i] >= began || m->epoch != epoch)
        CHECK(status == ACCORD_E_TOKEN);
    if (status == ACCORD_OK)
        m->known[i] = next;
    else
        CHECK(status == ACCORD_E_TOKEN); /* perhaps another key of the same slot moved it */
}

static void expire_one(struct model *m, uint64_t *rng)
{
    unsigned i = (unsigned)test_random(rng, KEYS);
    struct known *k = &m->known[i];
    uint64_t ttl_ns = (1 + test_random(rng, 100)) * NS_PER_S;
    char text[64];

    if (writer_expire(m->f.writer, key_of(i, text), ttl_ns, NS_PER_S, m->f.now_ns) != ACCORD_OK)
        return;
    CHECK(k->there);
    CHECK(!is_past(k, m->f.now_ns, u64_add_sat(k->ttl_ns, k->grace_ns)));
    k->ttl_ns = m->f.now_ns - k->birth_ns + ttl_ns;
    k->grace_ns = NS_PER_S;
}

static void step(struct model *m, uint64_t *rng)
{
    uint64_t what = test_random(rng, 100);

    m->step++;
    if (what < 40)
        fill(m, rng);
    else if (what < 80)
        read_one(m, rng);
    else if (what < 86)
        remove_some(m, rng);
    else if (what < 93)
        load_one(m, rng);
    else if (what < 96)
        expire_one(m, rng);
    else if (what < 99)
        fixture_at(&m->f, m->f.now_ns + test_random(rng, 5000) * NS_PER_MS);
    else
        fixture_lease(&m->f, test_random(rng, 3) ? 3600 * NS_PER_S : 0);
    m->f.now_ns = m->f.reader.ns_base;
}

TEST_SEEDS(the_segment_never_says_more_than_a_plain_table_would, 20)
{
    static struct model m;

    m = (struct model){.epoch = 1};
    model_start(&m);
    for (int i = 0; i < STEPS; i++) {
        step(&m, rng);
        if (i % 500 == 0)
            writer_check(m.f.writer);
    }
    writer_check(m.f.writer);
    CHECK(m.hits > 50);
    CHECK(m.stale > 0);
    CHECK(m.late > 0);
    fixture_done(&m.f);
}
