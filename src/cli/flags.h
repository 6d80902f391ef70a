/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* flags.h - what the client verbs were asked to do: flags anywhere, words in order.
 *
 * `--name value` and `--name=value`; after `--` everything is a word. A verb's table adds its
 * own flags to --socket, --json and --timeout, which all of them have. */
#ifndef ACCORD_CLI_FLAGS_H
#define ACCORD_CLI_FLAGS_H

#include <accord.h>

#include "base/base.h"

enum flag_kind {
    FLAG_ON,    /* bool */
    FLAG_TEXT,  /* const char * */
    FLAG_TEXTS, /* struct texts: tags; may be repeated */
    FLAG_MS,    /* uint64_t milliseconds, written "500ms", "5s", "1h", "never" */
    FLAG_LIFE,  /* the same, but more than 0 */
    FLAG_NUMBER /* uint64_t */
};

enum { TEXTS_MAX = 32 };
struct texts {
    const char *text[TEXTS_MAX];
    size_t count;
};

struct flag {
    const char *name; /* with its dashes */
    enum flag_kind kind;
    void *into;
};

struct asked {
    const char *socket; /* NULL: the default */
    bool json;
    uint64_t timeout_ms; /* of one round trip; 0: the library's */
    char **words;        /* in argv, which is rearranged */
    size_t word_count;
    size_t
        after; /* index in `words` of the first one after `--`; word_count if there was none */
};

/* Reads argv[1..]. EXIT_OK, or EXIT_USAGE after it has said what is wrong and what is expected;
 * *out is then partly filled. `flags` of FLAG_TEXTS must be zeroed. */
MUST_CHECK int flags_read(struct asked *out, const struct flag *flags, size_t flag_count,
                          int argc, char **argv);

#endif
