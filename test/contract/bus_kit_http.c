/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_kit_http.c - nodes of the running test's own, which list those of their cluster that are
 * there. There is no server behind whose back anything could be done: the clauses that do so
 * skip it. */
#include "bus_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

enum { NODES_MAX = 64 };

static struct {
    char cluster[32];
    unsigned port;
} nodes[NODES_MAX];
static size_t node_count;

static int loopback(unsigned port,
                    int (*call)(int fd, const struct sockaddr *a, socklen_t size),
                    unsigned *bound)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof a;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    int result = call(fd, (struct sockaddr *)&a, sizeof a);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    *bound = ntohs(a.sin_port);
    close(fd);
    return result;
}

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    unsigned port, ignored;
    size_t used = (size_t)snprintf(out, KIT_URL_BYTES_MAX, "http://");

    for (size_t i = 0; i < node_count; i++)
        if (strcmp(nodes[i].cluster, cluster) == 0 &&
            loopback(nodes[i].port, connect, &ignored) == 0)
            used += (size_t)snprintf(out + used, KIT_URL_BYTES_MAX - used, "127.0.0.1:%u,",
                                     nodes[i].port);
    CHECK(node_count < NODES_MAX);
    CHECK(loopback(0, bind, &port) == 0);
    snprintf(nodes[node_count].cluster, sizeof nodes[0].cluster, "%s", cluster);
    nodes[node_count++].port = port;
    snprintf(out + used, KIT_URL_BYTES_MAX - used, "127.0.0.1:%u?listen=127.0.0.1:%u", port,
             port);
}

static void write_row(const char *url_text, const char *op, struct bytes key)
{
    (void)url_text;
    (void)op;
    (void)key;
    test_fail("a person can write there", __FILE__, __LINE__);
}

static void cut(const char *url_text, unsigned count)
{
    (void)url_text;
    (void)count;
    test_fail("there is a log to cut", __FILE__, __LINE__);
}

static void replace(const char *url_text)
{
    (void)url_text;
    test_fail("there is a log to replace", __FILE__, __LINE__);
}

const struct bus_kit bus_kit_http = {"http", url, write_row, cut, replace, 0};
