/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* sim [--seeds N] [--seconds S] [--from SEED] [--kept FILE] [--hash] [--must-reach] [--pairs]
 *     [--theme NAME] [--scenario FILE] [SEED]
 *
 * Without a SEED: runs many, and prints what they did. With one: runs that, with its trace. A
 * failure prints its seed and the end of its trace, and the exit status is 1. With a scenario
 * its steps are done instead of faults by chance. With a theme every world has that one, as far
 * as it can be bent to any (plan.c). With --pairs it says of each two kinds of faults in how
 * many runs they met; with --must-reach all must have. */
#include "sim/pairs.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POINTS_MAX = 256, TOLD_EVENTS = 120 };

static struct sim sim;
static jmp_buf failed_assertion;
static bool running;
static uint64_t total[FAULT_KINDS];
static const char *scenario_file; /* NULL: none */

/* An assertion of the core or the segment that fails in a run is a finding like any other. */
_Noreturn void assert_failed(const char *expr, const char *file, int line, const char *func)
{
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, func, expr);
    if (!running)
        abort();
    sim_fail(&sim, "assertion", "%s:%d: %s: %s", file, line, func, expr);
    fiber_leave();
    longjmp(failed_assertion, 1);
}

static void tell_failure(const struct sim *s)
{
    printf("FAILED: seed %" PRIu64 ": %s: %s\n", s->seed, s->failure.promise, s->failure.text);
    printf("  %zu hosts, max_stale %" PRIu64 " ms, %s; the last events:\n", s->plan.hosts,
           (uint64_t)(s->plan.max_stale_ns / NS_PER_MS),
           s->plan.head_linearizable ? "the head can be read" : "proof by echo");
    trace_tell(s, TOLD_EVENTS);
    if (scenario_file)
        printf("rerun: build/sim/accord-sim --scenario %s %" PRIu64 "\n", scenario_file,
               s->seed);
    else if (s->theme != THEME_NONE)
        printf("rerun: build/sim/accord-sim --theme %s %" PRIu64 "\n", theme_words[s->theme],
               s->seed);
    else
        printf("rerun: make sim SEED=%" PRIu64 "\n", s->seed);
    fflush(stdout);
}

/* False: it failed. */
static bool run_seed(uint64_t seed)
{
    running = true;
    if (setjmp(failed_assertion) == 0)
        sim_run(&sim, seed);
    else
        sim_end(&sim);
    running = false;
    for (size_t i = 0; i < FAULT_KINDS; i++)
        total[i] += sim.faults[i];
    pairs_add(sim.faults);
    if (!sim.failure.failed)
        return true;
    tell_failure(&sim);
    return false;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t tell_unreached(void)
{
    static struct sometimes *points[POINTS_MAX];
    uint64_t count = sometimes_all(points, POINTS_MAX);
    size_t unreached = 0;

    for (uint64_t i = 0; i < count; i++)
        if (points[i]->count == 0)
            printf("never reached: %s\n", points[i]->name), unreached++;
    for (size_t i = 0; i < FAULT_KINDS; i++)
        if (total[i] == 0)
            printf("never struck: %s\n", fault_words[i]), unreached++;
    printf("%" PRIu64 " rare paths, %zu of them never reached\n", count, unreached);
    return unreached + pairs_tell_unmet();
}

static void tell_sums(double took)
{
    const struct sim *s = &sim;

    printf("%" PRIu64 " seeds in %.1f s (%.0f a second), %.1f simulated hours, %" PRIu64
           " events, %" PRIu64 " steps\n",
           s->sum.runs, took, (double)s->sum.runs / took, (double)s->sum.true_ns / 3600e9,
           s->sum.events, s->sum.steps);
    printf("%" PRIu64 " reads, %" PRIu64 " fresh; %" PRIu64 " fills; %" PRIu64
           " loads granted; %" PRIu64 " strict removals confirmed, %" PRIu64
           " timed out; %" PRIu64 " leases lost; %" PRIu64 " cold boots; %" PRIu64
           " items inherited\n",
           s->sum.reads, s->sum.hits, s->sum.fills, s->sum.loads, s->sum.strict_ok,
           s->sum.strict_timeout, s->sum.leases_lost, s->sum.cold_boots, s->sum.inherited);
    printf("faults:");
    for (size_t i = 0; i < FAULT_KINDS; i++)
        printf(" %s %" PRIu64 "%s", fault_words[i], total[i], i + 1 < FAULT_KINDS ? "," : "\n");
}

struct options {
    uint64_t seeds, seconds, from, seed;
    const char *kept, *scenario;
    bool one, hash, must_reach, go_on, pairs;
};

static bool number(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    return *text && !*end;
}

static bool theme_named(const char *name)
{
    for (int i = THEME_NONE; i < THEMES; i++)
        if (strcmp(name, theme_words[i]) == 0) {
            sim.theme = (enum theme)i;
            return true;
        }
    return false;
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(a, "--hash") == 0)
            o->hash = true;
        else if (strcmp(a, "--must-reach") == 0)
            o->must_reach = true;
        else if (strcmp(a, "--pairs") == 0)
            o->pairs = true;
        else if (strcmp(a, "--go-on") == 0)
            o->go_on = true;
        else if (strcmp(a, "--kept") == 0)
            o->kept = value, i++;
        else if (strcmp(a, "--scenario") == 0 && i + 1 < argc)
            o->scenario = value, i++;
        else if (strcmp(a, "--theme") == 0 && theme_named(value))
            i++;
        else if (strcmp(a, "--seeds") == 0 && number(value, &o->seeds))
            i++;
        else if (strcmp(a, "--seconds") == 0 && number(value, &o->seconds))
            i++;
        else if (strcmp(a, "--from") == 0 && number(value, &o->from))
            i++;
        else if (number(a, &o->seed))
            o->one = true;
        else
            return false;
    }
    return true;
}

/* "SEED its story", or "THEME SEED its story". False: it is of something else. */
static bool read_kept(char *line, uint64_t *seed)
{
    char *space = strchr(line, ' ');

    sim.theme = THEME_NONE;
    if (space && *line >= 'a' && *line <= 'z') {
        *space = '\0';
        if (!theme_named(line))
            return false;
        line = space + 1;
    }
    if (*line < '0' || *line > '9')
        return false;
    *seed = strtoull(line, NULL, 10);
    return true;
}

/* Each is run. Returns how many failed, or -1. */
static int run_kept(const char *file)
{
    FILE *f = fopen(file, "r");
    char line[512];
    int failed = 0, passed = 0;

    if (!f) {
        perror(file);
        return -1;
    }
    while (fgets(line, sizeof line, f)) {
        uint64_t seed;
        if (!read_kept(line, &seed))
            continue;
        bool ok = run_seed(seed);
        failed += !ok;
        passed += ok;
    }
    fclose(f);
    printf("kept seeds: %d passed, %d failed, 0 skipped\n", passed, failed);
    return failed;
}

static int run_many(const struct options *o)
{
    double began = seconds();
    uint64_t failed = 0, ran = 0;

    for (uint64_t i = 0; i < o->seeds; i++, ran++) {
        if (o->seconds > 0 && seconds() - began > (double)o->seconds)
            break;
        if (!run_seed(o->from + i) && (++failed >= 20 || !o->go_on))
            break;
        if (o->hash)
            printf("%" PRIu64 " %016" PRIx64 " %" PRIu64 "\n", o->from + i, sim.trace.hash,
                   sim.trace.count);
    }
    if (!o->hash)
        tell_sums(seconds() - began);
    if (o->pairs)
        pairs_tell();
    size_t unreached = o->hash ? 0 : tell_unreached();
    if (!o->hash)
        printf("seeds: %" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n",
               sim.sum.runs - failed, failed);
    return failed > 0 || (o->must_reach && unreached > 0);
}

/* 0; or an exit code: 2, it is wrong or cannot be read; 3, it is for real processes only. */
static int open_scenario(const char *file)
{
    static struct scenario scenario;
    static char text[SCENARIO_BYTES_MAX + 2]; /* one more shows that it is longer */
    char why[SCENARIO_WHY_BYTES_MAX] = "a scenario has at most 131072 bytes, none of them 0";
    FILE *f = fopen(file, "r");

    if (!f) {
        perror(file);
        return 2;
    }
    size_t size = fread(text, 1, sizeof text - 1, f);
    bool whole = !ferror(f) && size <= SCENARIO_BYTES_MAX;
    fclose(f);
    text[size] = 0;
    int status =
        whole && !memchr(text, 0, size) ? scene_parse(&scenario, text, why) : ACCORD_E_SIZE;
    if (status != ACCORD_OK)
        fprintf(stderr, "%s: %s\n", file, why);
    if (status == ACCORD_E_UNSUPPORTED)
        printf("%s: 0 passed, 0 failed, 1 skipped\n", file);
    sim.scenario = &scenario;
    scenario_file = file;
    return status == ACCORD_OK ? 0 : status == ACCORD_E_UNSUPPORTED ? 3 : 2;
}

/* Every seed does every step; together they must have read something fresh. */
static int run_scenario(const struct options *o)
{
    uint64_t passed = 0, failed = 0;

    for (uint64_t i = 0; i < o->seeds && failed == 0; i++) {
        bool ok = run_seed(o->from + i);
        passed += ok;
        failed += !ok;
        if (o->hash)
            printf("%" PRIu64 " %016" PRIx64 " %" PRIu64 "\n", o->from + i, sim.trace.hash,
                   sim.trace.count);
    }
    if (failed == 0 && sim.sum.hits == 0) {
        printf("FAILED: %s: no read was fresh\n", scenario_file);
        failed = 1;
    }
    if (!o->hash)
        printf("%" PRIu64 " steps done, %" PRIu64 " reads, %" PRIu64 " fresh, %" PRIu64
               " leases lost, %" PRIu64 " strict removals confirmed, %" PRIu64 " timed out\n",
               sim.scenes, sim.sum.reads, sim.sum.hits, sim.sum.leases_lost, sim.sum.strict_ok,
               sim.sum.strict_timeout);
    if (!o->hash)
        printf("%s: %" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n", scenario_file, passed,
               failed);
    return failed > 0;
}

int main(int argc, char **argv)
{
    struct options o = {.seeds = UINT64_MAX, .from = 1};
    int status = 0;

    if (!parse(argc, argv, &o)) {
        fprintf(
            stderr,
            "usage: sim [--seeds N] [--seconds S] [--from SEED] [--go-on] [--hash] "
            "[--must-reach] [--pairs] [--kept FILE] [--theme NAME] [--scenario FILE] [SEED]\n");
        return 2;
    }
    if (o.scenario)
        status = open_scenario(o.scenario);
    if (status != 0)
        return status;
    if (o.kept) {
        status = run_kept(o.kept) != 0;
    } else if (o.one) {
        sim.trace.print = !o.hash;
        status = !run_seed(o.seed);
        printf("seed %" PRIu64 ": hash %016" PRIx64 ", %" PRIu64 " trace events\n", o.seed,
               sim.trace.hash, sim.trace.count);
    } else {
        if (o.seeds == UINT64_MAX && o.seconds == 0)
            o.seeds = o.scenario ? 50 : 1000;
        status = o.scenario ? run_scenario(&o) : run_many(&o);
    }
    sim_done(&sim);
    return status;
}
