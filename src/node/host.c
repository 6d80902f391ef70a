/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* host.c - what doors may ask of the node (door.h). */
#include "node/node_private.h"

static void refuse(struct node *n, const struct request *r, int status)
{
    struct reply reply = {.client = r->client, .id = r->id, .status = status};

    step_reply(n, &reply);
}

static void defer(struct node *n, const struct request *request)
{
    n->counts.deferred++;
    if (deferred_add_request(&n->deferred, request) != ACCORD_OK)
        refuse(n, request, ACCORD_E_NOMEM);
}

static void submit(void *node, const struct request *requests, size_t count)
{
    struct node *n = node;
    struct event e;

    n->counts.requests += count;
    if (n->carrying) {
        for (size_t i = 0; i < count; i++)
            defer(n, &requests[i]);
        return;
    }
    if (count == 1) {
        e.type = EVENT_REQUEST;
        e.request = requests[0];
    } else {
        e.type = EVENT_REQUESTS;
        e.requests.list = requests;
        e.requests.count = count;
    }
    step_event(n, &e);
}

static void gone(void *node, uint64_t client)
{
    struct node *n = node;
    struct event e = {.type = EVENT_CLIENT_GONE};

    if (n->stopped)
        return;
    if (n->carrying) {
        /* Without memory its waits and rights end by their own deadlines. */
        if (deferred_add_gone(&n->deferred, client) != ACCORD_OK)
            LOG(&n->log, clock_wall_ms(), LOG_ERROR, "out-of-memory",
                log_number("client", client));
        return;
    }
    e.client_gone = client;
    step_event(n, &e);
}

static uint64_t new_client(void *node)
{
    return ++((struct node *)node)->clients;
}

static uint64_t item_count(void *node)
{
    const struct node *n = node;
    struct writer_counts counts;

    writer_count(n->writer, &counts);
    return counts.items;
}

/* The client may have written anything there: sums saturate, and nothing is decided by them. */
static void line_freed(void *node, uint32_t line)
{
    struct node *n = node;
    struct reader_line *from = reader_count_line(&n->reader, line), seen;
    struct reader_line *to = &n->counts.detached;

    if (!from)
        return;
    memcpy(&seen, from, sizeof seen);
    memset(from, 0, sizeof *from);
    to->hits = u64_add_sat(to->hits, seen.hits);
    to->stale = u64_add_sat(to->stale, seen.stale);
    to->negative = u64_add_sat(to->negative, seen.negative);
    to->misses = u64_add_sat(to->misses, seen.misses);
    to->unsure = u64_add_sat(to->unsure, seen.unsure);
}

static void note(void *node, const char *what, const char *why)
{
    struct node *n = node;

    LOG(&n->log, clock_wall_ms(), LOG_INFO, what, log_text("why", why));
}

static void stop(void *node)
{
    step_stop(node);
}

static void pinged(void *node, uint64_t letter)
{
    ((struct node *)node)->letter = letter;
}

void host_init(struct node *n)
{
    n->host = (struct door_host){
        .node = n,
        .loop = &n->loop,
        .reader = &n->reader,
        .core = n->core,
        .submit = submit,
        .gone = gone,
        .new_client = new_client,
        .view = view_fill,
        .pinged = pinged,
        .segment_fd = n->mapping.segment_fd,
        .hints_fd = n->mapping.hints_fd,
        .segment_bytes = n->mapping.segment_bytes,
        .hints_bytes = n->mapping.hints_bytes,
        .namespaces = n->settings->namespaces,
        .namespace_count = n->settings->namespace_count,
        .password = n->settings->password[0] ? n->settings->password : NULL,
        .version = ACCORD_VERSION,
        .stop = stop,
        .item_count = item_count,
        .reader_lines = READER_LINES,
        .reader_line_first = 0,
        .line_freed = line_freed,
        .note = note,
        .wanted = &n->wanted,
        .offered = warm_offered,
    };
}
