/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/ask.h"
#include "cli/verb.h"

#include <stdio.h>

static const char *state_of(struct ask_row row)
{
    char connected[16];

    ask_text(row, "connected", connected, sizeof connected);
    if (ask_number(row, "self"))
        return "self";
    if (ask_number(row, "superseded"))
        return "earlier"; /* killed, and another run of that name is there */
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
           (double)ask_number(row, "seen_ms_ago") / 1e3,
           about[0] ? about : "(not known: it has not said so yet)");
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
        ask_print_json(list, "nodes");
    } else {
        printf("%-20s %-7s %10s %10s  %s\n", "name", "state", "applied", "seen ago", "about");
        for (uint32_t i = 1, row = 0; row < list->count; row++, i = list[i].next)
            print_row((struct ask_row){list, i});
    }
    link_done(&link);
    return EXIT_OK;
}
