/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/origin.h"

#include "test.h"

#include <stdio.h>

static char why[DEMO_ORIGIN_WHY_BYTES_MAX], db_path[512], input_path[512];
static uint8_t value[DEMO_VALUE_BYTES_MAX];

static int create(const char *text, struct demo_table *table)
{
    snprintf(db_path, sizeof db_path, "%s/origin.db", test_folder());
    snprintf(input_path, sizeof input_path, "%s/input", test_folder());
    remove(db_path);
    FILE *f = fopen(input_path, "w");
    CHECK(f);
    CHECK(fputs(text, f) >= 0);
    CHECK(fclose(f) == 0);
    return demo_origin_create(db_path, input_path, table, why);
}

TEST(records_become_rows_and_a_repeated_one_is_left_out)
{
    struct demo_table t = {NULL, 0, NULL};

    CHECK(create("Package: a\nArchitecture: all\nSection: libs\n\n"
                 "Package: a\nArchitecture: all\nVersion: again\n\n"
                 "Package: a\nArchitecture: amd64\n\nPackage: b\n",
                 &t) == ACCORD_OK);
    CHECK(t.count == 3);
    CHECK(strcmp(t.rows[0].key, "package:a:all") == 0);
    CHECK(strcmp(t.rows[0].tag, "section:libs") == 0);
    CHECK(t.rows[0].key_bytes == strlen("package:a:all"));
    CHECK(strcmp(t.rows[1].key, "package:a:amd64") == 0);
    CHECK(strcmp(t.rows[1].tag, "section:") == 0);
    CHECK(strcmp(t.rows[2].key, "package:b:") == 0);
    demo_table_free(&t);
    demo_table_free(&t);
}

TEST(a_loaded_value_tells_its_row_and_version_and_any_flipped_bit_is_noticed)
{
    struct demo_table t = {NULL, 0, NULL};
    struct demo_origin o;
    size_t bytes = 0;
    uint64_t version = 0;

    CHECK(create("Package: a\nDescription: x\n\nPackage: b\nDescription: y\n", &t) ==
          ACCORD_OK);
    CHECK(demo_origin_open(&o, db_path, why) == ACCORD_OK);
    CHECK(demo_origin_load(&o, 1, value, &bytes) == ACCORD_OK);
    CHECK(demo_value_check(value, bytes, 1, &version));
    CHECK(version == 1);
    CHECK(!demo_value_check(value, bytes, 0, &version));
    CHECK(!demo_value_check(value, bytes - 1, 1, &version));
    CHECK(!demo_value_check(value, 0, 1, &version));
    for (size_t i = 0; i < 8 * bytes; i++) {
        value[i / 8] ^= (uint8_t)(1u << (i % 8));
        CHECK(!demo_value_check(value, bytes, 1, &version));
        value[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    CHECK(demo_value_check(value, bytes, 1, &version));
    demo_origin_close(&o);
    demo_origin_close(&o);
    demo_table_free(&t);
}

TEST(an_update_gives_each_row_its_version_for_all_connections)
{
    struct demo_table t = {NULL, 0, NULL};
    struct demo_origin writer, reader;
    size_t bytes = 0;
    uint64_t version = 0;

    CHECK(create("Package: a\n\nPackage: b\n\nPackage: c\n", &t) == ACCORD_OK);
    CHECK(demo_origin_open(&writer, db_path, why) == ACCORD_OK);
    CHECK(demo_origin_open(&reader, db_path, why) == ACCORD_OK);
    const struct demo_update updates[] = {{0, 2}, {2, 7}};
    CHECK(demo_origin_update(&writer, updates, 2) == ACCORD_OK);
    const uint64_t want[] = {2, 1, 7};
    for (uint32_t row = 0; row < 3; row++) {
        CHECK(demo_origin_load(&reader, row, value, &bytes) == ACCORD_OK);
        CHECK(demo_value_check(value, bytes, row, &version));
        CHECK(version == want[row]);
    }
    CHECK(demo_origin_load(&reader, 3, value, &bytes) == ACCORD_E_IO);
    demo_origin_close(&reader);
    demo_origin_close(&writer);
    demo_table_free(&t);
}

TEST(a_value_longer_than_the_buffer_is_cut_and_still_whole)
{
    static char text[3 * DEMO_VALUE_BYTES_MAX];
    struct demo_table t = {NULL, 0, NULL};
    struct demo_origin o;
    size_t bytes = 0;
    uint64_t version = 0;

    int size = snprintf(text, sizeof text, "Package: a\nDescription: ");
    memset(text + size, 'x', 2 * DEMO_VALUE_BYTES_MAX);
    CHECK(create(text, &t) == ACCORD_OK);
    CHECK(demo_origin_open(&o, db_path, why) == ACCORD_OK);
    CHECK(demo_origin_load(&o, 0, value, &bytes) == ACCORD_OK);
    CHECK(bytes == DEMO_VALUE_BYTES_MAX);
    CHECK(demo_value_check(value, bytes, 0, &version));
    demo_origin_close(&o);
    demo_table_free(&t);
}

TEST(an_input_that_is_absent_empty_a_folder_or_no_control_file_is_refused_with_the_reason)
{
    struct demo_table t = {NULL, 0, NULL};

    CHECK(create("", &t) == ACCORD_E_SIZE);
    CHECK(strstr(why, "empty"));
    CHECK(create("Version: 1\n", &t) == ACCORD_E_FORMAT);
    CHECK(strstr(why, "no stanza with a Package field"));
    CHECK(create("Package: a\nnonsense\n", &t) == ACCORD_E_FORMAT);
    CHECK(strstr(why, "input: line 2: expected"));
    CHECK(demo_origin_create(db_path, "/nowhere/at-all", &t, why) == ACCORD_E_IO);
    CHECK(strstr(why, "/nowhere/at-all: No such file"));
    CHECK(demo_origin_create(db_path, test_folder(), &t, why) == ACCORD_E_IO);
    CHECK(strstr(why, "not a regular file"));
    CHECK(t.rows == NULL);
}
