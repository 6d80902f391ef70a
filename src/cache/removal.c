/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/removal.h"

bool removal_hard(const struct writer *w, const struct item_view *item)
{
    const struct namespace_entry *space =
        w->namespaces + namespace_of(&w->view, item_key(w, item));

    if (item->bulk < w->header->generation_hard || item->bulk < space->hard)
        return true;
    for (uint32_t i = 0; i < item->tag_count; i++)
        if (item->bulk < w->tags[item_tag(&w->view, item, i)].hard)
            return true;
    return false;
}

bool removal_soft(const struct writer *w, const struct item_view *item)
{
    const struct namespace_entry *space =
        w->namespaces + namespace_of(&w->view, item_key(w, item));

    if ((item->flags & ITEM_SOFT) || item->bulk < w->header->generation_soft ||
        item->bulk < space->soft)
        return true;
    for (uint32_t i = 0; i < item->tag_count; i++)
        if (item->bulk < w->tags[item_tag(&w->view, item, i)].soft)
            return true;
    return false;
}

bool removal_expired(const struct writer *w, const struct item_view *item)
{
    uint64_t end_ms = u64_add_sat(item->birth_ms, u64_add_sat(item->ttl_ms, item->grace_ms));

    return w->now_ns / NS_PER_MS >= end_ms;
}
