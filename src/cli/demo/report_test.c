/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/result.h"

#include "test.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>

static struct demo_world w;
static struct demo_result r;
static struct demo_row rows[2] = {{"package:a:all", "section:x", 13},
                                  {"package:b:all", "section:x", 13}};
static char printed[16384];

/* Two rows, one reader's hits, one change whose removal was acknowledged at 1000. */
static void make_world(void)
{
    uint32_t version, change;

    w.options = (struct demo_options){
        .input = "in\xff", .nodes = 3, .readers = 4, .max_stale_ns = NS_PER_S, .hits_min = 990};
    w.table = (struct demo_table){rows, 2, NULL};
    w.name[0][0] = 'n';
    w.shared = mmap(NULL, sizeof *w.shared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
    CHECK(w.shared != MAP_FAILED);
    w.history = calloc(1, demo_history_bytes(2, 10));
    CHECK(w.history);
    demo_history_init(w.history, 2, 10, NS_PER_S);
    CHECK(demo_history_begin(w.history, 1, &version, &change) == ACCORD_OK);
    demo_history_acked(w.history, change, 1000);
    w.shared->readers[0].reads = 1000;
    w.shared->readers[0].hits = 990;
    w.shared->readers[0].loads = 10;
    w.shared->readers[4].reads = 77; /* the prober's are no measure */
    r.on_ns_long = r.off_ns_long = NS_PER_S;
}

static void print_table(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/table", test_folder());
    FILE *f = fopen(path, "w+");
    CHECK(f);
    demo_result_collect(&w, &r);
    demo_report_table(&w, &r, f);
    rewind(f);
    printed[fread(printed, 1, sizeof printed - 1, f)] = 0;
    fclose(f);
}

static json_t *print_json(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/json", test_folder());
    FILE *f = fopen(path, "w+");
    CHECK(f);
    demo_result_collect(&w, &r);
    CHECK(demo_report_json(&w, &r, f) == ACCORD_OK);
    rewind(f);
    json_t *all = json_loadf(f, 0, NULL);
    fclose(f);
    CHECK(all);
    return all;
}

TEST(a_run_that_kept_its_promises_says_so_with_its_figures)
{
    make_world();
    print_table();
    CHECK(strstr(printed, "every promise held"));
    CHECK(strstr(printed, "99.00 %"));
    CHECK(!strstr(printed, "BROKEN"));
    json_t *all = print_json();
    CHECK(json_is_true(json_object_get(all, "promises_kept")));
    json_t *with = json_object_get(all, "with");
    CHECK(json_integer_value(json_object_get(with, "reads")) == 1000);
    CHECK(json_integer_value(json_object_get(with, "origin_queries")) == 10);
    json_decref(all);
}

TEST(a_run_with_too_few_hits_claims_nothing)
{
    make_world();
    w.options.hits_min = 991;
    print_table();
    CHECK(strstr(printed, "NOT JUDGED: 990 reads were hits, and a verdict needs 991"));
    CHECK(!strstr(printed, "held"));
    json_t *all = print_json();
    CHECK(json_is_null(json_object_get(all, "promises_kept")));
    CHECK(strcmp(json_string_value(json_object_get(all, "verdict")), "not judged") == 0);
    CHECK(json_integer_value(json_object_get(all, "hits_needed")) == 991);
    json_decref(all);
    demo_result_problem(&r, "the node %s fell", "web9");
    CHECK(demo_outcome(&w, &r) == DEMO_OUTCOME_FAILED);
}

TEST(an_interrupted_run_claims_nothing)
{
    make_world();
    r.interrupted = true;
    print_table();
    CHECK(strstr(printed, "interrupted, so not judged"));
    CHECK(!strstr(printed, "held"));
    json_t *all = print_json();
    CHECK(json_is_null(json_object_get(all, "promises_kept")));
    json_decref(all);
}

TEST(a_problem_or_an_interruption_is_no_kept_promise)
{
    make_world();
    demo_result_problem(&r, "the node %s fell", "web9");
    print_table();
    CHECK(strstr(printed, "PROBLEM: the node web9 fell"));
    CHECK(strstr(printed, "FAILED"));
    CHECK(!strstr(printed, "every promise held"));
    json_t *all = print_json();
    CHECK(json_is_false(json_object_get(all, "promises_kept")));
    json_decref(all);
}

/* The origin's own value of row 1, as a node would serve it after the change. */
static size_t value_of(uint32_t row, uint64_t version, uint8_t *to)
{
    char path[512], input[512], why[DEMO_ORIGIN_WHY_BYTES_MAX];
    struct demo_table table = {NULL, 0, NULL};
    struct demo_origin o;
    size_t bytes = 0;

    snprintf(path, sizeof path, "%s/origin.db", test_folder());
    snprintf(input, sizeof input, "%s/input", test_folder());
    FILE *f = fopen(input, "w");
    CHECK(f);
    fputs("Package: a\nArchitecture: all\n\nPackage: b\nArchitecture: all\n", f);
    fclose(f);
    remove(path);
    CHECK(demo_origin_create(path, input, &table, why) == ACCORD_OK);
    CHECK(demo_origin_open(&o, path, why) == ACCORD_OK);
    const struct demo_update update = {row, (uint32_t)version};
    CHECK(demo_origin_update(&o, &update, 1) == ACCORD_OK);
    CHECK(demo_origin_load(&o, row, to, &bytes) == ACCORD_OK);
    demo_origin_close(&o);
    demo_table_free(&table);
    return bytes;
}

TEST(an_old_value_served_beyond_the_bound_is_counted_and_told_in_full)
{
    static uint8_t value[DEMO_VALUE_BYTES_MAX];

    make_world();
    size_t bytes = value_of(1, 1, value);
    struct demo_answer a = {2, 0, 1, value, bytes, 1000 + NS_PER_S};
    CHECK(demo_judge(&w, &a, true));
    a.started_ns++;
    CHECK(!demo_judge(&w, &a, true));
    print_table();
    CHECK(r.totals.within == 1);
    CHECK(r.totals.broken == 1);
    CHECK(strstr(printed,
                 "BROKEN: reader 2 on n was given package:b:all in version 1 as fresh, "
                 "1.00 s after the removal for version 2 was acknowledged"));
    CHECK(strstr(printed, "A PROMISE WAS BROKEN"));
    json_t *all = print_json();
    CHECK(json_is_false(json_object_get(all, "promises_kept")));
    CHECK(json_array_size(json_object_get(all, "broken")) == 1);
    json_decref(all);
}

TEST(a_torn_value_another_rows_value_and_an_unknown_version_are_broken_promises)
{
    static uint8_t value[DEMO_VALUE_BYTES_MAX];

    make_world();
    size_t bytes = value_of(1, 3, value);
    struct demo_answer a = {4, 0, 1, value, bytes, 1};
    CHECK(!demo_judge(&w, &a, true)); /* version 3: the origin never had it */
    CHECK(!demo_judge_stale(&w, &a));
    a.row = 0;
    CHECK(!demo_judge(&w, &a, true));
    bytes = value_of(1, 2, value);
    a = (struct demo_answer){4, 0, 1, value, bytes, 1};
    CHECK(demo_judge(&w, &a, true));
    CHECK(demo_judge_stale(&w, &a));
    value[bytes / 2] ^= 1;
    CHECK(!demo_judge(&w, &a, true));
    CHECK(!demo_judge_stale(&w, &a));
    print_table();
    CHECK(r.totals.broken == 5);
    CHECK(strstr(printed, "the prober on n was given package:b:all in version 3, which the "
                          "origin never had"));
    CHECK(strstr(printed,
                 "the prober on n was given a value of package:a:all that is not whole"));
}

TEST(a_row_that_stays_stale_is_told_once_for_each_node_and_counted_always)
{
    static uint8_t value[DEMO_VALUE_BYTES_MAX];

    make_world();
    size_t bytes = value_of(1, 1, value);
    struct demo_answer a = {0, 0, 1, value, bytes, UINT64_MAX};
    for (uint32_t i = 0; i < 100; i++) {
        a.node = i % 2;
        CHECK(!demo_judge(&w, &a, true));
    }
    print_table();
    CHECK(r.totals.broken == 100);
    CHECK(w.shared->failure_count == 2);
    CHECK(strstr(printed, "and 98 reads more"));
}

TEST(more_kinds_of_broken_promises_than_are_told_are_all_counted)
{
    static uint8_t value[DEMO_VALUE_BYTES_MAX];

    make_world();
    size_t bytes = value_of(1, 1, value);
    struct demo_answer a = {0, 0, 1, value, bytes, UINT64_MAX};
    for (uint32_t i = 0; i < DEMO_FAILURES_MAX + 3; i++) {
        value_of(1, 10 + i, value); /* versions that never were */
        CHECK(!demo_judge(&w, &a, true));
    }
    print_table();
    CHECK(r.totals.broken == DEMO_FAILURES_MAX + 3);
    CHECK(strstr(printed, "and 3 reads more"));
}
