/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_maxstale.c - shows or changes the cluster's bound of staleness. */
#include "cli/client.h"

#include "cli/ask.h"
#include "cli/verb.h"

#include <stdio.h>

static int show(const struct asked *asked)
{
    const struct view_options options = {
        .socket = asked->socket, .json = asked->json, .timeout_ms = asked->timeout_ms};
    struct ask_row row = {NULL, 0};
    struct link link;
    int code = ask_view(&link, &options, "ACCORD.STATUS", &row.nodes);

    if (code != EXIT_OK)
        return code;
    uint64_t max_stale_ms = ask_number(row, "max_stale_ms");
    uint64_t used_ms = ask_number(row, "stale_used_ms");
    uint64_t waited_ms = ask_number(row, "stale_waited_ms");
    link_done(&link);
    if (asked->json)
        return json_print(json_pack("{s:I, s:I, s:I}", "max_stale_ms", (json_int_t)max_stale_ms,
                                    "stale_used_ms", (json_int_t)used_ms, "stale_waited_ms",
                                    (json_int_t)waited_ms));
    printf("max_stale %.1f s", (double)max_stale_ms / 1e3);
    if (used_ms != max_stale_ms || waited_ms != max_stale_ms)
        printf("; this node goes by %.1f s, and waits for others by %.1f s",
               (double)used_ms / 1e3, (double)waited_ms / 1e3);
    printf("\n");
    return output_done();
}

int verb_maxstale(int argc, char **argv)
{
    struct accord_position position;
    uint64_t max_stale_ms = 0;
    struct accord *a;
    struct asked asked;
    const struct flag flags[] = {{"--set", FLAG_MS, &max_stale_ms}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count > 0)
        return usage_error("maxstale", "--set DURATION, or nothing");
    if (max_stale_ms == 0)
        return show(&asked);
    code = client_open(&a, &asked, NULL);
    if (code != EXIT_OK)
        return code;
    int status = accord_set_max_stale(a, max_stale_ms, &position);
    code = change_done(&asked, "set", status, &position);
    accord_close(a);
    return code;
}
