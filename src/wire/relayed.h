/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* relayed.h - how a change of one log is said again in another, and never comes back.
 *
 * `accord relay` keeps the change's message, so that a log which has it already takes it no
 * second time (bus.h, B12); who wrote it, and what it removes. Numbers count within one log, so
 * there it has none (0), and names no position of this one. Where it was first said, and which
 * logs it has passed, stands in its `about`:
 *
 *     relayed1 <sequence> <position> <epoch> <log>[ <log>]…
 *
 * all in hexadecimal digits, 16 of a number, 32 of a log; the first log is the one in which its
 * writer said it, the last the newest it came from. What has passed a log is not carried to it
 * again: that ends every loop of up to RELAYED_LOGS_MAX logs. In a longer one the oldest but
 * the first makes room, and its message ends it.
 *
 * Pure. The text is hostile: only what relayed_print() writes is read.
 */
#ifndef ACCORD_WIRE_RELAYED_H
#define ACCORD_WIRE_RELAYED_H

#include "wire/change.h"

enum {
    RELAYED_LOGS_MAX = 8,
    RELAYED_TEXT_BYTES_MAX = 8 + 3 * 17 + RELAYED_LOGS_MAX * 33,
};
_Static_assert((int)RELAYED_TEXT_BYTES_MAX + (int)CHANGE_SIGNATURE_BYTES <=
                   (int)CHANGE_ABOUT_BYTES_MAX,
               "a signature has room behind it");

struct relayed {
    uint64_t sequence, position, epoch; /* where its writer said it; sequence 0: it had none */
    size_t log_count;                   /* 1 .. RELAYED_LOGS_MAX */
    struct id128 logs[RELAYED_LOGS_MAX];
};

/* Returns how many bytes it wrote; there is no end. */
size_t relayed_print(const struct relayed *r, char text[RELAYED_TEXT_BYTES_MAX]);
/* ACCORD_E_FORMAT: it says nothing of the kind; *out untouched. */
MUST_CHECK int relayed_parse(struct bytes text, struct relayed *out);

/* Who carries, and from where to where. */
struct relay_way {
    struct bytes name; /* the relay's: it answers for what no node wrote */
    struct id128 incarnation;
    struct id128 from, to; /* logs */
    uint64_t from_epoch;
};

/* What is to be published in way->to for this entry of way->from. False: nothing, because it is
 * a member's own affair, or has been there; *out is untouched. *out points into `e` and
 * `about`. What no rule explains may have meant anything, and becomes CHANGE_CLEAR. */
MUST_CHECK bool relayed_make(const struct relay_way *way, const struct entry *e,
                             char about[RELAYED_TEXT_BYTES_MAX], struct change *out);

/* What is to be published in way->to where changes of way->from were missed: everything may
 * have been removed. `message` is fresh. */
void relayed_clear(const struct relay_way *way, struct id128 message, uint64_t wall_ms,
                   char about[RELAYED_TEXT_BYTES_MAX], struct change *out);

#endif
