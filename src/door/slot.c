/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/connection.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 16 };

static struct slot *at(const struct connection *c, uint64_t id)
{
    return &c->slots[id & (c->slot_capacity - 1)];
}

bool slots_empty(const struct connection *c)
{
    return c->slot_first == c->slot_next;
}

struct slot *slot_find(struct connection *c, uint64_t id)
{
    return id >= c->slot_first && id < c->slot_next ? at(c, id) : NULL;
}

static bool grow(struct connection *c)
{
    uint32_t capacity = c->slot_capacity > 0 ? 2 * c->slot_capacity : SLOTS_FIRST;
    struct slot *slots = malloc(capacity * sizeof *slots);

    if (!slots)
        return false;
    for (uint64_t id = c->slot_first; id < c->slot_next; id++)
        slots[id & (capacity - 1)] = *at(c, id);
    free(c->slots);
    c->slots = slots;
    c->slot_capacity = capacity;
    return true;
}

/* A slot at the end of the line; zeroed. */
static struct slot *append(struct connection *c)
{
    if (c->slot_next - c->slot_first == c->slot_capacity && !grow(c)) {
        connection_doom(c, "out of memory");
        return NULL;
    }
    struct slot *s = at(c, c->slot_next);
    memset(s, 0, sizeof *s);
    s->id = c->slot_next++;
    return s;
}

struct slot *slot_new(struct connection *c, slot_finish finish, uint32_t requests)
{
    ASSERT(requests > 0);
    struct slot *s = append(c);
    if (!s)
        return NULL;
    s->finish = finish;
    s->waiting = requests;
    s->mute = c->mute_command;
    return s;
}

void slot_prepare(struct connection *c, struct slot *s, struct bytes bytes)
{
    struct buffer *sink = c->sink;

    c->sink = &c->held;
    s->offset = c->held.bytes;
    reply_raw(c, bytes);
    s->bytes = c->held.bytes - s->offset;
    c->sink = sink;
}

struct bytes slot_prepared(const struct connection *c, const struct slot *s)
{
    return bytes_of(c->held.data + s->offset, s->bytes);
}

/* Moves what is ready at the head of the line to the output. */
static void emit(struct connection *c)
{
    struct buffer *sink = c->sink;

    c->sink = &c->out;
    while (c->slot_first < c->slot_next && at(c, c->slot_first)->done) {
        struct slot *s = at(c, c->slot_first++);
        if (s->mute)
            continue;
        if (s->attach && s->bytes > 0)
            c->attach_at = c->out.bytes;
        reply_raw(c, slot_prepared(c, s));
    }
    c->sink = sink;
    if (!slots_empty(c))
        return;
    c->held.bytes = 0;
    buffer_release(c->door, &c->held);
    if (c->slot_capacity > SLOTS_FIRST) {
        free(c->slots);
        c->slots = NULL;
        c->slot_capacity = 0;
    }
}

size_t sink_begin(struct connection *c)
{
    c->sink = slots_empty(c) ? &c->out : &c->held;
    return c->sink->bytes;
}

void sink_end(struct connection *c, size_t start)
{
    size_t bytes = c->sink->bytes - start;
    bool attach = c->attaching;

    c->attaching = false;
    if (bytes == 0)
        return;
    if (c->sink == &c->out) {
        c->attach_at = attach ? start : c->attach_at;
        return;
    }
    struct slot *last = at(c, c->slot_next - 1);
    if (last->done && !last->attach && !attach && !last->mute &&
        last->offset + last->bytes == start) {
        last->bytes += bytes;
        return;
    }
    struct slot *s = append(c);
    if (!s)
        return;
    s->done = true;
    s->attach = attach;
    s->offset = start;
    s->bytes = bytes;
}

void slot_submit(struct connection *c, uint64_t slot_id, struct request *r)
{
    r->client = c->client;
    r->id = slot_id;
    c->requested = true;
    c->door->host->submit(c->door->host->node, r, 1);
}

/* The first failure is kept: it becomes the reply once all requests are answered. */
static void fail(struct connection *c, struct slot *s, const struct reply *reply)
{
    s->status = reply->status;
    s->error_offset = c->held.bytes;
    if (reply->is_strict)
        reply_strict_unknown(c, reply);
    else
        reply_status(c, reply->status, reply->why_text);
    s->error_bytes = c->held.bytes - s->error_offset;
}

bool slot_failed(struct connection *c, const struct slot *s)
{
    if (s->status == ACCORD_OK)
        return false;
    c->door->counts.errors++;
    reply_kept(c, s->error_offset, s->error_bytes);
    return true;
}

static void complete(struct connection *c, struct slot *s, size_t start)
{
    s->offset = start;
    s->bytes = c->held.bytes - start;
    s->done = true;
    if (s->barrier)
        c->barriers--;
    if (s->id == c->slot_first)
        emit(c);
    connection_touch(c);
}

/* It is its turn, and all there is to say is OK: that needs no place to wait in. */
static bool is_plain(const struct connection *c, const struct slot *s,
                     const struct reply *reply)
{
    return s->finish == finish_ok && s->id == c->slot_first && s->waiting == 1 &&
           s->status == ACCORD_OK && reply->status == ACCORD_OK && !s->mute && !s->barrier;
}

static void answer_plainly(struct connection *c)
{
    struct buffer *sink = c->sink;

    c->sink = &c->out;
    reply_ok(c);
    c->sink = sink;
    c->slot_first++;
    emit(c);
    connection_touch(c);
}

void slot_answer(struct connection *c, struct slot *s, const struct reply *reply)
{
    struct buffer *sink = c->sink;
    uint64_t id = s->id;

    ASSERT(!s->done);
    ASSERT(s->waiting > 0);
    if (is_plain(c, s, reply)) {
        answer_plainly(c);
        return;
    }
    c->sink = &c->held;
    if (reply->status != ACCORD_OK && s->status == ACCORD_OK)
        fail(c, s, reply);
    s->number += reply->count;
    if (reply->has_position && (!s->has_position || reply->position.value > s->position.value))
        s->position = reply->position;
    s->has_position |= reply->has_position;
    if (--s->waiting == 0) {
        size_t start = c->held.bytes;
        s->finish(c, s, reply);
        s = slot_find(c, id); /* it may have submitted again, and been answered */
        if (s && !s->done && s->waiting == 0)
            complete(c, s, start);
    }
    c->sink = sink;
}
