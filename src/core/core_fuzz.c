/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* core_fuzz.c - any entries, answers of a bus and requests, in any order: no assertion is
 * reached, and nothing stays due. The bytes are read as a list of events; entries are what
 * buses let by (change_problem()), of a few names and identities, the node's own among them. */
#include "core/core.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { EVENTS_MAX = 200, ENTRIES_MAX = 8, OWN = 1 };

static struct segment_namespace spaces[2] = {{.name = ""}, {.name = "lsn", .delimiter = ':'}};
static const struct namespace_settings declared[2] = {{.name = "default",
                                                       .ttl_ns = NS_PER_S,
                                                       .negative_ttl_ns = NS_PER_S,
                                                       .unsure_ttl_ns = NS_PER_S,
                                                       .max_stale_ns = UINT64_MAX},
                                                      {.name = "lsn",
                                                       .ttl_ns = NS_PER_S,
                                                       .negative_ttl_ns = NS_PER_S,
                                                       .unsure_ttl_ns = NS_PER_S,
                                                       .max_stale_ns = UINT64_MAX,
                                                       .hold_off_ns = NS_PER_S,
                                                       .version = VERSION_LSN,
                                                       .delimiter = ':'}};
static struct segment_settings settings = {.memory_bytes = SEGMENT_BYTES_MIN,
                                           .incarnation = {OWN, OWN},
                                           .seed = 3,
                                           .clock = {.clock = CLOCK_CLASS_TSC},
                                           .namespaces = spaces,
                                           .namespace_count = 2};

struct world {
    const uint8_t *at, *end;
    struct core *core;
    uint64_t now_ns, epoch, nonce, batch;
    bool attaches, resumes, asks, publishes, stopped;
    struct cursor from;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- what the bytes say --------------------------------------------------------------------
 */

static uint8_t byte(struct world *w)
{
    return w->at < w->end ? *w->at++ : 0;
}

/* Near `known`, at the upper end, or anything. */
static uint64_t number(struct world *w, uint64_t known)
{
    uint8_t how = byte(w);
    uint64_t any = 0;

    if (how < 128)
        return known + how % 16 - 4;
    if (how < 160)
        return UINT64_MAX - how % 4;
    for (int i = 0; i < how % 9; i++)
        any = any << 8 | byte(w);
    return any;
}

static struct bytes text(struct world *w, size_t max)
{
    size_t size = byte(w) * (size_t)2, left = (size_t)(w->end - w->at);
    const uint8_t *from = w->at;

    size = size < left ? size : left;
    size = size < max ? size : max;
    w->at += size;
    return bytes_of(size > 0 ? from : NULL, size);
}

static struct change any_change(struct world *w, uint64_t position)
{
    static const char *const names[] = {"", "web1", "web2", "web3"};
    uint8_t who = byte(w), flags = byte(w);
    struct change c = {.op = (enum change_op)(CHANGE_REMOVE + byte(w) % CHANGE_BEAT),
                       .soft = flags & 1,
                       .has_version = flags & 2,
                       .has_fingerprint = flags & 4,
                       .message = {position, byte(w) + 1U},
                       .origin = bytes_of_text(names[who % 4]),
                       .incarnation = {who / 4 % 4, who / 4 % 4},
                       .sequence = number(w, 5)};
    bool of_members = c.op >= CHANGE_JOIN;

    c.version = number(w, MAX_STALE_MS_MIN);
    c.fingerprint = number(w, 0);
    c.nonce = number(w, w->nonce);
    c.applied = number(w, position);
    c.applied_hash = flags & 8 ? entry_hash(c.applied, c.message) : number(w, 0);
    c.lease_epoch = number(w, w->epoch);
    if (of_members)
        c.about = text(w, CHANGE_ABOUT_BYTES_MAX);
    else
        c.key = text(w, NAMESPACE_BYTES_MAX);
    if (change_problem(&c))
        change_stand_in(&c, 0, /* ignorable= */ false);
    return c;
}

/* ---- events --------------------------------------------------------------------------------
 */

static void step(struct world *w, struct event *e)
{
    struct effects effects;

    e->now_ns = w->now_ns;
    core_step(w->core, e, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct effect *x = &effects.list[i];
        if (x->type == EFFECT_ATTACH) {
            w->attaches = true;
            w->resumes = x->attach.resume;
            w->from = x->attach.cursor;
        } else if (x->type == EFFECT_ASK_HEAD) {
            w->asks = true;
            w->nonce = x->ask_head.nonce;
        } else if (x->type == EFFECT_PUBLISH) {
            w->publishes = true;
            w->batch = x->publish.batch;
        }
        w->stopped |= x->type == EFFECT_STOPPED;
    }
    ASSERT(core_deadline_ns(w->core) > w->now_ns);
}

static uint64_t position(const struct world *w)
{
    struct core_status s;

    core_status(w->core, w->now_ns, &s);
    return s.cursor.position;
}

/* In order, and perhaps with some that were given before. */
static void entries(struct world *w)
{
    struct entry list[ENTRIES_MAX];
    struct event e = {.type = EVENT_BUS_ENTRIES, .entries = {list, 1 + byte(w) % ENTRIES_MAX}};
    uint64_t at = u64_sub_sat(position(w), byte(w) % 4);

    for (size_t i = 0; i < e.entries.count; i++) {
        at += 1 + (byte(w) == 255);
        list[i] = (struct entry){.position = at, .change = any_change(w, at)};
    }
    step(w, &e);
}

static void attached(struct world *w)
{
    struct event e = {.type = EVENT_BUS_ATTACHED};

    if (!w->attaches)
        return;
    w->attaches = false;
    w->epoch += byte(w) == 255;
    e.attached.log = (struct id128){7, 7};
    e.attached.epoch = w->epoch;
    e.attached.resumed = w->resumes && w->from.epoch == w->epoch;
    e.attached.after =
        e.attached.resumed ? w->from.position : u64_min(number(w, 10), INT64_MAX);
    e.attached.head = u64_max(e.attached.after, u64_min(number(w, position(w)), INT64_MAX));
    e.attached.max_stale_ns = (MAX_STALE_MS_MIN + byte(w)) * NS_PER_MS;
    step(w, &e);
}

static void answer(struct world *w)
{
    struct event e = {.type = EVENT_BUS_HEAD, .head = {.nonce = w->nonce}};
    struct event p = {.type = EVENT_BUS_PUBLISHED, .published = {.batch = w->batch}};
    static const int statuses[] = {ACCORD_OK, ACCORD_OK, ACCORD_E_DOWN, ACCORD_E_TIMEOUT};

    if (w->asks) {
        e.head.status = byte(w) == 255 ? ACCORD_E_GONE : statuses[byte(w) % 4];
        e.head.head = number(w, position(w));
        w->asks = false;
        step(w, &e);
    }
    if (w->publishes) {
        p.published.status = statuses[byte(w) % 4];
        p.published.last = u64_max(1, number(w, position(w)));
        p.published.epoch = w->epoch;
        w->publishes = false;
        step(w, &p);
    }
}

static void request(struct world *w)
{
    struct bytes key = bytes_of_text(byte(w) % 2 ? "lsn:a" : "*");
    static const enum request_op ops[] = {REQUEST_REMOVE, REQUEST_LOAD, REQUEST_PING,
                                          REQUEST_SYNC, REQUEST_MAX_STALE};
    struct event e = {.type = EVENT_REQUEST,
                      .request = {.op = ops[byte(w) % COUNT_OF(ops)],
                                  .client = 1,
                                  .keys = &key,
                                  .key_count = 1,
                                  .want_strict = byte(w) % 2,
                                  .wait_ns = byte(w) * NS_PER_S / 10,
                                  .max_stale_ns = byte(w) * NS_PER_S / 10}};

    step(w, &e);
}

static void one(struct world *w)
{
    static const enum event_type plain[] = {EVENT_BUS_LOST, EVENT_BUS_GONE, EVENT_CLOCK_BROKEN,
                                            EVENT_STOP};
    struct event e = {.type = EVENT_TICK};
    uint8_t kind = byte(w);

    if (kind < 120)
        entries(w);
    else if (kind < 170)
        answer(w);
    else if (kind < 210)
        attached(w);
    else if (kind < 230)
        request(w);
    else if (kind < 234) {
        e.type = plain[kind - 230];
        w->attaches |= e.type == EVENT_BUS_LOST; /* the shell tries again by itself */
        step(w, &e);
    } else {
        w->now_ns += (byte(w) + 1U) * (kind < 250 ? NS_PER_MS : 100 * NS_PER_MS);
        step(w, &e);
    }
}

/* ---- one run -------------------------------------------------------------------------------
 */

static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        abort();
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct core_settings s = {.name = "web1",
                                    .about = "app fuzz 0",
                                    .incarnation = {OWN, OWN},
                                    .random = {1},
                                    .max_stale_ns = NS_PER_S,
                                    .publish_timeout_ns = NS_PER_S,
                                    .load_timeout_ns = NS_PER_S,
                                    .head_linearizable = size % 2,
                                    .namespaces = declared,
                                    .namespace_count = 2};
    struct world w = {.at = data, .end = data + size, .now_ns = NS_PER_S, .epoch = 1};
    struct event tick = {.type = EVENT_TICK};
    struct segment_sizes sizes;
    struct writer *writer;

    if (segment_sizes(&settings, &sizes) != ACCORD_OK)
        abort();
    void *segment = map(sizes.segment_bytes), *hints = map(sizes.hints_bytes);
    void *memory = map(sizes.writer_bytes);
    if (writer_init(&writer, memory, segment, hints, &settings) != ACCORD_OK ||
        core_new(&w.core, &s, writer, w.now_ns) != ACCORD_OK)
        abort();
    step(&w, &tick);
    for (int i = 0; i < EVENTS_MAX && w.at < w.end && !w.stopped; i++)
        one(&w);
    core_free(w.core);
    munmap(memory, sizes.writer_bytes);
    munmap(hints, sizes.hints_bytes);
    munmap(segment, sizes.segment_bytes);
    return 0;
}
