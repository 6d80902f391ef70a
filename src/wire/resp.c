/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/resp.h"

#include "base/hex.h"

enum state { START, COUNT_LINE, BULK_LINE, BULK_BODY, SKIP, INLINE_LINE };

enum {
    UNAUTHENTICATED_ARGUMENTS_MAX = 10, /* Redis's numbers */
    UNAUTHENTICATED_BYTES_MAX = 16384,
    SHORT_DIGITS_MAX = 7,
    SHORT_LINE_BYTES = 1 + SHORT_DIGITS_MAX + 2, /* type, digits, line end */
};

void resp_parser_init(struct resp_parser *p, struct resp_argument *arguments, uint32_t capacity,
                      uint32_t argument_bytes_max)
{
    ASSERT(capacity > 0);
    memset(p, 0, sizeof *p);
    p->arguments = arguments;
    p->capacity = capacity;
    p->argument_bytes_max = argument_bytes_max;
}

void resp_parser_next(struct resp_parser *p)
{
    p->state = START;
    p->count = p->expected = p->bulk_bytes = p->skip_bytes = 0;
    p->position = p->searched = 0;
}

const char *resp_problem(const struct resp_parser *p)
{
    return p->problem;
}

static enum resp_outcome broken(struct resp_parser *p, const char *problem)
{
    p->problem = problem;
    return RESP_BROKEN;
}

int resp_unsigned(struct bytes text, uint64_t *out)
{
    uint64_t n = 0;

    if (text.size_bytes == 0 || text.size_bytes > 20)
        return ACCORD_E_FORMAT;
    if (text.data[0] == '0' && text.size_bytes > 1)
        return ACCORD_E_FORMAT;
    for (size_t i = 0; i < text.size_bytes; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9)
            return ACCORD_E_FORMAT;
        if (n > (UINT64_MAX - digit) / 10)
            return ACCORD_E_FORMAT;
        n = n * 10 + digit;
    }
    *out = n;
    return ACCORD_OK;
}

int resp_integer(struct bytes text, int64_t *out)
{
    uint64_t n;
    bool negative = text.size_bytes > 1 && text.data[0] == '-';

    if (negative)
        text = bytes_of(text.data + 1, text.size_bytes - 1);
    if (resp_unsigned(text, &n) != ACCORD_OK)
        return ACCORD_E_FORMAT;
    if (negative && (n == 0 || n > (uint64_t)INT64_MAX + 1))
        return ACCORD_E_FORMAT;
    if (!negative && n > INT64_MAX)
        return ACCORD_E_FORMAT;
    *out = negative ? (int64_t)(~n + 1) : (int64_t)n;
    return ACCORD_OK;
}

/* Finds the line that begins at p->position. RESP_COMMAND: *line is it, without its end, and
 * *next is just after. As Redis does, a line ends at the first '\r'; the byte after it is
 * required but not looked at. */
static enum resp_outcome find_line(struct resp_parser *p, const uint8_t *data, size_t bytes,
                                   struct bytes *line, size_t *next, const char *too_long)
{
    size_t from = p->searched > p->position ? p->searched : p->position;
    const uint8_t *end = from < bytes ? memchr(data + from, '\r', bytes - from) : NULL;

    if (!end) {
        p->searched = bytes;
        return bytes - p->position > RESP_INLINE_BYTES_MAX ? broken(p, too_long) : RESP_MORE;
    }
    size_t at = (size_t)(end - data);
    p->searched = at;
    if (bytes - at < 2)
        return RESP_MORE;
    *line = bytes_of(data + p->position, at - p->position);
    *next = at + 2;
    return RESP_COMMAND;
}

/* What nearly every line is: `type` and a few digits. False: something else, or it may not be
 * whole yet; find_line() will tell. */
static bool short_line(const struct resp_parser *p, const uint8_t *data, size_t bytes,
                       uint8_t type, int64_t *n, size_t *next)
{
    const uint8_t *line = data + p->position;
    unsigned at = 1, digit;
    int64_t sum = 0;

    if (bytes - p->position < SHORT_LINE_BYTES || line[0] != type)
        return false;
    for (; at <= SHORT_DIGITS_MAX && (digit = line[at] - (unsigned)'0') <= 9; at++)
        sum = sum * 10 + digit;
    if (at == 1 || line[at] != '\r' || (line[1] == '0' && at > 2))
        return false;
    *n = sum;
    *next = p->position + at + 2;
    return true;
}

/* The line that begins at p->position, without its first byte, as a number. */
static enum resp_outcome number_line(struct resp_parser *p, const uint8_t *data, size_t bytes,
                                     int64_t *n, size_t *next, const char *too_long)
{
    struct bytes line;
    enum resp_outcome found = find_line(p, data, bytes, &line, next, too_long);

    if (found != RESP_COMMAND)
        return found;
    *n = INT64_MAX; /* where there is no number: more than any line may say */
    if (line.size_bytes > 1) {
        struct bytes digits = bytes_of(line.data + 1, line.size_bytes - 1);
        int status = resp_integer(digits, n); /* untouched if it is none */
        (void)status;
    }
    return RESP_COMMAND;
}

static enum resp_outcome count_line(struct resp_parser *p, const uint8_t *data, size_t bytes)
{
    size_t next;
    int64_t n;

    if (!short_line(p, data, bytes, '*', &n, &next)) {
        enum resp_outcome found = number_line(p, data, bytes, &n, &next,
                                              "Protocol error: too big mbulk count string");
        if (found != RESP_COMMAND)
            return found;
    }
    if (n > RESP_ARGS_MAX)
        return broken(p, "Protocol error: invalid multibulk length");
    if (n > UNAUTHENTICATED_ARGUMENTS_MAX && p->unauthenticated)
        return broken(p, "Protocol error: unauthenticated multibulk length");
    p->position = next;
    if (n <= 0)
        return RESP_NOTHING;
    p->expected = (uint32_t)n;
    p->state = BULK_LINE;
    return RESP_COMMAND;
}

static enum resp_outcome not_a_bulk(struct resp_parser *p, uint8_t found)
{
    static const char text[] = "Protocol error: expected '$', got '";
    size_t n = sizeof text - 1;

    memcpy(p->problem_text, text, n);
    p->problem_text[n++] = (char)found;
    p->problem_text[n++] = '\'';
    p->problem_text[n] = 0;
    return broken(p, p->problem_text);
}

static enum resp_outcome bulk_line(struct resp_parser *p, const uint8_t *data, size_t bytes)
{
    size_t next;
    int64_t n;

    if (!short_line(p, data, bytes, '$', &n, &next)) {
        enum resp_outcome found =
            number_line(p, data, bytes, &n, &next, "Protocol error: too big bulk count string");
        if (found != RESP_COMMAND)
            return found;
        if (data[p->position] != '$')
            return not_a_bulk(p, data[p->position]);
    }
    if (n < 0 || n > RESP_BULK_BYTES_MAX)
        return broken(p, "Protocol error: invalid bulk length");
    if (n > UNAUTHENTICATED_BYTES_MAX && p->unauthenticated)
        return broken(p, "Protocol error: unauthenticated bulk length");
    p->position = next;
    p->bulk_bytes = (uint32_t)n;
    p->skip_bytes = p->bulk_bytes + 2;
    p->state = p->bulk_bytes > p->argument_bytes_max ? SKIP : BULK_BODY;
    return RESP_COMMAND;
}

/* Takes the argument of bulk_bytes at p->position. */
static void take(struct resp_parser *p, bool dropped)
{
    ASSERT(p->count < p->capacity);
    p->arguments[p->count++] =
        (struct resp_argument){(uint32_t)p->position, p->bulk_bytes, dropped};
    p->expected--;
    p->state = BULK_LINE;
}

static enum resp_outcome bulk_body(struct resp_parser *p, size_t bytes)
{
    if (bytes - p->position < (size_t)p->bulk_bytes + 2)
        return RESP_MORE;
    if (p->count == p->capacity)
        return RESP_GROW;
    take(p, /* dropped= */ false);
    p->position += (size_t)p->bulk_bytes + 2; /* what ends it is not looked at, as in Redis */
    return RESP_COMMAND;
}

static enum resp_outcome skip(struct resp_parser *p, uint8_t *data, size_t *bytes)
{
    size_t left = *bytes - p->position;
    size_t gone = u64_min(left, p->skip_bytes);

    memmove(data + p->position, data + p->position + gone, left - gone);
    *bytes -= gone;
    p->skip_bytes -= (uint32_t)gone;
    if (p->skip_bytes > 0)
        return RESP_MORE;
    if (p->count == p->capacity)
        return RESP_GROW;
    take(p, /* dropped= */ true);
    return RESP_COMMAND;
}

/* ---- inline commands ------------------------------------------------------------------ */

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Fewer than what may stand between words, as in Redis. */
static bool ends_word(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0;
}

/* Reads the escape at data[*at], just after a backslash, and moves *at past it. */
static uint8_t escaped(const uint8_t *data, size_t *at, size_t end)
{
    uint8_t c = data[(*at)++];

    if (c == 'x' && end - *at >= 2 && hex_digit(data[*at]) >= 0 &&
        hex_digit(data[*at + 1]) >= 0) {
        c = (uint8_t)(hex_digit(data[*at]) << 4 | hex_digit(data[*at + 1]));
        *at += 2;
        return c;
    }
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* Unquotes the quoted part that begins at data[*at] to data[*to]; moves both. False: it has no
 * end, or something follows it at once. */
static bool unquote(uint8_t *data, size_t *at, size_t *to, size_t end)
{
    uint8_t quote = data[(*at)++];

    while (*at < end && data[*at] != quote && data[*at] != 0) {
        uint8_t c = data[(*at)++];
        if (c == '\\' && *at < end && quote == '"')
            c = escaped(data, at, end);
        else if (c == '\\' && *at < end && data[*at] == '\'')
            c = data[(*at)++];
        data[(*to)++] = c;
    }
    if (*at == end || data[*at] != quote)
        return false;
    (*at)++;
    return *at == end || is_space(data[*at]);
}

/* Unquotes one word in place: reads from *at, writes at *to. Only a quoted part ends a word,
 * as in Redis, so that one word may begin plain and go on quoted. */
static bool word(uint8_t *data, size_t *at, size_t *to, size_t end)
{
    while (*at < end && !ends_word(data[*at])) {
        if (data[*at] == '"' || data[*at] == '\'')
            return unquote(data, at, to, end);
        data[(*to)++] = data[(*at)++];
    }
    return true;
}

/* How many words the line can have at most: places where one may begin. */
static size_t words_max(struct bytes line)
{
    size_t n = 0;
    bool space = true;

    for (size_t i = 0; i < line.size_bytes; i++) {
        bool now = is_space(line.data[i]);
        n += space && !now;
        space = now;
    }
    return n;
}

static enum resp_outcome split(struct resp_parser *p, uint8_t *data, size_t end)
{
    size_t at = p->position, to = p->position;

    for (;;) {
        while (at < end && is_space(data[at]))
            at++;
        if (at == end || data[at] == 0) /* Redis's lines are C strings: they end at a NUL */
            break;
        size_t from = to;
        if (!word(data, &at, &to, end))
            return broken(p, "Protocol error: unbalanced quotes in request");
        ASSERT(p->count < p->capacity);
        p->arguments[p->count++] =
            (struct resp_argument){(uint32_t)from, (uint32_t)(to - from), false};
    }
    return RESP_COMMAND;
}

static enum resp_outcome inline_line(struct resp_parser *p, uint8_t *data, size_t bytes)
{
    size_t from = p->searched > p->position ? p->searched : p->position;
    const uint8_t *found = from < bytes ? memchr(data + from, '\n', bytes - from) : NULL;

    if (!found) {
        p->searched = bytes;
        return bytes - p->position > RESP_INLINE_BYTES_MAX
                   ? broken(p, "Protocol error: too big inline request")
                   : RESP_MORE;
    }
    size_t end = (size_t)(found - data), next = end + 1;
    p->searched = end;
    if (end > p->position && data[end - 1] == '\r')
        end--;
    if (words_max(bytes_of(data + p->position, end - p->position)) > p->capacity)
        return RESP_GROW;
    enum resp_outcome done = split(p, data, end);
    if (done != RESP_COMMAND)
        return done;
    p->position = next;
    return p->count > 0 ? RESP_COMMAND : RESP_NOTHING;
}

/* ---- the whole ------------------------------------------------------------------------ */

static enum resp_outcome step(struct resp_parser *p, uint8_t *data, size_t *bytes)
{
    switch ((enum state)p->state) {
    case COUNT_LINE:
        return count_line(p, data, *bytes);
    case BULK_LINE:
        return bulk_line(p, data, *bytes);
    case BULK_BODY:
        return bulk_body(p, *bytes);
    case SKIP:
        return skip(p, data, bytes);
    case START:
    case INLINE_LINE:
        break;
    }
    return inline_line(p, data, *bytes);
}

enum resp_outcome resp_parse(struct resp_parser *p, uint8_t *data, size_t *bytes)
{
    ASSERT(p->position <= *bytes);
    if (p->state == START) {
        if (*bytes == 0)
            return RESP_MORE;
        p->state = data[0] == '*' ? COUNT_LINE : INLINE_LINE;
    }
    if (p->state == INLINE_LINE)
        return inline_line(p, data, *bytes);
    for (;;) {
        enum resp_outcome done = step(p, data, bytes);
        if (done != RESP_COMMAND)
            return done;
        if (p->expected == 0)
            return RESP_COMMAND;
    }
}

size_t resp_wanted(const struct resp_parser *p, size_t bytes)
{
    if (p->state != BULK_BODY)
        return 0;
    return (size_t)p->bulk_bytes + 2 - (bytes - p->position);
}

/* ---- replies -------------------------------------------------------------------------- */

static size_t put_digits(uint8_t *at, uint64_t n)
{
    uint8_t digits[20];
    size_t count = 0;

    do
        digits[count++] = (uint8_t)('0' + n % 10);
    while ((n /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        at[i] = digits[count - 1 - i];
    return count;
}

static size_t put_end(uint8_t *at)
{
    at[0] = '\r';
    at[1] = '\n';
    return 2;
}

size_t resp_put_header(uint8_t *at, char type, uint64_t count)
{
    size_t n = 0;

    at[n++] = (uint8_t)type;
    n += put_digits(at + n, count);
    return n + put_end(at + n);
}

size_t resp_put_integer(uint8_t *at, int64_t value)
{
    size_t n = 0;

    at[n++] = ':';
    if (value < 0)
        at[n++] = '-';
    n += put_digits(at + n, value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value);
    return n + put_end(at + n);
}

size_t resp_put_line(uint8_t *at, char type, struct bytes text)
{
    size_t n = 0;

    at[n++] = (uint8_t)type;
    for (size_t i = 0; i < text.size_bytes; i++) {
        uint8_t c = text.data[i];
        at[n++] = c == '\r' || c == '\n' ? ' ' : c;
    }
    return n + put_end(at + n);
}

size_t resp_put_bulk(uint8_t *at, struct bytes value)
{
    size_t n = resp_put_header(at, '$', value.size_bytes);

    if (value.size_bytes > 0)
        memcpy(at + n, value.data, value.size_bytes);
    n += value.size_bytes;
    return n + put_end(at + n);
}

static size_t put_text(uint8_t *at, const char *text, size_t bytes)
{
    memcpy(at, text, bytes);
    return bytes;
}

size_t resp_put_null(uint8_t *at, bool resp3)
{
    return resp3 ? put_text(at, "_\r\n", 3) : put_text(at, "$-1\r\n", 5);
}

size_t resp_put_null_array(uint8_t *at, bool resp3)
{
    return resp3 ? put_text(at, "_\r\n", 3) : put_text(at, "*-1\r\n", 5);
}
