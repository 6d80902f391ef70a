/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Sizes, settings, and what items cost. */
#include "cache/fixture.h"
#include "cache/writer_state.h"

TEST(settings_out_of_bounds_are_refused)
{
    struct fixture f;
    struct segment_sizes sizes;
    const struct {
        size_t memory_bytes;
        int status;
    } cases[] = {{SEGMENT_BYTES_MIN - 1, ACCORD_E_INVALID},
                 {SEGMENT_BYTES_MIN, ACCORD_OK},
                 {SEGMENT_BYTES_MIN + 1, ACCORD_OK},
                 {SEGMENT_BYTES_MAX - 1, ACCORD_OK},
                 {SEGMENT_BYTES_MAX, ACCORD_OK},
                 {SEGMENT_BYTES_MAX + 1, ACCORD_E_INVALID}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fixture_settings(&f, cases[i].memory_bytes);
        CHECK(segment_sizes(&f.settings, &sizes) == cases[i].status);
    }
    fixture_settings(&f, 8 * MIB);
    f.settings.namespace_count = 0;
    CHECK(segment_sizes(&f.settings, &sizes) == ACCORD_E_INVALID);
    f.settings.namespace_count = NAMESPACES_MAX + 1;
    CHECK(segment_sizes(&f.settings, &sizes) == ACCORD_E_INVALID);
}

TEST(everything_fits_the_memory_that_was_asked_for)
{
    struct fixture f;
    struct segment_sizes s;

    for (size_t memory = SEGMENT_BYTES_MIN; memory <= SEGMENT_BYTES_MAX; memory += memory / 3) {
        fixture_settings(&f, memory);
        CHECK(segment_sizes(&f.settings, &s) == ACCORD_OK);
        CHECK(s.segment_bytes + s.hints_bytes + s.writer_bytes <= memory);
        CHECK(s.block_bytes >= 64 * KIB);
        CHECK(s.block_bytes <= MIB);
        CHECK(s.fixed_bytes + s.block_count * s.block_bytes <= s.segment_bytes);
        CHECK(s.block_count * s.block_bytes >= memory / 4 * 3);
    }
}

TEST(bad_namespaces_are_refused)
{
    static const char *const bad[] = {"", "a:b", "twice"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fixture f;
        struct segment_namespace n = {.name = ""};
        fixture_settings(&f, 8 * MIB);
        fixture_namespace(&f, (struct segment_namespace){.name = "twice"});
        memcpy(n.name, bad[i], strlen(bad[i]) + 1);
        fixture_namespace(&f, n);
        CHECK(segment_sizes(&f.settings, &f.sizes) == ACCORD_OK);
        f.segment = fixture_map(f.sizes.segment_bytes);
        f.hints = fixture_map(f.sizes.hints_bytes);
        f.memory = fixture_map(f.sizes.writer_bytes);
        CHECK(writer_init(&f.writer, f.memory, f.segment, f.hints, &f.settings) ==
              ACCORD_E_INVALID);
        CHECK(reader_init(&f.reader, f.segment, f.sizes.segment_bytes, NULL, 0) ==
              ACCORD_E_FORMAT); /* nobody attaches to what was not finished */
        fixture_done(&f);
    }
}

TEST(a_name_may_have_64_bytes)
{
    struct fixture f;
    char key[NAMESPACE_BYTES_MAX + 3];

    fixture_settings(&f, 8 * MIB);
    struct segment_namespace n = {.name = ""};
    memset(n.name, 'n', NAMESPACE_BYTES_MAX);
    fixture_namespace(&f, n);
    fixture_start(&f);
    memset(key, 'n', sizeof key);
    key[NAMESPACE_BYTES_MAX] = ':';
    CHECK(writer_namespace_of(f.writer, bytes_of(key, sizeof key)) == 1);
    key[NAMESPACE_BYTES_MAX] = 'n';
    key[NAMESPACE_BYTES_MAX + 1] = ':';
    CHECK(writer_namespace_of(f.writer, bytes_of(key, sizeof key)) == 0);
    key[NAMESPACE_BYTES_MAX - 1] = ':';
    CHECK(writer_namespace_of(f.writer, bytes_of(key, sizeof key)) == 0);
}

/* Bytes in use beside keys and values, per item: headers, index, what no item fits into. Blocks
 * that are only begun are counted as far as they are used. */
static double overhead_of(size_t value_bytes, uint64_t ttl_ns, uint64_t grace_ns)
{
    enum { ITEMS = 1000000 };
    struct fixture f;
    struct item item = fixture_item("", "");
    char key[17], value[128];
    uint64_t used = 0;

    fixture_settings(&f, 256 * MIB);
    fixture_start(&f);
    memset(value, 'v', sizeof value);
    item.value = bytes_of(value, value_bytes);
    item.grace_ns = grace_ns;
    for (int i = 0; i < ITEMS; i++) {
        snprintf(key, sizeof key, "key:%012d", i);
        item.key = bytes_of(key, 16);
        item.ttl_ns = ttl_ns == 1 ? ((uint64_t)i + 1) * NS_PER_S : ttl_ns;
        CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
    }
    const struct writer *w = f.writer;
    CHECK(w->counts.items == ITEMS);
    for (uint32_t i = 0; i < w->view.block_count; i++) {
        bool begun = i == w->chains[EVICT_SMALL].open || i == w->chains[EVICT_MAIN].open;
        if (w->state[i].kind >= BLOCK_CHAIN)
            used += begun ? w->state[i].used_bytes : f.sizes.block_bytes;
    }
    used += (uint64_t)w->bucket_count * sizeof(struct bucket);
    double overhead = ((double)used - (double)w->counts.item_bytes) / ITEMS;
    fixture_done(&f);
    return overhead;
}

TEST(an_item_costs_at_most_24_bytes_beside_its_key_and_value)
{
    double plain = overhead_of(100, UINT64_MAX, 0);
    double timed = overhead_of(37, 3600 * NS_PER_S, 60 * NS_PER_S);
    double each_its_own = overhead_of(37, 1, 0); /* a million different ttls */

    printf("bytes beside key and value: %.2f, with ttl and grace %.2f, all different %.2f\n",
           plain, timed, each_its_own);
    CHECK(plain <= 20);
    CHECK(timed <= 21);
    CHECK(each_its_own <= 24);
}
