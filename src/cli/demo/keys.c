/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/keys.h"

#include <math.h>
#include <stdlib.h>

uint64_t demo_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* The first rank whose cumulated share is above `at`. */
static uint32_t rank_at(const double *shares, uint32_t count, double at)
{
    uint32_t low = 0, high = count - 1;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shares[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void shuffle(uint32_t *order, uint32_t count, uint64_t *state)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(demo_random(state) % (i + 1)), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

int demo_keys_zipf(struct demo_keys *out, size_t count, uint32_t row_count, double exponent,
                   uint64_t seed)
{
    double *shares = malloc(row_count * sizeof *shares), sum = 0;
    uint32_t *order = malloc(row_count * sizeof *order);
    uint32_t *rows = malloc(count * sizeof *rows);
    int status = ACCORD_E_NOMEM;

    ASSERT(row_count > 0);
    ASSERT(count > 0);
    if (!shares || !order || !rows)
        goto out;
    for (uint32_t k = 0; k < row_count; k++)
        shares[k] = sum += pow((double)k + 1, -exponent);
    shuffle(order, row_count, &seed);
    for (size_t i = 0; i < count; i++) {
        double uniform = (double)(demo_random(&seed) >> 11) / 9007199254740992.0;
        rows[i] = order[rank_at(shares, row_count, uniform * sum)];
    }
    *out = (struct demo_keys){rows, count, row_count};
    rows = NULL;
    status = ACCORD_OK;
out:
    free(shares);
    free(order);
    free(rows);
    return status;
}

void demo_keys_free(struct demo_keys *k)
{
    free(k->rows);
    *k = (struct demo_keys){NULL, 0, 0};
}
