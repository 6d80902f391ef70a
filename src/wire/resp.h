/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* resp.h - Redis's protocol, the server's half: reads commands, writes replies.
 *
 * A command is an array of bulk strings, or one line of words ("inline"). The parser keeps its
 * place between calls, copies nothing and allocates nothing: arguments are ranges of the
 * caller's buffer. What it refuses, it refuses in Redis's words.
 *
 * An argument that is longer than the caller can use, though Redis's protocol allows it, is
 * dropped while it streams in; the command then comes with that argument marked, so that it can
 * be answered, and the connection goes on. No declared length ever makes anybody allocate it.
 *
 * Pure. What is read is hostile.
 */
#ifndef ACCORD_WIRE_RESP_H
#define ACCORD_WIRE_RESP_H

#include "base/base.h"
#include "base/limits.h"

struct resp_argument {
    uint32_t offset; /* in the buffer */
    uint32_t bytes;
    bool dropped; /* longer than argument_bytes_max: only its length is known */
};

struct resp_parser {
    struct resp_argument *arguments; /* the caller's; may move between calls */
    uint32_t capacity;
    uint32_t count; /* of the command so far */
    /* At most this many bytes in one argument; more are dropped. */
    uint32_t argument_bytes_max;
    /* As Redis does before AUTH: few arguments, short ones. */
    bool unauthenticated;

    /* Private. */
    uint8_t state;
    uint32_t expected;   /* arguments still to come */
    uint32_t bulk_bytes; /* of the argument being read */
    uint32_t skip_bytes; /* of it, still to be dropped, line end included */
    size_t position;     /* parsed up to here */
    size_t searched;     /* no line end before here */
    const char *problem;
    char problem_text[64];
};

enum resp_outcome {
    RESP_MORE,    /* the bytes end before the command does */
    RESP_COMMAND, /* p->arguments[0..count) hold one; p->position bytes are done with */
    RESP_NOTHING, /* an empty line or array: p->position bytes are done with, no reply is due */
    RESP_GROW,    /* more arguments than capacity: enlarge it, call again */
    RESP_BROKEN,  /* answer resp_problem() and close */
};

void resp_parser_init(struct resp_parser *p, struct resp_argument *arguments, uint32_t capacity,
                      uint32_t argument_bytes_max);

/* Goes on parsing data[0..*bytes), of which the first p->position were seen before. After
 * RESP_COMMAND and RESP_NOTHING the caller drops p->position bytes from the front and calls
 * resp_parser_next() before the next call. Dropping an oversized argument moves what follows it
 * down and makes *bytes smaller. Quoted words of an inline command are unquoted in place.
 * After RESP_BROKEN only resp_problem() may be called. */
MUST_CHECK enum resp_outcome resp_parse(struct resp_parser *p, uint8_t *data, size_t *bytes);
void resp_parser_next(struct resp_parser *p);

/* How many more bytes the argument being read needs at least; a hint for the size of the next
 * read. 0: unknown. Never more than argument_bytes_max + 2. */
size_t resp_wanted(const struct resp_parser *p, size_t bytes);

/* After RESP_BROKEN: "Protocol error: …"; lives in the parser. */
const char *resp_problem(const struct resp_parser *p);

/* Reads a whole signed decimal as Redis does: no sign +, no leading zeros or spaces.
 * ACCORD_E_FORMAT: not one, or out of range; *out is untouched. */
MUST_CHECK int resp_integer(struct bytes text, int64_t *out);
/* The same, unsigned. */
MUST_CHECK int resp_unsigned(struct bytes text, uint64_t *out);

/* ---- replies -------------------------------------------------------------------------- */

/* Each writes at `at`, where RESP_HEADER_BYTES_MAX bytes must be free (where a text is given,
 * its length more), and returns how many it wrote. */
enum { RESP_HEADER_BYTES_MAX = 32 };

size_t resp_put_header(uint8_t *at, char type, uint64_t count); /* "$12\r\n", "*3\r\n", … */
size_t resp_put_integer(uint8_t *at, int64_t n);                /* ":12\r\n" */
/* "+OK\r\n", "-ERR …\r\n". Line ends within the text become spaces, as in Redis. */
size_t resp_put_line(uint8_t *at, char type, struct bytes text);
size_t resp_put_bulk(uint8_t *at, struct bytes value);
size_t resp_put_null(uint8_t *at, bool resp3);
size_t resp_put_null_array(uint8_t *at, bool resp3);

#endif
