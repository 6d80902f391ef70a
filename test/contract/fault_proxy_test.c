/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fault_proxy_test.c - the proxy does what it is told: else a test behind it tests nothing. */
#include "fault_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

enum { PATIENCE_MS = 10000 };

/* A server with one connection at most, both ends in the hands of the test. */
struct pair {
    int listener, server, client;
    struct fault_proxy *proxy;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool readable(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, wait_ms) > 0;
}

static void connect_client(struct pair *x)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(fault_proxy_port(x->proxy))};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    x->client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(x->client, (struct sockaddr *)&to, sizeof to) == 0);
}

static void connect_both(struct pair *x)
{
    connect_client(x);
    CHECK(readable(x->listener, PATIENCE_MS));
    x->server = accept(x->listener, NULL, NULL);
    CHECK(x->server >= 0);
}

static void begin(struct pair *x)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    x->listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(x->listener, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(listen(x->listener, 8) == 0);
    CHECK(getsockname(x->listener, (struct sockaddr *)&at, &length) == 0);
    x->proxy = fault_proxy_start(ntohs(at.sin_port), 1);
    CHECK(x->proxy);
    connect_both(x);
}

static void end(struct pair *x)
{
    close(x->client);
    close(x->server);
    close(x->listener);
    fault_proxy_stop(x->proxy);
}

static void put(int fd, const char *text)
{
    CHECK(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void get(int fd, const char *text)
{
    char got[64] = "";
    size_t used = 0;

    while (used < strlen(text)) {
        CHECK(readable(fd, PATIENCE_MS));
        ssize_t n = recv(fd, got + used, sizeof got - 1 - used, 0);
        CHECK(n > 0);
        used += (size_t)n;
    }
    CHECK(strcmp(got, text) == 0);
}

static void command(struct pair *x, const char *text)
{
    CHECK(fault_proxy_command(x->proxy, text));
}

TEST(fault_proxy_forwards_both_ways_and_passes_the_end_on)
{
    struct pair x;
    char byte;

    begin(&x);
    put(x.client, "to the server");
    get(x.server, "to the server");
    command(&x, "split 2");
    put(x.server, "and back again");
    get(x.client, "and back again");
    CHECK(shutdown(x.client, SHUT_WR) == 0);
    CHECK(readable(x.server, PATIENCE_MS) && recv(x.server, &byte, 1, 0) == 0);
    put(x.server, "still");
    get(x.client, "still");
    end(&x);
}

TEST(fault_proxy_delays_and_throttles)
{
    struct pair x;
    char many[1001];

    begin(&x);
    command(&x, "delay 80 40");
    uint64_t began_ms = now_ms();
    put(x.client, "late");
    get(x.server, "late");
    CHECK(now_ms() - began_ms >= 80);
    command(&x, "heal");
    command(&x, "throttle 5000");
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = 0;
    began_ms = now_ms();
    put(x.server, many);
    for (size_t used = 0; used < sizeof many - 1;) {
        char some[256];
        CHECK(readable(x.client, PATIENCE_MS));
        ssize_t n = recv(x.client, some, sizeof some, 0);
        CHECK(n > 0);
        used += (size_t)n;
    }
    CHECK(now_ms() - began_ms >= 150);
    end(&x);
}

TEST(fault_proxy_stalls_one_way_and_gives_all_after_healing)
{
    struct pair x;

    begin(&x);
    command(&x, "stall up");
    put(x.client, "held");
    put(x.server, "passes");
    get(x.client, "passes");
    CHECK(!readable(x.server, 100));
    command(&x, "heal");
    get(x.server, "held");
    command(&x, "stall both");
    put(x.client, "a");
    put(x.server, "b");
    CHECK(!readable(x.server, 100) && !readable(x.client, 100));
    command(&x, "heal");
    get(x.server, "a");
    get(x.client, "b");
    end(&x);
}

TEST(fault_proxy_cuts_and_resets)
{
    struct pair x;
    char byte;

    begin(&x);
    command(&x, "reset");
    CHECK(readable(x.client, PATIENCE_MS));
    CHECK(recv(x.client, &byte, 1, 0) < 0 && errno == ECONNRESET);
    close(x.client);
    close(x.server);
    connect_both(&x);
    put(x.client, "fine");
    get(x.server, "fine");
    command(&x, "cut");
    CHECK(readable(x.client, PATIENCE_MS) && recv(x.client, &byte, 1, 0) == 0);
    close(x.client);
    connect_client(&x);
    CHECK(readable(x.client, PATIENCE_MS) && recv(x.client, &byte, 1, 0) <= 0);
    close(x.client);
    close(x.server);
    command(&x, "heal");
    connect_both(&x);
    command(&x, "reset-after 3");
    put(x.client, "four");
    CHECK(readable(x.client, PATIENCE_MS) && recv(x.client, &byte, 1, 0) < 0);
    CHECK(fault_proxy_accepted(x.proxy) == 4);
    CHECK(!fault_proxy_command(x.proxy, "wobble"));
    end(&x);
}
