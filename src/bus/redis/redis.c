/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/redis.h"

#include <stdlib.h>

#include "bus/redis/admin.h"
#include "bus/redis/publisher.h"
#include "bus/redis/reader.h"

struct redis_bus {
    struct bus_base base;
    struct redis_place place;
    struct bus_settings settings;
    struct redis_shared shared;
    struct redis_reader reader;       /* of the thread that reads */
    struct redis_publisher publisher; /* of the thread that publishes */
};

static void redis_close(struct bus *bus)
{
    struct redis_bus *b = (struct redis_bus *)bus;

    if (!b)
        return;
    redis_reader_done(&b->reader);
    redis_publisher_done(&b->publisher);
    redis_tls_context_free(b->shared.tls);
    pthread_mutex_destroy(&b->shared.mutex);
    redis_place_done(&b->place);
    free(b);
}

static int init(struct redis_bus *b, const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    b->settings = *s;
    b->settings.url = NULL;
    b->shared = (struct redis_shared){.place = &b->place, .settings = &b->settings};
    pthread_mutex_init(&b->shared.mutex, NULL);
    if (s->timeout_ms == 0 || s->max_stale_ms == 0)
        return bus_fail(why, ACCORD_E_INVALID, "timeout and max_stale must be at least 1 ms");
    int status = redis_place_init(&b->place, s->url, why);
    if (status == ACCORD_OK)
        redis_place_of_node(&b->place, s->node);
    if (status == ACCORD_OK && b->place.tls)
        status = redis_tls_context_new(&b->shared.tls, &b->place, why);
    if (status == ACCORD_OK)
        status = redis_publisher_init(&b->publisher, &b->shared, why);
    if (status == ACCORD_OK)
        status = redis_reader_init(&b->reader, &b->shared, why);
    return status;
}

static int redis_open(struct bus **out, const struct bus_settings *s,
                      char why[BUS_WHY_BYTES_MAX])
{
    struct redis_bus *b = calloc(1, sizeof *b);

    if (!b)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    b->base.ops = &bus_redis;
    int status = init(b, s, why);
    if (status != ACCORD_OK) {
        redis_close((struct bus *)b);
        return status;
    }
    *out = (struct bus *)b;
    return ACCORD_OK;
}

static int redis_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                        struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct redis_bus *b = (struct redis_bus *)bus;

    return redis_reader_attach(&b->reader, resume, view_ms, out, why);
}

static int redis_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                      const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    struct redis_bus *b = (struct redis_bus *)bus;

    return redis_reader_read(&b->reader, after, timeout_ms, entries, count, why);
}

static int redis_head(struct bus *bus, const struct cursor *at, uint64_t *head,
                      char why[BUS_WHY_BYTES_MAX])
{
    struct redis_bus *b = (struct redis_bus *)bus;

    return redis_reader_head(&b->reader, at, head, why);
}

static int redis_publish(struct bus *bus, const struct change *changes, size_t count,
                         struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct redis_bus *b = (struct redis_bus *)bus;

    int status = bus_check_changes(changes, count, why);
    if (status != ACCORD_OK)
        return status;
    return redis_publisher_publish(&b->publisher, changes, count, last, why);
}

static void redis_wake(struct bus *bus)
{
    struct redis_bus *b = (struct redis_bus *)bus;

    redis_reader_wake(&b->reader);
}

static int redis_present(struct bus *bus, const char *const *names, size_t count, bool *there,
                         char why[BUS_WHY_BYTES_MAX])
{
    struct redis_bus *b = (struct redis_bus *)bus;

    return redis_reader_present(&b->reader, names, count, there, why);
}

#define REPLACED                                                                               \
    "without replicas=n, a primary that was replaced is still trusted by the nodes that "      \
    "reach "                                                                                   \
    "it alone"
#define EVICTS                                                                                 \
    "allow-evicting=1: the server may throw the log away, then every cache begins anew"

/* Asks nothing of the server: what cannot be parsed was refused by open(). */
static const char *redis_caveat(const char *url)
{
    char why[BUS_WHY_BYTES_MAX];
    struct redis_place p;

    if (redis_place_init(&p, url, why) != ACCORD_OK)
        return NULL;
    bool fenced = p.replicas > 0, evicts = p.allow_evicting;
    redis_place_done(&p);
    if (evicts)
        return fenced ? EVICTS : EVICTS "; " REPLACED;
    return fenced ? NULL : REPLACED;
}

/* The head is linearizable on the primary. One that was replaced behind its back goes on
 * answering those that still reach it, as it would echo their beats: only replicas=n tells. */
const struct bus_ops bus_redis = {
    .scheme = "redis",
    .also = "rediss",
    .caps = {.one_host = false,
             .head_linearizable = true,
             .may_lose_tail = true,
             .durability = "as the server's appendonly and appendfsync say"},
    .open = redis_open,
    .close = redis_close,
    .attach = redis_attach,
    .read = redis_read,
    .head = redis_head,
    .publish = redis_publish,
    .wake = redis_wake,
    .present = redis_present,
    .tools = {.schema = redis_schema, .drop = redis_drop, .caveat = redis_caveat},
};
