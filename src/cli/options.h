/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* options.h - reads the flags of a verb that takes many into a struct, by a table.
 *
 * "--name value" and "--name=value" are the same. Texts stay argv's.
 */
#ifndef ACCORD_CLI_OPTIONS_H
#define ACCORD_CLI_OPTIONS_H

#include "base/base.h"

enum { OPTIONS_WHY_BYTES_MAX = 512 };

/* What a field is: const char *, uint64_t, uint64_t of nanoseconds, bool. */
enum option_kind { OPTION_TEXT, OPTION_COUNT, OPTION_DURATION, OPTION_SWITCH };

struct option_field {
    const char *name; /* "--seconds" */
    enum option_kind kind;
    size_t offset;
    uint64_t min, max;
    const char *expected; /* of OPTION_TEXT: what it is, for people */
};

/* Reads the flags after argv[0] into the struct at `out`, which holds what is usual.
 * ACCORD_E_INVALID: `why` says which flag, and what is expected; *out may be half filled. */
MUST_CHECK int options_parse(void *out, const struct option_field *fields, size_t count,
                             int argc, char **argv, char why[OPTIONS_WHY_BYTES_MAX]);

/* "NAME: expected EXPECTED, not "VALUE"" in `why`; `value` may be NULL. Always
 * ACCORD_E_INVALID, so that a failure is one statement. */
int options_expect(char why[OPTIONS_WHY_BYTES_MAX], const char *name, const char *value,
                   const char *expected);

#endif
