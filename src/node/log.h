/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* log.h - one line per decision, none per request; text (logfmt) or JSON.
 *
 * Text that came from outside can neither end its field nor its line, nor command a terminal:
 * control characters, invalid UTF-8, quotes and backslashes are escaped, and each value is cut
 * to LOG_VALUE_BYTES_MAX. More than LOG_BURST lines a minute of one event are counted instead
 * of written, and the count is said later. Never give it a secret.
 *
 * Threads: the loop thread alone. A line is one write(), so lines of other processes that share
 * the file do not mix in.
 */
#ifndef ACCORD_NODE_LOG_H
#define ACCORD_NODE_LOG_H

#include "base/base.h"

enum log_format { LOG_TEXT, LOG_JSON };
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum {
    LOG_VALUE_BYTES_MAX = 256, /* of one value, before escaping */
    LOG_LINE_BYTES_MAX = 8192,
    LOG_BURST = 10, /* lines of one event within a minute */
    LOG_EVENTS_MAX = 64,
};

struct log_burst {
    const char *event; /* by address: events are literals */
    uint64_t minute;   /* of wall time */
    uint32_t written, suppressed;
};

struct log {
    int fd;
    enum log_format format;
    enum log_level level;
    uint64_t lines, suppressed;
    struct log_burst bursts[LOG_EVENTS_MAX];
};

struct log_field {
    const char *name; /* a literal: letters and underscores */
    const char *text; /* NULL: it is the number */
    uint64_t number;
};

static inline struct log_field log_text(const char *name, const char *text)
{
    return (struct log_field){name, text ? text : "", 0};
}

static inline struct log_field log_number(const char *name, uint64_t number)
{
    return (struct log_field){name, NULL, number};
}

void log_init(struct log *l, int fd, enum log_format format, enum log_level level);

/* Writes one line: time, level, event, fields. What cannot be written is lost, never waited
 * for longer than the file needs. `wall_ms`: Unix time. */
void log_write(struct log *l, uint64_t wall_ms, enum log_level level, const char *event,
               const struct log_field *fields, size_t count);

#define LOG(l, wall_ms, level, event, ...)                                                     \
    log_write(l, wall_ms, level, event, (const struct log_field[]){__VA_ARGS__},               \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* The line itself, newline and NUL included; returns its length without the NUL. For tests and
 * for log_write(). */
size_t log_format_line(char *line, size_t line_bytes, enum log_format format, uint64_t wall_ms,
                       enum log_level level, const char *event, const struct log_field *fields,
                       size_t count);

#endif
