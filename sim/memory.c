/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "sim/memory.h"

#include "base/base.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 4096,
    TOUCHED_MAX = 192, /* pages; beyond, the kernel is faster: most are not touched again */
    GIVEN_MAX = 64
};

static void *given[GIVEN_MAX];
static size_t given_bytes[GIVEN_MAX], given_count, core_bytes;

void *memory_take(size_t bytes)
{
    for (size_t i = 0; i < given_count; i++) {
        if (given_bytes[i] != bytes)
            continue;
        void *at = given[i];
        given_count--;
        given[i] = given[given_count];
        given_bytes[i] = given_bytes[given_count];
        return at;
    }
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(at != MAP_FAILED);
    return at;
}

void memory_give(void *at, size_t bytes)
{
    if (given_count == GIVEN_MAX) {
        munmap(at, bytes);
        return;
    }
    memory_clear(at, bytes);
    given[given_count] = at;
    given_bytes[given_count++] = bytes;
}

/* Which pages of a mapping are in memory or swapped out (Linux 6.7; ioctl_pagemap_scan(2); not
 * in the headers of Debian 12). */
struct page_range {
    uint64_t start, end, categories;
};
struct page_scan {
    uint64_t size, flags, start, end, walk_end, ranges, range_count, pages_max;
    uint64_t inverted, all_of, any_of, wanted;
};
#define PAGES_SCAN   _IOWR('f', 16, struct page_scan)
#define PAGE_PRESENT (1ull << 3)
#define PAGE_SWAPPED (1ull << 4)

/* How many ranges were touched; negative: nobody knows, or they are more than that. */
static long touched_ranges(void *at, size_t bytes, struct page_range ranges[TOUCHED_MAX])
{
    static int pagemap = -1;
    struct page_scan scan = {.size = sizeof scan,
                             .start = (uintptr_t)at,
                             .end = (uintptr_t)at +
                                    (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES,
                             .ranges = (uintptr_t)ranges,
                             .range_count = TOUCHED_MAX,
                             .pages_max = TOUCHED_MAX,
                             .any_of = PAGE_PRESENT | PAGE_SWAPPED,
                             .wanted = PAGE_PRESENT};

    if (pagemap < 0)
        pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    long count = pagemap < 0 ? -1 : ioctl(pagemap, PAGES_SCAN, &scan);
    return scan.walk_end == scan.end ? count : -1;
}

void memory_clear(void *at, size_t bytes)
{
    static struct page_range ranges[TOUCHED_MAX];
    long count = touched_ranges(at, bytes, ranges);

    if (count < 0) /* by the kernel, page by page as it is touched again */
        madvise(at, bytes, MADV_DONTNEED);
    for (long i = 0; i < count; i++)
        memset((uint8_t *)at + (ranges[i].start - (uintptr_t)at), 0,
               (size_t)(ranges[i].end - ranges[i].start));
}

void memory_done(void)
{
    while (given_count > 0) {
        given_count--;
        munmap(given[given_count], given_bytes[given_count]);
    }
}

void *memory_core_take(size_t count, size_t bytes)
{
    ASSERT(core_bytes == 0 || core_bytes == count * bytes);
    core_bytes = count * bytes;
    return memory_take(core_bytes);
}

void memory_core_give(void *at)
{
    if (at)
        memory_give(at, core_bytes);
}
