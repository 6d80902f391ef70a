/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader_fuzz.c - a reader survives any bytes in the segment and in the hints.
 *
 * A valid segment with a few hundred items is built once. Each run lays the fuzzer's bytes over
 * a copy of the places that matter (header, tables, an index block, an item block, hints), then
 * reads everything in every way there is, with a reader bound before (its bounds were checked
 * then) and with one bound to the damaged header. A run ends by putting the places back. */
#include "cache/item.h"
#include "cache/reader.h"
#include "cache/writer_state.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { ITEMS = 64, PLACES = 9, VALUE_BYTES_MAX = 700 };

static struct segment_sizes sizes;
static uint8_t *segment, *hints, *before_segment, *before_hints;
static struct reader bound;
static char keys[ITEMS][24];
static size_t key_bytes[ITEMS];
static uint8_t buffer[MIB];
static uint64_t places[PLACES]; /* offsets in the segment */

/* With 4 MiB after it that must not be touched. */
static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes + 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED || mprotect(at, bytes, PROT_READ | PROT_WRITE) != 0)
        abort();
    return at;
}

/* The items go into the last block, where there is nothing behind. */
static void turn_over(struct writer *w)
{
    for (uint32_t i = 0, j = w->free_count - 1; i < j; i++, j--) {
        uint32_t kept = w->free_blocks[i];
        w->free_blocks[i] = w->free_blocks[j];
        w->free_blocks[j] = kept;
    }
}

static void fill(struct writer *w, unsigned i)
{
    struct bytes tags[2] = {bytes_of_text("red"), bytes_of_text("blue")};
    struct item item = {.value = bytes_of(buffer, i * 7 % VALUE_BYTES_MAX),
                        .flags = i % 11 == 0 ? ITEM_NEGATIVE : 0,
                        .version = i % 3 ? 0 : i,
                        .ttl_ns = i % 2 ? UINT64_MAX : (i + 1) * NS_PER_S,
                        .grace_ns = i % 4 ? 0 : NS_PER_S,
                        .tags = tags,
                        .tag_count = i % 3};
    static const char *const spaces[] = {"", "users:", "pages:a/"};
    size_t bytes = 0;

    for (const char *c = spaces[i % 3]; *c; c++)
        keys[i][bytes++] = *c;
    for (unsigned n = i + 1; n; n /= 10)
        keys[i][bytes++] = (char)('0' + n % 10);
    key_bytes[i] = bytes;
    item.key = bytes_of(keys[i], bytes);
    if (writer_fill(w, &item, NULL, NS_PER_S) != ACCORD_OK)
        abort();
}

static void build(void)
{
    struct segment_namespace spaces[3] = {{.name = ""},
                                          {.name = "users", .refresh_permille = 800},
                                          {.name = "pages", .delimiter = '/'}};
    struct segment_settings s = {.memory_bytes = SEGMENT_BYTES_MIN,
                                 .incarnation = {1, 2},
                                 .seed = 3,
                                 .clock = {.clock = CLOCK_CLASS_TSC, .ns_base = 2 * NS_PER_S},
                                 .namespaces = spaces,
                                 .namespace_count = 3};
    struct writer *w;

    if (segment_sizes(&s, &sizes) != ACCORD_OK)
        abort();
    segment = map(sizes.segment_bytes);
    hints = map(sizes.hints_bytes);
    if (writer_init(&w, map(sizes.writer_bytes), segment, hints, &s) != ACCORD_OK)
        abort();
    turn_over(w);
    for (unsigned i = 0; i < ITEMS; i++)
        fill(w, i);
    writer_set_lease(w, 3600 * NS_PER_S, NS_PER_S);
    if (reader_init(&bound, segment, sizes.segment_bytes, hints, sizes.hints_bytes) !=
        ACCORD_OK)
        abort();
    before_segment = map(sizes.segment_bytes);
    before_hints = map(sizes.hints_bytes);
    memcpy(before_segment, segment, sizes.segment_bytes);
    memcpy(before_hints, hints, sizes.hints_bytes);
    const struct segment_header *h = bound.header;
    const uint64_t at[PLACES] = {0,
                                 offsetof(struct segment_header, deadline_ns),
                                 h->namespaces_offset,
                                 h->names_offset,
                                 h->lifetimes_offset,
                                 h->directory_offset,
                                 h->table_offset,
                                 h->blocks_offset,
                                 h->blocks_offset + ((h->block_count - 1) << h->block_shift)};
    memcpy(places, at, sizeof places);
}

static void each(void *context, struct bytes key, const struct read_result *item)
{
    uint64_t *sum = context;

    for (size_t i = 0; i < key.size_bytes; i++)
        *sum += key.data[i];
    *sum += item->value_bytes;
}

static void use(const struct read_result *r, const void *value, size_t room, uint64_t *sum)
{
    size_t bytes = r->value_bytes < room ? r->value_bytes : room;

    if (r->state == ACCORD_HIT || r->state == ACCORD_STALE)
        for (size_t i = 0; i < bytes; i++)
            *sum += ((const uint8_t *)value)[i];
}

static void read_all(const struct reader *r, uint64_t *sum)
{
    static struct read_request requests[ITEMS];
    struct read_result result;
    struct borrow b;

    for (unsigned i = 0; i < ITEMS; i++) {
        struct bytes key = bytes_of(keys[i], key_bytes[i]);
        reader_get(r, key, buffer, sizeof buffer, &result);
        use(&result, buffer, sizeof buffer, sum);
        reader_borrow(r, key, &b, &result);
        use(&result, b.value.data, b.value.size_bytes, sum);
        *sum += reader_borrow_valid(r, &b);
        requests[i] = (struct read_request){.key = key, .buffer = buffer, .buffer_bytes = 100};
    }
    reader_get_many(r, requests, ITEMS);
    uint64_t cursor = *sum % 1024 & ~255ull;
    for (int steps = 0; steps < 256; steps++) {
        cursor = reader_scan(r, cursor, buffer, KEY_BYTES_MAX, each, sum);
        if (cursor == 0)
            break;
    }
    reader_line_add(reader_count_line(r, (uint32_t)*sum % 2048), ACCORD_HIT);
    *sum += reader_now_ns(r) + reader_asked_ns(r) + reader_deadline_ns(r, NULL, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: records of place:1 offset:2 bytes:1, then the bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint64_t touched[4096];
    uint64_t sum = 0;
    size_t count = 0;

    if (!segment)
        build();
    while (size > 4 && count < COUNT_OF(touched)) {
        size_t bytes = data[3] < size - 4 ? data[3] : size - 4;
        uint64_t at = places[data[0] % PLACES] + (data[1] | (uint64_t)data[2] << 8);
        if (at > sizes.segment_bytes - 256)
            at = sizes.segment_bytes - 256;
        memcpy(segment + at, data + 4, bytes);
        memcpy(hints + at % (sizes.hints_bytes - 256), data + 4, bytes);
        touched[count++] = at;
        data += 4 + bytes;
        size -= 4 + bytes;
    }
    read_all(&bound, &sum);
    struct reader fresh;
    if (reader_init(&fresh, segment, sizes.segment_bytes, hints, sizes.hints_bytes) ==
        ACCORD_OK)
        read_all(&fresh, &sum);
    for (size_t i = 0; i < count; i++) {
        memcpy(segment + touched[i], before_segment + touched[i], 256);
        memcpy(hints + touched[i] % (sizes.hints_bytes - 256),
               before_hints + touched[i] % (sizes.hints_bytes - 256), 256);
    }
    return (int)(sum & 0);
}
