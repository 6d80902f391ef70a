/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/link.h"

#if __has_include(<zmq.h>)

#include "bus/resolve.h"
#include "net/address.h"
#include "net/time.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/random.h>
#include <zmq.h>

enum {
    PARTS_MAX = 8,
    SLICE_MS = 100,      /* how soon it is seen that a connection is gone */
    PENDING_MAX = 20000, /* messages that were published and not read yet; then some are lost,
                            and asked for */
    RECONNECT_MS = 20,
    RECONNECT_MS_MAX = 500,
    HEARTBEAT_MS = 2000, /* a server that stands still, or a cable that was pulled */
    HEARTBEAT_TIMEOUT_MS = 5000,
};

/* A message as it came. */
struct parts {
    zmq_msg_t part[PARTS_MAX];
    size_t count; /* of them; those beyond PARTS_MAX are gone */
    bool more;
};

/* ---- life ----------------------------------------------------------------------------- */

int chp_context_new(void **context, char why[BUS_WHY_BYTES_MAX])
{
    void *made = zmq_ctx_new();

    if (!made)
        return bus_fail(why, ACCORD_E_NOMEM, "libzmq: %s", zmq_strerror(errno));
    *context = made;
    return ACCORD_OK;
}

void chp_context_free(void *context)
{
    while (context && zmq_ctx_term(context) != 0 && errno == EINTR)
        ;
}

void chp_link_init(struct chp_link *l, const struct chp_place *p, void *context,
                   bool wants_to_hear)
{
    *l = (struct chp_link){.place = p, .context = context, .wants_to_hear = wants_to_hear};
    ASSERT(getrandom(&l->nonce, sizeof l->nonce, 0) == sizeof l->nonce);
    l->nonce >>= 1; /* it is counted on */
}

void chp_link_close(struct chp_link *l)
{
    if (l->asks)
        zmq_close(l->asks);
    if (l->hears)
        zmq_close(l->hears);
    l->asks = l->hears = NULL;
}

const char *chp_link_server(const struct chp_link *l)
{
    return l->place->server[l->server];
}

void chp_link_turn_to(struct chp_link *l, size_t server)
{
    if (server == l->server)
        return;
    chp_link_close(l);
    l->server = server;
}

static bool has_two(const struct chp_link *l)
{
    return l->place->url.server_count == CHP_PAIR;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_up(void *socket)
{
    return socket && set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_IPV6, 1) &&
           set_int(socket, ZMQ_RCVHWM, PENDING_MAX) &&
           set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) &&
           set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) &&
           set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
}

static bool connect_to(void *socket, const char *host, unsigned port)
{
    char endpoint[RESOLVED_BYTES_MAX + 32];

    snprintf(endpoint, sizeof endpoint, strchr(host, ':') ? "tcp://[%s]:%u" : "tcp://%s:%u",
             host, port);
    return zmq_connect(socket, endpoint) == 0;
}

static bool is_loopback(const char *number)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list = NULL;

    if (getaddrinfo(number, NULL, &hints, &list) != 0)
        return false;
    bool is = address_is_loopback(list->ai_addr);
    freeaddrinfo(list);
    return is;
}

/* IPv4 first: it is what the door takes "localhost" for. */
static const char *address_of(const struct resolved *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!strchr(r->address[i], ':'))
            return r->address[i];
    return r->address[0];
}

static int find_host(const struct chp_link *l, uint64_t deadline_ns, struct resolved *out,
                     char why[BUS_WHY_BYTES_MAX])
{
    int status = resolve(l->place->url.servers[l->server].host, deadline_ns, out, why);

    if (status != ACCORD_OK)
        return status;
    if (!is_loopback(address_of(out)))
        return bus_fail(why, ACCORD_E_INVALID,
                        "chp: %s is another host, and the protocol has no password: bring its "
                        "three ports here through a tunnel (ssh -L, WireGuard), and give "
                        "chp://127.0.0.1",
                        chp_link_server(l));
    return ACCORD_OK;
}

static bool connect_all(struct chp_link *l, const char *host)
{
    const struct chp_place *p = l->place;
    unsigned port = p->url.servers[l->server].port;

    l->asks = zmq_socket(l->context, ZMQ_DEALER);
    if (!set_up(l->asks) || !set_int(l->asks, ZMQ_IMMEDIATE, 1) ||
        !connect_to(l->asks, host, port))
        return false;
    if (!l->wants_to_hear)
        return true;
    l->hears = zmq_socket(l->context, ZMQ_SUB);
    return set_up(l->hears) &&
           zmq_setsockopt(l->hears, ZMQ_SUBSCRIBE, p->prefix, strlen(p->prefix)) == 0 &&
           connect_to(l->hears, host, port + 1);
}

int chp_link_open(struct chp_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct resolved r = {.count = 0};

    if (l->asks)
        return ACCORD_OK;
    int status = find_host(l, deadline_ns, &r, why);
    if (status != ACCORD_OK)
        return status;
    if (connect_all(l, address_of(&r)))
        return ACCORD_OK;
    status = bus_fail(why, ACCORD_E_IO, "chp: %s: libzmq: %s", chp_link_server(l),
                      zmq_strerror(errno));
    chp_link_close(l);
    return status;
}

/* ---- messages ------------------------------------------------------------------------- */

static void drop_parts(struct parts *p)
{
    while (p->count > 0)
        zmq_msg_close(&p->part[--p->count]);
}

static bool take_part(void *socket, zmq_msg_t *part)
{
    int got;

    zmq_msg_init(part);
    do
        got = zmq_msg_recv(part, socket, ZMQ_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        zmq_msg_close(part);
    return got >= 0;
}

/* The next message, whole. False: there is none. */
static bool take(void *socket, struct parts *p)
{
    zmq_msg_t rest;

    p->count = 0;
    do {
        zmq_msg_t *part = p->count < PARTS_MAX ? &p->part[p->count] : &rest;
        if (!take_part(socket, part)) {
            drop_parts(p); /* never of a message that has begun: it is there whole */
            return false;
        }
        p->more = zmq_msg_more(part) != 0;
        if (part == &rest)
            zmq_msg_close(&rest);
        else
            p->count++;
    } while (p->more);
    return true;
}

static bool parse(struct parts *p, struct chp_message *out)
{
    struct bytes frames[PARTS_MAX];
    const char *why;

    for (size_t i = 0; i < p->count; i++)
        frames[i] = bytes_of(zmq_msg_data(&p->part[i]), zmq_msg_size(&p->part[i]));
    return chp_parse_long(frames, p->count, SIZE_MAX, out, &why) == ACCORD_OK;
}

static int events(void *socket)
{
    int now = 0;
    size_t bytes = sizeof now;

    (void)zmq_getsockopt(socket, ZMQ_EVENTS, &now, &bytes);
    return now;
}

/* For what is waited; at most a slice. */
static void wait_for(void *socket, short what, uint64_t deadline_ns)
{
    uint64_t left_ms = u64_sub_sat(deadline_ns, time_monotonic_ns()) / NS_PER_MS + 1;
    zmq_pollitem_t item = {.socket = socket, .events = what};

    (void)zmq_poll(&item, 1, (long)u64_min(left_ms, SLICE_MS));
}

/* ---- questions ------------------------------------------------------------------------ */

static int unreachable(const struct chp_link *l, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_DOWN,
                    "chp: no connection to %s; is a node with --listen chp://%s running?",
                    chp_link_server(l), chp_link_server(l));
}

static int send_frames(struct chp_link *l, const struct bytes *frames, size_t count,
                       uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    for (size_t i = 0; i < count;) {
        int flags = ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0);
        if (zmq_send(l->asks, frames[i].data, frames[i].size_bytes, flags) >= 0) {
            i++; /* with its first frame a message is accepted whole */
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return bus_fail(why, ACCORD_E_DOWN, "chp: %s: %s", chp_link_server(l),
                            zmq_strerror(errno));
        if (time_monotonic_ns() >= deadline_ns)
            return unreachable(l, why);
        wait_for(l->asks, ZMQ_POLLOUT, deadline_ns);
    }
    return ACCORD_OK;
}

static int unanswered(struct chp_link *l, const char *what, char why[BUS_WHY_BYTES_MAX])
{
    chp_link_close(l);
    return bus_fail(why, ACCORD_E_TIMEOUT, "chp: %s %s", chp_link_server(l), what);
}

/* Until the answer to `path` is there. */
static int receive(struct chp_link *l, struct bytes path, chp_each each, void *context,
                   struct talk_answer *out, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct chp_message m;
    struct parts p;

    for (;;) {
        while (take(l->asks, &p)) {
            bool good = parse(&p, &m);
            bool is_end = good && bytes_equal(m.key, bytes_of_text(CHP_KTHXBAI)) &&
                          bytes_equal(m.value, path);
            bool is_answer = is_end && talk_answer_parse(&m, out) == ACCORD_OK;
            if (good && !is_end && each)
                each(context, &m);
            drop_parts(&p);
            if (is_answer)
                return ACCORD_OK;
            if (is_end)
                return unanswered(l, "is a CHP server, but none of Accord's", why);
        }
        if (time_monotonic_ns() >= deadline_ns)
            return unanswered(l, "has not answered in time", why);
        if (!(events(l->asks) & (ZMQ_POLLOUT | ZMQ_POLLIN)))
            return unanswered(l, "closed the connection", why);
        wait_for(l->asks, ZMQ_POLLIN, deadline_ns);
    }
}

/* A server without the other would not know of one that took over. */
static int check_pair(struct chp_link *l, const struct talk_answer *a,
                      char why[BUS_WHY_BYTES_MAX])
{
    if (strncmp(a->refused, TALK_PASSIVE, strlen(TALK_PASSIVE)) == 0)
        return bus_fail(why, ACCORD_E_DOWN,
                        "chp: %s is one of two servers, and not the active one%s",
                        chp_link_server(l),
                        has_two(l) ? "" : ": give both, as chp://host:port,host:port/cluster");
    if (has_two(l) && a->term == 0)
        return bus_fail(
            why, ACCORD_E_DOWN,
            "chp: %s serves alone, and not as one of these two: it needs --bus with "
            "both, as here",
            chp_link_server(l));
    return ACCORD_OK;
}

static int say(struct chp_link *l, const struct bytes *frames, size_t count, struct bytes path,
               chp_each each, void *context, struct talk_answer *out, uint64_t deadline_ns,
               char why[BUS_WHY_BYTES_MAX])
{
    int status = chp_link_open(l, deadline_ns, why);

    if (status == ACCORD_OK)
        status = send_frames(l, frames, count, deadline_ns, why);
    if (status == ACCORD_OK)
        status = receive(l, path, each, context, out, deadline_ns, why);
    if (status == ACCORD_OK)
        status = check_pair(l, out, why);
    if (has_two(l) && (status == ACCORD_E_DOWN || status == ACCORD_E_TIMEOUT))
        chp_link_turn_to(l, CHP_PAIR - 1 - l->server);
    return status;
}

int chp_link_ask(struct chp_link *l, struct talk_question *q, chp_each each, void *context,
                 struct talk_answer *out, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    char path[TALK_PATH_BYTES_MAX];

    q->nonce = ++l->nonce;
    talk_question_print(q, path);
    struct bytes frames[] = {bytes_of_text(CHP_ICANHAZ), bytes_of_text(path)};
    return say(l, frames, COUNT_OF(frames), frames[1], each, context, out, deadline_ns, why);
}

int chp_link_publish(struct chp_link *l, struct talk_question *q, struct bytes properties,
                     const struct bytes *values, size_t count, struct talk_answer *out,
                     uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct bytes frames[CHP_FRAMES - 1 + CHP_VALUES_MAX];
    char path[TALK_PATH_BYTES_MAX];

    ASSERT(count > 0 && count <= CHP_VALUES_MAX);
    q->nonce = ++l->nonce;
    talk_question_print(q, path);
    frames[0] = bytes_of_text(path);
    frames[1] = frames[2] = bytes_of("", 0);
    frames[3] = properties;
    memcpy(frames + CHP_FRAMES - 1, values, count * sizeof *values);
    return say(l, frames, CHP_FRAMES - 1 + count, frames[0], NULL, NULL, out, deadline_ns, why);
}

/* ---- what is published ---------------------------------------------------------------- */

void chp_link_hear(struct chp_link *l, bool (*each)(void *context, const struct chp_message *m),
                   void *context)
{
    bool go_on = l->hears != NULL;
    struct chp_message m;
    struct parts p;

    while (go_on && take(l->hears, &p)) {
        if (parse(&p, &m))
            go_on = each(context, &m);
        drop_parts(&p);
    }
}

void chp_link_wait(struct chp_link *l, int fd, uint64_t timeout_ms)
{
    zmq_pollitem_t items[] = {{.fd = fd, .events = ZMQ_POLLIN},
                              {.socket = l->hears, .events = ZMQ_POLLIN}};

    (void)zmq_poll(items, l->hears ? 2 : 1, (long)u64_min(timeout_ms, INT32_MAX));
}

#endif
