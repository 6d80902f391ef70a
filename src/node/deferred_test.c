/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/deferred.h"
#include "test.h"

#include <stdlib.h>

TEST(what_was_asked_outlives_what_it_was_asked_with)
{
    struct deferred_queue q = {0};
    char key[8] = "key", value[8] = "value", tag[8] = "tag";
    struct bytes keys[] = {bytes_of_text("one"), bytes_of(key, 3)}, tags[] = {bytes_of(tag, 3)};
    struct request r = {.op = REQUEST_FILL, .client = 5, .id = 6, .keys = keys, .key_count = 2};

    uint8_t kinds[] = {REQUEST_REMOVE, REQUEST_CLEAR};
    r.kinds = kinds;
    r.item = (struct item){.key = bytes_of(key, 3),
                           .value = bytes_of(value, 5),
                           .tags = tags,
                           .tag_count = 1,
                           .ttl_ns = 9};
    CHECK(deferred_add_request(&q, &r) == ACCORD_OK);
    memset(key, 'x', sizeof key);
    memset(value, 'x', sizeof value);
    memset(tag, 'x', sizeof tag);
    memset(keys, 0, sizeof keys);
    memset(kinds, 0, sizeof kinds);
    struct deferred *d = deferred_take(&q);
    CHECK(d && !d->is_gone);
    CHECK(d->request.client == 5 && d->request.id == 6 && d->request.item.ttl_ns == 9);
    CHECK(d->request.kinds[0] == REQUEST_REMOVE && d->request.kinds[1] == REQUEST_CLEAR);
    CHECK(bytes_equal(d->request.keys[0], bytes_of_text("one")));
    CHECK(bytes_equal(d->request.keys[1], bytes_of_text("key")));
    CHECK(bytes_equal(d->request.item.key, bytes_of_text("key")));
    CHECK(bytes_equal(d->request.item.value, bytes_of_text("value")));
    CHECK(bytes_equal(d->request.item.tags[0], bytes_of_text("tag")));
    free(d);
    CHECK(!deferred_take(&q));
}

TEST(they_come_in_the_order_of_asking)
{
    struct deferred_queue q = {0};
    struct request r = {.op = REQUEST_SYNC};

    for (uint64_t i = 0; i < 10; i++) {
        r.id = i;
        CHECK(deferred_add_request(&q, &r) == ACCORD_OK);
        CHECK(deferred_add_gone(&q, i) == ACCORD_OK);
    }
    for (uint64_t i = 0; i < 9; i++) {
        struct deferred *asked = deferred_take(&q), *gone = deferred_take(&q);
        CHECK(!asked->is_gone && asked->request.id == i);
        CHECK(gone->is_gone && gone->client_gone == i);
        free(asked);
        free(gone);
    }
    deferred_done(&q);
    CHECK(!q.first && !q.last);
}
