/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/link.h"

#include "net/time.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 16384,
    WORDS_SAID_MAX = 16,
    /* A peer that vanished without a word is noticed by these even where nobody asks. */
    KEEP_IDLE_S = 15,
    KEEP_INTERVAL_S = 5,
    KEEP_COUNT = 3,
};

void redis_link_init(struct redis_link *l)
{
    *l = (struct redis_link){.fd = -1};
}

void redis_link_close(struct redis_link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    redis_tls_free(l->tls);
    redisReaderFree(l->reader);
    l->fd = -1;
    l->tls = NULL;
    l->reader = NULL;
    l->expected = 0;
}

static int lost(struct redis_link *l, int status)
{
    redis_link_close(l);
    return status;
}

static int lost_by(struct redis_link *l, char why[BUS_WHY_BYTES_MAX], const char *what)
{
    (void)bus_fail(why, 0, "%s %s", l->peer, what);
    return lost(l, ACCORD_E_DOWN);
}

static int lost_by_tls(struct redis_link *l, int status, char why[BUS_WHY_BYTES_MAX])
{
    char said[BUS_WHY_BYTES_MAX];

    snprintf(said, sizeof said, "%s", why);
    (void)bus_fail(why, 0, "%s: %.300s", l->peer, said);
    return lost(l, status);
}

/* ppoll() until the deadline. 0: it passed. */
static int poll_until(struct pollfd *fds, nfds_t count, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t left_ns = u64_sub_sat(deadline_ns, time_monotonic_ns());
        struct timespec t = {(time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S)};
        int ready = ppoll(fds, count, &t, NULL);
        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

/* Names. The resolver has no time limit of its own: asked aside, it may be left behind. */

struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char host[256], port[8];
};

static int look_up_aside(struct lookup *q, uint64_t deadline_ns)
{
    struct gaicb *list[1] = {&q->request};

    if (getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) != 0)
        return EAI_AGAIN;
    for (;;) {
        uint64_t left_ns = u64_sub_sat(deadline_ns, time_monotonic_ns());
        struct timespec t = {(time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S)};
        int error = gai_error(&q->request);
        if (error != EAI_INPROGRESS)
            return error;
        if (left_ns == 0)
            return gai_cancel(&q->request) == EAI_CANCELED ? EAI_AGAIN : EAI_INPROGRESS;
        (void)gai_suspend((const struct gaicb *const *)list, 1, &t);
    }
}

/* The addresses of a server, to be freed with freeaddrinfo(). Negative: a status. */
static int look_up(const struct bus_url_server *server, uint64_t deadline_ns,
                   struct addrinfo **out, char why[BUS_WHY_BYTES_MAX])
{
    struct lookup *q = calloc(1, sizeof *q);

    if (!q)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    snprintf(q->host, sizeof q->host, "%s", server->host);
    snprintf(q->port, sizeof q->port, "%u", server->port);
    q->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    int error = getaddrinfo(q->host, q->port, &q->hints, out);
    if (error != 0) {
        q->hints.ai_flags = AI_ADDRCONFIG;
        q->request =
            (struct gaicb){.ar_name = q->host, .ar_service = q->port, .ar_request = &q->hints};
        error = look_up_aside(q, deadline_ns);
        *out = q->request.ar_result;
    }
    if (error == EAI_INPROGRESS) /* the resolver still writes to it: it cannot be freed */
        return bus_fail(why, ACCORD_E_DOWN, "the name %.200s was not resolved in time",
                        server->host);
    free(q);
    if (error != 0)
        return bus_fail(why, ACCORD_E_DOWN, "the name %.200s: %s", server->host,
                        gai_strerror(error));
    return ACCORD_OK;
}

/* Connecting. */

static bool connect_one(struct redis_link *l, const struct addrinfo *a, uint64_t deadline_ns)
{
    int error = 0;
    socklen_t length = sizeof error;

    l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return false;
    if (connect(l->fd, a->ai_addr, a->ai_addrlen) == 0)
        return true;
    if (errno == EINPROGRESS) {
        struct pollfd p = {.fd = l->fd, .events = POLLOUT};
        error = ETIMEDOUT;
        if (poll_until(&p, 1, deadline_ns) > 0)
            (void)getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &length);
        if (error == 0)
            return true;
        errno = error;
    }
    error = errno;
    close(l->fd);
    l->fd = -1;
    errno = error;
    return false;
}

static void set_options(int fd)
{
    int one = 1, idle = KEEP_IDLE_S, interval = KEEP_INTERVAL_S, count = KEEP_COUNT;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static int send_raw(struct redis_link *l, const uint8_t *data, size_t size,
                    uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    while (size > 0) {
        struct pollfd p = {.fd = l->fd, .events = POLLOUT};
        ssize_t n = send(l->fd, data, size, MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return lost_by(l, why, "closed the connection");
        } else if (poll_until(&p, 1, deadline_ns) <= 0) {
            return lost_by(l, why, "took nothing in time");
        }
    }
    return ACCORD_OK;
}

static int drain_tls(struct redis_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    uint8_t piece[PIECE_BYTES];
    int status = ACCORD_OK;
    size_t n;

    while (status == ACCORD_OK && (n = redis_tls_drain(l->tls, piece, sizeof piece)) > 0)
        status = send_raw(l, piece, n, deadline_ns, why);
    return status;
}

/* Takes from the socket what is there. *size 0: nothing is. */
static int take_raw(struct redis_link *l, uint8_t *out, size_t room, size_t *size,
                    char why[BUS_WHY_BYTES_MAX])
{
    ssize_t n = recv(l->fd, out, room, 0);

    *size = n > 0 ? (size_t)n : 0;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        return lost_by(l, why, "closed the connection");
    return ACCORD_OK;
}

static int shake_hands(struct redis_link *l, struct redis_tls_context *context,
                       const char *host, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    uint8_t piece[PIECE_BYTES];
    bool done = false;
    size_t size;

    int status = redis_tls_new(&l->tls, context, host, why);
    while (status == ACCORD_OK) {
        struct pollfd p = {.fd = l->fd, .events = POLLIN};
        char said[BUS_WHY_BYTES_MAX] = "";
        int shaken = redis_tls_handshake(l->tls, &done, said);
        status = drain_tls(l, deadline_ns, why); /* also the alert that tells the server */
        if (shaken != ACCORD_OK) {
            memcpy(why, said, sizeof said);
            return lost_by_tls(l, shaken, why);
        }
        if (status != ACCORD_OK || done)
            break;
        if (poll_until(&p, 1, deadline_ns) <= 0)
            return lost_by(l, why, "did not answer in time (TLS)");
        status = take_raw(l, piece, sizeof piece, &size, why);
        if (status == ACCORD_OK && redis_tls_feed(l->tls, piece, size) != ACCORD_OK)
            return lost_by(l, why, "said more than there is memory for");
    }
    return status;
}

int redis_link_connect(struct redis_link *l, const struct bus_url_server *server,
                       struct redis_tls_context *tls, uint64_t deadline_ns,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct addrinfo *addresses = NULL;

    redis_link_close(l);
    snprintf(l->peer, sizeof l->peer, "%.100s:%u", server->host, server->port);
    int status = look_up(server, deadline_ns, &addresses, why);
    if (status != ACCORD_OK)
        return status;
    for (const struct addrinfo *a = addresses; a && l->fd < 0; a = a->ai_next)
        (void)connect_one(l, a, deadline_ns);
    int error = errno;
    freeaddrinfo(addresses);
    if (l->fd < 0)
        return bus_fail(why, error == EMFILE ? ACCORD_E_IO : ACCORD_E_DOWN,
                        "%s cannot be reached: %s", l->peer, strerror(error));
    set_options(l->fd);
    l->reader = redisReaderCreate();
    if (!l->reader) {
        (void)bus_fail(why, 0, "out of memory");
        return lost(l, ACCORD_E_NOMEM);
    }
    return tls ? shake_hands(l, tls, server->host, deadline_ns, why) : ACCORD_OK;
}

bool redis_link_is_stale(struct redis_link *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};

    if (l->fd < 0)
        return true;
    /* With TLS, the server may have said something that is no reply: a new session ticket. */
    if (l->expected > 0 || poll(&p, 1, 0) <= 0 ||
        (l->tls && !(p.revents & (POLLHUP | POLLERR))))
        return false;
    redis_link_close(l);
    return true;
}

/* Sending. */

int redis_link_send(struct redis_link *l, size_t count, const char *const *words,
                    const size_t *sizes, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    char *command = NULL;
    int status;

    if (l->fd < 0)
        return bus_fail(why, ACCORD_E_DOWN, "not connected to %s",
                        l->peer[0] ? l->peer : "the server");
    int size =
        redisFormatCommandArgv(&command, (int)count, (const char **)(uintptr_t)words, sizes);
    if (size < 0)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    const uint8_t *bytes = (const uint8_t *)command;
    if (l->tls) {
        status = redis_tls_write(l->tls, bytes, (size_t)size, why);
        if (status != ACCORD_OK)
            status = lost_by_tls(l, status, why);
        else
            status = drain_tls(l, deadline_ns, why);
    } else {
        status = send_raw(l, bytes, (size_t)size, deadline_ns, why);
    }
    explicit_bzero(command, (size_t)size); /* AUTH passes here, too */
    redisFreeCommand(command);
    l->expected += status == ACCORD_OK;
    return status;
}

int redis_link_say(struct redis_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX],
                   const char *word, ...)
{
    const char *words[WORDS_SAID_MAX];
    size_t sizes[WORDS_SAID_MAX], count = 0;
    va_list more;

    va_start(more, word);
    for (; word; word = va_arg(more, const char *)) {
        ASSERT(count < WORDS_SAID_MAX);
        words[count] = word;
        sizes[count++] = strlen(word);
    }
    va_end(more);
    return redis_link_send(l, count, words, sizes, deadline_ns, why);
}

/* Receiving. */

/* Gives the reader what the socket has; *size 0: nothing was there. */
static int feed(struct redis_link *l, size_t *size, char why[BUS_WHY_BYTES_MAX])
{
    uint8_t piece[PIECE_BYTES];

    int status = take_raw(l, piece, sizeof piece, size, why);
    if (status != ACCORD_OK || *size == 0)
        return status;
    if (!l->tls)
        return redisReaderFeed(l->reader, (const char *)piece, *size) == REDIS_OK
                   ? ACCORD_OK
                   : lost_by(l, why, "said what is not the protocol of Redis");
    if (redis_tls_feed(l->tls, piece, *size) != ACCORD_OK)
        return lost_by(l, why, "said more than there is memory for");
    for (size_t plain = 1; plain > 0;) {
        status = redis_tls_read(l->tls, piece, sizeof piece, &plain, why);
        if (status != ACCORD_OK)
            return lost_by_tls(l, status, why);
        if (plain > 0 && redisReaderFeed(l->reader, (const char *)piece, plain) != REDIS_OK)
            return lost_by(l, why, "said what is not the protocol of Redis");
    }
    return ACCORD_OK;
}

int redis_link_wait(struct redis_link *l, redisReply **out, uint64_t deadline_ns, int wake_fd,
                    char why[BUS_WHY_BYTES_MAX])
{
    *out = NULL;
    if (l->fd < 0)
        return bus_fail(why, ACCORD_E_DOWN, "not connected to %s",
                        l->peer[0] ? l->peer : "the server");
    ASSERT(l->expected > 0);
    /* Waiting comes before reading: just after a question nothing is there. */
    for (bool asked = false, over = false;;) {
        struct pollfd fds[2] = {{.fd = l->fd, .events = POLLIN},
                                {.fd = wake_fd, .events = POLLIN}};
        void *reply = NULL;
        size_t size = 0;

        if (redisReaderGetReply(l->reader, &reply) != REDIS_OK)
            return lost_by(l, why, "said what is not the protocol of Redis");
        if (reply) {
            *out = reply;
            l->expected--;
            return ACCORD_OK;
        }
        if (!asked)
            over = poll_until(fds, 2, deadline_ns) <= 0 || (fds[1].revents & POLLIN);
        int status = feed(l, &size, why);
        if (status != ACCORD_OK || (size == 0 && over))
            return status;
        asked = size > 0; /* there may be more */
    }
}

int redis_link_receive(struct redis_link *l, redisReply **out, uint64_t deadline_ns,
                       char why[BUS_WHY_BYTES_MAX])
{
    int status = redis_link_wait(l, out, deadline_ns, /* wake_fd= */ -1, why);

    if (status == ACCORD_OK && !*out)
        return lost_by(l, why, "accepted the question and did not answer in time");
    return status;
}
