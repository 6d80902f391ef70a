/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* inherit_fuzz.c - a new segment is whole, whatever bytes the old one holds.
 *
 * A valid segment with some items is built once. Each run lays the fuzzer's bytes over a copy
 * of the places that matter (header, tables, an index block, an item block), inherits from it
 * into a fresh segment, and walks that one. A run ends by putting the places back. */
#include "cache/inherit.h"
#include "cache/item.h"
#include "cache/writer_state.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { ITEMS = 64, PLACES = 9 };

static struct segment_namespace spaces[2] = {{.name = ""}, {.name = "users", .delimiter = '/'}};
static struct segment_settings settings = {
    .memory_bytes = SEGMENT_BYTES_MIN,
    .incarnation = {1, 2},
    .seed = 3,
    .clock = {.clock = CLOCK_CLASS_TSC, .ns_base = 2 * NS_PER_S},
    .namespaces = spaces,
    .namespace_count = 2};
static struct segment_sizes sizes;
static uint8_t *segment, *before;
static struct reader bound;
static uint64_t places[PLACES];

/* With 4 MiB after it that must not be touched. */
static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes + 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED || mprotect(at, bytes, PROT_READ | PROT_WRITE) != 0)
        abort();
    return at;
}

static void unmap(void *at, size_t bytes)
{
    if (munmap(at, bytes + 4 * MIB) != 0)
        abort();
}

static struct bytes key_of(unsigned i)
{
    static uint8_t key[] = "users:x/y";

    memcpy(key, "users:x", 7);
    key[i % 2 ? 0 : 6] = (uint8_t)('0' + i); /* half of them in "users" */
    return bytes_of(key, sizeof key - 1);
}

static void fill(struct writer *w, unsigned i)
{
    static const uint8_t value[700];
    struct bytes tag = bytes_of_text("red");
    struct item item = {.key = key_of(i),
                        .value = bytes_of(value, i * 11),
                        .version = i % 3,
                        .ttl_ns = i % 4 ? UINT64_MAX : (i + 1) * NS_PER_S,
                        .tags = &tag,
                        .tag_count = i % 2};
    if (writer_fill(w, &item, NULL, NS_PER_S) != ACCORD_OK)
        abort();
}

static void build(void)
{
    struct writer *w;

    if (segment_sizes(&settings, &sizes) != ACCORD_OK)
        abort();
    segment = map(sizes.segment_bytes);
    before = map(sizes.segment_bytes);
    if (writer_init(&w, map(sizes.writer_bytes), segment, map(sizes.hints_bytes), &settings) !=
        ACCORD_OK)
        abort();
    for (unsigned i = 0; i < ITEMS; i++)
        fill(w, i);
    memcpy(before, segment, sizes.segment_bytes);
    if (reader_init(&bound, segment, sizes.segment_bytes, NULL, 0) != ACCORD_OK)
        abort();
    const struct segment_header *h = bound.header;
    const uint64_t at[PLACES] = {0,
                                 offsetof(struct segment_header, deadline_ns),
                                 h->namespaces_offset,
                                 h->tags_offset,
                                 h->lifetimes_offset,
                                 h->directory_offset,
                                 h->table_offset,
                                 h->blocks_offset, /* the first of the index */
                                 h->blocks_offset + (1ull << h->block_shift)};
    memcpy(places, at, sizeof places);
}

static void inherit_from(const struct reader *old)
{
    struct segment_settings mine = settings;
    void *memory = map(sizes.writer_bytes), *new = map(sizes.segment_bytes);
    void *hints = map(sizes.hints_bytes), *room = malloc(inherit_bytes(old));
    struct inherit *in;
    struct writer *w;

    mine.incarnation = (struct id128){4, 5};
    if (!room || writer_init(&w, memory, new, hints, &mine) != ACCORD_OK)
        abort();
    if (inherit_begin(&in, room, old, w, 2 * NS_PER_S, 2 * NS_PER_S) == ACCORD_OK) {
        for (unsigned i = 0; i < ITEMS; i += 4)
            inherit_key(in, key_of(i), 2 * NS_PER_S);
        while (inherit_some(in, 16, 2 * NS_PER_S))
            ;
        writer_check(w);
    }
    free(room);
    unmap(hints, sizes.hints_bytes);
    unmap(new, sizes.segment_bytes);
    unmap(memory, sizes.writer_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: records of place:1 offset:2 bytes:1, then the bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t touched[4096];
    struct reader fresh;
    size_t count = 0;

    if (!segment)
        build();
    while (size > 4 && count < COUNT_OF(touched)) {
        size_t bytes = data[3] < size - 4 ? data[3] : size - 4;
        uint64_t at = places[data[0] % PLACES] + (data[1] | (uint64_t)data[2] << 8);
        if (at > sizes.segment_bytes - 256)
            at = sizes.segment_bytes - 256;
        memcpy(segment + at, data + 4, bytes);
        touched[count++] = at;
        data += 4 + bytes;
        size -= 4 + bytes;
    }
    inherit_from(&bound);
    if (reader_init(&fresh, segment, sizes.segment_bytes, NULL, 0) == ACCORD_OK)
        inherit_from(&fresh);
    for (size_t i = 0; i < count; i++)
        memcpy(segment + touched[i], before + touched[i], 256);
    return 0;
}
