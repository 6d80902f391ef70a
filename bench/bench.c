/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERVERS_MAX = 64 };

static pid_t servers[SERVERS_MAX], owner;
static char folder[200];

_Noreturn void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void print_text(const char *field, const char *value)
{
    if (value)
        printf(", \"%s\": \"%s\"", field, value);
    else
        printf(", \"%s\": null", field);
}

void bench_report(const struct bench_result *r)
{
    double ratio = r->more_is_better ? r->ours / r->against : r->against / r->ours;

    printf("{\"name\": \"%s\", \"ours\": %.6g, \"against\": %.6g, \"unit\": \"%s\", "
           "\"ratio\": %.4g, \"goal\": %.4g",
           r->name, r->ours, r->against, r->unit, ratio, r->goal);
    print_text("peer", r->peer);
    print_text("bus", r->bus);
    print_text("durability", r->durability);
    print_text("clock", r->clock);
    print_text("pinning", r->pinning);
    printf("}\n");
    fflush(stdout);
}

uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t count, unsigned permille)
{
    if (count == 0)
        bench_die("no values");
    qsort(values, count, sizeof *values, compare);
    return values[(count - 1) * permille / 1000];
}

double bench_median(double *values, size_t count)
{
    return bench_percentile(values, count, 500);
}

void bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        bench_die("sched_setaffinity");
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void clean_up(void)
{
    if (getpid() != owner)
        return;
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (servers[i] > 0)
            bench_stop(servers[i]);
    if (folder[0])
        nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *bench_folder(void)
{
    if (!folder[0]) {
        const char *base = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/accord-bench-XXXXXX", base ? base : "/tmp");
        if (!mkdtemp(folder))
            bench_die("mkdtemp");
        owner = getpid();
        atexit(clean_up);
    }
    return folder;
}

const char *bench_path(const char *file)
{
    static char paths[8][300];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof paths[0], "%s/%s", bench_folder(), file);
    return path;
}

pid_t bench_start(const char *name, int cpu, char *const argv[])
{
    char log[80];

    snprintf(log, sizeof log, "%s.log", name);
    const char *path = bench_path(log);
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        int out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (cpu >= 0)
            bench_pin(cpu);
        dup2(out, 1);
        dup2(out, 2);
        execvp(argv[0], argv);
        _exit(127);
    }
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (servers[i] == 0) {
            servers[i] = pid;
            return pid;
        }
    bench_die("too many servers");
}

void bench_stop(pid_t pid)
{
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (servers[i] == pid)
            servers[i] = 0;
    kill(pid, SIGTERM);
    for (int i = 0; i < 500; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return;
        usleep(10000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

size_t bench_resident_bytes(pid_t pid)
{
    char path[64], line[256];
    size_t kib = 0, one;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        bench_die(path);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "RssAnon: %zu", &one) == 1 || sscanf(line, "RssShmem: %zu", &one) == 1)
            kib += one;
    fclose(f);
    return kib * 1024;
}

/* The last line of the server's log that begins with `begins`; "" if there is none. Static. */
static const char *logged(const char *name, const char *begins)
{
    static char line[1024], found[1024];
    char file[80];

    found[0] = 0;
    snprintf(file, sizeof file, "%s.log", name);
    FILE *f = fopen(bench_path(file), "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, begins, strlen(begins)) == 0)
            memcpy(found, line, sizeof found);
    if (f)
        fclose(f);
    return found;
}

pid_t bench_start_accord(const char *name, const char *bus, const char *memory,
                         const char *config, int cpu)
{
    char socket_file[80], config_file[80], program[300];
    const char *build = getenv("ACCORD_BUILD");

    snprintf(program, sizeof program, "%s/accord", build ? build : "build");
    snprintf(socket_file, sizeof socket_file, "%s.sock", name);
    snprintf(config_file, sizeof config_file, "%s.ini", name);
    const char *socket_path = bench_path(socket_file), *config_path = bench_path(config_file);
    FILE *f = fopen(config_path, "w");
    if (!f || fputs(config ? config : "", f) < 0 || fclose(f) != 0)
        bench_die(config_path);
    char *argv[] = {program,    "serve",        "--name",   (char *)name,
                    "--bus",    (char *)bus,    "--socket", (char *)socket_path,
                    "--memory", (char *)memory, "--config", (char *)config_path,
                    NULL};
    pid_t pid = bench_start(name, cpu, argv);
    for (int i = 0; i < 1000; i++) {
        if (logged(name, "ready: ")[0]) /* it comes with the first lease */
            return pid;
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            fprintf(stderr, "bench: %s serve ended: %s\n", program, logged(name, ""));
            exit(1);
        }
        usleep(10000);
    }
    bench_die("accord serve did not get ready");
}

pid_t bench_start_redis(bool aof, int cpu)
{
    char *argv[] = {"redis-server",
                    "--port",
                    "0",
                    "--unixsocket",
                    (char *)bench_path("redis.sock"),
                    "--save",
                    "",
                    "--appendonly",
                    aof ? "yes" : "no",
                    "--appendfsync",
                    "always",
                    "--dir",
                    (char *)bench_folder(),
                    NULL};
    pid_t pid = bench_start("redis", cpu, argv);
    close(bench_connect(bench_path("redis.sock")));
    return pid;
}

int bench_connect(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    for (int i = 0; i < 1000; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            bench_die("socket");
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        close(fd);
        usleep(10000);
    }
    bench_die(path);
}

void bench_write(int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);
        if (n < 0)
            bench_die("send");
        at += n;
        bytes -= (size_t)n;
    }
}

void bench_read(int fd, void *data, size_t bytes)
{
    char *at = data;
    while (bytes > 0) {
        ssize_t n = read(fd, at, bytes);
        if (n <= 0)
            bench_die("read");
        at += n;
        bytes -= (size_t)n;
    }
}

const char *bench_command(int fd, const char *command)
{
    static char line[4096];
    size_t n = 0;

    /* In one piece: half a command would wake the server for nothing. */
    int bytes = snprintf(line, sizeof line, "%s\r\n", command);
    if (bytes < 0 || (size_t)bytes >= sizeof line)
        bench_die("command too long");
    bench_write(fd, line, (size_t)bytes);
    while (n < sizeof line - 1) {
        bench_read(fd, &line[n], 1);
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = 0;
    return line;
}
