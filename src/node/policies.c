/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/policies.h"

#include "node/settings_table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { WORD_BYTES_MAX = 128, HASH_WORD_BYTES = 10 /* " #" and 8 digits */ };

struct line {
    char *out;
    size_t used;
    bool cut;
    XXH64_state_t hash; /* of all words, also of those left out */
};

static void add_word(struct line *l, const char *word)
{
    size_t bytes = strlen(word), room = POLICIES_BYTES_MAX - HASH_WORD_BYTES;

    XXH64_update(&l->hash, word, bytes + 1);
    l->cut = l->cut || l->used + 1 + bytes > room;
    if (l->cut)
        return;
    if (l->used > 0)
        l->out[l->used++] = ' ';
    memcpy(l->out + l->used, word, bytes + 1);
    l->used += bytes;
}

/* ---- what is asked for ---- */

static void print_choice(const struct setting *d, unsigned index, char text[32])
{
    const char *word = d->words;

    for (; index > 0 && strchr(word, ' '); index--)
        word = strchr(word, ' ') + 1;
    snprintf(text, 32, "%.*s", (int)strcspn(word, " "), word);
}

/* A setting of a namespace, as a word without spaces. */
static void print_value(const struct setting *d, const struct namespace_settings *n,
                        char text[32])
{
    const uint8_t *at = (const uint8_t *)n + d->offset;
    uint64_t number = 0;

    ASSERT(d->bytes <= sizeof number);
    memcpy(&number, at, d->bytes); /* little-endian, as all that Accord runs on */
    switch (d->kind) {
    case SETTING_DURATION:
    case SETTING_DURATION_OR_NEVER:
        settings_print_duration(number, text);
        break;
    case SETTING_CHOICE:
    case SETTING_FLAG:
        print_choice(d, (unsigned)number, text);
        break;
    case SETTING_FRACTION:
        snprintf(text, 32, "%g", (double)number / 1000);
        break;
    case SETTING_CHARACTER:
        snprintf(text, 32, number > ' ' && number <= '~' ? "%c" : "0x%02x", (int)number);
        break;
    default:
        snprintf(text, 32, "%llu", (unsigned long long)number);
    }
}

static bool is_standard(const struct setting *d, const struct namespace_settings *n)
{
    struct namespace_settings standard = {0};

    if (d->standard)
        ASSERT(settings_store(d, &standard, d->standard));
    return memcmp((const uint8_t *)n + d->offset, (const uint8_t *)&standard + d->offset,
                  d->bytes) == 0;
}

static void add_namespace(struct line *l, const struct namespace_settings *n)
{
    char word[WORD_BYTES_MAX], value[32];
    size_t count;
    const struct setting *all = settings_table(true, &count);
    const char *name = n->name[0] ? n->name : "default";

    snprintf(word, sizeof word, "%s", name);
    add_word(l, word);
    for (size_t i = 0; i < count; i++) {
        if (is_standard(&all[i], n))
            continue;
        print_value(&all[i], n, value);
        snprintf(word, sizeof word, "%s.%s=%s", name, all[i].name, value);
        add_word(l, word);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct namespace_settings *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

void policies_print(const struct namespace_settings *list, size_t count,
                    char out[POLICIES_BYTES_MAX + 1])
{
    const struct namespace_settings *sorted[NAMESPACES_MAX];
    struct line l = {.out = out};

    ASSERT(count >= 1 && count <= NAMESPACES_MAX);
    out[0] = '\0';
    XXH64_reset(&l.hash, 0);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &list[i];
    /* The order in which they are declared says nothing. */
    qsort(sorted + 1, count - 1, sizeof sorted[0], by_name);
    for (size_t i = 0; i < count; i++)
        add_namespace(&l, sorted[i]);
    if (l.cut)
        snprintf(out + l.used, POLICIES_BYTES_MAX + 1 - l.used, " #%08x",
                 (unsigned)XXH64_digest(&l.hash));
}

/* ---- what differs ---- */

struct word {
    const char *at;
    size_t bytes, name_bytes; /* before its "=" */
};

/* The next word of *from; false: there is none. */
static bool next_word(const char **from, struct word *out)
{
    const char *at = *from + strspn(*from, " ");
    size_t bytes = strcspn(at, " ");

    *out = (struct word){at, bytes, 0};
    out->name_bytes = bytes;
    for (size_t i = 0; i < bytes && out->name_bytes == bytes; i++)
        if (at[i] == '=')
            out->name_bytes = i;
    *from = at + bytes;
    return bytes > 0;
}

static bool same(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

/* The word of that name. */
static bool find(const char *line, const struct word *wanted, struct word *out)
{
    while (next_word(&line, out))
        if (same(out->at, out->name_bytes, wanted->at, wanted->name_bytes))
            return true;
    return false;
}

/* Its last word is a hash. */
static bool is_cut(const char *line)
{
    const char *last = strrchr(line, ' ');

    last = last ? last + 1 : line;
    return last[0] == '#' && strlen(last) == HASH_WORD_BYTES - 1;
}

/* Whether the line has the namespace of a setting: what stands before the last dot of its name.
 */
static bool declares(const char *line, const struct word *setting)
{
    struct word space = *setting, found;

    while (space.name_bytes > 0 && space.at[space.name_bytes - 1] != '.')
        space.name_bytes--;
    if (space.name_bytes == 0)
        return false;
    space.name_bytes--;
    return find(line, &space, &found);
}

struct said {
    char *out;
    size_t room;
    bool any;
};

PRINTF_LIKE(2, 3)
static void say(struct said *s, const char *format, ...)
{
    va_list args;

    int used = s->any ? snprintf(s->out, s->room, "; ") : 0;
    s->any = true;
    for (int i = 0; i < 2; i++) {
        size_t step = u64_min((uint64_t)used, s->room - 1);
        s->out += step;
        s->room -= step;
        if (i == 1)
            break;
        va_start(args, format);
        used = vsnprintf(s->out, s->room, format, args);
        va_end(args);
    }
}

#define NAME(w)  (int)(w).name_bytes, (w).at
#define VALUE(w) (int)((w).bytes - (w).name_bytes - 1), (w).at + (w).name_bytes + 1

/* A word that only one of both has: a namespace, or a setting that is the standard's there. */
static void say_lone(struct said *s, const struct word *w, const char *other, bool is_here)
{
    if (w->bytes == w->name_bytes)
        say(s, "%.*s is declared only %s", NAME(*w), is_here ? "here" : "there");
    else if (declares(other, w))
        say(s,
            is_here ? "%.*s is %.*s here, the standard there"
                    : "%.*s is %.*s there, the "
                      "standard here",
            NAME(*w), VALUE(*w));
}

bool policies_differ(const char *here, const char *there, char *out, size_t out_bytes)
{
    struct said s = {.out = out, .room = out_bytes};
    bool cut = is_cut(here) || is_cut(there);
    struct word mine, other;

    out[0] = '\0';
    if (strcmp(here, there) == 0)
        return false;
    for (const char *at = here; next_word(&at, &mine);) {
        bool both = find(there, &mine, &other);
        if (!both && !cut)
            say_lone(&s, &mine, there, /* is_here= */ true);
        else if (both && !same(mine.at, mine.bytes, other.at, other.bytes) &&
                 mine.bytes > mine.name_bytes && other.bytes > other.name_bytes)
            say(&s, "%.*s is %.*s there, %.*s here", NAME(mine), VALUE(other), VALUE(mine));
    }
    for (const char *at = there; next_word(&at, &other);)
        if (!find(here, &other, &mine) && !cut)
            say_lone(&s, &other, here, /* is_here= */ false);
    if (!s.any)
        say(&s, cut ? "something differs that does not fit into a beat"
                    : "they are told in another form");
    return s.any;
}
