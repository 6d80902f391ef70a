/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* batch.c - removals collected here, and sent as one ACCORD.BATCH. */
#include "client/change.h"

#include "base/limits.h"
#include "client/last_error.h"

#include <stdlib.h>

enum { WORDS_MAX = 2 }; /* before the names: the command, and how many */

_Static_assert((int)ACCORD_BATCH_MAX == (int)PUBLISH_BATCH_MAX, "one limit");
_Static_assert(WORDS_MAX + 2 * ACCORD_BATCH_MAX + CALL_ARGS_MAX <= LINK_ARGS_MAX, "it fits");

struct accord_batch {
    struct accord *a;
    size_t count;
    bool only_keys;
    struct bytes names[ACCORD_BATCH_MAX]; /* ours */
    const char *kinds[ACCORD_BATCH_MAX];
};

int accord_batch_begin(struct accord *a, struct accord_batch **out)
{
    if (!a || !out)
        return last_error_invalid(true);
    struct accord_batch *b = malloc(sizeof *b);
    if (!b)
        return last_error(ACCORD_E_NOMEM, "");
    b->a = a;
    b->count = 0;
    b->only_keys = true;
    *out = b;
    return ACCORD_OK;
}

static int add(struct accord_batch *b, const char *kind, const void *name, size_t size_bytes)
{
    if (!b || !key_is_valid(name, size_bytes))
        return last_error_invalid(key_is_valid(name, size_bytes));
    if (b->count == ACCORD_BATCH_MAX)
        return last_error_text(ACCORD_E_FULL,
                               bytes_of_text("a batch holds at most 1024 removals"));
    uint8_t *copy = malloc(size_bytes);
    if (!copy)
        return last_error(ACCORD_E_NOMEM, "");
    memcpy(copy, name, size_bytes);
    b->kinds[b->count] = kind;
    b->names[b->count++] = bytes_of(copy, size_bytes);
    return ACCORD_OK;
}

int accord_batch_remove(struct accord_batch *b, const void *key, size_t key_bytes)
{
    return add(b, "KEY", key, key_bytes);
}

static int add_text(struct accord_batch *b, const char *kind, const char *name)
{
    int status = add(b, kind, name, name ? strlen(name) : 0);

    if (status == ACCORD_OK)
        b->only_keys = false;
    return status;
}

int accord_batch_remove_by_tag(struct accord_batch *b, const char *tag)
{
    return add_text(b, "TAG", tag);
}

int accord_batch_clear(struct accord_batch *b, const char *name)
{
    return add_text(b, "CLEAR", name);
}

void accord_batch_discard(struct accord_batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        free((void *)(uintptr_t)b->names[i].data);
    free(b);
}

static int commit(struct accord_batch *b, const struct accord_remove_options *options,
                  struct accord_position *position)
{
    size_t room = WORDS_MAX + 2 * b->count + CALL_ARGS_MAX, count = WORDS_MAX;
    char number[DIGITS_MAX];
    struct call tail = {.count = 0};

    struct bytes *args = malloc(room * sizeof *args);
    if (!args)
        return last_error(ACCORD_E_NOMEM, "");
    args[0] = bytes_of_text("ACCORD.BATCH");
    args[1] = digits(number, b->count);
    for (size_t i = 0; i < b->count; i++) {
        args[count++] = bytes_of_text(b->kinds[i]);
        args[count++] = b->names[i];
    }
    call_remove_options(&tail, options);
    memcpy(args + count, tail.args, tail.count * sizeof *args);
    int status = ask_removal(b->a, args, count + tail.count, options, position);
    free(args);
    return status;
}

static int commit_check(const struct accord_batch *b,
                        const struct accord_remove_options *options)
{
    if (!b)
        return last_error_invalid(true);
    if (b->count == 0)
        return last_error_say(ACCORD_E_INVALID, "the batch is empty: nothing was removed");
    if (options && options->version > 0 && !b->only_keys)
        return last_error_say(ACCORD_E_INVALID,
                              "a version is for a batch of keys only: nothing was removed");
    return remove_options_check(options);
}

int accord_batch_commit(struct accord_batch *b, const struct accord_remove_options *options,
                        struct accord_position *position)
{
    int status = commit_check(b, options);

    if (status == ACCORD_OK)
        status = commit(b, options, position);
    accord_batch_discard(b);
    return status;
}
