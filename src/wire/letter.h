/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* letter.h - a message to one node, and its answer: what a beat says to somebody.
 *
 *     ask 7f3a09c2d4e5b617 5000 web2 ping          web2, answer within 5000 ms; * asks every
 * node answer 7f3a09c2d4e5b617 done 0.1.0 fresh     done, refused or moved, and what there is
 * to say
 *
 * It travels as the `about` of a beat, through the one log, so that every bus carries it,
 * signed where changes are, ordered, and retained as beats are. A node that knows nothing of
 * letters sees a beat, and nothing else. The id is drawn by who asks; a question that is asked
 * again has the same.
 *
 * Pure. The text is hostile: only what letter_print() writes is read.
 */
#ifndef ACCORD_WIRE_LETTER_H
#define ACCORD_WIRE_LETTER_H

#include "wire/change.h"

enum {
    LETTER_TEXT_BYTES_MAX = CHANGE_ABOUT_BYTES_MAX - CHANGE_SIGNATURE_BYTES + 1, /* with NUL */
    LETTER_KIND_BYTES_MAX = 16,
    LETTER_BODY_BYTES_MAX = 256
};

enum letter_type { LETTER_ASK, LETTER_ANSWER };

/* What became of the question at the node that was asked. */
enum letter_verdict {
    VERDICT_DONE,    /* the body is the answer */
    VERDICT_REFUSED, /* it was not done, and will not be: the body says why */
    VERDICT_MOVED    /* somebody else is to be asked: the body says who */
};
const char *letter_verdict_word(enum letter_verdict verdict); /* static */

struct letter {
    enum letter_type type;
    uint64_t id;
    uint64_t wait_ms;  /* ASK: an answer is of no use later; 1 to LETTER_WAIT_MS_MAX */
    struct bytes to;   /* ASK: a node's name, or "*" */
    struct bytes kind; /* ASK: what is asked, one word */
    enum letter_verdict verdict; /* ANSWER */
    struct bytes body; /* printable ASCII, at most LETTER_BODY_BYTES_MAX; may be empty */
};

/* The parts must be as letter_parse() gives them. */
void letter_print(const struct letter *l, char text[LETTER_TEXT_BYTES_MAX]);
/* What *out points to lies within `text`. ACCORD_E_FORMAT: it is no letter; *out untouched. */
MUST_CHECK int letter_parse(struct bytes text, struct letter *out);

/* Whether it is to that node. */
static inline bool letter_is_to(const struct letter *l, struct bytes name)
{
    return bytes_equal(l->to, name) || bytes_equal(l->to, bytes_of_text("*"));
}

#endif
