/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/keys.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static char path[512], why[DEMO_KEYS_WHY_BYTES_MAX];

static void write_trace(const char *text)
{
    snprintf(path, sizeof path, "%s/trace", test_folder());
    FILE *f = fopen(path, "w");
    CHECK(f);
    CHECK(fputs(text, f) >= 0);
    CHECK(fclose(f) == 0);
}

TEST(zipf_repeats_itself_for_a_seed_and_differs_for_another)
{
    struct demo_keys a, b, c;

    CHECK(demo_keys_zipf(&a, 1000, 100, 0.99, 1) == ACCORD_OK);
    CHECK(demo_keys_zipf(&b, 1000, 100, 0.99, 1) == ACCORD_OK);
    CHECK(demo_keys_zipf(&c, 1000, 100, 0.99, 2) == ACCORD_OK);
    CHECK(memcmp(a.rows, b.rows, 1000 * sizeof *a.rows) == 0);
    CHECK(memcmp(a.rows, c.rows, 1000 * sizeof *a.rows) != 0);
    demo_keys_free(&a);
    demo_keys_free(&b);
    demo_keys_free(&c);
    demo_keys_free(&c);
}

static int descending(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return (*x < *y) - (*x > *y);
}

/* Shares of zipf 0.99 over 1000 rows, computed from the definition. */
TEST(zipf_gives_each_rank_its_share)
{
    enum { ROWS = 1000, COUNT = 1000000 };
    static uint32_t seen[ROWS];
    struct demo_keys k;

    CHECK(demo_keys_zipf(&k, COUNT, ROWS, 0.99, 7) == ACCORD_OK);
    for (size_t i = 0; i < k.count; i++) {
        CHECK(k.rows[i] < ROWS);
        seen[k.rows[i]]++;
    }
    qsort(seen, ROWS, sizeof seen[0], descending);
    /* sum of k^-0.99 for k = 1…1000 is 7.7290: the first has 12.94 %, the second half of it */
    CHECK(seen[0] > 127000);
    CHECK(seen[0] < 132000);
    CHECK(seen[1] > 63500);
    CHECK(seen[1] < 67000);
    CHECK(seen[ROWS - 1] > 50);
    demo_keys_free(&k);
}

TEST(one_row_is_chosen_always)
{
    struct demo_keys k;

    CHECK(demo_keys_zipf(&k, 10, 1, 0.99, 3) == ACCORD_OK);
    for (size_t i = 0; i < 10; i++)
        CHECK(k.rows[i] == 0);
    demo_keys_free(&k);
}

TEST(a_trace_numbers_its_keys_by_first_appearance_and_folds_them_onto_the_rows)
{
    struct demo_keys k;

    write_trace("b\na\r\n\nb\nc\nd with blanks\na");
    CHECK(demo_keys_trace(&k, path, 3, why) == ACCORD_OK);
    CHECK(k.count == 6);
    CHECK(k.distinct == 4);
    const uint32_t want[] = {0, 1, 0, 2, 0, 1};
    CHECK(memcmp(k.rows, want, sizeof want) == 0);
    demo_keys_free(&k);
}

TEST(a_trace_of_many_keys_keeps_their_numbers_while_its_table_grows)
{
    enum { KEYS = 20000 };
    struct demo_keys k;

    snprintf(path, sizeof path, "%s/trace", test_folder());
    FILE *f = fopen(path, "w");
    CHECK(f);
    for (int i = 0; i < 2 * KEYS; i++)
        fprintf(f, "key %d\n", i % KEYS);
    fclose(f);
    CHECK(demo_keys_trace(&k, path, UINT32_MAX, why) == ACCORD_OK);
    CHECK(k.count == 2 * KEYS);
    CHECK(k.distinct == KEYS);
    for (uint32_t i = 0; i < 2 * KEYS; i++)
        CHECK(k.rows[i] == i % KEYS);
    demo_keys_free(&k);
}

TEST(a_compressed_trace_reads_as_the_plain_one)
{
    struct demo_keys k;
    char command[1200];

    if (system("zstd --version >/dev/null 2>&1") != 0)
        test_skip("zstd is not installed");
    write_trace("x\ny\nx\n");
    snprintf(command, sizeof command, "zstd -q -f %s -o %s.zst", path, path);
    CHECK(system(command) == 0);
    snprintf(path, sizeof path, "%s/trace.zst", test_folder());
    CHECK(demo_keys_trace(&k, path, 10, why) == ACCORD_OK);
    CHECK(k.count == 3);
    CHECK(k.rows[1] == 1);
    CHECK(k.rows[2] == 0);
    demo_keys_free(&k);

    snprintf(command, sizeof command, "truncate -s -3 %s", path);
    CHECK(system(command) == 0);
    CHECK(demo_keys_trace(&k, path, 10, why) == ACCORD_E_FORMAT);
    CHECK(strstr(why, "zstdcat could not read all of it"));
}

TEST(a_trace_that_is_absent_empty_or_has_an_endless_line_says_so)
{
    struct demo_keys k;
    char line[DEMO_TRACE_LINE_BYTES_MAX + 2];

    CHECK(demo_keys_trace(&k, "/nowhere/at-all", 10, why) == ACCORD_E_IO);
    CHECK(strcmp(why, "/nowhere/at-all: No such file or directory") == 0);
    write_trace("\n\n");
    CHECK(demo_keys_trace(&k, path, 10, why) == ACCORD_E_FORMAT);
    CHECK(strstr(why, "expected one key a line"));

    memset(line, 'k', sizeof line);
    line[DEMO_TRACE_LINE_BYTES_MAX + 1] = 0;
    write_trace(line);
    CHECK(demo_keys_trace(&k, path, 10, why) == ACCORD_E_FORMAT);
    CHECK(strstr(why, "line 1 is longer than 8192 bytes"));
    line[DEMO_TRACE_LINE_BYTES_MAX] = 0;
    write_trace(line);
    CHECK(demo_keys_trace(&k, path, 10, why) == ACCORD_OK);
    CHECK(k.count == 1);
    demo_keys_free(&k);
}
