/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/connection.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,          /* idle clients; another try to accept */
    DESCRIPTORS_OTHERS = 96, /* kept for the rest of the process */
};

void door_note(const struct resp_door *d, const char *what, const char *why)
{
    if (d->host->note)
        d->host->note(d->host->node, what, why);
}

/* ---- the loop's turns ----------------------------------------------------------------- */

static void on_again(uv_idle_t *handle)
{
    (void)handle; /* that it is active keeps the loop from sleeping */
}

void door_again(struct resp_door *d)
{
    if (!d->ending)
        uv_idle_start(&d->again, on_again);
}

/* Before the loop sleeps: what was written for each client goes out with one call. */
static void flush_all(struct resp_door *d)
{
    struct connection *c = d->dirty;

    d->dirty = NULL;
    while (c) {
        struct connection *next = c->dirty_next;
        c->dirty = false;
        c->again = false;
        if (c->handle_closed)
            free(c);
        else
            connection_flush(c);
        c = next;
    }
    if (!d->dirty)
        uv_idle_stop(&d->again);
}

static void on_prepare(uv_prepare_t *handle)
{
    flush_all(handle->data);
}

static void end_idle(struct resp_door *d)
{
    uint64_t now = uv_now(d->host->loop);

    for (struct connection *c = d->connections; c; c = c->next) {
        if (now - c->active_ms < d->settings.idle_timeout_ms || c->watching || c->line >= 0 ||
            !slots_empty(c))
            continue;
        d->counts.closed_idle++;
        connection_doom(c, NULL);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct resp_door *d = timer->data;

    accept_resume(d);
    if (d->settings.idle_timeout_ms > 0)
        end_idle(d);
}

/* ---- replies -------------------------------------------------------------------------- */

void resp_door_reply(struct resp_door *d, const struct reply *reply)
{
    struct connection *c = clients_find(d, reply->client);
    struct slot *s = c && !c->doomed ? slot_find(c, reply->id) : NULL;

    if (s && !s->done)
        slot_answer(c, s, reply);
}

const char *resp_door_address(const struct resp_door *d, size_t index)
{
    return index < d->listener_count ? d->listeners[index]->address : NULL;
}

void resp_door_count(const struct resp_door *d, struct resp_counts *out)
{
    *out = d->counts;
    out->client_bytes = d->client_bytes;
}

/* ---- life ----------------------------------------------------------------------------- */

/* Descriptors for all clients, if the system lets us; else fewer clients. */
static void fit_descriptors(struct resp_door *d)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)d->settings.clients_max + DESCRIPTORS_OTHERS;
    uint32_t asked = d->settings.clients_max;
    char why[160];

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur >= wanted)
        return;
    d->settings.clients_max = limit.rlim_cur > DESCRIPTORS_OTHERS + 1
                                  ? (uint32_t)(limit.rlim_cur - DESCRIPTORS_OTHERS)
                                  : 1;
    snprintf(why, sizeof why,
             "the limit of open files (%llu) allows %u connections: raise it (ulimit -n, "
             "LimitNOFILE=)",
             (unsigned long long)limit.rlim_cur, d->settings.clients_max);
    if (d->settings.clients_max < asked)
        door_note(d, "fewer-clients", why);
}

static void start_handles(struct resp_door *d)
{
    uv_loop_t *loop = d->host->loop;

    uv_prepare_init(loop, &d->flusher);
    uv_idle_init(loop, &d->again);
    uv_timer_init(loop, &d->timer);
    d->flusher.data = d->again.data = d->timer.data = d;
    d->handles = 3;
    uv_prepare_start(&d->flusher, on_prepare);
    uv_timer_start(&d->timer, on_tick, TICK_MS, TICK_MS);
    uv_unref((uv_handle_t *)&d->flusher);
    uv_unref((uv_handle_t *)&d->timer);
}

static void release(struct resp_door *d)
{
    for (size_t i = 0; i < d->listener_count; i++)
        free(d->listeners[i]);
    for (size_t i = 0; i < d->pool_count; i++)
        free(d->pool[i]);
    if (d->reserve_fd >= 0)
        close(d->reserve_fd);
    if (d->passed_fd >= 0)
        close(d->passed_fd);
    free(d->temporary.data);
    free(d->zeros);
    free(d->table);
    free(d->lines);
    free(d->arguments);
    free(d->input);
    free(d->gets);
    free((void *)(uintptr_t)d->settings.socket_group);
    free(d);
}

void door_handle_closed(struct resp_door *d)
{
    ASSERT(d->handles > 0);
    if (--d->handles == 0) {
        ASSERT(d->ending);
        release(d);
    }
}

static void apply_defaults(struct resp_settings *s)
{
    s->clients_max = s->clients_max ? s->clients_max : CONNECTIONS_DEFAULT;
    s->client_bytes_max = s->client_bytes_max ? s->client_bytes_max : CLIENTS_BYTES_DEFAULT;
    s->socket_mode = s->socket_mode ? s->socket_mode : 0660;
    s->socket_group = s->socket_group ? strdup(s->socket_group) : NULL;
    s->address = NULL;
}

int resp_door_new(struct resp_door **out, const struct door_host *host,
                  const struct resp_settings *s, char why[DOOR_WHY_BYTES_MAX])
{
    struct resp_door *d = calloc(1, sizeof *d);

    snprintf(why, DOOR_WHY_BYTES_MAX, "out of memory");
    if (!d)
        return ACCORD_E_NOMEM;
    d->host = host;
    d->settings = *s;
    apply_defaults(&d->settings);
    d->passed_fd = -1;
    d->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    d->input = malloc(INPUT_BYTES);
    d->gets = calloc(1, sizeof *d->gets);
    d->lines = calloc(host->reader_lines / 64 + 1, sizeof *d->lines);
    d->started_ms = uv_now(host->loop);
    if (!d->input || !d->gets || !d->lines ||
        getrandom(&d->seed, sizeof d->seed, 0) != sizeof d->seed) {
        release(d);
        return ACCORD_E_NOMEM;
    }
    commands_init(d);
    sets_init(d);
    fit_descriptors(d);
    start_handles(d);
    int status = s->address ? resp_door_listen(d, s->address, why) : ACCORD_OK;
    if (status != ACCORD_OK) {
        resp_door_free(d);
        return status;
    }
    why[0] = 0;
    *out = d;
    return ACCORD_OK;
}

void resp_door_stop_accepting(struct resp_door *d)
{
    for (size_t i = 0; i < d->listener_count; i++)
        listener_close(d->listeners[i]);
}

static void on_own_handle_closed(uv_handle_t *handle)
{
    door_handle_closed(handle->data);
}

void resp_door_free(struct resp_door *d)
{
    if (!d)
        return;
    d->ending = true;
    resp_door_stop_accepting(d);
    flush_all(d);
    while (d->connections)
        connection_end(d->connections);
    flush_all(d);
    uv_close((uv_handle_t *)&d->flusher, on_own_handle_closed);
    uv_close((uv_handle_t *)&d->again, on_own_handle_closed);
    uv_close((uv_handle_t *)&d->timer, on_own_handle_closed);
}
