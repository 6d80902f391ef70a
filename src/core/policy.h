/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* policy.h - what the namespace of a key asks for: how long, and what while unsure.
 *
 * Pure; immutable after policy_init(). The order of namespaces is that of the segment, so that
 * writer_namespace_of() is an index here.
 */
#ifndef ACCORD_CORE_POLICY_H
#define ACCORD_CORE_POLICY_H

#include "core/core.h"

struct policy {
    struct namespace_settings list[NAMESPACES_MAX];
    size_t count;
};

/* ACCORD_E_INVALID: none or too many, a ttl of 0, permilles out of range; *p is untouched. */
MUST_CHECK int policy_init(struct policy *p, const struct namespace_settings *list,
                           size_t count);

const struct namespace_settings *policy_of(const struct policy *p, size_t index);

/* `item` as it shall be stored: ttl_ns 0 and grace_ns UINT64_MAX become the namespace's,
 * a negative one gets the negative_ttl. `unsure`: it is kept for unsure_ttl at most, without
 * grace, and marked. */
struct item policy_item(const struct namespace_settings *n, const struct item *item,
                        bool unsure);
/* The index of a declared namespace; "" and "default" are the first. ACCORD_E_ABSENT. */
MUST_CHECK int policy_find(const struct policy *p, struct bytes name, size_t *index);
/* The smallest max_stale that a namespace asks for; UINT64_MAX: none does. */
uint64_t policy_tightest_ns(const struct policy *p);
/* The first namespace whose max_stale is larger than the cluster's; NULL: none. */
const struct namespace_settings *policy_too_lax(const struct policy *p, uint64_t max_stale_ns);
/* Whether such an item is kept at all while there is no lease. */
bool policy_keeps_unsure(const struct namespace_settings *n);

#endif
