/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* help.c - what --help prints: the verbs, one verb, the settings, the exit codes. */
#include "cli/verb.h"
#include "node/settings_table.h"

#include <stdio.h>

enum { HELP_COLUMNS = 92, HELP_INDENT = 28 };

struct verb_help {
    const char *name, *usage, *line, *details;
};

static const struct verb_help verbs[] = {
#define VERB(name, usage, line, details) {#name, usage, line, details},
#include "defs/verb.def"
#undef VERB
};

/* Wraps at words, every line after the first indented. */
static void print_wrapped(const char *text, int indent, int column)
{
    bool first = true;

    while (*text) {
        int word = (int)strcspn(text, " ");
        if (!first && column + 1 + word > HELP_COLUMNS) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            printf(" ");
            column++;
        }
        printf("%.*s", word, text);
        column += word;
        text += word;
        text += *text == ' ';
        first = false;
    }
    printf("\n");
}

/* "--max-stale TIME" on its own line where it is too long to share one. */
static void print_entry(const char *left, const char *right)
{
    int length = (int)strlen(left);

    printf("  %s", left);
    if (length + 4 > HELP_INDENT) {
        printf("\n");
        length = -2;
    }
    printf("%*s", HELP_INDENT - length - 2, "");
    print_wrapped(right, HELP_INDENT, HELP_INDENT);
}

static void print_setting(const struct setting *s, const char *dashes)
{
    char left[160], right[1024], words[80] = "";
    const char *argument = s->argument ? s->argument : words;

    for (size_t i = 0; s->words && s->words[i] && i + 1 < sizeof words; i++)
        words[i] = s->words[i] == ' ' ? '|' : s->words[i];
    snprintf(left, sizeof left, "%s%s%s%s", dashes, s->name, *argument ? " " : "", argument);
    if (s->standard && s->standard[0] && *argument)
        snprintf(right, sizeof right, "%s (default: %s)", s->help, s->standard);
    else
        snprintf(right, sizeof right, "%s", s->help);
    print_entry(left, right);
}

static void print_settings(void)
{
    size_t count;
    const struct setting *all = settings_table(false, &count);

    printf("\nSettings (flags; in the environment ACCORD_MAX_STALE; in the file max-stale = "
           "3s):\n");
    for (size_t i = 0; i < count; i++)
        print_setting(&all[i], "--");
    all = settings_table(true, &count);
    printf("\nSettings of a namespace (the file only, in a section [namespace NAME]; a key "
           "belongs\n"
           "to the declared namespace named before its first \":\", else to \"default\"):\n");
    for (size_t i = 0; i < count; i++)
        print_setting(&all[i], "");
    printf("\nA configuration file:\n\n"
           "  name = web1\n"
           "  bus = sqlite:/var/lib/accord/bus.db\n"
           "  memory = 1G\n\n"
           "  [namespace user]\n"
           "  ttl = 1h\n"
           "  refresh_at = 0.8\n");
}

static void print_codes(void)
{
    printf("\nExit codes:\n");
#define EXIT(name, value, text) printf("  %2d  %s\n", value, text);
    EXIT_CODES(EXIT)
#undef EXIT
}

static void print_all(void)
{
    printf("accord %s - one cache per host, read at memory speed, kept in accord across the "
           "fleet\n"
           "\n"
           "Usage: accord VERB [arguments]\n\n",
           ACCORD_VERSION);
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        print_entry(verbs[i].name, verbs[i].line);
    printf("\n"
           "Start a node, then read through it from any process of the host:\n"
           "\n"
           "  accord serve --bus sqlite:/tmp/demo.db --socket /tmp/accord.sock &\n"
           "  export ACCORD_SOCKET=/tmp/accord.sock\n"
           "  accord memoize greeting --ttl 1h -- echo hello\n"
           "  accord remove greeting           # gone on every host\n"
           "  redis-cli -s /tmp/accord.sock get greeting\n"
           "\n"
           "accord VERB --help says more about each. Verbs that talk to the node find it at\n"
           "--socket PATH, else $ACCORD_SOCKET, else /run/accord/accord.sock, else\n"
           "$XDG_RUNTIME_DIR/accord.sock. --timeout 5s bounds each answer of it; --json makes "
           "them\n"
           "print JSON, in which null is what nobody knows.\n");
    print_codes();
}

int help_print(const char *verb)
{
    if (!verb) {
        print_all();
        return EXIT_OK;
    }
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, verb) != 0)
            continue;
        printf("accord %s - %s\n\nUsage: accord %s %s\n", verb, verbs[i].line, verb,
               verbs[i].usage);
        if (verbs[i].details[0])
            printf("\n%s", verbs[i].details);
        if (strcmp(verb, "serve") == 0)
            print_settings();
        print_codes();
    }
    return EXIT_OK;
}
