/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/memory.h"
#include "bus/replay.h"
#include "bus/signed.h"
#include "test.h"

static char why[BUS_WHY_BYTES_MAX];

static struct bus *opened(struct bus_ops *ops, const struct signing *signing)
{
    struct bus_settings s = {.url = "memory:signed-fast",
                             .max_stale_ms = 3000,
                             .retain_ms = 1000000,
                             .retain_changes = 100000,
                             .timeout_ms = 1000,
                             .signing = signing};
    struct bus_attached a;
    struct bus *b = NULL;

    signed_ops(ops, &bus_memory);
    CHECK(ops->open(&b, &s, why) == ACCORD_OK);
    CHECK(ops->attach(b, NULL, 0, &a, why) == ACCORD_OK);
    return b;
}

/* Changes without a number, as a relay's: the reader remembers a bounded number of them. */
TEST(signed_believes_who_publishes_far_more_than_it_reads)
{
    static struct change changes[PUBLISH_BATCH_MAX];
    struct signing key = {0};
    struct bus_ops ops;
    const struct entry *entries;
    size_t count = 0, seen = 0, total = 2 * REPLAY_MESSAGES_MAX;
    struct position last;

    CHECK(signing_add(&key, bytes_of_text("0123456789abcdef0123456789abcdef")) == ACCORD_OK);
    struct bus *reader = opened(&ops, &key), *writer = opened(&ops, &key);
    for (size_t i = 0; i < total; i += PUBLISH_BATCH_MAX) {
        for (size_t k = 0; k < PUBLISH_BATCH_MAX; k++)
            changes[k] = (struct change){.op = CHANGE_REMOVE,
                                         .key = bytes_of_text("k"),
                                         .message = {9, i + k + 1},
                                         .origin = bytes_of_text("web1"),
                                         .incarnation = {1, 1}};
        CHECK(ops.publish(writer, changes, PUBLISH_BATCH_MAX, &last, why) == ACCORD_OK);
    }
    for (uint64_t at = 0; seen < total; seen += count) {
        CHECK(ops.read(reader, at, 1000, &entries, &count, why) == ACCORD_OK);
        CHECK(count > 0);
        for (size_t i = 0; i < count; i++)
            CHECK(entries[i].trust == TRUST_FULL);
        at = entries[count - 1].position;
    }
    ops.close(reader);
    ops.close(writer);
    signing_wipe(&key);
}
