/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_fence.c - shows what fills must prove, sets a floor, forgets versions after a restore.
 */
#include "cli/client.h"

#include "cli/ask.h"
#include "cli/verb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void print_row(struct ask_row row)
{
    char name[80], version[8], hold_off[32], state[16], floor[24], newest[24], left[32] = "";

    ask_text(row, "name", name, sizeof name);
    ask_text(row, "version", version, sizeof version);
    ask_text(row, "hold_off", hold_off, sizeof hold_off);
    ask_text(row, "state", state, sizeof state);
    ask_text(row, "floor", floor, sizeof floor);
    ask_text(row, "newest", newest, sizeof newest);
    uint64_t left_ms = ask_number(row, "left_ms");
    if (left_ms > 0)
        snprintf(left, sizeof left, " for %.1f s", (double)left_ms / 1e3);
    printf("%-20s %-7s %-8s %-7s%s  floor %s, newest %s, refused %llu\n", name, version,
           hold_off, state, left, floor, newest,
           (unsigned long long)(ask_number(row, "refused_version") +
                                ask_number(row, "refused_held")));
}

static int show(const struct asked *asked)
{
    const struct view_options options = {
        .socket = asked->socket, .json = asked->json, .timeout_ms = asked->timeout_ms};
    const struct reply_node *list;
    struct link link;
    json_t *array = json_array();
    int code = ask_view(&link, &options, "ACCORD.FENCE", &list);

    if (code != EXIT_OK) {
        json_decref(array);
        return code;
    }
    for (uint32_t i = 1, row = 0; row < list->count; row++, i = list[i].next) {
        if (asked->json)
            json_array_append_new(array, ask_json((struct ask_row){list, i}, "fences"));
        else
            print_row((struct ask_row){list, i});
    }
    if (!asked->json && list->count == 0)
        printf("no namespace has versions or a hold_off: see docs/operating/fences.md\n");
    link_done(&link);
    if (asked->json)
        return json_print(array);
    json_decref(array);
    return output_done();
}

static int set_floor(const struct asked *asked)
{
    char *end = NULL;
    struct accord *a;

    errno = 0;
    uint64_t version = strtoull(asked->words[2], &end, 10);
    if (errno != 0 || *end || asked->words[2][0] < '0' || asked->words[2][0] > '9')
        return usage_error("fence", "\"%.64s\" is no version: a whole number", asked->words[2]);
    int code = client_open(&a, asked, NULL);
    if (code != EXIT_OK)
        return code;
    int status = accord_fence_floor(a, asked->words[1], version);
    accord_close(a);
    if (status != ACCORD_OK)
        return client_fail(status);
    if (asked->json)
        return json_print(json_pack("{s:s, s:I}", "namespace", asked->words[1], "floor",
                                    (json_int_t)version));
    printf("fills of %s must prove %s from now on, on this node\n", asked->words[1],
           asked->words[2]);
    return output_done();
}

static int reset(const struct asked *asked)
{
    struct accord_position position;
    struct accord *a;
    int code = client_open(&a, asked, NULL);

    if (code != EXIT_OK)
        return code;
    int status = accord_fence_reset(a, asked->words[1], &position);
    code = change_done(asked, "reset", status, &position);
    accord_close(a);
    return code;
}

int verb_fence(int argc, char **argv)
{
    struct asked asked;
    int code = flags_read(&asked, NULL, 0, argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count == 0)
        return show(&asked);
    if (strcmp(asked.words[0], "floor") == 0 && asked.word_count == 3)
        return set_floor(&asked);
    if (strcmp(asked.words[0], "reset") == 0 && asked.word_count == 2)
        return reset(&asked);
    return usage_error("fence", "floor NAMESPACE VERSION, reset NAMESPACE, or nothing");
}
