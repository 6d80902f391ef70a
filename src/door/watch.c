/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* watch.c - ACCORD.WATCH: one push for every applied change. */
#include "door/connection.h"
#include "wire/glob.h"

#include <stdio.h>
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

/* What a watcher has been told of the cache: by which daemon, and how often. */
static void print_mark(const struct resp_door *d, char text[64])
{
    struct id128 id = d->host->reader->incarnation;

    snprintf(text, 64, "%016llx%016llx.%llu", (unsigned long long)id.high,
             (unsigned long long)id.low, (unsigned long long)d->told.count);
}

static void write_push(struct connection *c, const char *op, const struct change *change,
                       struct position p)
{
    reply_push(c, 6);
    reply_text(c, "accord.change");
    reply_text(c, op);
    reply_bulk(c, change->key);
    reply_bulk(c, change->origin);
    reply_integer(c, change->soft);
    reply_position_bulk(c, p);
    c->door->counts.pushes++;
}

/* To who watched before, a daemon that has gone or this one, what it cannot have been told. */
static void catch_up(struct connection *c, struct bytes since, const char *mark)
{
    const struct watch_told *told = &c->door->told;
    const struct change change = {.key = bytes_of_text(told->why)};

    if (since.size_bytes > 0 && !bytes_equal(since, bytes_of_text(mark)) && told->op)
        write_push(c, told->op, &change, told->position);
}

void command_ACCORD_WATCH(struct connection *c, const struct bytes *args, size_t count)
{
    const struct door_host *host = c->door->host;
    struct bytes pattern = count > 1 ? args[1] : bytes_of_text("*");
    bool since = count == 4 && word_is(args[2], "since");
    struct core_status status;
    char mark[64];

    if (count > 2 && !since) {
        reply_error(c, "ERR syntax error: ACCORD.WATCH [pattern [SINCE mark]]");
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
    reply_array(c, since ? 4 : 3);
    reply_text(c, "accord.watch");
    reply_bulk(c, pattern);
    reply_position_bulk(c, (struct position){status.cursor.epoch, status.cursor.position});
    if (!since)
        return;
    print_mark(c->door, mark);
    reply_text(c, mark);
    catch_up(c, args[3], mark);
}

static void push(struct connection *c, const char *op, const struct change *change,
                 struct position p)
{
    struct buffer *sink = c->sink;
    size_t start = sink_begin(c);

    write_push(c, op, change, p);
    sink_end(c, start);
    c->sink = sink;
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

void resp_door_dropped(struct resp_door *d, const char *why, struct position position)
{
    const struct change drop = {.key = bytes_of_text(why)};

    d->told.op = NULL; /* until it is known from where on changes apply */
    push_all(d, "drop", &drop, position);
}

static void tell_start(struct resp_door *d, const char *op, const char *why,
                       struct position position)
{
    const struct change change = {.key = bytes_of_text(why)};

    d->told.count++;
    d->told.op = op;
    snprintf(d->told.why, sizeof d->told.why, "%s", why);
    d->told.position = position;
    push_all(d, op, &change, position);
}

void resp_door_cold(struct resp_door *d, const char *why, struct position position)
{
    tell_start(d, "cold-boot", why, position);
}

void resp_door_warm(struct resp_door *d, const char *why, struct position position)
{
    tell_start(d, "warm", why, position);
}
