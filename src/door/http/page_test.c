/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/http/private.h"

#include "test.h"

#include <stdio.h>

TEST(text_grows_and_keeps_what_was_in_it)
{
    struct page t = {.data = NULL};
    char part[16];

    for (unsigned i = 0; i < 2000; i++)
        page_add(&t, "%u,", i);
    CHECK(!t.broken);
    CHECK(strlen(t.data) == t.bytes);
    for (unsigned i = 0; i < 2000; i += 100) {
        snprintf(part, sizeof part, "%s%u,", i ? "," : "", i);
        CHECK(strstr(t.data, part));
    }
    page_free(&t);
    CHECK(t.bytes == 0);
    page_free(&t);
}

TEST(what_is_shown_of_hostile_text_is_short_and_printable)
{
    char out[104], much[300];

    CHECK(strcmp(shown(NULL, out), "") == 0);
    CHECK(strcmp(shown("a b\n\x1b[31m\xff", out), "a?b??[31m?") == 0);
    memset(much, 'x', sizeof much - 1);
    much[sizeof much - 1] = '\0';
    CHECK(strlen(shown(much, out)) == 103);
    CHECK(strcmp(out + 100, "...") == 0);
}
