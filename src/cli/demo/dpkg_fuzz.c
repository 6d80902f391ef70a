/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* dpkg_fuzz.c - any bytes as a control file: every value lies inside it, and reading ends. */
#include "cli/demo/dpkg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes value, const uint8_t *data, size_t size)
{
    if (value.size_bytes == 0)
        return;
    ASSERT(value.data >= data);
    ASSERT(value.data + value.size_bytes <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dpkg_reader r = dpkg_reader_of(bytes_of(data, size));
    char why[DPKG_WHY_BYTES_MAX] = "";
    struct dpkg_package p;
    size_t left = size;
    int status;

    while ((status = dpkg_next(&r, &p, why)) == ACCORD_OK) {
        ASSERT(p.name.size_bytes > 0);
        const struct bytes all[] = {p.name,         p.version, p.section,
                                    p.architecture, p.depends, p.description};
        for (size_t i = 0; i < COUNT_OF(all); i++)
            check_inside(all[i], data, size);
        ASSERT(r.rest.size_bytes < left);
        left = r.rest.size_bytes;
    }
    ASSERT(status == ACCORD_E_ABSENT || status == ACCORD_E_FORMAT);
    ASSERT((status == ACCORD_E_FORMAT) == (why[0] != '\0'));
    return 0;
}
