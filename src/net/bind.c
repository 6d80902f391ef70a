/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/bind.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BACKLOG = 4096 }; /* callers not yet accepted; the kernel may allow fewer (somaxconn) */

PRINTF_LIKE(3, 4)
static int fail(char why[NET_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, NET_WHY_BYTES_MAX, format, arguments);
    va_end(arguments);
    return status;
}

void net_peer_text(const struct sockaddr *a, char text[NET_PEER_BYTES_MAX])
{
    char host[46] = "?";

    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(text, NET_PEER_BYTES_MAX, "%s:%u", host, ntohs(in->sin_port));
    } else if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)a;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(text, NET_PEER_BYTES_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(text, NET_PEER_BYTES_MAX, "unix:0");
    }
}

static int try_one(const struct addrinfo *a, const char *scheme, const char *address,
                   bool has_password, int *fd_out, char why[NET_WHY_BYTES_MAX])
{
    int one = 1;

    if (!address_is_loopback(a->ai_addr) && !has_password)
        return fail(why, ACCORD_E_INVALID,
                    "%s is open to other hosts: set a password (password-file), or listen on "
                    "%s127.0.0.1%s",
                    address, scheme, strcmp(scheme, "tcp://") == 0 ? " or a unix socket" : "");
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(why, ACCORD_E_IO, "%s: no socket: %s", address, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *fd_out = fd;
        return ACCORD_OK;
    }
    int error = errno;
    close(fd);
    if (error == EADDRINUSE)
        return fail(why, ACCORD_E_CONFLICT,
                    "%s: the port is in use: stop what listens there (ss -ltnp), or give "
                    "another",
                    address);
    return fail(why, error == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO, "%s: %s", address,
                strerror(error));
}

/* The port that port 0 became. */
static void name_port(struct net_bound *b, const char *scheme, const char *address)
{
    struct sockaddr_storage bound;
    socklen_t bytes = sizeof bound;
    char text[NET_PEER_BYTES_MAX];

    memset(&bound, 0, sizeof bound);
    snprintf(b->address, sizeof b->address, "%s", address);
    if (getsockname(b->fd, (struct sockaddr *)&bound, &bytes) != 0)
        return;
    net_peer_text((const struct sockaddr *)&bound, text);
    snprintf(b->address, sizeof b->address, "%s%s", scheme, text);
}

int net_bind(struct net_bound *out, const char *scheme, const char *address, bool has_password,
             char why[NET_WHY_BYTES_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    char host[256], port[8];
    int fd = -1;

    if (strncmp(address, scheme, strlen(scheme)) != 0 ||
        !address_split(address + strlen(scheme), host, port))
        return fail(why, ACCORD_E_INVALID, "%s: expected %shost:port", address, scheme);
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0)
        return fail(why, ACCORD_E_INVALID, "%s: %s", address, gai_strerror(error));
    int status = ACCORD_E_IO;
    /* IPv4 first: it is what clients take "localhost" for. */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (const struct addrinfo *a = list; a && status != ACCORD_OK; a = a->ai_next) {
            if ((a->ai_family == AF_INET) == (pass == 0))
                status = try_one(a, scheme, address, has_password, &fd, why);
        }
    }
    freeaddrinfo(list);
    if (status != ACCORD_OK)
        return status;
    out->fd = fd;
    name_port(out, scheme, address);
    return ACCORD_OK;
}
