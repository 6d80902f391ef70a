/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* ask.h - one question to the daemon's socket, for verbs that show a view. */
#ifndef ACCORD_CLI_ASK_H
#define ACCORD_CLI_ASK_H

#include "client/link.h"

enum { ASK_MS = 5000 };

struct view_options {
    const char *socket; /* NULL: the default */
    bool json;
    uint64_t timeout_ms; /* 0: ASK_MS */
};

/* Reads --socket, --json and --timeout; anything else is EXIT_USAGE, said on standard error. */
MUST_CHECK int view_options_read(struct view_options *o, int argc, char **argv);

/* Asks the daemon at `socket` (NULL: the default) and gives its reply, which may take so long,
 * valid until link_done(link). On failure as ask_view(). */
MUST_CHECK int ask_daemon(struct link *link, const char *socket, const struct bytes *words,
                          size_t count, uint64_t within_ms, const struct reply_node **reply);

/* Asks `command` and gives its reply, valid until link_done(link). On failure the message is
 * said on standard error and an exit code returned; EXIT_OK else. *link is done on failure. */
MUST_CHECK int ask_view(struct link *link, const struct view_options *o, const char *command,
                        const struct reply_node **reply);

/* ACCORD.NODES, and again while the bus's server is being asked who is connected; a second at
 * most. */
MUST_CHECK int ask_nodes(struct link *link, const struct view_options *o,
                         const struct reply_node **list);

/* A row of a view: a map somewhere in a reply. */
struct ask_row {
    const struct reply_node *nodes; /* of the whole reply */
    uint32_t index;
};

/* A field as text, or as a number; "" and 0 where it is missing. */
void ask_text(struct ask_row row, const char *field, char *out, size_t out_bytes);
uint64_t ask_number(struct ask_row row, const char *field);

/* The row as a JSON object, in the order and with the types of defs/view.def. NULL: no memory.
 */
struct json_t;
struct json_t *ask_json(struct ask_row row, const char *view);
/* A reply of rows as a JSON array, printed on a line. */
void ask_print_json(const struct reply_node *list, const char *view);

#endif
