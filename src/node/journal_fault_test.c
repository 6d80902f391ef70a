/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* journal_fault_test.c - the n-th write or sync of the state folder fails, or is cut short, for
 * every n, once and from then on: the place that is read afterwards is the old one or the new
 * one, and what was answered OK is the new one. */
#include "faulty_disk.h"
#include "node/journal.h"

#include <stdio.h>
#include <unistd.h>

enum { CALLS_MAX = 64 };

static char why[JOURNAL_WHY_BYTES_MAX];

static struct journal *opened(const char *name)
{
    struct journal_report report;
    struct journal *j = NULL;
    char folder[512];

    snprintf(folder, sizeof folder, "%s/%s", test_folder(), name);
    CHECK(journal_open(&j, folder, "web1", &report, why) == ACCORD_OK);
    CHECK(!report.moved_aside[0]);
    return j;
}

static struct journal_place place_at(uint64_t position)
{
    return (struct journal_place){
        .cursor = {.log = {1, 2}, .epoch = 3, .position = position, .message = {4, position}},
        .segment = {.boot = {5, 6}, .inode = 7 + position, .incarnation = {8, position}}};
}

/* Saves 1, then 2 with the failure, and closes with it. Returns whether it was reached. */
static bool save_with(const char *name, bool once)
{
    struct journal_place first = place_at(1), second = place_at(2), back;

    fail_to = 0;
    struct journal *j = opened(name);
    CHECK(journal_save(j, &first, why) == ACCORD_OK);
    calls = 0;
    fail_to = once ? fail_from + 1 : CALLS_MAX;
    int status = journal_save(j, &second, why);
    journal_close(j);
    bool reached = calls >= fail_from;
    fail_to = 0;
    j = opened(name);
    CHECK(journal_place(j, &back) == ACCORD_OK);
    CHECK(memcmp(&back, &second, sizeof back) == 0 ||
          (status != ACCORD_OK && memcmp(&back, &first, sizeof back) == 0));
    CHECK(journal_save(j, &second, why) == ACCORD_OK); /* and it goes on */
    journal_close(j);
    return reached;
}

TEST(a_failure_of_any_write_or_sync_leaves_the_old_place_or_the_new)
{
    unsigned reached = 0;

    faulty_disk_install();
    for (int kind = 0; kind < FAULTS; kind++)
        for (int once = 0; once < 2; once++)
            for (fail_from = 1; fail_from < CALLS_MAX; fail_from++) {
                char name[64];
                fault = (enum fault)kind;
                snprintf(name, sizeof name, "s%d-%d-%d", kind, once, fail_from);
                if (!save_with(name, once))
                    break;
                reached++;
            }
    CHECK(reached >= 8);
}
