/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/ask.h"
#include "cli/verb.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void print_text(struct ask_row row)
{
    static const char *const shown[] = {"name",
                                        "start",
                                        "members",
                                        "max_stale_ms",
                                        "position",
                                        "lag_ms",
                                        "clock",
                                        "promises",
                                        "bus_advice",
                                        "outbox",
                                        "cold_boots",
                                        "poison",
                                        "settings_differ",
                                        "relays",
                                        "acs_peers",
                                        "signing",
                                        "refused_last",
                                        "lease_losses",
                                        "strict_waits",
                                        "strict_unknown",
                                        "fills_stored",
                                        "fills_refused_token",
                                        "unpublished_answers",
                                        "version"};
    char text[1024];

    ask_text(row, "line", text, sizeof text);
    printf("%s\n", text);
    for (size_t i = 0; i < COUNT_OF(shown); i++) {
        ask_text(row, shown[i], text, sizeof text);
        if (text[0] == '\0') /* nothing was skipped */
            continue;
        printf("%-20s %s\n", shown[i], text);
    }
}

static void print_json(struct ask_row row)
{
    json_t *object = ask_json(row, "status");
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    printf("%s\n", text ? text : "{}");
    free(text);
    json_decref(object);
}

int verb_status(int argc, char **argv)
{
    struct view_options options;
    struct ask_row row = {NULL, 0};
    struct link link;
    char state[16];
    int code = view_options_read(&options, argc, argv);

    if (code == EXIT_OK)
        code = ask_view(&link, &options, "ACCORD.STATUS", &row.nodes);
    if (code != EXIT_OK)
        return code;
    if (options.json)
        print_json(row);
    else
        print_text(row);
    ask_text(row, "state", state, sizeof state);
    link_done(&link);
    return strcmp(state, "fresh") == 0 ? EXIT_OK : EXIT_UNSURE;
}
