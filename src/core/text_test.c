/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/text.h"
#include "test.h"

static bool says(const struct text *t, const char *want)
{
    return strcmp(t->data, want) == 0 && t->used == strlen(want);
}

TEST(text_adds_words_numbers_and_seconds)
{
    struct text t;

    text_set(&t, "wait ");
    text_add_seconds(&t, 3 * NS_PER_S);
    text_add(&t, ", ");
    text_add_seconds(&t, 2400 * NS_PER_MS);
    text_add(&t, ", ");
    text_add_seconds(&t, 50 * NS_PER_MS);
    text_add(&t, ", ");
    text_add_seconds(&t, 1001 * NS_PER_MS);
    text_add(&t, ", ");
    text_add_number(&t, 0);
    text_add(&t, " ");
    text_add_number(&t, UINT64_MAX);
    CHECK(says(&t, "wait 3 s, 2.4 s, 0.05 s, 1.001 s, 0 18446744073709551615"));
    text_set(&t, NULL);
    CHECK(says(&t, ""));
}

TEST(text_shows_the_bytes_of_others_without_their_controls)
{
    struct text t;

    text_set(&t, "");
    text_add_bytes(&t, bytes_of("a\x1b[2J\n\xff~", 7));
    CHECK(says(&t, "a?[2J??"));
}

TEST(text_that_does_not_fit_ends_early)
{
    struct text t;

    text_set(&t, "");
    for (int i = 0; i < TEXT_BYTES_MAX - 2; i++)
        text_add(&t, "x");
    CHECK(t.used == TEXT_BYTES_MAX - 2);
    text_add(&t, "yz");
    CHECK(t.used == TEXT_BYTES_MAX - 1);
    CHECK(t.data[TEXT_BYTES_MAX - 2] == 'y');
    text_add_number(&t, 12345);
    CHECK(t.used == TEXT_BYTES_MAX - 1);
    text_set(&t, t.data + TEXT_BYTES_MAX - 3);
    CHECK(says(&t, "xy"));
    static char large[TEXT_BYTES_MAX + 10];
    memset(large, 'l', sizeof large - 1);
    text_set(&t, large);
    CHECK(t.used == TEXT_BYTES_MAX - 1);
    CHECK(t.data[TEXT_BYTES_MAX - 2] == 'l');
    text_set(&t, "z");
    text_add_bytes(&t, bytes_of(large, sizeof large));
    CHECK(t.used == TEXT_BYTES_MAX - 1);
    CHECK(t.data[0] == 'z');
}
