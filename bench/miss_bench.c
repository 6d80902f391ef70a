/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* miss_bench.c - replays real key traces through the real reader and writer, and through an
 * exact LRU that may hold as many items: which of the two misses more often?
 *
 *     miss_bench TRACE…       one key per line, plain or .zst
 *
 * Both are given 1 % and 10 % of the trace's distinct keys, all items of one size. A segment
 * has a size in bytes, so its value size and then its size are chosen by measurement until it
 * holds as many items as the share allows, and never more: the greatest number of items that
 * were live at any instant of the replay is what must not exceed it.
 */
#include "bench.h"

#include "base/limits.h"
#include "cache/reader.h"
#include "cache/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TRACES_MAX = 16,
    KEY_TEXT_BYTES_MAX = 512,
    BLOCKS_MIN = 64,          /* in play; fewer would not be the cache that users run */
    BLOCKS_FREE = 3,          /* of the index, and kept free by the writer */
    ITEM_OVERHEAD_BYTES = 40, /* more than an item has: only a first guess rests on it */
};

struct trace {
    char name[64];
    uint32_t *ids; /* the requests: keys numbered in order of first appearance */
    size_t requests;
    uint32_t keys;
};

/* ---- reading traces ---- */

struct names {
    char **text; /* by slot; NULL: free */
    uint32_t *id;
    size_t slots;
};

static uint64_t hash_text(const char *text)
{
    uint64_t h = 14695981039346656037u;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 1099511628211u;
    return h ^ (h >> 29);
}

static size_t find_slot(const struct names *n, const char *text)
{
    size_t at = hash_text(text) & (n->slots - 1);
    while (n->text[at] && strcmp(n->text[at], text) != 0)
        at = (at + 1) & (n->slots - 1);
    return at;
}

static void names_init(struct names *n, size_t slots)
{
    n->slots = slots;
    n->text = calloc(slots, sizeof *n->text);
    n->id = calloc(slots, sizeof *n->id);
    if (!n->text || !n->id)
        bench_die("calloc");
}

static void names_grow(struct names *n)
{
    struct names old = *n;
    names_init(n, old.slots * 2);
    for (size_t i = 0; i < old.slots; i++)
        if (old.text[i]) {
            size_t at = find_slot(n, old.text[i]);
            n->text[at] = old.text[i];
            n->id[at] = old.id[i];
        }
    free(old.text);
    free(old.id);
}

static uint32_t name_id(struct names *n, const char *text, uint32_t *count)
{
    if (*count > n->slots / 2)
        names_grow(n);
    size_t at = find_slot(n, text);
    if (!n->text[at]) {
        n->text[at] = strdup(text);
        if (!n->text[at])
            bench_die("strdup");
        n->id[at] = (*count)++;
    }
    return n->id[at];
}

static void names_done(struct names *n)
{
    for (size_t i = 0; i < n->slots; i++)
        free(n->text[i]);
    free(n->text);
    free(n->id);
}

/* The file's text; *reader is zstdcat, or 0 where the file is plain. */
static FILE *open_trace(const char *path, pid_t *reader)
{
    size_t length = strlen(path);
    int ends[2];

    *reader = 0;
    if (length < 4 || strcmp(path + length - 4, ".zst") != 0)
        return fopen(path, "r");
    if (pipe(ends) != 0 || (*reader = fork()) < 0)
        return NULL;
    if (*reader == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execlp("zstdcat", "zstdcat", "--", path, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    return fdopen(ends[0], "r");
}

static void name_trace(struct trace *t, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(t->name, sizeof t->name, "%s", slash ? slash + 1 : path);
    t->name[strcspn(t->name, ".")] = 0;
}

static void read_trace(struct trace *t, const char *path)
{
    char line[KEY_TEXT_BYTES_MAX];
    struct names names;
    pid_t reader;
    size_t room = 0;
    FILE *f = open_trace(path, &reader);

    if (!f)
        bench_die(path);
    *t = (struct trace){0};
    name_trace(t, path);
    names_init(&names, 1 << 16);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        if (t->requests == room) {
            room = room ? room * 2 : 1 << 16;
            t->ids = realloc(t->ids, room * sizeof *t->ids);
            if (!t->ids)
                bench_die("realloc");
        }
        t->ids[t->requests++] = name_id(&names, line, &t->keys);
    }
    int status = 0;
    if (ferror(f) || fclose(f) != 0 || (reader && waitpid(reader, &status, 0) != reader) ||
        status != 0 || t->requests == 0) {
        fprintf(stderr, "bench: %s: cannot be read (is zstdcat there?)\n", path);
        exit(1);
    }
    names_done(&names);
}

/* ---- LRU, exact ---- */

struct lru {
    uint32_t *older, *newer; /* by id; a ring through `keys`, the id that no key has */
    bool *here;
    uint32_t keys, count;
};

static void lru_unlink(struct lru *l, uint32_t id)
{
    l->newer[l->older[id]] = l->newer[id];
    l->older[l->newer[id]] = l->older[id];
    l->here[id] = false;
    l->count--;
}

static void lru_link(struct lru *l, uint32_t id)
{
    uint32_t newest = l->older[l->keys];
    l->older[id] = newest;
    l->newer[id] = l->keys;
    l->newer[newest] = id;
    l->older[l->keys] = id;
    l->here[id] = true;
    l->count++;
}

static double lru_miss_ratio(const struct trace *t, uint32_t items)
{
    struct lru l = {.keys = t->keys};
    size_t misses = 0;

    l.older = malloc((t->keys + 1u) * sizeof *l.older);
    l.newer = malloc((t->keys + 1u) * sizeof *l.newer);
    l.here = calloc(t->keys + 1u, sizeof *l.here);
    if (!l.older || !l.newer || !l.here)
        bench_die("malloc");
    l.older[t->keys] = l.newer[t->keys] = t->keys;
    for (size_t i = 0; i < t->requests; i++) {
        uint32_t id = t->ids[i];
        if (l.here[id]) {
            lru_unlink(&l, id);
        } else {
            misses++;
            if (l.count == items)
                lru_unlink(&l, l.newer[l.keys]);
        }
        lru_link(&l, id);
    }
    free(l.older);
    free(l.newer);
    free(l.here);
    return (double)misses / (double)t->requests;
}

/* What libCacheSim's LRU gives for the published traces: ours must be that LRU. */
static const struct {
    const char *trace;
    double lru[2]; /* at 1 and 10 % */
} published[] = {
    {"web12", {0.6021, 0.3151}},       {"orm-busy", {0.2297, 0.1199}},
    {"scarab-recs", {0.6529, 0.3940}}, {"arc-OLTP", {0.5836, 0.3348}},
    {"cp-w92", {0.8379, 0.8049}},
};

static void check_lru(const struct trace *t, unsigned size, double ratio)
{
    for (size_t i = 0; i < COUNT_OF(published); i++)
        if (strcmp(published[i].trace, t->name) == 0 &&
            fabs(ratio - published[i].lru[size]) > 0.0001) {
            fprintf(stderr, "bench: %s: our LRU misses %.4f, libCacheSim's %.4f\n", t->name,
                    ratio, published[i].lru[size]);
            exit(1);
        }
}

/* ---- ours ---- */

struct cache {
    struct segment_sizes sizes;
    struct writer *writer;
    struct reader reader;
    void *segment, *hints, *memory;
};

static const struct segment_namespace plain = {.refresh_permille = 0};

static struct segment_settings settings_of(size_t memory_bytes)
{
    return (struct segment_settings){.memory_bytes = memory_bytes,
                                     .incarnation = {1, 2},
                                     .seed = 20260101,
                                     .clock = {.clock = CLOCK_CLASS_BOOTTIME},
                                     .namespaces = &plain,
                                     .namespace_count = 1};
}

static void *map_zeroed(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static void open_cache(struct cache *c, size_t memory_bytes)
{
    struct segment_settings s = settings_of(memory_bytes);

    if (segment_sizes(&s, &c->sizes) != ACCORD_OK)
        bench_die("segment_sizes");
    c->segment = map_zeroed(c->sizes.segment_bytes);
    c->hints = map_zeroed(c->sizes.hints_bytes);
    c->memory = map_zeroed(c->sizes.writer_bytes);
    if (writer_init(&c->writer, c->memory, c->segment, c->hints, &s) != ACCORD_OK ||
        reader_init(&c->reader, c->segment, c->sizes.segment_bytes, c->hints,
                    c->sizes.hints_bytes) != ACCORD_OK)
        bench_die("writer_init, reader_init");
    uint64_t now = reader_now_ns(&c->reader);
    writer_set_lease(c->writer, now + 24 * 3600 * NS_PER_S, now);
}

static void close_cache(struct cache *c)
{
    munmap(c->segment, c->sizes.segment_bytes);
    munmap(c->hints, c->sizes.hints_bytes);
    munmap(c->memory, c->sizes.writer_bytes);
}

static uint64_t live_items(const struct cache *c)
{
    struct writer_counts counts;
    writer_count(c->writer, &counts);
    return counts.items;
}

/* As an application does it: get; on a miss, load and fill with the token. The value is not
 * copied out: a buffer of no bytes is as good a read. Returns whether it was a hit. */
static bool request(struct cache *c, uint64_t id, struct bytes value)
{
    struct bytes key = bytes_of(&id, sizeof id);
    struct read_result r;

    reader_get(&c->reader, key, NULL, 0, &r);
    if (r.state == ACCORD_HIT)
        return true;
    struct item item = {.key = key, .value = value, .ttl_ns = UINT64_MAX};
    int status = writer_fill(c->writer, &item, &r.token, reader_now_ns(&c->reader));
    if (status != ACCORD_OK) {
        fprintf(stderr, "bench: a fill was refused: %s\n", status_text(status));
        exit(1);
    }
    return false;
}

/* The most items of this size that are ever live when distinct keys are filled. */
static uint64_t capacity(size_t memory_bytes, struct bytes value, uint32_t wanted)
{
    struct cache c;
    uint64_t most = 0;

    open_cache(&c, memory_bytes);
    for (uint64_t id = 0; id < 3ull * wanted; id++) {
        request(&c, id, value);
        most = u64_max(most, live_items(&c));
    }
    close_cache(&c);
    return most;
}

struct fit {
    size_t memory_bytes, block_bytes;
    struct bytes value;
};

/* The smallest segment that has BLOCKS_FREE more blocks than must be in play. */
static size_t smallest(struct segment_sizes *sizes)
{
    for (size_t memory = SEGMENT_BYTES_MIN;; memory += sizes->block_bytes) {
        struct segment_settings s = settings_of(memory);
        if (segment_sizes(&s, sizes) != ACCORD_OK)
            bench_die("segment_sizes");
        if (sizes->block_count >= BLOCKS_MIN + BLOCKS_FREE)
            return memory;
    }
}

/* The value size for which that segment holds no more than `items`, then the greatest segment
 * that still does not. */
static struct fit fit_items(uint32_t items, const uint8_t *bytes)
{
    struct segment_sizes sizes;
    size_t least = smallest(&sizes), low = 0, high = BLOCKS_MIN;
    struct fit f = {.block_bytes = sizes.block_bytes};

    for (size_t a_block = items / BLOCKS_MIN + 1;; a_block--) {
        if (a_block == 0)
            bench_die("the smallest segment holds more items than wanted");
        size_t room = sizes.block_bytes / a_block - ITEM_OVERHEAD_BYTES;
        f.value = bytes_of(bytes, u64_min(room, sizes.value_bytes_max - sizeof(uint64_t)));
        if (capacity(least, f.value, items) <= items)
            break;
    }
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (capacity(least + middle * f.block_bytes, f.value, items) <= items)
            low = middle;
        else
            high = middle;
    }
    f.memory_bytes = least + low * f.block_bytes;
    return f;
}

/* One replay; *most: the greatest number of live items. */
static double replay(const struct trace *t, const struct fit *f, uint64_t *most)
{
    struct cache c;
    struct writer_counts counts;
    size_t misses = 0;

    *most = 0;
    open_cache(&c, f->memory_bytes);
    for (size_t i = 0; i < t->requests; i++) {
        if (request(&c, t->ids[i], f->value))
            continue;
        misses++;
        *most = u64_max(*most, live_items(&c));
    }
    writer_count(c.writer, &counts);
    size_t in_play = (size_t)((counts.used_bytes - counts.index_bytes) / c.sizes.block_bytes);
    fprintf(stderr,
            "  at most %llu items of %zu bytes, %zu blocks of %zu KiB in use; %.2f copied and "
            "%.2f by index a fill\n",
            (unsigned long long)*most, f->value.size_bytes, in_play, c.sizes.block_bytes / KIB,
            (double)counts.copied / (double)counts.fills,
            (double)counts.evicted_by_index / (double)counts.fills);
    if (in_play < BLOCKS_MIN)
        bench_die("fewer than 64 blocks were in play");
    close_cache(&c);
    return (double)misses / (double)t->requests;
}

static double our_miss_ratio(const struct trace *t, uint32_t items, const uint8_t *bytes)
{
    struct fit f = fit_items(items, bytes);
    for (;;) {
        uint64_t most;
        double ratio = replay(t, &f, &most);
        if (most <= items)
            return ratio;
        f.memory_bytes -= f.block_bytes; /* the trace packs better than distinct keys did */
        if (f.memory_bytes < SEGMENT_BYTES_MIN)
            bench_die("the smallest segment holds more items than wanted");
    }
}

static void report(const char *name, double ours, double lru, const char *peer, double goal)
{
    bench_report(&(struct bench_result){.name = name,
                                        .ours = ours,
                                        .against = lru,
                                        .unit = "miss ratio",
                                        .more_is_better = false,
                                        .peer = peer,
                                        .goal = goal});
}

static double compare(const struct trace *t, unsigned size, const uint8_t *bytes)
{
    char name[128];
    uint32_t items = size == 0 ? (t->keys + 50) / 100 : (t->keys + 5) / 10; /* as libCacheSim */

    fprintf(stderr, "%s, %zu requests, %u keys, %u items\n", t->name, t->requests, t->keys,
            items);
    double lru = lru_miss_ratio(t, items);
    check_lru(t, size, lru);
    double ours = our_miss_ratio(t, items, bytes);
    snprintf(name, sizeof name, "miss-ratio/%s/%s", t->name, size == 0 ? "1%" : "10%");
    report(name, ours, lru, "LRU, exact, same items", 1 / 1.02);
    return ours / lru;
}

int main(int argc, char **argv)
{
    char peer[80];
    double sum[2] = {0, 0};
    uint8_t *bytes = calloc(1, 1 << 20);

    if (argc < 2 || argc > TRACES_MAX || !bytes) {
        fprintf(stderr, "usage: miss_bench TRACE…\n");
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        struct trace t;
        read_trace(&t, argv[i]);
        for (unsigned size = 0; size < 2; size++)
            sum[size] += compare(&t, size, bytes);
        free(t.ids);
    }
    snprintf(peer, sizeof peer, "LRU; mean of ours/LRU over %d traces", argc - 1);
    report("miss-ratio/mean/1%", sum[0] / (argc - 1), 1, peer, 1 / 0.96);
    report("miss-ratio/mean/10%", sum[1] / (argc - 1), 1, peer, 1 / 0.90);
    free(bytes);
    return 0;
}
