/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* words.h - the pieces of what a beat says in `about`: hexadecimal halves, numbers, names.
 *
 * Pure. What is read is hostile: each words_take…() that is false leaves *out untouched, and
 * the rest anywhere.
 */
#ifndef ACCORD_WIRE_WORDS_H
#define ACCORD_WIRE_WORDS_H

#include "base/base.h"

enum { WORDS_HALF_DIGITS = 16, WORDS_NUMBER_DIGITS_MAX = 20 };

/* Each returns what follows; no NUL. */
char *words_put_half(char *at, uint64_t half);
char *words_put_number(char *at, uint64_t number);
char *words_put(char *at, struct bytes what);

/* What is left of a text. */
struct words {
    const uint8_t *at;
    size_t left;
};

bool words_take(struct words *w, struct bytes what);
bool words_take_half(struct words *w, uint64_t *out);
/* From 1 on; no leading zero, and nothing that does not fit. */
bool words_take_number(struct words *w, uint64_t *out);
/* Up to the next space or the end: 1 to `bytes_max` bytes of printable ASCII. */
bool words_take_word(struct words *w, size_t bytes_max, struct bytes *out);

#endif
