/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/chp_peer.h"

#include "base/limits.h"

#if __has_include(<zmq.h>)

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum {
    PENDING_MAX = 64, /* messages: it is asked one thing at a time */
    RECONNECT_MS = 20,
    RECONNECT_MS_MAX = 500,
    HEARTBEAT_MS = 1000, /* a cable that was pulled */
    HEARTBEAT_TIMEOUT_MS = 3000,
};

struct chp_peer {
    void *context, *socket;
    int fd;
    zmq_msg_t parts[CHP_RECEIVED_MAX]; /* of the message received last */
    size_t part_count;
};

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool connect_to(struct chp_peer *p, const struct chp_address *a)
{
    const int64_t frame_max = (int64_t)CHP_FRAME_BYTES_MAX;
    size_t bytes = sizeof p->fd;
    char endpoint[96];

    snprintf(endpoint, sizeof endpoint, "tcp://%s:%u", a->host, a->port);
    p->context = zmq_ctx_new();
    p->socket = p->context ? zmq_socket(p->context, ZMQ_DEALER) : NULL;
    return p->socket && set_int(p->socket, ZMQ_LINGER, 0) && set_int(p->socket, ZMQ_IPV6, 1) &&
           zmq_setsockopt(p->socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0 &&
           set_int(p->socket, ZMQ_IMMEDIATE, 1) &&
           set_int(p->socket, ZMQ_SNDHWM, PENDING_MAX) &&
           set_int(p->socket, ZMQ_RCVHWM, PENDING_MAX) &&
           set_int(p->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(p->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) &&
           set_int(p->socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
           set_int(p->socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) &&
           zmq_getsockopt(p->socket, ZMQ_FD, &p->fd, &bytes) == 0 &&
           zmq_connect(p->socket, endpoint) == 0;
}

struct chp_peer *chp_peer_new(const struct chp_address *address)
{
    struct chp_peer *p = calloc(1, sizeof *p);

    if (p && connect_to(p, address))
        return p;
    chp_peer_free(p);
    return NULL;
}

static void drop_parts(struct chp_peer *p)
{
    while (p->part_count > 0)
        zmq_msg_close(&p->parts[--p->part_count]);
}

void chp_peer_free(struct chp_peer *p)
{
    if (!p)
        return;
    drop_parts(p);
    if (p->socket)
        zmq_close(p->socket);
    while (p->context && zmq_ctx_term(p->context) != 0 && errno == EINTR)
        ;
    free(p);
}

int chp_peer_fd(const struct chp_peer *p)
{
    return p->fd;
}

bool chp_peer_say(struct chp_peer *p, const struct bytes *frames, size_t count)
{
    for (size_t i = 0; i < count;) {
        int flags = ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0);
        if (zmq_send(p->socket, frames[i].data, frames[i].size_bytes, flags) >= 0)
            i++; /* with its first frame a message is accepted whole */
        else if (errno != EINTR)
            return false;
    }
    return true;
}

/* Takes one frame. False: there is none. */
static bool take_part(struct chp_peer *p, zmq_msg_t *part)
{
    int got;

    zmq_msg_init(part);
    do
        got = zmq_msg_recv(part, p->socket, ZMQ_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        zmq_msg_close(part);
    return got >= 0;
}

size_t chp_peer_receive(struct chp_peer *p, struct bytes frames[CHP_RECEIVED_MAX])
{
    bool more = true;
    zmq_msg_t rest;

    drop_parts(p);
    while (more) {
        bool kept = p->part_count < CHP_RECEIVED_MAX;
        zmq_msg_t *part = kept ? &p->parts[p->part_count] : &rest;
        if (!take_part(p, part))
            break;
        more = zmq_msg_more(part) != 0;
        if (kept)
            frames[p->part_count++] = bytes_of(zmq_msg_data(part), zmq_msg_size(part));
        else
            zmq_msg_close(&rest);
    }
    return p->part_count;
}

#else

struct chp_peer *chp_peer_new(const struct chp_address *address)
{
    (void)address;
    return NULL;
}

void chp_peer_free(struct chp_peer *p)
{
    ASSERT(!p);
}

int chp_peer_fd(const struct chp_peer *p)
{
    ASSERT(!p);
    return -1;
}

bool chp_peer_say(struct chp_peer *p, const struct bytes *frames, size_t count)
{
    (void)frames;
    (void)count;
    ASSERT(!p);
    return false;
}

size_t chp_peer_receive(struct chp_peer *p, struct bytes frames[CHP_RECEIVED_MAX])
{
    (void)frames;
    ASSERT(!p);
    return 0;
}

#endif
