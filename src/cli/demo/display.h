/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* display.h - progress: a few lines redrawn in place on a terminal, one line a second
 * elsewhere.
 *
 * Nothing is ever wider than the terminal, so that a line is a line and going up finds the
 * first. No library, no cursor addressing beyond "up"; NO_COLOR and TERM=dumb are honoured.
 */
#ifndef ACCORD_CLI_DEMO_DISPLAY_H
#define ACCORD_CLI_DEMO_DISPLAY_H

#include "base/base.h"

#include <stdio.h>

enum { DEMO_DISPLAY_LINES_MAX = 24, DEMO_DISPLAY_LINE_BYTES_MAX = 512 };

enum demo_paint { DEMO_PLAIN, DEMO_BOLD, DEMO_GOOD, DEMO_DOUBTFUL, DEMO_BAD };

struct demo_display {
    FILE *stream;
    bool terminal;
    bool colors;
    size_t drawn; /* lines that stand there and will be drawn over */
    size_t count; /* of the picture being made */
    struct {
        enum demo_paint paint;
        char text[DEMO_DISPLAY_LINE_BYTES_MAX];
    } lines[DEMO_DISPLAY_LINES_MAX];
};

/* `stream` is borrowed. */
void demo_display_init(struct demo_display *d, FILE *stream);

/* Adds a line to the picture. Beyond DEMO_DISPLAY_LINES_MAX it is dropped. */
PRINTF_LIKE(3, 4)
void demo_display_line(struct demo_display *d, enum demo_paint paint, const char *format, ...);
/* Draws the picture over the last one, and begins a new one. On a terminal only. */
void demo_display_draw(struct demo_display *d);
/* A line that stays: on a terminal it scrolls by above the picture. */
PRINTF_LIKE(2, 3)
void demo_display_say(struct demo_display *d, const char *format, ...);
/* Takes the picture away, before something else is printed. */
void demo_display_clear(struct demo_display *d);

/* Cuts `text` to `columns`, counting UTF-8 sequences as one column each, and replaces control
 * characters and broken sequences by '?': what came from elsewhere cannot move the cursor. */
void demo_text_cut(char *text, size_t columns);
/* "1,234,567". Static buffers, eight of them in turn. */
const char *demo_text_count(uint64_t n);
/* "812 ns", "41.2 us", "1.20 ms", "2.41 s". As above. */
const char *demo_text_time(uint64_t ns);

#endif
