/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "postgres_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum { START_SECONDS_MAX = 60, KEEPER_SECONDS_MAX = 3600, ARGUMENTS_MAX = 64 };

static char bin[256]; /* the folder of the server's programs */

static void find_programs(void)
{
    glob_t found;

    if (bin[0])
        return;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0) {
        snprintf(bin, sizeof bin, "%s", found.gl_pathv[found.gl_pathc - 1]);
        *strrchr(bin, '/') = '\0';
        globfree(&found);
    }
    if (!bin[0])
        test_skip("PostgreSQL's server is not installed");
}

/* The server refuses root: then it runs as the user that Debian made for it, or as nobody. */
static struct passwd *other_user(void)
{
    struct passwd *user = NULL;

    if (geteuid() == 0) {
        user = getpwnam("postgres");
        user = user ? user : getpwnam("nobody");
        CHECK(user);
    }
    return user;
}

static void own(const char *path)
{
    struct passwd *user = other_user();

    CHECK(!user || chown(path, user->pw_uid, user->pw_gid) == 0);
}

static void become_other_user(void)
{
    struct passwd *user = other_user();

    if (user &&
        (setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0))
        _exit(126);
}

/* `folder`: where it runs, and where its output goes. It ends with this process. */
static pid_t spawn(const char *folder, const char *const *command)
{
    pid_t parent = getpid(), child = fork();

    CHECK(child >= 0);
    if (child > 0)
        return child;
    become_other_user();
    prctl(PR_SET_PDEATHSIG, SIGQUIT); /* after setuid(), which clears it */
    if (getppid() != parent || chdir(folder) != 0)
        _exit(126);
    alarm(0); /* of the test */
    signal(SIGPIPE, SIG_DFL);
    int output = open("output", O_WRONLY | O_CREAT | O_APPEND, 0600), nothing = -1;
    nothing = open("/dev/null", O_RDONLY);
    if (output < 0 || nothing < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
        dup2(nothing, 0) < 0)
        _exit(126);
    close_range(3, ~0u, 0);
    execv(command[0], (char *const *)(uintptr_t)command);
    _exit(127);
}

static void show_output(const char *folder)
{
    char path[512], line[512];

    snprintf(path, sizeof path, "%s/output", folder);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        fputs(line, stderr);
    if (f)
        fclose(f);
}

static void run(const char *folder, const char *const *command)
{
    int status = 0;
    pid_t child = spawn(folder, command);

    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "%s: status %d\n", command[0], status);
        show_output(folder);
    }
    CHECK(status == 0);
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void make_folder(struct postgres_server *s, const char *above, const char *name)
{
    find_programs();
    memset(s, 0, sizeof *s);
    snprintf(s->folder, sizeof s->folder, "%s/%s", above, name);
    CHECK(chmod(above, 0711) == 0);
    CHECK(mkdir(s->folder, 0700) == 0);
    own(s->folder);
    s->port = free_port();
}

static void init(const struct postgres_server *s)
{
    char program[300], data[300];

    snprintf(program, sizeof program, "%s/initdb", bin);
    snprintf(data, sizeof data, "%s/data", s->folder);
    run(s->folder,
        (const char *const[]){program, "-D", data, "-A", "trust", "-U", "postgres", "-E",
                              "UTF8", "--locale=C", "--no-sync", "--no-instructions", NULL});
}

void postgres_server_make(struct postgres_server *s, const char *name)
{
    make_folder(s, test_folder(), name);
    init(s);
}

void postgres_server_make_standby(struct postgres_server *s, const char *name,
                                  const struct postgres_server *primary)
{
    char program[300], data[300], port[8];

    make_folder(s, test_folder(), name);
    snprintf(program, sizeof program, "%s/pg_basebackup", bin);
    snprintf(data, sizeof data, "%s/data", s->folder);
    snprintf(port, sizeof port, "%u", primary->port);
    run(s->folder,
        (const char *const[]){program, "-D", data, "-h", "127.0.0.1", "-p", port, "-U",
                              "postgres", "-R", "-c", "fast", "--no-sync", NULL});
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static bool answers(const struct postgres_server *s)
{
    char text[128];

    snprintf(text, sizeof text,
             "host=127.0.0.1 port=%u user=postgres dbname=postgres connect_timeout=5 "
             "sslmode=disable",
             s->port);
    return PQping(text) == PQPING_OK;
}

void postgres_server_start(struct postgres_server *s)
{
    char program[300], data[300], port[8];
    const char *command[ARGUMENTS_MAX] = {program,
                                          "-D",
                                          data,
                                          "-p",
                                          port,
                                          "-k",
                                          s->folder,
                                          "-c",
                                          "listen_addresses=127.0.0.1",
                                          "-c",
                                          "max_connections=60",
                                          "-c",
                                          "shared_buffers=16MB",
                                          "-c",
                                          "max_prepared_transactions=10"};
    size_t count = 15;

    snprintf(program, sizeof program, "%s/postgres", bin);
    snprintf(data, sizeof data, "%s/data", s->folder);
    snprintf(port, sizeof port, "%u", s->port);
    for (size_t i = 0; i < POSTGRES_OPTIONS_MAX && s->options[i]; i++) {
        command[count++] = "-c";
        command[count++] = s->options[i];
    }
    s->pid = spawn(s->folder, command);
    for (int i = 0; i < START_SECONDS_MAX * 20; i++) {
        int status = 0;
        if (answers(s))
            return;
        if (waitpid(s->pid, &status, WNOHANG) != 0)
            break;
        sleep_ms(50);
    }
    show_output(s->folder);
    test_fail("the server did not start", __FILE__, __LINE__);
}

/* Its processes end with it: those of a killed one notice that it is gone. */
void postgres_server_end(struct postgres_server *s, int signal_number)
{
    int status = 0;

    CHECK(s->pid > 0 && kill(s->pid, signal_number) == 0);
    CHECK(waitpid(s->pid, &status, 0) == s->pid);
    s->pid = 0;
}

void postgres_server_promote(struct postgres_server *s)
{
    postgres_say(s->port, "postgres", "SELECT pg_promote(true, 30)");
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    own(path);
}

uint16_t postgres_pooler_start(const char *name, uint16_t port, const char *pool_mode)
{
    static const char *const program = "/usr/sbin/pgbouncer";
    struct postgres_server at;
    char text[1024];

    if (access(program, X_OK) != 0)
        test_skip("pgbouncer is not installed");
    make_folder(&at, test_folder(), name);
    snprintf(text, sizeof text,
             "[databases]\n* = host=127.0.0.1 port=%u\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
             "listen_port = %u\nunix_socket_dir =\nauth_type = trust\nauth_file = users\n"
             "pool_mode = %s\ndefault_pool_size = 20\n",
             port, at.port, pool_mode);
    write_file(at.folder, "pooler.ini", text);
    write_file(at.folder, "users", "\"postgres\" \"\"\n");
    at.pid = spawn(at.folder, (const char *const[]){program, "pooler.ini", NULL});
    for (int i = 0; i < START_SECONDS_MAX * 20; i++) {
        if (answers(&at))
            return at.port;
        sleep_ms(50);
    }
    show_output(at.folder);
    test_fail("the pooler did not start", __FILE__, __LINE__);
}

void postgres_server_write(const struct postgres_server *s, const char *file, const char *mode,
                           const char *text)
{
    char path[512];

    snprintf(path, sizeof path, "%s/data/%s", s->folder, file);
    FILE *f = fopen(path, mode);
    CHECK(f);
    CHECK(fputs(text, f) >= 0);
    CHECK(fclose(f) == 0);
    own(path);
    CHECK(chmod(path, 0600) == 0);
}

void postgres_server_run(const struct postgres_server *s, const char *const *command)
{
    run(s->folder, command);
}

/* ---- the shared one ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* Runs until the program `run_pid` is gone; says the port in the folder once it can be used. */
static _Noreturn void keep(pid_t run_pid, const char *folder)
{
    struct postgres_server s;
    char path[300], ready[300], text[16];

    alarm(KEEPER_SECONDS_MAX);
    make_folder(&s, folder, "server");
    init(&s);
    s.options[0] = "fsync=off"; /* no test here turns the machine off */
    postgres_server_start(&s);
    snprintf(path, sizeof path, "%s/port.new", folder);
    snprintf(ready, sizeof ready, "%s/port", folder);
    FILE *f = fopen(path, "we");
    CHECK(f && snprintf(text, sizeof text, "%u\n", s.port) > 0 && fputs(text, f) >= 0);
    CHECK(fclose(f) == 0 && rename(path, ready) == 0);
    for (int i = 0; i < KEEPER_SECONDS_MAX * 5 && kill(run_pid, 0) == 0; i++)
        sleep_ms(200);
    postgres_server_end(&s, SIGQUIT);
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    _exit(0);
}

static void start_keeper(pid_t run_pid, const char *folder)
{
    int status = 0;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) { /* a grandchild, so that it is nobody's to wait for */
        setsid();
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, 0);
        dup2(nothing, 1);
        if (fork() == 0)
            keep(run_pid, folder);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
}

uint16_t postgres_server_shared(void)
{
    const char *base = getenv("TMPDIR"), *run_pid = getenv("ACCORD_TEST_RUN");
    char folder[200], path[256];
    unsigned port = 0;

    find_programs();
    CHECK(run_pid);
    snprintf(folder, sizeof folder, "%s/accord-postgres-%s", base ? base : "/tmp", run_pid);
    snprintf(path, sizeof path, "%s/port", folder);
    if (mkdir(folder, 0700) == 0)
        start_keeper((pid_t)strtol(run_pid, NULL, 10), folder);
    else
        CHECK(errno == EEXIST);
    for (int i = 0; i < START_SECONDS_MAX * 20 && port == 0; i++) {
        FILE *f = fopen(path, "re");
        if (f && fscanf(f, "%u", &port) != 1)
            port = 0;
        if (f)
            fclose(f);
        if (port == 0)
            sleep_ms(50);
    }
    CHECK(port > 0);
    return (uint16_t)port;
}

/* ---- SQL ---- */

const char *postgres_ask(uint16_t port, const char *database, const char *sql)
{
    static char answer[4096];
    char text[256];

    snprintf(text, sizeof text,
             "host=127.0.0.1 port=%u user=postgres dbname=%s connect_timeout=20 "
             "sslmode=disable options='-c client_min_messages=warning'",
             port, database);
    PGconn *conn = PQconnectdb(text);
    PGresult *r = PQstatus(conn) == CONNECTION_OK ? PQexec(conn, sql) : NULL;
    ExecStatusType status = PQresultStatus(r);
    if (!r || (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK))
        fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(conn));
    CHECK(r && (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK));
    snprintf(answer, sizeof answer, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(conn);
    return answer;
}

void postgres_say(uint16_t port, const char *database, const char *sql)
{
    (void)postgres_ask(port, database, sql);
}
