/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fill.h - the items that side-by-side programs share: 16-byte keys in namespace f, 100-byte
 * values, stored over RESP as a cache is filled: GET misses, then SET on the same connection.
 * (A node's namespace f needs `set = fill`.) */
#ifndef ACCORD_BENCH_FILL_H
#define ACCORD_BENCH_FILL_H

#include <stddef.h>
#include <stdint.h>

enum { FILL_KEY_BYTES = 16, FILL_VALUE_BYTES = 100 };
#define FILL_CONFIG "[namespace f]\nset = fill\n"

void fill_key(uint64_t number, char key[FILL_KEY_BYTES + 1]);
/* Stores keys 0..count-1, pipelined, and insists on every reply. */
void fill_items(int fd, uint64_t count);

/* The whole bulk reply to an inline command, NUL-terminated. Static. */
const char *fill_bulk(int fd, const char *command);
/* What is after "field:" in the reply to INFO: the text, which is static, or its number. */
const char *fill_info_text(int fd, const char *field);
uint64_t fill_info(int fd, const char *field);
/* The integer reply to an inline command. */
uint64_t fill_integer(int fd, const char *command);

#endif
