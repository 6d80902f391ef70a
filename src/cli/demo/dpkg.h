/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* dpkg.h - the records of a Debian control file: /var/lib/dpkg/status, or an archive's
 * Packages.
 *
 * The format is deb822(5): stanzas divided by empty lines; "Field: value", names in any case;
 * lines that begin with a space or tab continue the field above; lines that begin with # are
 * comments. Parsed as untrusted bytes: nothing is copied, everything points into the input.
 *
 * Pure; any thread.
 */
#ifndef ACCORD_CLI_DEMO_DPKG_H
#define ACCORD_CLI_DEMO_DPKG_H

#include "base/base.h"

enum { DPKG_WHY_BYTES_MAX = 256 };

/* A field that is not there is empty. Values are trimmed; continuation lines are kept as they
 * stand, newlines included. */
struct dpkg_package {
    struct bytes name;
    struct bytes version;
    struct bytes section;
    struct bytes architecture;
    struct bytes depends;
    struct bytes description;
    uint64_t installed_kib; /* 0 where it is not said */
};

struct dpkg_reader {
    struct bytes rest;
    uint64_t line; /* the number of the line that `rest` begins with */
};

static inline struct dpkg_reader dpkg_reader_of(struct bytes file)
{
    return (struct dpkg_reader){file, 1};
}

/* The next stanza that has a Package field. ACCORD_E_ABSENT: the file ends. ACCORD_E_FORMAT:
 * `why` says in which line and what is expected there; *out is untouched. */
MUST_CHECK int dpkg_next(struct dpkg_reader *r, struct dpkg_package *out,
                         char why[DPKG_WHY_BYTES_MAX]);

#endif
