/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/chat.h"

#include "base/hex.h"

enum { LAST_LINE_BYTES = 48 }; /* "/and 1023 more" and its end, amply */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* ---- parse --------------------------------------------------------------------------------
 */

struct line {
    uint8_t *at, *end;
};

static struct line trimmed(struct line l)
{
    while (l.at < l.end && is_blank(l.at[0]))
        l.at++;
    while (l.at < l.end && is_blank(l.end[-1]))
        l.end--;
    return l;
}

/* One character behind a backslash. -1: there is none such. *used: how many bytes it took. */
static int escaped(const uint8_t *at, size_t left, size_t *used)
{
    *used = 1;
    if (left == 0)
        return -1;
    if (at[0] == '\\' || at[0] == '"')
        return at[0];
    if (at[0] == 'n')
        return '\n';
    if (at[0] != 'x' || left < 3 || hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0)
        return -1;
    *used = 3;
    return hex_digit(at[1]) << 4 | hex_digit(at[2]);
}

/* What stands between the quotes, written over them. False: they do not end, or hold what is
 * none of the escapes. */
static bool unquote(struct line *l)
{
    uint8_t *to = l->at, *at = l->at + 1, *end = l->end - 1;

    if (end < at || end[0] != '"')
        return false;
    while (at < end) {
        size_t used = 1;
        int c = at[0];

        if (c == '"')
            return false;
        if (c == '\\') {
            c = escaped(at + 1, (size_t)(end - at - 1), &used);
            used++;
        }
        if (c < 0)
            return false;
        *to++ = (uint8_t)c;
        at += used;
    }
    l->end = to;
    return true;
}

static bool is_key(struct line l)
{
    return l.at < l.end && (size_t)(l.end - l.at) <= KEY_BYTES_MAX;
}

static struct change change_of(enum change_op op, struct line key)
{
    return (struct change){.op = op, .key = bytes_of(key.at, (size_t)(key.end - key.at))};
}

/* "/word argument". */
static size_t parse_command(struct line l, struct change *out)
{
    struct line word = {l.at + 1, l.at + 1};
    enum change_op op;

    while (word.end < l.end && !is_blank(word.end[0]))
        word.end++;
    struct line key = trimmed((struct line){word.end, l.end});
    if (change_op_parse(bytes_of(word.at, (size_t)(word.end - word.at)), &op) != ACCORD_OK)
        return 0;
    if (op == CHANGE_CLEAR && key.at == key.end) {
        *out = (struct change){.op = CHANGE_CLEAR};
        return 1;
    }
    if (op >= CHANGE_CLEAR || (key.at < key.end && key.at[0] == '"' && !unquote(&key)))
        return 0;
    *out = change_of(op, key);
    return is_key(key) && !change_problem(out);
}

static size_t parse_line(struct line l, struct change out[2])
{
    if (l.at == l.end)
        return 0;
    if (l.at[0] == '/' && (l.end - l.at < 2 || l.at[1] != '/'))
        return parse_command(l, out);
    l.at += l.at[0] == '/';
    if (!is_key(l))
        return 0;
    out[0] = change_of(CHANGE_REMOVE, l);
    out[1] = change_of(CHANGE_TAG, l);
    return 2;
}

size_t chat_parse(uint8_t *text, size_t size_bytes, struct change out[CHAT_CHANGES_MAX])
{
    uint8_t *at = text, *end = text + size_bytes;
    size_t count = 0;

    while (at < end && count + 2 <= CHAT_CHANGES_MAX) {
        uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        struct line l = {at, newline ? newline : end};

        at = newline ? newline + 1 : end;
        count += parse_line(trimmed(l), out + count);
    }
    return count;
}

/* ---- print --------------------------------------------------------------------------------
 */

/* How many bytes the character there takes; 0: it is none that XML has. */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t c = at[0];
    size_t n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
    uint32_t code = n == 1 ? c : n == 2 ? c & 31u : n == 3 ? c & 15u : c & 7u;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 63u);
    }
    bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    bool none = (code >= 0xd800 && code < 0xe000) || (code & 0xfffe) == 0xfffe ||
                code > 0x10ffff || (code >= 0xfdd0 && code < 0xfdf0);
    return control || none || code < least[n] ? 0 : n;
}

bool chat_is_text(struct bytes b)
{
    for (size_t i = 0, n; i < b.size_bytes; i += n) {
        n = character_bytes(b.data + i, b.size_bytes - i);
        if (n == 0)
            return false;
    }
    return true;
}

struct writer {
    char *out;
    size_t used, max;
    bool full;
};

static void put(struct writer *w, const void *data, size_t bytes)
{
    w->full = w->full || bytes > w->max - w->used;
    if (w->full)
        return;
    memcpy(w->out + w->used, data, bytes);
    w->used += bytes;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_escaped(struct writer *w, uint8_t c)
{
    static const char digits[] = "0123456789abcdef";
    char hex[4] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

    if (c == '\n')
        put_text(w, "\\n");
    else if (c == '"' || c == '\\')
        put(w, (char[2]){'\\', (char)c}, 2);
    else
        put(w, hex, 4);
}

static void put_quoted(struct writer *w, struct bytes key)
{
    put_text(w, "\"");
    for (size_t i = 0, n; i < key.size_bytes; i += n ? n : 1) {
        uint8_t c = key.data[i];

        n = c == '"' || c == '\\' ? 0 : character_bytes(key.data + i, key.size_bytes - i);
        if (n == 0)
            put_escaped(w, c);
        else
            put(w, key.data + i, n);
    }
    put_text(w, "\"");
}

/* Whether it comes back as it is when it is typed behind a word. */
static bool is_plain(struct bytes key)
{
    return chat_is_text(key) && !is_blank(key.data[0]) &&
           !is_blank(key.data[key.size_bytes - 1]) && key.data[0] != '"';
}

static void put_change(struct writer *w, const struct change *c)
{
    bool plain = c->key.size_bytes > 0 && is_plain(c->key);

    if (c->op == CHANGE_REMOVE && plain) {
        put_text(w, c->key.data[0] == '/' ? "/" : "");
    } else {
        put_text(w, "/");
        put_text(w, change_op_word(c->op));
        put_text(w, c->op == CHANGE_CLEAR ? "" : " ");
    }
    if (c->op != CHANGE_CLEAR && plain)
        put(w, c->key.data, c->key.size_bytes);
    else if (c->op != CHANGE_CLEAR)
        put_quoted(w, c->key);
}

static void put_number(struct writer *w, size_t number)
{
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(w, digits + at, sizeof digits - at);
}

/* Takes back a line that did not fit. */
static void put_line(struct writer *w, const struct change *c, size_t *left_out)
{
    size_t before = w->used;

    put_text(w, before > 0 ? "\n" : "");
    put_change(w, c);
    if (!w->full)
        return;
    *w = (struct writer){w->out, before, w->max, false};
    (*left_out)++;
}

size_t chat_print(const struct change *changes, size_t count, char out[CHAT_BODY_BYTES_MAX])
{
    struct writer w = {.out = out, .max = CHAT_BODY_BYTES_MAX - LAST_LINE_BYTES};
    size_t left_out = 0;

    for (size_t i = 0; i < count; i++) {
        if (changes[i].op < CHANGE_JOIN && left_out == 0)
            put_line(&w, &changes[i], &left_out);
        else
            left_out += changes[i].op < CHANGE_JOIN;
    }
    w.max = CHAT_BODY_BYTES_MAX - 1;
    if (left_out > 0) {
        put_text(&w, w.used > 0 ? "\n/and " : "/and ");
        put_number(&w, left_out);
        put_text(&w, " more");
    }
    out[w.used] = '\0';
    return w.used;
}
