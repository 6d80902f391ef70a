/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "sim/pairs.h"

#include <inttypes.h>
#include <stdio.h>

enum { PLANNED = FAULT_NO_MEMORY + 1 }; /* the kinds of the test plan: see FAULTS */

_Static_assert(PLANNED == 22, "the test plan names 22 kinds, and they come first");

static uint64_t met[FAULT_KINDS][FAULT_KINDS]; /* [i][k] with i <= k */

void pairs_add(const uint64_t struck[FAULT_KINDS])
{
    for (size_t i = 0; i < FAULT_KINDS; i++)
        for (size_t k = i; k < FAULT_KINDS; k++)
            met[i][k] += struck[i] > 0 && struck[k] > 0;
}

struct tally {
    size_t pairs, unmet;
    size_t i, k; /* the rarest pair */
};

static struct tally tally(size_t kinds)
{
    struct tally t = {.k = 1};

    for (size_t i = 0; i < kinds; i++)
        for (size_t k = i + 1; k < kinds; k++) {
            t.pairs++;
            t.unmet += met[i][k] == 0;
            if (met[i][k] < met[t.i][t.k])
                t.i = i, t.k = k;
        }
    return t;
}

size_t pairs_tell_unmet(void)
{
    struct tally planned = tally(PLANNED), all = tally(FAULT_KINDS);

    for (size_t i = 0; i < PLANNED; i++)
        for (size_t k = i + 1; k < PLANNED; k++)
            if (met[i][k] == 0)
                printf("never met: %s, %s\n", fault_words[i], fault_words[k]);
    printf(
        "%zu pairs of the %d kinds of faults of the test plan, %zu of them never in one run; "
        "the rarest, %s and %s, in %" PRIu64 " runs; of all %zu pairs, %zu never\n",
        planned.pairs, PLANNED, planned.unmet, fault_words[planned.i], fault_words[planned.k],
        met[planned.i][planned.k], all.pairs, all.unmet);
    return planned.unmet;
}

void pairs_tell(void)
{
    printf("runs in which two kinds of faults met\n%28s", "");
    for (size_t k = 0; k < FAULT_KINDS; k++)
        printf(" %6zu", k + 1);
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        printf("\n%2zu %-25s", i + 1, fault_words[i]);
        for (size_t k = 0; k <= i; k++)
            printf(" %6" PRIu64, met[k][i]);
    }
    printf("\n");
}
