/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "base/hex.h"

int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20; /* what is no letter does not become one of these */
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void hex_print(char *to, uint64_t number)
{
    for (int i = 15; i >= 0; i--, number >>= 4)
        to[i] = "0123456789abcdef"[number & 15];
}

bool hex_parse(struct bytes text, uint64_t *high, uint64_t *low)
{
    uint64_t half[2] = {0, 0};

    if (text.size_bytes != (low ? 32 : 16))
        return false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        uint8_t c = text.data[i];
        int digit = c >= 'A' && c <= 'F' ? -1 : hex_digit(c);
        if (digit < 0)
            return false;
        half[i / 16] = half[i / 16] << 4 | (uint64_t)digit;
    }
    *high = half[0];
    if (low)
        *low = half[1];
    return true;
}
