/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/attach.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

uint64_t attach_boottime_ns(void)
{
    struct timespec t;

    ASSERT(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

bool attach_same_clock(uint64_t client_ns, uint64_t ours_ns)
{
    uint64_t apart = client_ns > ours_ns ? client_ns - ours_ns : ours_ns - client_ns;

    return apart <= ATTACH_CLOCK_NS_MAX;
}

enum { PASSED_MAX = 16 }; /* more are closed by the kernel */

static void take_passed(struct msghdr *message, int *passed)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (*passed < 0)
                *passed = fd;
            else
                close(fd);
        }
    }
}

long attach_receive(int fd, void *room, size_t bytes, int *passed)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int) * PASSED_MAX)];
    } control;
    struct iovec into = {room, bytes};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    *passed = -1;
    if (n >= 0)
        take_passed(&message, passed);
    return n;
}

long attach_send(int fd, const void *bytes, size_t count, int segment_fd, int hints_fd)
{
    int fds[2] = {segment_fd, hints_fd};
    union {
        struct cmsghdr head;
        uint8_t space[CMSG_SPACE(sizeof fds)];
    } control;
    struct iovec data = {(void *)(uintptr_t)bytes, count};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};

    ASSERT(count > 0);
    memset(&control, 0, sizeof control);
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}
