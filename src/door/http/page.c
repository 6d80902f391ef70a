/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/http/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool room(struct page *t, size_t bytes)
{
    size_t capacity = t->capacity > 0 ? t->capacity : 1024;

    if (t->broken)
        return false;
    while (capacity - t->bytes < bytes + 1)
        capacity *= 2;
    if (capacity == t->capacity)
        return true;
    char *data = realloc(t->data, capacity);
    t->broken = !data;
    if (!data)
        return false;
    t->data = data;
    t->capacity = capacity;
    return true;
}

void page_add_bytes(struct page *t, struct bytes bytes)
{
    if (bytes.size_bytes == 0 || !room(t, bytes.size_bytes))
        return;
    memcpy(t->data + t->bytes, bytes.data, bytes.size_bytes);
    t->bytes += bytes.size_bytes;
    t->data[t->bytes] = '\0';
}

void page_add(struct page *t, const char *format, ...)
{
    char line[2048];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    page_add_bytes(t, bytes_of(line, u64_min(n > 0 ? (uint64_t)n : 0, sizeof line - 1)));
}

void page_free(struct page *t)
{
    free(t->data);
    *t = (struct page){.data = NULL};
}
