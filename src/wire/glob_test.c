/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "base/limits.h"
#include "test.h"
#include "wire/glob.h"

#include <time.h>

static bool match(const char *pattern, const char *text)
{
    return glob_match(bytes_of_text(pattern), bytes_of_text(text));
}

TEST(stars_and_question_marks_match_as_in_redis)
{
    CHECK(match("*", "anything"));
    CHECK(match("user:*", "user:1"));
    CHECK(!match("user:*", "users"));
    CHECK(match("*:1", "user:1"));
    CHECK(match("a*b*c", "a-b-b-c"));
    CHECK(!match("a*b*c", "a-b-c-d"));
    CHECK(match("a**", "a"));
    CHECK(match("h?llo", "hello"));
    CHECK(!match("h?llo", "hllo"));
    CHECK(match("", ""));
    CHECK(match("*", ""));
    CHECK(!match("", "a"));
    CHECK(!match("?", ""));
}

TEST(classes_match_as_in_redis)
{
    CHECK(match("h[ae]llo", "hallo"));
    CHECK(!match("h[ae]llo", "hillo"));
    CHECK(match("h[^e]llo", "hallo"));
    CHECK(!match("h[^e]llo", "hello"));
    CHECK(match("h[a-b]llo", "hbllo"));
    CHECK(match("h[b-a]llo", "hallo"));
    CHECK(match("[\\]]", "]"));
    CHECK(match("[\\-z]", "-"));
    CHECK(!match("[]", "]"));
    CHECK(match("[^]", "x"));
    CHECK(match("[a-]", "^") && !match("[a-]", "-")); /* from "a" back to "]", without end */
    CHECK(match("a[b", "ab"));
    CHECK(match("[^", "x"));
    CHECK(!match("[", "["));
}

TEST(a_backslash_takes_the_next_byte_as_it_is)
{
    CHECK(match("\\*", "*"));
    CHECK(!match("\\*", "x"));
    CHECK(match("a\\", "a\\"));
    CHECK(match("\\a", "a"));
}

TEST(patterns_and_texts_may_hold_any_byte)
{
    CHECK(glob_match(bytes_of("\0*\xff", 3), bytes_of("\0abc\xff", 5)));
    CHECK(!glob_match(bytes_of("\0*\xff", 3), bytes_of("\0abc\xfe", 5)));
}

TEST(a_pattern_full_of_stars_ends_in_time)
{
    static char pattern[4096], text[KEY_BYTES_MAX];
    struct timespec from, to;

    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = i % 2 ? 'a' : '*';
    pattern[sizeof pattern - 1] = 'b';
    memset(text, 'a', sizeof text);
    clock_gettime(CLOCK_MONOTONIC, &from);
    CHECK(!glob_match(bytes_of(pattern, sizeof pattern), bytes_of(text, sizeof text)));
    clock_gettime(CLOCK_MONOTONIC, &to);
    CHECK(to.tv_sec - from.tv_sec < 3); /* trying every way would outlast the sun */
}

/* Tries every way to place the stars: slow, and plainly right. */
static bool slow_match(const char *p, const char *t)
{
    if (!*p)
        return !*t;
    if (*p == '*')
        return slow_match(p + 1, t) || (*t && slow_match(p, t + 1));
    return *t && (*p == '?' || *p == *t) && slow_match(p + 1, t + 1);
}

TEST_SEEDS(going_back_to_the_last_star_only_loses_no_match, 20000)
{
    char pattern[9] = {0}, text[9] = {0};
    size_t pattern_bytes = test_random(rng, 9), text_bytes = test_random(rng, 9);

    for (size_t i = 0; i < pattern_bytes; i++)
        pattern[i] = "ab*?*"[test_random(rng, 5)];
    for (size_t i = 0; i < text_bytes; i++)
        text[i] = "ab"[test_random(rng, 2)];
    CHECK(match(pattern, text) == slow_match(pattern, text));
}
