/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fixture.h - a segment for tests, whose clock stands until the test moves it. */
#ifndef ACCORD_CACHE_FIXTURE_H
#define ACCORD_CACHE_FIXTURE_H

#include "cache/reader.h"
#include "cache/writer.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct fixture {
    struct segment_settings settings;
    struct segment_namespace namespaces[8];
    struct segment_sizes sizes;
    void *segment, *hints, *memory;
    struct writer *writer;
    struct reader reader;
    uint64_t now_ns;
};

static inline void *fixture_map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(at != MAP_FAILED);
    return at;
}

/* Moves the clock; the reader sees it at its next read. */
static inline void fixture_at(struct fixture *f, uint64_t now_ns)
{
    f->now_ns = now_ns;
    f->reader.ns_base = now_ns;
}

static inline void fixture_lease(struct fixture *f, uint64_t for_ns)
{
    writer_set_lease(f->writer, for_ns ? f->now_ns + for_ns : 0, f->now_ns);
}

static inline void fixture_settings(struct fixture *f, size_t memory_bytes)
{
    *f = (struct fixture){0};
    f->settings = (struct segment_settings){.memory_bytes = memory_bytes,
                                            .incarnation = {7, 9},
                                            .seed = 42,
                                            .clock = {.clock = CLOCK_CLASS_TSC},
                                            .namespaces = f->namespaces,
                                            .namespace_count = 1};
}

static inline void fixture_namespace(struct fixture *f, struct segment_namespace n)
{
    f->namespaces[f->settings.namespace_count++] = n;
}

static inline void fixture_start(struct fixture *f)
{
    CHECK(segment_sizes(&f->settings, &f->sizes) == 0);
    f->segment = fixture_map(f->sizes.segment_bytes);
    f->hints = fixture_map(f->sizes.hints_bytes);
    f->memory = fixture_map(f->sizes.writer_bytes);
    CHECK(writer_init(&f->writer, f->memory, f->segment, f->hints, &f->settings) == 0);
    CHECK(reader_init(&f->reader, f->segment, f->sizes.segment_bytes, f->hints,
                      f->sizes.hints_bytes) == 0);
    fixture_at(f, 1000 * NS_PER_S);
}

/* 8 MiB, one namespace, a lease of an hour. */
static inline void fixture_plain(struct fixture *f)
{
    fixture_settings(f, 8 * MIB);
    fixture_start(f);
    fixture_lease(f, 3600 * NS_PER_S);
}

static inline void fixture_done(struct fixture *f)
{
    munmap(f->segment, f->sizes.segment_bytes);
    munmap(f->hints, f->sizes.hints_bytes);
    munmap(f->memory, f->sizes.writer_bytes);
}

static inline struct item fixture_item(const char *key, const char *value)
{
    return (struct item){
        .key = bytes_of_text(key), .value = bytes_of_text(value), .ttl_ns = UINT64_MAX};
}

static inline int fixture_set(struct fixture *f, const char *key, const char *value)
{
    struct item item = fixture_item(key, value);

    return writer_fill(f->writer, &item, NULL, f->now_ns);
}

/* The state of `key`; its value as text in f's static buffer is returned by fixture_value(). */
static char fixture_text[8192];

static inline struct read_result fixture_get(struct fixture *f, const char *key)
{
    struct read_result result;

    memset(fixture_text, 0, sizeof fixture_text);
    reader_get(&f->reader, bytes_of_text(key), fixture_text, sizeof fixture_text - 1, &result);
    return result;
}

static inline bool fixture_has(struct fixture *f, const char *key, const char *value)
{
    struct read_result result = fixture_get(f, key);

    return result.state == ACCORD_HIT && result.value_bytes == strlen(value) &&
           strcmp(fixture_text, value) == 0;
}

static inline bool fixture_is(struct fixture *f, const char *key, enum accord_state state,
                              enum accord_why why)
{
    struct read_result result = fixture_get(f, key);

    return result.state == state && result.why == why;
}

#endif
