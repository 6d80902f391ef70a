/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/embed.h"

#include "node/embed_folder.h"
#include "node/node.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct accord_embed {
    struct settings *settings;
    struct node *node;
    pid_t owner; /* the process whose thread it is */
    pthread_t thread;
    struct embed_folder folder;

    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    bool ready, ended;
    char fatal[NODE_WHY_BYTES_MAX]; /* why it ended */
};

static int say(char *why, size_t why_bytes, int status, const char *text)
{
    if (why_bytes > 0)
        snprintf(why, why_bytes, "%s", text);
    return status;
}

/* ---- the node's thread ---------------------------------------------------------------------
 */

static void set(struct accord_embed *e, bool *flag)
{
    pthread_mutex_lock(&e->mutex);
    *flag = true;
    pthread_cond_broadcast(&e->changed);
    pthread_mutex_unlock(&e->mutex);
}

static void ready(void *context, const char *line)
{
    struct accord_embed *e = context;

    (void)line;
    set(e, &e->ready);
}

static void fatal(void *context, const char *why)
{
    struct accord_embed *e = context;

    pthread_mutex_lock(&e->mutex);
    snprintf(e->fatal, sizeof e->fatal, "%s", why);
    pthread_mutex_unlock(&e->mutex);
}

static void *run(void *context)
{
    struct accord_embed *e = context;

    /* A node that has to end later leaves its socket closed: reads then say unsure. */
    (void)!node_run(e->node);
    set(e, &e->ended);
    return NULL;
}

/* Signals are the application's. */
static bool start_thread(struct accord_embed *e)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&e->thread, NULL, run, e) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

/* false: it had to end before it was ready. */
static bool wait_ready(struct accord_embed *e)
{
    uint64_t wait_ns = e->settings->ready_wait_ns;
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    wait_ns += (uint64_t)until.tv_nsec;
    until.tv_sec += (time_t)(wait_ns / NS_PER_S);
    until.tv_nsec = (long)(wait_ns % NS_PER_S);
    pthread_mutex_lock(&e->mutex);
    while (!e->ready && !e->ended)
        if (pthread_cond_timedwait(&e->changed, &e->mutex, &until) != 0)
            break;
    bool ended = e->ended && !e->ready;
    pthread_mutex_unlock(&e->mutex);
    return !ended;
}

/* ---- settings ------------------------------------------------------------------------------
 */

/* A library does not write to its process's standard error unless asked to. Two embedded nodes
 * of one host must differ in name, so the process is part of the default. */
static int read_settings(struct accord_embed *e, const char *query, char *why)
{
    int status = settings_new(&e->settings);
    char host[48] = "";

    if (status != ACCORD_OK)
        return status;
    status = settings_set(e->settings, "embed", "log-level", "error", why);
    if (status == ACCORD_OK)
        status = settings_read_query(e->settings, query, why);
    if (status != ACCORD_OK)
        return status;
    if (!e->settings->name[0]) {
        if (gethostname(host, sizeof host - 1) != 0)
            host[0] = 0;
        snprintf(e->settings->name, sizeof e->settings->name, "%s-%ld", host, (long)getpid());
    }
    if (!e->settings->socket[0])
        snprintf(e->settings->socket, sizeof e->settings->socket, "%s/accord.sock",
                 e->folder.path);
    return settings_finish(e->settings, why);
}

/* ---- start and stop ------------------------------------------------------------------------
 */

static void release(struct accord_embed *e)
{
    node_close(e->node);
    settings_free(e->settings);
    embed_folder_remove(&e->folder);
    pthread_mutex_destroy(&e->mutex);
    pthread_cond_destroy(&e->changed);
    free(e);
}

static void init(struct accord_embed *e)
{
    pthread_condattr_t monotonic;

    e->owner = getpid();
    pthread_mutex_init(&e->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&e->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static int start(struct accord_embed *e, const char *query, char *why)
{
    struct node_hooks hooks = {.context = e, .ready = ready, .fatal = fatal};
    int status = embed_folder_make(&e->folder);

    if (status != ACCORD_OK)
        return say(
            why, NODE_WHY_BYTES_MAX, status,
            "no folder can be made for the socket: set TMPDIR to one that can be written");
    status = read_settings(e, query, why);
    if (status == ACCORD_OK)
        status = node_open(&e->node, e->settings, &hooks, why);
    if (status == ACCORD_OK && !start_thread(e))
        status = say(why, NODE_WHY_BYTES_MAX, ACCORD_E_NOMEM, "no more threads can be started");
    return status;
}

int accord_embed_start(const char *query, struct accord_embed **out, char *why,
                       size_t why_bytes)
{
    struct accord_embed *e = calloc(1, sizeof *e);
    char text[NODE_WHY_BYTES_MAX] = "out of memory";

    if (!e)
        return say(why, why_bytes, ACCORD_E_NOMEM, text);
    init(e);
    int status = start(e, query, text);
    if (status != ACCORD_OK) {
        release(e);
        return say(why, why_bytes, status, text);
    }
    if (!wait_ready(e)) {
        pthread_join(e->thread, NULL);
        snprintf(text, sizeof text, "%.*s (the address gives it with name=)",
                 (int)sizeof text - 64, e->fatal);
        release(e);
        return say(why, why_bytes, ACCORD_E_CONFLICT, text);
    }
    *out = e;
    return ACCORD_OK;
}

const char *accord_embed_socket(const struct accord_embed *e)
{
    return e->settings->socket;
}

void accord_embed_stop(struct accord_embed *e)
{
    if (!e)
        return;
    /* After fork() there is no such thread here, and the folder is the parent's. What the
     * child's copy of the node holds cannot be taken down without disturbing the parent. */
    if (getpid() != e->owner)
        return;
    node_stop(e->node);
    pthread_join(e->thread, NULL);
    release(e);
}
