/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/resend.h"

#include "wire/words.h"

static const struct bytes words[] = {
    [RESEND_WANTED] = {(const uint8_t *)"resend ", 7},
    [RESEND_DONE] = {(const uint8_t *)"resent ", 7},
    [RESEND_GONE] = {(const uint8_t *)"gone ", 5},
};

_Static_assert(7 + 2 * WORDS_HALF_DIGITS + 1 + 2 * WORDS_NUMBER_DIGITS_MAX + 2 <=
                   RESEND_TEXT_BYTES_MAX,
               "the longest fits");
_Static_assert(RESEND_TEXT_BYTES_MAX <= (int)CHANGE_ABOUT_BYTES_MAX, "a beat has room for it");

void resend_print(const struct resend *r, char text[RESEND_TEXT_BYTES_MAX])
{
    ASSERT((size_t)r->kind < COUNT_OF(words));
    ASSERT(r->from > 0);
    ASSERT(r->from < r->until);
    char *at = words_put(text, words[r->kind]);
    at = words_put_half(words_put_half(at, r->incarnation.high), r->incarnation.low);
    *at++ = ' ';
    at = words_put_number(at, r->from);
    *at++ = '-';
    at = words_put_number(at, r->until - 1);
    *at = '\0';
}

int resend_parse(struct bytes text, struct resend *out)
{
    struct words rest = {text.data, text.size_bytes};
    struct resend r = {0};
    uint64_t last;
    size_t kind = 0;

    while (kind < COUNT_OF(words) && !words_take(&rest, words[kind]))
        kind++;
    if (kind == COUNT_OF(words))
        return ACCORD_E_FORMAT;
    r.kind = (enum resend_kind)kind;
    bool read = words_take_half(&rest, &r.incarnation.high) &&
                words_take_half(&rest, &r.incarnation.low) &&
                words_take(&rest, bytes_of_text(" ")) && words_take_number(&rest, &r.from) &&
                words_take(&rest, bytes_of_text("-")) && words_take_number(&rest, &last) &&
                rest.left == 0;
    if (!read || last < r.from || last == UINT64_MAX)
        return ACCORD_E_FORMAT;
    r.until = last + 1;
    *out = r;
    return ACCORD_OK;
}
