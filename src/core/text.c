/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/text.h"

static void check(const struct text *t)
{
    ASSERT(t->used < sizeof t->data);
    ASSERT(t->data[t->used] == '\0');
}

static void add(struct text *t, char c)
{
    if (t->used + 1 >= sizeof t->data)
        return;
    t->data[t->used++] = c;
    t->data[t->used] = '\0';
}

void text_set(struct text *t, const char *text)
{
    size_t size = text ? strlen(text) : 0;

    if (size > sizeof t->data - 1)
        size = sizeof t->data - 1;
    if (size > 0)
        memmove(t->data, text, size);
    t->used = size;
    t->data[size] = '\0';
    check(t);
}

void text_add(struct text *t, const char *text)
{
    check(t);
    for (const char *c = text; *c; c++)
        add(t, *c);
    check(t);
}

void text_add_bytes(struct text *t, struct bytes bytes)
{
    check(t);
    for (size_t i = 0; i < bytes.size_bytes && t->used + 1 < sizeof t->data; i++)
        add(t, bytes.data[i] >= 0x20 && bytes.data[i] < 0x7f ? (char)bytes.data[i] : '?');
    check(t);
}

void text_add_number(struct text *t, uint64_t number)
{
    char digits[20];
    size_t count = 0;

    do {
        ASSERT(count < sizeof digits);
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        add(t, digits[--count]);
}

void text_add_seconds(struct text *t, uint64_t ns)
{
    uint64_t ms = ns / NS_PER_MS;

    check(t);
    text_add_number(t, ms / 1000);
    if (ms % 1000 > 0) {
        add(t, '.');
        for (uint64_t rest = ms % 1000, unit = 100; rest > 0; rest %= unit, unit /= 10)
            add(t, (char)('0' + rest / unit));
    }
    text_add(t, " s");
}
