/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/display.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TEXTS = 8, TEXT_BYTES_MAX = 40, COLUMNS_DEFAULT = 80, ROWS_DEFAULT = 24 };

static char *next_text(void)
{
    static char texts[TEXTS][TEXT_BYTES_MAX];
    static unsigned turn;

    return texts[turn++ % TEXTS];
}

const char *demo_text_count(uint64_t n)
{
    char *text = next_text(), digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;

    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = 0;
    return text;
}

const char *demo_text_time(uint64_t ns)
{
    char *text = next_text();

    if (ns < 10000)
        snprintf(text, TEXT_BYTES_MAX, "%llu ns", (unsigned long long)ns);
    else if (ns < NS_PER_MS)
        snprintf(text, TEXT_BYTES_MAX, "%.1f us", (double)ns / 1e3);
    else if (ns < NS_PER_S)
        snprintf(text, TEXT_BYTES_MAX, "%.2f ms", (double)ns / 1e6);
    else
        snprintf(text, TEXT_BYTES_MAX, "%.2f s", (double)ns / 1e9);
    return text;
}

/* The bytes of the UTF-8 sequence at `text`; 0: none. */
static size_t sequence_bytes(const char *text)
{
    const uint8_t *b = (const uint8_t *)text;
    size_t size = b[0] < 0x80                    ? 1
                  : b[0] >= 0xc2 && b[0] <= 0xdf ? 2
                  : (b[0] & 0xf0) == 0xe0        ? 3
                  : b[0] >= 0xf0 && b[0] <= 0xf4 ? 4
                                                 : 0;

    if (size == 1)
        return b[0] >= 0x20 && b[0] != 0x7f;
    for (size_t i = 1; i < size; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    if (size == 2 && b[0] == 0xc2 && b[1] < 0xa0)
        return 0; /* the C1 control characters */
    return size;
}

void demo_text_cut(char *text, size_t columns)
{
    for (; *text && columns > 0; columns--) {
        size_t size = sequence_bytes(text);
        if (size == 0) {
            *text = '?';
            size = 1;
        }
        text += size;
    }
    *text = 0;
}

void demo_display_init(struct demo_display *d, FILE *stream)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    *d = (struct demo_display){.stream = stream};
    d->terminal = isatty(fileno(stream)) && term && *term && strcmp(term, "dumb") != 0;
    d->colors = d->terminal && !(no_color && *no_color);
}

static void window(const struct demo_display *d, size_t *columns, size_t *rows)
{
    struct winsize size = {0};

    *columns = COLUMNS_DEFAULT;
    *rows = ROWS_DEFAULT;
    if (ioctl(fileno(d->stream), TIOCGWINSZ, &size) != 0)
        return;
    if (size.ws_col > 0)
        *columns = size.ws_col;
    if (size.ws_row > 0)
        *rows = size.ws_row;
}

static void up(struct demo_display *d)
{
    if (d->drawn > 0)
        fprintf(d->stream, "\r\033[%zuA\033[J", d->drawn);
    d->drawn = 0;
}

void demo_display_line(struct demo_display *d, enum demo_paint paint, const char *format, ...)
{
    va_list arguments;

    if (!d->terminal || d->count == DEMO_DISPLAY_LINES_MAX)
        return;
    d->lines[d->count].paint = paint;
    va_start(arguments, format);
    vsnprintf(d->lines[d->count].text, sizeof d->lines[0].text, format, arguments);
    va_end(arguments);
    d->count++;
}

void demo_display_draw(struct demo_display *d)
{
    static const char *const paints[] = {"", "\033[1m", "\033[32m", "\033[33m", "\033[1;31m"};
    size_t columns, rows;

    window(d, &columns, &rows);
    up(d);
    /* The last column and row stay free: some terminals wrap or scroll when they are filled. */
    for (size_t i = 0; i < d->count && i + 1 < rows; i++) {
        demo_text_cut(d->lines[i].text, columns > 1 ? columns - 1 : 1);
        bool painted = d->colors && d->lines[i].paint != DEMO_PLAIN;
        fprintf(d->stream, "%s%s%s\n", painted ? paints[d->lines[i].paint] : "",
                d->lines[i].text, painted ? "\033[0m" : "");
        d->drawn++;
    }
    d->count = 0;
    fflush(d->stream);
}

void demo_display_say(struct demo_display *d, const char *format, ...)
{
    char text[DEMO_DISPLAY_LINE_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    demo_text_cut(text, sizeof text);
    up(d);
    fprintf(d->stream, "%s\n", text);
    fflush(d->stream);
}

void demo_display_clear(struct demo_display *d)
{
    up(d);
    d->count = 0;
    fflush(d->stream);
}
