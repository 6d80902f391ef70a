/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { IN_BYTES = 16 * 1024, OUT_BYTES = 4 * 1024, NODES = 64, HEAD_BYTES_MAX = 32 };

uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void link_init(struct link *c)
{
    *c = (struct link){.fd = -1};
}

static void drop_fds(struct link *c)
{
    while (c->fd_count > 0)
        close(c->fds[--c->fd_count]);
}

void link_done(struct link *c)
{
    drop_fds(c);
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    free(c->out);
    free(c->nodes);
    link_init(c);
}

void link_trim(struct link *c)
{
    ASSERT(link_is_settled(c));
    c->in_at = c->in_end = c->out_end = 0;
    if (c->in_room > LINK_KEEP_BYTES) {
        free(c->in);
        c->in = NULL;
        c->in_room = 0;
    }
    if (c->out_room > LINK_KEEP_BYTES) {
        free(c->out);
        c->out = NULL;
        c->out_room = 0;
    }
    drop_fds(c);
}

/* Makes room for `need` more bytes at the end of a buffer. */
static int grow(uint8_t **buffer, size_t *room, size_t end, size_t need, size_t least)
{
    size_t wanted = *room > 0 ? *room : least;

    while (wanted - end < need)
        wanted *= 2;
    if (wanted == *room)
        return ACCORD_OK;
    uint8_t *larger = realloc(*buffer, wanted);
    if (!larger)
        return ACCORD_E_NOMEM;
    *buffer = larger;
    *room = wanted;
    return ACCORD_OK;
}

int link_socket(struct link *c)
{
    ASSERT(c->fd < 0);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return c->fd < 0 ? ACCORD_E_IO : ACCORD_OK;
}

static int connect_failed(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return ACCORD_E_DENIED;
    case EAGAIN: /* the daemon's queue stayed full for all of SO_SNDTIMEO */
    case EINTR:
        return ACCORD_E_TIMEOUT;
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPROTOTYPE:
        return ACCORD_E_DOWN;
    default:
        return ACCORD_E_IO;
    }
}

int link_connect(struct link *c, const char *path, uint64_t deadline_ns)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);

    if (size == 0 || size >= sizeof address.sun_path)
        return ACCORD_E_INVALID;
    memcpy(address.sun_path, path, size + 1);
    for (;;) {
        /* A blocking connect() waits for room in the daemon's queue, and no longer than this.
         */
        uint64_t left_us = u64_sub_sat(deadline_ns, monotonic_ns()) / 1000;
        if (left_us == 0)
            return ACCORD_E_TIMEOUT;
        struct timeval wait = {.tv_sec = (time_t)u64_min(left_us / 1000000, 1000000),
                               .tv_usec = (suseconds_t)(left_us % 1000000)};
        (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
        if (connect(c->fd, (struct sockaddr *)&address, sizeof address) == 0 ||
            errno == EISCONN)
            return ACCORD_OK;
        if (errno != EINTR)
            return connect_failed(errno);
    }
}

bool link_is_settled(const struct link *c)
{
    return c->in_at == c->in_end;
}

bool link_is_idle(const struct link *c)
{
    char byte;

    return c->fd >= 0 && link_is_settled(c) &&
           recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EINTR);
}

static int wait_for(int fd, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now_ns = monotonic_ns();
        uint64_t left_ms = now_ns < deadline_ns ? (deadline_ns - now_ns) / NS_PER_MS + 1 : 0;
        struct pollfd wanted = {.fd = fd, .events = events};
        int n = poll(&wanted, 1, (int)u64_min(left_ms, 1 << 30));
        if (n > 0)
            return ACCORD_OK;
        if (n == 0 && monotonic_ns() >= deadline_ns)
            return ACCORD_E_TIMEOUT;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return ACCORD_E_IO;
    }
}

int link_wait(const struct link *c, uint64_t deadline_ns)
{
    return wait_for(c->fd, POLLIN, deadline_ns);
}

static int append(struct link *c, struct bytes data)
{
    if (grow(&c->out, &c->out_room, c->out_end, data.size_bytes, OUT_BYTES) != ACCORD_OK)
        return ACCORD_E_NOMEM;
    if (data.size_bytes > 0)
        memcpy(c->out + c->out_end, data.data, data.size_bytes);
    c->out_end += data.size_bytes;
    return ACCORD_OK;
}

static int append_head(struct link *c, char kind, size_t number)
{
    char head[HEAD_BYTES_MAX];
    int size = snprintf(head, sizeof head, "%c%zu\r\n", kind, number);

    return append(c, bytes_of(head, (size_t)size));
}

static int format_command(struct link *c, const struct bytes *args, size_t count)
{
    int status = append_head(c, '*', count);

    for (size_t i = 0; i < count && status == ACCORD_OK; i++) {
        status = append_head(c, '$', args[i].size_bytes);
        if (status == ACCORD_OK)
            status = append(c, args[i]);
        if (status == ACCORD_OK)
            status = append(c, bytes_of_text("\r\n"));
    }
    return status;
}

/* `passed` travels with the first byte; -1: nothing does. */
static ssize_t send_some(const struct link *c, size_t sent, int passed)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {c->out + sent, c->out_end - sent};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

    if (passed >= 0 && sent == 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof passed);
        memcpy(CMSG_DATA(&control.head), &passed, sizeof passed);
    }
    return sendmsg(c->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int link_send(struct link *c, const struct bytes *args, size_t count, uint64_t deadline_ns)
{
    return link_send_fd(c, args, count, -1, deadline_ns);
}

int link_send_fd(struct link *c, const struct bytes *args, size_t count, int fd,
                 uint64_t deadline_ns)
{
    size_t sent = 0;

    if (count == 0 || count > LINK_ARGS_MAX)
        return ACCORD_E_INVALID;
    c->out_end = 0;
    if (format_command(c, args, count) != ACCORD_OK)
        return ACCORD_E_NOMEM;
    while (sent < c->out_end) {
        ssize_t n = send_some(c, sent, fd);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) {
            int status = wait_for(c->fd, POLLOUT, deadline_ns);
            if (status != ACCORD_OK)
                return status;
        } else if (errno != EINTR) {
            return ACCORD_E_DOWN;
        }
    }
    return ACCORD_OK;
}

/* Descriptors beyond what fits are closed here, or a hostile daemon would use up ours. */
static void take_fds(struct link *c, struct msghdr *message)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (c->fd_count < LINK_FDS_MAX)
                c->fds[c->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

static int read_some(struct link *c, uint64_t deadline_ns)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 8)];
    } control;

    for (;;) {
        struct iovec into = {.iov_base = c->in + c->in_end, .iov_len = c->in_room - c->in_end};
        struct msghdr message = {.msg_iov = &into,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof control};
        ssize_t n = recvmsg(c->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n > 0) {
            take_fds(c, &message);
            c->in_end += (size_t)n;
            return ACCORD_OK;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return ACCORD_E_DOWN;
        if (errno == EAGAIN) {
            int status = wait_for(c->fd, POLLIN, deadline_ns);
            if (status != ACCORD_OK)
                return status;
        }
    }
}

static int more_nodes(struct link *c)
{
    size_t wanted = c->nodes_room > 0 ? c->nodes_room * 2 : NODES;
    struct reply_node *larger = realloc(c->nodes, wanted * sizeof *larger);

    if (!larger)
        return ACCORD_E_NOMEM;
    c->nodes = larger;
    c->nodes_room = wanted;
    return ACCORD_OK;
}

/* What was parsed gives way, so that a reply always begins at the buffer's start. */
static void close_up(struct link *c)
{
    if (c->in_at == 0)
        return;
    if (c->in_end > c->in_at)
        memmove(c->in, c->in + c->in_at, c->in_end - c->in_at);
    c->in_end -= c->in_at;
    c->in_at = 0;
}

int link_receive(struct link *c, uint64_t deadline_ns, const struct reply_node **out)
{
    size_t need = 1, count, used = 0;

    close_up(c);
    for (;;) {
        int status = ACCORD_E_ABSENT;
        if (c->nodes_room == 0 && more_nodes(c) != ACCORD_OK)
            return ACCORD_E_NOMEM;
        if (c->in_end >= need)
            status =
                reply_parse(bytes_of(c->in, c->in_end), c->nodes, c->nodes_room, &count, &used);
        if (status == ACCORD_OK)
            break;
        if (status == ACCORD_E_FULL)
            status = more_nodes(c);
        else if (status == ACCORD_E_ABSENT) {
            need = u64_max(need, used);
            status = grow(&c->in, &c->in_room, c->in_end, need - c->in_end, IN_BYTES);
            if (status == ACCORD_OK)
                status = read_some(c, deadline_ns);
        }
        if (status != ACCORD_OK)
            return status;
    }
    c->in_at = used;
    *out = c->nodes;
    return ACCORD_OK;
}
