/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "fault_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    LINKS_MAX = 128,
    CHUNKS_MAX = 64, /* on their way in one direction; then the sender is not read from */
    CHUNK_BYTES_MAX = 16384,
    UP = 0, /* to the server */
    DOWN = 1,
};

struct faults {
    uint64_t delay_ms, jitter_ms, throttle, split, reset_after;
    bool stall[2];
    bool cut;
};

struct chunk {
    uint64_t due_ns;
    size_t size, sent;
    uint8_t bytes[CHUNK_BYTES_MAX];
};

struct way {
    struct chunk *chunks; /* a ring */
    unsigned first, count;
    uint64_t last_due_ns;   /* what comes later is due later */
    uint64_t next_ns;       /* throttled until then */
    bool ended, passed_end; /* no more comes; said so to the other side */
};

struct link {
    bool used;
    int fd[2]; /* of the client, of the server: way UP reads fd[UP] and writes fd[DOWN] */
    struct way way[2];
    uint64_t carried; /* to the server */
};

struct fault_proxy {
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    int listener, wake;
    uint16_t port, to_port;
    uint64_t rng;
    bool stopping, reset_now;
    struct faults faults;
    unsigned open, accepted;
    struct link links[LINKS_MAX];
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t random_below(struct fault_proxy *p, uint64_t below)
{
    uint64_t z = (p->rng += 0x9e3779b97f4a7c15); /* splitmix64 */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) % below;
}

static void set_up(int fd)
{
    int one = 1;

    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void link_close(struct fault_proxy *p, struct link *l, bool reset)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    for (int i = 0; i < 2; i++) {
        if (l->fd[i] >= 0 && reset)
            (void)setsockopt(l->fd[i], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        if (l->fd[i] >= 0)
            close(l->fd[i]);
        free(l->way[i].chunks);
    }
    *l = (struct link){.used = false};
    p->open--;
}

static struct link *link_free(struct fault_proxy *p)
{
    for (int i = 0; i < LINKS_MAX; i++)
        if (!p->links[i].used)
            return &p->links[i];
    return NULL;
}

static int connected(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void link_accept(struct fault_proxy *p)
{
    int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    struct link *l = link_free(p);

    if (client < 0)
        return;
    p->accepted++;
    int server = p->faults.cut || !l ? -1 : connected(p->to_port);
    if (server < 0) {
        close(client);
        return;
    }
    *l = (struct link){.used = true, .fd = {client, server}};
    p->open++;
    for (int i = 0; i < 2; i++) {
        set_up(l->fd[i]);
        l->way[i].chunks = malloc(CHUNKS_MAX * sizeof *l->way[i].chunks);
        if (!l->way[i].chunks) {
            link_close(p, l, /* reset= */ true);
            return;
        }
    }
}

/* Takes what the sender has; false: the connection is broken. */
static bool way_take(struct fault_proxy *p, struct link *l, int direction)
{
    struct way *w = &l->way[direction];
    struct chunk *c = &w->chunks[(w->first + w->count) % CHUNKS_MAX];
    size_t most = sizeof c->bytes;

    if (p->faults.split > 0)
        most = 1 + random_below(p, p->faults.split < most ? p->faults.split : most);
    ssize_t got = recv(l->fd[direction], c->bytes, most, 0);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
        w->ended = true;
        return true;
    }
    uint64_t delay_ms = p->faults.delay_ms;
    if (p->faults.jitter_ms > 0)
        delay_ms += random_below(p, p->faults.jitter_ms + 1);
    uint64_t due_ns = now_ns() + delay_ms * 1000000;
    w->last_due_ns = due_ns > w->last_due_ns ? due_ns : w->last_due_ns;
    c->due_ns = w->last_due_ns;
    c->size = (size_t)got;
    c->sent = 0;
    w->count++;
    l->carried += direction == UP ? (uint64_t)got : 0;
    return true;
}

/* When something may next be given to the receiver; UINT64_MAX: not by itself. */
static uint64_t way_due(const struct fault_proxy *p, const struct way *w, int direction)
{
    if (p->faults.stall[direction] || w->count == 0)
        return UINT64_MAX;
    uint64_t due_ns = w->chunks[w->first].due_ns;
    return due_ns > w->next_ns ? due_ns : w->next_ns;
}

/* Gives what is due; false: the connection is broken. */
static bool way_give(struct fault_proxy *p, struct link *l, int direction)
{
    struct way *w = &l->way[direction];

    while (way_due(p, w, direction) <= now_ns()) {
        struct chunk *c = &w->chunks[w->first];
        size_t most = c->size - c->sent, slice = (size_t)(p->faults.throttle / 50 + 1);
        if (p->faults.throttle > 0 && most > slice)
            most = slice;
        ssize_t put = send(l->fd[1 - direction], c->bytes + c->sent, most, MSG_NOSIGNAL);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR;
        c->sent += (size_t)put;
        if (p->faults.throttle > 0)
            w->next_ns = now_ns() + (uint64_t)put * 1000000000u / p->faults.throttle;
        if (c->sent == c->size) {
            w->first = (w->first + 1) % CHUNKS_MAX;
            w->count--;
        }
    }
    if (w->ended && w->count == 0 && !w->passed_end && !p->faults.stall[direction]) {
        (void)shutdown(l->fd[1 - direction], SHUT_WR);
        w->passed_end = true;
    }
    return true;
}

/* What one turn finds to do on a link. */
static void link_turn(struct fault_proxy *p, struct link *l, const struct pollfd *fds)
{
    bool whole = true;

    for (int i = 0; i < 2 && whole; i++) {
        if (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) {
            if (!l->way[i].ended && l->way[i].count < CHUNKS_MAX)
                whole = way_take(p, l, i);
            else if (fds[i].revents & POLLERR)
                whole = false;
        }
    }
    for (int i = 0; i < 2 && whole; i++)
        whole = way_give(p, l, i);
    bool spent = p->faults.reset_after > 0 && l->carried >= p->faults.reset_after;
    if (!whole || spent || p->faults.cut || p->reset_now)
        link_close(p, l, /* reset= */ !p->faults.cut);
    else if (l->way[UP].passed_end && l->way[DOWN].passed_end)
        link_close(p, l, /* reset= */ false);
}

/* What to wait for on a link; its earliest due time goes to *due_ns. */
static void link_poll(const struct fault_proxy *p, const struct link *l, struct pollfd *fds,
                      uint64_t *due_ns)
{
    uint64_t now = now_ns();

    for (int i = 0; i < 2; i++)
        fds[i] = (struct pollfd){.fd = -1};
    for (int i = 0; i < 2 && l->used; i++) {
        const struct way *w = &l->way[i];
        uint64_t due = way_due(p, w, i);
        if (!w->ended && w->count < CHUNKS_MAX) {
            fds[i].fd = l->fd[i];
            fds[i].events |= POLLIN;
        }
        if (due <= now) {
            fds[1 - i].fd = l->fd[1 - i];
            fds[1 - i].events |= POLLOUT;
        } else if (due < *due_ns) {
            *due_ns = due;
        }
    }
}

static void *proxy_run(void *context)
{
    static const size_t count = 2 + 2 * LINKS_MAX;
    struct fault_proxy *p = context;
    struct pollfd *fds = calloc(count, sizeof *fds);
    uint64_t wakes;

    pthread_mutex_lock(&p->mutex);
    while (!p->stopping && fds) {
        uint64_t due_ns = UINT64_MAX, now = now_ns();
        fds[0] = (struct pollfd){.fd = p->listener, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = p->wake, .events = POLLIN};
        for (int i = 0; i < LINKS_MAX; i++)
            link_poll(p, &p->links[i], &fds[2 + 2 * i], &due_ns);
        pthread_mutex_unlock(&p->mutex);
        uint64_t wait_ns = due_ns == UINT64_MAX ? 1000000000u : due_ns > now ? due_ns - now : 0;
        struct timespec t = {(time_t)(wait_ns / 1000000000u), (long)(wait_ns % 1000000000u)};
        (void)ppoll(fds, count, &t, NULL);
        pthread_mutex_lock(&p->mutex);
        if (fds[1].revents & POLLIN)
            (void)!read(p->wake, &wakes, sizeof wakes);
        for (int i = 0; i < LINKS_MAX; i++)
            if (p->links[i].used)
                link_turn(p, &p->links[i], &fds[2 + 2 * i]);
        p->reset_now = false;
        if (fds[0].revents & POLLIN)
            link_accept(p);
    }
    pthread_mutex_unlock(&p->mutex);
    free(fds);
    return NULL;
}

static bool listen_on(struct fault_proxy *p, in_addr_t address)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;

    at.sin_addr.s_addr = htonl(address);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->listener < 0 || p->wake < 0 ||
        bind(p->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(p->listener, LINKS_MAX) != 0 ||
        getsockname(p->listener, (struct sockaddr *)&at, &length) != 0)
        return false;
    p->port = ntohs(at.sin_port);
    return true;
}

static void proxy_free(struct fault_proxy *p)
{
    for (int i = 0; i < LINKS_MAX; i++)
        if (p->links[i].used)
            link_close(p, &p->links[i], /* reset= */ true);
    if (p->listener >= 0)
        close(p->listener);
    if (p->wake >= 0)
        close(p->wake);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

static struct fault_proxy *start(in_addr_t address, uint16_t to_port, uint64_t seed)
{
    struct fault_proxy *p = calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->listener = p->wake = -1;
    p->to_port = to_port;
    p->rng = seed;
    pthread_mutex_init(&p->mutex, NULL);
    if (!listen_on(p, address) || pthread_create(&p->thread, NULL, proxy_run, p) != 0) {
        proxy_free(p);
        return NULL;
    }
    return p;
}

struct fault_proxy *fault_proxy_start(uint16_t to_port, uint64_t seed)
{
    return start(INADDR_LOOPBACK, to_port, seed);
}

struct fault_proxy *fault_proxy_start_everywhere(uint16_t to_port, uint64_t seed)
{
    return start(INADDR_ANY, to_port, seed);
}

static void proxy_wake(struct fault_proxy *p)
{
    uint64_t one = 1;

    (void)!write(p->wake, &one, sizeof one);
}

void fault_proxy_stop(struct fault_proxy *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    proxy_wake(p);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    proxy_free(p);
}

uint16_t fault_proxy_port(const struct fault_proxy *p)
{
    return p->port;
}

static bool apply(struct fault_proxy *p, const char *command)
{
    unsigned long long a = 0, b = 0;
    struct faults *f = &p->faults;
    char word[16] = "";

    if (sscanf(command, "delay %llu %llu", &a, &b) >= 1) {
        f->delay_ms = a;
        f->jitter_ms = b;
    } else if (sscanf(command, "throttle %llu", &a) == 1) {
        f->throttle = a;
    } else if (sscanf(command, "split %llu", &a) == 1) {
        f->split = a;
    } else if (sscanf(command, "reset-after %llu", &a) == 1) {
        f->reset_after = a;
    } else if (sscanf(command, "to %llu", &a) == 1) {
        p->to_port = (uint16_t)a;
    } else if (sscanf(command, "stall %15s", word) == 1) {
        bool both = strcmp(word, "both") == 0;
        f->stall[UP] |= both || strcmp(word, "up") == 0;
        f->stall[DOWN] |= both || strcmp(word, "down") == 0;
        return f->stall[UP] || f->stall[DOWN];
    } else if (strcmp(command, "cut") == 0) {
        f->cut = true;
    } else if (strcmp(command, "reset") == 0) {
        p->reset_now = true;
    } else if (strcmp(command, "heal") == 0) {
        *f = (struct faults){.cut = false};
    } else {
        return false;
    }
    return true;
}

bool fault_proxy_command(struct fault_proxy *p, const char *command)
{
    pthread_mutex_lock(&p->mutex);
    bool known = apply(p, command);
    proxy_wake(p);
    pthread_mutex_unlock(&p->mutex);
    return known;
}

unsigned fault_proxy_open(struct fault_proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    unsigned n = p->open;
    pthread_mutex_unlock(&p->mutex);
    return n;
}

unsigned fault_proxy_accepted(struct fault_proxy *p)
{
    pthread_mutex_lock(&p->mutex);
    unsigned n = p->accepted;
    pthread_mutex_unlock(&p->mutex);
    return n;
}
