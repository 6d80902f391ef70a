/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* crashing.c - preloaded into a node: a change whose key begins with "crash:" ends the process.
 *
 *   CRASH_AT=reading    as soon as its row is read
 *   CRASH_AT=applying   as soon as its namespace, "crash", is looked up on applying it
 *
 * As a bug of the parser would, each time, for as long as anybody looks at that entry. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int at_reading, at_applying;

__attribute__((constructor)) static void read_settings(void)
{
    const char *at = getenv("CRASH_AT");

    at_reading = at && strcmp(at, "reading") == 0;
    at_applying = at && strcmp(at, "applying") == 0;
}

static int is_ours(const unsigned char *key)
{
    static const char start[] = "crash:";

    for (size_t i = 0; i < sizeof start - 1; i++)
        if (key[i] != (unsigned char)start[i])
            return 0;
    return 1;
}

const unsigned char *sqlite3_column_text(void *statement, int column)
{
    static const unsigned char *(*real)(void *, int);

    if (!real) /* a node inside an application brings its SQLite later: it is not the next */
        *(void **)&real = dlsym(dlopen("libsqlite3.so.0", RTLD_LAZY), "sqlite3_column_text");
    const unsigned char *text = real(statement, column);
    if (at_reading && text && is_ours(text))
        abort();
    return text;
}

/* The compiler must not take the loop for a memcmp. */
int memcmp(const void *a, const void *b, size_t bytes)
{
    const volatile unsigned char *x = a, *y = b;
    int differ = 0;

    for (size_t i = 0; i < bytes && differ == 0; i++)
        differ = x[i] - y[i];
    if (at_applying && bytes == 5 && differ == 0 && is_ours(b))
        abort();
    return differ;
}
