/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* resend.h - what a beat says of changes that did not arrive: who misses which, and what became
 * of that.
 *
 *     resend 00112233445566778899aabbccddeeff 6-7    these I have not got: say them again
 *     resent 00112233445566778899aabbccddeeff 6-7    they lie between this and who asked
 *     gone 00112233445566778899aabbccddeeff 6-7      I cannot say them again
 *
 * It travels as the `about` of a beat: a node that does not know of it sees a beat, and nothing
 * else. The incarnation is the one that made the changes; the numbers are its sequences, the
 * last one included.
 *
 * Pure. The text is hostile: only what resend_print() writes is read.
 */
#ifndef ACCORD_WIRE_RESEND_H
#define ACCORD_WIRE_RESEND_H

#include "wire/change.h"

enum { RESEND_TEXT_BYTES_MAX = 96 }; /* terminating NUL included */

enum resend_kind { RESEND_WANTED, RESEND_DONE, RESEND_GONE };

struct resend {
    enum resend_kind kind;
    struct id128 incarnation;
    uint64_t from, until; /* sequences [from, until), from 1 on; not empty */
};

void resend_print(const struct resend *r, char text[RESEND_TEXT_BYTES_MAX]);
/* ACCORD_E_FORMAT: it says nothing of the kind; *out untouched. */
MUST_CHECK int resend_parse(struct bytes text, struct resend *out);

#endif
