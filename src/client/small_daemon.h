/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* small_daemon.h - for tests: a small daemon of our own, that can do what a real one never
 * does: refuse, hang, lie, and vanish at a chosen moment. Its segment is a real one. */
#ifndef ACCORD_CLIENT_SMALL_DAEMON_H
#define ACCORD_CLIENT_SMALL_DAEMON_H

#include <accord.h>

#include "cache/reader.h"
#include "cache/writer.h"
#include "client/reply.h"

#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the small daemon ---- */

enum mood {
    HONEST,
    REFUSES,    /* -NOATTACH */
    UNSEALED,   /* its segment could be shrunk under us */
    SHORT,      /* says more bytes than there are */
    GARBAGE,    /* its segment is none */
    OTHER_NAME, /* says another incarnation than the segment has */
    ONE_FD,     /* sends half of what it must */
    SILENT,     /* accepts, and does not answer before it has another mood */
    SLOW,       /* answers 700 ms later */
    FOREIGN,    /* another server that speaks RESP */
    CHATTY_1,   /* says more than it was asked: after ATTACH */
    CHATTY,     /* after a request */
    CROWDED,    /* all its connections are taken */
    LOCAL,      /* ack = local: a change has no position yet */
};

struct daemon {
    _Atomic int mood;
    int listener, segment_fd, hints_fd;
    struct segment_sizes sizes;
    struct id128 incarnation;
    void *segment, *hints, *memory;
    pthread_mutex_t lock; /* of the writer and of the rights */
    struct writer *writer;
    atomic_int loader; /* the connection that holds the right to load; -1: none */
    atomic_uint heard;
    atomic_int connections, attaches, gets, fills, next_line;
    atomic_bool stop;
    pthread_t thread;
    pthread_t workers[128];
    int fds[128];
    atomic_int worker_count;
};

static char path[200];

static inline uint64_t boottime_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline void *shared(int *fd, size_t size, bool seal)
{
    *fd = memfd_create("accord-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(*fd >= 0 && ftruncate(*fd, (off_t)size) == 0);
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    CHECK(at != MAP_FAILED);
    if (seal)
        CHECK(fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return at;
}

static inline void make_segment(struct daemon *d)
{
    static const struct segment_namespace names[] = {{.name = "default"}};
    struct segment_settings s = {.memory_bytes = SEGMENT_BYTES_MIN,
                                 .incarnation = d->incarnation,
                                 .seed = 42,
                                 .clock = {.clock = CLOCK_CLASS_BOOTTIME},
                                 .namespaces = names,
                                 .namespace_count = 1};

    CHECK(segment_sizes(&s, &d->sizes) == ACCORD_OK);
    d->segment = shared(&d->segment_fd, d->sizes.segment_bytes, d->mood != UNSEALED);
    d->hints = shared(&d->hints_fd, d->sizes.hints_bytes, true);
    d->memory = aligned_alloc(64, (d->sizes.writer_bytes + 63) & ~(size_t)63);
    CHECK(d->memory != NULL);
    memset(d->memory, 0, d->sizes.writer_bytes);
    if (d->mood == GARBAGE)
        memset(d->segment, 0x5a, 4096);
    else
        CHECK(writer_init(&d->writer, d->memory, d->segment, d->hints, &s) == ACCORD_OK);
}

/* Fresh for `ms` from now; 0: unsure. */
static inline void lease(struct daemon *d, uint64_t ms)
{
    uint64_t now_ns = boottime_ns();

    pthread_mutex_lock(&d->lock);
    writer_set_lease(d->writer, ms > 0 ? now_ns + ms * NS_PER_MS : 0, now_ns);
    pthread_mutex_unlock(&d->lock);
}

static inline void put(struct daemon *d, const char *key, const char *value)
{
    struct item item = {
        .key = bytes_of_text(key), .value = bytes_of_text(value), .ttl_ns = UINT64_MAX};

    pthread_mutex_lock(&d->lock);
    CHECK(writer_fill(d->writer, &item, NULL, boottime_ns()) == ACCORD_OK);
    pthread_mutex_unlock(&d->lock);
}

static inline void say(int fd, const char *text)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline void answer_attach(struct daemon *d, int fd)
{
    char text[400];
    int fds[2] = {d->segment_fd, d->hints_fd};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control = {.bytes = {0}};
    size_t fds_bytes = d->mood == ONE_FD ? sizeof(int) : sizeof fds;
    struct iovec part = {.iov_base = text};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(fds_bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fds_bytes);
    memcpy(CMSG_DATA(head), fds, fds_bytes);
    part.iov_len = (size_t)snprintf(
        text, sizeof text,
        "*10\r\n$8\r\nprotocol\r\n:1\r\n$13\r\nsegment_bytes\r\n:%zu\r\n$11\r\nhints_bytes\r\n"
        ":%zu\r\n$11\r\nincarnation\r\n$32\r\n%016llx%016llx\r\n$4\r\nline\r\n:%d\r\n%s",
        d->sizes.segment_bytes + (d->mood == SHORT ? 4096 : 0), d->sizes.hints_bytes,
        (unsigned long long)d->incarnation.high + (d->mood == OTHER_NAME),
        (unsigned long long)d->incarnation.low, atomic_fetch_add(&d->next_line, 1),
        d->mood == CHATTY_1 ? "+and another thing\r\n" : "");
    atomic_fetch_add(&d->attaches, 1);
    (void)sendmsg(fd, &m, MSG_NOSIGNAL); /* the client may be gone, or we be stopped */
}

/* GET, as the door answers it, but for waiting: a second LOAD is told "busy" at once. */
static inline void answer_get(struct daemon *d, int fd, struct bytes key, bool load)
{
    char value[256], text[800], printed[TOKEN_TEXT_BYTES_MAX];
    struct reader reader;
    struct read_result r;

    atomic_fetch_add(&d->gets, 1);
    pthread_mutex_lock(&d->lock);
    CHECK(reader_init(&reader, d->segment, d->sizes.segment_bytes, NULL, 0) == ACCORD_OK);
    reader_get(&reader, key, value, sizeof value, &r);
    token_print(&r.token, printed);
    bool has = r.state == ACCORD_HIT || r.state == ACCORD_STALE;
    bool right = load && !has && d->loader < 0;
    if (right)
        d->loader = fd;
    pthread_mutex_unlock(&d->lock);
    const char *state = has     ? state_word((int)r.state)
                        : right ? state_word((int)r.state)
                        : load  ? "busy"
                                : state_word((int)r.state);
    int size = snprintf(
        text, sizeof text,
        "*10\r\n$5\r\nstate\r\n+%s\r\n$5\r\nvalue\r\n$%zu\r\n%.*s\r\n"
        "$5\r\ntoken\r\n+%s\r\n$8\r\nmay_load\r\n:%d\r\n$6\r\nttl_ms\r\n:-1\r\n",
        state, has ? r.value_bytes : 0, has ? (int)r.value_bytes : 0, value, printed, right);
    CHECK(size > 0 && (size_t)size < sizeof text);
    say(fd, text);
}

static inline void answer_fill(struct daemon *d, int fd, const struct reply_node *args)
{
    struct token token;
    struct item item = {.key = args[2].text, .value = args[3].text, .ttl_ns = UINT64_MAX};

    atomic_fetch_add(&d->fills, 1);
    CHECK(token_parse(args[5].text, &token) == ACCORD_OK);
    pthread_mutex_lock(&d->lock);
    d->loader = -1;
    int status = writer_fill(d->writer, &item, &token, boottime_ns());
    pthread_mutex_unlock(&d->lock);
    say(fd, status == ACCORD_OK ? "+STORED\r\n" : "+REFUSED token\r\n");
}

static inline void answer(struct daemon *d, int fd, const struct reply_node *args)
{
    if (d->mood == FOREIGN)
        say(fd, "-ERR unknown command\r\n");
    else if (reply_says(&args[1], "ACCORD.ATTACH") && d->mood == REFUSES)
        say(fd, "-NOATTACH another time namespace\r\n");
    else if (reply_says(&args[1], "ACCORD.ATTACH"))
        answer_attach(d, fd);
    else if (reply_says(&args[1], "ACCORD.GET"))
        answer_get(d, fd, args[2].text, args[0].count > 2);
    else if (reply_says(&args[1], "ACCORD.FILL"))
        answer_fill(d, fd, args);
    else if (reply_says(&args[1], "ACCORD.REMOVE"))
        say(fd, "-UNPUBLISHED removed here, queued for the bus (out of paper)\r\n");
    else if (d->mood == CHATTY)
        say(fd, "+7@1f\r\n+and another thing\r\n");
    else
        say(fd, d->mood == LOCAL ? "+OK\r\n" : "+7@1f\r\n");
}

enum { SLOW_MS = 700 };

struct worker {
    struct daemon *d;
    int fd;
};

static inline void *run_worker(void *argument)
{
    struct worker *w = argument;
    static _Thread_local struct reply_node nodes[128];
    static _Thread_local char in[70000];
    size_t have = 0, count, used;

    for (;;) {
        struct pollfd wanted = {.fd = w->fd, .events = POLLIN};
        ssize_t n = poll(&wanted, 1, 10) > 0 ? read(w->fd, in + have, sizeof in - have) : 0;
        if (n < 0 || (n == 0 && wanted.revents))
            break;
        have += (size_t)n;
        atomic_fetch_add(&w->d->heard, n > 0);
        while (w->d->mood != SILENT && reply_parse(bytes_of(in, have), nodes, COUNT_OF(nodes),
                                                   &count, &used) == ACCORD_OK) {
            if (w->d->mood == SLOW)
                usleep(SLOW_MS * 1000);
            answer(w->d, w->fd, nodes);
            memmove(in, in + used, have - used);
            have -= used;
        }
    }
    pthread_mutex_lock(&w->d->lock);
    if (w->d->loader == w->fd)
        w->d->loader = -1;
    pthread_mutex_unlock(&w->d->lock);
    free(w);
    return NULL;
}

static inline void *run_daemon(void *argument)
{
    struct daemon *d = argument;

    for (;;) {
        int fd = accept(d->listener, NULL, NULL), i = atomic_load(&d->worker_count);
        if (fd < 0)
            return NULL;
        if (d->mood == CROWDED) {
            say(fd, "-ERR max number of clients reached\r\n");
            close(fd);
            continue;
        }
        struct worker *w = malloc(sizeof *w);
        CHECK(w != NULL && i < 128);
        *w = (struct worker){d, fd};
        d->fds[i] = fd;
        atomic_fetch_add(&d->connections, 1);
        CHECK(pthread_create(&d->workers[i], NULL, run_worker, w) == 0);
        atomic_store(&d->worker_count, i + 1);
    }
}

static inline struct daemon *daemon_start(enum mood mood)
{
    static uint64_t incarnations = 7;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct daemon *d = calloc(1, sizeof *d);

    CHECK(d != NULL);
    d->mood = mood;
    d->loader = -1;
    d->incarnation = (struct id128){++incarnations, 0xabcdef};
    pthread_mutex_init(&d->lock, NULL);
    make_segment(d);
    if (d->writer)
        lease(d, 60000);
    snprintf(path, sizeof path, "%s/s", test_folder());
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    (void)unlink(path);
    d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(d->listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(d->listener, 64) == 0);
    CHECK(pthread_create(&d->thread, NULL, run_daemon, d) == 0);
    return d;
}

/* As after SIGKILL: the lease word stays as it is. */
static inline void daemon_stop(struct daemon *d)
{
    shutdown(d->listener, SHUT_RDWR);
    pthread_join(d->thread, NULL);
    close(d->listener);
    for (int i = 0; i < atomic_load(&d->worker_count); i++) {
        shutdown(d->fds[i], SHUT_RDWR);
        pthread_join(d->workers[i], NULL);
        close(d->fds[i]);
    }
    munmap(d->segment, d->sizes.segment_bytes);
    munmap(d->hints, d->sizes.hints_bytes);
    close(d->segment_fd);
    close(d->hints_fd);
    free(d->memory);
    free(d);
}

/* ---- reading ---- */

static char buffer[256];
static struct accord_result r;

static inline int state_of(struct accord *a, const char *key)
{
    CHECK(accord_get(a, key, strlen(key), buffer, sizeof buffer, &r) == ACCORD_OK);
    return r.state;
}

static inline bool reads(struct accord *a, const char *key, const char *value)
{
    return state_of(a, key) == ACCORD_HIT && r.value_bytes == strlen(value) &&
           memcmp(buffer, value, r.value_bytes) == 0;
}

static inline struct accord *opened(void)
{
    struct accord_options o = {.connect_timeout_ms = 300, .request_timeout_ms = 500};
    struct accord *a = NULL;

    CHECK(accord_open(&a, path, &o) == ACCORD_OK && a != NULL);
    return a;
}

/* After the daemon's last trouble: with the first sign of life. */
static inline bool soon_clears(struct accord *a)
{
    uint64_t end_ns = boottime_ns() + 30 * NS_PER_S;

    while (accord_clear(a, "x", NULL, NULL) != ACCORD_OK) {
        if (boottime_ns() > end_ns)
            return false;
        usleep(1000);
    }
    return true;
}

/* ---- an origin ---- */

struct source {
    struct daemon *d;
    const char *value; /* NULL: the loader fails */
    bool negative, remove;
    int loads, releases;
    const char *const *tags;
    size_t tag_count;
};

static inline void source_release(void *context)
{
    ((struct source *)context)->releases++;
}

static inline int source_load(void *context, struct accord_loaded *out)
{
    struct source *s = context;

    s->loads++;
    if (s->remove) {
        pthread_mutex_lock(&s->d->lock);
        (void)writer_remove_key(s->d->writer, bytes_of("k", 1), false, boottime_ns());
        pthread_mutex_unlock(&s->d->lock);
    }
    if (!s->value && !s->negative)
        return -1;
    out->value = s->value;
    out->value_bytes = s->value ? strlen(s->value) : 0;
    out->options.negative = s->negative;
    out->options.tags = s->tags;
    out->options.tag_count = s->tag_count;
    out->release = source_release;
    return 0;
}

static inline int source_load_nowhere(void *context, struct accord_loaded *out)
{
    (void)context;
    out->value_bytes = 5;
    return 0;
}

#endif
