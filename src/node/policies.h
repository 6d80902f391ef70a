/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* policies.h - do the nodes of a cluster ask for the same of their namespaces?
 *
 * A node says in each beat what its namespaces ask for, as one line of words:
 *
 *     default user user.ttl=1h user.delimiter=/ #5c3a91d2
 *
 * Each namespace by its name, and what of it is not the standard. Words that do not fit are
 * left out; then the last one is a hash of all of them. Nodes may differ on purpose (a ttl), or
 * by mistake: a delimiter that one lacks leaves there what a prefix should have removed.
 *
 * Pure. The line of another node is hostile: any text is a text.
 */
#ifndef ACCORD_NODE_POLICIES_H
#define ACCORD_NODE_POLICIES_H

#include "core/core.h"

void policies_print(const struct namespace_settings *list, size_t count,
                    char out[POLICIES_BYTES_MAX + 1]);

/* What differs, for people: "user.ttl is 2h there, 1h here; only here: shop". Cut where `out`
 * ends; empty where nothing differs. True: something does. */
bool policies_differ(const char *here, const char *there, char *out, size_t out_bytes);

#endif
