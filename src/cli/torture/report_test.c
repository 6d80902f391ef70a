/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/torture.h"

#include "test.h"

#include <jansson.h>
#include <sys/mman.h>

static struct torture run;
static char printed[8192];

/* Hits to judge by, and no fault of anything. */
static void make_run(uint64_t hits)
{
    struct demo_shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(shared != MAP_FAILED);
    memset(&run, 0, sizeof run);
    run.c.world.shared = shared;
    run.options.hits_min = 1000;
    run.hits = hits;
    run.c.result.on_ns_long = NS_PER_S;
}

static FILE *sheet(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/report", test_folder());
    FILE *f = fopen(path, "w+");
    CHECK(f);
    return f;
}

static void print_table(void)
{
    FILE *f = sheet();

    torture_report_table(&run, f);
    rewind(f);
    printed[fread(printed, 1, sizeof printed - 1, f)] = 0;
    fclose(f);
}

static json_t *print_json(void)
{
    FILE *f = sheet();

    CHECK(torture_report_json(&run, f) == ACCORD_OK);
    rewind(f);
    json_t *o = json_loadf(f, 0, NULL);
    CHECK(o);
    fclose(f);
    return o;
}

static void free_run(void)
{
    munmap(run.c.world.shared, sizeof *run.c.world.shared);
}

TEST(a_run_with_enough_hits_and_nothing_broken_held)
{
    make_run(1000);
    CHECK(torture_verdict(&run) == TORTURE_HELD);
    print_table();
    CHECK(strstr(printed, "every promise held, in 1,000 hits"));
    json_t *o = print_json();
    CHECK(json_is_true(json_object_get(o, "promises_kept")));
    CHECK(strcmp(json_string_value(json_object_get(o, "verdict")), "held") == 0);
    json_decref(o);
    free_run();
}

TEST(a_run_with_too_few_hits_claims_nothing)
{
    make_run(999);
    CHECK(torture_verdict(&run) == TORTURE_NOT_JUDGED);
    print_table();
    CHECK(strstr(printed, "NOT JUDGED: 999 reads were hits"));
    CHECK(!strstr(printed, "held"));
    json_t *o = print_json();
    CHECK(json_is_null(json_object_get(o, "promises_kept")));
    CHECK(strcmp(json_string_value(json_object_get(o, "verdict")), "not judged") == 0);
    CHECK(json_integer_value(json_object_get(o, "hits_under_faults")) == 999);
    CHECK(json_integer_value(json_object_get(o, "hits_needed")) == 1000);
    json_decref(o);
    free_run();
}

TEST(a_broken_promise_among_few_hits_is_broken)
{
    make_run(3);
    run.c.result.totals.broken = 1;
    CHECK(torture_verdict(&run) == TORTURE_BROKEN);
    run.c.result.totals.broken = 0;
    run.c.result.problem_count = 1;
    CHECK(torture_verdict(&run) == TORTURE_FAILED);
    free_run();
}

TEST(an_interrupted_run_claims_nothing)
{
    make_run(5000);
    run.c.result.interrupted = true;
    print_table();
    CHECK(strstr(printed, "interrupted, so not judged"));
    json_t *o = print_json();
    CHECK(json_is_null(json_object_get(o, "promises_kept")));
    json_decref(o);
    free_run();
}
