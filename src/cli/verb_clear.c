/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_clear.c - removes a namespace, a prefix, or everything, on every host. */
#include "cli/client.h"

#include "cli/verb.h"

int verb_clear(int argc, char **argv)
{
    struct accord_position position;
    struct accord_remove_options o = {0};
    struct accord *a;
    struct asked asked;
    struct standings standings;
    uint64_t wait_ms = WAIT_NOT_ASKED;
    bool all = false, soft = false;
    const struct flag flags[] = {{"--all", FLAG_ON, &all},
                                 {"--soft", FLAG_ON, &soft},
                                 {"--wait", FLAG_MS, &wait_ms},
                                 {"--version", FLAG_NUMBER, &o.version},
                                 {"--id", FLAG_TEXT, &o.id}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code == EXIT_OK)
        code = removal_id_check("clear", o.id);
    if (code != EXIT_OK)
        return code;
    if (all && asked.word_count > 0)
        return usage_error("clear", "give a namespace or --all, not both");
    if (asked.word_count != (all ? 0 : 1))
        return usage_error("clear", "a namespace or a prefix is expected, or --all");
    removal_options(&o, soft, wait_ms, &standings);
    code = client_open(&a, &asked, NULL);
    if (code != EXIT_OK)
        return code;
    int status = accord_clear(a, all ? "*" : asked.words[0], &o, &position);
    code = removal_done(&asked, "cleared", status, &position, &standings);
    accord_close(a);
    return code;
}
