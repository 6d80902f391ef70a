/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/ask.h"
#include "cli/verb.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void print_row(struct ask_row row)
{
    char name[80], applied[32], about[300];

    ask_text(row, "name", name, sizeof name);
    ask_text(row, "applied", applied, sizeof applied);
    ask_text(row, "about", about, sizeof about);
    const char *state = ask_number(row, "silent") ? "silent" : "here";
    printf("%-20s %-7s %10s %8.1f s  %s\n", name, ask_number(row, "self") ? "self" : state,
           applied, (double)ask_number(row, "seen_ms_ago") / 1e3, about);
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

int verb_nodes(int argc, char **argv)
{
    struct view_options options;
    const struct reply_node *list;
    struct link link;
    int code = view_options_read(&options, argc, argv);

    if (code == EXIT_OK)
        code = ask_view(&link, &options, "ACCORD.NODES", &list);
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
