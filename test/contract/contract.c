/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "contract.h"

#include "bus/http/http.h"

#include <time.h>

_Thread_local char why[BUS_WHY_BYTES_MAX];

bool has_one_log(const struct bus_kit *kit)
{
    return kit != &bus_kit_http;
}

void needs_one_log(const struct bus_kit *kit)
{
    if (!has_one_log(kit))
        test_skip("each node of this bus has a log of its own");
}

struct bus_settings settings_of(const char *url)
{
    return (struct bus_settings){.url = url,
                                 .max_stale_ms = 3000,
                                 .retain_ms = 24ull * 3600 * 1000,
                                 .retain_changes = 1000000,
                                 .timeout_ms = TIMEOUT_MS};
}

void open_with(struct peer *p, const struct bus_kit *kit, const char *cluster,
               struct bus_settings settings)
{
    memset(p, 0, sizeof *p);
    kit->url(p->url, cluster);
    settings.url = p->url;
    if (kit->timeout_ms > 0 && settings.timeout_ms == TIMEOUT_MS)
        settings.timeout_ms = kit->timeout_ms;
    p->ops = has_one_log(kit) ? bus_find(p->url, why) : &bus_http; /* it is not offered yet */
    CHECK(p->ops);
    OK(p->ops->open(&p->bus, &settings, why));
}

void attach(struct peer *p, const struct cursor *resume)
{
    OK(p->ops->attach(p->bus, resume, resume ? 0 : VIEW_ALL_MS, &p->attached, why));
    if (!resume)
        p->at = (struct cursor){
            .log = p->attached.log, .epoch = p->attached.epoch, .position = p->attached.after};
}

struct peer opened(const struct bus_kit *kit, const char *cluster)
{
    struct peer p;

    open_with(&p, kit, cluster, settings_of(NULL));
    attach(&p, NULL);
    return p;
}

void closed(struct peer *p)
{
    p->ops->close(p->bus);
}

struct id128 random_id(uint64_t *rng)
{
    return (struct id128){1 + test_random(rng, UINT64_MAX - 1), test_random(rng, UINT64_MAX)};
}

struct change removal(uint64_t *rng, const char *key)
{
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text(key),
                           .message = random_id(rng),
                           .wall_ms = 1700000000000,
                           .origin = bytes_of_text("web1"),
                           .incarnation = {7, 7},
                           .sequence = 1};
}

uint64_t published(struct peer *p, const struct change *changes, size_t count)
{
    struct position last = {0};

    OK(p->ops->publish(p->bus, changes, count, &last, why));
    CHECK(last.epoch == p->attached.epoch); /* B15 */
    return last.value;
}

uint64_t published_one(struct peer *p, uint64_t *rng, const char *key)
{
    struct change c = removal(rng, key);

    return published(p, &c, 1);
}

size_t read_some(struct peer *p, uint64_t timeout_ms, const struct entry **entries)
{
    size_t count = 0;

    OK(p->ops->read(p->bus, p->at.position, timeout_ms, entries, &count, why));
    CHECK(count <= DELIVER_BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        CHECK((*entries)[i].position > p->at.position); /* B1: they grow */
        CHECK(!id128_is_none((*entries)[i].change.message));
        CHECK((*entries)[i].trust == TRUST_FULL); /* to doubt is for what is around a bus */
        p->at.position = (*entries)[i].position;
        p->at.message = (*entries)[i].change.message;
        p->at.hash = cursor_hash(p->at.hash, p->at.position, p->at.message);
    }
    return count;
}

struct entry read_one(struct peer *p)
{
    const struct entry *entries = NULL;
    size_t count = 0;

    OK(p->ops->read(p->bus, p->at.position, TIMEOUT_MS, &entries, &count, why));
    CHECK(count > 0);
    p->at.position = entries[0].position;
    p->at.message = entries[0].change.message;
    return entries[0];
}

uint64_t head_of(struct peer *p)
{
    uint64_t head = 0;

    OK(p->ops->head(p->bus, &p->at, &head, why));
    return head;
}

uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void read_entries(struct peer *p, struct entry *out, size_t count)
{
    const struct entry *entries;

    for (size_t n = 0, some; n < count; n += some) {
        some = read_some(p, TIMEOUT_MS, &entries);
        CHECK(some > 0 && n + some <= count);
        memcpy(out + n, entries, some * sizeof *out);
    }
}
