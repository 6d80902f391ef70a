/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* trace_fuzz.c - any bytes as a trace of keys. (What is compressed goes through zstdcat, which
 * is not ours to fuzz: its magic is passed over.) */
#include "cli/demo/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ROWS = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t lines_of(const uint8_t *data, size_t size)
{
    size_t lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    char why[DEMO_KEYS_WHY_BYTES_MAX] = "";
    struct demo_keys k;

    if (size >= 4 && memcmp(data, "\x28\xb5\x2f\xfd", 4) == 0)
        return 0;
    if (fd < 0) {
        fd = memfd_create("trace", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
        abort();
    int status = demo_keys_trace(&k, path, ROWS, why);
    ASSERT((status != ACCORD_OK) == (why[0] != '\0'));
    if (status != ACCORD_OK)
        return 0;
    ASSERT(k.count >= 1);
    ASSERT(k.count <= lines_of(data, size));
    ASSERT(k.distinct >= 1 && k.distinct <= k.count);
    for (size_t i = 0; i < k.count; i++)
        ASSERT(k.rows[i] < ROWS);
    demo_keys_free(&k);
    return 0;
}
