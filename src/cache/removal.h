/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* removal.h - the writer's view of what a reader would find removed or expired. */
#ifndef ACCORD_CACHE_REMOVAL_H
#define ACCORD_CACHE_REMOVAL_H

#include "cache/writer_state.h"

/* A tag, prefix, namespace or everything was removed since the item was stored. */
bool removal_hard(const struct writer *w, const struct item_view *item);
bool removal_soft(const struct writer *w, const struct item_view *item);
/* Past its ttl and grace. */
bool removal_expired(const struct writer *w, const struct item_view *item);

#endif
