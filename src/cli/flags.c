/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/flags.h"

#include "cli/verb.h"
#include "node/settings.h"

#include <stdio.h>
#include <stdlib.h>

/* Each has a value, and no table holds as many. */
enum { SEEN_MAX = 32 };
struct seen {
    const struct flag *flags[SEEN_MAX];
    size_t count;
};

static int store_ms(const char *verb, const struct flag *f, const char *value)
{
    uint64_t ns;

    if (strcmp(value, "never") == 0) {
        *(uint64_t *)f->into = ACCORD_FOREVER;
        return EXIT_OK;
    }
    if (settings_parse_duration(value, &ns) != ACCORD_OK)
        return usage_error(verb,
                           "%s: \"%s\" is no duration; write 500ms, 5s, 10m, 1h, 2d or never",
                           f->name, value);
    if (ns == 0 && f->kind == FLAG_LIFE)
        return usage_error(
            verb, "%s: \"%s\" is no time at all; write 500ms, 5s, 10m, 1h, 2d or never",
            f->name, value);
    *(uint64_t *)f->into = (ns + NS_PER_MS - 1) / NS_PER_MS;
    return EXIT_OK;
}

static int store_number(const char *verb, const struct flag *f, const char *value)
{
    uint64_t n = 0;

    for (const char *c = value; *c; c++) {
        uint64_t digit = (uint64_t)*c - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return usage_error(verb, "%s: \"%s\" is no number from 0 to 2^64-1", f->name,
                               value);
        n = n * 10 + digit;
    }
    if (!*value)
        return usage_error(verb, "%s wants a number", f->name);
    *(uint64_t *)f->into = n;
    return EXIT_OK;
}

static int store(const char *verb, const struct flag *f, const char *value)
{
    switch (f->kind) {
    case FLAG_ON:
        *(bool *)f->into = true;
        return EXIT_OK;
    case FLAG_TEXT:
        *(const char **)f->into = value;
        return EXIT_OK;
    case FLAG_TEXTS: {
        struct texts *texts = f->into;
        if (!value[0] || strlen(value) > ACCORD_KEY_BYTES_MAX)
            return usage_error(verb, "%s: a tag has 1 to %d bytes", f->name,
                               ACCORD_KEY_BYTES_MAX);
        if (texts->count == TEXTS_MAX)
            return usage_error(verb, "%s: at most %d of them", f->name, TEXTS_MAX);
        texts->text[texts->count++] = value;
        return EXIT_OK;
    }
    case FLAG_MS:
    case FLAG_LIFE:
        return store_ms(verb, f, value);
    case FLAG_NUMBER:
        return store_number(verb, f, value);
    }
    return EXIT_USAGE;
}

static const struct flag *find(const struct flag *flags, size_t count, const char *word,
                               const char **value)
{
    size_t name_bytes = strcspn(word, "=");

    *value = word[name_bytes] == '=' ? word + name_bytes + 1 : NULL;
    for (size_t i = 0; i < count; i++)
        if (strlen(flags[i].name) == name_bytes && memcmp(flags[i].name, word, name_bytes) == 0)
            return &flags[i];
    return NULL;
}

/* The later of two would win in silence. The same twice is no harm where there is no value. */
static int once(const struct flag *f, const char *verb, struct seen *seen)
{
    if (f->kind == FLAG_ON || f->kind == FLAG_TEXTS)
        return EXIT_OK;
    for (size_t i = 0; i < seen->count; i++)
        if (seen->flags[i] == f)
            return usage_error(verb, "%s is given twice: leave one of them out", f->name);
    if (seen->count < COUNT_OF(seen->flags))
        seen->flags[seen->count++] = f;
    return EXIT_OK;
}

/* The flag argv[*at], with its value; *at moves to its last word. */
static int read_flag(const struct flag *f, const char *value, int argc, char **argv, int *at)
{
    if (f->kind == FLAG_ON && value)
        return usage_error(argv[0], "%s takes no value", f->name);
    if (f->kind != FLAG_ON && !value) {
        if (*at + 1 >= argc)
            return usage_error(argv[0], "%s wants a value", f->name);
        value = argv[++*at];
    }
    return store(argv[0], f, value);
}

int flags_read(struct asked *out, const struct flag *flags, size_t flag_count, int argc,
               char **argv)
{
    const struct flag common[] = {{"--socket", FLAG_TEXT, &out->socket},
                                  {"--json", FLAG_ON, &out->json},
                                  {"--timeout", FLAG_LIFE, &out->timeout_ms}};
    struct seen seen = {.count = 0};
    int kept = 1;

    *out = (struct asked){.words = argv + 1, .after = SIZE_MAX};
    for (int i = 1; i < argc; i++) {
        const char *value;
        if (out->after != SIZE_MAX || argv[i][0] != '-' || !argv[i][1]) {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            out->after = (size_t)kept - 1;
            continue;
        }
        const struct flag *f = find(flags, flag_count, argv[i], &value);
        if (!f)
            f = find(common, COUNT_OF(common), argv[i], &value);
        if (!f)
            return usage_error(argv[0],
                               "unknown flag %s (a word that begins with a dash goes "
                               "after --)",
                               argv[i]);
        int code = once(f, argv[0], &seen);
        if (code == EXIT_OK)
            code = read_flag(f, value, argc, argv, &i);
        if (code != EXIT_OK)
            return code;
    }
    out->word_count = (size_t)kept - 1;
    if (out->after == SIZE_MAX)
        out->after = out->word_count;
    return EXIT_OK;
}
