/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_sync.c - waits until this host has applied a place in the log: read your own write. */
#include "cli/client.h"

#include "cli/verb.h"
#include "wire/change.h"

#include <stdio.h>

enum { WAIT_MS = 5000 };

/* A position as changes print it; NULL: all that the bus has now. */
static int sync_to(const struct asked *asked, const char *text, uint64_t wait_ms)
{
    struct accord_position position = {0, 0};
    struct position p;
    struct accord *a;

    if (text && position_parse(bytes_of_text(text), &p) != ACCORD_OK)
        return usage_error("sync",
                           "\"%.64s\" is no position: it is as accord remove prints it, "
                           "such as 12@1f",
                           text);
    if (text)
        position = (struct accord_position){.epoch = p.epoch, .value = p.value};
    int code = client_open(&a, asked, NULL);
    if (code != EXIT_OK)
        return code;
    int status = accord_sync(a, text ? &position : NULL, wait_ms);
    accord_close(a);
    if (status != ACCORD_OK)
        return client_fail(status);
    if (asked->json)
        return json_print(json_pack("{s:b, s:s?}", "applied", 1, "position", text));
    printf("applied here: %s\n", text ? text : "all that the bus had");
    return output_done();
}

int verb_sync(int argc, char **argv)
{
    uint64_t wait_ms = WAIT_MS;
    struct asked asked;
    const struct flag flags[] = {{"--wait", FLAG_MS, &wait_ms}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count > 1)
        return usage_error("sync", "one position is expected, or none");
    return sync_to(&asked, asked.word_count == 1 ? asked.words[0] : NULL, wait_ms);
}
