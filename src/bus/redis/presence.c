/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/presence.h"

#include <stdio.h>

/* The value of " field=" in a line; empty where there is none. Values have no blanks. */
static struct bytes value_in(struct bytes line, const char *field)
{
    size_t length = strlen(field);
    const uint8_t *end = line.data + line.size_bytes;
    const uint8_t *at = memmem(line.data, line.size_bytes, field, length);

    if (!at)
        return bytes_of(NULL, 0);
    at += length;
    const uint8_t *blank = memchr(at, ' ', (size_t)(end - at));
    return bytes_of(at, (size_t)((blank ? blank : end) - at));
}

static bool is_text(struct bytes b, const char *text)
{
    return b.size_bytes == strlen(text) && memcmp(b.data, text, b.size_bytes) == 0;
}

bool redis_presence_has(const struct redis_place *p, struct bytes list, const char *node)
{
    char name[REDIS_CLIENT_BYTES_MAX], database[12];
    const uint8_t *at = list.data, *end = list.data + list.size_bytes;

    redis_place_node_name(p, node, name);
    snprintf(database, sizeof database, "%u", p->database);
    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        struct bytes line = bytes_of(at, (size_t)((newline ? newline : end) - at));
        if (is_text(value_in(line, " name="), name) &&
            is_text(value_in(line, " db="), database))
            return true;
        at += line.size_bytes + 1;
    }
    return false;
}
