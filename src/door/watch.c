/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* watch.c - ACCORD.WATCH: one push for every applied change. */
#include "door/connection.h"
#include "wire/glob.h"

#include <stdlib.h>

void watch_end(struct connection *c)
{
    struct resp_door *d = c->door;

    if (!c->watching)
        return;
    if (c->watch_previous)
        c->watch_previous->watch_next = c->watch_next;
    else
        d->watchers = c->watch_next;
    if (c->watch_next)
        c->watch_next->watch_previous = c->watch_previous;
    c->watch_next = c->watch_previous = NULL;
    free((void *)(uintptr_t)c->watch.data);
    c->watch = bytes_of(NULL, 0);
    c->watching = false;
    d->counts.watchers--;
}

static bool watch_begin(struct connection *c, struct bytes pattern)
{
    struct resp_door *d = c->door;
    uint8_t *copy = malloc(pattern.size_bytes + 1);

    if (!copy)
        return false;
    watch_end(c);
    if (pattern.size_bytes > 0)
        memcpy(copy, pattern.data, pattern.size_bytes);
    c->watch = bytes_of(copy, pattern.size_bytes);
    c->watch_next = d->watchers;
    if (c->watch_next)
        c->watch_next->watch_previous = c;
    d->watchers = c;
    c->watching = true;
    d->counts.watchers++;
    return true;
}

static void reply_position_bulk(struct connection *c, struct position p)
{
    char text[POSITION_TEXT_BYTES_MAX];

    position_print(p, text);
    reply_text(c, text);
}

void command_ACCORD_WATCH(struct connection *c, const struct bytes *args, size_t count)
{
    const struct door_host *host = c->door->host;
    struct bytes pattern = count > 1 ? args[1] : bytes_of_text("*");
    struct core_status status;

    if (count > 2) {
        reply_error(c, "ERR wrong number of arguments for 'accord.watch' command");
        return;
    }
    if (pattern.size_bytes > KEY_BYTES_MAX) {
        reply_error(c, "TOOLARGE a pattern of %zu bytes; at most %d", pattern.size_bytes,
                    KEY_BYTES_MAX);
        return;
    }
    if (!watch_begin(c, pattern)) {
        connection_doom(c, "out of memory");
        return;
    }
    core_status(host->core, reader_now_ns(host->reader), &status);
    reply_array(c, 3);
    reply_text(c, "accord.watch");
    reply_bulk(c, pattern);
    reply_position_bulk(c, (struct position){status.cursor.epoch, status.cursor.position});
}

static void push(struct connection *c, const char *op, const struct change *change,
                 struct position p)
{
    struct buffer *sink = c->sink;
    size_t start = sink_begin(c);

    reply_push(c, 6);
    reply_text(c, "accord.change");
    reply_text(c, op);
    reply_bulk(c, change->key);
    reply_bulk(c, change->origin);
    reply_integer(c, change->soft);
    reply_position_bulk(c, p);
    sink_end(c, start);
    c->sink = sink;
    c->door->counts.pushes++;
    if (output_pending(c) + c->held.bytes > OUTPUT_BYTES_MAX) {
        connection_doom_unread(c, "it watches, and does not read what it is told");
    }
    connection_touch(c);
}

static bool told(const struct connection *c, const struct change *change)
{
    return change->op != CHANGE_REMOVE || glob_match(c->watch, change->key);
}

void resp_door_applied(struct resp_door *d, const struct entry *entry, bool own, uint64_t epoch)
{
    const struct change *change = &entry->change;

    (void)own; /* who watches is another client than who removed */
    if (change->op == CHANGE_JOIN || change->op == CHANGE_LEAVE || change->op == CHANGE_BEAT)
        return;
    for (struct connection *c = d->watchers; c; c = c->watch_next) {
        if (!c->doomed && told(c, change))
            push(c, change_op_word(change->op), change,
                 (struct position){epoch, entry->position});
    }
}

static void push_all(struct resp_door *d, const char *op, const struct change *change,
                     struct position position)
{
    for (struct connection *c = d->watchers; c; c = c->watch_next) {
        if (!c->doomed)
            push(c, op, change, position);
    }
}

void resp_door_dropped(struct resp_door *d, struct position position)
{
    const struct change clear = {.op = CHANGE_CLEAR};

    push_all(d, change_op_word(CHANGE_CLEAR), &clear, position);
}

void resp_door_cold(struct resp_door *d, const char *why, struct position position)
{
    const struct change cold = {.key = bytes_of_text(why)};

    push_all(d, "cold-boot", &cold, position);
}
