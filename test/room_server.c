/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "room_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* A slow machine may take half a minute to start ejabberd. */
enum {
    STEP_US = 20000,
    PATIENCE_STEPS = 240 * 1000 * 1000 / STEP_US,
    KEEPER_SECONDS_MAX = 3600,
    PATH_BYTES_MAX = 400
};

void room_server_write(const char *folder, const char *name, const char *text)
{
    char path[PATH_BYTES_MAX];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "we");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

void room_server_make_folder(const char *folder, const char *name)
{
    char path[PATH_BYTES_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(mkdir(path, 0700) == 0);
}

/* A number that stands in a file; 0: none yet. */
static unsigned number_in(const char *folder, const char *name)
{
    char path[PATH_BYTES_MAX];
    unsigned number = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%u", &number) != 1)
        number = 0;
    if (f)
        fclose(f);
    return number;
}

/* Whole or not at all. */
static void put_number(const char *folder, const char *name, unsigned number)
{
    char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX], text[16];

    snprintf(text, sizeof text, "%u\n", number);
    room_server_write(folder, "number.new", text);
    snprintf(from, sizeof from, "%s/number.new", folder);
    snprintf(to, sizeof to, "%s/%s", folder, name);
    CHECK(rename(from, to) == 0);
}

static bool is_there(const char *folder, const char *name)
{
    char path[PATH_BYTES_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void drop_file(const char *folder, const char *name)
{
    char path[PATH_BYTES_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(unlink(path) == 0 || errno == ENOENT);
}

/* ---- the server, of its keeper ------------------------------------------------------------
 */

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &length) == 0);
    close(fd);
    return ntohs(at.sin_port);
}

static pid_t start(const struct room_server_kind *kind, const char *folder)
{
    pid_t parent = getpid(), child = fork();

    CHECK(child >= 0);
    if (child > 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || chdir(folder) != 0)
        _exit(126);
    alarm(0);
    int output = open("output", O_WRONLY | O_CREAT | O_APPEND, 0600);
    int nothing = open("/dev/null", O_RDONLY);
    if (output < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || dup2(nothing, 0) < 0)
        _exit(126);
    close_range(3, ~0u, 0);
    kind->become(folder);
    _exit(127);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Keeps the server running until the program `run_pid` is gone, but for as long as a file
 * "down" is there. */
static _Noreturn void keep(const struct room_server_kind *kind, pid_t run_pid,
                           const char *folder)
{
    pid_t server = 0;

    alarm(KEEPER_SECONDS_MAX);
    uint16_t port = free_port();
    kind->configure(folder, port);
    for (bool told = false; kill(run_pid, 0) == 0; usleep(STEP_US)) {
        if (server > 0 && waitpid(server, NULL, WNOHANG) == server) {
            server = 0;
            drop_file(folder, "pid");
        }
        if (server == 0 && !is_there(folder, "down")) {
            server = start(kind, folder);
            put_number(folder, "pid", (unsigned)server);
        }
        if (!told)
            put_number(folder, "port", port);
        told = true;
    }
    if (server > 0 && kill(server, SIGKILL) == 0)
        (void)waitpid(server, NULL, 0);
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

static void start_keeper(const struct room_server_kind *kind, pid_t run_pid, const char *folder)
{
    int status = 0;

    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) { /* a grandchild, so that it is nobody's to wait for */
        setsid();
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, 0);
        dup2(nothing, 1);
        if (fork() == 0)
            keep(kind, run_pid, folder);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
}

/* ---- of the tests -------------------------------------------------------------------------
 */

static bool is_installed(const char *program)
{
    char paths[2048], path[PATH_BYTES_MAX];
    const char *all = getenv("PATH");

    snprintf(paths, sizeof paths, "%s:/usr/sbin:/usr/bin", all ? all : "");
    for (char *at = paths, *folder; (folder = strsep(&at, ":")) != NULL;) {
        snprintf(path, sizeof path, "%.300s/%s", folder, program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* To whoever opens a stream it says its features. */
static bool answers(uint16_t port)
{
    static const char hello[] = "<?xml version='1.0'?><stream:stream to='localhost' "
                                "xmlns='jabber:client' version='1.0' "
                                "xmlns:stream='http://etherx.jabber.org/streams'>";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[16] = "";

    CHECK(fd >= 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool yes = connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
               send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) > 0 &&
               recv(fd, text, sizeof text - 1, 0) > 0;
    close(fd);
    return yes;
}

static void show_output(const char *folder)
{
    char path[PATH_BYTES_MAX], line[512];

    snprintf(path, sizeof path, "%s/output", folder);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        fputs(line, stderr);
    if (f)
        fclose(f);
}

/* "ready" is written by a server that needs more than to listen. */
static uint16_t wait_until_up(const struct room_server_kind *kind, const char *folder)
{
    for (int i = 0; i < PATIENCE_STEPS; i++) {
        unsigned port = number_in(folder, "port");
        if (port > 0 && is_there(folder, "ready") && answers((uint16_t)port))
            return (uint16_t)port;
        usleep(STEP_US);
    }
    show_output(folder);
    fprintf(stderr, "%s does not start\n", kind->name);
    test_fail("a chat server for the test", __FILE__, __LINE__);
}

static const char *folder_of(const struct room_server_kind *kind)
{
    const char *base = getenv("TMPDIR"), *run_pid = getenv("ACCORD_TEST_RUN");
    static char folder[200];

    CHECK(run_pid);
    snprintf(folder, sizeof folder, "%.120s/accord-%s-%s", base ? base : "/tmp", kind->name,
             run_pid);
    return folder;
}

uint16_t room_server_shared(const struct room_server_kind *kind)
{
    const char *folder = folder_of(kind);
    char why[80];

    snprintf(why, sizeof why, "%s is not installed", kind->name);
    if (!is_installed(kind->program))
        test_skip(why);
    if (mkdir(folder, 0700) == 0)
        start_keeper(kind, (pid_t)strtol(getenv("ACCORD_TEST_RUN"), NULL, 10), folder);
    else
        CHECK(errno == EEXIST);
    return wait_until_up(kind, folder);
}

void room_server_cut(const struct room_server_kind *kind, const char *room, unsigned count)
{
    const char *folder = folder_of(kind);
    unsigned pid = number_in(folder, "pid");

    CHECK(pid > 0);
    room_server_write(folder, "down", "");
    CHECK(kill((pid_t)pid, kind->end_signal) == 0);
    for (int i = 0; is_there(folder, "pid"); i++) { /* its keeper has seen its end */
        CHECK(i < PATIENCE_STEPS);
        usleep(STEP_US);
    }
    kind->cut(folder, room, count);
    drop_file(folder, "down");
    (void)wait_until_up(kind, folder);
}
