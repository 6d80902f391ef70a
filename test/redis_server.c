/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { ARGUMENTS_MAX = 64, PATIENCE_STEPS = 3000, STEP_US = 10000, WORDS_MAX = 16 };

uint16_t redis_server_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &length) == 0);
    close(fd);
    return ntohs(at.sin_port);
}

static bool answers(uint16_t port)
{
    static const char *const ping[] = {"PING"};
    static const size_t size[] = {4};
    char answer[64];

    return redis_server_ask(port, answer, sizeof answer, 1, ping, size) ||
           strncmp(answer, "NOAUTH", 6) == 0;
}

static _Noreturn void become_server(const struct redis_server *s, pid_t parent)
{
    char port[8];
    const char *words[ARGUMENTS_MAX] = {
        "redis-server", "--port",    port,     "--dir", s->folder,
        "--bind",       "127.0.0.1", "--save", "",      "--enable-debug-command",
        "yes"};
    int n = 11, quiet = open("/dev/null", O_WRONLY);

    snprintf(port, sizeof port, "%u", s->port);
    for (const char *const *o = s->options; *o && n < ARGUMENTS_MAX - 1; o++)
        words[n++] = *o;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    (void)dup2(quiet, STDOUT_FILENO);
    (void)dup2(quiet, STDERR_FILENO);
    execvp("redis-server", (char *const *)(uintptr_t)words);
    _exit(127);
}

void redis_server_start(struct redis_server *s)
{
    pid_t parent = getpid();
    int status = 0;

    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0)
        become_server(s, parent);
    for (int i = 0; i < PATIENCE_STEPS; i++) {
        if (answers(s->port))
            return;
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            s->pid = 0;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                test_skip("redis-server is not installed");
            break;
        }
        usleep(STEP_US);
    }
    redis_server_end(s, SIGKILL);
    test_fail("redis-server does not start", __FILE__, __LINE__);
}

void redis_server_begin(struct redis_server *s, const char *name, const char *const *options)
{
    size_t n = 0;

    *s = (struct redis_server){.port = redis_server_port()};
    snprintf(s->folder, sizeof s->folder, "%.200s/%.40s", test_folder(), name);
    CHECK(mkdir(s->folder, 0700) == 0);
    for (; options && options[n]; n++) {
        CHECK(n + 1 < REDIS_SERVER_OPTIONS_MAX);
        s->options[n] = options[n];
    }
    redis_server_start(s);
}

void redis_server_end(struct redis_server *s, int signal_number)
{
    if (s->pid <= 0)
        return;
    (void)kill(s->pid, signal_number);
    (void)waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

bool redis_server_ask(uint16_t port, char *answer, size_t room, int count,
                      const char *const *words, const size_t *sizes)
{
    struct timeval patience = {.tv_sec = 10};
    redisContext *c = redisConnectWithTimeout("127.0.0.1", port, patience);
    redisReply *r = NULL;
    bool fine = false;

    answer[0] = 0;
    if (c && !c->err && redisSetTimeout(c, patience) == REDIS_OK)
        r = redisCommandArgv(c, count, (const char **)(uintptr_t)words, sizes);
    if (r && r->type == REDIS_REPLY_INTEGER)
        snprintf(answer, room, "%lld", r->integer);
    else if (r && r->str)
        snprintf(answer, room, "%s", r->str);
    fine = r && r->type != REDIS_REPLY_ERROR;
    freeReplyObject(r);
    if (c)
        redisFree(c);
    return fine;
}

void redis_server_say(uint16_t port, const char *word, ...)
{
    const char *words[WORDS_MAX];
    size_t sizes[WORDS_MAX];
    char answer[512];
    int count = 0;
    va_list more;

    va_start(more, word);
    for (; word; word = va_arg(more, const char *)) {
        CHECK(count < WORDS_MAX);
        words[count] = word;
        sizes[count++] = strlen(word);
    }
    va_end(more);
    if (!redis_server_ask(port, answer, sizeof answer, count, words, sizes)) {
        fprintf(stderr, "%s: %s\n", words[0], answer);
        test_fail("a command of the test", __FILE__, __LINE__);
    }
}
