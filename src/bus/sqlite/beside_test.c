/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

static char why[BUS_WHY_BYTES_MAX];

static struct sqlite_place placed(void)
{
    struct sqlite_place p;
    char url[512];

    snprintf(url, sizeof url, "sqlite:%s/beside.db", test_folder());
    CHECK(sqlite_place_init(&p, url, why) == ACCORD_OK);
    return p;
}

TEST(sqlite_lock_excludes_and_says_when_it_is_held)
{
    struct sqlite_place p = placed();
    struct sqlite_lock a = {.fd = -1}, b = {.fd = -1};

    CHECK(sqlite_lock_open(&b, &p, why) == ACCORD_OK);
    CHECK(!sqlite_lock_is_held(&b));
    CHECK(sqlite_lock_take(&a, &p, 0, why) == ACCORD_OK);
    CHECK(sqlite_lock_is_held(&b));
    CHECK(sqlite_lock_take(&b, &p, 0, why) == ACCORD_E_DOWN);
    sqlite_lock_give(&a);
    CHECK(!sqlite_lock_is_held(&b));
    CHECK(sqlite_lock_take(&b, &p, 0, why) == ACCORD_OK);
    sqlite_lock_close(&b); /* closing gives it back, as death does */
    CHECK(sqlite_lock_take(&a, &p, 0, why) == ACCORD_OK);
    sqlite_lock_close(&a);
}

TEST(sqlite_lock_of_a_deleted_file_is_none)
{
    struct sqlite_place p = placed();
    struct sqlite_lock early = {.fd = -1}, late = {.fd = -1};

    CHECK(sqlite_lock_open(&early, &p, why) == ACCORD_OK);
    CHECK(unlink(p.lock_path) == 0);
    CHECK(sqlite_lock_take(&late, &p, 0, why) == ACCORD_OK);
    CHECK(sqlite_lock_take(&early, &p, 0, why) == ACCORD_E_DOWN);
    sqlite_lock_close(&late);
    CHECK(sqlite_lock_take(&early, &p, 0, why) == ACCORD_OK);
    sqlite_lock_close(&early);
}

/* From now on the kernel refuses to look at what a path names, in this process. Paths relative
 * to a folder or a descriptor are as before. */
static void refuse_stat(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)AT_FDCWD, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {COUNT_OF(program), program};

    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0);
}

TEST(sqlite_lock_is_given_up_where_nobody_may_say_whether_its_file_is_there)
{
    struct sqlite_place p = placed();
    struct sqlite_lock mine = {.fd = -1}, other = {.fd = -1};

    CHECK(sqlite_lock_open(&other, &p, why) == ACCORD_OK);
    refuse_stat();
    CHECK(sqlite_lock_take(&mine, &p, UINT64_MAX, why) == ACCORD_E_DOWN);
    CHECK(strstr(why, "cannot be looked at"));
    CHECK(!sqlite_lock_is_held(&other));
    sqlite_lock_close(&mine);
    sqlite_lock_close(&other);
}

TEST(sqlite_wake_file_gives_back_only_marks_that_are_whole)
{
    struct sqlite_place p = placed();
    struct sqlite_wake a = {.fd = -1}, b = {.fd = -1};
    struct sqlite_mark mark = {{1, UINT64_MAX}, 1ull << 40, {UINT64_MAX, 2}}, back;

    CHECK(sqlite_wake_open(&a, &p, why) == ACCORD_OK);
    CHECK(sqlite_wake_open(&b, &p, why) == ACCORD_OK);
    CHECK(id128_is_none(sqlite_wake_read(&b).log));
    sqlite_wake_write(&a, &mark);
    back = sqlite_wake_read(&b);
    CHECK(id128_equal(back.log, mark.log));
    CHECK(back.position == mark.position);
    CHECK(id128_equal(back.message, mark.message));

    for (off_t at = 0; at < 116; at++) { /* any byte of it but the end of the line */
        uint8_t byte, other;
        CHECK(pread(a.fd, &byte, 1, at) == 1);
        other = byte == '0' ? '1' : '0';
        CHECK(pwrite(a.fd, &other, 1, at) == 1);
        CHECK(id128_is_none(sqlite_wake_read(&b).log));
        CHECK(pwrite(a.fd, &byte, 1, at) == 1);
    }
    CHECK(sqlite_wake_read(&b).position == mark.position);
    CHECK(unlink(p.wake_path) == 0);
    CHECK(sqlite_wake_open(&b, &p, why) == ACCORD_OK);
    CHECK(id128_is_none(sqlite_wake_read(&b).log));
    sqlite_wake_close(&a);
    sqlite_wake_close(&b);
}
