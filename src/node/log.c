/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct line {
    char *text;
    size_t used, room; /* room leaves space for the end of the line */
};

static const char *const level_words[] = {"error", "warn", "info", "debug"};

/* All of `text` or nothing: half an escape would be an injection. */
static void put(struct line *l, const char *text, size_t length)
{
    if (length > l->room - l->used)
        return;
    memcpy(l->text + l->used, text, length);
    l->used += length;
}

PRINTF_LIKE(2, 3)
static void put_format(struct line *l, const char *format, ...)
{
    char text[128];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ASSERT(length >= 0);
    put(l, text, strlen(text));
}

/* Bytes of the UTF-8 sequence at `at`, or 0 where it is none, is overlong, a surrogate, or a C1
 * control (terminals obey those). */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    size_t length = at[0] < 0xc2   ? 0
                    : at[0] < 0xe0 ? 2
                    : at[0] < 0xf0 ? 3
                    : at[0] < 0xf5 ? 4
                                   : 0;

    if (length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if (at[0] == 0xc2 && at[1] < 0xa0)
        return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0))
        return 0;
    if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90))
        return 0;
    /* U+2028, U+2029 and the direction overrides U+202A to U+202E and U+2066 to U+2069 reorder
     * or break what a person sees. */
    if (at[0] == 0xe2 && ((at[1] == 0x80 && at[2] >= 0xa8 && at[2] <= 0xae) ||
                          (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9)))
        return 0;
    return length;
}

static void put_escaped(struct line *l, const char *text, enum log_format format)
{
    size_t size = strnlen(text, LOG_VALUE_BYTES_MAX + 1), cut = size;

    if (size > LOG_VALUE_BYTES_MAX)
        cut = LOG_VALUE_BYTES_MAX;
    for (size_t i = 0; i < cut;) {
        const uint8_t *at = (const uint8_t *)text + i;
        size_t length = *at >= ' ' && *at < 0x7f ? 1 : utf8_length(at, cut - i);
        if (length == 0)
            put_format(l, format == LOG_JSON ? "\\\\x%02x" : "\\x%02x", *at);
        else if (*at == '"' || *at == '\\')
            put_format(l, "\\%c", *at);
        else
            put(l, (const char *)at, length);
        i += length == 0 ? 1 : length;
    }
    if (cut < size)
        put(l, "...", 3);
}

/* logfmt: a bare word where nothing could be misread. */
static bool is_word(const char *text)
{
    size_t size = strnlen(text, LOG_VALUE_BYTES_MAX + 1);

    if (size == 0 || size > LOG_VALUE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '=' ||
            text[i] == '\\')
            return false;
    return true;
}

static void put_field(struct line *l, enum log_format format, const struct log_field *f)
{
    struct line before = *l;
    bool quote = format == LOG_JSON || (f->text && !is_word(f->text));

    put_format(l, format == LOG_JSON ? ",\"%s\":" : " %s=", f->name);
    if (!f->text) {
        put_format(l, "%llu", (unsigned long long)f->number);
    } else {
        /* What does not fit with all its escapes and its end is left out whole. */
        if (l->room - l->used < 4 * LOG_VALUE_BYTES_MAX + LOG_VALUE_BYTES_MAX + 8) {
            *l = before;
            return;
        }
        put(l, "\"", quote ? 1 : 0);
        put_escaped(l, f->text, format);
        put(l, "\"", quote ? 1 : 0);
    }
}

static void put_time(struct line *l, uint64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char text[32] = "";

    if (gmtime_r(&seconds, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    put_format(l, "%s.%03uZ", text, (unsigned)(wall_ms % 1000));
}

size_t log_format_line(char *line, size_t line_bytes, enum log_format format, uint64_t wall_ms,
                       enum log_level level, const char *event, const struct log_field *fields,
                       size_t count)
{
    struct line l = {line, 0, line_bytes - 3};

    put_format(&l, format == LOG_JSON ? "{\"time\":\"" : "time=");
    put_time(&l, wall_ms);
    put_format(
        &l, format == LOG_JSON ? "\",\"level\":\"%s\",\"event\":\"%s\"" : " level=%s event=%s",
        level_words[level], event);
    for (size_t i = 0; i < count; i++)
        put_field(&l, format, &fields[i]);
    l.room = line_bytes - 1;
    put(&l, format == LOG_JSON ? "}\n" : "\n", format == LOG_JSON ? 2 : 1);
    line[l.used] = 0;
    return l.used;
}

void log_init(struct log *l, int fd, enum log_format format, enum log_level level)
{
    memset(l, 0, sizeof *l);
    l->fd = fd;
    l->format = format;
    l->level = level;
}

/* The burst of `event`, or NULL where the table is full: such events are not limited. */
static struct log_burst *burst_of(struct log *l, const char *event)
{
    for (size_t i = 0; i < LOG_EVENTS_MAX; i++) {
        if (!l->bursts[i].event)
            l->bursts[i].event = event;
        if (l->bursts[i].event == event)
            return &l->bursts[i];
    }
    return NULL;
}

static void emit(struct log *l, uint64_t wall_ms, enum log_level level, const char *event,
                 const struct log_field *fields, size_t count)
{
    char line[LOG_LINE_BYTES_MAX];
    size_t size =
        log_format_line(line, sizeof line, l->format, wall_ms, level, event, fields, count);
    ssize_t written = write(l->fd, line, size);

    l->lines += written == (ssize_t)size;
}

void log_write(struct log *l, uint64_t wall_ms, enum log_level level, const char *event,
               const struct log_field *fields, size_t count)
{
    struct log_burst *b = burst_of(l, event);
    uint64_t minute = wall_ms / 60000;

    if (level > l->level)
        return;
    if (b && b->minute != minute) {
        if (b->suppressed > 0) {
            struct log_field more[] = {log_text("of", event),
                                       log_number("lines", b->suppressed)};
            emit(l, wall_ms, LOG_INFO, "suppressed", more, COUNT_OF(more));
        }
        b->minute = minute;
        b->written = b->suppressed = 0;
    }
    if (b && b->written == LOG_BURST) {
        b->suppressed++;
        l->suppressed++;
        return;
    }
    if (b)
        b->written++;
    emit(l, wall_ms, level, event, fields, count);
}
