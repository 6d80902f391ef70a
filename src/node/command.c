/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/command.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { LOOK_MS = 20, TOLD_MAX = 4, VARIABLE_BYTES_MAX = 600, OUTCOMES_MAX = 8 };

struct told {
    char text[TOLD_MAX][VARIABLE_BYTES_MAX]; /* "ACCORD_WHY=…" */
};

struct command {
    char shell_text[1024];
    uint64_t timeout_ms;
    void (*ended)(void *context, const struct command_outcome *o);
    void *context;
    uv_async_t async;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake;
    bool wanted, stopping;
    struct told told;
    struct command_outcome outcomes[OUTCOMES_MAX]; /* a ring; of more the oldest is lost */
    size_t first, count;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

/* ---- the child -----------------------------------------------------------------------------
 */

/* Ours, without what these variables replace. NULL: out of memory. */
static char **environment_of(struct told *told)
{
    size_t count = 0, kept = 0;

    while (environ[count])
        count++;
    char **list = calloc(count + TOLD_MAX + 1, sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        if (strncmp(environ[i], "ACCORD_WHY=", 11) != 0 &&
            strncmp(environ[i], "ACCORD_CAUSE=", 13) != 0 &&
            strncmp(environ[i], "ACCORD_POSITION=", 16) != 0 &&
            strncmp(environ[i], "ACCORD_READS=", 13) != 0)
            list[kept++] = environ[i];
    for (size_t i = 0; list && i < TOLD_MAX; i++)
        list[kept++] = told->text[i];
    return list;
}

/* A group of its own, so that all of it can be killed; every signal as at a fresh start. */
static int spawn(const struct command *c, struct told *told, pid_t *out)
{
    char *argv[] = {"sh", "-c", (char *)(uintptr_t)c->shell_text, NULL};
    char **environment = environment_of(told);
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;

    if (!environment)
        return ENOMEM;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int error = posix_spawn(out, "/bin/sh", &files, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    free(environment);
    return error;
}

static bool is_stopping(struct command *c)
{
    pthread_mutex_lock(&c->mutex);
    bool stopping = c->stopping;
    pthread_mutex_unlock(&c->mutex);
    return stopping;
}

/* Waits for the child's end, for so long as it has. 0: it has ended; *status says how. */
static int await(struct command *c, pid_t pid, uint64_t until_ms, int *status)
{
    const struct timespec pause = {0, LOOK_MS * (long)NS_PER_MS};

    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return 0;
        if (got < 0 && errno != EINTR)
            return errno; /* whoever embeds us reaps all children */
        if (now_ms() >= until_ms || is_stopping(c))
            return ETIMEDOUT;
        nanosleep(&pause, NULL);
    }
}

static void describe(struct command_outcome *o, int status)
{
    o->ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFEXITED(status))
        snprintf(o->text, sizeof o->text, "with status %d", WEXITSTATUS(status));
    else
        snprintf(o->text, sizeof o->text, "by signal %d", WTERMSIG(status));
}

static struct command_outcome run(struct command *c, struct told *told)
{
    struct command_outcome o = {.ok = false};
    uint64_t began_ms = now_ms();
    int status = 0;
    pid_t pid = 0;
    int error = spawn(c, told, &pid);

    if (error != 0) {
        snprintf(o.text, sizeof o.text, "not started: %s", strerror(error));
        return o;
    }
    error = await(c, pid, began_ms + c->timeout_ms, &status);
    if (error == ETIMEDOUT) {
        kill(-pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        snprintf(o.text, sizeof o.text, "killed after %.1f s",
                 (double)(now_ms() - began_ms) / 1e3);
    } else if (error != 0) {
        snprintf(o.text, sizeof o.text, "unknown how: %s", strerror(error));
    } else {
        describe(&o, status);
    }
    o.took_ms = now_ms() - began_ms;
    return o;
}

/* ---- the thread ----------------------------------------------------------------------------
 */

static void post(struct command *c, const struct command_outcome *o)
{
    if (c->count == OUTCOMES_MAX) {
        c->first = (c->first + 1) % OUTCOMES_MAX;
        c->count--;
    }
    c->outcomes[(c->first + c->count++) % OUTCOMES_MAX] = *o;
    uv_async_send(&c->async);
}

static void *thread_main(void *context)
{
    struct command *c = context;

    pthread_mutex_lock(&c->mutex);
    while (!c->stopping) {
        if (!c->wanted) {
            pthread_cond_wait(&c->wake, &c->mutex);
            continue;
        }
        struct told told = c->told;
        c->wanted = false;
        pthread_mutex_unlock(&c->mutex);
        struct command_outcome o = run(c, &told);
        pthread_mutex_lock(&c->mutex);
        if (!c->stopping)
            post(c, &o);
    }
    pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* On the loop. */
static void tell(uv_async_t *async)
{
    struct command *c = async->data;

    for (;;) {
        pthread_mutex_lock(&c->mutex);
        bool any = c->count > 0;
        struct command_outcome o = c->outcomes[c->first];
        if (any) {
            c->first = (c->first + 1) % OUTCOMES_MAX;
            c->count--;
        }
        pthread_mutex_unlock(&c->mutex);
        if (!any)
            return;
        c->ended(c->context, &o);
    }
}

static void closed(uv_handle_t *async)
{
    struct command *c = async->data;

    pthread_mutex_destroy(&c->mutex);
    pthread_cond_destroy(&c->wake);
    free(c);
}

/* Signals are the main thread's: the new thread inherits a full mask. */
static bool start_thread(struct command *c)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&c->thread, NULL, thread_main, c) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

int command_start(struct command **out, uv_loop_t *loop, const char *text, uint64_t timeout_ms,
                  void (*ended)(void *context, const struct command_outcome *o), void *context)
{
    struct command *c = calloc(1, sizeof *c);

    if (!c)
        return ACCORD_E_NOMEM;
    snprintf(c->shell_text, sizeof c->shell_text, "%s", text);
    c->timeout_ms = timeout_ms;
    c->ended = ended;
    c->context = context;
    c->async.data = c;
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->wake, NULL);
    if (uv_async_init(loop, &c->async, tell) != 0) {
        closed((uv_handle_t *)&c->async);
        return ACCORD_E_NOMEM;
    }
    if (!start_thread(c)) {
        uv_close((uv_handle_t *)&c->async, closed);
        return ACCORD_E_NOMEM;
    }
    *out = c;
    return ACCORD_OK;
}

void command_run(struct command *c, const char *cause, const char *why, const char *position,
                 const char *reads)
{
    pthread_mutex_lock(&c->mutex);
    snprintf(c->told.text[0], VARIABLE_BYTES_MAX, "ACCORD_CAUSE=%s", cause);
    snprintf(c->told.text[1], VARIABLE_BYTES_MAX, "ACCORD_WHY=%s", why);
    snprintf(c->told.text[2], VARIABLE_BYTES_MAX, "ACCORD_POSITION=%s", position);
    snprintf(c->told.text[3], VARIABLE_BYTES_MAX, "ACCORD_READS=%s", reads);
    c->wanted = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
}

void command_stop(struct command *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->mutex);
    c->stopping = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->mutex);
    pthread_join(c->thread, NULL);
    uv_close((uv_handle_t *)&c->async, closed);
}
