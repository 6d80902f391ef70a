/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/inherit.h"

#include "cache/fixture.h"
#include "cache/item.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* An old segment and a new one; both with a namespace "users" that has prefixes. */
struct heirs {
    struct fixture old, new;
    struct inherit_counts counts;
    bool asked; /* every third of the properties' keys comes before its turn */
};

enum { KEYS = 300, VALUE_BYTES_MAX = 9000 };
static struct bytes key_of(unsigned i, char text[64]);

static void declare(struct fixture *f, size_t memory_bytes)
{
    fixture_settings(f, memory_bytes);
    fixture_namespace(f, (struct segment_namespace){.name = "users", .delimiter = '/'});
}

static void heirs_start(struct heirs *h)
{
    h->asked = false;
    declare(&h->old, 8 * MIB);
    fixture_start(&h->old);
    fixture_lease(&h->old, 3600 * NS_PER_S);
    declare(&h->new, 8 * MIB);
    h->new.settings.incarnation = (struct id128){8, 9};
    fixture_start(&h->new);
    fixture_lease(&h->new, 3600 * NS_PER_S);
}

static void heirs_done(struct heirs *h)
{
    fixture_done(&h->old);
    fixture_done(&h->new);
}

static void inherit_in_steps(struct heirs *h, uint32_t items)
{
    static uint64_t memory[64 * 1024];
    struct inherit *in;

    CHECK(inherit_bytes(&h->old.reader) <= sizeof memory);
    CHECK(inherit_begin(&in, memory, &h->old.reader, h->new.writer, h->new.now_ns,
                        h->old.now_ns) == ACCORD_OK);
    if (h->asked)
        for (unsigned i = 0; i < KEYS; i += 3) {
            char key[64];
            inherit_key(in, key_of(i, key), h->new.now_ns);
        }
    while (inherit_some(in, items, h->new.now_ns))
        ;
    h->counts = inherit_counts(in);
    writer_check(h->new.writer);
}

static void inherit(struct heirs *h)
{
    inherit_in_steps(h, 1000);
}

static void fill(struct fixture *f, struct item item)
{
    CHECK(writer_fill(f->writer, &item, NULL, f->now_ns) == ACCORD_OK);
}

static void fill_tagged(struct fixture *f, const char *key, const char *tag)
{
    struct bytes tags = bytes_of_text(tag);
    struct item item = fixture_item(key, key);

    item.tags = &tags;
    item.tag_count = 1;
    fill(f, item);
}

TEST(what_was_there_is_there_again)
{
    struct heirs h;
    struct item item = fixture_item("versioned", "v");
    struct writer_counts counts;

    heirs_start(&h);
    CHECK(fixture_set(&h.old, "plain", "value") == ACCORD_OK);
    CHECK(fixture_set(&h.old, "empty", "") == ACCORD_OK);
    fill_tagged(&h.old, "tagged", "red");
    fill_tagged(&h.old, "users:1/a", "blue");
    item.version = 77;
    item.ttl_ns = 10 * NS_PER_S;
    item.grace_ns = 5 * NS_PER_S;
    fill(&h.old, item);
    item = fixture_item("none", "");
    item.flags = ITEM_NEGATIVE;
    fill(&h.old, item);
    fixture_at(&h.old, h.old.now_ns + 4 * NS_PER_S);
    fixture_at(&h.new, h.new.now_ns + 90 * NS_PER_S); /* its clock is another */
    inherit(&h);
    CHECK(h.counts.kept == 6);
    CHECK(h.counts.touched == 0);
    writer_count(h.new.writer, &counts);
    CHECK(counts.items == 6);
    CHECK(fixture_has(&h.new, "plain", "value"));
    CHECK(fixture_has(&h.new, "empty", ""));
    CHECK(fixture_has(&h.new, "tagged", "tagged"));
    CHECK(fixture_has(&h.new, "users:1/a", "users:1/a"));
    CHECK(fixture_is(&h.new, "none", ACCORD_NEGATIVE, ACCORD_WHY_NONE));
    struct read_result r = fixture_get(&h.new, "versioned");
    CHECK(r.state == ACCORD_HIT && r.version == 77);
    CHECK(r.age_ns == 4 * NS_PER_S);
    CHECK(r.ttl_ns == 6 * NS_PER_S);
    heirs_done(&h);
}

TEST(what_a_copy_may_need_is_what_is_in_use)
{
    struct heirs h;
    struct writer_counts counts;

    heirs_start(&h);
    for (unsigned i = 0; i < KEYS; i++) {
        char key[64];
        CHECK(fixture_set(&h.old, (const char *)key_of(i, key).data, "v") == ACCORD_OK);
    }
    writer_count(h.old.writer, &counts);
    CHECK(counts.used_bytes > 0);
    CHECK(inherit_used_bytes(&h.old.reader) == counts.used_bytes);
    inherit(&h);
    CHECK(inherit_used_bytes(&h.new.reader) <= counts.used_bytes);
    heirs_done(&h);
}

TEST(what_is_inherited_goes_by_its_tag_its_prefix_and_its_key_as_before)
{
    struct heirs h;

    heirs_start(&h);
    fill_tagged(&h.old, "a", "red");
    CHECK(fixture_set(&h.old, "users:1/x", "x") == ACCORD_OK);
    CHECK(fixture_set(&h.old, "b", "b") == ACCORD_OK);
    CHECK(fixture_set(&h.old, "users:2/x", "x") == ACCORD_OK);
    inherit(&h);
    CHECK(h.counts.kept == 4);
    writer_remove_tag(h.new.writer, bytes_of_text("red"), false);
    CHECK(writer_remove_prefix(h.new.writer, bytes_of_text("users:1/"), true) == ACCORD_OK);
    CHECK(writer_remove_key(h.new.writer, bytes_of_text("b"), false, h.new.now_ns));
    CHECK(fixture_is(&h.new, "a", ACCORD_MISS, ACCORD_WHY_REMOVED));
    CHECK(fixture_is(&h.new, "users:1/x", ACCORD_STALE, ACCORD_WHY_REMOVED));
    CHECK(fixture_is(&h.new, "b", ACCORD_MISS, ACCORD_WHY_ABSENT));
    CHECK(fixture_has(&h.new, "users:2/x", "x"));
    heirs_done(&h);
}

TEST(what_was_removed_expired_or_filled_without_a_lease_is_not_inherited)
{
    struct heirs h;
    struct item item = fixture_item("unsure", "v");

    heirs_start(&h);
    CHECK(fixture_set(&h.old, "key", "v") == ACCORD_OK);
    fill_tagged(&h.old, "tag", "red");
    CHECK(fixture_set(&h.old, "users:a", "v") == ACCORD_OK);
    item.flags = ITEM_UNSURE;
    fill(&h.old, item);
    item = fixture_item("expired", "v");
    item.ttl_ns = NS_PER_S;
    fill(&h.old, item);
    writer_remove_key(h.old.writer, bytes_of_text("key"), false, h.old.now_ns);
    writer_remove_tag(h.old.writer, bytes_of_text("red"), false);
    CHECK(writer_remove_namespace(h.old.writer, bytes_of_text("users"), false) == ACCORD_OK);
    CHECK(fixture_set(&h.old, "soft", "v") == ACCORD_OK);
    CHECK(fixture_set(&h.old, "later", "v") == ACCORD_OK);
    writer_remove_key(h.old.writer, bytes_of_text("soft"), true, h.old.now_ns);
    fixture_at(&h.old, h.old.now_ns + 2 * NS_PER_S);
    inherit(&h);
    CHECK(h.counts.kept == 2);
    CHECK(fixture_is(&h.new, "soft", ACCORD_STALE, ACCORD_WHY_REMOVED));
    CHECK(fixture_has(&h.new, "later", "v"));
    heirs_done(&h);
}

TEST(nothing_is_inherited_from_a_segment_that_was_cleared)
{
    struct heirs h;

    heirs_start(&h);
    CHECK(fixture_set(&h.old, "key", "v") == ACCORD_OK);
    writer_clear(h.old.writer, false);
    inherit(&h);
    CHECK(h.counts.kept == 0);
    heirs_done(&h);
}

/* What touches an item in the new segment before it comes keeps it out. */
enum touch { TOUCH_KEY, TOUCH_TAG, TOUCH_PREFIX, TOUCH_SPACE, TOUCH_ALL, TOUCH_FILL, TOUCHES };

static void touch(struct fixture *f, enum touch how, bool soft)
{
    struct bytes key = bytes_of_text("users:1/a");

    if (how == TOUCH_KEY)
        writer_remove_key(f->writer, key, soft, f->now_ns);
    else if (how == TOUCH_TAG)
        writer_remove_tag(f->writer, bytes_of_text("red"), soft);
    else if (how == TOUCH_PREFIX)
        CHECK(writer_remove_prefix(f->writer, bytes_of_text("users:1/"), soft) == ACCORD_OK);
    else if (how == TOUCH_SPACE)
        CHECK(writer_remove_namespace(f->writer, bytes_of_text("users"), soft) == ACCORD_OK);
    else if (how == TOUCH_ALL)
        writer_clear(f->writer, soft);
    else
        CHECK(fixture_set(f, "users:1/a", "newer") == ACCORD_OK);
}

TEST(an_item_that_was_touched_since_is_not_inherited)
{
    for (int how = 0; how < TOUCHES; how++)
        for (int soft = 0; soft < 2; soft++) {
            struct heirs h;

            heirs_start(&h);
            fill_tagged(&h.old, "users:1/a", "red");
            touch(&h.new, (enum touch)how, soft);
            inherit(&h);
            CHECK(h.counts.kept == 0);
            CHECK(h.counts.touched == 1);
            if (how == TOUCH_FILL)
                CHECK(fixture_has(&h.new, "users:1/a", "newer"));
            heirs_done(&h);
        }
}

TEST(an_item_without_the_prefixes_of_today_is_not_inherited)
{
    struct heirs h;

    heirs_start(&h);
    fixture_done(&h.old);
    fixture_settings(&h.old, 8 * MIB); /* "users" was not declared, or had no delimiter */
    fixture_namespace(&h.old, (struct segment_namespace){.name = "users"});
    fixture_start(&h.old);
    CHECK(fixture_set(&h.old, "users:1/a", "v") == ACCORD_OK);
    CHECK(fixture_set(&h.old, "users:1", "v") == ACCORD_OK);
    inherit(&h);
    CHECK(h.counts.kept == 1);
    CHECK(fixture_has(&h.new, "users:1", "v"));
    heirs_done(&h);
}

TEST(nothing_is_inherited_under_another_secret)
{
    static uint64_t memory[64 * 1024];
    struct inherit *in = NULL;
    struct heirs h;

    heirs_start(&h);
    fixture_done(&h.old);
    declare(&h.old, 8 * MIB);
    h.old.settings.seed++;
    fixture_start(&h.old);
    CHECK(inherit_begin(&in, memory, &h.old.reader, h.new.writer, 1, 1) == ACCORD_E_FORMAT);
    CHECK(!in);
    heirs_done(&h);
}

static void fill_many(struct fixture *f, unsigned count, size_t value_bytes)
{
    static uint8_t value[4096];
    char key[32];

    for (unsigned i = 0; i < count; i++) {
        int bytes = snprintf(key, sizeof key, "k%u", i);
        struct item item = {.key = bytes_of(key, (size_t)bytes),
                            .value = bytes_of(value, value_bytes),
                            .ttl_ns = UINT64_MAX};
        fill(f, item);
    }
}

TEST(a_full_segment_fits_into_one_of_its_size_whatever_the_size_of_items)
{
    size_t sizes[] = {0, 40, 1000, 4000};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct writer_counts old, new;
        struct heirs h;

        heirs_start(&h);
        fill_many(&h.old, 400000, sizes[i]);
        writer_count(h.old.writer, &old);
        CHECK(old.evicted > 1000);
        inherit(&h);
        writer_count(h.new.writer, &new);
        CHECK(h.counts.kept == new.items);
        CHECK(new.items >= old.items / 100 * 97);
        CHECK(new.evicted == 0 && new.evicted_by_index == 0);
        fill_many(&h.new, 400000, sizes[i]); /* and it goes on as any */
        writer_check(h.new.writer);
        heirs_done(&h);
    }
}

TEST(a_smaller_segment_inherits_what_is_youngest)
{
    struct writer_counts counts;
    struct heirs h;

    heirs_start(&h);
    fixture_done(&h.old);
    declare(&h.old, 32 * MIB);
    fixture_start(&h.old);
    fill_many(&h.old, 20000, 1000); /* without a reader: in the order of filling */
    CHECK(fixture_set(&h.old, "last", "v") == ACCORD_OK);
    inherit(&h);
    writer_count(h.new.writer, &counts);
    CHECK(h.counts.kept > 3000);
    CHECK(counts.items == h.counts.kept);
    CHECK(counts.evicted == 0);
    CHECK(fixture_has(&h.new, "last", "v"));
    CHECK(fixture_is(&h.new, "k0", ACCORD_MISS, ACCORD_WHY_ABSENT));
    heirs_done(&h);
}

TEST(a_key_that_is_asked_for_comes_before_its_turn)
{
    static uint64_t memory[64 * 1024];
    struct heirs h;
    struct inherit *in;

    heirs_start(&h);
    CHECK(fixture_set(&h.old, "asked", "v") == ACCORD_OK);
    CHECK(fixture_set(&h.old, "waits", "v") == ACCORD_OK);
    CHECK(fixture_set(&h.old, "gone", "v") == ACCORD_OK);
    CHECK(writer_remove_key(h.old.writer, bytes_of_text("gone"), false, h.old.now_ns));
    CHECK(fixture_set(&h.old, "touched", "v") == ACCORD_OK);
    CHECK(inherit_begin(&in, memory, &h.old.reader, h.new.writer, h.new.now_ns, h.old.now_ns) ==
          ACCORD_OK);
    writer_remove_key(h.new.writer, bytes_of_text("touched"), false, h.new.now_ns);
    CHECK(inherit_key(in, bytes_of_text("asked"), h.new.now_ns));
    CHECK(fixture_has(&h.new, "asked", "v"));
    CHECK(!inherit_key(in, bytes_of_text("asked"), h.new.now_ns)); /* it is here */
    CHECK(!inherit_key(in, bytes_of_text("gone"), h.new.now_ns));
    CHECK(!inherit_key(in, bytes_of_text("never"), h.new.now_ns));
    CHECK(!inherit_key(in, bytes_of_text("touched"), h.new.now_ns));
    CHECK(!fixture_has(&h.new, "waits", "v"));
    while (inherit_some(in, 1000, h.new.now_ns))
        ;
    CHECK(fixture_has(&h.new, "waits", "v"));
    CHECK(inherit_counts(in).kept == 2);
    writer_check(h.new.writer);
    heirs_done(&h);
}

TEST(a_value_too_large_for_a_smaller_segment_is_left)
{
    static uint8_t value[200 * 1024];
    struct heirs h;

    heirs_start(&h);
    fixture_done(&h.old);
    declare(&h.old, 128 * MIB); /* blocks of 1 MiB */
    fixture_start(&h.old);
    fill(&h.old, (struct item){.key = bytes_of_text("large"),
                               .value = bytes_of(value, sizeof value),
                               .ttl_ns = UINT64_MAX});
    CHECK(fixture_set(&h.old, "small", "v") == ACCORD_OK);
    inherit(&h);
    CHECK(h.counts.kept == 1);
    CHECK(fixture_has(&h.new, "small", "v"));
    heirs_done(&h);
}

/* ---- properties ----------------------------------------------------------------------------
 */

static const char *const spaces[] = {"", "users:"};
static uint8_t value_room[VALUE_BYTES_MAX], back[VALUE_BYTES_MAX];

static struct bytes key_of(unsigned i, char text[64])
{
    return bytes_of(text, (size_t)snprintf(text, 64, "%s%u/%u", spaces[i % 2], i % 7, i));
}

static size_t make_value(unsigned i, uint64_t serial)
{
    uint64_t rng = serial * KEYS + i;
    size_t bytes = 16 + test_random(&rng, VALUE_BYTES_MAX - 16);

    memset(value_room, (int)(serial & 0xff), bytes);
    memcpy(value_room, &serial, 8);
    memcpy(value_room + 8, &(uint64_t){i}, 8);
    return bytes;
}

static bool is_whole(unsigned i, size_t bytes, uint64_t *serial)
{
    memcpy(serial, back, 8);
    return bytes >= 16 && bytes == make_value(i, *serial) &&
           memcmp(back, value_room, bytes) == 0;
}

static void change_some(struct fixture *f, uint64_t *rng, uint64_t serial)
{
    static const char *const tags[] = {"red", "green", "blue"};
    unsigned i = (unsigned)test_random(rng, KEYS), what = (unsigned)test_random(rng, 40);
    struct bytes tag = bytes_of_text(tags[test_random(rng, 3)]);
    char key[64];

    if (what == 0)
        writer_remove_tag(f->writer, tag, test_random(rng, 2));
    else if (what == 1)
        CHECK(writer_remove_namespace(f->writer, bytes_of_text("users"), test_random(rng, 2)) ==
              ACCORD_OK);
    else if (what < 8)
        writer_remove_key(f->writer, key_of(i, key), test_random(rng, 2), f->now_ns);
    else
        fill(f, (struct item){.key = key_of(i, key),
                              .value = bytes_of(value_room, make_value(i, serial)),
                              .ttl_ns = what < 12 ? NS_PER_S : UINT64_MAX,
                              .grace_ns = what < 10 ? NS_PER_S : 0,
                              .version = what < 20 ? serial : 0,
                              .tags = &tag,
                              .tag_count = what % 2});
    if (what == 39)
        fixture_at(f, f->now_ns + NS_PER_S / 3);
}

/* Everything that a reader finds in the old one it finds in the new one, and nothing else. */
TEST_SEEDS(whatever_happened_the_new_segment_answers_as_the_old_one, 200)
{
    struct heirs h;
    uint64_t steps = 1 + test_random(rng, 4000);

    heirs_start(&h);
    for (uint64_t n = 1; n <= steps; n++)
        change_some(&h.old, rng, n);
    fixture_at(&h.new, h.old.now_ns);
    inherit_in_steps(&h, 1 + (uint32_t)test_random(rng, 100));
    for (unsigned i = 0; i < KEYS; i++) {
        struct read_result was, is;
        uint64_t serial;
        char key[64];
        reader_get(&h.old.reader, key_of(i, key), back, sizeof back, &was);
        reader_get(&h.new.reader, key_of(i, key), back, sizeof back, &is);
        CHECK(was.state == is.state);
        CHECK(was.version == is.version && was.age_ns == is.age_ns);
        CHECK(is.state != ACCORD_HIT || is_whole(i, is.value_bytes, &serial));
    }
    heirs_done(&h);
}

struct shared {
    struct fixture f;
    uint64_t serial;      /* of the newest change that is done */
    uint64_t floor[KEYS]; /* the first serial that no finished removal has taken away */
};

static void change_until_killed(struct shared *s, uint64_t *rng)
{
    for (uint64_t serial = 1;; serial++) {
        unsigned i = (unsigned)test_random(rng, KEYS);
        char key[64];
        if (test_random(rng, 4) == 0) {
            writer_remove_key(s->f.writer, key_of(i, key), false, s->f.now_ns);
            __atomic_store_n(&s->floor[i], serial, __ATOMIC_RELEASE);
        } else {
            fill(&s->f, (struct item){.key = key_of(i, key),
                                      .value = bytes_of(value_room, make_value(i, serial)),
                                      .ttl_ns = UINT64_MAX});
        }
        if (serial % 4 == 0) { /* what makes it crowded: evictions, a growing index */
            uint8_t crowd[16];
            memcpy(crowd, &serial, 8);
            memset(crowd + 8, 1, 8);
            fill(&s->f, (struct item){.key = bytes_of(crowd, sizeof crowd),
                                      .value = bytes_of(value_room, serial % 90),
                                      .ttl_ns = UINT64_MAX});
        }
        __atomic_store_n(&s->serial, serial, __ATOMIC_RELEASE);
    }
}

/* Killed between any two stores: what is inherited is whole, and no finished removal is undone.
 */
TEST(a_segment_whose_writer_was_killed_anywhere_can_be_inherited)
{
    uint64_t kept = 0;

    for (int round = 0; round < 40; round++) {
        struct shared *s = fixture_map(sizeof *s);
        struct heirs h;
        int status;

        heirs_start(&h);
        s->f = h.old;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            change_until_killed(s, rng);
        uint64_t enough = 1 + test_random(rng, 3000); /* however long that takes here */
        while (__atomic_load_n(&s->serial, __ATOMIC_ACQUIRE) < enough)
            usleep(50);
        usleep((useconds_t)test_random(rng, 200));
        CHECK(kill(child, SIGKILL) == 0);
        CHECK(waitpid(child, &status, 0) == child);
        inherit(&h);
        kept += h.counts.kept;
        for (unsigned i = 0; i < KEYS; i++) {
            struct read_result r;
            uint64_t serial;
            char key[64];
            reader_get(&h.new.reader, key_of(i, key), back, sizeof back, &r);
            CHECK(r.state != ACCORD_HIT ||
                  (is_whole(i, r.value_bytes, &serial) && serial > s->floor[i]));
        }
        heirs_done(&h);
        munmap(s, sizeof *s);
    }
    CHECK(kept > 1000);
}

/* Bytes laid over the old segment: whatever they make of it, the new one is whole. */
TEST_SEEDS(a_damaged_segment_cannot_damage_the_new_one, 60)
{
    struct heirs h;
    struct reader damaged;

    heirs_start(&h);
    for (uint64_t n = 1; n <= 500; n++)
        change_some(&h.old, rng, n);
    for (int n = 0; n < 400; n++) {
        uint64_t *word = h.old.segment;
        uint64_t tables = h.old.sizes.fixed_bytes, all = h.old.sizes.segment_bytes;
        uint64_t at = test_random(rng, test_random(rng, 2) ? tables : all) / 8;
        word[at] = test_random(rng, 2) ? test_random(rng, UINT64_MAX)
                                       : word[at] ^ 1ull << test_random(rng, 64);
    }
    if (reader_init(&damaged, h.old.segment, h.old.sizes.segment_bytes, NULL, 0) == ACCORD_OK &&
        memcmp(damaged.secret, h.old.reader.secret, sizeof damaged.secret) == 0 &&
        damaged.block_count <= 4096) {
        h.old.reader = damaged;
        h.asked = true;
        inherit(&h);
    }
    heirs_done(&h);
}
