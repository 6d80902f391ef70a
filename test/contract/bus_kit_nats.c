/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_kit_nats.c - a nats-server of the running test's own. tools/nats_server.sh builds a
 * current one (Debian's is too old for the promises); without it the tests are skipped. */
#include "bus_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <nats/nats.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { RECORD_HEAD_BYTES = 22, START_TRIES = 1000 };

static pid_t server;
static uint16_t port;

static const char *program(void)
{
    const char *named = getenv("ACCORD_NATS_SERVER");

    return named ? named : "build/servers/nats-server";
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, size) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    close(fd);
    return ntohs(a.sin_port);
}

/* Its first line says that it listens. */
static bool answers(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char info[5] = "";
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
               recv(fd, info, 4, 0) == 4 && strcmp(info, "INFO") == 0;

    close(fd);
    return yes;
}

static void start(void)
{
    char number[8], folder[256];

    snprintf(number, sizeof number, "%u", port);
    snprintf(folder, sizeof folder, "%s/nats", test_folder());
    fflush(NULL);
    server = fork();
    CHECK(server >= 0);
    if (server == 0) {
        int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, 1);
        dup2(null, 2);
        execl(program(), "nats-server", "-a", "127.0.0.1", "-p", number, "-js", "-sd", folder,
              (char *)NULL);
        _exit(127);
    }
    for (unsigned i = 0; !answers(); i++) {
        CHECK(i < START_TRIES);
        CHECK(waitpid(server, NULL, WNOHANG) == 0);
        usleep(10000);
    }
}

static void stop(void)
{
    CHECK(kill(server, SIGKILL) == 0);
    CHECK(waitpid(server, NULL, 0) == server);
    server = 0;
}

static void url(char out[KIT_URL_BYTES_MAX], const char *cluster)
{
    if (access(program(), X_OK) != 0)
        test_skip("no current nats-server: tools/nats_server.sh builds one where Go is");
    if (server == 0) {
        port = free_port();
        start();
    }
    snprintf(out, KIT_URL_BYTES_MAX, "nats://127.0.0.1:%u/%s", port, cluster);
}

static const char *cluster_of(const char *url_text)
{
    return strrchr(url_text, '/') + 1;
}

/* As `nats pub accord.CLUSTER.do.OP KEY` does, but it waits until the stream has it. */
static void write_message(const char *url_text, const char *op, struct bytes key)
{
    natsConnection *c = NULL;
    jsCtx *js = NULL;
    char subject[256];

    snprintf(subject, sizeof subject, "accord.%s.do.%s", cluster_of(url_text),
             op[0] ? op : "nothing");
    for (char *at = subject; *at; at++)
        if (*at == ' ')
            *at = '_';
    CHECK(natsConnection_ConnectTo(&c, url_text) == NATS_OK);
    CHECK(natsConnection_JetStream(&js, c, NULL) == NATS_OK);
    CHECK(js_Publish(NULL, js, subject, key.data, (int)key.size_bytes, NULL, NULL) == NATS_OK);
    jsCtx_Destroy(js);
    natsConnection_Destroy(c);
}

static uint64_t number(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* The last `count` records off a block of the server's file store: each begins with its length
 * (of which the top bit is a flag) and its sequence. */
static void cut_block(const char *path, unsigned count)
{
    static uint8_t block[16 << 20];
    static size_t begins[1 << 16];
    size_t n = 0, at = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t bytes = read(fd, block, sizeof block);

    CHECK(fd >= 0 && bytes > 0);
    while (at + RECORD_HEAD_BYTES < (size_t)bytes && n < COUNT_OF(begins)) {
        begins[n++] = at;
        at += (size_t)(number(block + at, 4) & 0x7fffffff);
    }
    CHECK(at == (size_t)bytes && n >= count);
    CHECK(ftruncate(fd, (off_t)begins[n - count]) == 0);
    CHECK(close(fd) == 0);
}

/* The server loses what it had acknowledged and not yet synced, as in a power failure. */
static void cut(const char *url_text, unsigned count)
{
    char pattern[512];
    glob_t found;

    stop();
    snprintf(pattern, sizeof pattern, "%s/nats/jetstream/*/streams/ACCORD_%s/msgs/*.blk",
             test_folder(), cluster_of(url_text));
    CHECK(glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1);
    cut_block(found.gl_pathv[0], count);
    globfree(&found);
    snprintf(pattern, sizeof pattern, "%s/nats/jetstream/*/streams/ACCORD_%s/msgs/index.db",
             test_folder(), cluster_of(url_text));
    if (glob(pattern, 0, NULL, &found) == 0) {
        CHECK(unlink(found.gl_pathv[0]) == 0);
        globfree(&found);
    }
    start();
}

static void replace(const char *url_text)
{
    char stream[64];
    natsConnection *c = NULL;
    jsCtx *js = NULL;

    snprintf(stream, sizeof stream, "ACCORD_%s", cluster_of(url_text));
    CHECK(natsConnection_ConnectTo(&c, url_text) == NATS_OK);
    CHECK(natsConnection_JetStream(&js, c, NULL) == NATS_OK);
    CHECK(js_DeleteStream(js, stream, NULL, NULL) == NATS_OK);
    jsCtx_Destroy(js);
    natsConnection_Destroy(c);
}

const struct bus_kit bus_kit_nats = {"nats", url, write_message, cut, replace, 0};
