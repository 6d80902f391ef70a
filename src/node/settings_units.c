/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/settings.h"

#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = {
    {"K", KIB}, {"M", MIB}, {"G", GIB}, {"KB", KIB},  {"MB", MIB},  {"GB", GIB},
    {"B", 1},   {"", 1},    {"k", KIB}, {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB},
};

/* Seconds have no bare number: "3" could be meant as milliseconds. 0 needs no unit. */
static const struct unit durations[] = {
    {"us", 1000},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"min", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"d", 86400 * NS_PER_S},
};

/* Digits, then a unit. *rest is where the digits end. */
static int parse_digits(const char *text, uint64_t *out, const char **rest)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return ACCORD_E_INVALID;
        value = value * 10 + digit;
    }
    if (at == text)
        return ACCORD_E_INVALID;
    *out = value;
    *rest = at;
    return ACCORD_OK;
}

static int parse_with(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
    uint64_t value;
    const char *rest;
    int status = parse_digits(text, &value, &rest);

    for (size_t i = 0; status == ACCORD_OK && i < count; i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (value > UINT64_MAX / units[i].factor)
            return ACCORD_E_INVALID;
        *out = value * units[i].factor;
        return ACCORD_OK;
    }
    return ACCORD_E_INVALID;
}

int settings_parse_size(const char *text, uint64_t *bytes_out)
{
    return parse_with(text, sizes, COUNT_OF(sizes), bytes_out);
}

int settings_parse_duration(const char *text, uint64_t *ns_out)
{
    if (strcmp(text, "0") == 0) {
        *ns_out = 0;
        return ACCORD_OK;
    }
    return parse_with(text, durations, COUNT_OF(durations), ns_out);
}

/* The largest of `units` (ascending from `first`) that divides `value`. */
static void print_with(uint64_t value, const struct unit *const *units, size_t count,
                       char text[32])
{
    size_t best = 0;

    for (size_t i = 1; i < count; i++)
        if (value > 0 && value % units[i]->factor == 0)
            best = i;
    snprintf(text, 32, "%llu%s", (unsigned long long)(value / units[best]->factor),
             units[best]->name);
}

void settings_print_duration(uint64_t ns, char text[32])
{
    static const struct unit *const ascending[] = {&durations[0], &durations[1], &durations[2],
                                                   &durations[3], &durations[5], &durations[6]};

    if (ns == UINT64_MAX)
        snprintf(text, 32, "never");
    else if (ns == 0)
        snprintf(text, 32, "0s");
    else
        print_with(ns - ns % 1000, ascending, COUNT_OF(ascending), text);
}

void settings_print_size(uint64_t bytes, char text[32])
{
    static const struct unit *const ascending[] = {&sizes[7], &sizes[0], &sizes[1], &sizes[2]};

    print_with(bytes, ascending, COUNT_OF(ascending), text);
}
