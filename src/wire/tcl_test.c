/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Lists as tclsh 8.6 writes them; test/system/acs.py compares with a real one where it is here.
 */
#include "wire/tcl.h"

#include "test.h"

#include <stdio.h>

static bool quotes(const char *element, bool first, const char *expected)
{
    uint8_t out[256];
    size_t bytes = tcl_quote(bytes_of_text(element), first, out, sizeof out);

    if (bytes_equal(bytes_of(out, bytes), bytes_of_text(expected)))
        return true;
    fprintf(stderr, "%s is quoted as %.*s, not %s\n", element, (int)bytes, (char *)out,
            expected);
    return false;
}

/* "a|b|c": the elements of a list; "!": it is none. */
static bool splits(const char *list, const char *expected)
{
    struct bytes elements[8];
    uint8_t scratch[256];
    char text[256] = "";
    size_t count = 0, used = 0;
    int status = tcl_split(bytes_of_text(list), elements, 8, scratch, &count);

    if (status != ACCORD_OK)
        snprintf(text, sizeof text, status == ACCORD_E_FORMAT ? "!" : "full");
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", i ? "|" : "",
                                 (int)elements[i].size_bytes, (const char *)elements[i].data);
    if (strcmp(text, expected) == 0)
        return true;
    fprintf(stderr, "%s is split as %s, not %s\n", list, text, expected);
    return false;
}

TEST(an_element_is_quoted_as_tcl_does)
{
    CHECK(quotes("", true, "{}"));
    CHECK(quotes("a", true, "a"));
    CHECK(quotes("a b", true, "{a b}"));
    CHECK(quotes("a\nb", true, "{a\nb}"));
    CHECK(quotes("$x", true, "{$x}"));
    CHECK(quotes("a;b", true, "{a;b}"));
    CHECK(quotes("[x]", true, "{[x]}"));
    CHECK(quotes("x]", true, "x\\]"));
    CHECK(quotes("a\"b", true, "a\\\"b"));
    CHECK(quotes("a\"{b}", true, "a\\\"{b}"));
    CHECK(quotes("\"a", true, "{\"a}"));
    CHECK(quotes("{a", true, "\\{a"));
    CHECK(quotes("{a}", true, "{{a}}"));
    CHECK(quotes("a{b}c", true, "a{b}c"));
    CHECK(quotes("a}b{", true, "a\\}b\\{"));
    CHECK(quotes("a{ b", true, "a\\{\\ b"));
    CHECK(quotes("a\\", true, "a\\\\"));
    CHECK(quotes("a\\b", true, "{a\\b}"));
    CHECK(quotes("a\\\nb{}", true, "a\\\\\\nb\\{\\}"));
    CHECK(quotes("\\{", true, "{\\{}"));
    CHECK(quotes("#a", true, "{#a}"));
    CHECK(quotes("#a", false, "#a"));
    CHECK(quotes("#{", true, "\\#\\{"));
    CHECK(quotes("#a\"b", true, "{#a\"b}"));
    CHECK(quotes("\t\v\f\r{", true, "\\t\\v\\f\\r\\{"));
    CHECK(quotes("\xc3\xa4 \xc3\xb6", true, "{\xc3\xa4 \xc3\xb6}"));
}

TEST(a_list_is_split_as_tcl_does)
{
    CHECK(splits("", ""));
    CHECK(splits(" \n\t ", ""));
    CHECK(splits("a b  c\n", "a|b|c"));
    CHECK(splits("a {b c} d", "a|b c|d"));
    CHECK(splits("{a {b} c} {}", "a {b} c|"));
    CHECK(splits("{a \\} b}", "a \\} b"));
    CHECK(splits("\"a b\" c", "a b|c"));
    CHECK(splits("\"a\\\"b\"", "a\"b"));
    CHECK(splits("a\\ b \\{", "a b|{"));
    CHECK(splits("\\x41 \\101 \\u20ac \\u41", "A|A|\xe2\x82\xac|A"));
    CHECK(splits("a\\\n   b", "a b"));
    CHECK(splits("\\xzz \\q", "xzz|q"));
    CHECK(splits("\\377 \\447", "\xc3\xbf|$7"));
    CHECK(splits("a\\", "a\\"));
    CHECK(splits("[exit] $x;y", "[exit]|$x;y"));
    CHECK(splits("{a", "!"));
    CHECK(splits("\"a", "!"));
    CHECK(splits("{a}b", "!"));
    CHECK(splits("\"a\"b", "!"));
    CHECK(splits("\\Uffffffff", "!"));
    CHECK(splits("1 2 3 4 5 6 7 8", "1|2|3|4|5|6|7|8"));
    CHECK(splits("1 2 3 4 5 6 7 8 9", "full"));
}

TEST_SEEDS(what_is_quoted_reads_back_as_it_was, 200)
{
    static const char letters[] = "ab{}[]\"\\$; \n\t#\xc3\xa4";

    for (unsigned i = 0; i < 50; i++) {
        uint8_t element[24], list[256], scratch[256];
        size_t size = test_random(rng, sizeof element), bytes = 0, count = 0;
        struct bytes back[3];
        for (size_t j = 0; j < size; j++)
            element[j] = (uint8_t)letters[test_random(rng, sizeof letters - 1)];
        for (unsigned n = 0; n < 2; n++) {
            bytes +=
                tcl_quote(bytes_of(element, size), n == 0, list + bytes, sizeof list - bytes);
            list[bytes++] = ' ';
        }
        CHECK(tcl_split(bytes_of(list, bytes), back, 3, scratch, &count) == ACCORD_OK);
        CHECK(count == 2);
        CHECK(bytes_equal(back[0], bytes_of(element, size)));
        CHECK(bytes_equal(back[1], bytes_of(element, size)));
    }
}
