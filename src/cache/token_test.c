/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/token.h"
#include "test.h"

static bool same(const struct token *a, const struct token *b)
{
    return id128_equal(a->incarnation, b->incarnation) && a->epoch == b->epoch &&
           a->slot == b->slot && a->bulk == b->bulk;
}

TEST_SEEDS(a_printed_token_parses_to_itself, 100)
{
    struct token t = {{test_random(rng, UINT64_MAX), test_random(rng, UINT64_MAX)},
                      test_random(rng, UINT64_MAX),
                      test_random(rng, UINT64_MAX),
                      test_random(rng, UINT64_MAX)};
    struct token back;
    char text[TOKEN_TEXT_BYTES_MAX];

    token_print(&t, text);
    CHECK(strlen(text) == 54);
    CHECK(token_parse(bytes_of_text(text), &back) == ACCORD_OK);
    CHECK(same(&t, &back));
}

TEST(the_limits_of_a_token_print_and_parse)
{
    struct token t[2] = {{{0, 0}, 0, 0, 0},
                         {{UINT64_MAX, UINT64_MAX}, UINT64_MAX, UINT64_MAX, UINT64_MAX}};

    for (int i = 0; i < 2; i++) {
        struct token back;
        char text[TOKEN_TEXT_BYTES_MAX];
        token_print(&t[i], text);
        CHECK(token_parse(bytes_of_text(text), &back) == ACCORD_OK);
        CHECK(same(&t[i], &back));
    }
}

TEST(a_token_of_another_length_or_alphabet_is_refused)
{
    struct token t = {{1, 2}, 3, 4, 5}, out = {{9, 9}, 9, 9, 9}, before = out;
    char text[TOKEN_TEXT_BYTES_MAX + 1] = {0};

    token_print(&t, text);
    CHECK(token_parse(bytes_of(text, 53), &out) == ACCORD_E_FORMAT);
    CHECK(token_parse(bytes_of(text, 55), &out) == ACCORD_E_FORMAT);
    CHECK(token_parse(bytes_of("", 0), &out) == ACCORD_E_FORMAT);
    for (size_t i = 0; i < 54; i++) {
        char kept = text[i];
        const char bad[] = {'+', '/', '=', ' ', '\0', '\n'};
        for (size_t j = 0; j < sizeof bad; j++) {
            text[i] = bad[j];
            CHECK(token_parse(bytes_of(text, 54), &out) == ACCORD_E_FORMAT);
        }
        text[i] = kept;
    }
    CHECK(same(&out, &before));
}

TEST(a_token_has_one_spelling)
{
    struct token t = {{1, 2}, 3, 4, 5}, out;
    char text[TOKEN_TEXT_BYTES_MAX];

    token_print(&t, text);
    text[53] = (char)(text[53] + 1); /* differs only in the four bits that carry nothing */
    CHECK(token_parse(bytes_of(text, 54), &out) == ACCORD_E_FORMAT);
}

TEST_SEEDS(any_bytes_parse_or_are_refused, 2000)
{
    uint8_t raw[64];
    struct token out;
    size_t bytes = test_random(rng, 64);

    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)test_random(rng, 256);
    int status = token_parse(bytes_of(raw, bytes), &out);
    CHECK(status == ACCORD_OK || status == ACCORD_E_FORMAT);
}
