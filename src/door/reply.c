/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/connection.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

uint8_t *reply_room(struct connection *c, size_t bytes)
{
    if (c->doomed)
        return NULL;
    size_t capacity = c->sink->capacity;
    if (!buffer_room(c->door, c->sink, bytes)) {
        connection_doom(c, "out of memory");
        return NULL;
    }
    if (c->sink->capacity != capacity) {
        memory_count(c);
        if (c->doomed)
            return NULL;
    }
    return c->sink->data + c->sink->bytes;
}

void reply_wrote(struct connection *c, size_t bytes)
{
    c->sink->bytes += bytes;
    ASSERT(c->sink->bytes <= c->sink->capacity);
}

void reply_raw(struct connection *c, struct bytes bytes)
{
    uint8_t *at = reply_room(c, bytes.size_bytes);

    if (!at || bytes.size_bytes == 0)
        return;
    memcpy(at, bytes.data, bytes.size_bytes);
    reply_wrote(c, bytes.size_bytes);
}

void reply_header(struct connection *c, char type, size_t count)
{
    uint8_t *at = reply_room(c, RESP_HEADER_BYTES_MAX);

    if (at)
        reply_wrote(c, resp_put_header(at, type, count));
}

void reply_array(struct connection *c, size_t count)
{
    reply_header(c, '*', count);
}

void reply_map(struct connection *c, size_t pairs)
{
    if (c->resp3)
        reply_header(c, '%', pairs);
    else
        reply_header(c, '*', 2 * pairs);
}

void reply_push(struct connection *c, size_t count)
{
    reply_header(c, c->resp3 ? '>' : '*', count);
}

void reply_integer(struct connection *c, int64_t n)
{
    uint8_t *at = reply_room(c, RESP_HEADER_BYTES_MAX);

    if (at)
        reply_wrote(c, resp_put_integer(at, n));
}

void reply_unsigned(struct connection *c, uint64_t n)
{
    char text[24];

    if (n <= INT64_MAX) {
        reply_integer(c, (int64_t)n);
        return;
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    reply_text(c, text);
}

void reply_real(struct connection *c, double value)
{
    char text[40];

    if (!isfinite(value))
        value = 0;
    snprintf(text, sizeof text, "%s%.6g%s", c->resp3 ? "," : "", value, c->resp3 ? "\r\n" : "");
    if (c->resp3)
        reply_raw(c, bytes_of_text(text));
    else
        reply_text(c, text);
}

void reply_flag(struct connection *c, bool value)
{
    if (c->resp3)
        reply_raw(c, bytes_of_text(value ? "#t\r\n" : "#f\r\n"));
    else
        reply_integer(c, value);
}

void reply_bulk(struct connection *c, struct bytes value)
{
    uint8_t *at = reply_room(c, RESP_HEADER_BYTES_MAX + value.size_bytes);

    if (at)
        reply_wrote(c, resp_put_bulk(at, value));
}

void reply_text(struct connection *c, const char *text)
{
    reply_bulk(c, bytes_of_text(text));
}

void reply_verbatim(struct connection *c, struct bytes text)
{
    if (!c->resp3) {
        reply_bulk(c, text);
        return;
    }
    reply_header(c, '=', text.size_bytes + 4);
    reply_raw(c, bytes_of_text("txt:"));
    reply_raw(c, text);
    reply_raw(c, bytes_of_text("\r\n"));
}

void reply_null(struct connection *c)
{
    uint8_t *at = reply_room(c, RESP_HEADER_BYTES_MAX);

    if (at)
        reply_wrote(c, resp_put_null(at, c->resp3));
}

static void put_line(struct connection *c, char type, struct bytes text)
{
    uint8_t *at = reply_room(c, RESP_HEADER_BYTES_MAX + text.size_bytes);

    if (at)
        reply_wrote(c, resp_put_line(at, type, text));
}

void reply_line(struct connection *c, const char *text)
{
    put_line(c, '+', bytes_of_text(text));
}

void reply_ok(struct connection *c)
{
    uint8_t *at = reply_room(c, RESP_HEADER_BYTES_MAX);

    if (!at)
        return;
    memcpy(at, "+OK\r\n", 5);
    reply_wrote(c, 5);
}

void reply_position(struct connection *c, struct position p)
{
    char text[POSITION_TEXT_BYTES_MAX];

    position_print(p, text);
    reply_line(c, text);
}

PRINTF_LIKE(2, 0)
static void put_error(struct connection *c, const char *format, va_list arguments)
{
    char text[768];

    vsnprintf(text, sizeof text, format, arguments);
    put_line(c, '-', bytes_of_text(text));
}

void reply_error(struct connection *c, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_error(c, format, arguments);
    va_end(arguments);
    c->door->counts.errors++;
}

PRINTF_LIKE(2, 3) static void uncounted_error(struct connection *c, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    put_error(c, format, arguments);
    va_end(arguments);
}

static const char *error_word(int status)
{
    switch (status) {
    case ACCORD_E_UNPUBLISHED:
        return "UNPUBLISHED";
    case ACCORD_E_TIMEOUT:
        return "TIMEOUT";
    case ACCORD_E_UNSURE:
        return "UNSURE";
    case ACCORD_E_FULL:
        return "FULL";
    case ACCORD_E_SIZE:
        return "TOOLARGE";
    case ACCORD_E_TOKEN:
    case ACCORD_E_VERSION:
        return "REFUSED";
    case ACCORD_E_GONE:
    case ACCORD_E_GAP:
        return "GONE";
    case ACCORD_E_DOWN:
        return "DOWN";
    default:
        return "ERR";
    }
}

/* What the status says is said better by its reason, where there is one. */
static bool says_all(int status)
{
    return status == ACCORD_E_INVALID || status == ACCORD_E_ABSENT;
}

void reply_status(struct connection *c, int status, const char *why)
{
    if (why && why[0] && status == ACCORD_E_SIZE)
        uncounted_error(c,
                        "TOOLARGE %.500s: store it compressed or in parts, or give the daemon "
                        "more memory (a block is 1/64 of it, 1 MiB at most)",
                        why);
    else if (why && why[0] && says_all(status))
        uncounted_error(c, "%s %.500s", error_word(status), why);
    else if (why && why[0])
        uncounted_error(c, "%s %s (%.500s)", error_word(status), status_text(status), why);
    else
        uncounted_error(c, "%s %s", error_word(status), status_text(status));
}

void reply_kept(struct connection *c, size_t offset, size_t bytes)
{
    uint8_t *at = reply_room(c, bytes); /* first: it may move c->held, the usual sink here */

    if (!at || bytes == 0)
        return;
    memcpy(at, c->held.data + offset, bytes);
    reply_wrote(c, bytes);
}
