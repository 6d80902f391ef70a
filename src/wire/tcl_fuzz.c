/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* tcl_fuzz.c - any bytes are a list, or none; any bytes are an element, which reads back as it
 * was. */
#include "wire/tcl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quote(struct bytes element, bool first)
{
    size_t bytes = tcl_quote(element, first, NULL, 0), count = 0;
    uint8_t *list = malloc(bytes + 2), *scratch = malloc(bytes + 1);
    struct bytes again[1];

    ASSERT(list);
    ASSERT(scratch);
    ASSERT(bytes <= 2 * element.size_bytes + 2);
    ASSERT(tcl_quote(element, first, list, bytes) == bytes);
    ASSERT(tcl_split(bytes_of(list, bytes), again, 1, scratch, &count) == ACCORD_OK);
    ASSERT(count == 1);
    ASSERT(bytes_equal(again[0], element));
    free(list);
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes elements[8];
    size_t count = 0;

    if (size == 0)
        return 0;
    uint8_t *scratch = malloc(size);
    ASSERT(scratch);
    struct bytes list = bytes_of(data + 1, size - 1);
    int status = tcl_split(list, elements, COUNT_OF(elements), scratch, &count);
    ASSERT(status == ACCORD_OK || status == ACCORD_E_FORMAT || status == ACCORD_E_FULL);
    for (size_t i = 0; i < count; i++)
        check_quote(elements[i], i == 0);
    check_quote(list, data[0] & 1);
    free(scratch);
    return 0;
}
