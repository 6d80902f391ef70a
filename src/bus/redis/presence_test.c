/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/presence.h"

#include <stdlib.h>

#include "test.h"

static const char list[] =
    "id=3 addr=127.0.0.1:1 laddr=127.0.0.1:2 fd=8 name= age=1 db=3 sub=0 user=default\n"
    "id=4 addr=127.0.0.1:1 name=accord:{shop}:node:web1 age=1 idle=0 flags=N db=3 cmd=xread\n"
    "id=5 addr=127.0.0.1:1 name=accord:{shop}:node:web2 age=1 idle=0 flags=N db=4 cmd=xread\n"
    "id=6 addr=127.0.0.1:1 name=accord:{other}:node:web3 age=1 flags=N db=3 cmd=xread\n"
    "id=7 addr=127.0.0.1:1 name=accord age=1 idle=0 flags=N db=3 cmd=xread";

static bool has(struct bytes text, const char *node)
{
    char why[BUS_WHY_BYTES_MAX];
    struct redis_place p;

    CHECK(redis_place_init(&p, "redis://localhost/3?cluster=shop", why) == ACCORD_OK);
    bool found = redis_presence_has(&p, text, node);
    redis_place_done(&p);
    return found;
}

TEST(redis_presence_is_of_this_cluster_and_this_database)
{
    struct bytes text = bytes_of_text(list);

    CHECK(has(text, "web1"));
    CHECK(!has(text, "web2"));
    CHECK(!has(text, "web3"));
    CHECK(!has(text, "web"));
    CHECK(!has(text, "web11"));
    CHECK(!has(text, ""));
    CHECK(!has(bytes_of(NULL, 0), "web1"));
}

TEST(redis_presence_reads_no_further_than_the_list_wherever_it_ends)
{
    uint8_t *copy = malloc(sizeof list);

    CHECK(copy);
    for (size_t size = 0; size < sizeof list; size++) {
        copy = realloc(copy, size + 1);
        CHECK(copy);
        memcpy(copy, list, size);
        bool whole = size > (size_t)(strstr(list, "id=5") - list);
        bool found = has(bytes_of(copy, size), "web1");
        CHECK(found || !whole);
    }
    free(copy);
}
