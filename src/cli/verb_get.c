/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_get.c - the value of a key, as this host has it; how good it is says the exit code. */
#include "cli/client.h"

#include "base/state.h"
#include "cli/verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The value may grow between two reads, so more than one may be needed. */
static int get_all(struct accord *a, const char *key, uint64_t within_ms, struct owned *value,
                   struct accord_result *r)
{
    size_t room = 64 * 1024;

    for (;;) {
        char *buffer = malloc(room);
        if (!buffer)
            return ACCORD_E_NOMEM;
        int status = accord_get_within(a, key, strlen(key), within_ms, buffer, room, r);
        if (status == ACCORD_OK) {
            *value = (struct owned){buffer, r->value_bytes};
            return ACCORD_OK;
        }
        free(buffer);
        if (status != ACCORD_E_SIZE || r->value_bytes > VALUE_BYTES_MAX)
            return status;
        room = r->value_bytes + r->value_bytes / 4;
    }
}

static int code_of(const struct accord_result *r)
{
    switch (r->state) {
    case ACCORD_HIT:
        return EXIT_OK;
    case ACCORD_STALE:
        return r->negative ? EXIT_MISS : EXIT_STALE;
    case ACCORD_UNSURE:
        return EXIT_UNSURE;
    default:
        return EXIT_MISS;
    }
}

/* What is not here has no age. */
static json_t *number_if(bool known, uint64_t number)
{
    return known ? json_integer((json_int_t)number) : json_null();
}

static int print_json(const char *key, const struct owned *value, const struct accord_result *r)
{
    bool here = r->state == ACCORD_HIT || r->state == ACCORD_STALE || r->negative;
    bool has = here && !r->negative;
    json_t *object =
        json_pack("{s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:b}", "key", json_bytes(key, strlen(key)),
                  "state", state_word(r->state), "why", why_word(r->why), "value",
                  has ? json_bytes(value->data, value->size_bytes) : json_null(), "age_ms",
                  number_if(here, r->age_ms), "ttl_ms",
                  number_if(here && r->ttl_ms != ACCORD_FOREVER, r->ttl_ms), "version",
                  number_if(here, r->version), "refresh", r->refresh);

    return json_print(object);
}

static int print_value(const char *key, const struct owned *value,
                       const struct accord_result *r)
{
    if (r->state == ACCORD_HIT || (r->state == ACCORD_STALE && !r->negative)) {
        fwrite(value->data, 1, value->size_bytes, stdout);
        if (isatty(STDOUT_FILENO))
            putchar('\n');
    }
    if (r->negative)
        fprintf(stderr, "accord: %s is known to be absent at the origin\n", key);
    else if (r->state == ACCORD_STALE)
        fprintf(stderr, "accord: stale (%s), stored %llu ms ago\n", why_word(r->why),
                (unsigned long long)r->age_ms);
    else if (r->state == ACCORD_UNSURE && r->why == ACCORD_WHY_MAXSTALE)
        fprintf(stderr,
                "accord: unsure: the bus has not proven in time that the copy here is as "
                "new as asked (--max-stale); accord status says more\n");
    else if (r->state == ACCORD_UNSURE)
        fprintf(stderr, "accord: unsure: this node cannot know whether its copy is current; "
                        "accord status says why\n");
    return output_done();
}

int verb_get(int argc, char **argv)
{
    struct accord *a = NULL;
    struct accord_result r;
    struct owned value = {NULL, 0};
    struct asked asked;
    uint64_t within_ms = ACCORD_FOREVER;
    const struct flag flags[] = {{"--max-stale", FLAG_MS, &within_ms}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.word_count != 1)
        return usage_error("get", "one key is expected");
    const char *key = asked.words[0];
    code = client_open(&a, &asked, NULL);
    if (code != EXIT_OK) /* a node that hangs cannot know either: read the origin */
        return code == EXIT_TIMEOUT ? EXIT_UNSURE : code;
    int status = get_all(a, key, within_ms, &value, &r);
    if (status == ACCORD_E_INVALID)
        code = fail(EXIT_USAGE, "a key has 1 to %d bytes", ACCORD_KEY_BYTES_MAX);
    else if (status != ACCORD_OK)
        code = client_fail(status);
    else
        code = asked.json ? print_json(key, &value, &r) : print_value(key, &value, &r);
    if (status == ACCORD_OK && code == EXIT_OK)
        code = code_of(&r);
    free(value.data);
    accord_close(a);
    return code;
}
