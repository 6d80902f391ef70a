/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "base/hex.h"

#include "test.h"

TEST_SEEDS(hex_brings_every_number_back, 50)
{
    char text[32];
    uint64_t numbers[2] = {test_random(rng, UINT64_MAX), test_random(rng, 2)}, high, low;

    hex_print(text, numbers[0]);
    hex_print(text + 16, numbers[1]);
    CHECK(hex_parse(bytes_of(text, 32), &high, &low));
    CHECK(high == numbers[0] && low == numbers[1]);
    CHECK(hex_parse(bytes_of(text, 16), &high, NULL) && high == numbers[0]);
    text[test_random(rng, 32)] = "gG A/:`"[test_random(rng, 7)];
    CHECK(!hex_parse(bytes_of(text, 32), &high, &low));
}

TEST(hex_digit_knows_twenty_two_characters_of_all)
{
    unsigned known = 0;

    for (unsigned c = 0; c < 256; c++) {
        const char *lower = "0123456789abcdef", *upper = "0123456789ABCDEF";
        const char *at = c > 0 ? strchr(lower, (int)c) : NULL;
        int expected = at ? (int)(at - lower) : -1;
        at = c > 0 ? strchr(upper, (int)c) : NULL;
        if (at)
            expected = (int)(at - upper);
        CHECK(hex_digit((uint8_t)c) == expected);
        known += expected >= 0;
    }
    CHECK(known == 22);
}

TEST(hex_parse_leaves_its_numbers_alone_where_it_refuses)
{
    static const char *const wrong[] = {"",
                                        "0",
                                        "0123456789abcde",
                                        "0123456789abcdef0",
                                        "0123456789abcdeF",
                                        "0123456789abcde ",
                                        "+123456789abcdef",
                                        "0x23456789abcdef"};
    uint64_t high = 7, low = 8;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK(!hex_parse(bytes_of_text(wrong[i]), &high, NULL));
        CHECK(!hex_parse(bytes_of_text(wrong[i]), &high, &low));
    }
    CHECK(!hex_parse(bytes_of(NULL, 0), &high, &low));
    CHECK(!hex_parse(bytes_of_text("0123456789abcdef"), &high, &low)); /* half of two */
    CHECK(high == 7 && low == 8);
}
