/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include <accord.h>

#include "base/limits.h"
#include "client/last_error.h"
#include "client/pin.h"

#include <stdarg.h>
#include <stdio.h>

static void remember(const char *text)
{
    struct pins *p = pins_mine();

    if (p)
        snprintf(p->last_error, sizeof p->last_error, "%s", text);
}

int last_error(int status, const char *path)
{
    char text[LAST_ERROR_BYTES_MAX];

    switch (status) {
    case ACCORD_E_DOWN:
        snprintf(
            text, sizeof text,
            "no daemon answers at %s; start one with accord serve --socket %s, or name its "
            "socket in ACCORD_SOCKET",
            path, path);
        break;
    case ACCORD_E_DENIED:
        snprintf(text, sizeof text,
                 "permission denied at %s; be a member of the socket's group (usually accord)",
                 path);
        break;
    case ACCORD_E_TIMEOUT:
        snprintf(text, sizeof text,
                 "the daemon at %s did not answer in time: it is busy, or hangs, or is stopped",
                 path);
        break;
    case ACCORD_E_FULL:
        snprintf(text, sizeof text,
                 "all connections of the daemon at %s are taken: close some, or start it with "
                 "more (--max-clients, and the limit of open files: ulimit -n, LimitNOFILE=)",
                 path);
        break;
    case ACCORD_E_UNSUPPORTED:
        snprintf(text, sizeof text, "what listens at %s is not an Accord daemon", path);
        break;
    default:
        snprintf(text, sizeof text, "%s", status_text(status));
    }
    remember(text);
    return status;
}

int last_error_text(int status, struct bytes what)
{
    char text[LAST_ERROR_BYTES_MAX];
    size_t size = u64_min(what.size_bytes, sizeof text - 1);

    for (size_t i = 0; i < size; i++)
        text[i] = what.data[i] >= 0x20 && what.data[i] != 0x7f ? (char)what.data[i] : '?';
    text[size] = 0;
    remember(text);
    return status;
}

int last_error_say(int status, const char *format, ...)
{
    char text[LAST_ERROR_BYTES_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return last_error_text(status, bytes_of_text(text));
}

int last_error_invalid(bool key_fits)
{
    _Static_assert(KEY_BYTES_MAX == 8192, "as it is said here");

    remember(key_fits ? "an argument is not valid: a pointer is NULL that may not be, or the "
                        "number beside it is wrong; accord.h says what is expected"
                      : "a key, a tag or a name has 1 to 8192 bytes");
    return ACCORD_E_INVALID;
}

const char *accord_last_error(void)
{
    const struct pins *p = pins_mine();

    return p ? p->last_error : status_text(ACCORD_E_NOMEM);
}

const char *accord_strerror(int status)
{
    return status_text(status);
}

const char *accord_version(void)
{
    return ACCORD_VERSION;
}
