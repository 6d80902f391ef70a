/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t size = (ssize_t)strlen(text);

    if (fd < 0)
        return ACCORD_E_DENIED;
    int status = write(fd, text, (size_t)size) == size ? ACCORD_OK : ACCORD_E_DENIED;
    int why = errno;
    close(fd);
    errno = why;
    return status;
}

int namespace_unshare(int flags)
{
    char users[64], groups[64];
    unsigned user = geteuid(), group = getegid();

    if (unshare(flags) == 0)
        return ACCORD_OK;
    if (errno != EPERM || unshare(flags | CLONE_NEWUSER) != 0)
        return ACCORD_E_DENIED;
    snprintf(users, sizeof users, "%u %u 1", user, user);
    snprintf(groups, sizeof groups, "%u %u 1", group, group);
    if (write_file("/proc/self/setgroups", "deny") != ACCORD_OK ||
        write_file("/proc/self/gid_map", groups) != ACCORD_OK)
        return ACCORD_E_DENIED;
    return write_file("/proc/self/uid_map", users);
}

int namespace_shift_clocks(int64_t ahead_ns)
{
    int64_t s = ahead_ns / (int64_t)NS_PER_S, ns = ahead_ns % (int64_t)NS_PER_S;
    char offsets[160];

    if (ns < 0) { /* the kernel takes whole seconds below, and nanoseconds above */
        s--;
        ns += (int64_t)NS_PER_S;
    }
    snprintf(offsets, sizeof offsets, "monotonic %lld %lld\nboottime %lld %lld\n", (long long)s,
             (long long)ns, (long long)s, (long long)ns);
    /* It is for our children; so we enter it ourselves. */
    if (namespace_unshare(CLONE_NEWTIME) != ACCORD_OK ||
        write_file("/proc/self/timens_offsets", offsets) != ACCORD_OK)
        return ACCORD_E_DENIED;
    int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ACCORD_E_DENIED;
    int status = setns(fd, CLONE_NEWTIME) == 0 ? ACCORD_OK : ACCORD_E_DENIED;
    int why = errno;
    close(fd);
    errno = why;
    return status;
}

int namespace_try_shift(int64_t ahead_ns)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(namespace_shift_clocks(ahead_ns) == ACCORD_OK ? 0 : errno);
    if (child < 0)
        return errno;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}
