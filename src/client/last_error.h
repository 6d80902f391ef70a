/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* last_error.h - what went wrong with this thread's last failed call, in one line for people.
 *
 * Threads: each has a line of its own, beside its pins. Never fails: without memory for a line
 * accord_last_error() answers the status's own text. */
#ifndef ACCORD_CLIENT_LAST_ERROR_H
#define ACCORD_CLIENT_LAST_ERROR_H

#include "base/base.h"

enum { LAST_ERROR_BYTES_MAX = 320 };

/* Remembers the text of `status` and, where it is about the daemon's socket, its path. Always
 * `status`, so that a failure is one statement. */
int last_error(int status, const char *path);
/* Remembers the daemon's own words. Unprintable bytes become '?'. Always `status`. */
int last_error_text(int status, struct bytes text);
/* Likewise, of words that are put together; too many are cut. Always `status`. */
PRINTF_LIKE(2, 3) int last_error_say(int status, const char *format, ...);
/* An argument is not valid: the key, or (key_fits) another one. Always ACCORD_E_INVALID. */
int last_error_invalid(bool key_fits);

#endif
