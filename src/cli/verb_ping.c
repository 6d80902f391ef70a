/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_ping.c - asks a node, or every node, through the bus: who hears it, and how is it? */
#include "cli/flags.h" /* first: it brings the public statuses */

#include "base/limits.h"
#include "cli/ask.h"
#include "cli/verb.h"

#include <stdio.h>

enum { PING_WAIT_MS = 5000 };

/* The worst of them decides the exit code. */
struct tally {
    size_t asked, silent, unsure;
};

/* ---- how a node stands ---------------------------------------------------------------------
 */

/* What the bus's server says of that node's connection; the rows are ACCORD.NODES'. */
static const char *hint(const struct reply_node *nodes, const char *name)
{
    char connected[16], other[80];

    for (uint32_t i = 1, row = 0; nodes && row < nodes->count; row++, i = nodes[i].next) {
        struct ask_row node = {nodes, i};
        ask_text(node, "name", other, sizeof other);
        ask_text(node, "connected", connected, sizeof connected);
        if (strcmp(name, other) != 0)
            continue;
        if (strcmp(connected, "yes") == 0)
            return "; the bus's server has a connection of it";
        if (strcmp(connected, "no") == 0)
            return "; the bus's server has no connection of it";
    }
    return "";
}

static bool is_answer(struct ask_row row, const char *answer)
{
    char said[16];

    ask_text(row, "answer", said, sizeof said);
    return strcmp(said, answer) == 0;
}

static void print_answer(struct ask_row row)
{
    char name[80], answer[16], why[640], applied[32], lag[32], version[40];

    ask_text(row, "name", name, sizeof name);
    ask_text(row, "answer", answer, sizeof answer);
    ask_text(row, "why", why, sizeof why);
    ask_text(row, "applied", applied, sizeof applied);
    ask_text(row, "lag", lag, sizeof lag);
    ask_text(row, "version", version, sizeof version);
    if (ask_number(row, "asked") > 0)
        printf("%-20s %9.1f ms", name, (double)ask_number(row, "round_trip_us") / 1e3);
    else
        printf("%-20s %12s", name, "not asked");
    printf("  %-7s applied %s, lag %s, %s", answer, applied, lag,
           version[0] ? version : "version unknown");
    if (ask_number(row, "self"))
        printf(" (this node)");
    if (ask_number(row, "asked") > 1)
        printf(" (asked %llu times)", (unsigned long long)ask_number(row, "asked"));
    printf("%s%s\n", why[0] ? ": " : "", why);
}

static void print_no_answer(struct ask_row row, const struct reply_node *nodes)
{
    char name[80], why[640];

    ask_text(row, "name", name, sizeof name);
    ask_text(row, "why", why, sizeof why);
    printf("%-20s %12s  %s%s\n", name, "NO ANSWER", why, hint(nodes, name));
}

/* ---- the verb ------------------------------------------------------------------------------
 */

static struct tally count(const struct reply_node *list)
{
    struct tally t = {.asked = list->count};

    for (uint32_t i = 1, row = 0; row < list->count; row++, i = list[i].next) {
        t.silent += is_answer((struct ask_row){list, i}, "none");
        t.unsure += !is_answer((struct ask_row){list, i}, "none") &&
                    !is_answer((struct ask_row){list, i}, "fresh");
    }
    return t;
}

static void print_rows(const struct reply_node *list, const struct reply_node *nodes)
{
    for (uint32_t i = 1, row = 0; row < list->count; row++, i = list[i].next) {
        struct ask_row one = {list, i};
        if (is_answer(one, "none"))
            print_no_answer(one, nodes);
        else
            print_answer(one);
    }
}

/* What the bus's server knows is worth a second question, where somebody has not answered. */
static void print_all(const struct asked *asked, const struct reply_node *list,
                      const struct tally *t)
{
    const struct view_options options = {.socket = asked->socket};
    const struct reply_node *nodes = NULL;
    struct link link;
    bool told = t->silent > 0 && ask_nodes(&link, &options, &nodes) == EXIT_OK;

    print_rows(list, told ? nodes : NULL);
    if (t->asked > 1 || t->silent > 0)
        printf("%zu asked, %zu answered, %zu of them unsure\n", t->asked, t->asked - t->silent,
               t->unsure);
    if (told)
        link_done(&link);
}

static int ping(const struct asked *asked, const char *name, uint64_t wait_ms)
{
    const struct reply_node *list;
    struct link link;
    char wait[24];

    snprintf(wait, sizeof wait, "%llu", (unsigned long long)wait_ms);
    struct bytes words[] = {bytes_of_text("ACCORD.PING"), bytes_of_text(name),
                            bytes_of_text("WAIT"), bytes_of_text(wait)};
    int code =
        ask_daemon(&link, asked->socket, words, COUNT_OF(words), wait_ms + ASK_MS, &list);
    if (code != EXIT_OK)
        return code;
    struct tally t = count(list);
    if (asked->json)
        ask_print_json(list, "ping");
    else
        print_all(asked, list, &t);
    link_done(&link);
    return t.silent > 0 ? EXIT_TIMEOUT : t.unsure > 0 ? EXIT_UNSURE : EXIT_OK;
}

static bool is_name(const char *word)
{
    size_t bytes = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-");

    return bytes >= 1 && bytes <= NODE_NAME_BYTES_MAX && !word[bytes];
}

int verb_ping(int argc, char **argv)
{
    uint64_t wait_ms = PING_WAIT_MS;
    struct asked asked;
    bool all = false;
    const struct flag flags[] = {{"--all", FLAG_ON, &all}, {"--wait", FLAG_MS, &wait_ms}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count != (all ? 0 : 1))
        return usage_error(argv[0], "the name of one node is expected, or --all");
    if (!all && !is_name(asked.words[0]))
        return usage_error(argv[0],
                           "\"%.80s\" is no node's name (accord nodes lists them); --all asks "
                           "every node",
                           asked.words[0]);
    if (wait_ms < 1 || wait_ms > LETTER_WAIT_MS_MAX)
        return usage_error(argv[0], "--wait takes 1ms to %ds", LETTER_WAIT_MS_MAX / 1000);
    return ping(&asked, all ? "*" : asked.words[0], wait_ms);
}
