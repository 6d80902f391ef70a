/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/glob.h"

/* The class that begins at p[at], just after '[': whether `c` is in it; *end is just after the
 * ']'. As in Redis, a class that the pattern's end cuts off ends there. */
static bool class_has(struct bytes p, size_t at, uint8_t c, size_t *end)
{
    bool negated = at < p.size_bytes && p.data[at] == '^';
    bool found = false;

    at += negated;
    while (at < p.size_bytes && p.data[at] != ']') {
        size_t left = p.size_bytes - at;
        uint8_t low = p.data[at], high = low;
        if (low == '\\' && left >= 2) {
            low = high = p.data[at + 1];
            at += 2;
        } else if (left >= 3 && p.data[at + 1] == '-') {
            high = p.data[at + 2];
            at += 3;
        } else {
            at++;
        }
        found |= low <= high ? c >= low && c <= high : c >= high && c <= low;
    }
    *end = at < p.size_bytes ? at + 1 : at;
    return found != negated;
}

/* Whether the element at p[at], no star, matches `c`; *next is just after the element. */
static bool element_matches(struct bytes p, size_t at, uint8_t c, size_t *next)
{
    switch (p.data[at]) {
    case '?':
        *next = at + 1;
        return true;
    case '[':
        return class_has(p, at + 1, c, next);
    case '\\':
        at += at + 1 < p.size_bytes;
        break;
    default:
        break;
    }
    *next = at + 1;
    return p.data[at] == c;
}

bool glob_match(struct bytes p, struct bytes text)
{
    size_t at = 0, i = 0, next = 0;
    size_t star = SIZE_MAX; /* just after the last star seen */
    size_t star_from = 0;   /* what that star has taken ends here */

    while (i < text.size_bytes) {
        if (at < p.size_bytes && p.data[at] == '*') {
            star = ++at;
            star_from = i;
        } else if (at < p.size_bytes && element_matches(p, at, text.data[i], &next)) {
            at = next;
            i++;
        } else if (star != SIZE_MAX) {
            at = star;
            i = ++star_from;
        } else {
            return false;
        }
    }
    while (at < p.size_bytes && p.data[at] == '*')
        at++;
    return at == p.size_bytes;
}
