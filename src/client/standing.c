/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/standing.h"

#include "base/limits.h"

#include <stdio.h>

enum { LABEL_BYTES_MAX = NODE_NAME_BYTES_MAX + 16 };

/* Unprintable bytes become '?', as in every text of the daemon's. */
static void tell(struct bytes name, int standing, accord_standing_told told, void *context)
{
    char label[LABEL_BYTES_MAX];
    size_t size = u64_min(name.size_bytes, sizeof label - 1);

    for (size_t i = 0; i < size; i++)
        label[i] = name.data[i] > 0x20 && name.data[i] < 0x7f ? (char)name.data[i] : '?';
    label[size] = '\0';
    if (size > 0)
        told(context, label, standing);
}

/* ---- the map of one that is done ---- */

static void tell_field(const struct reply_node *reply, const char *field, int standing,
                       accord_standing_told told, void *context)
{
    const struct reply_node *list = reply_field(reply, field);

    if (!list || list->type != REPLY_LIST)
        return;
    for (uint32_t i = 0; i < list->count; i++)
        if (list[1 + i].type == REPLY_TEXT) /* what is no text has no children either: flat */
            tell(list[1 + i].text, standing, told, context);
}

/* ---- the error of one that is not ---- */

static bool starts(struct bytes text, const char *with)
{
    size_t size = strlen(with);

    return text.size_bytes >= size && memcmp(text.data, with, size) == 0;
}

static struct bytes after(struct bytes text, size_t size)
{
    return bytes_of(text.data + size, text.size_bytes - size);
}

/* What comes before `separator`; *rest is what comes after it. */
static struct bytes split(struct bytes *rest, const char *separator)
{
    struct bytes text = *rest;
    size_t size = strlen(separator), at = 0;

    while (at < text.size_bytes && !starts(after(text, at), separator))
        at++;
    *rest = at < text.size_bytes ? after(text, at + size) : bytes_of(NULL, 0);
    return bytes_of(text.data, at);
}

static void tell_section(struct bytes section, accord_standing_told told, void *context)
{
    static const struct {
        const char *words;
        int standing;
    } kinds[] = {{"not confirmed by ", ACCORD_UNKNOWN},
                 {"confirmed by ", ACCORD_CONFIRMED},
                 {"lapsed: ", ACCORD_LAPSED}};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!starts(section, kinds[i].words))
            continue;
        struct bytes names = after(section, strlen(kinds[i].words));
        while (names.size_bytes > 0)
            tell(split(&names, ", "), kinds[i].standing, told, context);
        return;
    }
}

void standing_tell(const struct reply_node *reply, accord_standing_told told, void *context)
{
    static const char head[] = "TIMEOUT unknown: ";

    if (reply->type == REPLY_ERROR && starts(reply->text, head)) {
        struct bytes sections = after(reply->text, sizeof head - 1);
        while (sections.size_bytes > 0)
            tell_section(split(&sections, "; "), told, context);
    } else if (reply->type == REPLY_MAP || reply->type == REPLY_LIST) {
        tell_field(reply, "confirmed", ACCORD_CONFIRMED, told, context);
        tell_field(reply, "lapsed", ACCORD_LAPSED, told, context);
    }
}
