/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/ask.h"
#include "cli/verb.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The daemon asks the bus's server who is connected once somebody wants to know. */
enum { ASKING_TRIES = 40, ASKING_US = 25000 };

static const char *state_of(struct ask_row row)
{
    char connected[16];

    ask_text(row, "connected", connected, sizeof connected);
    if (ask_number(row, "self"))
        return "self";
    if (strcmp(connected, "no") == 0)
        return "down";
    return ask_number(row, "silent") ? "silent" : "here";
}

static void print_row(struct ask_row row)
{
    char name[80], applied[32], about[300];

    ask_text(row, "name", name, sizeof name);
    ask_text(row, "applied", applied, sizeof applied);
    ask_text(row, "about", about, sizeof about);
    printf("%-20s %-7s %10s %8.1f s  %s\n", name, state_of(row), applied,
           (double)ask_number(row, "seen_ms_ago") / 1e3, about);
}

static void print_json(const struct reply_node *list)
{
    json_t *array = json_array();

    for (uint32_t i = 1, row = 0; array && row < list->count; row++, i = list[i].next)
        json_array_append_new(array, ask_json((struct ask_row){list, i}, "nodes"));
    char *text = array ? json_dumps(array, JSON_COMPACT) : NULL;
    printf("%s\n", text ? text : "[]");
    free(text);
    json_decref(array);
}

static bool is_asking(const struct reply_node *list)
{
    char connected[16] = "";

    for (uint32_t i = 1, row = 0; row < list->count; row++, i = list[i].next) {
        ask_text((struct ask_row){list, i}, "connected", connected, sizeof connected);
        if (strcmp(connected, "asking") == 0)
            return true;
    }
    return false;
}

/* Asks again while the answer of the bus's server is on its way; a second at most. */
static int ask_nodes(struct link *link, const struct view_options *options,
                     const struct reply_node **list)
{
    int code = ask_view(link, options, "ACCORD.NODES", list);

    for (int i = 0; i < ASKING_TRIES && code == EXIT_OK && is_asking(*list); i++) {
        link_done(link);
        usleep(ASKING_US);
        code = ask_view(link, options, "ACCORD.NODES", list);
    }
    return code;
}

int verb_nodes(int argc, char **argv)
{
    struct view_options options;
    const struct reply_node *list;
    struct link link;
    int code = view_options_read(&options, argc, argv);

    if (code == EXIT_OK)
        code = ask_nodes(&link, &options, &list);
    if (code != EXIT_OK)
        return code;
    if (options.json) {
        print_json(list);
    } else {
        printf("%-20s %-7s %10s %10s  %s\n", "name", "state", "applied", "seen ago", "about");
        for (uint32_t i = 1, row = 0; row < list->count; row++, i = list[i].next)
            print_row((struct ask_row){list, i});
    }
    link_done(&link);
    return EXIT_OK;
}
