/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_watch.c - every change that this host applies, one line each, as it applies it. */
#include "cli/client.h"

#include "cli/verb.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 200, AGAIN_MS = 200 };

static volatile sig_atomic_t stopped;

static void stop(int unused)
{
    (void)unused;
    stopped = 1;
}

static bool is_of_cache(const char *op)
{
    return strcmp(op, "drop") == 0 || strcmp(op, "cold-boot") == 0 || strcmp(op, "warm") == 0;
}

/* Whoever reads objects does not read what is said to people. */
static void print_break(const struct asked *asked)
{
    static const char words[] = "the daemon went away: changes may be missing here";

    fprintf(stderr, "accord: %s\n", words);
    if (asked->json &&
        json_print(json_pack("{s:s,s:s,s:s,s:b,s:n}", "op", "break", "key", words, "origin", "",
                             "soft", 0, "position")) != EXIT_OK)
        stopped = 1;
}

static int print_change(const struct asked *asked, const struct accord_change *c)
{
    char position[POSITION_BYTES_MAX];

    (void)position_text(&c->position, position);
    if (asked->json)
        return json_print(json_pack("{s:s,s:o,s:s,s:b,s:s}", "op", c->op, "key",
                                    json_bytes(c->key, c->key_bytes), "origin", c->origin,
                                    "soft", c->soft, "position", position));
    if (is_of_cache(c->op)) {
        printf("%s at %s: %.*s\n", c->op, position, (int)c->key_bytes, (const char *)c->key);
        return output_done();
    }
    printf("%s%s ", c->op, c->soft ? " soft" : "");
    print_escaped(c->key, c->key_bytes);
    printf("%sby %s at %s\n", c->key_bytes > 0 ? " " : "",
           c->origin[0] ? c->origin : "a person or a trigger", position);
    return output_done();
}

/* Prints changes until *left are printed, the daemon goes away, or we are told to stop. */
static int follow(const struct asked *asked, struct accord_watch *w, uint64_t *left)
{
    while (!stopped && *left > 0) {
        struct accord_change change;
        int status = accord_watch_next(w, LOOK_MS, &change);
        if (status == ACCORD_E_TIMEOUT)
            continue;
        if (status != ACCORD_OK)
            return status;
        if (print_change(asked, &change) != EXIT_OK)
            stopped = 1; /* nobody reads any more */
        --*left;
    }
    return ACCORD_OK;
}

/* The first connection must work; later the daemon may come and go. */
static int watch(struct accord *a, const struct asked *asked, uint64_t left)
{
    const char *pattern = asked->word_count > 0 ? asked->words[0] : NULL;
    bool first = true;

    while (!stopped && left > 0) {
        struct accord_watch *w = NULL;
        int status = accord_watch(a, pattern, &w);
        if (status != ACCORD_OK && first)
            return client_fail(status);
        if (status == ACCORD_OK) {
            fprintf(stderr,
                    first ? "accord: watching; Ctrl-C ends\n" : "accord: watching again\n");
            first = false;
            status = follow(asked, w, &left);
            accord_watch_close(w);
            if (status != ACCORD_OK)
                print_break(asked);
        }
        if (status != ACCORD_OK)
            usleep(AGAIN_MS * 1000);
    }
    return EXIT_OK;
}

int verb_watch(int argc, char **argv)
{
    struct accord *a;
    struct asked asked;
    uint64_t count = UINT64_MAX;
    const struct flag flags[] = {{"--count", FLAG_NUMBER, &count}};
    struct sigaction action = {.sa_handler = stop};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count > 1)
        return usage_error("watch", "one pattern is expected, or none");
    code = client_open(&a, &asked, NULL);
    if (code != EXIT_OK)
        return code;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    code = watch(a, &asked, count);
    accord_close(a);
    return code;
}
