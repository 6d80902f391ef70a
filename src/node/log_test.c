/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/log.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char line[LOG_LINE_BYTES_MAX];

static const char *formatted(enum log_format format, const char *value)
{
    struct log_field f[] = {log_text("why", value), log_number("n", 7)};

    log_format_line(line, sizeof line, format, 1700000000123, LOG_WARN, "unsure", f, 2);
    return line;
}

static bool is(const char *got, const char *expected)
{
    if (strcmp(got, expected) != 0)
        fprintf(stderr, "expected: %sgot:      %s", expected, got);
    return strcmp(got, expected) == 0;
}

TEST(a_line_has_time_level_event_and_fields)
{
    CHECK(is(formatted(LOG_TEXT, "redis://h:1/x"),
             "time=2023-11-14T22:13:20.123Z level=warn event=unsure why=redis://h:1/x n=7\n"));
    CHECK(is(formatted(LOG_JSON, "a b"),
             "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"warn\",\"event\":\"unsure\","
             "\"why\":\"a b\",\"n\":7}\n"));
}

TEST(a_value_cannot_forge_a_line_or_a_field)
{
    CHECK(strstr(formatted(LOG_TEXT, "x\nlevel=error"), "why=\"x\\x0alevel=error\" n=7\n"));
    CHECK(strstr(formatted(LOG_TEXT, "x y=z"), "why=\"x y=z\" n=7\n"));
    CHECK(strstr(formatted(LOG_TEXT, "\"quoted\""), "why=\"\\\"quoted\\\"\" n=7\n"));
    CHECK(strstr(formatted(LOG_TEXT, ""), "why=\"\" n=7\n"));
    CHECK(strstr(formatted(LOG_JSON, "\",\"level\":\"info"),
                 "\"why\":\"\\\",\\\"level\\\":\\\"info\",\"n\":7}\n"));
}

TEST(a_value_cannot_command_a_terminal)
{
    CHECK(strstr(formatted(LOG_TEXT, "\x1b[2J"), "why=\"\\x1b[2J\""));
    CHECK(strstr(formatted(LOG_TEXT, "\x7f\x9b"), "why=\"\\x7f\\x9b\""));
    CHECK(strstr(formatted(LOG_TEXT, "\xc2\x9b[2J"), "\\xc2\\x9b")); /* CSI as UTF-8 */
    CHECK(strstr(formatted(LOG_TEXT, "\xe2\x80\xae"), "\\xe2\\x80\\xae"));
    CHECK(strstr(formatted(LOG_JSON, "\x1b"), "\"\\\\x1b\""));
}

TEST(good_utf8_stays_and_bad_is_escaped)
{
    CHECK(strstr(formatted(LOG_TEXT, "Grüße €"), "why=\"Grüße €\""));
    CHECK(strstr(formatted(LOG_TEXT, "\xc3"), "why=\"\\xc3\""));
    CHECK(strstr(formatted(LOG_TEXT, "\xc0\xaf"), "\\xc0\\xaf"));          /* overlong */
    CHECK(strstr(formatted(LOG_TEXT, "\xed\xa0\x80"), "\\xed\\xa0\\x80")); /* surrogate */
}

TEST(a_value_of_256_bytes_is_whole_and_of_257_is_cut)
{
    char value[LOG_VALUE_BYTES_MAX + 2];

    memset(value, 'a', sizeof value);
    value[LOG_VALUE_BYTES_MAX] = 0;
    CHECK(!strstr(formatted(LOG_TEXT, value), "..."));
    value[LOG_VALUE_BYTES_MAX] = 'a';
    value[LOG_VALUE_BYTES_MAX + 1] = 0;
    CHECK(strstr(formatted(LOG_TEXT, value), "a...\""));
}

TEST_SEEDS(any_bytes_make_one_printable_line, 300)
{
    char value[400];
    struct log_field f[12];
    size_t size = (size_t)test_random(rng, sizeof value);

    for (size_t i = 0; i < size; i++)
        value[i] = (char)(1 + test_random(rng, 255));
    value[size < sizeof value ? size : sizeof value - 1] = 0;
    for (size_t i = 0; i < COUNT_OF(f); i++)
        f[i] = log_text("field", value);
    enum log_format format = test_random(rng, 2) ? LOG_TEXT : LOG_JSON;
    size_t length = log_format_line(line, sizeof line, format, 0, LOG_INFO, "x", f,
                                    (size_t)test_random(rng, COUNT_OF(f) + 1));
    CHECK(length < sizeof line);
    CHECK(length == strlen(line));
    CHECK(strchr(line, '\n') == line + length - 1);
    for (size_t i = 0; i + 1 < length; i++)
        CHECK((uint8_t)line[i] >= ' ' && line[i] != 0x7f);
    CHECK(format == LOG_TEXT || strcmp(line + length - 2, "}\n") == 0);
}

TEST(the_eleventh_line_of_an_event_in_a_minute_is_counted_instead)
{
    char path[512], text[8192] = "";
    struct log l;

    snprintf(path, sizeof path, "%s/log", test_folder());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    log_init(&l, fd, LOG_TEXT, LOG_INFO);
    for (uint64_t i = 0; i < LOG_BURST + 2; i++)
        LOG(&l, 60000 + i, LOG_INFO, "flood", log_number("i", i));
    LOG(&l, 60000, LOG_DEBUG, "detail", log_number("i", 1));
    CHECK(l.lines == LOG_BURST);
    CHECK(l.suppressed == 2);
    LOG(&l, 120000, LOG_INFO, "flood", log_number("i", 99));
    CHECK(pread(fd, text, sizeof text - 1, 0) > 0);
    CHECK(strstr(text, " i=9\n"));
    CHECK(!strstr(text, " i=10\n"));
    CHECK(strstr(text, "event=suppressed of=flood lines=2\n"));
    CHECK(strstr(text, " i=99\n"));
    CHECK(!strstr(text, "detail"));
    close(fd);
}
