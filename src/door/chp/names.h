/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* names.h - what a key of the cache is called in a CHP tree, and the other way.
 *
 * A declared namespace is a subtree: of greeble, "greeble:43" is "/greeble/43", so that a
 * client subscribes to a namespace as to any subtree. Every other key is called as it is. A key
 * such as
 * "/greeble/43" in the cache, beside a namespace greeble, has no name in the tree: that one is
 * taken. Nor has a key that is one of the protocol's own words, or begins
 * with "/accord/", where the logs of the CHP bus are.
 */
#ifndef ACCORD_DOOR_CHP_NAMES_H
#define ACCORD_DOOR_CHP_NAMES_H

#include "base/limits.h"
#include "core/core.h"

/* The longest name: of a key in a namespace, which has one byte more. */
#define CHP_NAME_BYTES_MAX (KEY_BYTES_MAX + 1)

/* False: it has none. *name points into `key` or into `room`. */
bool chp_name_of(const struct namespace_settings *namespaces, size_t count, struct bytes key,
                 uint8_t room[CHP_NAME_BYTES_MAX], struct bytes *name);

/* False: no key is called so; *why (static) says why. *key points into `name` or into `room`.
 */
bool chp_key_of(const struct namespace_settings *namespaces, size_t count, struct bytes name,
                uint8_t room[KEY_BYTES_MAX], struct bytes *key, const char **why);

#endif
