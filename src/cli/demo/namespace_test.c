/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include <accord.h>

#include "cli/demo/world.h"

#include "cli/demo/namespace.h"
#include "test.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NO_RIGHT = 2 };

static int64_t raw_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * (int64_t)NS_PER_S + now.tv_nsec;
}

/* Its own clock has jumped; the machine's, as it knows it, has not. */
static int try_shift(int64_t ahead_ns)
{
    uint64_t machine_ns = demo_now_ns();

    if (namespace_shift_clocks(ahead_ns) != ACCORD_OK)
        return NO_RIGHT;
    demo_clock_is_ahead(ahead_ns);
    int64_t jumped_ns = raw_ns() - (int64_t)machine_ns;
    return jumped_ns >= ahead_ns && demo_now_ns() >= machine_ns &&
                   demo_now_ns() - machine_ns < 100 * NS_PER_S
               ? 0
               : 1;
}

TEST(clocks_are_shifted_and_the_machines_time_is_still_known)
{
    const int64_t shifts[] = {3600 * (int64_t)NS_PER_S + 5, -(int64_t)NS_PER_S / 2};

    for (size_t i = 0; i < COUNT_OF(shifts); i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0)
            _exit(try_shift(shifts[i]));
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        if (WEXITSTATUS(status) == NO_RIGHT)
            test_skip("no right to a time namespace");
        CHECK(WEXITSTATUS(status) == 0);
    }
}

TEST(a_shift_that_cannot_be_is_known_beforehand)
{
    /* Further back than the machine has been up: the kernel refuses that, or all of them. */
    CHECK(namespace_try_shift(-(int64_t)(1000 * 3600 * NS_PER_S) * 100) != 0);
}
