/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/options.h"

#include "node/settings.h"

#include <stdio.h>

static bool parse_count(const char *text, uint64_t *out)
{
    uint64_t number = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || number > UINT64_MAX / 10 - 1)
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *out = number;
    return true;
}

int options_expect(char why[OPTIONS_WHY_BYTES_MAX], const char *name, const char *value,
                   const char *expected)
{
    if (value)
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s: expected %s, not \"%s\"", name, expected,
                 value);
    else
        snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s: expected %s after it", name, expected);
    return ACCORD_E_INVALID;
}

static void describe(const struct option_field *f, char *text, size_t text_bytes)
{
    char min[32], max[32];

    if (f->kind == OPTION_DURATION) {
        settings_print_duration(f->min, min);
        settings_print_duration(f->max, max);
        snprintf(text, text_bytes, "a duration from %s to %s", min, max);
    } else if (f->kind == OPTION_COUNT) {
        snprintf(text, text_bytes, "a number from %llu to %llu", (unsigned long long)f->min,
                 (unsigned long long)f->max);
    } else {
        snprintf(text, text_bytes, "%s", f->expected);
    }
}

static int set(void *out, const struct option_field *f, const char *value, char *why)
{
    char expected[128];
    void *field = (uint8_t *)out + f->offset;
    uint64_t number = 0;
    bool good;

    describe(f, expected, sizeof expected);
    if (!value)
        return options_expect(why, f->name, NULL, expected);
    if (f->kind == OPTION_TEXT) {
        if (!*value)
            return options_expect(why, f->name, value, expected);
        *(const char **)field = value;
        return ACCORD_OK;
    }
    if (f->kind == OPTION_DURATION)
        good = settings_parse_duration(value, &number) == ACCORD_OK;
    else
        good = parse_count(value, &number);
    if (!good || number < f->min || number > f->max)
        return options_expect(why, f->name, value, expected);
    *(uint64_t *)field = number;
    return ACCORD_OK;
}

static const struct option_field *find(const struct option_field *fields, size_t count,
                                       const char *word, size_t name_bytes)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(fields[i].name) == name_bytes &&
            memcmp(fields[i].name, word, name_bytes) == 0)
            return &fields[i];
    return NULL;
}

int options_parse(void *out, const struct option_field *fields, size_t count, int argc,
                  char **argv, char why[OPTIONS_WHY_BYTES_MAX])
{
    uint64_t seen = 0; /* a bit for each field */

    ASSERT(count <= 64);
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at], *equals = strchr(word, '=');
        size_t name_bytes = equals ? (size_t)(equals - word) : strlen(word);
        const char *value = equals ? equals + 1 : NULL;
        const struct option_field *f = find(fields, count, word, name_bytes);

        if (!f) {
            snprintf(why, OPTIONS_WHY_BYTES_MAX, "there is no flag \"%s\"", word);
            return ACCORD_E_INVALID;
        }
        if (f->kind == OPTION_SWITCH) {
            if (value)
                return options_expect(why, f->name, value, "nothing after it");
            *(bool *)((uint8_t *)out + f->offset) = true;
            continue;
        }
        if (!value && at + 1 < argc)
            value = argv[++at];
        if (seen & 1ull << (f - fields)) { /* the later of two would win in silence */
            snprintf(why, OPTIONS_WHY_BYTES_MAX, "%s is given twice: leave one of them out",
                     f->name);
            return ACCORD_E_INVALID;
        }
        seen |= 1ull << (f - fields);
        int status = set(out, f, value, why);
        if (status != ACCORD_OK)
            return status;
    }
    return ACCORD_OK;
}
