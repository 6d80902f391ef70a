/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/populate.h"

#include "node/mapping.h"
#include "test.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { PAGES = 1024 };

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static struct mapping fresh(void)
{
    struct mapping m;
    char why[256];

    CHECK(mapping_new(&m, PAGES * page_bytes(), page_bytes(), why, sizeof why) == ACCORD_OK);
    return m;
}

/* Of the segment's pages, how many are there. */
static size_t present(const struct mapping *m)
{
    static unsigned char there[PAGES];
    size_t count = 0;

    CHECK(mincore(m->segment, PAGES * page_bytes(), there) == 0);
    for (size_t i = 0; i < PAGES; i++)
        count += there[i] & 1;
    return count;
}

static void wait_for(const struct populate *p, size_t bytes)
{
    while (populate_passed(p) < bytes)
        sched_yield();
}

static bool kernel_can(void)
{
    struct utsname name;
    int major = 0, minor = 0;

    CHECK(uname(&name) == 0);
    return sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 14));
}

TEST(what_was_asked_for_is_there_and_nothing_else_and_nothing_has_changed)
{
    struct mapping m = fresh();
    size_t bytes = 700 * page_bytes();
    uint8_t *at = (uint8_t *)m.segment + 10 * page_bytes();

    at[5] = 42;
    struct populate *p = populate_start(at + 7, bytes - 7);
    CHECK(p);
    wait_for(p, bytes);
    populate_stop(p);
    CHECK(present(&m) == (kernel_can() ? 700 : 1));
    CHECK(at[5] == 42 && at[6] == 0);
    mapping_done(&m);
}

TEST(what_is_stopped_ends_wherever_it_is)
{
    for (size_t after = 0; after < 4; after++) {
        struct mapping m = fresh();
        struct populate *p = populate_start(m.segment, m.segment_bytes);
        CHECK(p);
        wait_for(p, after * 256 * page_bytes());
        populate_stop(p);
        CHECK(!kernel_can() || present(&m) >= after * 256);
        mapping_done(&m);
    }
}

/* As with an older kernel: what cannot be had ahead is over at once. */
TEST(what_the_kernel_refuses_ends_by_itself)
{
    struct mapping m = fresh();

    CHECK(mprotect(m.segment, m.segment_bytes, PROT_READ) == 0);
    struct populate *p = populate_start(m.segment, m.segment_bytes);
    CHECK(p);
    wait_for(p, m.segment_bytes);
    populate_stop(p);
    CHECK(present(&m) == 0);
    mapping_done(&m);
}

TEST(nothing_asked_for_is_nothing_begun)
{
    CHECK(populate_start(NULL, 0) == NULL);
    populate_stop(NULL);
}
