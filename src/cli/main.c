/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* main.c - finds the verb. */
#include "cli/verb.h"
#include "node/files.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct verb {
    const char *name;
    int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
#define VERB(name, usage, line, details) {#name, verb_##name},
#include "defs/verb.def"
#undef VERB
};

static const struct verb *find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* The verb that begins like the word, or shares its first letters: a guess for a message. */
static const char *guess(const char *word)
{
    for (size_t length = strlen(word); length >= 2; length--)
        for (size_t i = 0; i < COUNT_OF(verbs); i++)
            if (strncmp(verbs[i].name, word, length) == 0)
                return verbs[i].name;
    return NULL;
}

static int unknown(const char *word)
{
    const char *near = guess(word);

    return fail(EXIT_USAGE, "there is no verb \"%.64s\"%s%s%s; accord --help lists them", word,
                near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* An answer that could not be written is no answer. Who ended with EXIT_FAILED has said why. */
static int close_output(int code)
{
    if (code == EXIT_FAILED || output_done() == EXIT_OK)
        return code;
    return code == EXIT_OK ? EXIT_FAILED : code;
}

/* Everything after "--" is another command's (memoize), its --help too. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    int code = wants_help(argc, argv) ? help_print(verb->name) : verb->run(argc, argv);

    return close_output(code);
}

/* The verbs work on a copy of the command line: what `ps` shows of it loses its passwords. The
 * copy lasts as long as the process. All words are one piece, held where a leak checker sees
 * it: verbs move and overwrite the pointers to them. */
static char **private_copy(int argc, char **argv)
{
    static char **copy;
    static char *words;
    size_t bytes = 0;

    for (int i = 0; i < argc; i++)
        bytes += strlen(argv[i]) + 1;
    copy = calloc((size_t)argc + 1, sizeof *copy);
    words = malloc(bytes + 1);
    if (!copy || !words)
        return NULL;
    char *at = words;
    for (int i = 0; i < argc; i++) {
        size_t size = strlen(argv[i]) + 1;
        copy[i] = memcpy(at, argv[i], size);
        at += size;
        files_wipe_url(argv[i]);
    }
    return copy;
}

int main(int argc, char **argv)
{
    const struct verb *verb;

    signal(SIGPIPE, SIG_IGN);
    argv = private_copy(argc, argv);
    if (!argv)
        return fail(EXIT_FAILED, "out of memory");
    if (argc < 2) {
        fprintf(stderr, "accord: a verb is missing; accord --help lists them\n");
        return EXIT_USAGE;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        verb = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !verb)
            return unknown(argv[2]);
        return close_output(help_print(verb ? verb->name : NULL));
    }
    verb = find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    return verb ? run(verb, argc - 1, argv + 1) : unknown(argv[1]);
}
