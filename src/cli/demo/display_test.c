/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/display.h"

#include "test.h"

#include <stdlib.h>

static const char *cut(const char *text, size_t columns)
{
    static char copy[256];

    snprintf(copy, sizeof copy, "%s", text);
    demo_text_cut(copy, columns);
    return copy;
}

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

TEST(numbers_have_commas_at_each_thousand)
{
    CHECK(same(demo_text_count(0), "0"));
    CHECK(same(demo_text_count(999), "999"));
    CHECK(same(demo_text_count(1000), "1,000"));
    CHECK(same(demo_text_count(1234567), "1,234,567"));
    CHECK(same(demo_text_count(UINT64_MAX), "18,446,744,073,709,551,615"));
}

TEST(times_have_the_unit_that_suits_them)
{
    CHECK(same(demo_text_time(0), "0 ns"));
    CHECK(same(demo_text_time(9999), "9999 ns"));
    CHECK(same(demo_text_time(10000), "10.0 us"));
    CHECK(same(demo_text_time(1200000), "1.20 ms"));
    CHECK(same(demo_text_time(2410000000), "2.41 s"));
}

TEST(text_is_cut_by_columns_not_by_bytes)
{
    CHECK(same(cut("abc", 4), "abc"));
    CHECK(same(cut("abc", 3), "abc"));
    CHECK(same(cut("abc", 2), "ab"));
    CHECK(same(cut("abc", 0), ""));
    CHECK(same(cut("a\xe2\x86\x92z", 2), "a\xe2\x86\x92"));
    CHECK(same(cut("\xc3\xa9\xc3\xa9\xc3\xa9", 2), "\xc3\xa9\xc3\xa9"));
}

TEST(what_could_move_the_cursor_becomes_a_question_mark)
{
    CHECK(same(cut("a\033[2Jb\r\n", 80), "a?[2Jb??"));
    CHECK(same(cut("x\x7fy\x9bz", 80), "x?y?z"));
    CHECK(same(cut("\xc2\x9b", 80), "??"));
    CHECK(same(cut("\xe2\x86", 80), "??"));
}

/* A file is no terminal: whole lines, no picture, no escapes. */
TEST(without_a_terminal_only_what_is_said_is_printed)
{
    char path[512], got[256] = "";
    struct demo_display d;

    snprintf(path, sizeof path, "%s/out", test_folder());
    FILE *f = fopen(path, "w+");
    CHECK(f);
    demo_display_init(&d, f);
    demo_display_line(&d, DEMO_BAD, "a picture");
    demo_display_draw(&d);
    demo_display_say(&d, "one %d", 1);
    demo_display_clear(&d);
    demo_display_say(&d, "two");
    rewind(f);
    size_t size = fread(got, 1, sizeof got - 1, f);
    got[size] = 0;
    CHECK(same(got, "one 1\ntwo\n"));
    fclose(f);
}

/* As a terminal of unknown size would see it: 80 columns, of which 79 are used. */
TEST(on_a_terminal_a_picture_replaces_the_last_one_and_said_lines_stay_above)
{
    char path[512], *got = calloc(1, 4096), longest[200];
    struct demo_display d;

    CHECK(got);
    snprintf(path, sizeof path, "%s/out", test_folder());
    FILE *f = fopen(path, "w+");
    CHECK(f);
    demo_display_init(&d, f);
    d.terminal = true;
    memset(longest, 'x', sizeof longest);
    longest[199] = 0;
    demo_display_line(&d, DEMO_PLAIN, "%s", longest);
    demo_display_line(&d, DEMO_PLAIN, "b");
    demo_display_draw(&d);
    demo_display_say(&d, "said");
    demo_display_line(&d, DEMO_PLAIN, "c");
    demo_display_draw(&d);
    demo_display_clear(&d);
    rewind(f);
    CHECK(fread(got, 1, 4095, f) > 0);
    longest[79] = 0;
    char want[512];
    snprintf(want, sizeof want, "%s\nb\n\r\033[2A\033[Jsaid\nc\n\r\033[1A\033[J", longest);
    CHECK(same(got, want));
    fclose(f);
    free(got);
}
