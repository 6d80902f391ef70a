/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/tracer.h"

#include "test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct shared {
    _Atomic bool there, go;
    _Atomic uint32_t calls;
} * shared;

/* A child that leads its own group, and calls once it is told to. */
static pid_t start(uint32_t calls)
{
    shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        atomic_store(&shared->there, true);
        while (!atomic_load(&shared->go))
            continue;
        while (calls-- > 0) {
            atomic_fetch_add(&shared->calls, 1);
            syscall(SYS_getppid);
        }
        syscall(SYS_exit_group, 7);
    }
    CHECK(child > 0);
    setpgid(child, child);
    while (!atomic_load(&shared->there)) /* whatever it called for its own start is over */
        continue;
    return child;
}

/* Tells it, as soon as it is traced. */
static pid_t tell_when_traced(pid_t child)
{
    pid_t teller = fork();

    if (teller > 0)
        return teller;
    for (long tracer = 0; tracer == 0;) {
        char path[64], line[128];
        snprintf(path, sizeof path, "/proc/%ld/status", (long)child);
        FILE *f = fopen(path, "r");
        while (f && fgets(line, sizeof line, f))
            if (strncmp(line, "TracerPid:", 10) == 0)
                tracer = strtol(line + 10, NULL, 10);
        if (f)
            fclose(f);
    }
    atomic_store(&shared->go, true);
    _exit(0);
}

static int end_of(pid_t child)
{
    int status = 0;

    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void need_tracing(void)
{
    if (tracer_try() != 0)
        test_skip("processes may not be traced here");
}

TEST(a_process_dies_right_before_the_chosen_call)
{
    need_tracing();
    for (uint32_t at = 1; at <= 9; at += 4) {
        pid_t child = start(100), teller = tell_when_traced(child);
        CHECK(tracer_kill_in(child, at, 60 * NS_PER_S) == ACCORD_OK);
        int status = end_of(child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        CHECK(atomic_load(&shared->calls) == at);
        CHECK(end_of(teller) == 0);
    }
}

TEST(a_process_that_ends_before_is_gone_with_its_own_code)
{
    need_tracing();
    pid_t child = start(3), teller = tell_when_traced(child);
    CHECK(tracer_kill_in(child, 100, 60 * NS_PER_S) == ACCORD_E_GONE);
    int status = end_of(child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK(end_of(teller) == 0);
}

TEST(a_process_that_calls_too_seldom_is_killed_when_the_time_is_over)
{
    need_tracing();
    pid_t child = start(3); /* nobody tells it */
    CHECK(tracer_kill_in(child, 1, 50 * NS_PER_MS) == ACCORD_E_TIMEOUT);
    int status = end_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
