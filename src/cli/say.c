/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* say.c - how every verb says that something failed. */
#include "cli/verb.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int fail(int code, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "accord: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    return code;
}

int usage_error(const char *verb, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "accord %s: ", verb);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\naccord %s --help says how it is used\n", verb);
    return EXIT_USAGE;
}

/* What printed before this may have failed already; then its reason is no longer known. */
int output_done(void)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_OK;
    if (errno == EPIPE) /* who has read enough wants no message */
        return EXIT_FAILED;
    return fail(EXIT_FAILED, "standard output: %s",
                errno ? strerror(errno) : "not all of it could be written");
}

int exit_code_of(int status)
{
    switch (status) {
    case ACCORD_OK:
        return EXIT_OK;
    case ACCORD_E_INVALID:
        return EXIT_USAGE;
    case ACCORD_E_DOWN:
    case ACCORD_E_DENIED:
        return EXIT_DOWN;
    case ACCORD_E_ABSENT:
        return EXIT_MISS;
    case ACCORD_E_UNSURE:
        return EXIT_UNSURE;
    case ACCORD_E_UNPUBLISHED:
        return EXIT_UNPUBLISHED;
    case ACCORD_E_TIMEOUT:
        return EXIT_TIMEOUT;
    case ACCORD_E_CONFLICT:
        return EXIT_FATAL;
    default:
        return EXIT_FAILED;
    }
}
