/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* token_fuzz.c - any text as a token: what is taken for one is spelt as we spell it. */
#include "cache/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct token untouched = {{1, 2}, 3, 4, 5};
    struct token t = untouched;
    char text[TOKEN_TEXT_BYTES_MAX];

    if (token_parse(bytes_of(data, size), &t) != ACCORD_OK) {
        ASSERT(memcmp(&t, &untouched, sizeof t) == 0);
        return 0;
    }
    token_print(&t, text);
    ASSERT(bytes_equal(bytes_of_text(text), bytes_of(data, size)));
    return 0;
}
