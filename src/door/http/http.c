/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/http/acs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- answers -------------------------------------------------------------------------- */

PRINTF_LIKE(4, 0)
static void line(struct http_door *d, struct http_answer *a, unsigned status,
                 const char *format, va_list arguments)
{
    char text[1024];

    vsnprintf(text, sizeof text, format, arguments);
    d->body.bytes = 0;
    page_add(&d->body, "%s\n", text);
    a->status = d->body.broken ? 503 : status;
    a->body = bytes_of(d->body.data, d->body.bytes);
}

void answer_line(struct http_door *d, struct http_answer *a, unsigned status,
                 const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    line(d, a, status, format, arguments);
    va_end(arguments);
}

void answer_refused(struct http_door *d, struct http_answer *a, unsigned status,
                    const char *format, ...)
{
    va_list arguments;

    d->refused++;
    va_start(arguments, format);
    line(d, a, status, format, arguments);
    va_end(arguments);
}

/* ---- /readyz -------------------------------------------------------------------------- */

struct readiness {
    char line[1024];
    bool ready;
    uint64_t members, expected;
};

static void no_row(void *context)
{
    (void)context;
}

static void ready_text(void *context, const char *field, const char *value)
{
    struct readiness *r = context;

    if (strcmp(field, "line") == 0)
        snprintf(r->line, sizeof r->line, "%s", value);
}

static void ready_number(void *context, const char *field, uint64_t value)
{
    struct readiness *r = context;

    if (strcmp(field, "members") == 0)
        r->members = value;
    else if (strcmp(field, "expect_members") == 0)
        r->expected = value;
}

static void no_real(void *context, const char *field, double value)
{
    (void)context;
    (void)field;
    (void)value;
}

static void ready_flag(void *context, const char *field, bool value)
{
    struct readiness *r = context;

    if (strcmp(field, "ready") == 0)
        r->ready = value;
}

static void readyz(struct http_door *d, const struct http_request *r, struct http_answer *a)
{
    struct readiness is = {.ready = false};
    const struct view_sink sink = {&is, no_row, ready_text, ready_number, no_real, ready_flag};
    unsigned status;

    if (d->host->view(d->host->node, "status", &sink) != ACCORD_OK)
        is.ready = false;
    status = is.ready ? 200 : 503;
    if (!guard_knows_password(d, r))
        answer_line(d, a, status, "%s", is.ready ? "ready" : "not ready");
    else if (is.ready || is.members >= is.expected)
        answer_line(d, a, status, "%s: %s", is.ready ? "ready" : "not ready", is.line);
    else
        answer_line(d, a, status, "not ready: %llu of %llu members are here; %s",
                    (unsigned long long)is.members, (unsigned long long)is.expected, is.line);
}

/* ---- paths ---------------------------------------------------------------------------- */

static void healthz(struct http_door *d, const struct http_request *r, struct http_answer *a)
{
    (void)r;
    answer_line(d, a, 200, "alive");
}

static void metrics(struct http_door *d, const struct http_request *r, struct http_answer *a)
{
    if (!guard_wants_password(d, r, a))
        return;
    d->body.bytes = 0;
    if (!metrics_write(d->host, &d->body)) {
        page_free(&d->body);
        answer_line(d, a, 503, "Out of memory: come again.");
        return;
    }
    a->status = 200;
    a->type = "text/plain; version=0.0.4; charset=utf-8";
    a->body = bytes_of(d->body.data, d->body.bytes);
}

static const struct {
    const char *path;
    void (*answer)(struct http_door *d, const struct http_request *r, struct http_answer *a);
} paths[] = {
    {"/metrics", metrics},
    {"/healthz", healthz},
    {"/readyz", readyz},
    {"/SYSTEM/flush-memoized-statement.tcl", acs_flush_memoized},
    {"/acs-cluster-do", acs_cluster_do},
    {"//acs-cluster-do", acs_cluster_do}, /* OpenACS puts its own slash before the path's */
};

static void handle(void *context, const struct http_request *r, struct http_answer *a)
{
    struct http_door *d = context;

    if (!guard_admits(d, r, a))
        return;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (strcmp(r->path, paths[i].path) == 0) {
            paths[i].answer(d, r, a);
            return;
        }
    }
    answer_line(d, a, 404, "There is nothing here. Try /metrics, /healthz or /readyz.");
}

static void note(void *context, const char *what, const char *why)
{
    const struct door_host *host = ((struct http_door *)context)->host;

    if (host->note)
        host->note(host->node, what, why);
}

/* ---- the door ------------------------------------------------------------------------- */

int http_door_new(struct http_door **out, const struct door_host *host,
                  const struct http_settings *s)
{
    struct http_door *d = calloc(1, sizeof *d);

    if (!d)
        return ACCORD_E_NOMEM;
    ASSERT(s->name_count <= HTTP_NAMES_MAX);
    d->host = host;
    d->settings = *s;
    d->client = host->new_client ? host->new_client(host->node) : 0;
    if (gethostname(d->own_name, sizeof d->own_name - 1) != 0 || !d->own_name[0])
        snprintf(d->own_name, sizeof d->own_name, "localhost");
    *out = d;
    return ACCORD_OK;
}

int http_door_listen(struct http_door *d, const char *address, char why[NET_WHY_BYTES_MAX])
{
    const struct http_server_hooks hooks = {.context = d,
                                            .handle = handle,
                                            .note = note,
                                            .seconds_max = d->settings.seconds_max,
                                            .connections_max = d->settings.connections_max};

    if (d->server_count == HTTP_LISTENERS_MAX) {
        snprintf(why, NET_WHY_BYTES_MAX, "%s: at most %d addresses", address,
                 HTTP_LISTENERS_MAX);
        return ACCORD_E_FULL;
    }
    int status = http_server_new(&d->servers[d->server_count], d->host->loop, address,
                                 d->host->password != NULL, &hooks, why);
    d->server_count += status == ACCORD_OK;
    return status;
}

const char *http_door_address(const struct http_door *d, size_t index)
{
    return index < d->server_count ? http_server_address(d->servers[index]) : NULL;
}

void http_door_count(const struct http_door *d, struct http_door_counts *out)
{
    *out = (struct http_door_counts){.refused = d ? d->refused : 0,
                                     .acs_flushes = d ? d->acs_flushes : 0,
                                     .acs_refused = d ? d->acs_refused : 0,
                                     .acs_replays = d ? d->acs_replays : 0};
    for (size_t i = 0; d && i < d->server_count; i++) {
        struct http_counts one;
        http_server_count(d->servers[i], &one);
        out->connections += one.connections;
        out->requests += one.requests;
        out->full += one.refused_full;
        out->slow += one.closed_slow;
    }
}

void http_door_free(struct http_door *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->server_count; i++)
        http_server_free(d->servers[i]);
    page_free(&d->body);
    acs_done(d);
    free(d);
}
