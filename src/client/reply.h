/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reply.h - what did the daemon answer? RESP2 and RESP3 replies, parsed as hostile bytes.
 *
 * A reply becomes an array of nodes in the order they came: a parent, then its children. Node i
 * ends before nodes[i].next, which is the index of its next sibling. Nothing is copied: text
 * points into the input.
 *
 * Pure; any thread. No recursion; attributes and streamed types, which the daemon never sends,
 * are ACCORD_E_FORMAT.
 */
#ifndef ACCORD_CLIENT_REPLY_H
#define ACCORD_CLIENT_REPLY_H

#include "base/base.h"

enum {
    REPLY_DEPTH_MAX = 8,                /* arrays in arrays */
    REPLY_LINE_BYTES_MAX = 128 * 1024,  /* a simple string, an error, a number */
    REPLY_BYTES_MAX = 64 * 1024 * 1024, /* one whole reply */
    REPLY_NODES_MAX = 1 << 20
};

enum reply_type {
    REPLY_TEXT,    /* +OK, $5 hello, =9 txt:hello, ,1.5, (123…: text has it */
    REPLY_ERROR,   /* -WORD what happened, !…: text has it */
    REPLY_INTEGER, /* :7, #t: integer has it */
    REPLY_NULL,    /* $-1, *-1, _ */
    REPLY_LIST,    /* *, ~: count children */
    REPLY_MAP,     /* %: count children, keys and values in turn, so count is even */
    REPLY_PUSH     /* >: count children */
};

struct reply_node {
    enum reply_type type;
    uint32_t count;    /* children; of LIST, MAP and PUSH */
    uint32_t next;     /* index of the next sibling: the node is [its index, next) */
    struct bytes text; /* TEXT, ERROR: points into the input */
    int64_t integer;   /* INTEGER */
};

/* Parses one reply at the start of `in`. ACCORD_OK: *node_count nodes are filled and *used
 * bytes were read. ACCORD_E_ABSENT: it is not all there; nothing but *used is written: come
 * again when at least that many bytes are. ACCORD_E_FULL: more than nodes_max nodes.
 * ACCORD_E_FORMAT: not RESP; ACCORD_E_SIZE: over a limit above. */
MUST_CHECK int reply_parse(struct bytes in, struct reply_node *nodes, size_t nodes_max,
                           size_t *node_count, size_t *used);

/* The value beside `name` in nodes[0], a map or a list of names and values in turn; NULL: none.
 * It stays part of `nodes`. */
const struct reply_node *reply_field(const struct reply_node *nodes, const char *name);

/* The number in `node`, whether it came as :7 or as text. ACCORD_E_FORMAT: none; also for NULL.
 * *out is untouched then. */
MUST_CHECK int reply_u64(const struct reply_node *node, uint64_t *out);

/* Whether `node` is a text or an error that begins with `word` and then ends or has a space. */
bool reply_says(const struct reply_node *node, const char *word);

#endif
