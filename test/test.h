/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* test.h - a test registers itself where it is written, and nowhere else. */
#ifndef ACCORD_TEST_H
#define ACCORD_TEST_H

#include <stdint.h>

struct test {
    const char *name;           /* a sentence that is true */
    void (*run)(uint64_t *rng); /* rng: seeded; every random choice comes from here */
    unsigned seeds;             /* how many seeds to run; 1 for a plain test */
    struct test *next;
};

void test_register(struct test *t);
_Noreturn void test_fail(const char *what, const char *file, int line);
/* Ends the running test as skipped; printed and counted. */
_Noreturn void test_skip(const char *why);
uint64_t test_random(uint64_t *rng, uint64_t below); /* uniform enough in [0, below) */
const char *test_name(void);                         /* of the running test */
/* A fresh empty folder of the running test, removed when it ends. Static. */
const char *test_folder(void);

#define TEST(name) TEST_SEEDS(name, 1)
#define TEST_SEEDS(name, n)                                                                    \
    static void name(uint64_t *rng);                                                           \
    __attribute__((constructor)) static void name##_register(void)                             \
    {                                                                                          \
        static struct test t = {#name, name, n, 0};                                            \
        test_register(&t);                                                                     \
    }                                                                                          \
    static void name(__attribute__((unused)) uint64_t *rng)

#define CHECK(e) ((e) ? (void)0 : test_fail(#e, __FILE__, __LINE__))

#endif
