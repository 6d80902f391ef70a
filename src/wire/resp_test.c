/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "test.h"
#include "wire/resp.h"

#include <stdio.h>
#include <stdlib.h>

enum { STREAM_BYTES_MAX = 300000, ARGUMENT_MAX = 100 };

/* What a caller makes of a stream: commands as "[word][word]…" lines, problems as "!…". */
struct heard {
    char text[2 * STREAM_BYTES_MAX];
    size_t bytes;
    bool broken;
};

struct listener {
    struct resp_parser parser;
    struct resp_argument *arguments;
    uint8_t *data;
    size_t bytes;
    struct heard *heard;
};

static void listener_init(struct listener *l, uint32_t capacity)
{
    l->arguments = calloc(capacity, sizeof *l->arguments);
    l->data = malloc(STREAM_BYTES_MAX);
    l->heard = calloc(1, sizeof *l->heard);
    CHECK(l->arguments && l->data && l->heard);
    l->bytes = 0;
    resp_parser_init(&l->parser, l->arguments, capacity, ARGUMENT_MAX);
}

static void listener_done(struct listener *l)
{
    free(l->arguments);
    free(l->data);
    free(l->heard);
}

static void hear(struct heard *h, const void *bytes, size_t count)
{
    CHECK(h->bytes + count <= sizeof h->text);
    if (count > 0)
        memcpy(h->text + h->bytes, bytes, count);
    h->bytes += count;
}

static void hear_command(struct listener *l)
{
    for (uint32_t i = 0; i < l->parser.count; i++) {
        const struct resp_argument *a = &l->arguments[i];
        char dropped[32];
        hear(l->heard, "[", 1);
        CHECK(a->dropped || (size_t)a->offset + a->bytes <= l->bytes);
        if (a->dropped) {
            int n = snprintf(dropped, sizeof dropped, "dropped %u", a->bytes);
            hear(l->heard, dropped, (size_t)n);
        } else {
            hear(l->heard, l->data + a->offset, a->bytes);
        }
        hear(l->heard, "]", 1);
    }
    hear(l->heard, "\n", 1);
}

static void finish_command(struct listener *l)
{
    size_t done = l->parser.position;

    memmove(l->data, l->data + done, l->bytes - done);
    l->bytes -= done;
    resp_parser_next(&l->parser);
}

static void grow(struct listener *l)
{
    uint32_t capacity = l->parser.capacity * 2;

    l->arguments = realloc(l->arguments, capacity * sizeof *l->arguments);
    CHECK(l->arguments);
    l->parser.arguments = l->arguments;
    l->parser.capacity = capacity;
}

static void feed(struct listener *l, const void *bytes, size_t count)
{
    CHECK(l->bytes + count <= STREAM_BYTES_MAX);
    memcpy(l->data + l->bytes, bytes, count);
    l->bytes += count;
    while (!l->heard->broken) {
        switch (resp_parse(&l->parser, l->data, &l->bytes)) {
        case RESP_MORE:
            return;
        case RESP_COMMAND:
            hear_command(l);
            finish_command(l);
            break;
        case RESP_NOTHING:
            finish_command(l);
            break;
        case RESP_GROW:
            grow(l);
            break;
        case RESP_BROKEN:
            hear(l->heard, "!", 1);
            hear(l->heard, resp_problem(&l->parser), strlen(resp_problem(&l->parser)));
            l->heard->broken = true;
            break;
        }
    }
}

static bool hears(const char *stream, size_t bytes, const char *expected)
{
    struct listener l;

    listener_init(&l, 1);
    feed(&l, stream, bytes);
    bool same = bytes_equal(bytes_of(l.heard->text, l.heard->bytes), bytes_of_text(expected));
    if (!same)
        fprintf(stderr, "heard: %.*s\n", (int)l.heard->bytes, l.heard->text);
    listener_done(&l);
    return same;
}

#define HEARS(stream, expected) CHECK(hears(stream, sizeof(stream) - 1, expected))

TEST(arrays_of_bulk_strings_are_commands)
{
    HEARS("*1\r\n$4\r\nPING\r\n", "[PING]\n");
    HEARS("*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n*1\r\n$0\r\n\r\n", "[GET][a\r\n]\n[]\n");
    HEARS("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\x01\xff\r\n", "[SET][k][\x01\xff]\n");
}

TEST(empty_arrays_and_lines_are_skipped)
{
    HEARS("*0\r\n*-1\r\n\r\n\n*1\r\n$4\r\nPING\r\n", "[PING]\n");
}

TEST(lines_are_commands_with_redis_quotes)
{
    HEARS("PING\r\n", "[PING]\n");
    HEARS("  set  k \t v\n", "[set][k][v]\n");
    HEARS("set k \"a b\\n\\x41\\q\\\"\"\r\n", "[set][k][a b\nAq\"]\n");
    HEARS("set k 'a \\n \\' b'\r\n", "[set][k][a \\n ' b]\n");
    HEARS("set \"\" ''\r\n", "[set][][]\n");
    HEARS("a\"b c\" d\r\n", "[ab c][d]\n");
    HEARS("get \"a\"b\r\n", "!Protocol error: unbalanced quotes in request");
    HEARS("get 'a\r\n", "!Protocol error: unbalanced quotes in request");
    HEARS("get \"a\\\"\r\n", "!Protocol error: unbalanced quotes in request");
}

TEST(what_is_no_command_is_refused_in_the_words_of_redis)
{
    HEARS("*x\r\n", "!Protocol error: invalid multibulk length");
    HEARS("*1048577\r\n", "!Protocol error: invalid multibulk length");
    HEARS("*99999999999999999999\r\n", "!Protocol error: invalid multibulk length");
    HEARS("*01\r\n", "!Protocol error: invalid multibulk length");
    HEARS("*1\r\n:1\r\n", "!Protocol error: expected '$', got ':'");
    HEARS("*1\r\n\r\n", "!Protocol error: expected '$', got '\r'");
    HEARS("*1\r\n$x\r\n", "!Protocol error: invalid bulk length");
    HEARS("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length");
    HEARS("*1\r\n$536870913\r\n", "!Protocol error: invalid bulk length");
    HEARS("*1\r\n$ 1\r\n", "!Protocol error: invalid bulk length");
    HEARS("PING\r\n*1\r\n$+1\r\n", "[PING]\n!Protocol error: invalid bulk length");
}

/* Short numbers are read in a way of their own, if enough follows them. */
TEST(what_follows_a_line_does_not_change_what_it_says)
{
    HEARS("*x\r\n$4\r\nPING\r\n", "!Protocol error: invalid multibulk length");
    HEARS("*01\r\n$4\r\nPING\r\n", "!Protocol error: invalid multibulk length");
    HEARS("*1048577\r\n$4\r\nPING\r\n", "!Protocol error: invalid multibulk length");
    HEARS("*0\r\n*1\r\n$04\r\nPING\r\n", "!Protocol error: invalid bulk length");
    HEARS("*1\r\n$\r\nPING PING PING\r\n", "!Protocol error: invalid bulk length");
    HEARS("*1\r\n\r\nPING PING PING\r\n", "!Protocol error: expected '$', got '\r'");
    HEARS("*1\r\n:4\r\nPING PING\r\n", "!Protocol error: expected '$', got ':'");
    HEARS("*1\r\n$-1\r\nPING PING\r\n", "!Protocol error: invalid bulk length");
    HEARS("*1\r\n$00000004\r\nPING\r\n", "!Protocol error: invalid bulk length");
    HEARS("*1\r\n$4\rxPINGxx*1\r\n$0\r\n\r\n", "[PING]\n[]\n");
}

/* A line of `bytes` bytes without an end, after `start`. */
static bool endless(const char *start, size_t bytes, const char *expected)
{
    char *line = malloc(bytes);

    CHECK(line);
    memset(line, '1', bytes);
    memcpy(line, start, strlen(start));
    bool same = hears(line, bytes, expected);
    free(line);
    return same;
}

TEST(a_line_may_be_as_long_as_in_redis_and_no_longer)
{
    CHECK(endless("", RESP_INLINE_BYTES_MAX, ""));
    CHECK(endless("", RESP_INLINE_BYTES_MAX + 1, "!Protocol error: too big inline request"));
    CHECK(endless("*", RESP_INLINE_BYTES_MAX, ""));
    CHECK(
        endless("*", RESP_INLINE_BYTES_MAX + 1, "!Protocol error: too big mbulk count string"));
    CHECK(endless("*1\r\n$", 4 + RESP_INLINE_BYTES_MAX, ""));
    CHECK(endless("*1\r\n$", 4 + RESP_INLINE_BYTES_MAX + 1,
                  "!Protocol error: too big bulk count string"));
}

TEST(before_auth_commands_are_short)
{
    struct listener l;

    listener_init(&l, 16);
    l.parser.unauthenticated = true;
    feed(&l, "*10\r\n$16384\r\n", 13);
    CHECK(!l.heard->broken);
    listener_done(&l);
    listener_init(&l, 16);
    l.parser.unauthenticated = true;
    feed(&l, "*11\r\n", 5);
    CHECK(strstr(l.heard->text, "unauthenticated multibulk length"));
    listener_done(&l);
    listener_init(&l, 16);
    l.parser.unauthenticated = true;
    feed(&l, "*1\r\n$16385\r\n", 12);
    CHECK(strstr(l.heard->text, "unauthenticated bulk length"));
    listener_done(&l);
}

TEST(an_argument_at_the_limit_is_kept_and_one_byte_more_is_dropped)
{
    char stream[512], expected[512], body[ARGUMENT_MAX + 2];

    memset(body, 'v', sizeof body);
    int n = snprintf(stream, sizeof stream, "*2\r\n$1\r\nk\r\n$%d\r\n%.*s\r\n", ARGUMENT_MAX,
                     ARGUMENT_MAX, body);
    snprintf(expected, sizeof expected, "[k][%.*s]\n", ARGUMENT_MAX, body);
    CHECK(hears(stream, (size_t)n, expected));
    n = snprintf(stream, sizeof stream, "*3\r\n$1\r\nk\r\n$%d\r\n%.*s\r\n$1\r\nx\r\nPING\r\n",
                 ARGUMENT_MAX + 1, ARGUMENT_MAX + 1, body);
    snprintf(expected, sizeof expected, "[k][dropped %d][x]\n[PING]\n", ARGUMENT_MAX + 1);
    CHECK(hears(stream, (size_t)n, expected));
}

TEST(half_a_gigabyte_streams_through_without_being_kept)
{
    struct listener l;
    static uint8_t zeros[200000];
    size_t left = RESP_BULK_BYTES_MAX, most = 0;

    listener_init(&l, 4);
    feed(&l, "*2\r\n$3\r\nGET\r\n$536870912\r\n", 26);
    while (left > 0) {
        size_t n = left < sizeof zeros ? left : sizeof zeros;
        feed(&l, zeros, n);
        left -= n;
        most = l.bytes > most ? l.bytes : most;
    }
    feed(&l, "\r\nPING\r\n", 8);
    CHECK(most < 64);
    CHECK(strcmp(l.heard->text, "[GET][dropped 536870912]\n[PING]\n") == 0);
    listener_done(&l);
}

/* ---- a stream cut anywhere says the same ---------------------------------------------- */

static size_t random_bytes(uint64_t *rng, char *out, size_t count, const char *alphabet)
{
    for (size_t i = 0; i < count; i++)
        out[i] = alphabet ? alphabet[test_random(rng, strlen(alphabet))]
                          : (char)test_random(rng, 256);
    return count;
}

static size_t random_array(uint64_t *rng, char *out)
{
    size_t count = test_random(rng, 5), n = 0;

    n += (size_t)snprintf(out, 32, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = test_random(rng, 10) ? test_random(rng, 20) : test_random(rng, 150);
        n += (size_t)snprintf(out + n, 32, "$%zu\r\n", bytes);
        n += random_bytes(rng, out + n, bytes, test_random(rng, 2) ? NULL : "*$\r\n1 '\"");
        n += (size_t)snprintf(out + n, 3, "\r\n");
    }
    return n;
}

static size_t random_stream(uint64_t *rng, char *out)
{
    size_t n = 0;
    size_t parts = 1 + test_random(rng, 6);

    for (size_t i = 0; i < parts; i++) {
        switch (test_random(rng, 8)) {
        case 0:
            n += random_bytes(rng, out + n, test_random(rng, 30), "ab \"'\\x4\t*$\r");
            out[n++] = '\n';
            break;
        case 1:
            n += random_bytes(rng, out + n, test_random(rng, 12), "*$-0123\r\n");
            break;
        default:
            n += random_array(rng, out + n);
        }
    }
    return n;
}

static bool same_heard(const struct listener *a, const struct listener *b)
{
    return bytes_equal(bytes_of(a->heard->text, a->heard->bytes),
                       bytes_of(b->heard->text, b->heard->bytes));
}

TEST_SEEDS(a_stream_cut_at_any_one_point_says_the_same, 60)
{
    static char stream[8192];
    size_t bytes = random_stream(rng, stream);
    struct listener whole;

    listener_init(&whole, 1);
    feed(&whole, stream, bytes);
    for (size_t cut = 0; cut <= bytes; cut++) {
        struct listener l;
        listener_init(&l, 1);
        feed(&l, stream, cut);
        feed(&l, stream + cut, bytes - cut);
        CHECK(same_heard(&l, &whole));
        CHECK(whole.heard->broken || l.bytes == whole.bytes);
        listener_done(&l);
    }
    listener_done(&whole);
}

TEST_SEEDS(a_stream_that_comes_in_any_pieces_says_the_same, 2000)
{
    static char stream[8192];
    size_t bytes = random_stream(rng, stream);
    size_t piece_max = 1 + test_random(rng, 40);
    struct listener whole, l;

    listener_init(&whole, 64);
    feed(&whole, stream, bytes);
    listener_init(&l, 1 + (uint32_t)test_random(rng, 4));
    for (size_t at = 0; at < bytes;) {
        size_t n = u64_min(1 + test_random(rng, piece_max), bytes - at);
        feed(&l, stream + at, n);
        at += n;
    }
    CHECK(same_heard(&l, &whole));
    listener_done(&l);
    listener_done(&whole);
}

TEST(what_is_wanted_is_what_is_missing)
{
    struct listener l;

    listener_init(&l, 4);
    feed(&l, "*1\r\n$10\r\nabc", 12);
    CHECK(resp_wanted(&l.parser, l.bytes) == 9);
    feed(&l, "defghij\r", 8);
    CHECK(resp_wanted(&l.parser, l.bytes) == 1);
    feed(&l, "\n", 1);
    CHECK(resp_wanted(&l.parser, l.bytes) == 0);
    listener_done(&l);
}

/* ---- numbers and replies -------------------------------------------------------------- */

static bool reads(const char *text, int64_t expected)
{
    int64_t n = ~expected;
    return resp_integer(bytes_of_text(text), &n) == ACCORD_OK && n == expected;
}

static bool refuses(const char *text)
{
    int64_t n = 77;
    return resp_integer(bytes_of_text(text), &n) == ACCORD_E_FORMAT && n == 77;
}

TEST(numbers_are_read_as_redis_reads_them)
{
    CHECK(reads("0", 0));
    CHECK(reads("-1", -1));
    CHECK(reads("9223372036854775807", INT64_MAX));
    CHECK(reads("-9223372036854775808", INT64_MIN));
    CHECK(refuses("9223372036854775808"));
    CHECK(refuses("-9223372036854775809"));
    CHECK(refuses(""));
    CHECK(refuses("-"));
    CHECK(refuses("-0"));
    CHECK(refuses("+1"));
    CHECK(refuses("01"));
    CHECK(refuses(" 1"));
    CHECK(refuses("1 "));
    CHECK(refuses("1a"));
    CHECK(refuses("99999999999999999999999"));
    uint64_t n = 0;
    CHECK(resp_unsigned(bytes_of_text("18446744073709551615"), &n) == ACCORD_OK);
    CHECK(n == UINT64_MAX);
    CHECK(resp_unsigned(bytes_of_text("18446744073709551616"), &n) == ACCORD_E_FORMAT);
    CHECK(resp_unsigned(bytes_of_text("-1"), &n) == ACCORD_E_FORMAT);
}

static bool written(const uint8_t *at, size_t bytes, const char *expected)
{
    return bytes_equal(bytes_of(at, bytes), bytes_of_text(expected));
}

TEST(replies_are_written_as_redis_writes_them)
{
    uint8_t out[128];

    CHECK(written(out, resp_put_header(out, '*', 0), "*0\r\n"));
    CHECK(written(out, resp_put_header(out, '$', UINT64_MAX), "$18446744073709551615\r\n"));
    CHECK(resp_put_header(out, '$', UINT64_MAX) <= RESP_HEADER_BYTES_MAX);
    CHECK(written(out, resp_put_integer(out, -12), ":-12\r\n"));
    CHECK(written(out, resp_put_integer(out, INT64_MIN), ":-9223372036854775808\r\n"));
    CHECK(written(out, resp_put_line(out, '-', bytes_of_text("ERR a\r\nb")), "-ERR a  b\r\n"));
    CHECK(written(out, resp_put_bulk(out, bytes_of("a\r\n", 3)), "$3\r\na\r\n\r\n"));
    CHECK(written(out, resp_put_bulk(out, bytes_of(NULL, 0)), "$0\r\n\r\n"));
    CHECK(written(out, resp_put_null(out, false), "$-1\r\n"));
    CHECK(written(out, resp_put_null(out, true), "_\r\n"));
    CHECK(written(out, resp_put_null_array(out, false), "*-1\r\n"));
    CHECK(written(out, resp_put_null_array(out, true), "_\r\n"));
}
