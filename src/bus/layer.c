/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/layer.h"

#include <stdlib.h>

static struct bus_layer *of(struct bus *b)
{
    return (struct bus_layer *)(void *)b;
}

const struct bus_ops *layer_inner_ops(const struct bus_layer *l)
{
    return ((const struct bus_base *)(const void *)l->inner)->ops;
}

int layer_open(struct bus_layer **out, size_t size_bytes,
               void (*ops)(struct bus_ops *out, const struct bus_ops *inner),
               const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    const struct bus_ops *inner = bus_find(s->url, why);

    ASSERT(size_bytes >= sizeof(struct bus_layer));
    if (!inner)
        return ACCORD_E_INVALID;
    struct bus_layer *l = calloc(1, size_bytes);
    if (!l)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status = inner->open(&l->inner, s, why);
    if (status != ACCORD_OK) {
        free(l);
        return status;
    }
    ops(&l->ops, inner);
    l->base.ops = &l->ops;
    *out = l;
    return ACCORD_OK;
}

void layer_close(struct bus *b)
{
    struct bus_layer *l = of(b);

    if (!l)
        return;
    layer_inner_ops(l)->close(l->inner);
    free(l);
}

static int layer_attach(struct bus *b, const struct cursor *resume, uint64_t view_ms,
                        struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    return layer_inner_ops(of(b))->attach(of(b)->inner, resume, view_ms, out, why);
}

static int layer_read(struct bus *b, uint64_t after, uint64_t timeout_ms,
                      const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    return layer_inner_ops(of(b))->read(of(b)->inner, after, timeout_ms, entries, count, why);
}

static int layer_head(struct bus *b, const struct cursor *at, uint64_t *head,
                      char why[BUS_WHY_BYTES_MAX])
{
    return layer_inner_ops(of(b))->head(of(b)->inner, at, head, why);
}

static int layer_publish(struct bus *b, const struct change *changes, size_t count,
                         struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    return layer_inner_ops(of(b))->publish(of(b)->inner, changes, count, last, why);
}

static void layer_wake(struct bus *b)
{
    layer_inner_ops(of(b))->wake(of(b)->inner);
}

static int layer_present(struct bus *b, const char *const *names, size_t count, bool *there,
                         char why[BUS_WHY_BYTES_MAX])
{
    return layer_inner_ops(of(b))->present(of(b)->inner, names, count, there, why);
}

void layer_ops(struct bus_ops *out, const struct bus_ops *inner)
{
    *out = *inner;
    out->open = NULL;
    out->close = layer_close;
    out->attach = layer_attach;
    out->read = layer_read;
    out->head = layer_head;
    out->publish = layer_publish;
    out->wake = layer_wake;
    out->present = inner->present ? layer_present : NULL;
}
