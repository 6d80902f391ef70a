/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/connection.h"
#include "door/attach.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

size_t output_pending(const struct connection *c)
{
    return c->out.bytes - c->out.start;
}

static size_t input_left(const struct connection *c)
{
    return c->in.bytes - c->in.start;
}

/* Whether the next command may run. */
static bool runnable(const struct connection *c)
{
    return !c->doomed && !c->closing && c->barriers == 0 &&
           c->slot_next - c->slot_first < SLOTS_MAX && c->held.bytes < HELD_BYTES_MAX &&
           output_pending(c) < OUTPUT_PAUSED_BYTES;
}

/* A client that writes all before it reads anything must not be stopped from writing, or both
 * would wait for ever: while its replies are unread, its input is read on (to the limit where
 * it is closed). While its commands wait for the bus, it can wait too. */
static bool may_read(const struct connection *c)
{
    if (c->closing || c->half_closed)
        return false;
    return output_pending(c) >= OUTPUT_PAUSED_BYTES || input_left(c) < INPUT_PAUSED_BYTES ||
           runnable(c);
}

void connection_touch(struct connection *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->dirty_next = c->door->dirty;
    c->door->dirty = c;
    door_again(c->door);
}

void connection_doom(struct connection *c, const char *why)
{
    if (c->doomed)
        return;
    c->doomed = true;
    c->doom = why;
    memory_forget(c);
    connection_touch(c);
}

void connection_doom_unread(struct connection *c, const char *why)
{
    c->door->counts.closed_output += !c->doomed;
    connection_doom(c, why);
}

/* ---- input ---------------------------------------------------------------------------- */

static bool arguments_grow(struct connection *c)
{
    struct resp_argument *old = c->parser.arguments;
    uint32_t capacity = c->parser.capacity * 2;
    struct resp_argument *list = malloc(capacity * sizeof *list);

    if (!list) {
        connection_doom(c, "out of memory");
        return false;
    }
    memcpy(list, old, c->parser.capacity * sizeof *list);
    if (old != c->inline_arguments)
        free(old);
    c->parser.arguments = list;
    c->parser.capacity = capacity;
    return true;
}

static void arguments_shrink(struct connection *c)
{
    if (c->parser.capacity <= 4 * INLINE_ARGUMENTS)
        return;
    free(c->parser.arguments);
    c->parser.arguments = c->inline_arguments;
    c->parser.capacity = INLINE_ARGUMENTS;
}

static bool door_arguments(struct resp_door *d, size_t count)
{
    if (count <= d->argument_capacity)
        return true;
    struct bytes *list = realloc(d->arguments, count * sizeof *list);
    if (!list)
        return false;
    d->arguments = list;
    d->argument_capacity = count;
    return true;
}

static void run_command(struct connection *c, const uint8_t *data)
{
    struct resp_door *d = c->door;
    const struct resp_parser *p = &c->parser;
    bool dropped = false;

    if (!door_arguments(d, p->count)) {
        connection_doom(c, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < p->count; i++) {
        const struct resp_argument *a = &p->arguments[i];
        dropped |= a->dropped;
        d->arguments[i] = bytes_of(a->dropped ? NULL : data + a->offset, a->bytes);
    }
    command_dispatch(c, d->arguments, p->count, dropped);
}

/* What was taken to be run together. */
static void run_taken(struct connection *c)
{
    gets_run(c);
    sets_run(c);
}

static void refuse_input(struct connection *c, const char *problem)
{
    run_taken(c);
    size_t start = sink_begin(c);

    reply_error(c, "ERR %s", problem);
    sink_end(c, start);
    c->door->counts.protocol_errors++;
    c->closing = true;
}

static void refuse_command(struct connection *c)
{
    run_taken(c);
    size_t start = sink_begin(c);

    reply_error(c, "TOOLARGE a command of more than %d bytes", COMMAND_BYTES_MAX);
    sink_end(c, start);
    c->door->counts.protocol_errors++;
    c->closing = true;
}

/* Runs the commands in data[*start..*bytes), and moves *start past them. */
static void run_burst(struct connection *c, uint8_t *data, size_t *start, size_t *bytes)
{
    unsigned left = BURST_COMMANDS_MAX;

    c->running = true;
    c->again = false;
    while (*start < *bytes && runnable(c)) {
        size_t here = *bytes - *start;
        enum resp_outcome outcome = resp_parse(&c->parser, data + *start, &here);
        *bytes = *start + here;
        if (outcome == RESP_MORE) {
            if (here > COMMAND_BYTES_MAX)
                refuse_command(c);
            break;
        }
        if (outcome == RESP_GROW) {
            if (!arguments_grow(c))
                break;
            continue;
        }
        if (outcome == RESP_BROKEN) {
            refuse_input(c, resp_problem(&c->parser));
            break;
        }
        if (outcome == RESP_COMMAND && !gets_take(c, data + *start) &&
            !sets_take(c, data + *start)) {
            run_taken(c);
            run_command(c, data + *start);
        }
        *start += c->parser.position;
        resp_parser_next(&c->parser);
        arguments_shrink(c);
        if (--left == 0) {
            c->again = true;
            connection_touch(c);
            break;
        }
    }
    run_taken(c);
    c->running = false;
}

static void run_input(struct connection *c)
{
    run_burst(c, c->in.data, &c->in.start, &c->in.bytes);
    if (input_left(c) == 0)
        buffer_release(c->door, &c->in);
}

/* Keeps what the burst left of the shared input. */
static void keep(struct connection *c, const uint8_t *data, size_t bytes)
{
    if (bytes == 0)
        return;
    if (!buffer_room(c->door, &c->in, bytes)) {
        connection_doom(c, "out of memory");
        return;
    }
    memcpy(c->in.data + c->in.bytes, data, bytes);
    c->in.bytes += bytes;
}

/* Moves what is left to the front where that is cheap. */
static void compact(struct buffer *b)
{
    size_t left = b->bytes - b->start;

    if (b->start < BUFFER_BYTES || left > b->start)
        return;
    memmove(b->data, b->data + b->start, left);
    b->start = 0;
    b->bytes = left;
}

/* Where to receive to: the door's shared input, or behind what is there already. */
static uint8_t *input_room(struct connection *c, size_t *room)
{
    struct resp_door *d = c->door;
    size_t left = input_left(c);

    *room = INPUT_BYTES;
    if (left == 0)
        return d->input;
    compact(&c->in);
    size_t wanted = resp_wanted(&c->parser, left);
    *room = u64_max(wanted, BUFFER_BYTES);
    if (!buffer_room(d, &c->in, *room)) {
        connection_doom(c, "out of memory");
        return NULL;
    }
    memory_count(c);
    if (c->doomed)
        return NULL;
    *room = c->in.capacity - c->in.bytes;
    return c->in.data + c->in.bytes;
}

static void received(struct connection *c, uint8_t *data, size_t count)
{
    c->active_ms = uv_now(c->door->host->loop);
    c->door->counts.bytes_in += count;
    if (data == c->door->input) {
        size_t start = 0;
        run_burst(c, data, &start, &count);
        keep(c, data + start, count - start);
    } else {
        c->in.bytes += count;
        run_input(c);
    }
    connection_flush(c);
}

/* The client sends no more. It may still want its replies ("printf … | nc -N"), unless it is
 * gone altogether, which only a unix socket tells. */
static void input_ended(struct connection *c)
{
    struct pollfd p = {c->fd, 0, 0};

    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR))) {
        connection_end(c);
        return;
    }
    c->half_closed = true;
    connection_flush(c);
}

/* A unix client may pass a descriptor while one is wanted; at other times the kernel closes
 * what is passed. One is held at a time, whoever's: a client that floods us makes others come
 * again. */
static ssize_t receive_some(struct connection *c, uint8_t *data, size_t room)
{
    struct resp_door *d = c->door;
    int passed;

    if (c->tcp || !offer_is_wanted(d))
        return recv(c->fd, data, room, MSG_DONTWAIT);
    ssize_t n = attach_receive(c->fd, data, room, &passed);
    if (passed >= 0) {
        if (d->passed_fd >= 0)
            close(d->passed_fd);
        d->passed_fd = passed;
        d->passed_by = c->client;
    }
    return n;
}

static void receive(struct connection *c)
{
    size_t room;
    uint8_t *data = input_room(c, &room);

    if (!data) {
        connection_flush(c);
        return;
    }
    ssize_t n = receive_some(c, data, room);
    if (n > 0)
        received(c, data, (size_t)n);
    else if (n == 0)
        input_ended(c);
    else if (errno != EAGAIN && errno != EINTR)
        connection_end(c);
}

/* ---- output --------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *c = poll->data;

    if (status < 0) {
        connection_end(c);
        return;
    }
    if (events & UV_WRITABLE)
        connection_flush(c);
    if ((events & UV_READABLE) && c->fd >= 0)
        receive(c);
}

static void set_events(struct connection *c)
{
    int events = (may_read(c) ? UV_READABLE : 0) | (output_pending(c) > 0 ? UV_WRITABLE : 0);

    if (events == c->events)
        return;
    c->events = events;
    int status = events ? uv_poll_start(&c->poll, events, on_poll) : uv_poll_stop(&c->poll);
    if (status < 0)
        connection_doom(c, "out of memory");
}

static ssize_t send_some(struct connection *c)
{
    const struct door_host *host = c->door->host;
    const uint8_t *from = c->out.data + c->out.start;
    size_t end = c->out.bytes;

    if (c->attach_at == c->out.start) {
        ssize_t n =
            attach_send(c->fd, from, end - c->out.start, host->segment_fd, host->hints_fd);
        if (n > 0) {
            c->attach_at = SIZE_MAX;
            c->attach_under_way = false;
        }
        return n;
    }
    end = u64_min(end, c->attach_at);
    return send(c->fd, from, end - c->out.start, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Sends what can be sent now. */
static void send_output(struct connection *c)
{
    while (output_pending(c) > 0 && !c->doomed) {
        ssize_t n = send_some(c);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            connection_doom(c, NULL);
        if (n <= 0)
            break;
        c->out.start += (size_t)n;
        c->door->counts.bytes_out += (size_t)n;
        c->active_ms = uv_now(c->door->host->loop);
    }
    if (output_pending(c) == 0)
        buffer_release(c->door, &c->out);
    else if (c->attach_at == SIZE_MAX)
        compact(&c->out);
}

static bool over_limit(const struct connection *c)
{
    return output_pending(c) + input_left(c) > OUTPUT_BYTES_MAX &&
           output_pending(c) >= OUTPUT_PAUSED_BYTES;
}

void connection_flush(struct connection *c)
{
    if (c->fd < 0 || c->running)
        return;
    send_output(c);
    if (!c->again && input_left(c) > 0 && runnable(c)) {
        run_input(c);
        send_output(c);
    }
    if (over_limit(c))
        connection_doom_unread(c, "it does not read its replies");
    memory_count(c);
    bool drained = slots_empty(c) && output_pending(c) == 0 && !c->again;
    if (c->doomed || (drained && (c->closing || c->half_closed)))
        connection_end(c);
    else
        set_events(c);
}

/* ---- life ----------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct resp_door *d = c->door;

    c->handle_closed = true;
    if (!c->dirty) /* else the flusher, which has it in its list, frees it */
        free(c);
    door_handle_closed(d);
}

static void unlink_connection(struct connection *c)
{
    struct resp_door *d = c->door;

    if (c->previous)
        c->previous->next = c->next;
    else
        d->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    clients_remove(d, c);
    d->counts.clients--;
}

static void release(struct connection *c)
{
    struct resp_door *d = c->door;

    memory_forget(c);
    command_queue_drop(c);
    buffer_release(d, &c->in);
    buffer_release(d, &c->out);
    buffer_release(d, &c->held);
    misses_done(&c->misses);
    if (c->parser.arguments != c->inline_arguments)
        free(c->parser.arguments);
    free(c->slots);
    c->slots = NULL;
    c->slot_first = c->slot_next;
    free(c->name);
    free(c->library);
    free(c->library_version);
    c->name = c->library = c->library_version = NULL;
}

void connection_end(struct connection *c)
{
    struct resp_door *d = c->door;

    if (c->fd < 0)
        return;
    ASSERT(!c->running);
    if (c->doomed && c->doom)
        door_note(d, "client-closed", c->doom);
    uv_poll_stop(&c->poll);
    close(c->fd);
    c->fd = -1;
    c->doomed = true;
    watch_end(c);
    line_release(c);
    if (d->passed_fd >= 0 && d->passed_by == c->client) {
        close(d->passed_fd);
        d->passed_fd = -1;
    }
    unlink_connection(c);
    if (c->requested)
        d->host->gone(d->host->node, c->client);
    release(c);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    accept_resume(d);
}

void connection_reset(struct connection *c)
{
    command_queue_drop(c);
    watch_end(c);
    c->resp3 = c->mute = c->mute_next = false;
    c->authenticated = !c->tcp || !c->door->host->password;
    c->parser.unauthenticated = !c->authenticated;
    free(c->name);
    c->name = NULL;
}

static void peer_of(struct connection *c)
{
    struct ucred cred;
    socklen_t bytes = sizeof cred;

    c->pid = c->uid = -1;
    if (c->tcp || getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &bytes) != 0)
        return;
    c->pid = cred.pid;
    c->uid = cred.uid;
}

static void link_connection(struct connection *c)
{
    struct resp_door *d = c->door;

    c->next = d->connections;
    if (c->next)
        c->next->previous = c;
    d->connections = c;
    d->counts.clients++;
    d->counts.accepted++;
}

bool connection_new(struct resp_door *d, int fd, const struct listener *l, const char *peer)
{
    struct connection *c = calloc(1, sizeof *c);

    if (!c)
        goto out;
    c->door = d;
    c->fd = fd;
    c->tcp = l->tcp;
    c->line = -1;
    c->attach_at = SIZE_MAX;
    c->client = d->host->new_client(d->host->node);
    c->created_ms = c->active_ms = uv_now(d->host->loop);
    c->last_command = "NULL";
    c->sink = &c->out;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    snprintf(c->local, sizeof c->local, "%s", l->tcp ? l->address + 6 : l->path);
    resp_parser_init(&c->parser, c->inline_arguments, INLINE_ARGUMENTS, ARGUMENT_BYTES_MAX);
    connection_reset(c);
    peer_of(c);
    if (!clients_add(d, c))
        goto out;
    if (uv_poll_init(d->host->loop, &c->poll, fd) < 0) {
        clients_remove(d, c);
        goto out;
    }
    c->poll.data = c;
    d->handles++;
    link_connection(c);
    set_events(c);
    return true;
out:
    free(c);
    close(fd);
    return false;
}
