/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_link.h"

#include "net/http_client.h"
#include "net/http_server.h"
#include "net/time.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define PATH "/accord/peers"

_Static_assert((size_t)HTTP_LINES_MAX >= PEERS_MAX - 1, "each peer has its line");
_Static_assert((size_t)HTTP_ANSWER_BYTES_MAX >= PEER_ANSWER_BYTES_MAX, "an answer has room");

struct peer_link {
    pthread_mutex_t mutex; /* guards the node */
    pthread_cond_t changed;
    struct peer_node node;
    struct http_client *client;
    uint64_t ask_ms;

    uv_loop_t loop; /* of the thread that answers, as all below */
    uv_async_t stop;
    struct http_server *server;
    pthread_t thread;
    bool has_loop, has_thread;
    uint8_t answer[PEER_ANSWER_BYTES_MAX];
};

uint64_t peer_link_now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

static struct id128 draw(void *context)
{
    struct id128 id = {0, 0};

    (void)context;
    while (id128_is_none(id))
        ASSERT(getrandom(&id, sizeof id, 0) == sizeof id);
    return id;
}

/* ---- asking ---------------------------------------------------------------------------- */

static uint64_t again_in_ms(const struct peer *p)
{
    unsigned doublings = p->failures < 10 ? p->failures : 10;

    if (p->failures == 0)
        return 0;
    return u64_min((uint64_t)PEER_AGAIN_MS_MIN << doublings, PEER_AGAIN_MS_MAX);
}

/* What waits before it is sent tells no changes: by then there may be others. */
static void ask_one(struct peer_link *l, size_t peer)
{
    const struct peer *p = &l->node.peers[peer];
    uint64_t delay_ms = again_in_ms(p);
    char url[PEER_ADDRESS_BYTES_MAX + sizeof "http://" PATH];

    struct bytes body = peer_node_ask(&l->node, peer, /* probe= */ delay_ms > 0);
    snprintf(url, sizeof url, "http://%s" PATH, p->address);
    int status = ACCORD_E_NOMEM;
    if (body.size_bytes > 0)
        status = http_client_post(l->client, peer - 1, url, body, delay_ms, l->ask_ms);
    if (status != ACCORD_OK)
        peer_node_failed(&l->node, peer, status_text(status));
}

static void ask_all(struct peer_link *l)
{
    for (size_t i = 1; i < l->node.peer_count; i++)
        if (peer_node_wants(&l->node, i))
            ask_one(l, i);
}

static void on_answer(void *context, size_t line, const struct http_result *r)
{
    struct peer_link *l = context;
    char why[64];

    (void)peer_link_lock(l);
    if (r->status == ACCORD_OK && r->code == 200) {
        peer_node_answered(&l->node, line + 1, r->body, peer_link_now_ms());
    } else if (r->status == ACCORD_OK) {
        snprintf(why, sizeof why,
                 r->code == 403 ? "it refuses our key: give both the same key_file"
                                : "what answers there is no HTTP peer: status %u",
                 r->code);
        peer_node_failed(&l->node, line + 1, why);
    } else {
        peer_node_failed(&l->node, line + 1, r->why);
    }
    peer_link_unlock(l);
}

/* ---- answering ------------------------------------------------------------------------- */

static void tell(struct http_answer *a, unsigned status, const char *text)
{
    a->status = status;
    a->body = bytes_of_text(text);
}

/* A page in a browser of this host may ask anything of it, but not without saying so. */
static void on_request(void *context, const struct http_request *r, struct http_answer *a)
{
    struct peer_link *l = context;
    size_t bytes = 0;

    if (strcmp(r->path, PATH) != 0) {
        tell(a, 404, "Here HTTP peers of Accord talk, at " PATH ", and nothing else is.\n");
        return;
    }
    if (strcmp(r->method, "POST") != 0) {
        a->allow = "POST";
        tell(a, 405, "Peers post here; for people there is accord status.\n");
        return;
    }
    if (r->origin || r->fetch_site) {
        tell(a, 403, "No page in a browser is a peer.\n");
        return;
    }
    (void)peer_link_lock(l);
    int status = peer_node_handle(&l->node, r->body, peer_link_now_ms(), l->answer, &bytes);
    peer_link_unlock(l);
    if (status == ACCORD_E_DENIED) {
        tell(a, 403, "It is sealed with another key: give both the same key_file.\n");
    } else if (status != ACCORD_OK) {
        tell(a, 400, "It is no request of a peer of this version.\n");
    } else {
        a->status = 200;
        a->type = "application/octet-stream";
        a->body = bytes_of(l->answer, bytes);
    }
}

static void on_stop(uv_async_t *stop)
{
    struct peer_link *l = stop->data;

    http_server_free(l->server);
    l->server = NULL;
    uv_close((uv_handle_t *)stop, NULL);
}

static void *answer_all(void *context)
{
    struct peer_link *l = context;

    uv_run(&l->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------ */

struct peer_node *peer_link_lock(struct peer_link *l)
{
    ASSERT(pthread_mutex_lock(&l->mutex) == 0);
    return &l->node;
}

void peer_link_unlock(struct peer_link *l)
{
    if (l->client)
        ask_all(l);
    pthread_cond_broadcast(&l->changed);
    ASSERT(pthread_mutex_unlock(&l->mutex) == 0);
}

bool peer_link_wait(struct peer_link *l, uint64_t until_ms)
{
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000 * NS_PER_MS)};

    ask_all(l);
    pthread_cond_timedwait(&l->changed, &l->mutex, &until);
    return peer_link_now_ms() < until_ms;
}

static int start_server(struct peer_link *l, const struct peer_url *u,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct http_server_hooks hooks = {.context = l,
                                      .handle = on_request,
                                      .connections_max = 2 * PEERS_MAX,
                                      .body_bytes_max = HTTP_POST_BYTES_MAX};

    if (uv_loop_init(&l->loop) != 0)
        return bus_fail(why, ACCORD_E_NOMEM, "http: no loop for the peers' requests");
    l->has_loop = true;
    if (uv_async_init(&l->loop, &l->stop, on_stop) != 0)
        return bus_fail(why, ACCORD_E_NOMEM, "http: no loop for the peers' requests");
    l->stop.data = l;
    int status =
        http_server_new(&l->server, &l->loop, u->listen, u->key.is_secret, &hooks, why);
    if (status != ACCORD_OK)
        uv_close((uv_handle_t *)&l->stop, NULL);
    return status;
}

static int start_node(struct peer_link *l, const struct peer_url *u,
                      const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    const char *listed[BUS_URL_SERVERS_MAX];
    const char *bound = http_server_address(l->server) + strlen("http://");
    struct peer_node_settings settings = {.address = u->address[0] ? u->address : bound,
                                          .listed = listed,
                                          .listed_count = u->listed_count,
                                          .max_stale_ms = s->max_stale_ms,
                                          .retain_ms = s->retain_ms,
                                          .retain_changes = s->retain_changes,
                                          .key = u->key,
                                          .draw = draw};

    for (size_t i = 0; i < u->listed_count; i++)
        listed[i] = u->listed[i];
    int status = peer_node_init(&l->node, &settings, peer_link_now_ms());
    return status == ACCORD_OK ? status : bus_fail(why, status, "http: out of memory");
}

/* Signals are the main thread's. */
static int start_threads(struct peer_link *l, char why[BUS_WHY_BYTES_MAX])
{
    struct http_client_hooks hooks = {l, on_answer};
    struct http_client *client;
    sigset_t all, before;

    int status = http_client_new(&client, PEERS_MAX - 1, &hooks, why);
    if (status != ACCORD_OK)
        return status;
    (void)peer_link_lock(l);
    l->client = client;
    peer_link_unlock(l);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    l->has_thread = pthread_create(&l->thread, NULL, answer_all, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return l->has_thread
               ? ACCORD_OK
               : bus_fail(why, ACCORD_E_NOMEM, "http: no more threads can be started");
}

int peer_link_new(struct peer_link **out, const struct peer_url *u,
                  const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    struct peer_link *l = calloc(1, sizeof *l);
    pthread_condattr_t monotonic;

    if (!l)
        return bus_fail(why, ACCORD_E_NOMEM, "http: out of memory");
    pthread_mutex_init(&l->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->ask_ms = u64_min(s->timeout_ms, PEER_ASK_MS_MAX);
    int status = start_server(l, u, why);
    if (status == ACCORD_OK)
        status = start_node(l, u, s, why);
    if (status == ACCORD_OK)
        status = start_threads(l, why);
    if (status != ACCORD_OK) {
        peer_link_free(l);
        return status;
    }
    *out = l;
    return ACCORD_OK;
}

/* The thread that asks is ended first: it may hold the lock, which nobody else takes then but
 * who answers. */
void peer_link_free(struct peer_link *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mutex);
    struct http_client *client = l->client;
    l->client = NULL;
    pthread_mutex_unlock(&l->mutex);
    http_client_free(client);
    if (l->server)
        uv_async_send(&l->stop);
    if (l->has_thread)
        pthread_join(l->thread, NULL);
    else if (l->has_loop)
        uv_run(&l->loop, UV_RUN_DEFAULT);
    if (l->has_loop)
        uv_loop_close(&l->loop);
    peer_node_done(&l->node);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mutex);
    free(l);
}
