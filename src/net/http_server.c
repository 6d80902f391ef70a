/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* libmicrohttpd waits in an epoll set of its own, which is itself a descriptor: the loop waits
 * for that, and calls MHD_run() once it is readable. What it would wait for by time, it says in
 * MHD_get_timeout(). */
#include "net/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
    TOLD_MAX = 16, /* connections beyond the limit that are told so; the next wait */
    SWEEP_MS = 1000,
    LATER_S = 5, /* MHD's own limit of idle time: for what the sweep cannot see */
    NOTE_BYTES_MAX = 256,
};

static const char full[] = "This node serves so many HTTP connections already as it may (64): "
                           "close some, or come again.\n";
static const char too_long[] =
    "The request's head is longer than 32768 bytes: send a shorter URL, or fewer headers.\n";

static const char body_too_long[] =
    "The request's body is longer than this server takes: send less at once.\n";
static const char body_without_length[] =
    "The request does not say how long its body is: send a Content-Length, no chunks.\n";

enum { BODY_BYTES_FIRST = 16384 };

/* A request whose body comes. It takes memory as it does, whatever was announced. */
struct incoming {
    size_t bytes, capacity;
    uint8_t *data;
};

/* One connection, from its accept on. */
struct caller {
    struct http_server *server;
    struct caller *next, *previous;
    int fd;
    uint64_t since_ms; /* of the loop: it was accepted, or its last answer was taken */
    bool slow;         /* shut down for that; MHD finds out */
    bool late;         /* when it came, there were as many as may be */
};

struct http_server {
    struct http_server_hooks hooks;
    struct MHD_Daemon *daemon;
    struct net_bound bound;
    struct caller *callers;
    struct http_counts counts;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer, sweep;
    unsigned handles; /* still open */
    bool ended;
};

static const char contradicts[] =
    "The request says in two ways how long its body is: one Content-Length, or chunks.\n";

static struct caller *caller_of(struct MHD_Connection *m)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(m, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* ---- what came ------------------------------------------------------------------------ */

static enum MHD_Result gather_argument(void *context, enum MHD_ValueKind kind, const char *name,
                                       size_t name_bytes, const char *value, size_t value_bytes)
{
    struct http_request *r = context;

    (void)kind;
    (void)name_bytes;
    if (r->argument_count < HTTP_ARGUMENTS_MAX)
        r->arguments[r->argument_count] =
            (struct http_argument){name, bytes_of(value, value ? value_bytes : 0)};
    r->argument_count++;
    return MHD_YES;
}

static enum MHD_Result gather_header(void *context, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    struct http_request *r = context;

    (void)kind;
    if (strcasecmp(name, "host") == 0) {
        r->host = value;
        r->host_count++;
    } else if (strcasecmp(name, "origin") == 0) {
        r->origin = value;
    } else if (strcasecmp(name, "sec-fetch-site") == 0) {
        r->fetch_site = value;
    } else if (strcasecmp(name, "transfer-encoding") == 0) {
        r->has_body = true;
        r->is_chunked = true;
        r->length_count++;
    } else if (strcasecmp(name, "content-length") == 0) {
        r->has_body |= strcmp(value, "0") != 0;
        r->body_bytes = strtoull(value, NULL, 10); /* libmicrohttpd has seen that it is one */
        r->length_count++;
    } else if (strcasecmp(name, "authorization") == 0 && value &&
               strncasecmp(value, "bearer ", 7) == 0) {
        r->password = value + 7;
    }
    return MHD_YES;
}

/* An IPv4 address that came in through IPv6 is written as what it is. */
static void peer_host(struct MHD_Connection *m, char text[46])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(m, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;

    snprintf(text, 46, "unknown");
    if (a && a->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        inet_ntop(AF_INET, &in->sin_addr, text, 46);
    } else if (a && a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)a;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text, 46);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, text, 46);
    }
}

/* ---- answers -------------------------------------------------------------------------- */

static enum MHD_Result send_answer(struct MHD_Connection *m, const struct http_answer *a,
                                   bool close)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(
        a->body.size_bytes, (void *)(uintptr_t)a->body.data, MHD_RESPMEM_MUST_COPY);

    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", a->type ? a->type : "text/plain; charset=utf-8");
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (a->allow)
        MHD_add_response_header(r, "Allow", a->allow);
    if (a->ask_password)
        MHD_add_response_header(r, "WWW-Authenticate", "Basic realm=\"accord\"");
    if (close)
        MHD_add_response_header(r, "Connection", "close");
    enum MHD_Result result = MHD_queue_response(m, a->status ? a->status : 500, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *m, unsigned status, const char *text)
{
    struct http_answer answer = {.status = status, .body = bytes_of_text(text)};

    return send_answer(m, &answer, /* close= */ true);
}

static size_t head_bytes(struct MHD_Connection *m)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(m, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info ? info->header_size : 0;
}

static enum MHD_Result handle(struct http_server *s, struct MHD_Connection *m,
                              struct http_request *r)
{
    struct http_answer answer = {.status = 0};
    char peer[46], *password = NULL, *user;

    s->counts.requests++;
    const struct caller *caller = caller_of(m);
    if (!caller || caller->late) {
        s->counts.refused_full++;
        return refuse(m, MHD_HTTP_SERVICE_UNAVAILABLE, full);
    }
    if (head_bytes(m) > HTTP_REQUEST_BYTES_MAX)
        return refuse(m, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, too_long);
    if (r->length_count > 1)
        return refuse(m, MHD_HTTP_BAD_REQUEST, contradicts);
    peer_host(m, peer);
    r->peer = peer;
    MHD_get_connection_values_n(m, MHD_GET_ARGUMENT_KIND, gather_argument, r);
    user = MHD_basic_auth_get_username_password(m, &password);
    if (password)
        r->password = password;
    s->hooks.handle(s->hooks.context, r, &answer);
    enum MHD_Result result = send_answer(m, &answer, r->has_body && !s->hooks.body_bytes_max);
    MHD_free(user);
    MHD_free(password);
    return result;
}

/* ---- bodies --------------------------------------------------------------------------- */

static bool incoming_add(struct incoming *in, const char *data, size_t bytes)
{
    size_t needed = in->bytes + bytes, capacity = in->capacity;

    while (capacity < needed)
        capacity = capacity ? 2 * capacity : BODY_BYTES_FIRST;
    if (capacity > in->capacity) {
        uint8_t *grown = realloc(in->data, capacity);
        if (!grown)
            return false;
        in->data = grown;
        in->capacity = capacity;
    }
    memcpy(in->data + in->bytes, data, bytes);
    in->bytes += bytes;
    return true;
}

static void incoming_free(struct incoming *in)
{
    free(in->data);
    free(in);
}

/* At its head: who may not send it is told so before it comes. */
static enum MHD_Result expect_body(struct http_server *s, struct MHD_Connection *m,
                                   struct http_request *r, void **seen)
{
    const struct caller *caller = caller_of(m);

    if (!caller || caller->late || r->length_count > 1 ||
        head_bytes(m) > HTTP_REQUEST_BYTES_MAX)
        return handle(s, m, r); /* which refuses it */
    if (r->is_chunked)
        return refuse(m, MHD_HTTP_LENGTH_REQUIRED, body_without_length);
    if (r->body_bytes > s->hooks.body_bytes_max)
        return refuse(m, MHD_HTTP_CONTENT_TOO_LARGE, body_too_long);
    struct incoming *in = calloc(1, sizeof *in);
    if (!in)
        return MHD_NO;
    *seen = in;
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_server *s, struct MHD_Connection *m,
                                 struct http_request *r, struct incoming *in,
                                 const char *upload, size_t *upload_bytes)
{
    size_t bytes = *upload_bytes;

    *upload_bytes = 0;
    if (bytes == 0) {
        r->body = bytes_of(in->data, in->bytes);
        return handle(s, m, r);
    }
    if (bytes > s->hooks.body_bytes_max - in->bytes || !incoming_add(in, upload, bytes))
        return MHD_NO;
    return MHD_YES;
}

/* Called when the head is here, again for each part of a body, and at last. Where bodies are
 * not taken, what announces one is answered before it comes, so that nobody waits for it. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *m, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **seen)
{
    struct http_request request = {.method = method, .path = url};
    struct http_server *s = context;

    (void)version;
    MHD_get_connection_values(m, MHD_HEADER_KIND, gather_header, &request);
    if (request.has_body && s->hooks.body_bytes_max) {
        if (*seen)
            return take_body(s, m, &request, *seen, upload, upload_bytes);
        return expect_body(s, m, &request, seen);
    }
    *upload_bytes = 0;
    if (!*seen && !request.has_body) {
        *seen = context;
        return MHD_YES;
    }
    *seen = context;
    return handle(context, m, &request);
}

/* ---- connections ---------------------------------------------------------------------- */

/* Whoever sends a byte now and then is no idle connection to MHD. */
static void on_sweep(uv_timer_t *timer)
{
    struct http_server *s = timer->data;
    uint64_t now = uv_now(s->loop), limit = (uint64_t)s->hooks.seconds_max * 1000;

    if (!s->callers)
        uv_timer_stop(timer); /* a node that nobody asks sleeps */
    for (struct caller *c = s->callers; c; c = c->next) {
        if (c->slow || now - c->since_ms <= limit)
            continue;
        c->slow = true;
        s->counts.closed_slow++;
        shutdown(c->fd, SHUT_RDWR);
    }
}

static void caller_new(struct http_server *s, struct MHD_Connection *m, void **place)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(m, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct caller *c = calloc(1, sizeof *c);

    s->counts.connections++;
    *place = c;
    if (!c || !info)
        return; /* out of memory: MHD's own limit of idle time still holds for it */
    *c = (struct caller){.server = s, .next = s->callers, .fd = info->connect_fd};
    c->since_ms = uv_now(s->loop);
    c->late = s->counts.connections > s->hooks.connections_max;
    if (s->callers)
        s->callers->previous = c;
    s->callers = c;
    if (!uv_is_active((uv_handle_t *)&s->sweep))
        uv_timer_start(&s->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static void caller_free(struct http_server *s, struct caller *c)
{
    s->counts.connections--;
    if (!c)
        return;
    if (c->next)
        c->next->previous = c->previous;
    if (c->previous)
        c->previous->next = c->next;
    else if (s->callers == c)
        s->callers = c->next;
    free(c);
}

static void on_connection(void *context, struct MHD_Connection *m, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        caller_new(context, m, place);
    else
        caller_free(context, *place);
}

static void on_completed(void *context, struct MHD_Connection *m, void **seen,
                         enum MHD_RequestTerminationCode code)
{
    struct http_server *s = context;
    struct caller *c = caller_of(m);

    (void)code;
    if (*seen && *seen != context)
        incoming_free(*seen);
    *seen = NULL;
    if (c)
        c->since_ms = uv_now(s->loop);
}

/* ---- the loop ------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer);

static void run(struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (s->ended)
        return;
    MHD_run(s->daemon);
    if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
        uv_timer_start(&s->timer, on_timer, ms, 0);
    else
        uv_timer_stop(&s->timer);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

PRINTF_LIKE(2, 0)
static void on_log(void *context, const char *format, va_list arguments)
{
    struct http_server *s = context;
    char line[NOTE_BYTES_MAX];

    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\r\n")] = '\0';
    if (s->hooks.note)
        s->hooks.note(s->hooks.context, "http", line);
}

/* ---- life ----------------------------------------------------------------------------- */

static struct MHD_Daemon *start(struct http_server *s)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, s,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, (void *)s, MHD_OPTION_LISTEN_SOCKET, s->bound.fd,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT,
        s->hooks.connections_max + TOLD_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CLIENT_BYTES_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        s->hooks.seconds_max + LATER_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection, (void *)s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, (void *)s, MHD_OPTION_END);
}

static void on_closed(uv_handle_t *handle)
{
    struct http_server *s = handle->data;

    if (--s->handles == 0)
        free(s);
}

static bool put_on_loop(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    if (!info || uv_poll_init(s->loop, &s->poll, info->epoll_fd) != 0)
        return false;
    uv_timer_init(s->loop, &s->timer);
    uv_timer_init(s->loop, &s->sweep);
    s->handles = 3;
    s->poll.data = s->timer.data = s->sweep.data = s;
    uv_poll_start(&s->poll, UV_READABLE, on_readable);
    return true;
}

int http_server_new(struct http_server **out, uv_loop_t *loop, const char *address,
                    bool has_password, const struct http_server_hooks *hooks,
                    char why[NET_WHY_BYTES_MAX])
{
    struct http_server *s = calloc(1, sizeof *s);

    snprintf(why, NET_WHY_BYTES_MAX, "%s: out of memory", address);
    if (!s)
        return ACCORD_E_NOMEM;
    s->hooks = *hooks;
    s->hooks.seconds_max = hooks->seconds_max ? hooks->seconds_max : HTTP_SECONDS_MAX;
    s->hooks.connections_max =
        hooks->connections_max ? hooks->connections_max : HTTP_CONNECTIONS_MAX;
    s->loop = loop;
    int status = net_bind(&s->bound, "http://", address, has_password, why);
    if (status != ACCORD_OK) {
        free(s);
        return status;
    }
    s->daemon = start(s);
    if (s->daemon && put_on_loop(s)) {
        *out = s;
        return ACCORD_OK;
    }
    snprintf(why, NET_WHY_BYTES_MAX, "%s: the HTTP server cannot be started", address);
    if (s->daemon)
        MHD_stop_daemon(s->daemon); /* closes the socket too */
    else
        close(s->bound.fd);
    free(s);
    return ACCORD_E_IO;
}

const char *http_server_address(const struct http_server *s)
{
    return s->bound.address;
}

void http_server_count(const struct http_server *s, struct http_counts *out)
{
    *out = s->counts;
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    s->ended = true;
    uv_poll_stop(&s->poll);
    MHD_stop_daemon(s->daemon);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    uv_close((uv_handle_t *)&s->timer, on_closed);
    uv_close((uv_handle_t *)&s->sweep, on_closed);
}

size_t http_server_bytes_max(void)
{
    return (size_t)(HTTP_CONNECTIONS_MAX + TOLD_MAX) * HTTP_CLIENT_BYTES_MAX;
}
