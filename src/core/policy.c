/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/policy.h"

static bool valid(const struct namespace_settings *n)
{
    return n->ttl_ns > 0 && n->negative_ttl_ns > 0 && n->unsure_ttl_ns > 0 &&
           n->max_stale_ns > 0 && n->refresh_permille <= 1000 && n->jitter_permille <= 1000 &&
           n->when_unsure <= WHEN_UNSURE_ERROR && n->version <= VERSION_ROW &&
           n->set <= SET_FILL && memchr(n->name, '\0', sizeof n->name);
}

int policy_init(struct policy *p, const struct namespace_settings *list, size_t count)
{
    if (count == 0 || count > NAMESPACES_MAX)
        return ACCORD_E_INVALID;
    for (size_t i = 0; i < count; i++)
        if (!valid(&list[i]))
            return ACCORD_E_INVALID;
    memcpy(p->list, list, count * sizeof *list);
    p->count = count;
    return ACCORD_OK;
}

const struct namespace_settings *policy_of(const struct policy *p, size_t index)
{
    ASSERT(p->count > 0);
    /* A segment with more namespaces than settings would be a bug of the shell; the default's
     * settings are those of every key without a namespace. */
    ASSERT(index < p->count);
    return &p->list[index];
}

int policy_find(const struct policy *p, struct bytes name, size_t *index)
{
    bool is_default = name.size_bytes == 0 || bytes_equal(name, bytes_of_text("default"));

    for (size_t i = is_default ? 0 : 1; i < p->count; i++) {
        if (!is_default && !bytes_equal(name, bytes_of_text(p->list[i].name)))
            continue;
        *index = i;
        return ACCORD_OK;
    }
    return ACCORD_E_ABSENT;
}

uint64_t policy_tightest_ns(const struct policy *p)
{
    uint64_t tightest_ns = UINT64_MAX;

    for (size_t i = 0; i < p->count; i++)
        tightest_ns = u64_min(tightest_ns, p->list[i].max_stale_ns);
    return tightest_ns;
}

const struct namespace_settings *policy_too_lax(const struct policy *p, uint64_t max_stale_ns)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].max_stale_ns != UINT64_MAX && p->list[i].max_stale_ns > max_stale_ns)
            return &p->list[i];
    return NULL;
}

bool policy_keeps_unsure(const struct namespace_settings *n)
{
    return n->when_unsure != WHEN_UNSURE_ERROR;
}

struct item policy_item(const struct namespace_settings *n, const struct item *item,
                        bool unsure)
{
    struct item out = *item;
    bool negative = (item->flags & ITEM_NEGATIVE) != 0;

    ASSERT(n->ttl_ns > 0);
    if (out.ttl_ns == 0)
        out.ttl_ns = negative ? n->negative_ttl_ns : n->ttl_ns;
    if (out.grace_ns == UINT64_MAX)
        out.grace_ns = negative ? 0 : n->grace_ns;
    out.flags = negative ? ITEM_NEGATIVE : 0;
    if (unsure) {
        ASSERT(policy_keeps_unsure(n));
        out.flags |= ITEM_UNSURE;
        out.ttl_ns = u64_min(out.ttl_ns, n->unsure_ttl_ns);
        out.grace_ns = 0;
    }
    ASSERT(out.ttl_ns > 0);
    return out;
}
