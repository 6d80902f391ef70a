/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "sim/check.h"

#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void floors_add(struct floors *f, uint64_t at_ns, uint64_t version, uint64_t source)
{
    uint64_t best = f->count > 0 ? f->list[f->count - 1].best : 0;

    ASSERT(f->count == 0 || at_ns >= f->list[f->count - 1].at_ns);
    if (f->count == f->capacity) {
        f->capacity = f->capacity > 0 ? 2 * f->capacity : 16;
        f->list = realloc(f->list, f->capacity * sizeof *f->list);
        ASSERT(f->list);
    }
    f->list[f->count++] = (struct floor){at_ns, version, u64_max(best, version), source};
}

uint64_t floors_before(const struct floors *f, uint64_t at_ns)
{
    size_t low = 0, high = f->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->list[middle].at_ns < at_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? f->list[low - 1].best : 0;
}

void floors_void(struct floors *f, uint64_t source)
{
    uint64_t best = 0;

    for (size_t i = 0; i < f->count; i++) {
        if (f->list[i].source == source)
            f->list[i].version = 0;
        best = u64_max(best, f->list[i].version);
        f->list[i].best = best;
    }
}

void check_begin(struct check *c, size_t keys)
{
    ASSERT(keys <= CHECK_KEYS_MAX);
    c->keys = keys;
    memset(c->committed, 0, sizeof c->committed);
    memset(c->applied, 0, sizeof c->applied);
    memset(c->unsure, 0, sizeof c->unsure);
    memset(c->chains, 0, sizeof c->chains);
    memset(c->holes, 0, sizeof c->holes);
    c->holes_made = 0;
    memset(c->rights, 0, sizeof c->rights);
    for (size_t k = 0; k < CHECK_KEYS_MAX; k++) {
        c->acknowledged[k].count = c->strict[k].count = 0;
        for (size_t i = 0; i < CHECK_CACHES_MAX; i++)
            c->own[i][k].count = 0;
    }
}

void check_done(struct check *c)
{
    for (size_t k = 0; k < CHECK_KEYS_MAX; k++) {
        free(c->acknowledged[k].list);
        free(c->strict[k].list);
        c->acknowledged[k] = c->strict[k] = (struct floors){0};
        for (size_t i = 0; i < CHECK_CACHES_MAX; i++) {
            free(c->own[i][k].list);
            c->own[i][k] = (struct floors){0};
        }
    }
}

void check_fail(struct check *c, const char *promise, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->failed(c->context, promise, text);
}

void check_read(struct check *c, const struct check_read *r)
{
    check_fresh_read(c, r);
    check_strict_read(c, r);
    check_own_read(c, r);
    check_unsure_read(c, r);
}
