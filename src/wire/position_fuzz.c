/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* position_fuzz.c - any text as a position: what is taken for one means the same when we print
 * it, and is not longer than what we print but for leading zeros. */
#include "wire/change.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct position untouched = {1, 2};
    struct position p = untouched, again;
    char text[POSITION_TEXT_BYTES_MAX];

    if (position_parse(bytes_of(data, size), &p) != ACCORD_OK) {
        ASSERT(p.epoch == untouched.epoch && p.value == untouched.value);
        return 0;
    }
    position_print(p, text);
    ASSERT(position_parse(bytes_of_text(text), &again) == ACCORD_OK);
    ASSERT(again.epoch == p.epoch && again.value == p.value);
    return 0;
}
