/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* text.h - one line for people, put together without the C library's formatting.
 *
 * Pure. A line that does not fit ends early; it is never an error.
 */
#ifndef ACCORD_CORE_TEXT_H
#define ACCORD_CORE_TEXT_H

#include "base/base.h"

enum { TEXT_BYTES_MAX = 512 };

struct text {
    char data[TEXT_BYTES_MAX]; /* NUL-terminated at every moment */
    size_t used;               /* without the NUL */
};

/* Starts anew with `text`. `text` may be NULL (empty), and may be t->data itself. */
void text_set(struct text *t, const char *text);
void text_add(struct text *t, const char *text);
/* Bytes of others: what is not printable ASCII becomes '?'. */
void text_add_bytes(struct text *t, struct bytes bytes);
void text_add_number(struct text *t, uint64_t number);
void text_add_seconds(struct text *t, uint64_t ns); /* "3 s", "2.4 s", "0.05 s" */

#endif
