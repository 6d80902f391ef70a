/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "sim/sometimes.h"

#include "base/base.h"

#include <stdlib.h>

extern struct sometimes *const __start_sometimes[];
extern struct sometimes *const __stop_sometimes[];

static int by_name(const void *a, const void *b)
{
    struct sometimes *const *left = a, *const *right = b;

    return strcmp((*left)->name, (*right)->name);
}

/* Two points may share a name: then they are one. */
uint64_t sometimes_all(struct sometimes *out[], uint64_t max)
{
    uint64_t count = 0, kept = 0;

    for (struct sometimes *const *p = __start_sometimes; p < __stop_sometimes; p++) {
        ASSERT(count < max);
        out[count++] = *p;
    }
    qsort(out, count, sizeof out[0], by_name);
    for (uint64_t i = 0; i < count; i++) {
        if (kept > 0 && strcmp(out[kept - 1]->name, out[i]->name) == 0)
            out[kept - 1]->count += out[i]->count, out[i]->count = 0;
        else
            out[kept++] = out[i];
    }
    return kept;
}
