/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/tcl.h"

/* ---- writing --------------------------------------------------------------------------
 * An element stands as it is, in braces, or with a backslash before what would mean something.
 * Which, is Tcl's history: braces are preferred, but where "]" and inner quotes are all that
 * means anything; where braces do not pair, or a backslash is last or before a newline, they
 * cannot be. */

enum form { FORM_BARE, FORM_BRACES, FORM_ESCAPED, FORM_ESCAPED_BUT_BRACES };

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct looks {
    int depth;
    bool unpaired;     /* braces cannot hold it */
    bool quoted;       /* it cannot stand bare */
    bool likes_braces; /* more than "]" and quotes is in it */
};

/* What a backslash at element[i] does; how many bytes belong to it. */
static size_t look_at_backslash(struct bytes e, size_t i, struct looks *l)
{
    l->quoted = l->likes_braces = true;
    if (i + 1 == e.size_bytes) {
        l->unpaired = true;
        return 1;
    }
    uint8_t next = e.data[i + 1];
    l->unpaired |= next == '\n';
    return next == '{' || next == '}' || next == '\\' || next == '\n' ? 2 : 1;
}

static void look_at(uint8_t c, struct looks *l)
{
    if (c == '{') {
        l->depth++;
    } else if (c == '}') {
        l->unpaired |= --l->depth < 0;
    } else if (c == ']' || c == '"') {
        l->quoted = true;
    } else if (c == '[' || c == '$' || c == ';' || is_space(c)) {
        l->quoted = l->likes_braces = true;
    }
}

static enum form form_of(struct bytes e, bool first)
{
    bool hash = first && e.size_bytes > 0 && e.data[0] == '#';
    struct looks l = {.likes_braces = hash};

    if (e.size_bytes == 0)
        return FORM_BRACES;
    if (e.data[0] == '{' || e.data[0] == '"')
        l.quoted = l.likes_braces = true;
    for (size_t i = 0; i < e.size_bytes;) {
        if (e.data[i] == '\\') {
            i += look_at_backslash(e, i, &l);
            continue;
        }
        look_at(e.data[i++], &l);
    }
    if (l.unpaired || l.depth != 0)
        return FORM_ESCAPED;
    if (l.quoted && !l.likes_braces)
        return FORM_ESCAPED_BUT_BRACES;
    return l.quoted || hash ? FORM_BRACES : FORM_BARE;
}

struct sink {
    uint8_t *out;
    size_t size, used;
};

static void put(struct sink *s, uint8_t c)
{
    if (s->used < s->size)
        s->out[s->used] = c;
    s->used++;
}

static void put_escaped(struct sink *s, uint8_t c, bool braces)
{
    static const char letters[] = "tnvfr"; /* of \t to \r */

    if (c >= '\t' && c <= '\r') {
        put(s, '\\');
        put(s, (uint8_t)letters[c - '\t']);
        return;
    }
    if (c == ' ' || c == '[' || c == ']' || c == '$' || c == ';' || c == '"' || c == '\\' ||
        (braces && (c == '{' || c == '}')))
        put(s, '\\');
    put(s, c);
}

size_t tcl_quote(struct bytes e, bool first, uint8_t *out, size_t out_bytes)
{
    struct sink s = {out, out_bytes, 0};
    enum form form = form_of(e, first);
    bool escaped = form == FORM_ESCAPED || form == FORM_ESCAPED_BUT_BRACES;

    if (form == FORM_BRACES)
        put(&s, '{');
    if (escaped && first && e.data[0] == '#')
        put(&s, '\\');
    for (size_t i = 0; i < e.size_bytes; i++) {
        if (escaped)
            put_escaped(&s, e.data[i], form == FORM_ESCAPED);
        else
            put(&s, e.data[i]);
    }
    if (form == FORM_BRACES)
        put(&s, '}');
    return s.used;
}

/* ---- reading -------------------------------------------------------------------------- */

struct source {
    struct bytes list;
    size_t at;
    uint8_t *scratch; /* what is written there is never more than was read */
    size_t used;
};

static bool more(const struct source *s)
{
    return s->at < s->list.size_bytes;
}

static uint8_t next(const struct source *s)
{
    return s->list.data[s->at];
}

static void add(struct source *s, uint8_t c)
{
    ASSERT(s->used < s->list.size_bytes);
    s->scratch[s->used++] = c;
}

/* UTF-8 takes fewer bytes than any way to write it: \u20ac is six, and becomes three. */
static void add_point(struct source *s, uint32_t point)
{
    if (point < 0x80) {
        add(s, (uint8_t)point);
        return;
    }
    unsigned rest = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    add(s, (uint8_t)(leads[rest] | point >> (6 * rest)));
    while (rest-- > 0)
        add(s, (uint8_t)(0x80 | (point >> (6 * rest) & 0x3f)));
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return 99;
}

static uint32_t read_number(struct source *s, int base, unsigned digits)
{
    uint32_t number = 0;

    for (; digits > 0 && more(s) && digit(next(s)) < base; digits--)
        number = number * (uint32_t)base + (uint32_t)digit(s->list.data[s->at++]);
    return number;
}

/* A newline after a backslash, and the blanks after it, are one space. */
static void read_newline(struct source *s)
{
    while (more(s) && (next(s) == ' ' || next(s) == '\t'))
        s->at++;
    add(s, ' ');
}

/* What follows the backslash that was just passed. False: a number that is no character. */
static bool read_backslash(struct source *s)
{
    static const char letters[] = "abfnrtv", bytes[] = "\a\b\f\n\r\t\v";

    if (!more(s)) {
        add(s, '\\');
        return true;
    }
    uint8_t c = s->list.data[s->at++];
    unsigned digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits > 0 && more(s) && digit(next(s)) < 16) {
        uint32_t point = read_number(s, 16, digits);
        if (point > 0x10ffff)
            return false;
        add_point(s, point);
        return true;
    }
    const char *letter = c != '\0' ? memchr(letters, c, sizeof letters - 1) : NULL;
    if (c == '\n') {
        read_newline(s);
    } else if (c >= '0' && c <= '7') {
        s->at--;
        add_point(s, read_number(s, 8, c <= '3' ? 3 : 2)); /* at most \377 */
    } else {
        add(s, letter ? (uint8_t)bytes[letter - letters] : c);
    }
    return true;
}

/* In braces everything is itself. */
static bool read_braced(struct source *s, struct bytes *out)
{
    size_t from = ++s->at;
    unsigned depth = 1;

    for (; more(s); s->at++) {
        uint8_t c = next(s);
        if (c == '\\' && s->at + 1 < s->list.size_bytes)
            s->at++;
        else if (c == '{')
            depth++;
        else if (c == '}' && --depth == 0)
            break;
    }
    if (!more(s))
        return false;
    *out = bytes_of(s->list.data + from, s->at - from);
    s->at++;
    return true;
}

/* Up to a space, or with `quoted` to the closing quote. */
static bool read_word(struct source *s, bool quoted, struct bytes *out)
{
    size_t from = s->used;

    s->at += quoted;
    while (more(s) && (quoted ? next(s) != '"' : !is_space(next(s)))) {
        uint8_t c = s->list.data[s->at++];
        if (c != '\\')
            add(s, c);
        else if (!read_backslash(s))
            return false;
    }
    if (quoted && !more(s))
        return false;
    s->at += quoted;
    *out = bytes_of(s->scratch + from, s->used - from);
    return true;
}

static bool read_element(struct source *s, struct bytes *out)
{
    bool well = next(s) == '{' ? read_braced(s, out) : read_word(s, next(s) == '"', out);

    return well && (!more(s) || is_space(next(s)));
}

int tcl_split(struct bytes list, struct bytes *elements, size_t elements_max, uint8_t *scratch,
              size_t *count_out)
{
    struct source s = {.list = list, .scratch = scratch};
    size_t count = 0;

    for (;;) {
        while (more(&s) && is_space(next(&s)))
            s.at++;
        if (!more(&s))
            break;
        if (count == elements_max)
            return ACCORD_E_FULL;
        if (!read_element(&s, &elements[count]))
            return ACCORD_E_FORMAT;
        count++;
    }
    *count_out = count;
    return ACCORD_OK;
}
