/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* sometimes.h - proof that a rare path was reached: each point counts how often it was passed,
 * and a batch of runs prints those never reached. */
#ifndef ACCORD_SIM_SOMETIMES_H
#define ACCORD_SIM_SOMETIMES_H

#include <stdbool.h>
#include <stdint.h>

struct sometimes {
    const char *name;
    uint64_t count;
};

/* A point is found by the linker, not registered. */
#define SOMETIMES(condition, text)                                                             \
    do {                                                                                       \
        static struct sometimes point = {text, 0};                                             \
        static struct sometimes *const listed __attribute__((section("sometimes"), used)) =    \
            &point;                                                                            \
        point.count += (condition) ? 1 : 0;                                                    \
    } while (0)

/* The points in the order of their names; returns how many. */
uint64_t sometimes_all(struct sometimes *out[], uint64_t max);

#endif
