/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/link.h"

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A server of one connection, on a thread: `serve` plays the daemon's part. */
static int listener = -1;
static char path[200];
static void (*serve)(int fd);

static void listen_at(int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(path, sizeof path, "%s/s", test_folder());
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, backlog) == 0);
}

static void *run_server(void *unused)
{
    int fd = accept(listener, NULL, NULL);

    serve(fd);
    close(fd);
    return unused;
}

static uint64_t in_ms(uint64_t ms)
{
    return monotonic_ns() + ms * NS_PER_MS;
}

static struct link c;

static pthread_t connected_to(void (*server)(int fd))
{
    pthread_t thread;

    serve = server;
    listen_at(8);
    CHECK(pthread_create(&thread, NULL, run_server, NULL) == 0);
    link_init(&c);
    CHECK(link_socket(&c) == ACCORD_OK);
    CHECK(link_connect(&c, path, in_ms(2000)) == ACCORD_OK);
    return thread;
}

static void finish(pthread_t thread)
{
    link_done(&c);
    CHECK(c.fd == -1);
    pthread_join(thread, NULL);
    close(listener);
}

static const struct bytes ping[] = {{(const uint8_t *)"PING", 4}};

static void write_all(int fd, const char *text)
{
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static void drain(int fd)
{
    char sink[4096];
    ssize_t n;

    do
        n = read(fd, sink, sizeof sink);
    while (n > 0 || (n < 0 && errno == EINTR)); /* a signal may come to this thread as well */
}

static void server_in_pieces(int fd)
{
    const char *text = "*2\r\n$5\r\nhello\r\n:7\r\n+second\r\n";

    for (const char *t = text; *t; t++) {
        CHECK(write(fd, t, 1) == 1);
        usleep(300);
    }
    drain(fd);
}

TEST(a_reply_in_pieces_arrives_whole)
{
    pthread_t thread = connected_to(server_in_pieces);
    const struct reply_node *r;

    CHECK(link_send(&c, ping, 1, in_ms(2000)) == ACCORD_OK);
    CHECK(link_receive(&c, in_ms(2000), &r) == ACCORD_OK);
    CHECK(r[0].count == 2 && reply_says(&r[1], "hello") && r[2].integer == 7);
    CHECK(link_receive(&c, in_ms(2000), &r) == ACCORD_OK);
    CHECK(reply_says(&r[0], "second"));
    CHECK(link_is_idle(&c));
    finish(thread);
}

static void tick(int unused)
{
    (void)unused;
}

/* Signals come every 2 ms and no call may end early or fail because of them. */
TEST(a_silent_daemon_costs_the_deadline_and_no_more_also_under_signals)
{
    pthread_t thread = connected_to(drain);
    struct sigaction action = {.sa_handler = tick};
    struct itimerval every = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};
    const struct reply_node *r;
    uint64_t began_ns = monotonic_ns();

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    CHECK(link_send(&c, ping, 1, in_ms(2000)) == ACCORD_OK);
    CHECK(link_receive(&c, in_ms(100), &r) == ACCORD_E_TIMEOUT);
    CHECK(monotonic_ns() - began_ns >= 100 * NS_PER_MS);
    CHECK(monotonic_ns() - began_ns < 20000 * NS_PER_MS);
    CHECK(link_receive(&c, /* long past: */ 1, &r) == ACCORD_E_TIMEOUT);
    every = (struct itimerval){.it_value = {.tv_usec = 0}};
    setitimer(ITIMER_REAL, &every, NULL);
    finish(thread);
}

static void server_late(int fd)
{
    usleep(50000);
    write_all(fd, "+late\r\n");
    drain(fd);
}

TEST(after_a_timeout_the_reply_may_still_be_waited_for)
{
    pthread_t thread = connected_to(server_late);
    const struct reply_node *r;

    CHECK(link_receive(&c, in_ms(10), &r) == ACCORD_E_TIMEOUT);
    CHECK(link_receive(&c, in_ms(2000), &r) == ACCORD_OK && reply_says(r, "late"));
    finish(thread);
}

static void server_hangs_up(int fd)
{
    write_all(fd, "*2\r\n+half\r\n");
}

TEST(a_daemon_that_dies_in_its_reply_is_down_and_raises_no_signal)
{
    pthread_t thread = connected_to(server_hangs_up);
    const struct reply_node *r;
    int status = ACCORD_OK;

    CHECK(link_receive(&c, in_ms(2000), &r) == ACCORD_E_DOWN);
    CHECK(!link_is_idle(&c));
    for (int i = 0; i < 3 && status == ACCORD_OK; i++)
        status = link_send(&c, ping, 1, in_ms(1000));
    CHECK(status == ACCORD_E_DOWN);
    finish(thread);
}

static void server_nonsense(int fd)
{
    write_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    drain(fd);
}

TEST(what_is_no_reply_is_a_format_error)
{
    pthread_t thread = connected_to(server_nonsense);
    const struct reply_node *r;

    CHECK(link_receive(&c, in_ms(2000), &r) == ACCORD_E_FORMAT);
    finish(thread);
}

enum { LARGE = 3 * 1024 * 1024 };

static void server_echo(int fd)
{
    static char buffer[LARGE + 100];
    size_t have = 0, all = 4 + 10 + LARGE + 2;

    usleep(20000); /* so that the sender fills the socket and has to wait */
    while (have < all) {
        ssize_t n = read(fd, buffer + have, all - have);
        CHECK(n > 0);
        have += (size_t)n;
    }
    for (size_t at = 4; at < all;) {
        ssize_t n = write(fd, buffer + at, all - at > 50000 ? 50000 : all - at);
        CHECK(n > 0);
        at += (size_t)n;
    }
    drain(fd);
}

TEST(large_values_go_out_and_come_back_and_their_buffers_are_not_kept)
{
    pthread_t thread = connected_to(server_echo);
    uint8_t *value = malloc(LARGE);
    struct bytes args[] = {bytes_of(value, LARGE)};
    const struct reply_node *r;

    CHECK(value != NULL);
    for (size_t i = 0; i < LARGE; i++)
        value[i] = (uint8_t)(i * 7 + i / 1000);
    CHECK(link_send(&c, args, 1, in_ms(5000)) == ACCORD_OK);
    CHECK(link_receive(&c, in_ms(5000), &r) == ACCORD_OK);
    CHECK(bytes_equal(r[0].text, args[0]));
    link_trim(&c);
    CHECK(c.in_room <= LINK_KEEP_BYTES && c.out_room <= LINK_KEEP_BYTES);
    finish(thread);
    free(value);
}

static void server_deaf(int fd)
{
    usleep(300000);
    drain(fd);
}

TEST(a_daemon_that_does_not_read_costs_the_deadline)
{
    pthread_t thread = connected_to(server_deaf);
    uint8_t *value = calloc(1, LARGE);
    struct bytes args[] = {bytes_of(value, LARGE)};

    CHECK(link_send(&c, args, 1, in_ms(50)) == ACCORD_E_TIMEOUT);
    finish(thread);
    free(value);
}

static void server_sends_fds(int fd)
{
    int fds[4] = {0, 0, 0, 0};
    char byte[] = "+OK\r\n";
    struct iovec part = {.iov_base = byte, .iov_len = 5};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control = {.bytes = {0}};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(head), fds, sizeof fds);
    CHECK(sendmsg(fd, &m, 0) == 5);
    drain(fd);
}

static size_t open_fds(void)
{
    size_t count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

TEST(descriptors_are_taken_and_those_too_many_are_closed)
{
    size_t before = open_fds();
    pthread_t thread = connected_to(server_sends_fds);
    const struct reply_node *r;

    CHECK(link_receive(&c, in_ms(2000), &r) == ACCORD_OK);
    CHECK(c.fd_count == LINK_FDS_MAX);
    CHECK(open_fds() == before + /* listener, both ends: */ 3 + LINK_FDS_MAX);
    link_trim(&c);
    CHECK(open_fds() == before + 3);
    finish(thread);
}

TEST(where_nobody_listens_it_is_down)
{
    link_init(&c);
    CHECK(link_socket(&c) == ACCORD_OK);
    CHECK(link_connect(&c, "/nowhere/at/all.sock", in_ms(1000)) == ACCORD_E_DOWN);
    listen_at(1);
    close(listener);
    CHECK(link_connect(&c, path, in_ms(1000)) == ACCORD_E_DOWN);
    memset(path, 'a', sizeof path);
    path[108] = 0;
    CHECK(link_connect(&c, path, in_ms(1000)) == ACCORD_E_INVALID);
    path[107] = 0;
    CHECK(link_connect(&c, path, in_ms(1000)) == ACCORD_E_DOWN);
    link_done(&c);
}

TEST(a_daemon_that_does_not_accept_costs_the_deadline)
{
    struct link many[8];
    int status = ACCORD_OK, i = 0;

    listen_at(0);
    for (; i < 8 && status == ACCORD_OK; i++) {
        link_init(&many[i]);
        CHECK(link_socket(&many[i]) == ACCORD_OK);
        status = link_connect(&many[i], path, in_ms(50));
    }
    CHECK(status == ACCORD_E_TIMEOUT);
    while (i > 0)
        link_done(&many[--i]);
    close(listener);
}

TEST(a_command_has_1_to_4096_arguments)
{
    static struct bytes args[LINK_ARGS_MAX + 1];
    pthread_t thread = connected_to(drain);

    for (size_t i = 0; i < COUNT_OF(args); i++)
        args[i] = bytes_of("x", 1);
    CHECK(link_send(&c, args, 0, in_ms(1000)) == ACCORD_E_INVALID);
    CHECK(link_send(&c, args, LINK_ARGS_MAX, in_ms(1000)) == ACCORD_OK);
    CHECK(link_send(&c, args, LINK_ARGS_MAX + 1, in_ms(1000)) == ACCORD_E_INVALID);
    finish(thread);
}
