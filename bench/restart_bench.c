/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* restart_bench.c - how long a restarted daemon copies before it has what it had: 1 GiB of live
 * items, of 16-byte keys and values of 100 bytes and of 1 KiB, from a sealed segment into a new
 * one, in the steps in which the core does it, with the thread beside it that the node has for
 * this. What a start costs beside it (the first lease comes after join-settle, 200 ms) is not
 * in it. Beside the seconds that went by it says those
 * of the processor, ours and the kernel's (which clears the pages of the new segment): they
 * mean something on a machine that does other things as well. */
#include "bench.h"
#include "cache/inherit.h"
#include "node/mapping.h"
#include "node/populate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { KEY_BYTES = 16, ITEM_OVERHEAD = 21, STEP_ITEMS = 1024, TURNS = 3 };
#define MEMORY_BYTES (1280 * MIB)
#define GOAL_S       2.0
#define NOW_NS       (1000 * NS_PER_S)

struct segment {
    struct mapping mapping;
    struct segment_sizes sizes;
    void *memory;
    struct writer *writer;
    struct reader reader;
};

static void check(bool ok, const char *what)
{
    if (!ok)
        bench_die(what);
}

struct times {
    double passed_s, user_s, kernel_s;
};

static struct times times_now(void)
{
    struct rusage used;

    check(getrusage(RUSAGE_SELF, &used) == 0, "getrusage");
    return (struct times){
        .passed_s = (double)bench_now_ns() / 1e9,
        .user_s = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6,
        .kernel_s = (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6};
}

static struct times times_since(struct times began)
{
    struct times now = times_now();

    return (struct times){now.passed_s - began.passed_s, now.user_s - began.user_s,
                          now.kernel_s - began.kernel_s};
}

static void open_segment(struct segment *s, uint64_t incarnation)
{
    struct segment_namespace spaces[1] = {{.name = ""}};
    struct segment_settings settings = {.memory_bytes = MEMORY_BYTES,
                                        .incarnation = {1, incarnation},
                                        .seed = 42,
                                        .namespaces = spaces,
                                        .namespace_count = 1};
    char why[256];

    check(segment_sizes(&settings, &s->sizes) == ACCORD_OK, "sizes");
    check(mapping_new(&s->mapping, s->sizes.segment_bytes, s->sizes.hints_bytes, why,
                      sizeof why) == ACCORD_OK,
          why);
    s->memory = mmap(NULL, s->sizes.writer_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(s->memory != MAP_FAILED, "memory");
    check(writer_init(&s->writer, s->memory, s->mapping.segment, s->mapping.hints, &settings) ==
              ACCORD_OK,
          "the segment");
    check(reader_init(&s->reader, s->mapping.segment, s->sizes.segment_bytes, NULL, 0) ==
              ACCORD_OK,
          "the reader");
}

static void close_segment(struct segment *s)
{
    mapping_done(&s->mapping);
    munmap(s->memory, s->sizes.writer_bytes);
}

static uint64_t fill(struct segment *s, size_t value_bytes)
{
    static uint8_t value[4096];
    uint64_t count = GIB / (KEY_BYTES + value_bytes + ITEM_OVERHEAD);
    char key[KEY_BYTES + 1];

    for (uint64_t i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key:%012llu", (unsigned long long)i);
        struct item item = {.key = bytes_of(key, KEY_BYTES),
                            .value = bytes_of(value, value_bytes),
                            .ttl_ns = UINT64_MAX};
        check(writer_fill(s->writer, &item, NULL, NOW_NS) == ACCORD_OK, "a fill");
    }
    return count;
}

/* Until all of it is there; *longest_ms of the steps. */
static struct times copy(const struct segment *old, uint64_t count, double *longest_ms)
{
    struct segment new;
    struct inherit *in;
    struct populate *ahead;
    struct times began = times_now();
    uint64_t began_ns = bench_now_ns(), before_ns = began_ns;
    bool more = true;

    open_segment(&new, began_ns);
    void *memory = malloc(inherit_bytes(&old->reader));
    check(memory != NULL, "memory");
    ahead = populate_start(new.mapping.segment, inherit_used_bytes(&old->reader));
    check(inherit_begin(&in, memory, &old->reader, new.writer, NOW_NS, NOW_NS) == ACCORD_OK,
          "inheriting");
    while (more) {
        more = inherit_some(in, STEP_ITEMS, NOW_NS);
        uint64_t now_ns = bench_now_ns();
        double step_ms = (double)(now_ns - before_ns) / 1e6;
        *longest_ms = step_ms > *longest_ms ? step_ms : *longest_ms;
        before_ns = now_ns;
    }
    struct times took = times_since(began);
    populate_stop(ahead);
    check(inherit_counts(in).kept == count, "not every item was kept");
    free(memory);
    close_segment(&new);
    return took;
}

static void measure(const char *name, size_t value_bytes)
{
    struct segment old;
    double s[TURNS], user_s[TURNS], kernel_s[TURNS], longest_ms = 0;

    open_segment(&old, 1);
    uint64_t count = fill(&old, value_bytes);
    for (int i = 0; i < TURNS; i++) {
        struct times took = copy(&old, count, &longest_ms);
        s[i] = took.passed_s;
        user_s[i] = took.user_s;
        kernel_s[i] = took.kernel_s;
    }
    double median_s = bench_median(s, TURNS);
    fprintf(
        stderr,
        "%llu items of %zu bytes: %.2f s, of the processor %.2f s and in the kernel %.2f s, "
        "longest step %.1f ms\n",
        (unsigned long long)count, value_bytes, median_s, bench_median(user_s, TURNS),
        bench_median(kernel_s, TURNS), longest_ms);
    bench_report(&(struct bench_result){.name = name,
                                        .ours = median_s,
                                        .against = GOAL_S,
                                        .unit = "s",
                                        .peer = "2 s, the goal itself",
                                        .goal = 1.0});
    close_segment(&old);
}

int main(void)
{
    measure("restart-warm-1g", 1024);
    measure("restart-warm-1g-small", 100);
    return 0;
}
