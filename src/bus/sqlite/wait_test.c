/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/wait.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "test.h"

static void touch(const char *path, int times)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    for (int i = 0; i < times; i++)
        CHECK(pwrite(fd, "x", 1, 0) == 1);
    close(fd);
}

TEST(sqlite_wait_wakes_a_reader_twice_for_a_commit_and_no_more)
{
    struct sqlite_place p;
    struct sqlite_wait w;
    char url[512], why[BUS_WHY_BYTES_MAX];

    snprintf(url, sizeof url, "sqlite:%s/wait.db", test_folder());
    CHECK(sqlite_place_init(&p, url, why) == ACCORD_OK);
    touch(p.path, 1);
    touch(p.wal_path, 1);
    touch(p.wake_path, 1);
    CHECK(sqlite_wait_init(&w, why) == ACCORD_OK);
    sqlite_wait_watch(&w, &p);
    for (int commit = 0; commit < 3; commit++) {
        touch(p.wal_path, 1);
        CHECK(sqlite_wait_sleep(&w, NS_PER_S, /* hear_writing= */ true) == SQL_HINT_WRITING);
        touch(p.wal_path, 5); /* the reader has heard: these are not to wake it */
        CHECK(sqlite_wait_sleep(&w, NS_PER_MS, /* hear_writing= */ false) == 0);
        touch(p.wake_path, 1);
        CHECK(sqlite_wait_sleep(&w, NS_PER_S, /* hear_writing= */ false) ==
              (SQL_HINT_COMMITTED | SQL_HINT_WRITING));
        CHECK(sqlite_wait_sleep(&w, NS_PER_MS, /* hear_writing= */ true) == 0);
    }
    touch(p.wal_path, 1);
    CHECK(sqlite_wait_sleep(&w, NS_PER_S, /* hear_writing= */ true) == SQL_HINT_WRITING);
    CHECK(unlink(p.wake_path) == 0);
    CHECK(sqlite_wait_sleep(&w, NS_PER_S, /* hear_writing= */ true) & SQL_HINT_FILES);
    sqlite_wait_done(&w);
}
