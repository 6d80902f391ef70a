/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* change.h - commands to the daemon, put together argument by argument. */
#ifndef ACCORD_CLIENT_CHANGE_H
#define ACCORD_CLIENT_CHANGE_H

#include "client/handle.h"

#include "wire/change.h"

enum {
    CALL_ARGS_MAX = 20 + ACCORD_TAGS_MAX,
    CALL_NUMBERS_MAX = 8,
    CALL_VALUE_BYTES_MAX = 16 * 1024 * 1024, /* no segment has a block as large */
    CALL_WAIT_MS_MAX = 1000 * 3600 * 24
};

/* Zeroed is empty. Arguments are borrowed, but for numbers and the token. */
struct call {
    struct bytes args[CALL_ARGS_MAX];
    size_t count;
    char numbers[CALL_NUMBERS_MAX][DIGITS_MAX];
    size_t number_count;
    char token[TOKEN_TEXT_BYTES_MAX];
};

void call_word(struct call *c, const char *word);
void call_bytes(struct call *c, struct bytes arg);
void call_number(struct call *c, uint64_t number);

/* ACCORD_E_INVALID: too many tags, or one that is none; accord_last_error() says so. `o` may be
 * NULL. */
MUST_CHECK int fill_options_check(const struct accord_fill_options *o);
void call_fill_options(struct call *c, const struct accord_fill_options *o);
/* ACCORD.FILL. ACCORD_E_INVALID: the options; *c is untouched. */
MUST_CHECK int call_fill(struct call *c, struct bytes key, struct bytes value,
                         const struct accord_token *token,
                         const struct accord_fill_options *options);

/* ACCORD_E_INVALID: flags, a wait or an id that is none; accord_last_error() says which. `o`
 * may be NULL. */
MUST_CHECK int remove_options_check(const struct accord_remove_options *o);
void call_remove_options(struct call *c, const struct accord_remove_options *o);
/* Sends a removal, told whose options, and answers as accord_remove(). */
int ask_removal(struct accord *a, const struct bytes *args, size_t count,
                const struct accord_remove_options *o, struct accord_position *position);

#endif
