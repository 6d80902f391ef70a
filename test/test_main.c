/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* test_main.c - runs every registered test in a child process of its own, so that a crash is
 * one failure and not the end. Usage: TESTS [part of a name [seed]]; with a seed, no fork. A
 * test that hangs is ended. Where a build is slow (tools/coverage.sh) ACCORD_TEST_SECONDS says
 * after how long, and ACCORD_TEST_SEEDS how many seeds a test may have. Tests whose name has
 * one of ACCORD_TEST_NOT's words in it (commas between) are left out, which is printed. */
#include "test.h"

#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77, TEST_SECONDS_MAX = 300 };

static struct test *tests;
static const char *program, *running;
static unsigned long long seed;
static char folder[256];

void test_register(struct test *t)
{
    t->next = tests;
    tests = t;
}

_Noreturn void test_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\nrerun: %s %s %llu\n", file, line, what, program, running, seed);
    abort();
}

_Noreturn void test_skip(const char *why)
{
    printf("SKIP %s: %s\n", running, why);
    fflush(stdout);
    _exit(EXIT_SKIPPED);
}

const char *test_name(void)
{
    return running;
}

uint64_t test_random(uint64_t *rng, uint64_t below)
{
    uint64_t z = (*rng += 0x9e3779b97f4a7c15); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % below;
}

const char *test_folder(void)
{
    if (!folder[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/accord-test-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(folder))
            test_fail("mkdtemp", __FILE__, __LINE__);
    }
    return folder;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void run_seeds(const struct test *t, unsigned long long first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t rng = seed = first + i;
        t->run(&rng);
    }
}

static unsigned number_of(const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);

    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

/* The folder is made before the fork, so that it is removed even after a crash. */
static int run_in_child(const struct test *t)
{
    int status = 0;

    fflush(NULL);
    test_folder();
    pid_t child = fork();
    if (child == 0) {
        unsigned most = number_of("ACCORD_TEST_SEEDS", t->seeds);
        alarm(number_of("ACCORD_TEST_SECONDS", TEST_SECONDS_MAX));
        run_seeds(t, 0, t->seeds < most ? t->seeds : most);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    folder[0] = 0;
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s: killed by %s\n", t->name, strsignal(WTERMSIG(status)));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool has_one_of(const char *name, const char *words)
{
    char word[64];

    for (const char *at = words; at && *at; at += at[0] == ',') {
        size_t bytes = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)bytes, at);
        if (bytes > 0 && strstr(name, word))
            return true;
        at += bytes;
    }
    return false;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : "", *without = getenv("ACCORD_TEST_NOT");
    unsigned passed = 0, failed = 0, skipped = 0, left_out = 0;

    char run[32];

    /* For what several tests share, and what ends with this process. */
    snprintf(run, sizeof run, "%d", (int)getpid());
    setenv("ACCORD_TEST_RUN", run, 1);
    program = argv[0];
    for (struct test *t = tests; t; t = t->next) {
        if (!strstr(t->name, only))
            continue;
        if (has_one_of(t->name, without)) {
            left_out++;
            continue;
        }
        running = t->name;
        if (argc > 2) {
            run_seeds(t, strtoull(argv[2], 0, 10), 1);
            passed++;
            continue;
        }
        int result = run_in_child(t);
        passed += result == 0;
        skipped += result == EXIT_SKIPPED;
        if (result != 0 && result != EXIT_SKIPPED) {
            failed++;
            fprintf(stderr, "FAIL %s\n", t->name);
        }
    }
    if (left_out > 0)
        printf("left out: %u tests with %s in their name\n", left_out, without);
    printf("%s: %u passed, %u failed, %u skipped\n", program, passed, failed, skipped);
    return failed > 0 || passed + skipped == 0;
}
