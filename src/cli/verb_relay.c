/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_relay.c - runs a relay in the foreground; its signals and its standard output. */
#include "bus/url.h"
#include "cli/options.h"
#include "cli/relay/relay.h"
#include "cli/verb.h"
#include "node/files.h"

#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct asked_relay {
    struct relay_options relay;
    uint64_t timeout_ns, retain_ns;
    bool uncoupled;
};

#define AT(field) offsetof(struct asked_relay, field)

static const struct option_field fields[] = {
    {"--from", OPTION_TEXT, AT(relay.url[0]), 0, 0,
     "the URL of a bus, as accord serve takes it"},
    {"--to", OPTION_TEXT, AT(relay.url[1]), 0, 0, "the URL of a bus, as accord serve takes it"},
    {"--from-key-file", OPTION_TEXT, AT(relay.key_file[0]), 0, 0,
     "the path of --from's signing key"},
    {"--to-key-file", OPTION_TEXT, AT(relay.key_file[1]), 0, 0,
     "the path of --to's signing key"},
    {"--state", OPTION_TEXT, AT(relay.state), 0, 0, "the path of a folder"},
    {"--name", OPTION_TEXT, AT(relay.name), 0, 0,
     "1 to 64 letters, digits, \".\", \"_\" and \"-\""},
    {"--timeout", OPTION_DURATION, AT(timeout_ns), 100 * NS_PER_MS, 60 * NS_PER_S, NULL},
    {"--retain", OPTION_DURATION, AT(retain_ns), 60 * NS_PER_S, 366 * 86400 * NS_PER_S, NULL},
    {"--retain-changes", OPTION_COUNT, AT(relay.retain_changes), 1000, 1000000000, NULL},
    {"--uncoupled", OPTION_SWITCH, AT(uncoupled), 0, 0, NULL},
};

enum { HAPPENED = SIGUSR1 }; /* to this process alone: the relay has something to say */

struct heard {
    pthread_t main;
    pthread_mutex_t mutex;
    bool fatal;
};

static void ready(void *context, const char *line)
{
    (void)context;
    printf("%s\n", line);
    fflush(stdout);
}

static void fatal(void *context, const char *why)
{
    struct heard *h = context;

    fprintf(stderr, "accord: %s\n", why);
    pthread_mutex_lock(&h->mutex);
    h->fatal = true;
    pthread_mutex_unlock(&h->mutex);
    pthread_kill(h->main, HAPPENED);
}

static bool is_fatal(struct heard *h)
{
    pthread_mutex_lock(&h->mutex);
    bool fatal = h->fatal;
    pthread_mutex_unlock(&h->mutex);
    return fatal;
}

/* The second signal is from somebody who does not want to wait for a bus. */
static void release(const sigset_t *all, int number)
{
    sigset_t two = *all;

    signal(number, SIG_DFL);
    sigdelset(&two, HAPPENED);
    pthread_sigmask(SIG_UNBLOCK, &two, NULL);
}

static int run(const struct relay_options *o)
{
    struct heard h = {.main = pthread_self(), .mutex = PTHREAD_MUTEX_INITIALIZER};
    struct relay_hooks hooks = {&h, ready, fatal};
    char why[RELAY_WHY_BYTES_MAX] = "";
    struct relay *r = NULL;
    sigset_t all;
    int number = 0;

    sigemptyset(&all);
    sigaddset(&all, SIGTERM);
    sigaddset(&all, SIGINT);
    sigaddset(&all, HAPPENED);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    int status = relay_start(&r, o, &hooks, why);
    if (status != ACCORD_OK)
        return fail(status == ACCORD_E_INVALID    ? EXIT_USAGE
                    : status == ACCORD_E_CONFLICT ? EXIT_FATAL
                                                  : EXIT_FAILED,
                    "%s", why);
    sigwait(&all, &number);
    release(&all, number);
    relay_stop(r);
    return is_fatal(&h) ? EXIT_FATAL : EXIT_OK;
}

static const char *default_name(void)
{
    static char name[NODE_NAME_BYTES_MAX + 1];
    char host[58] = "";

    if (gethostname(host, sizeof host - 1) != 0 || !host[0])
        return "relay";
    snprintf(name, sizeof name, "relay-%s", host);
    return name;
}

/* As of a node: people type it, and servers' lists show it. */
static bool is_name(const char *name)
{
    static const char punctuation[] = "._-";

    for (const char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && !strchr(punctuation, *at))
            return false;
    return name[0] && strlen(name) <= NODE_NAME_BYTES_MAX;
}

static int check(const struct asked_relay *a)
{
    for (size_t i = 0; i < RELAY_SIDES; i++)
        if (!a->relay.url[i])
            return usage_error("relay", "--from and --to are needed: the URLs of two buses");
        else if (strncmp(a->relay.url[i], "memory:", 7) == 0)
            return usage_error("relay",
                               "%s: a memory: bus lives inside one process; there is "
                               "nothing to carry",
                               a->relay.url[i]);
    if (!is_name(a->relay.name))
        return usage_error("relay",
                           "--name: expected 1 to %d letters, digits, \".\", \"_\" and \"-\"",
                           NODE_NAME_BYTES_MAX);
    if (!a->uncoupled)
        return usage_error("relay", "coupled relays are not built yet; with --uncoupled each "
                                    "bus keeps its promises to its own nodes, and the other's "
                                    "changes come when they come");
    return EXIT_OK;
}

/* As of a node's bus: a relative path means this folder, and is shown whole. */
static bool make_absolute(const char **url)
{
    static char whole[2][BUS_URL_BYTES_MAX];
    static size_t used;

    if (!*url || used == COUNT_OF(whole) || strlen(*url) >= sizeof whole[0])
        return true; /* refused as what it is */
    char *to = whole[used++];
    memcpy(to, *url, strlen(*url) + 1);
    *url = to;
    return files_absolute_url(to, sizeof whole[0]);
}

int verb_relay(int argc, char **argv)
{
    struct asked_relay a = {.relay = {.name = default_name(),
                                      .retain_changes = 1000000,
                                      .log_fd = STDERR_FILENO,
                                      .log_level = LOG_INFO},
                            .timeout_ns = NS_PER_S,
                            .retain_ns = 86400 * NS_PER_S};
    char why[OPTIONS_WHY_BYTES_MAX] = "";

    if (options_parse(&a, fields, COUNT_OF(fields), argc, argv, why) != ACCORD_OK)
        return usage_error("relay", "%s", why);
    for (size_t i = 0; i < COUNT_OF(a.relay.url); i++)
        if (!make_absolute(&a.relay.url[i]))
            return usage_error("relay", "%.200s: give an absolute path", a.relay.url[i]);
    a.relay.timeout_ms = a.timeout_ns / NS_PER_MS;
    a.relay.retain_ms = a.retain_ns / NS_PER_MS;
    int code = check(&a);
    return code == EXIT_OK ? run(&a.relay) : code;
}
