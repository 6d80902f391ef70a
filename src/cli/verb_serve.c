/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_serve.c - runs a node in the foreground; its signals and its standard output. */
#include "cli/verb.h"
#include "node/node.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { SIGNALS = 3 };

struct serve {
    int argc;
    char **argv;
    struct node *node;
    uv_signal_t signals[SIGNALS];
    bool asked_before;
};

static void ready(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
    fflush(stdout);
}

static void fatal(void *context, const char *why)
{
    (void)context;
    fprintf(stderr, "accord: %s\n", why);
}

static void closing(void *context)
{
    struct serve *s = context;

    for (size_t i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
}

/* SIGHUP: settings that cannot be read leave the running ones as they are. */
static void reload(struct serve *s)
{
    char why[SETTINGS_WHY_BYTES_MAX];
    struct settings *settings = NULL;

    if (settings_load(&settings, s->argc, s->argv, why) != ACCORD_OK) {
        fprintf(stderr, "accord: SIGHUP: nothing was changed: %s\n", why);
        return;
    }
    node_reload(s->node, settings);
    settings_free(settings);
}

static void signalled(uv_signal_t *handle, int number)
{
    struct serve *s = handle->data;

    if (number == SIGHUP) {
        reload(s);
        return;
    }
    /* The second one is from somebody who does not want to wait for the bus. */
    if (s->asked_before) {
        signal(number, SIG_DFL);
        raise(number);
    }
    s->asked_before = true;
    node_stop(s->node);
}

static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

/* While the node is being opened they wait: whoever has read its first line may end it, and
 * finds it ended in order. */
static void hold_signals(int how)
{
    sigset_t all;

    sigemptyset(&all);
    for (size_t i = 0; i < SIGNALS; i++)
        sigaddset(&all, numbers[i]);
    pthread_sigmask(how, &all, NULL);
}

static void watch_signals(struct serve *s)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(node_loop(s->node), &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], signalled, numbers[i]);
    }
    hold_signals(SIG_UNBLOCK);
}

int verb_serve(int argc, char **argv)
{
    struct serve s = {.argc = argc, .argv = argv};
    struct node_hooks hooks = {&s, ready, fatal, closing};
    char why[NODE_WHY_BYTES_MAX] = "";
    struct settings *settings = NULL;
    int status = settings_load(&settings, argc, argv, why);

    if (status != ACCORD_OK)
        return usage_error("serve", "%s", why);
    hold_signals(SIG_BLOCK);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a full disk, no end */
    status = node_open(&s.node, settings, &hooks, why);
    if (status != ACCORD_OK) {
        settings_free(settings);
        return fail(status == ACCORD_E_INVALID    ? EXIT_USAGE
                    : status == ACCORD_E_CONFLICT ? EXIT_FATAL
                                                  : EXIT_FAILED,
                    "%s", why);
    }
    watch_signals(&s);
    status = node_run(s.node);
    node_close(s.node);
    settings_free(settings);
    return status == ACCORD_OK ? EXIT_OK : EXIT_FATAL;
}
