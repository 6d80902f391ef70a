/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/words.h"

/* ---- writing -------------------------------------------------------------------------------
 */

char *words_put_half(char *at, uint64_t half)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[half >> shift & 15];
    return at;
}

char *words_put_number(char *at, uint64_t number)
{
    char reversed[WORDS_NUMBER_DIGITS_MAX];
    size_t n = 0;

    do
        reversed[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        *at++ = reversed[--n];
    return at;
}

char *words_put(char *at, struct bytes what)
{
    if (what.size_bytes > 0)
        memcpy(at, what.data, what.size_bytes);
    return at + what.size_bytes;
}

/* ---- reading -------------------------------------------------------------------------------
 */

static void pass(struct words *w, size_t bytes)
{
    w->at += bytes;
    w->left -= bytes;
}

bool words_take(struct words *w, struct bytes what)
{
    if (w->left < what.size_bytes || memcmp(w->at, what.data, what.size_bytes) != 0)
        return false;
    pass(w, what.size_bytes);
    return true;
}

bool words_take_half(struct words *w, uint64_t *out)
{
    uint64_t half = 0;

    if (w->left < WORDS_HALF_DIGITS)
        return false;
    for (size_t i = 0; i < WORDS_HALF_DIGITS; i++) {
        uint8_t c = w->at[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)c - '0'
                         : c >= 'a' && c <= 'f' ? (unsigned)c - 'a' + 10
                                                : 16;
        if (digit == 16)
            return false;
        half = half << 4 | digit;
    }
    pass(w, WORDS_HALF_DIGITS);
    *out = half;
    return true;
}

bool words_take_number(struct words *w, uint64_t *out)
{
    uint64_t number = 0;

    if (w->left == 0 || *w->at < '1' || *w->at > '9')
        return false;
    for (; w->left > 0 && *w->at >= '0' && *w->at <= '9'; pass(w, 1)) {
        unsigned digit = *w->at - (unsigned)'0';
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

bool words_take_word(struct words *w, size_t bytes_max, struct bytes *out)
{
    size_t bytes = 0;

    while (bytes < w->left && w->at[bytes] > ' ' && w->at[bytes] <= '~')
        bytes++;
    bool ends = bytes == w->left || w->at[bytes] == ' ';
    if (!ends || bytes == 0 || bytes > bytes_max)
        return false;
    *out = bytes_of(w->at, bytes);
    pass(w, bytes);
    return true;
}
