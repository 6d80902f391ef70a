/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/resolve.h"

#include "test.h"

#include <time.h>

static uint64_t in_ms(uint64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec + ms * NS_PER_MS;
}

TEST(resolve_takes_numbers_as_they_are)
{
    char why[BUS_WHY_BYTES_MAX];
    struct resolved found;

    CHECK(resolve("127.0.0.1", /* deadline_ns= */ 0, &found, why) == ACCORD_OK);
    CHECK(found.count == 1 && strcmp(found.address[0], "127.0.0.1") == 0);
    CHECK(resolve("::1", /* deadline_ns= */ 0, &found, why) == ACCORD_OK);
    CHECK(found.count == 1 && strcmp(found.address[0], "::1") == 0);
}

TEST(resolve_asks_for_names_as_long_as_it_may)
{
    char why[BUS_WHY_BYTES_MAX] = "";
    struct resolved found = {.count = 9};

    /* No name server knows it, or none answers: the machine decides, and both are said. */
    CHECK(resolve("nobody.invalid", in_ms(200), &found, why) == ACCORD_E_DOWN);
    CHECK(strstr(why, "nobody.invalid") && found.count == 9);
    CHECK(resolve("localhost", in_ms(30000), &found, why) == ACCORD_OK);
    CHECK(found.count >= 1 && found.count <= RESOLVED_MAX);
}
