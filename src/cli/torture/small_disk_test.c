/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/small_disk.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_RIGHT = 2 };

/* For another file. */
static bool has_room(const char *folder)
{
    static int files;
    char path[600];

    snprintf(path, sizeof path, "%s/room%d", folder, ++files);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool room = fd >= 0 && write(fd, "x", 1) == 1;
    if (fd >= 0)
        close(fd);
    return room;
}

/* In a process of its own: its mounts end with it. */
static int try_disk(const char *folder)
{
    if (small_disk_begin() != ACCORD_OK || small_disk_mount(folder) != ACCORD_OK)
        return NO_RIGHT;
    bool good = has_room(folder) && small_disk_fill(folder) == ACCORD_OK && !has_room(folder);
    small_disk_make_room(folder);
    return good && has_room(folder) ? 0 : 1;
}

TEST(a_small_disk_is_full_until_there_is_room_again_and_nobody_else_sees_it)
{
    char folder[512], inside[600];
    int status = 0;

    snprintf(folder, sizeof folder, "%s/small", test_folder());
    pid_t child = fork();
    if (child == 0)
        _exit(try_disk(folder));
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == NO_RIGHT)
        test_skip("no right to mount anything");
    CHECK(WEXITSTATUS(status) == 0);
    snprintf(inside, sizeof inside, "%s/room1", folder);
    CHECK(access(inside, F_OK) != 0 && errno == ENOENT);
    CHECK(rmdir(folder) == 0 || errno == ENOENT);
}
