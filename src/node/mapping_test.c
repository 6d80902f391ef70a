/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/mapping.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 65536 };

static struct mapping fresh(void)
{
    struct mapping m;
    char why[256];

    CHECK(mapping_new(&m, BYTES, 2 * BYTES, why, sizeof why) == ACCORD_OK);
    return m;
}

static int reopen(int fd, int flags)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags | O_CLOEXEC);
}

TEST(the_writers_own_mapping_writes_and_a_readers_sees_it)
{
    struct mapping m = fresh();
    const uint8_t *view = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, m.segment_fd, 0);

    CHECK(view != MAP_FAILED);
    ((uint8_t *)m.segment)[100] = 42;
    CHECK(view[100] == 42);
    mapping_done(&m);
    mapping_done(&m);
}

/* Even root, who may open anything, meets the seals. */
TEST(no_one_can_make_the_segment_writable_again)
{
    struct mapping m = fresh();
    void *view = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, m.segment_fd, 0);
    char byte = 1;

    CHECK(view != MAP_FAILED);
    CHECK(mprotect(view, BYTES, PROT_READ | PROT_WRITE) != 0);
    CHECK(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, m.segment_fd, 0) == MAP_FAILED);
    CHECK(write(m.segment_fd, &byte, 1) < 0);
    CHECK(ftruncate(m.segment_fd, 0) != 0);
    int fd = reopen(m.segment_fd, O_RDWR);
    if (fd >= 0) {
        CHECK(write(fd, &byte, 1) < 0 && errno == EPERM);
        CHECK(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
        CHECK(ftruncate(fd, 2 * BYTES) != 0);
        CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES) != 0);
        CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
        close(fd);
    }
    mapping_done(&m);
}

TEST(another_user_cannot_open_either_memory)
{
    struct mapping m = fresh();
    struct stat segment, hints;

    CHECK(fstat(m.segment_fd, &segment) == 0 && (segment.st_mode & 0777) == 0400);
    CHECK(fstat(m.hints_fd, &hints) == 0 && (hints.st_mode & 0777) == 0600);
    if (geteuid() != 0)
        test_skip("becoming another user needs root; the modes were checked");
    pid_t child = fork();
    if (child == 0) {
        bool refused = setresuid(65534, 65534, 65534) == 0 &&
                       reopen(m.segment_fd, O_RDWR) < 0 && reopen(m.hints_fd, O_RDWR) < 0 &&
                       ftruncate(m.segment_fd, 0) != 0;
        _exit(refused ? 0 : 1);
    }
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    mapping_done(&m);
}

TEST(clients_may_write_the_hints_but_not_resize_them)
{
    struct mapping m = fresh();
    uint8_t *view = mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, m.hints_fd, 0);

    CHECK(view != MAP_FAILED);
    view[7] = 9;
    CHECK(((uint8_t *)m.hints)[7] == 9);
    CHECK(ftruncate(m.hints_fd, 0) != 0);
    CHECK(ftruncate(m.hints_fd, 4 * BYTES) != 0);
    mapping_done(&m);
}

TEST(a_size_that_cannot_be_had_is_refused_with_a_reason)
{
    struct mapping m = {.segment_fd = 77};
    char why[256] = "";

    CHECK(mapping_new(&m, (size_t)1 << 62, BYTES, why, sizeof why) == ACCORD_E_NOMEM);
    CHECK(m.segment_fd == 77);
    CHECK(strstr(why, "shared memory: "));
}
