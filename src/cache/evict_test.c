/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "base/limits.h"
#include "cache/evict.h"
#include "test.h"

#include <stdlib.h>

static struct evict *policy(size_t memory_bytes)
{
    void *memory = NULL;

    CHECK(posix_memalign(&memory, 64, evict_bytes(memory_bytes)) == 0);
    memset(memory, 0, evict_bytes(memory_bytes));
    evict_init(memory, memory_bytes);
    return memory;
}

static void begin(struct evict *e, enum evict_chain chain, uint64_t items, unsigned round)
{
    struct evict_need need = {
        .blocks = {20, 80}, .blocks_max = 100, .items = items, .round = round};

    evict_begin(e, &need, chain, evict_stamp(e));
}

static bool keep(struct evict *e, uint64_t hash, enum evict_chain from, unsigned hits,
                 enum evict_chain *to, unsigned *mark)
{
    struct evict_item item = {hash, from, hits, *mark};

    return evict_keep(e, &item, to, mark);
}

TEST(a_newcomer_starts_in_the_small_chain_and_leaves_unless_it_was_used)
{
    struct evict *e = policy(MIB);
    enum evict_chain chain;
    uint64_t ghosts = 0;
    unsigned mark;

    CHECK(evict_admit(e, 77, &mark, &ghosts) == EVICT_SMALL);
    begin(e, EVICT_SMALL, 1000, 0);
    CHECK(keep(e, 77, EVICT_SMALL, 1, &chain, &mark));
    CHECK(evict_admit(e, 78, &mark, &ghosts) == EVICT_SMALL);
    CHECK(!keep(e, 78, EVICT_SMALL, 0, &chain, &mark));
    CHECK(ghosts == 0);
    free(e);
}

TEST(what_was_dropped_is_remembered_once_and_not_for_ever)
{
    struct evict *e = policy(MIB);
    enum evict_chain chain;
    uint64_t ghosts = 0;
    unsigned mark = 0;

    begin(e, EVICT_SMALL, 100, 0);
    CHECK(!keep(e, 77, EVICT_SMALL, 0, &chain, &mark));
    evict_admit(e, 77, &mark, &ghosts);
    CHECK(ghosts == 1);
    evict_admit(e, 77, &mark, &ghosts);
    CHECK(ghosts == 1);
    mark = 0;
    CHECK(!keep(e, 77, EVICT_SMALL, 0, &chain, &mark));
    for (uint64_t hash = 1000; hash < 1100; hash++) { /* as many as there are items */
        mark = 0;
        CHECK(!keep(e, hash * 0x9e3779b97f4a7c15ull, EVICT_SMALL, 0, &chain, &mark));
    }
    evict_admit(e, 77, &mark, &ghosts);
    CHECK(ghosts == 1);
    free(e);
}

TEST(a_removed_item_comes_back_as_what_it_was)
{
    struct evict *e = policy(MIB);
    enum evict_chain chain;
    uint64_t ghosts = 0;
    unsigned mark = 0;

    begin(e, EVICT_MAIN, 100, 0);
    CHECK(keep(e, 5, EVICT_MAIN, 3, &chain, &mark)); /* lives in main, with a score */
    struct evict_item gone = {5, EVICT_MAIN, 0, mark};
    evict_forget(e, &gone);
    CHECK(evict_admit(e, 5, &mark, &ghosts) == EVICT_MAIN);
    CHECK(ghosts == 1);
    free(e);
}

TEST(the_more_is_needed_the_less_is_kept)
{
    struct evict *e = policy(MIB);
    enum evict_chain chain;
    unsigned mark = 0;

    begin(e, EVICT_MAIN, 100, 0);
    CHECK(keep(e, 1, EVICT_MAIN, 1, &chain, &mark));
    mark = 0;
    begin(e, EVICT_MAIN, 100, 8);
    CHECK(!keep(e, 1, EVICT_MAIN, 1, &chain, &mark));
    mark = 0;
    CHECK(keep(e, 1, EVICT_MAIN, 3, &chain, &mark));
    free(e);
}

TEST(the_victim_is_a_chain_that_has_blocks)
{
    struct evict *e = policy(MIB);

    for (uint32_t small = 0; small < 5; small++)
        for (uint32_t main_blocks = 0; main_blocks < 5; main_blocks++) {
            struct evict_need need = {.blocks = {small, main_blocks}, .blocks_max = 10};
            if (small + main_blocks > 0)
                CHECK(need.blocks[evict_victim(e, &need)] > 0);
        }
    free(e);
}
