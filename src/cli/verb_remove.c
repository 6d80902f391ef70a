/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_remove.c - removes keys, or all that has a tag, on every host. */
#include "cli/set.h"

#include "cli/verb.h"

#include <stdlib.h>

struct removal {
    struct accord_remove_options options;
    struct standings standings;
    uint64_t wait_ms;
    bool soft, tag;
};

/* As many words as one batch holds travel together. Strictness of the last is strictness of
 * all: the log has one order. */
static int remove_some(struct accord *a, const struct removal *r, char **words, size_t count,
                       bool last, struct accord_position *position)
{
    struct accord_remove_options o = r->options;
    struct accord_batch *b;
    int status = accord_batch_begin(a, &b);

    if (status != ACCORD_OK)
        return status;
    if (!last)
        o.flags &= ~(unsigned)ACCORD_WAIT;
    for (size_t i = 0; i < count && status == ACCORD_OK; i++)
        status = r->tag ? accord_batch_remove_by_tag(b, words[i])
                        : accord_batch_remove(b, words[i], strlen(words[i]));
    if (status == ACCORD_OK)
        return accord_batch_commit(b, &o, position);
    accord_batch_discard(b);
    return status;
}

static int remove_all(const struct asked *asked, struct removal *r)
{
    struct accord_position position;
    struct accord *a;
    int first_bad = ACCORD_OK, status = ACCORD_OK;
    int code = client_open(&a, asked, NULL);

    if (code != EXIT_OK)
        return code;
    for (size_t i = 0; i < asked->word_count; i += ACCORD_BATCH_MAX) {
        size_t count = u64_min(ACCORD_BATCH_MAX, asked->word_count - i);
        bool last = i + count == asked->word_count;
        status = remove_some(a, r, asked->words + i, count, last, &position);
        if (status == ACCORD_E_UNPUBLISHED && first_bad == ACCORD_OK)
            first_bad = status; /* the others are worth removing here all the same */
        else if (status != ACCORD_OK)
            break;
    }
    if (status == ACCORD_OK)
        status = first_bad;
    code = removal_done(asked, "removed", status, &position, &r->standings);
    accord_close(a);
    return code;
}

int remove_verb(int argc, char **argv)
{
    struct removal r = {.wait_ms = WAIT_NOT_ASKED};
    struct asked asked;
    const struct flag flags[] = {{"--soft", FLAG_ON, &r.soft},
                                 {"--wait", FLAG_MS, &r.wait_ms},
                                 {"--version", FLAG_NUMBER, &r.options.version},
                                 {"--tag", FLAG_ON, &r.tag},
                                 {"--id", FLAG_TEXT, &r.options.id}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code == EXIT_OK)
        code = removal_id_check(argv[0], r.options.id);
    if (code != EXIT_OK)
        return code;
    if (asked.word_count == 0)
        return usage_error(argv[0], r.tag ? "one or more tags are expected"
                                          : "one or more keys are expected");
    if (r.tag && r.options.version > 0)
        return usage_error(argv[0], "--version is of keys, not of tags");
    removal_options(&r.options, r.soft, r.wait_ms, &r.standings);
    return remove_all(&asked, &r);
}

int verb_remove(int argc, char **argv)
{
    return remove_verb(argc, argv);
}
