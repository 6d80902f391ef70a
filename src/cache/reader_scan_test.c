/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/fixture.h"

struct seen {
    unsigned count;
    bool key[2000];
};

static void see(void *context, struct bytes key, const struct read_result *item)
{
    struct seen *seen = context;
    char text[32] = {0};

    CHECK(item->state == ACCORD_HIT || item->state == ACCORD_STALE);
    memcpy(text, key.data, key.size_bytes);
    seen->key[strtoul(text, NULL, 10)] = true;
    seen->count++;
}

TEST(a_scan_sees_every_live_key)
{
    static uint8_t scratch[KEY_BYTES_MAX];
    static struct seen seen;
    struct fixture f;
    char key[32];
    uint64_t cursor = 0;

    fixture_plain(&f);
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(fixture_set(&f, key, "v") == ACCORD_OK);
    }
    for (int i = 0; i < 2000; i += 2) {
        snprintf(key, sizeof key, "%d", i);
        CHECK(writer_remove_key(f.writer, bytes_of_text(key), false, f.now_ns));
    }
    do
        cursor = reader_scan(&f.reader, cursor, scratch, sizeof scratch, see, &seen);
    while (cursor != 0);
    CHECK(seen.count == 1000);
    for (int i = 1; i < 2000; i += 2)
        CHECK(seen.key[i]);
    CHECK(reader_scan(&f.reader, UINT64_MAX, scratch, sizeof scratch, see, &seen) == 0);
}

TEST(a_scan_leaves_out_keys_that_do_not_fit_its_scratch)
{
    static struct seen seen;
    struct fixture f;
    uint8_t scratch[3];
    uint64_t cursor = 0;

    fixture_plain(&f);
    CHECK(fixture_set(&f, "123", "v") == ACCORD_OK);
    CHECK(fixture_set(&f, "1234", "v") == ACCORD_OK);
    do
        cursor = reader_scan(&f.reader, cursor, scratch, sizeof scratch, see, &seen);
    while (cursor != 0);
    CHECK(seen.count == 1);
    CHECK(seen.key[123]);
    fixture_done(&f);
}
