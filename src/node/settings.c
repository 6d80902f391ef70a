/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/settings.h"
#include "node/settings_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define AT(field) offsetof(struct settings, field), sizeof(((struct settings *)0)->field)
#define NS_AT(field)                                                                           \
    offsetof(struct namespace_settings, field), sizeof(((struct namespace_settings *)0)->field)

static const struct setting table[] = {
#define TEXT(field, name, bytes, standard, argument, help)                                     \
    {name, SETTING_TEXT, AT(field), standard, 0, 0, NULL, argument, help},
#define LIST(field, name, argument, help)                                                      \
    {name, SETTING_LIST, AT(field), "", 0, 0, NULL, argument, help},
#define SIZE(field, name, standard, min, max, help)                                            \
    {name, SETTING_SIZE, AT(field), standard, min, max, NULL, "SIZE", help},
#define DURATION(field, name, standard, min, max, help)                                        \
    {name, SETTING_DURATION, AT(field), standard, min, max, NULL, "TIME", help},
#define COUNT(field, name, standard, min, max, help)                                           \
    {name, SETTING_COUNT, AT(field), standard, min, max, NULL, "N", help},
#define MODE(field, name, standard, help)                                                      \
    {name, SETTING_MODE, AT(field), standard, 0, 0777, NULL, "MODE", help},
#define CHOICE(field, name, words, standard, help)                                             \
    {name, SETTING_CHOICE, AT(field), standard, 0, 0, words, NULL, help},
#define SWITCH(field, name, help)                                                              \
    {name, SETTING_SWITCH, AT(field), "no", 0, 0, "no yes 0 1 off on false true", "", help},
#include "defs/setting.def"
};

static const struct setting namespace_table[] = {
#define NS_DURATION(field, name, standard, min, max, help)                                     \
    {name, SETTING_DURATION_OR_NEVER, NS_AT(field), standard, min, max, NULL, "TIME", help},
#define NS_FRACTION(field, name, standard, help)                                               \
    {name, SETTING_FRACTION, NS_AT(field), standard, 0, 1000, NULL, "PART", help},
#define NS_CHOICE(field, name, words, standard, help)                                          \
    {name, SETTING_CHOICE, NS_AT(field), standard, 0, 0, words, NULL, help},
#define NS_CHARACTER(field, name, help)                                                        \
    {name, SETTING_CHARACTER, NS_AT(field), "", 0, 0, NULL, "C", help},
#define NS_FLAG(field, name, words, help)                                                      \
    {name, SETTING_FLAG, NS_AT(field), NULL, 0, 0, words, NULL, help},
#include "defs/setting.def"
};

_Static_assert(COUNT_OF(table) <= SETTINGS_MAX, "each has a place");
_Static_assert(COUNT_OF(namespace_table) <= NAMESPACE_SETTINGS_MAX, "each has a line");

const struct setting *settings_table(bool of_namespace, size_t *count)
{
    *count = of_namespace ? COUNT_OF(namespace_table) : COUNT_OF(table);
    return of_namespace ? namespace_table : table;
}

int settings_fail(char why[SETTINGS_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, SETTINGS_WHY_BYTES_MAX, format, args);
    va_end(args);
    return status;
}

/* "-" and "_" are the same. */
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

const struct setting *settings_find(bool of_namespace, const char *name)
{
    size_t count;
    const struct setting *all = settings_table(of_namespace, &count);

    for (size_t i = 0; i < count; i++)
        if (same_name(all[i].name, name))
            return &all[i];
    return NULL;
}

enum { NAME_BYTES_COMPARED = 32 };

static char letter(char c)
{
    return c == '_' ? '-' : c;
}

/* How many letters must change; two that changed places are one change ("nmae"). Names longer
 * than the bound are far away. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_BYTES_COMPARED + 1]; /* this one, the one before, the one before that */
    size_t a_length = strlen(a), b_length = strlen(b);

    if (a_length > NAME_BYTES_COMPARED || b_length > NAME_BYTES_COMPARED)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t change = before[j - 1] + (letter(a[i - 1]) != letter(b[j - 1]));
            size_t length = u64_min(before[j], row[j - 1]) + 1;
            row[j] = u64_min(change, length);
            if (i > 1 && j > 1 && letter(a[i - 1]) == letter(b[j - 2]) &&
                letter(a[i - 2]) == letter(b[j - 1]))
                row[j] = u64_min(row[j], earlier[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

enum { FAR = 3 }; /* a guess of so many changes is none */

const char *settings_nearest(bool of_namespace, const char *name)
{
    /* And less than half of the word: "foo" is not meant as "log". */
    size_t count, best_distance = u64_min(FAR, (strlen(name) + 1) / 2);
    const struct setting *all = settings_table(of_namespace, &count);
    const char *best = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(name, all[i].name);
        if (distance < best_distance) {
            best_distance = distance;
            best = all[i].name;
        }
    }
    return best;
}

/* ---- one value -----------------------------------------------------------------------------
 */

/* What a kind expects, for messages: "a time like 500ms, 3s or 1h, from 10ms to 1m". */
static void print_expected(const struct setting *d, char text[256])
{
    char min[32], max[32];

    settings_print_duration(d->min, min);
    settings_print_duration(d->max, max);
    switch (d->kind) {
    case SETTING_TEXT:
    case SETTING_LIST:
        snprintf(text, 256, "text of at most %zu bytes",
                 (d->kind == SETTING_TEXT ? d->bytes : LISTEN_BYTES_MAX) - 1);
        break;
    case SETTING_SIZE:
        settings_print_size(d->min, min);
        settings_print_size(d->max, max);
        snprintf(text, 256, "a size like 256M or 2G, from %s to %s", min, max);
        break;
    case SETTING_DURATION:
        snprintf(text, 256, "a time like 500ms, 3s or 1h, from %s to %s", min, max);
        break;
    case SETTING_DURATION_OR_NEVER:
        snprintf(text, 256, "a time like 500ms, 3s or 1h, from %s to %s, or never", min, max);
        break;
    case SETTING_COUNT:
        snprintf(text, 256, "a whole number from %llu to %llu", (unsigned long long)d->min,
                 (unsigned long long)d->max);
        break;
    case SETTING_MODE:
        snprintf(text, 256, "permissions in octal, like 0660");
        break;
    case SETTING_FRACTION:
        snprintf(text, 256, "a part from 0 to 1, like 0.8");
        break;
    case SETTING_CHARACTER:
        snprintf(text, 256, "one printable character other than a space, like / or :");
        break;
    case SETTING_SWITCH:
        snprintf(text, 256, "yes or no");
        break;
    case SETTING_CHOICE:
    case SETTING_FLAG:
        snprintf(text, 256, "one of: %s", d->words);
        break;
    }
}

static bool in_bounds(const struct setting *d, uint64_t value)
{
    return value >= d->min && value <= d->max;
}

static bool parse_count(const char *text, uint64_t base, uint64_t *out)
{
    uint64_t value = 0;

    if (!*text || strlen(text) > 19)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text >= '0' + (int)base)
            return false;
        value = value * base + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

/* "0.85" is 850; at most three decimals. */
static bool parse_fraction(const char *text, uint64_t *permille)
{
    uint64_t scale = 100, value;

    if ((text[0] != '0' && text[0] != '1') || (text[1] && text[1] != '.'))
        return false;
    value = (uint64_t)(text[0] - '0') * 1000;
    for (const char *at = text[1] ? text + 2 : text + 1; *at; at++, scale /= 10) {
        if (*at < '0' || *at > '9' || scale == 0)
            return false;
        value += (uint64_t)(*at - '0') * scale;
    }
    *permille = value;
    return true;
}

static bool parse_choice(const char *words, const char *text, uint64_t *out)
{
    size_t length = strlen(text);
    uint64_t index = 0;

    for (const char *at = words; *at; index++) {
        size_t word = strcspn(at, " ");
        if (word == length && memcmp(at, text, word) == 0) {
            *out = index;
            return true;
        }
        at += word + (at[word] == ' ');
    }
    return false;
}

/* Everything but text becomes a number. */
static bool parse_number(const struct setting *d, const char *text, uint64_t *out)
{
    switch (d->kind) {
    case SETTING_SIZE:
        return settings_parse_size(text, out) == ACCORD_OK && in_bounds(d, *out);
    case SETTING_DURATION_OR_NEVER:
        if (strcmp(text, "never") == 0) {
            *out = UINT64_MAX;
            return true;
        }
        return settings_parse_duration(text, out) == ACCORD_OK && in_bounds(d, *out);
    case SETTING_DURATION:
        return settings_parse_duration(text, out) == ACCORD_OK && in_bounds(d, *out);
    case SETTING_COUNT:
        return parse_count(text, 10, out) && in_bounds(d, *out);
    case SETTING_MODE:
        return parse_count(text, 8, out) && in_bounds(d, *out);
    case SETTING_FRACTION:
        return parse_fraction(text, out) && in_bounds(d, *out);
    case SETTING_CHOICE:
    case SETTING_FLAG:
        return parse_choice(d->words, text, out);
    case SETTING_SWITCH:
        if (!parse_choice(d->words, text, out))
            return false;
        *out %= 2;
        return true;
    case SETTING_CHARACTER:
        *out = (uint8_t)text[0];
        return !*text || (text[0] > ' ' && text[0] <= '~' && !text[1]);
    case SETTING_TEXT:
    case SETTING_LIST:
        break;
    }
    return false;
}

static void store_number(const struct setting *d, void *field, uint64_t value)
{
    uint32_t narrow = (uint32_t)value;
    uint8_t byte = (uint8_t)value;

    if (d->bytes == sizeof value)
        memcpy(field, &value, sizeof value);
    else if (d->bytes == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &byte, sizeof byte);
}

static bool list_add(struct text_list *list, const char *text, size_t length)
{
    if (list->count == LISTEN_MAX || length >= LISTEN_BYTES_MAX)
        return false;
    memcpy(list->text[list->count], text, length);
    list->text[list->count++][length] = 0;
    return true;
}

/* Words, separated by spaces or commas. */
static bool list_add_words(struct text_list *list, const char *text)
{
    for (const char *at = text; *at;) {
        size_t word = strcspn(at, " ,");
        if (word > 0 && !list_add(list, at, word))
            return false;
        at += word + (at[word] != 0);
    }
    return true;
}

bool settings_store(const struct setting *d, void *base, const char *value)
{
    uint8_t *field = (uint8_t *)base + d->offset;
    size_t length = strlen(value);
    uint64_t number = 0;

    if (d->kind == SETTING_LIST)
        return list_add_words((struct text_list *)(void *)field, value);
    if (d->kind == SETTING_TEXT) {
        if (length >= d->bytes)
            return false;
        memset(field, 0, d->bytes);
        memcpy(field, value, length);
        return true;
    }
    if (!parse_number(d, value, &number))
        return false;
    store_number(d, field, number);
    return true;
}

static int refuse(const struct setting *d, const char *where, const char *value, char *why)
{
    char expected[256];

    print_expected(d, expected);
    return settings_fail(why, ACCORD_E_INVALID, "%s: %s is \"%.200s\", but must be %s", where,
                         d->name, value, expected);
}

static int unknown(bool of_namespace, const char *where, const char *name, char *why)
{
    const char *near = settings_nearest(of_namespace, name);
    bool elsewhere = !near && settings_find(!of_namespace, name);

    if (elsewhere)
        return settings_fail(why, ACCORD_E_INVALID, "%s: \"%.100s\" belongs %s", where, name,
                             of_namespace ? "above all sections or under [node]"
                                          : "in a [namespace NAME] section");
    return settings_fail(why, ACCORD_E_INVALID, "%s: no setting is called \"%.100s\"%s%s%s",
                         where, name, near ? "; did you mean \"" : "", near ? near : "",
                         near ? "\"?" : "; accord serve --help lists them");
}

/* Of a list: of those of its words that have none yet. */
static void note_place(struct settings *s, const struct setting *d)
{
    struct settings_place place = s->now;

    if (place.layer == LAYER_NONE)
        place.layer = LAYER_CALL;
    s->places[d - table] = place;
    if (d->kind != SETTING_LIST)
        return;
    struct text_list *list = (struct text_list *)(void *)((uint8_t *)s + d->offset);
    for (size_t i = 0; i < list->count; i++)
        if (list->places[i].layer == LAYER_NONE)
            list->places[i] = place;
}

int settings_set(struct settings *s, const char *where, const char *name, const char *value,
                 char why[SETTINGS_WHY_BYTES_MAX])
{
    const struct setting *d = settings_find(false, name);

    if (!d)
        return unknown(false, where, name, why);
    /* What a script left empty would silently be the default: another log, no password. */
    if (d->kind == SETTING_TEXT && !*value)
        return settings_fail(why, ACCORD_E_INVALID,
                             "%s: %s is empty; give a %s, or leave it out: %s", where, d->name,
                             d->argument, d->help);
    if (!settings_store(d, s, value))
        return refuse(d, where, value, why);
    if (d->offset == offsetof(struct settings, max_stale_ns))
        s->max_stale_given = true;
    note_place(s, d);
    return ACCORD_OK;
}

/* ---- namespaces ----------------------------------------------------------------------------
 */

static void namespace_defaults(struct namespace_settings *n, const char *name)
{
    size_t count;
    const struct setting *all = settings_table(true, &count);

    memset(n, 0, sizeof *n);
    snprintf(n->name, sizeof n->name, "%s", name);
    for (size_t i = 0; i < count; i++)
        if (all[i].standard)
            ASSERT(settings_store(&all[i], n, all[i].standard));
}

static bool namespace_name_fits(const char *name)
{
    size_t length = strlen(name);

    if (length < 1 || length > NAMESPACE_BYTES_MAX)
        return false;
    for (const char *at = name; *at; at++)
        if (*at <= ' ' || *at > '~' || *at == ':' || *at == '*')
            return false;
    return true;
}

size_t settings_namespace_index(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->namespace_count; i++)
        if (strcmp(s->namespaces[i].name, name) == 0)
            return i;
    return NAMESPACES_MAX;
}

static struct namespace_settings *namespace_find(struct settings *s, const char *name)
{
    size_t index = settings_namespace_index(s, name);

    return index < NAMESPACES_MAX ? &s->namespaces[index] : NULL;
}

int settings_declare_namespace(struct settings *s, const char *where, const char *name,
                               char why[SETTINGS_WHY_BYTES_MAX])
{
    if (namespace_find(s, name))
        return ACCORD_OK;
    if (!namespace_name_fits(name))
        return settings_fail(why, ACCORD_E_INVALID,
                             "%s: \"%.100s\" is no name for a namespace: 1 to %d printable "
                             "characters without space, \":\" and \"*\"",
                             where, name, NAMESPACE_BYTES_MAX);
    if (s->namespace_count == NAMESPACES_MAX)
        return settings_fail(why, ACCORD_E_INVALID, "%s: more than %d namespaces", where,
                             NAMESPACES_MAX);
    namespace_defaults(&s->namespaces[s->namespace_count++], name);
    return ACCORD_OK;
}

int settings_set_namespace(struct settings *s, const char *where, const char *namespace_name,
                           const char *name, const char *value,
                           char why[SETTINGS_WHY_BYTES_MAX])
{
    const struct setting *d = settings_find(true, name);
    int status = settings_declare_namespace(s, where, namespace_name, why);

    if (status != ACCORD_OK)
        return status;
    if (!d)
        return unknown(true, where, name, why);
    if (!settings_store(d, namespace_find(s, namespace_name), value))
        return refuse(d, where, value, why);
    return ACCORD_OK;
}

/* ---- life ----------------------------------------------------------------------------------
 */

int settings_new(struct settings **out)
{
    struct settings *s = calloc(1, sizeof *s);
    size_t count;
    const struct setting *all = settings_table(false, &count);

    if (!s)
        return ACCORD_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        ASSERT(settings_store(&all[i], s, all[i].standard));
    namespace_defaults(&s->namespaces[0], "default");
    s->namespace_count = 1;
    *out = s;
    return ACCORD_OK;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    explicit_bzero(s->password, sizeof s->password);
    explicit_bzero(s->acs_secret, sizeof s->acs_secret);
    signing_wipe(&s->keys);
    free(s);
}
