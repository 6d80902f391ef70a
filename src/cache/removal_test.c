/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/fixture.h"
#include "cache/index.h"
#include "cache/removal.h"

static struct item_view view_of(const struct fixture *f, const char *key)
{
    struct bytes name = bytes_of_text(key);
    struct item_view item;
    struct place at;
    uint64_t location;

    CHECK(index_find(f->writer, hash_of_key(f->writer, name), name, &at, &location, &item));
    return item;
}

/* The writer and the readers must not differ in what they call removed. */
TEST(the_writer_sees_removals_as_readers_do)
{
    struct fixture f;
    struct bytes red = bytes_of_text("red");

    for (int soft = 0; soft < 2; soft++)
        for (int what = 0; what < 4; what++) {
            fixture_settings(&f, 8 * MIB);
            fixture_namespace(&f, (struct segment_namespace){.name = "n", .delimiter = '/'});
            fixture_start(&f);
            fixture_lease(&f, 3600 * NS_PER_S);
            struct item item = fixture_item("n:a/b", "v");
            item.tags = &red;
            item.tag_count = 1;
            CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
            struct item_view v = view_of(&f, "n:a/b");
            CHECK(!removal_hard(f.writer, &v));
            CHECK(!removal_soft(f.writer, &v));
            if (what == 0)
                writer_remove_tag(f.writer, red, soft);
            else if (what == 1)
                CHECK(writer_remove_prefix(f.writer, bytes_of_text("n:a/"), soft) == 0);
            else if (what == 2)
                CHECK(writer_remove_namespace(f.writer, bytes_of_text("n"), soft) == 0);
            else
                writer_clear(f.writer, soft);
            CHECK(removal_hard(f.writer, &v) == !soft);
            CHECK(removal_soft(f.writer, &v) == soft);
            CHECK(
                fixture_is(&f, "n:a/b", soft ? ACCORD_STALE : ACCORD_MISS, ACCORD_WHY_REMOVED));
            fixture_done(&f);
        }
}

TEST(an_item_is_expired_when_its_grace_is_over)
{
    struct fixture f;
    struct item item = fixture_item("k", "v");

    fixture_plain(&f);
    item.ttl_ns = 5 * NS_PER_S;
    item.grace_ns = 3 * NS_PER_S;
    CHECK(writer_fill(f.writer, &item, NULL, f.now_ns) == ACCORD_OK);
    struct item_view v = view_of(&f, "k");
    uint64_t start_ns = f.now_ns;
    const struct {
        uint64_t after_ms;
        bool expired;
    } cases[] = {{7999, false}, {8000, true}, {8001, true}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        f.writer->now_ns = start_ns + cases[i].after_ms * NS_PER_MS;
        CHECK(removal_expired(f.writer, &v) == cases[i].expired);
    }
}
