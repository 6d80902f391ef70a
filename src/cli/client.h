/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* client.h - what the verbs that speak to a daemon share: opening it, failing well, printing
 * bytes of anything. */
#ifndef ACCORD_CLI_CLIENT_H
#define ACCORD_CLI_CLIENT_H

#include "cli/flags.h"

#include <jansson.h>

enum { VALUE_BYTES_MAX = 16 * 1024 * 1024 }; /* beyond any daemon's limit */

/* EXIT_OK, or the exit code after it has said what is wrong. */
MUST_CHECK int client_open(struct accord **out, const struct asked *asked,
                           const struct accord_options *options);
/* Says what the daemon said to the call that failed, and answers the exit code for `status`. */
int client_fail(int status);

/* A value read from memory, or of a file. The caller frees `data`. */
struct owned {
    char *data;
    size_t size_bytes;
};
/* `text`, or standard input where it is "-". EXIT_OK, or after saying why. */
MUST_CHECK int value_read(struct owned *out, const char *text);

/* Bytes as a JSON string if they are UTF-8; else {"base64": "…"}. NULL: out of memory. */
json_t *json_bytes(const void *data, size_t size_bytes);
/* Prints *object on one line of standard output and frees it. EXIT_OK, or EXIT_FAILED where
 * it is NULL or cannot be written. */
MUST_CHECK int json_print(json_t *object);
/* Prints bytes with everything that is not printable ASCII as \xNN; one line, no newline. */
void print_escaped(const void *data, size_t size_bytes);

/* "12@1f", as ACCORD.SYNC and `--json` have it. */
enum { POSITION_BYTES_MAX = 48 };
const char *position_text(const struct accord_position *p, char text[POSITION_BYTES_MAX]);

/* The end of every change: prints what was done and where it stands in the log (ack = local:
 * that it is on this disk), or says that other hosts may not have it yet. */
MUST_CHECK int change_done(const struct asked *asked, const char *word, int status,
                           const struct accord_position *position);

/* Who confirmed a removal with --wait, collected while it runs. Zeroed: none told yet. */
struct standings {
    bool asked;
    json_t *lists[ACCORD_UNKNOWN + 1]; /* arrays of names, by enum accord_standing */
};
/* What --soft and --wait ask for; wait_ms is WAIT_NOT_ASKED without --wait. `s` is borrowed
 * until the removal is done. */
#define WAIT_NOT_ASKED (ACCORD_FOREVER - 1)
/* EXIT_OK, or after saying what is wrong with --id (NULL: not given). */
MUST_CHECK int removal_id_check(const char *verb, const char *id);
void removal_options(struct accord_remove_options *o, bool soft, uint64_t wait_ms,
                     struct standings *s);
/* change_done() of a removal: with --wait it also says who confirmed, who lapsed, and, where
 * the outcome is unknown, who has not confirmed. Frees what was collected. */
MUST_CHECK int removal_done(const struct asked *asked, const char *word, int status,
                            const struct accord_position *position, struct standings *s);

#endif
