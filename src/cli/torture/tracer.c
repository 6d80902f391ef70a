/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/tracer.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_US = 100 };

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct tracer {
    pid_t process;
    uint32_t left; /* calls until it is killed */
    bool ended;    /* by itself */
};

static int seize(pid_t thread)
{
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;

    if (ptrace(PTRACE_SEIZE, thread, NULL, (void *)options) != 0)
        /* it has just ended, or was begun by one that is traced already */
        return errno == ESRCH || errno == EPERM ? ACCORD_E_ABSENT : ACCORD_E_DENIED;
    ptrace(PTRACE_INTERRUPT, thread, NULL, NULL);
    return ACCORD_OK;
}

/* Of those that are there now; what they begin is traced by itself. */
static int seize_all(const struct tracer *t)
{
    char path[64];
    struct dirent *entry;
    int status = seize(t->process);

    snprintf(path, sizeof path, "/proc/%ld/task", (long)t->process);
    DIR *threads = status == ACCORD_OK ? opendir(path) : NULL;
    if (!threads)
        return ACCORD_E_DENIED;
    while ((entry = readdir(threads))) {
        pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread > 0 && thread != t->process)
            (void)!seize(thread);
    }
    closedir(threads);
    return ACCORD_OK;
}

/* A thread stands at the begin or the end of a call, has begun another, or gets a signal: the
 * signal that it goes on with. */
static int stopped(struct tracer *t, const siginfo_t *info)
{
    struct __ptrace_syscall_info about;
    int number = info->si_status & 0xff, event = info->si_status >> 8;

    if (number != (SIGTRAP | 0x80))
        return event ? 0 : number;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, info->si_pid, sizeof about, &about) > 0 &&
        about.op == PTRACE_SYSCALL_INFO_ENTRY)
        t->left--;
    return 0;
}

/* Looks at one thread that has stopped or ended. False: none has. Only the process's own group
 * is asked for: others wait for our other children. */
static bool look(struct tracer *t, int how)
{
    siginfo_t info = {0};

    if (waitid(P_PGID, (id_t)t->process, &info, WEXITED | WSTOPPED | __WALL | WNOWAIT | how) !=
            0 ||
        info.si_pid == 0)
        return false;
    bool stands = info.si_code == CLD_TRAPPED || info.si_code == CLD_STOPPED;
    if (!stands && info.si_pid == t->process) { /* the last of them: its parent's to collect */
        t->ended = true;
        return true;
    }
    if (waitid(P_PID, (id_t)info.si_pid, &info, WEXITED | WSTOPPED | __WALL | WNOHANG) != 0 ||
        !stands)
        return true;
    int number = stopped(t, &info);
    if (t->left > 0)
        ptrace(PTRACE_SYSCALL, info.si_pid, NULL, (void *)(long)number);
    return true;
}

int tracer_kill_in(pid_t process, uint32_t calls, uint64_t for_ns)
{
    struct tracer t = {.process = process, .left = calls};
    uint64_t until_ns = now_ns() + for_ns;
    int status = seize_all(&t);

    while (status == ACCORD_OK && t.left > 0 && !t.ended) {
        if (!look(&t, WNOHANG))
            usleep(LOOK_US);
        if (now_ns() > until_ns)
            status = ACCORD_E_TIMEOUT;
    }
    int why = errno;
    kill(process, SIGKILL);
    while (!t.ended && look(&t, 0))
        continue;
    errno = why;
    return t.left > 0 && status == ACCORD_OK ? ACCORD_E_GONE : status;
}

int tracer_try(void)
{
    int why = 0;
    pid_t child = fork();

    if (child == 0)
        for (;;)
            pause();
    if (child < 0)
        return errno;
    if (ptrace(PTRACE_SEIZE, child, NULL, NULL) != 0)
        why = errno;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
        continue;
    return why;
}
