/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cache/token.h"

/* RFC 4648 §5, without padding: 40 bytes become 54 characters. Numbers are big-endian. */
enum { TOKEN_BYTES = 40, TOKEN_CHARACTERS = 54 };
_Static_assert((int)TOKEN_CHARACTERS < (int)TOKEN_TEXT_BYTES_MAX, "a token fits its text");

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_number(uint8_t *to, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t get_number(const uint8_t *from)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number = number << 8 | from[i];
    return number;
}

void token_print(const struct token *t, char text[TOKEN_TEXT_BYTES_MAX])
{
    uint8_t raw[TOKEN_BYTES + 2] = {0};

    put_number(raw, t->incarnation.high);
    put_number(raw + 8, t->incarnation.low);
    put_number(raw + 16, t->epoch);
    put_number(raw + 24, t->slot);
    put_number(raw + 32, t->bulk);
    for (size_t i = 0; i < TOKEN_CHARACTERS; i++) {
        size_t bit = i * 6;
        unsigned pair = (unsigned)raw[bit / 8] << 8 | raw[bit / 8 + 1];
        text[i] = alphabet[pair >> (10 - bit % 8) & 63];
    }
    text[TOKEN_CHARACTERS] = '\0';
}

static int digit_of(uint8_t character)
{
    const char *at = character ? memchr(alphabet, character, 64) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

int token_parse(struct bytes text, struct token *out)
{
    uint8_t raw[TOKEN_BYTES + 2] = {0};

    if (text.size_bytes != TOKEN_CHARACTERS)
        return ACCORD_E_FORMAT;
    for (size_t i = 0; i < TOKEN_CHARACTERS; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0)
            return ACCORD_E_FORMAT;
        size_t bit = i * 6;
        unsigned pair = (unsigned)digit << (10 - bit % 8);
        raw[bit / 8] = (uint8_t)(raw[bit / 8] | pair >> 8);
        raw[bit / 8 + 1] = (uint8_t)(raw[bit / 8 + 1] | (pair & 0xff));
    }
    /* 54 characters carry 4 bits too many: only one spelling of a token is a token. */
    if (raw[TOKEN_BYTES] != 0)
        return ACCORD_E_FORMAT;
    *out = (struct token){{get_number(raw), get_number(raw + 8)},
                          get_number(raw + 16),
                          get_number(raw + 24),
                          get_number(raw + 32)};
    return ACCORD_OK;
}
