/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/chp_sockets.h"

#include "base/limits.h"

#if __has_include(<zmq.h>)

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    SOCKETS = 3,
    PENDING_SNAPSHOT = 1000, /* messages on their way to one client of the ROUTER */
    PENDING_IN = 1000,       /* messages of one client that we have not taken */
    LINGER_MS = 100,         /* what was sent may still go out after the end */
};

struct chp_sockets {
    void *context;
    void *socket[SOCKETS];
    int fd[SOCKETS];
    zmq_msg_t parts[CHP_RECEIVED_MAX]; /* of the message received last */
    size_t part_count;
};

PRINTF_LIKE(3, 4)
static int fail(char why[NET_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, NET_WHY_BYTES_MAX, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- life ----------------------------------------------------------------------------- */

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool limit(void *socket, enum chp_socket which)
{
    const int64_t frame_max = (int64_t)CHP_FRAME_BYTES_MAX;
    int out = which == CHP_UPDATES ? CHP_UPDATES_MAX : PENDING_SNAPSHOT;

    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0 &&
           set_int(socket, ZMQ_SNDHWM, out) && set_int(socket, ZMQ_RCVHWM, PENDING_IN) &&
           set_int(socket, ZMQ_LINGER, LINGER_MS) && set_int(socket, ZMQ_IPV6, 1) &&
           set_int(socket, ZMQ_TCP_KEEPALIVE, 1);
}

static bool set_up(struct chp_sockets *s, enum chp_socket which, int type)
{
    size_t bytes = sizeof s->fd[which];
    void *socket = zmq_socket(s->context, type);

    s->socket[which] = socket;
    return socket && limit(socket, which) &&
           (type != ZMQ_ROUTER || set_int(socket, ZMQ_ROUTER_MANDATORY, 1)) &&
           (type != ZMQ_SUB || zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0) == 0) &&
           zmq_getsockopt(socket, ZMQ_FD, &s->fd[which], &bytes) == 0;
}

static int bind_all(struct chp_sockets *s, const struct chp_address *a,
                    char why[NET_WHY_BYTES_MAX])
{
    static const char *const what[] = {"snapshots", "updates", "what clients set"};
    char endpoint[96];

    for (int i = 0; i < SOCKETS; i++) {
        int port = a->port + i;
        snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", a->host, port);
        if (zmq_bind(s->socket[i], endpoint) == 0)
            continue;
        int error = errno;
        if (error == EADDRINUSE)
            return fail(
                why, ACCORD_E_CONFLICT,
                "%s: port %d, for %s, is in use: CHP takes three ports, here %d to %d; stop "
                "what listens there (ss -ltnp), or give a port of which all three are free",
                a->text, port, what[i], a->port, a->port + SOCKETS - 1);
        return fail(why, error == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO, "%s: port %d: %s",
                    a->text, port, zmq_strerror(error));
    }
    return ACCORD_OK;
}

int chp_sockets_new(struct chp_sockets **out, const struct chp_address *address,
                    char why[NET_WHY_BYTES_MAX])
{
    struct chp_sockets *s = calloc(1, sizeof *s);

    if (!s)
        return fail(why, ACCORD_E_NOMEM, "%s: out of memory", address->text);
    s->context = zmq_ctx_new();
    bool made = s->context && set_up(s, CHP_SNAPSHOTS, ZMQ_ROUTER) &&
                set_up(s, CHP_UPDATES, ZMQ_PUB) &&
                set_up(s, CHP_COLLECTOR, address->push ? ZMQ_PULL : ZMQ_SUB);
    int status =
        made ? bind_all(s, address, why)
             : fail(why, ACCORD_E_IO, "%s: libzmq: %s", address->text, zmq_strerror(errno));
    if (status != ACCORD_OK) {
        chp_sockets_free(s);
        return status;
    }
    *out = s;
    return ACCORD_OK;
}

static void drop_parts(struct chp_sockets *s)
{
    while (s->part_count > 0)
        zmq_msg_close(&s->parts[--s->part_count]);
}

void chp_sockets_free(struct chp_sockets *s)
{
    if (!s)
        return;
    drop_parts(s);
    for (int i = 0; i < SOCKETS; i++) {
        if (s->socket[i])
            zmq_close(s->socket[i]);
    }
    while (s->context && zmq_ctx_term(s->context) != 0 && errno == EINTR)
        ;
    free(s);
}

int chp_sockets_fd(const struct chp_sockets *s, enum chp_socket which)
{
    return s->fd[which];
}

/* ---- messages ------------------------------------------------------------------------- */

/* Takes one frame. False: there is none. *more: the message goes on. */
static bool take_part(void *socket, zmq_msg_t *part, bool *more)
{
    int got;

    zmq_msg_init(part);
    do
        got = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        zmq_msg_close(part);
        return false;
    }
    *more = zmq_msg_more(part) != 0;
    return true;
}

size_t chp_receive(struct chp_sockets *s, enum chp_socket which,
                   struct bytes frames[CHP_RECEIVED_MAX])
{
    bool more = true;
    zmq_msg_t rest;

    drop_parts(s);
    while (more && s->part_count < CHP_RECEIVED_MAX &&
           take_part(s->socket[which], &s->parts[s->part_count], &more)) {
        zmq_msg_t *part = &s->parts[s->part_count];
        frames[s->part_count++] = bytes_of(zmq_msg_data(part), zmq_msg_size(part));
    }
    while (more && s->part_count == CHP_RECEIVED_MAX &&
           take_part(s->socket[which], &rest, &more))
        zmq_msg_close(&rest);
    return s->part_count;
}

static int send_part(void *socket, struct bytes part, bool more)
{
    int sent;

    do
        sent = zmq_send(socket, part.data, part.size_bytes,
                        ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? errno : 0;
}

int chp_send(struct chp_sockets *s, struct bytes client, const struct bytes *frames,
             size_t count)
{
    void *socket = s->socket[CHP_SNAPSHOTS];
    int error = send_part(socket, client, /* more= */ true);

    /* With its first frame a message is accepted whole. */
    for (size_t i = 0; i < count && error == 0; i++)
        error = send_part(socket, frames[i], i + 1 < count);
    if (error == 0)
        return ACCORD_OK;
    return error == EAGAIN ? ACCORD_E_BUSY : ACCORD_E_GONE;
}

void chp_publish(struct chp_sockets *s, const struct bytes *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)send_part(s->socket[CHP_UPDATES], frames[i], i + 1 < count);
}

void chp_subscribed(struct chp_sockets *s)
{
    int events;
    size_t bytes = sizeof events;

    /* It reads what came; sending looks only now and then. */
    (void)zmq_getsockopt(s->socket[CHP_UPDATES], ZMQ_EVENTS, &events, &bytes);
}

#endif
