/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "test.h"
#include "wire/words.h"

static struct words words_of(const char *text)
{
    return (struct words){(const uint8_t *)text, strlen(text)};
}

TEST(words_read_what_they_write)
{
    static const uint64_t numbers[] = {1, 9, 10, UINT64_MAX};
    char text[64];

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uint64_t half = 0, number = 0;
        char *at = words_put(text, bytes_of_text("a "));
        at = words_put_number(words_put_half(at, numbers[i]), numbers[i]);
        *at = 0;
        struct words w = words_of(text);
        CHECK(words_take(&w, bytes_of_text("a ")));
        CHECK(words_take_half(&w, &half) && half == numbers[i]);
        CHECK(words_take_number(&w, &number) && number == numbers[i] && w.left == 0);
    }
}

TEST(words_refuse_what_is_cut_or_too_long)
{
    static const char *const numbers[] = {"", "0", "01", "x", "18446744073709551616"};
    uint64_t out = 77;
    struct bytes word = {0};

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct words w = words_of(numbers[i]);
        CHECK(!words_take_number(&w, &out) && out == 77);
    }
    struct words w = words_of("00112233445566F7");
    CHECK(!words_take_half(&w, &out) && out == 77);
    w = words_of("0011223344556");
    CHECK(!words_take_half(&w, &out) && out == 77);
    w = words_of("ab");
    CHECK(!words_take(&w, bytes_of_text("abc")));
    CHECK(!words_take_word(&w, /* bytes_max= */ 1, &word));
    w = words_of("a\tb");
    CHECK(!words_take_word(&w, 8, &word));
    w = words_of(" b");
    CHECK(!words_take_word(&w, 8, &word));
    w = words_of("ab c");
    CHECK(words_take_word(&w, 2, &word) && word.size_bytes == 2 && w.left == 2);
}
