/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/resend.h"

enum { ID_DIGITS = 32, NUMBER_DIGITS_MAX = 20 };

static const struct bytes words[] = {
    [RESEND_WANTED] = {(const uint8_t *)"resend ", 7},
    [RESEND_DONE] = {(const uint8_t *)"resent ", 7},
    [RESEND_GONE] = {(const uint8_t *)"gone ", 5},
};

_Static_assert(7 + ID_DIGITS + 1 + NUMBER_DIGITS_MAX + 1 + NUMBER_DIGITS_MAX + 1 <=
                   RESEND_TEXT_BYTES_MAX,
               "the longest fits");
_Static_assert(RESEND_TEXT_BYTES_MAX <= (int)CHANGE_ABOUT_BYTES_MAX, "a beat has room for it");

/* ---- writing -------------------------------------------------------------------------------
 */

static char *put_half(char *at, uint64_t half)
{
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[half >> shift & 15];
    return at;
}

static char *put_number(char *at, uint64_t number)
{
    char reversed[NUMBER_DIGITS_MAX];
    size_t n = 0;

    do
        reversed[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (n > 0)
        *at++ = reversed[--n];
    return at;
}

void resend_print(const struct resend *r, char text[RESEND_TEXT_BYTES_MAX])
{
    ASSERT((size_t)r->kind < COUNT_OF(words));
    ASSERT(r->from > 0);
    ASSERT(r->from < r->until);
    memcpy(text, words[r->kind].data, words[r->kind].size_bytes);
    char *at = text + words[r->kind].size_bytes;
    at = put_half(put_half(at, r->incarnation.high), r->incarnation.low);
    *at++ = ' ';
    at = put_number(at, r->from);
    *at++ = '-';
    at = put_number(at, r->until - 1);
    *at = '\0';
}

/* ---- reading -------------------------------------------------------------------------------
 */

/* What is left of the text. Each of these is false, and the text anywhere, where it is other
 * than it should be. */
struct rest {
    const uint8_t *at;
    size_t left;
};

static bool take(struct rest *r, struct bytes what)
{
    if (r->left < what.size_bytes || memcmp(r->at, what.data, what.size_bytes) != 0)
        return false;
    r->at += what.size_bytes;
    r->left -= what.size_bytes;
    return true;
}

static bool take_half(struct rest *r, uint64_t *out)
{
    uint64_t half = 0;

    if (r->left < 16)
        return false;
    for (size_t i = 0; i < 16; i++) {
        uint8_t c = r->at[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)c - '0'
                         : c >= 'a' && c <= 'f' ? (unsigned)c - 'a' + 10
                                                : 16;
        if (digit == 16)
            return false;
        half = half << 4 | digit;
    }
    r->at += 16;
    r->left -= 16;
    *out = half;
    return true;
}

/* From 1 on; no leading zero, and nothing that does not fit. */
static bool take_number(struct rest *r, uint64_t *out)
{
    uint64_t number = 0;

    if (r->left == 0 || *r->at < '1' || *r->at > '9')
        return false;
    for (; r->left > 0 && *r->at >= '0' && *r->at <= '9'; r->at++, r->left--) {
        unsigned digit = *r->at - (unsigned)'0';
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

int resend_parse(struct bytes text, struct resend *out)
{
    struct rest rest = {text.data, text.size_bytes};
    struct resend r = {0};
    uint64_t last;
    size_t kind = 0;

    while (kind < COUNT_OF(words) && !take(&rest, words[kind]))
        kind++;
    if (kind == COUNT_OF(words))
        return ACCORD_E_FORMAT;
    r.kind = (enum resend_kind)kind;
    bool read = take_half(&rest, &r.incarnation.high) && take_half(&rest, &r.incarnation.low) &&
                take(&rest, bytes_of_text(" ")) && take_number(&rest, &r.from) &&
                take(&rest, bytes_of_text("-")) && take_number(&rest, &last) && rest.left == 0;
    if (!read || last < r.from || last == UINT64_MAX)
        return ACCORD_E_FORMAT;
    r.until = last + 1;
    *out = r;
    return ACCORD_OK;
}
