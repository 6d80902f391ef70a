/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* token.h - "was anything that touches this key removed since I began to load it?"
 *
 * A token is read before the origin is read, and handed back with the value. The writer
 * refuses the fill when any of the four has moved (design, section 5; promise P2).
 *
 * Pure. Any thread.
 */
#ifndef ACCORD_CACHE_TOKEN_H
#define ACCORD_CACHE_TOKEN_H

#include "base/base.h"
#include "base/limits.h"

struct token {
    struct id128 incarnation; /* of the daemon that gave it: counters mean nothing elsewhere */
    uint64_t epoch;           /* of the lease: moves whenever the lease was lost */
    uint64_t slot;            /* counter of the key's slot: moves with each removal of a key */
    uint64_t bulk; /* number of the newest removal of a tag, prefix, namespace, all */
};

/* Prints `t` as URL-safe base64 of its 40 bytes, 54 characters, NUL-terminated. */
void token_print(const struct token *t, char text[TOKEN_TEXT_BYTES_MAX]);

/* Reads what token_print() wrote. ACCORD_E_FORMAT: not a token; *out is untouched. */
MUST_CHECK int token_parse(struct bytes text, struct token *out);

#endif
