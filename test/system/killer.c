/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* killer.c - runs a command and kills it, with all its threads, at one of its system calls.
 *
 *   killer before N FILE COMMAND…   right before the N-th call: it is not made
 *   killer after N FILE COMMAND…    right after the N-th call has returned, before anything
 * else killer count 0 FILE COMMAND…    nothing: how many calls there are
 *
 * Calls are counted from the exec on, over all threads, in the order in which they begin. FILE
 * gets one line: "killed N NUMBER" (of the call, as in asm/unistd.h) before the kill, or "calls
 * COUNT" where the command ended by itself. The command is this process, not a child, so that
 * who started it signals it and waits for it; what traces it is a process of nobody. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

struct killer {
    pid_t command;
    int before, after;   /* which of them is wanted */
    unsigned long at, n; /* the call to kill at; calls begun so far */
    pid_t inside;        /* the thread that is in that call */
    int counting;        /* the exec was seen */
    const char *file;
};

static void fail(const char *what)
{
    perror(what);
    _exit(4);
}

static void report(const struct killer *k, const char *word, unsigned long a, long b)
{
    FILE *f = fopen(k->file, "w");

    if (!f || fprintf(f, "%s %lu %ld\n", word, a, b) < 0 || fclose(f) != 0)
        fail(k->file);
}

static void kill_at(const struct killer *k, long number)
{
    report(k, "killed", k->at, number);
    kill(k->command, SIGKILL);
}

/* A thread stands at the begin or the end of a call. */
static void at_call(struct killer *k, pid_t thread)
{
    static long number;
    struct __ptrace_syscall_info about;

    /* It may be gone already, where another one ended them all. */
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof about, &about) <= 0 || !k->counting)
        return;
    if (about.op == PTRACE_SYSCALL_INFO_ENTRY) {
        if (++k->n != k->at)
            return;
        k->inside = thread;
        number = (long)about.entry.nr;
        if (k->before)
            kill_at(k, number);
    } else if (k->after && thread == k->inside) {
        k->inside = 0;
        kill_at(k, number);
    }
}

/* What the thread is to be told as it goes on: the signal that it was stopped to get. */
static int stopped(struct killer *k, pid_t thread, int status)
{
    int number = WSTOPSIG(status), event = status >> 16;

    if (number == (SIGTRAP | 0x80)) {
        at_call(k, thread);
        return 0;
    }
    if (event == PTRACE_EVENT_EXEC)
        k->counting = 1;
    return event ? 0 : number;
}

/* Until the command has ended. */
static void trace(struct killer *k)
{
    for (;;) {
        int status;
        pid_t thread = waitpid(-1, &status, __WALL);

        if (thread < 0 && errno == EINTR)
            continue;
        if (thread < 0)
            break;
        if (!WIFSTOPPED(status)) {
            if (thread == k->command)
                break;
            continue;
        }
        int number = stopped(k, thread, status);
        ptrace(PTRACE_SYSCALL, thread, NULL, (void *)(long)number);
    }
    if (!k->at)
        report(k, "calls", k->n, 0);
}

static void be_killer(struct killer *k, int told)
{
    long options =
        PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

    if (ptrace(PTRACE_SEIZE, k->command, NULL, (void *)options) != 0)
        fail("killer: ptrace");
    if (write(told, "", 1) != 1)
        fail("killer: write");
    /* Who reads what the command writes is to see its end. */
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    trace(k);
}

int main(int argc, char **argv)
{
    struct killer k = {.command = getpid()};
    int fds[2];
    char byte;

    if (argc < 5)
        return 4;
    k.before = strcmp(argv[1], "before") == 0;
    k.after = strcmp(argv[1], "after") == 0;
    k.at = strtoul(argv[2], NULL, 10);
    k.file = argv[3];
    if (pipe(fds) != 0)
        fail("killer: pipe");
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    pid_t child = fork();
    if (child < 0)
        fail("killer: fork");
    if (child == 0) {
        close(fds[0]);
        if (fork() == 0)
            be_killer(&k, fds[1]);
        _exit(0);
    }
    close(fds[1]);
    waitpid(child, NULL, 0);
    if (read(fds[0], &byte, 1) != 1)
        return 4;
    close(fds[0]);
    execvp(argv[4], argv + 4);
    fail(argv[4]);
}
