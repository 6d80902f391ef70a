/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* layer.h - a bus around another bus: each call goes on to the one beneath, until the layer
 * says otherwise. Whoever writes a layer embeds struct bus_layer at its start, takes
 * layer_ops() and replaces open() and what it adds to.
 *
 * Threads and ownership are bus.h's. The bus beneath knows nothing of it.
 */
#ifndef ACCORD_BUS_LAYER_H
#define ACCORD_BUS_LAYER_H

#include "bus/bus.h"

struct bus_layer {
    struct bus_base base;
    struct bus_ops ops; /* what `base` points to: a layer's caps are those beneath */
    struct bus *inner;
};

/* The ops of `inner`, each going on to the bus beneath. open() is left to the layer. */
void layer_ops(struct bus_ops *out, const struct bus_ops *inner);

/* Opens the bus of the settings' URL beneath a new layer of size_bytes, all else zero; `ops`
 * makes the layer's from those. Fails as open() does, also with ACCORD_E_NOMEM; *out is
 * untouched then. */
MUST_CHECK int layer_open(struct bus_layer **out, size_t size_bytes,
                          void (*ops)(struct bus_ops *out, const struct bus_ops *inner),
                          const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);

void layer_close(struct bus *b); /* of a layer that has more to end than itself; NULL is fine */

const struct bus_ops *layer_inner_ops(const struct bus_layer *l);

#endif
