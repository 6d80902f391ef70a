/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/signed.h"

#include <pthread.h>

#include "bus/layer.h"
#include "bus/replay.h"

struct signed_bus {
    struct bus_layer layer;
    const struct signing *signing;
    pthread_mutex_t
        mutex; /* guards the next three: publish() runs beside attach() and read() */
    struct id128 log;
    uint64_t epoch;
    uint64_t read_to;
    bool attached; /* of the reading thread, from here on */
    struct replay replay;
    struct entry entries[DELIVER_BATCH_MAX];
    struct change changes[PUBLISH_BATCH_MAX]; /* of the publishing thread, from here on */
    uint8_t about[PUBLISH_BATCH_MAX][CHANGE_ABOUT_BYTES_MAX];
};

static struct signed_bus *of(struct bus *b)
{
    return (struct signed_bus *)(void *)b;
}

static const struct bus_ops *inner_ops(const struct signed_bus *b)
{
    return layer_inner_ops(&b->layer);
}

static void signed_close(struct bus *bus)
{
    if (bus)
        pthread_mutex_destroy(&of(bus)->mutex);
    layer_close(bus);
}

static int signed_open(struct bus **out, const struct bus_settings *s,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct bus_layer *layer;

    ASSERT(s->signing);
    ASSERT(s->signing->key_count > 0);
    int status = layer_open(&layer, sizeof(struct signed_bus), signed_ops, s, why);
    if (status != ACCORD_OK)
        return status;
    *out = (struct bus *)(void *)layer;
    struct signed_bus *b = of(*out);
    b->signing = s->signing;
    ASSERT(pthread_mutex_init(&b->mutex, NULL) == 0);
    return ACCORD_OK;
}

static void read_up_to(struct signed_bus *b, uint64_t position)
{
    ASSERT(pthread_mutex_lock(&b->mutex) == 0);
    b->read_to = u64_max(b->read_to, position);
    ASSERT(pthread_mutex_unlock(&b->mutex) == 0);
}

static int signed_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                         struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct signed_bus *b = of(bus);
    struct bus_attached a;
    int status = inner_ops(b)->attach(b->layer.inner, resume, view_ms, &a, why);

    if (status != ACCORD_OK)
        return status;
    if (!b->attached || !id128_equal(b->log, a.log) || b->epoch != a.epoch) {
        ASSERT(pthread_mutex_lock(&b->mutex) == 0);
        b->log = a.log;
        b->epoch = a.epoch;
        b->read_to = 0;
        ASSERT(pthread_mutex_unlock(&b->mutex) == 0);
        b->attached = true;
        replay_begin(&b->replay, a.after, a.head);
    }
    read_up_to(b, a.head);
    *out = a;
    return ACCORD_OK;
}

static void judge(struct signed_bus *b, struct entry *e)
{
    uint64_t read_to;

    e->trust = signing_verify(b->signing, b->log, &e->change, &read_to);
    if (e->trust == TRUST_FULL && read_to != UINT64_MAX)
        e->trust = replay_judge(&b->replay, e->position, &e->change, read_to);
}

static int signed_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                       const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    struct signed_bus *b = of(bus);
    const struct entry *from = NULL;
    size_t found = 0;
    int status = inner_ops(b)->read(b->layer.inner, after, timeout_ms, &from, &found, why);

    if (status != ACCORD_OK)
        return status;
    ASSERT(found <= DELIVER_BATCH_MAX);
    for (size_t i = 0; i < found; i++) {
        b->entries[i] = from[i];
        judge(b, &b->entries[i]);
    }
    if (found > 0)
        read_up_to(b, b->entries[found - 1].position);
    *entries = b->entries;
    *count = found;
    return ACCORD_OK;
}

/* Where our own was put the log has been, as surely as if we had read it: so who publishes much
 * faster than it reads signs for no place that others have forgotten. */
static void acknowledged(struct signed_bus *b, const struct position *last)
{
    ASSERT(pthread_mutex_lock(&b->mutex) == 0);
    if (b->epoch == last->epoch)
        b->read_to = u64_max(b->read_to, last->value);
    ASSERT(pthread_mutex_unlock(&b->mutex) == 0);
}

static int signed_publish(struct bus *bus, const struct change *changes, size_t count,
                          struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct signed_bus *b = of(bus);
    int status = bus_check_changes(changes, count, why);

    if (status != ACCORD_OK)
        return status;
    ASSERT(pthread_mutex_lock(&b->mutex) == 0);
    struct id128 log = b->log;
    uint64_t read_to = b->read_to;
    ASSERT(pthread_mutex_unlock(&b->mutex) == 0);
    for (size_t i = 0; i < count; i++) {
        b->changes[i] = changes[i];
        signing_sign(b->signing, log, read_to, &b->changes[i], b->about[i]);
    }
    status = inner_ops(b)->publish(b->layer.inner, b->changes, count, last, why);
    if (status == ACCORD_OK)
        acknowledged(b, last);
    return status;
}

void signed_ops(struct bus_ops *out, const struct bus_ops *inner)
{
    layer_ops(out, inner);
    out->open = signed_open;
    out->close = signed_close;
    out->attach = signed_attach;
    out->read = signed_read;
    out->publish = signed_publish;
}
