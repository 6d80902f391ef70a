/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/link.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bus/resolve.h"
#include "net/time.h"

enum {
    TICK_MS = 250,           /* how often time is looked at */
    TLS_RECORD_READS = 4,    /* 16 KiB that OpenSSL may hold, in libstrophe's reads of 4 */
    SEAT_MS = 10000,         /* to be seated within, however short the calls are */
    PARTING_MS = 500,        /* for the server to close its side */
    OUT_STANZAS_AT_ONCE = 64 /* given to libstrophe before it writes */
};

void xmpp_page_done(struct xmpp_page *p)
{
    for (size_t i = 0; i < p->count; i++)
        xmpp_heard_done(&p->messages[i]);
    p->count = 0;
}

bool xmpp_link_wait(struct xmpp_link *l, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
                             .tv_nsec = (long)(deadline_ns % NS_PER_S)};

    return pthread_cond_timedwait(&l->changed, &l->mutex, &until) == 0 ||
           time_monotonic_ns() < deadline_ns;
}

static void nudge(struct xmpp_link *l)
{
    uint64_t one = 1;
    ssize_t wrote = write(l->wake_fd, &one, sizeof one);

    (void)wrote; /* it is full: then it wakes already */
}

/* ---- of the link's thread -----------------------------------------------------------------
 */

void xmpp_end(struct xmpp_link *l, int status, const char *format, ...)
{
    char why[BUS_WHY_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&l->mutex);
    if (l->status == ACCORD_OK)
        l->status = bus_fail(l->why, status, "xmpp: %.400s", why);
    pthread_mutex_unlock(&l->mutex);
    l->over = true;
}

void xmpp_put(struct xmpp_link *l, const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    int bytes = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ASSERT(bytes > 0 && (size_t)bytes < sizeof text);
    xmpp_send_raw(l->connection, text, (size_t)bytes);
}

/* libstrophe cannot be told to leave PLAIN alone, and falls back to it where SCRAM fails: but
 * it shows each stanza before it acts on it, and sends what it answers in its next turn, which
 * it is not given once the session is over. */
static void watch_login(struct xmpp_link *l, const char *stanza)
{
    bool scram = strstr(stanza, ">SCRAM-SHA-1<") || strstr(stanza, ">SCRAM-SHA-256<") ||
                 strstr(stanza, ">SCRAM-SHA-512<");

    if (strstr(stanza, "<mechanisms") && !scram)
        xmpp_end(l, ACCORD_E_DENIED,
                 "%s:%u would have the password in the clear: without TLS it must offer "
                 "SCRAM-SHA-1, -256 or -512; or leave tls=insecure-off out",
                 l->address, l->port);
    else if (strncmp(stanza, "<failure", 8) == 0)
        xmpp_end(l, ACCORD_E_DENIED, "%s:%u: the account or its password is refused",
                 l->address, l->port);
}

static void complain(void *context, xmpp_log_level_t level, const char *area, const char *text)
{
    static const char received[] = "RECV: ";
    struct xmpp_link *l = context;

    if (l->place->no_tls && !l->seated && strncmp(text, received, sizeof received - 1) == 0)
        watch_login(l, text + sizeof received - 1);
    if (level >= XMPP_LEVEL_WARN)
        snprintf(l->complaint, sizeof l->complaint, "%.30s: %.200s", area, text);
}

static const char *stream_error(const struct xmpp_link *l, const xmpp_stream_error_t *e)
{
    if (e && e->text)
        return e->text;
    if (e && e->type == XMPP_SE_CONFLICT)
        return "another connection took its place";
    if (e && e->type == XMPP_SE_POLICY_VIOLATION)
        return "policy violation (a stanza larger than it takes?)";
    return l->complaint[0] ? l->complaint : "it closed the connection";
}

/* libstrophe says little of why. What came before tells: without a seat, and its complaint of
 * authentication or TLS, the account or the certificate is refused. */
static void on_connection(xmpp_conn_t *c, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream, void *context)
{
    struct xmpp_link *l = context;

    (void)c;
    if (event == XMPP_CONN_CONNECT) {
        l->seated = true;
        xmpp_seat_take(l);
        return;
    }
    bool login = !l->seated && (strstr(l->complaint, "auth") || strstr(l->complaint, "SASL"));
    bool tls = !l->seated && (strstr(l->complaint, "tls") || strstr(l->complaint, "TLS") ||
                              strstr(l->complaint, "ertificate"));
    xmpp_end(l, login || tls ? ACCORD_E_DENIED : ACCORD_E_DOWN, "%s:%u: %s%s%s", l->address,
             l->port, login ? "the account or its password is refused: " : "",
             tls ? "no TLS with a certificate that can be verified (ca=FILE names its "
                   "authority): "
                 : "",
             stream_error(l, stream));
    (void)error;
    l->fd = -1;
}

/* libstrophe tells its socket to a callback without context, on the link's thread. */
static _Thread_local struct xmpp_link *mine;

/* The descriptor that was let go is taken, or a lower one; unless another thread was quicker.
 */
static int on_socket(xmpp_conn_t *c, void *socket)
{
    int on = 1;

    (void)c;
    mine->fd = *(int *)socket;
    if (mine->fd >= FD_SETSIZE)
        return -1;
    (void)fcntl(mine->fd, F_SETFD, FD_CLOEXEC);
    (void)setsockopt(mine->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 0;
}

static bool connect_now(struct xmpp_link *l)
{
    const struct xmpp_place *p = l->place;
    long tls = p->no_tls       ? (long)XMPP_CONN_FLAG_DISABLE_TLS
               : p->direct_tls ? (long)XMPP_CONN_FLAG_LEGACY_SSL
                               : (long)XMPP_CONN_FLAG_MANDATORY_TLS;

    xmpp_conn_set_flags(l->connection, tls | (long)XMPP_CONN_FLAG_DISABLE_SM);
    xmpp_conn_set_jid(l->connection, p->jid);
    xmpp_conn_set_pass(l->connection, p->url.password);
    if (p->ca)
        xmpp_conn_set_cafile(l->connection, p->ca);
    xmpp_conn_set_sockopt_callback(l->connection, on_socket);
    if (l->low_fd >= 0)
        close(l->low_fd);
    l->low_fd = -1;
    int status = xmpp_connect_client(l->connection, l->address, l->port, on_connection, l);
    if (status == XMPP_EOK && l->fd >= 0 && l->fd < FD_SETSIZE)
        return true;
    if (l->fd >= FD_SETSIZE)
        xmpp_end(l, ACCORD_E_DOWN, "no descriptor below %d is free", FD_SETSIZE);
    else
        xmpp_end(l, ACCORD_E_DOWN, "%s:%u refused the connection", l->address, l->port);
    return false;
}

/* What others have written goes to libstrophe, which would drop it without a seat. */
static void hand_over(struct xmpp_link *l)
{
    for (unsigned i = 0; i < OUT_STANZAS_AT_ONCE && l->out_first; i++) {
        struct xmpp_out *o = l->out_first;

        l->out_first = o->next;
        if (!o->next)
            l->out_last = NULL;
        l->out_bytes -= o->bytes;
        xmpp_send_raw(l->connection, o->text, o->bytes);
        free(o);
    }
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* At once, and again after each read: a server that waits with a small stanza for this (Nagle)
 * would wait for 40 ms. */
static void acknowledge(int fd)
{
    int on = 1;

    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

/* Its own wait would not be ended by who has something to send, and sleeps on what OpenSSL has
 * decrypted already: so it is never let wait. */
static void run(struct xmpp_link *l)
{
    unsigned left = TLS_RECORD_READS;

    do {
        left = readable(l->fd) ? TLS_RECORD_READS : left - 1;
        xmpp_run_once(l->xmpp, 0);
        acknowledge(l->fd);
    } while (!l->over && left > 0);
}

static void wait_for_something(struct xmpp_link *l)
{
    bool writes = !l->seated || xmpp_conn_send_queue_len(l->connection) > 0;
    struct pollfd p[2] = {{.fd = l->wake_fd, .events = POLLIN},
                          {.fd = l->fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))}};
    uint64_t count;

    (void)poll(p, l->fd >= 0 ? 2 : 1, TICK_MS);
    if (p[0].revents) {
        ssize_t got = read(l->wake_fd, &count, sizeof count);
        (void)got;
    }
    /* A socket that connects is writable at once where it waits for the server's turn. */
    if (!l->seated && p[1].revents == POLLOUT)
        usleep(1000);
}

/* True: go on. */
static bool look_at_orders(struct xmpp_link *l)
{
    pthread_mutex_lock(&l->mutex);
    bool leave = l->quit || l->leave;
    bool late = l->state != XMPP_UP && time_monotonic_ns() >= l->deadline_ns;
    enum xmpp_state state = l->state;
    if (l->seated && !leave)
        hand_over(l);
    bool more = l->out_first != NULL;
    pthread_mutex_unlock(&l->mutex);
    if (late)
        xmpp_end(l, ACCORD_E_DOWN, "%s:%u does not answer in time (%s)", l->address, l->port,
                 state == XMPP_CONNECTING ? "connecting" : "joining the room");
    if (more)
        nudge(l);
    return !leave && !l->over;
}

/* Says good-bye, where there is somebody, and lets go. */
static void part(struct xmpp_link *l)
{
    uint64_t until_ns = time_monotonic_ns() + PARTING_MS * NS_PER_MS;

    if (l->seated && !l->over)
        xmpp_disconnect(l->connection);
    while (l->seated && !l->over && time_monotonic_ns() < until_ns) {
        wait_for_something(l);
        run(l);
    }
    if (!l->over && l->fd >= 0) { /* it closes what it finds closed */
        shutdown(l->fd, SHUT_RDWR);
        for (unsigned i = 0; i < 100 && !l->over; i++)
            xmpp_run_once(l->xmpp, 1);
    }
    xmpp_conn_release(l->connection);
    xmpp_ctx_free(l->xmpp);
    l->connection = NULL;
    l->xmpp = NULL;
}

static void session(struct xmpp_link *l)
{
    l->log = (xmpp_log_t){complain, l};
    l->over = l->seated = l->created = false;
    l->complaint[0] = '\0';
    l->fd = -1;
    l->heard_ns = time_monotonic_ns();
    l->pinged_ns = 0;
    l->xmpp = xmpp_ctx_new(NULL, &l->log);
    l->connection = l->xmpp ? xmpp_conn_new(l->xmpp) : NULL;
    if (!l->connection) {
        xmpp_end(l, ACCORD_E_NOMEM, "out of memory");
        return;
    }
    bool going = connect_now(l);
    while (going && look_at_orders(l)) {
        wait_for_something(l);
        run(l);
        if (!l->over)
            xmpp_seat_look(l, time_monotonic_ns());
    }
    part(l);
}

/* A low descriptor for the next connection. */
static void reserve(struct xmpp_link *l)
{
    if (l->low_fd < 0)
        l->low_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void drop_out(struct xmpp_link *l)
{
    while (l->out_first) {
        struct xmpp_out *o = l->out_first;

        l->out_first = o->next;
        free(o);
    }
    l->out_last = NULL;
    l->out_bytes = 0;
}

static void *main_of_thread(void *context)
{
    struct xmpp_link *l = context;

    mine = l;
    pthread_mutex_lock(&l->mutex);
    while (!l->quit) {
        if (!l->go) {
            pthread_cond_wait(&l->changed, &l->mutex);
            continue;
        }
        l->go = l->leave = false;
        pthread_mutex_unlock(&l->mutex);
        session(l);
        reserve(l);
        pthread_mutex_lock(&l->mutex);
        l->state = XMPP_DOWN;
        l->generation++;
        if (l->status == ACCORD_OK)
            l->status = bus_fail(l->why, ACCORD_E_DOWN, "xmpp: the connection was ended");
        drop_out(l);
        l->occupant_count = 0;
        l->ended(l->context);
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* ---- of all threads -----------------------------------------------------------------------
 */

static pthread_once_t once = PTHREAD_ONCE_INIT;

int xmpp_link_open(struct xmpp_link *l, const struct xmpp_place *place,
                   const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    pthread_condattr_t monotonic;

    l->place = place;
    l->timeout_ms = s->timeout_ms;
    l->node = s->node;
    l->low_fd = l->fd = -1;
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_once(&once, xmpp_initialize);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&l->mutex, NULL);
    reserve(l);
    l->started = l->wake_fd >= 0 && pthread_create(&l->thread, NULL, main_of_thread, l) == 0;
    if (l->started)
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_NOMEM, "xmpp: no thread or descriptor is to be had");
}

void xmpp_link_close(struct xmpp_link *l)
{
    if (!l->place)
        return;
    if (l->started) {
        pthread_mutex_lock(&l->mutex);
        l->quit = true;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->mutex);
        nudge(l);
        pthread_join(l->thread, NULL);
    }
    drop_out(l);
    if (l->low_fd >= 0)
        close(l->low_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mutex);
    l->place = NULL;
}

/* Begins to take a seat by that address; the mutex is held. The thread goes on with it when the
 * caller's time is over: a login and a room take several questions and answers. */
static void begin(struct xmpp_link *l, const char *address, uint16_t port)
{
    snprintf(l->address, sizeof l->address, "%s", address);
    l->port = port;
    l->deadline_ns = time_monotonic_ns() + u64_max(l->timeout_ms, SEAT_MS) * NS_PER_MS;
    l->status = ACCORD_OK;
    l->why[0] = '\0';
    l->state = XMPP_CONNECTING;
    l->destroyed = false;
    l->nick_tries = 0;
    l->go = true;
    pthread_cond_broadcast(&l->changed);
}

/* Until it is taken, refused, or the time is over: then it goes on. */
static int wait_for_seat(struct xmpp_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    while (l->state != XMPP_UP && l->state != XMPP_DOWN)
        if (!xmpp_link_wait(l, deadline_ns))
            return bus_fail(why, ACCORD_E_TIMEOUT,
                            "xmpp: %s:%u: the room is still being joined", l->address, l->port);
    if (l->state == XMPP_UP)
        return ACCORD_OK;
    memcpy(why, l->why, BUS_WHY_BYTES_MAX);
    return l->status;
}

/* The server that is next, by all its addresses; the mutex is held, but for the question of
 * names. */
static int try_server(struct xmpp_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    const struct bus_url *u = &l->place->url;
    const struct bus_url_server *server = &u->servers[l->next_server++ % u->server_count];
    struct resolved found = {0};

    pthread_mutex_unlock(&l->mutex);
    int status = resolve(server->host, deadline_ns, &found, why);
    pthread_mutex_lock(&l->mutex);
    if (status != ACCORD_OK)
        return status;
    status = ACCORD_E_DOWN;
    for (size_t i = 0; i < found.count && status == ACCORD_E_DOWN; i++) {
        begin(l, found.address[i], server->port);
        status = wait_for_seat(l, deadline_ns, why);
    }
    return status;
}

static int try_all(struct xmpp_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    int status = l->state == XMPP_DOWN ? ACCORD_E_DOWN : wait_for_seat(l, deadline_ns, why);

    for (size_t i = 0; i < l->place->url.server_count && status == ACCORD_E_DOWN &&
                       (i == 0 || time_monotonic_ns() < deadline_ns);
         i++)
        status = try_server(l, deadline_ns, why);
    return status;
}

int xmpp_link_up(struct xmpp_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    pthread_mutex_lock(&l->mutex);
    int status = l->state == XMPP_UP ? ACCORD_OK : try_all(l, deadline_ns, why);
    pthread_mutex_unlock(&l->mutex);
    return status;
}

int xmpp_link_send(struct xmpp_link *l, uint64_t generation, const char *text, size_t bytes,
                   char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_out *o;

    if (l->state != XMPP_UP || l->generation != generation)
        return bus_fail(why, ACCORD_E_DOWN, "%s", l->why[0] ? l->why : "xmpp: not in the room");
    if (l->out_bytes + bytes > XMPP_OUT_BYTES_MAX)
        return bus_fail(why, ACCORD_E_FULL, "xmpp: the server does not take what is sent");
    o = malloc(sizeof *o + bytes + 1); /* libstrophe looks for the end of what it is given */
    if (!o)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    o->next = NULL;
    o->bytes = bytes;
    memcpy(o->text, text, bytes);
    o->text[bytes] = '\0';
    if (l->out_last)
        l->out_last->next = o;
    else
        l->out_first = o;
    l->out_last = o;
    l->out_bytes += bytes;
    nudge(l);
    return ACCORD_OK;
}

/* ---- questions ----------------------------------------------------------------------------
 */

/* Sends, and waits for the answer to `l->question`. */
static int ask(struct xmpp_link *l, const char *text, uint64_t deadline_ns,
               char why[BUS_WHY_BYTES_MAX])
{
    uint64_t generation = l->generation;

    l->answered = false;
    int status = xmpp_link_send(l, generation, text, strlen(text), why);
    while (status == ACCORD_OK && !l->answered) {
        if (l->generation != generation)
            status = bus_fail(why, ACCORD_E_DOWN, "%s", l->why);
        else if (!xmpp_link_wait(l, deadline_ns))
            status = bus_fail(why, ACCORD_E_TIMEOUT, "xmpp: the server does not answer");
    }
    if (status == ACCORD_OK && l->answer_status != ACCORD_OK)
        status = bus_fail(why, l->answer_status,
                          l->answer_status == ACCORD_E_GONE
                              ? "xmpp: the archive no longer has the message"
                              : "xmpp: the server refused what was asked");
    l->question[0] = '\0';
    return status;
}

int xmpp_link_page(struct xmpp_link *l, bool before, const char *aid, uint64_t deadline_ns,
                   struct xmpp_page *out, char why[BUS_WHY_BYTES_MAX])
{
    const char *side = before ? "before" : "after";
    char text[2048], where[XMPP_AID_BYTES_MAX + 32] = "";

    if (aid[0] || before)
        snprintf(where, sizeof where, "<%s>%s</%s>", side, aid, side);
    out->count = 0;
    out->complete = false;
    pthread_mutex_lock(&l->mutex);
    snprintf(l->question, sizeof l->question, "page%llu", (unsigned long long)++l->asked);
    snprintf(text, sizeof text,
             "<iq type='set' id='%s' to='%s'><query xmlns='urn:xmpp:mam:2' queryid='%s'>"
             "<set xmlns='http://jabber.org/protocol/rsm'><max>%d</max>%s</set></query></iq>",
             l->question, l->place->room, l->question, XMPP_PAGE_MAX, where);
    l->page = out;
    int status = ask(l, text, deadline_ns, why);
    l->page = NULL;
    pthread_mutex_unlock(&l->mutex);
    if (status != ACCORD_OK)
        xmpp_page_done(out);
    return status;
}

int xmpp_link_hear(struct xmpp_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    char text[1024];

    pthread_mutex_lock(&l->mutex);
    snprintf(l->question, sizeof l->question, "hear%llu", (unsigned long long)++l->asked);
    snprintf(text, sizeof text,
             "<iq type='get' id='%s' to='%s'><query "
             "xmlns='http://jabber.org/protocol/disco#info'/></iq>",
             l->question, l->place->room);
    int status = ask(l, text, deadline_ns, why);
    pthread_mutex_unlock(&l->mutex);
    return status;
}

bool xmpp_link_made_room(struct xmpp_link *l)
{
    pthread_mutex_lock(&l->mutex);
    bool made = l->created;
    pthread_mutex_unlock(&l->mutex);
    return made;
}

int xmpp_link_destroy_room(struct xmpp_link *l, uint64_t deadline_ns,
                           char why[BUS_WHY_BYTES_MAX])
{
    char text[1024];

    pthread_mutex_lock(&l->mutex);
    snprintf(l->question, sizeof l->question, "end%llu", (unsigned long long)++l->asked);
    snprintf(text, sizeof text,
             "<iq type='set' id='%s' to='%s'><query "
             "xmlns='http://jabber.org/protocol/muc#owner'><destroy/></query></iq>",
             l->question, l->place->room);
    int status = ask(l, text, deadline_ns, why);
    if (status == ACCORD_E_DOWN && l->destroyed)
        status = ACCORD_OK;
    pthread_mutex_unlock(&l->mutex);
    return status;
}
