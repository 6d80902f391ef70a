/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* settings_fuzz.c - any bytes as a configuration file, a query of "embed:", flags, or a number
 * with its unit (the first byte says which): taken, or refused with a line that says where. */
#include "node/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_file(struct settings *s, const char *text, size_t size, char *why)
{
    static int fd = -1;
    static char path[64];

    if (fd < 0) {
        fd = memfd_create("settings", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, size, 0) != (ssize_t)size)
        abort();
    int status = settings_read_file(s, path, why);
    /* A NUL would hide what follows it in its line. */
    ASSERT(status != ACCORD_OK || !memchr(text, 0, size));
    ASSERT(status == ACCORD_OK || strncmp(why, path, strlen(path)) == 0);
    return status;
}

/* A line is an argument. */
static int read_flags(struct settings *s, char *text, char *why)
{
    char *arguments[ARGUMENTS_MAX + 1] = {text};
    int count = 1;

    for (char *at = strchr(text, '\n'); at && count < ARGUMENTS_MAX; at = strchr(at, '\n')) {
        *at++ = 0;
        arguments[count++] = at;
    }
    return settings_read_flags(s, count, arguments, why);
}

/* What is read comes back from what is printed. */
static void read_units(const char *text)
{
    uint64_t value, again;
    char printed[32];

    if (settings_parse_size(text, &value) == ACCORD_OK) {
        settings_print_size(value, printed);
        ASSERT(settings_parse_size(printed, &again) == ACCORD_OK);
        ASSERT(again == value);
    }
    if (settings_parse_duration(text, &value) == ACCORD_OK) {
        settings_print_duration(value, printed);
        ASSERT(settings_parse_duration(printed, &again) == ACCORD_OK);
        ASSERT(again == value);
    }
}

static void check_settings(const struct settings *s)
{
    ASSERT(s->namespace_count >= 1);
    ASSERT(s->namespace_count <= NAMESPACES_MAX);
    for (size_t i = 0; i < s->namespace_count; i++)
        ASSERT(strlen(s->namespaces[i].name) <= NAMESPACE_BYTES_MAX);
    ASSERT(s->listen.count <= LISTEN_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[SETTINGS_WHY_BYTES_MAX] = "";
    struct settings *s = NULL;
    int status = ACCORD_OK;

    if (size < 1)
        return 0;
    char *text = malloc(size);
    ASSERT(text);
    ASSERT(settings_new(&s) == ACCORD_OK);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    if (data[0] % 4 == 0)
        status = read_file(s, text, size - 1, why);
    else if (data[0] % 4 == 1)
        status = settings_read_query(s, text, why);
    else if (data[0] % 4 == 2)
        status = read_flags(s, text, why);
    else
        read_units(text);
    ASSERT(status == ACCORD_OK || status == ACCORD_E_INVALID);
    ASSERT((status != ACCORD_OK) == (why[0] != 0));
    check_settings(s);
    settings_free(s);
    free(text);
    return 0;
}
