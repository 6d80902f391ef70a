/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* settings_place.c - where a setting was given, and what differs between two sets of them. */
#include "node/settings.h"

#include "node/settings_table.h"

#include <stdio.h>

/* ---- where ---- */

static size_t index_of(bool of_namespace, const char *name)
{
    size_t count;
    const struct setting *d = settings_find(of_namespace, name);

    ASSERT(d);
    return (size_t)(d - settings_table(of_namespace, &count));
}

bool settings_is_given(const struct settings *s, const char *name)
{
    return s->places[index_of(false, name)].layer != LAYER_NONE;
}

static struct settings_place place_of(const struct settings *s, const char *name, size_t index)
{
    const struct setting *d = settings_find(false, name);
    const struct text_list *list;

    ASSERT(d);
    if (d->kind != SETTING_LIST)
        return s->places[index_of(false, name)];
    list = (const struct text_list *)(const void *)((const uint8_t *)s + d->offset);
    ASSERT(index < LISTEN_MAX);
    return list->places[index];
}

static void prepend(const char *where, char *why, size_t why_bytes)
{
    size_t add = strlen(where), old = strlen(why);

    if (add >= why_bytes / 2)
        return; /* what is wrong matters more than where */
    old = u64_min(old, why_bytes - 1 - add);
    memmove(why + add, why, old);
    memcpy(why, where, add);
    why[add + old] = 0;
}

int settings_blame(const struct settings *s, const char *name, size_t index, int status,
                   char *why, size_t why_bytes)
{
    struct settings_place place = place_of(s, name, index);
    char where[SETTINGS_FILE_BYTES_MAX + 32] = "", variable[64];

    if (status == ACCORD_OK)
        return status;
    settings_variable_of(name, variable);
    switch (place.layer) {
    case LAYER_FILE:
        snprintf(where, sizeof where, "%s:%u: ", s->file, place.line);
        break;
    case LAYER_VARIABLE:
        snprintf(where, sizeof where, "%s: ", variable);
        break;
    case LAYER_FLAG:
        snprintf(where, sizeof where, "--%s: ", name);
        break;
    case LAYER_QUERY:
        snprintf(where, sizeof where, "embed: ");
        break;
    case LAYER_NONE:
    case LAYER_CALL:
        break;
    }
    prepend(where, why, why_bytes);
    return status;
}

int settings_blame_namespace(const struct settings *s, size_t namespace_index, const char *name,
                             int status, char *why, size_t why_bytes)
{
    unsigned line = s->namespace_lines[namespace_index][index_of(true, name)];
    char where[SETTINGS_FILE_BYTES_MAX + 32];

    if (status == ACCORD_OK || line == 0)
        return status;
    snprintf(where, sizeof where, "%s:%u: ", s->file, line);
    prepend(where, why, why_bytes);
    return status;
}

/* ---- what differs ---- */

static void say(char *out, const char *section, const char *name)
{
    static const char more[] = ", …";
    size_t used = strlen(out), room = SETTINGS_DIFFER_BYTES_MAX - used;
    const char *between = used > 0 ? ", " : "";
    char text[NAMESPACE_BYTES_MAX + 64 + 32];
    int bytes = snprintf(text, sizeof text, "%s%s%s%s%s%s", between,
                         section ? "[namespace " : "", section ? section : "",
                         section ? "]" : "", section && name ? " " : "", name ? name : "");

    if (used >= sizeof more && strcmp(out + used - (sizeof more - 1), more) == 0)
        return;
    if ((size_t)bytes + sizeof more > room)
        memcpy(out + used, more, sizeof more);
    else
        memcpy(out + used, text, (size_t)bytes + 1);
}

static bool same_list(const struct text_list *a, const struct text_list *b)
{
    return a->count == b->count && memcmp(a->text, b->text, sizeof a->text) == 0;
}

static bool same_field(const struct setting *d, const void *a, const void *b)
{
    const void *x = (const uint8_t *)a + d->offset, *y = (const uint8_t *)b + d->offset;

    return d->kind == SETTING_LIST ? same_list(x, y) : memcmp(x, y, d->bytes) == 0;
}

/* The secret behind a file's name is a setting as well. */
static bool same_secret(const char *name, const struct settings *a, const struct settings *b)
{
    if (strcmp(name, "password-file") == 0)
        return strcmp(a->password, b->password) == 0;
    if (strcmp(name, "acs-secret-file") == 0)
        return strcmp(a->acs_secret, b->acs_secret) == 0;
    if (strcmp(name, "signing-key-file") == 0)
        return memcmp(&a->keys.keys[0], &b->keys.keys[0], sizeof a->keys.keys[0]) == 0;
    if (strcmp(name, "signing-old-key-file") == 0)
        return memcmp(&a->keys.keys[1], &b->keys.keys[1], sizeof a->keys.keys[1]) == 0;
    return true;
}

/* log and log-level are taken; another file matters by what it says. */
static bool is_taken(const char *name)
{
    return strcmp(name, "log") == 0 || strcmp(name, "log-level") == 0 ||
           strcmp(name, "config") == 0;
}

static void differ_namespaces(const struct settings *a, const struct settings *b, char *out)
{
    size_t count;
    const struct setting *all = settings_table(true, &count);

    for (size_t i = 0; i < a->namespace_count; i++) {
        const char *name = a->namespaces[i].name;
        size_t other = settings_namespace_index(b, name);
        if (other == NAMESPACES_MAX) {
            say(out, name, NULL);
            continue;
        }
        for (size_t j = 0; j < count; j++)
            if (!same_field(&all[j], &a->namespaces[i], &b->namespaces[other]))
                say(out, name, all[j].name);
    }
    for (size_t i = 0; i < b->namespace_count; i++)
        if (settings_namespace_index(a, b->namespaces[i].name) == NAMESPACES_MAX)
            say(out, b->namespaces[i].name, NULL);
}

void settings_differ(const struct settings *a, const struct settings *b,
                     char out[SETTINGS_DIFFER_BYTES_MAX])
{
    size_t count;
    const struct setting *all = settings_table(false, &count);

    out[0] = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_taken(all[i].name) &&
            (!same_field(&all[i], a, b) || !same_secret(all[i].name, a, b)))
            say(out, NULL, all[i].name);
    differ_namespaces(a, b, out);
}
