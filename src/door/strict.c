/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* strict.c - what a strict removal answers: all nodes by name, however many there are. */
#include "door/connection.h"

#include <stdio.h>

enum {
    LABEL_BYTES_MAX = NODE_NAME_BYTES_MAX + 16,
    ERROR_HEAD_BYTES_MAX = 64,
    /* Three lists at most, each node in one of them. */
    ERROR_BYTES_MAX = ERROR_HEAD_BYTES_MAX + MEMBERS_MAX * (LABEL_BYTES_MAX + 2)
};

/* Names come from the log, so they may hold anything; what could be taken for a separator, or
 * for the end of the line, becomes '?'. */
static void label_of(const struct core_standing *s, char label[LABEL_BYTES_MAX])
{
    size_t n = 0;

    for (const char *p = s->name; *p && n < NODE_NAME_BYTES_MAX; p++) {
        bool plain = *p > 0x20 && *p < 0x7f && *p != ',' && *p != ';' && *p != '#';
        label[n++] = plain ? *p : '?';
    }
    label[n] = '\0';
    if (s->ambiguous)
        snprintf(label + n, LABEL_BYTES_MAX - n, "#%08x",
                 (unsigned)(s->incarnation.high >> 32));
}

static size_t count_of(const struct connection *c, const struct reply *reply,
                       enum standing standing)
{
    struct core_standing s;
    size_t at = 0, count = 0;

    while (core_standing(c->door->host->core, reply, &at, &s))
        count += s.standing == standing;
    return count;
}

static void reply_labels(struct connection *c, const struct reply *reply,
                         enum standing standing)
{
    char label[LABEL_BYTES_MAX];
    struct core_standing s;
    size_t at = 0;

    reply_array(c, count_of(c, reply, standing));
    while (core_standing(c->door->host->core, reply, &at, &s)) {
        if (s.standing != standing)
            continue;
        label_of(&s, label);
        reply_text(c, label);
    }
}

void reply_strict(struct connection *c, const struct reply *reply, struct position position)
{
    reply_map(c, 3);
    reply_text(c, "position");
    reply_position(c, position);
    reply_text(c, "confirmed");
    reply_labels(c, reply, STANDING_CONFIRMED);
    reply_text(c, "lapsed");
    reply_labels(c, reply, STANDING_LAPSED);
}

static void put(struct connection *c, const char *text)
{
    reply_raw(c, bytes_of_text(text));
}

/* "not confirmed by web2, web3"; nothing where nobody stands so. */
static bool put_list(struct connection *c, const struct reply *reply, enum standing standing,
                     const char *before)
{
    char label[LABEL_BYTES_MAX];
    struct core_standing s;
    size_t at = 0, count = 0;

    while (core_standing(c->door->host->core, reply, &at, &s)) {
        if (s.standing != standing)
            continue;
        label_of(&s, label);
        put(c, count++ > 0 ? ", " : before);
        put(c, label);
    }
    return count > 0;
}

void reply_strict_unknown(struct connection *c, const struct reply *reply)
{
    char why[256];
    size_t bytes = c->sink->bytes;

    put(c, "-TIMEOUT unknown: ");
    if (!put_list(c, reply, STANDING_UNKNOWN, "not confirmed by ")) {
        snprintf(why, sizeof why, "%s", reply->why_text ? reply->why_text : "");
        put(c, why);
    }
    put_list(c, reply, STANDING_CONFIRMED, "; confirmed by ");
    put_list(c, reply, STANDING_LAPSED, "; lapsed: ");
    put(c, "\r\n");
    ASSERT(c->doomed || c->sink->bytes - bytes < ERROR_BYTES_MAX + sizeof why);
}
