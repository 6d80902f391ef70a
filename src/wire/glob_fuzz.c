/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* glob_fuzz.c - the first byte says where the pattern ends and the text begins. */
#include "wire/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1024)
        return 0;
    size_t pattern_bytes = u64_min(data[0], size - 1);
    struct bytes pattern = bytes_of(data + 1, pattern_bytes);
    struct bytes text = bytes_of(data + 1 + pattern_bytes, size - 1 - pattern_bytes);
    bool matched = glob_match(pattern, text);
    if (pattern_bytes == 1 && pattern.data[0] == '*')
        ASSERT(matched);
    return 0;
}
