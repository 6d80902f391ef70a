/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* visitor.h - for tests: a client that sends what it is told, byte for byte, over a real
 * socket, while the loop of the server runs in the same thread. */
#ifndef ACCORD_NET_VISITOR_H
#define ACCORD_NET_VISITOR_H

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { VISITOR_SECONDS = 30, VISITOR_ANSWER_BYTES = 256 * 1024 };

struct visitor {
    uv_loop_t *loop;
    int fd;
    bool closed; /* by the server */
    size_t bytes;
    char answer[VISITOR_ANSWER_BYTES]; /* what came since it was last cleared */
};

static inline time_t visitor_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* `address` is "http://127.0.0.1:PORT". */
static inline struct visitor *visitor_new(uv_loop_t *loop, const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct visitor *g = calloc(1, sizeof *g);

    CHECK(g);
    g->loop = loop;
    to.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(g->fd >= 0);
    CHECK(connect(g->fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(fcntl(g->fd, F_SETFL, O_NONBLOCK) == 0);
    return g;
}

static inline void visitor_free(struct visitor *g)
{
    close(g->fd);
    free(g);
}

static inline void visitor_turn(struct visitor *g)
{
    ssize_t n;

    uv_run(g->loop, UV_RUN_NOWAIT);
    n = recv(g->fd, g->answer + g->bytes, sizeof g->answer - 1 - g->bytes, 0);
    if (n > 0)
        g->bytes += (size_t)n;
    else
        g->closed |= n == 0 || (errno != EAGAIN && errno != EINTR);
    g->answer[g->bytes] = '\0';
}

/* False: the server has closed before it took all. */
static inline bool visitor_send(struct visitor *g, const char *data, size_t bytes)
{
    time_t end = visitor_now() + VISITOR_SECONDS;

    while (bytes > 0 && !g->closed) {
        ssize_t n = send(g->fd, data, bytes, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return false;
        data += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
        visitor_turn(g);
        CHECK(visitor_now() < end);
    }
    return bytes == 0;
}

/* Whether a whole answer is there: its head, and as much as that announces. */
static inline bool visitor_has_answer(const struct visitor *g, bool head_only)
{
    const char *end = strstr(g->answer, "\r\n\r\n"), *length;

    if (!end || head_only)
        return end != NULL;
    length = strstr(g->answer, "Content-Length: ");
    return length &&
           (size_t)(g->answer + g->bytes - (end + 4)) >= strtoul(length + 16, NULL, 10);
}

static inline void visitor_await(struct visitor *g, bool head_only)
{
    time_t end = visitor_now() + VISITOR_SECONDS;

    while (!g->closed && !visitor_has_answer(g, head_only)) {
        visitor_turn(g);
        CHECK(visitor_now() < end);
    }
}

/* Sends that, and waits for what is answered, or for the end. */
static inline const char *visitor_ask_bytes(struct visitor *g, const char *data, size_t bytes)
{
    g->bytes = 0;
    g->answer[0] = '\0';
    (void)visitor_send(g, data, bytes);
    visitor_await(g, strncmp(data, "HEAD ", 5) == 0);
    return g->answer;
}

static inline const char *visitor_ask(struct visitor *g, const char *text)
{
    return visitor_ask_bytes(g, text, strlen(text));
}

/* GET of that target, with these further header lines. */
static inline const char *visitor_get(struct visitor *g, const char *target,
                                      const char *headers)
{
    size_t bytes = strlen(target) + strlen(headers) + 64;
    char *text = malloc(bytes);

    CHECK(text);
    snprintf(text, bytes, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, headers);
    const char *answer = visitor_ask(g, text);
    free(text);
    return answer;
}

static inline bool visitor_was_told(const struct visitor *g, unsigned status, const char *part)
{
    char line[32];

    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    if (strncmp(g->answer, line, strlen(line)) == 0 && strstr(g->answer, part))
        return true;
    fprintf(stderr, "answered: %.600s\n", g->answer);
    return false;
}

#endif
