/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp.c - the CHP doors of a node: each is told of everything, and has a hub beside it, for the
 * nodes whose bus it is. */
#include "node/node_private.h"

/* ---- hubs ----------------------------------------------------------------------------- */

static uint64_t next_sequence(void *hub)
{
    return chp_door_sequence(((struct node_hub *)hub)->door);
}

static int send_one(void *hub, struct bytes client, const struct bytes *frames, size_t count)
{
    return chp_door_send(((struct node_hub *)hub)->door, client, frames, count);
}

static void publish(void *hub, const struct bytes *frames, size_t count)
{
    chp_door_publish(((struct node_hub *)hub)->door, frames, count);
}

static bool say(void *hub, const struct bytes *frames, size_t count)
{
    return chp_pair_say(((struct node_hub *)hub)->pair, frames, count);
}

static void noted(void *hub, const char *what)
{
    LOG(&((struct node_hub *)hub)->node->log, clock_wall_ms(), LOG_WARN, "chp-pair",
        log_text("why", what));
}

static void refused(void *hub, const char *why, struct bytes about)
{
    chp_door_refused(((struct node_hub *)hub)->door, why, about);
}

static void asked(void *hub, struct bytes client, const struct bytes *frames, size_t count)
{
    hub_asked(hub, client, frames, count);
}

static void told(void *hub, const struct bytes *frames, size_t count)
{
    hub_told(hub, frames, count);
}

static int open_hub(struct node *n, size_t i, const char *address, char *why)
{
    struct node_hub *h = &n->hubs[i];
    const struct hub_host host = {.context = h,
                                  .sequence = next_sequence,
                                  .send = send_one,
                                  .publish = publish,
                                  .say = say,
                                  .noted = noted,
                                  .refused = refused};

    *h = (struct node_hub){.hub = hub_new(&host), .node = n, .door = n->chp[i]};
    if (!h->hub)
        return node_fail(why, ACCORD_E_NOMEM, "%s: out of memory", address);
    h->beside = (struct chp_beside){h->hub, asked, told};
    chp_door_serve(n->chp[i], &h->beside);
    return chp_pair_open(n, h, address, why);
}

/* ---- doors ---------------------------------------------------------------------------- */

int chp_doors_open(struct node *n, const char *address, char why[NODE_WHY_BYTES_MAX])
{
    if (n->chp_count == CHP_DOORS_MAX)
        return node_fail(why, ACCORD_E_FULL, "%s: at most %d addresses with chp://", address,
                         CHP_DOORS_MAX);
    int status = chp_door_new(&n->chp[n->chp_count], &n->host, address, why);
    if (status != ACCORD_OK)
        return status;
    size_t i = n->chp_count++;
    return open_hub(n, i, address, why);
}

/* A door that is freed hands over nothing any more. */
void chp_doors_close(struct node *n)
{
    while (n->chp_count > 0) {
        chp_door_free(n->chp[--n->chp_count]);
        chp_pair_close(n->hubs[n->chp_count].pair);
        hub_free(n->hubs[n->chp_count].hub);
        n->hubs[n->chp_count].hub = NULL;
    }
}

bool chp_doors_reply(struct node *n, const struct reply *reply)
{
    for (size_t i = 0; i < n->chp_count; i++) {
        if (chp_door_reply(n->chp[i], reply))
            return true;
    }
    return false;
}

void chp_doors_requested(struct node *n, const struct event *e)
{
    bool one = e->type == EVENT_REQUEST;
    const struct request *list = one ? &e->request : e->requests.list;
    size_t count = one ? 1 : e->type == EVENT_REQUESTS ? e->requests.count : 0;

    for (size_t i = 0; i < n->chp_count; i++) {
        for (size_t r = 0; r < count; r++)
            chp_door_requested(n->chp[i], &list[r]);
    }
}

void chp_doors_applied(struct node *n, const struct entry *entry, bool own)
{
    for (size_t i = 0; i < n->chp_count; i++)
        chp_door_applied(n->chp[i], entry, own);
}

void chp_doors_changed(struct node *n)
{
    for (size_t i = 0; i < n->chp_count; i++)
        chp_door_changed(n->chp[i]);
}

void chp_doors_count(const struct node *n, struct chp_counts *sum)
{
    *sum = (struct chp_counts){.keys = 0};
    for (size_t i = 0; i < n->chp_count; i++)
        chp_door_count(n->chp[i], sum);
}

void chp_hubs_count(const struct node *n, struct hub_counts *sum)
{
    *sum = (struct hub_counts){.logs = 0};
    for (size_t i = 0; i < n->chp_count; i++)
        hub_count(n->hubs[i].hub, sum);
}

const char *chp_hubs_pair(const struct node *n)
{
    for (size_t i = 0; i < n->chp_count; i++)
        if (n->hubs[i].pair)
            return hub_pair_text(n->hubs[i].hub);
    return "";
}
