/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/command.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct run {
    uv_loop_t loop;
    struct command *command;
    unsigned ended;
    struct command_outcome last;
};

static void ended(void *context, const struct command_outcome *o)
{
    struct run *r = context;

    r->ended++;
    r->last = *o;
}

static void begin(struct run *r, const char *text, uint64_t timeout_ms)
{
    memset(r, 0, sizeof *r);
    CHECK(uv_loop_init(&r->loop) == 0);
    CHECK(command_start(&r->command, &r->loop, text, timeout_ms, ended, r) == ACCORD_OK);
}

static void until(struct run *r, unsigned count)
{
    for (int i = 0; i < 3000 && r->ended < count; i++) {
        uv_run(&r->loop, UV_RUN_NOWAIT);
        usleep(10000);
    }
    CHECK(r->ended == count);
}

static void finish(struct run *r)
{
    command_stop(r->command);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&r->loop) == 0);
}

static const char *place(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

static void read_file(const char *name, char text[256])
{
    FILE *f = fopen(place(name), "r");

    memset(text, 0, 256);
    CHECK(f);
    CHECK(fread(text, 1, 255, f) > 0);
    fclose(f);
}

TEST(a_command_is_told_what_happened)
{
    struct run r;
    char text[1024], said[256];

    snprintf(text, sizeof text,
             "echo \"$ACCORD_CAUSE|$ACCORD_WHY|$ACCORD_POSITION|$ACCORD_READS\" >%s",
             place("said"));
    CHECK(setenv("ACCORD_WHY", "an older one", 1) == 0);
    begin(&r, text, 20000);
    command_run(r.command, "log", "it was \"pruned\"; $(touch x)", "42@7", "fresh");
    until(&r, 1);
    CHECK(r.last.ok);
    CHECK(strcmp(r.last.text, "with status 0") == 0);
    read_file("said", said);
    CHECK(strcmp(said, "log|it was \"pruned\"; $(touch x)|42@7|fresh\n") == 0);
    finish(&r);
}

TEST(a_command_that_fails_is_reported_and_can_be_run_again)
{
    struct run r;

    begin(&r, "exit 3", 20000);
    for (unsigned i = 1; i <= 2; i++) {
        command_run(r.command, "c", "w", "p", "fresh");
        until(&r, i);
        CHECK(!r.last.ok);
        CHECK(strcmp(r.last.text, "with status 3") == 0);
    }
    finish(&r);
    begin(&r, "kill -9 $$", 20000);
    command_run(r.command, "c", "w", "p", "fresh");
    until(&r, 1);
    CHECK(!r.last.ok && strcmp(r.last.text, "by signal 9") == 0);
    finish(&r);
}

TEST(a_command_that_takes_too_long_is_killed_with_all_its_children)
{
    struct run r;
    char text[1024];

    snprintf(text, sizeof text, "(sleep 2; touch %s) & wait", place("late"));
    begin(&r, text, 200);
    command_run(r.command, "c", "w", "p", "fresh");
    until(&r, 1);
    CHECK(!r.last.ok);
    CHECK(strncmp(r.last.text, "killed after ", 13) == 0);
    usleep(2500000);
    CHECK(access(place("late"), F_OK) != 0);
    finish(&r);
}

TEST(a_command_that_runs_is_followed_by_one_run_of_the_newest_event)
{
    struct run r;
    char text[1024], said[256];

    snprintf(text, sizeof text, "echo \"$ACCORD_CAUSE\" >>%s; sleep 0.3", place("said"));
    begin(&r, text, 20000);
    command_run(r.command, "one", "w", "p", "fresh");
    usleep(150000);
    command_run(r.command, "two", "w", "p", "fresh");
    command_run(r.command, "three", "w", "p", "fresh");
    until(&r, 2);
    read_file("said", said);
    CHECK(strcmp(said, "one\nthree\n") == 0);
    finish(&r);
}

TEST(stopping_does_not_wait_for_a_command)
{
    struct run r;
    struct timespec begun, now;

    begin(&r, "sleep 60", 60000);
    command_run(r.command, "c", "w", "p", "fresh");
    usleep(100000);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    finish(&r);
    clock_gettime(CLOCK_MONOTONIC, &now);
    CHECK(now.tv_sec - begun.tv_sec < 10);
    CHECK(r.ended == 0);
}
