/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_set.c - stores a value here and removes the key on every other host. */
#include "cli/set.h"

#include "cli/verb.h"

#include <stdlib.h>

int set_verb(const char *word, int argc, char **argv)
{
    struct accord_fill_options o = {0};
    struct texts tags = {.count = 0};
    struct accord_position position;
    struct accord *a = NULL;
    struct owned value = {NULL, 0};
    struct asked asked;
    const struct flag flags[] = {{"--ttl", FLAG_LIFE, &o.ttl_ms},
                                 {"--grace", FLAG_MS, &o.grace_ms},
                                 {"--version", FLAG_NUMBER, &o.version},
                                 {"--tag", FLAG_TEXTS, &tags}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count != 2)
        return usage_error(argv[0], "a key and a value are expected (- reads standard input)");
    o.tags = tags.text;
    o.tag_count = tags.count;
    code = client_open(&a, &asked, NULL);
    if (code == EXIT_OK)
        code = value_read(&value, asked.words[1]);
    if (code == EXIT_OK) {
        int status = accord_set(a, asked.words[0], strlen(asked.words[0]), value.data,
                                value.size_bytes, &o, &position);
        code = change_done(&asked, word, status, &position);
    }
    free(value.data);
    accord_close(a);
    return code;
}

int verb_set(int argc, char **argv)
{
    return set_verb("set", argc, argv);
}
