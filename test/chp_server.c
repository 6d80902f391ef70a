/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "chp_server.h"

#include "test.h"

#if __has_include(<zmq.h>)

#include "bus/chp/hub.h"
#include "net/chp_peer.h"
#include "net/time.h"
#include "wire/chp.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { TRIES = 200, STEP_MS = 50 };

/* libzmq is not built with it: what its threads hand over without locks looks like races. */
#ifdef __SANITIZE_THREAD__
static const bool thread_sanitizer = true;
#else
static const bool thread_sanitizer = false;
#endif

/* ---- the server's process ------------------------------------------------------------- */

struct serving {
    struct chp_sockets *sockets;
    struct chp_peer *peer; /* NULL: it serves alone */
    struct hub *hub;
    uint64_t sequence;
    int control;
};

struct order {
    char cluster[40]; /* "": nothing is cut, and only asked for the answer */
    unsigned count;
    bool is_whole; /* the answer */
};

static uint64_t next(void *context)
{
    return ++((struct serving *)context)->sequence;
}

static int send_to(void *context, struct bytes client, const struct bytes *frames, size_t count)
{
    return chp_send(((struct serving *)context)->sockets, client, frames, count);
}

static void publish(void *context, const struct bytes *frames, size_t count)
{
    struct serving *s = context;

    chp_subscribed(s->sockets);
    chp_publish(s->sockets, frames, count);
}

static void refused(void *context, const char *why, struct bytes about)
{
    (void)context;
    fprintf(stderr, "refused: %s: %.*s\n", why, (int)u64_min(100, about.size_bytes),
            (const char *)about.data);
}

static bool say_to_peer(void *context, const struct bytes *frames, size_t count)
{
    return chp_peer_say(((struct serving *)context)->peer, frames, count);
}

static void noted(void *context, const char *what)
{
    (void)context;
    (void)what;
}

static void obey(struct serving *s)
{
    struct order o;

    if (recv(s->control, &o, sizeof o, 0) != sizeof o)
        _exit(0); /* the test is over */
    if (o.cluster[0])
        hub_cut(s->hub, o.cluster, o.count);
    o.is_whole = strcmp(hub_pair_text(s->hub), "active, the other has all") == 0;
    if (send(s->control, &o, sizeof o, 0) != sizeof o)
        _exit(1);
}

static bool serve_one(struct serving *s)
{
    struct bytes frames[CHP_RECEIVED_MAX];
    size_t asked = chp_receive(s->sockets, CHP_SNAPSHOTS, frames);

    if (asked > 0)
        hub_asked(s->hub, frames[0], frames + 1, asked - 1);
    size_t told = chp_receive(s->sockets, CHP_COLLECTOR, frames);
    if (told > 0 && hub_takes(frames[0]))
        hub_told(s->hub, frames, told);
    size_t answered = s->peer ? chp_peer_receive(s->peer, frames) : 0;
    if (answered > 0)
        hub_answered(s->hub, frames, answered);
    chp_subscribed(s->sockets);
    return asked > 0 || told > 0 || answered > 0;
}

static void tick(struct serving *s)
{
    static uint64_t due_ns;

    if (!s->peer || time_monotonic_ns() < due_ns)
        return;
    hub_tick(s->hub);
    due_ns = time_monotonic_ns() + HUB_TICK_MS * NS_PER_MS;
}

_Noreturn static void serve(struct serving *s, const struct hub_pair *pair)
{
    struct timespec now;
    const struct hub_host host = {.context = s,
                                  .sequence = next,
                                  .send = send_to,
                                  .publish = publish,
                                  .say = say_to_peer,
                                  .noted = noted,
                                  .refused = refused};

    clock_gettime(CLOCK_REALTIME, &now);
    s->sequence = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    s->hub = hub_new(&host);
    if (!s->hub || (s->peer && hub_pair(s->hub, pair) != ACCORD_OK))
        _exit(1);
    for (;;) {
        struct pollfd fds[] = {{s->control, POLLIN, 0},
                               {chp_sockets_fd(s->sockets, CHP_SNAPSHOTS), POLLIN, 0},
                               {chp_sockets_fd(s->sockets, CHP_UPDATES), POLLIN, 0},
                               {chp_sockets_fd(s->sockets, CHP_COLLECTOR), POLLIN, 0}};
        while (serve_one(s))
            ;
        tick(s);
        /* A message that came while another was sent makes no descriptor readable. */
        poll(fds, COUNT_OF(fds), 2);
        if (fds[0].revents)
            obey(s);
    }
}

static int address_of(uint16_t port, struct chp_address *out)
{
    char why[NET_WHY_BYTES_MAX], text[64];

    snprintf(text, sizeof text, "chp://127.0.0.1:%u", port);
    return chp_address_parse(text, out, why);
}

_Noreturn static void run(const struct chp_server *as, int control)
{
    struct serving s = {.control = control};
    char why[NET_WHY_BYTES_MAX], servers[64];
    struct chp_address address, peer;
    struct order ready = {.count = 0};
    bool is_primary = !as->is_backup;
    unsigned ports[] = {is_primary ? as->port : as->peer, is_primary ? as->peer : as->port};
    const struct hub_pair pair = {is_primary, servers};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Nothing of the test's: what it closes would stay open here. */
    if (control > 3)
        close_range(3, (unsigned)control - 1, 0);
    close_range((unsigned)control + 1, ~0u, 0);
    snprintf(servers, sizeof servers, "127.0.0.1:%u,127.0.0.1:%u", ports[0], ports[1]);
    if (as->peer && address_of(as->peer, &peer) == ACCORD_OK)
        s.peer = chp_peer_new(&peer);
    if ((as->peer != 0) != (s.peer != NULL) || address_of(as->port, &address) != ACCORD_OK ||
        chp_sockets_new(&s.sockets, &address, why) != ACCORD_OK ||
        send(control, &ready, sizeof ready, 0) != sizeof ready)
        _exit(1);
    serve(&s, &pair);
}

/* ---- the test's ----------------------------------------------------------------------- */

static bool is_free(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bool is = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return is;
}

static uint16_t three_free(void)
{
    uint16_t port;

    for (unsigned i = 0; i < TRIES; i++) {
        CHECK(getrandom(&port, sizeof port, 0) == sizeof port);
        port = (uint16_t)(20000 + port % 12000); /* below what the kernel gives by itself */
        if (is_free(port) && is_free((uint16_t)(port + 1)) && is_free((uint16_t)(port + 2)))
            return port;
    }
    test_skip("no three free ports in a row");
}

static bool start_at(struct chp_server *s, uint16_t port)
{
    struct order ready;
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    fflush(NULL);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0) {
        close(ends[0]);
        s->port = port;
        run(s, ends[1]);
    }
    close(ends[1]);
    s->control = ends[0];
    s->port = port;
    if (recv(s->control, &ready, sizeof ready, 0) == sizeof ready)
        return true;
    close(s->control);
    CHECK(waitpid(s->pid, NULL, 0) == s->pid);
    s->pid = 0;
    return false;
}

void chp_pair_choose(struct chp_server pair[2])
{
    for (unsigned i = 0; i < 2; i++)
        pair[i] = (struct chp_server){.port = three_free(), .is_backup = i == 1};
    while (pair[1].port >= pair[0].port - 2 && pair[1].port <= pair[0].port + 2)
        pair[1].port = three_free();
    for (unsigned i = 0; i < 2; i++)
        pair[i].peer = pair[1 - i].port;
}

void chp_server_start(struct chp_server *s)
{
    bool again = s->port > 0;

    if (thread_sanitizer)
        test_skip("ThreadSanitizer cannot see into libzmq");
    for (unsigned i = 0; !start_at(s, again ? s->port : three_free()); i++) {
        CHECK(i < TRIES);
        usleep(again ? STEP_MS * 1000 : 0);
    }
}

void chp_server_kill(struct chp_server *s)
{
    CHECK(kill(s->pid, SIGKILL) == 0);
    CHECK(waitpid(s->pid, NULL, 0) == s->pid);
    close(s->control);
    s->pid = 0;
}

void chp_server_cut(struct chp_server *s, const char *cluster, unsigned count)
{
    struct order o = {.count = count};

    snprintf(o.cluster, sizeof o.cluster, "%s", cluster);
    CHECK(send(s->control, &o, sizeof o, 0) == sizeof o);
    CHECK(recv(s->control, &o, sizeof o, 0) == sizeof o);
}

bool chp_server_is_whole(const struct chp_server *s)
{
    struct order o = {.count = 0};

    CHECK(send(s->control, &o, sizeof o, 0) == sizeof o);
    CHECK(recv(s->control, &o, sizeof o, 0) == sizeof o);
    return o.is_whole;
}

static void *connected(void *context, int type, unsigned port)
{
    void *socket = zmq_socket(context, type);
    char endpoint[64];
    int linger = 0;

    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    CHECK(zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) == 0);
    CHECK(zmq_connect(socket, endpoint) == 0);
    return socket;
}

/* The newest position of the cluster's log. */
static uint64_t head_of(void *asks, struct bytes subtree)
{
    bool is_end = false, ended = false;
    uint64_t head = 0;

    CHECK(zmq_send(asks, CHP_ICANHAZ, strlen(CHP_ICANHAZ), ZMQ_SNDMORE) > 0);
    CHECK(zmq_send(asks, subtree.data, subtree.size_bytes, 0) > 0);
    while (!ended) {
        uint8_t frame[64];
        for (int i = 0, more = 1; more; i++) {
            int got = zmq_recv(asks, frame, sizeof frame, 0);
            size_t size = sizeof more;
            is_end = i == 0 ? got == (int)strlen(CHP_KTHXBAI) && frame[0] == 'K' : is_end;
            for (int b = 0; is_end && i == 1 && b < got; b++)
                head = head << 8 | frame[b];
            CHECK(zmq_getsockopt(asks, ZMQ_RCVMORE, &more, &size) == 0);
        }
        ended = is_end;
    }
    return head;
}

void chp_server_set(const struct chp_server *s, struct bytes key)
{
    const uint8_t *cluster = key.data + strlen("/accord/");
    const uint8_t *end = memchr(cluster, '/', key.size_bytes - strlen("/accord/"));
    struct bytes subtree = bytes_of(key.data, (size_t)(end - key.data) + 1);
    void *context = zmq_ctx_new();
    void *asks = connected(context, ZMQ_DEALER, s->port);
    void *sets = connected(context, ZMQ_XPUB, s->port + 2u);
    uint8_t uuid[CHP_UUID_BYTES], subscription[8];

    /* The collector subscribes; what is sent before that is nobody's. */
    CHECK(zmq_recv(sets, subscription, sizeof subscription, 0) >= 1);
    uint64_t before = head_of(asks, subtree);
    CHECK(getrandom(uuid, sizeof uuid, 0) == sizeof uuid);
    CHECK(zmq_send(sets, key.data, key.size_bytes, ZMQ_SNDMORE) >= 0);
    CHECK(zmq_send(sets, "", 0, ZMQ_SNDMORE) == 0);
    CHECK(zmq_send(sets, uuid, sizeof uuid, ZMQ_SNDMORE) == sizeof uuid);
    CHECK(zmq_send(sets, "", 0, ZMQ_SNDMORE) == 0);
    CHECK(zmq_send(sets, "", 0, 0) == 0);
    while (head_of(asks, subtree) == before)
        usleep(STEP_MS * 100);
    zmq_close(asks);
    zmq_close(sets);
    zmq_ctx_term(context);
}

#else

void chp_pair_choose(struct chp_server pair[2])
{
    (void)pair;
    test_skip("built without libzmq");
}
void chp_server_start(struct chp_server *s)
{
    (void)s;
    test_skip("built without libzmq");
}
void chp_server_kill(struct chp_server *s)
{
    (void)s;
}
void chp_server_cut(struct chp_server *s, const char *cluster, unsigned count)
{
    (void)s;
    (void)cluster;
    (void)count;
}
void chp_server_set(const struct chp_server *s, struct bytes key)
{
    (void)s;
    (void)key;
}
bool chp_server_is_whole(const struct chp_server *s)
{
    (void)s;
    return false;
}

#endif
