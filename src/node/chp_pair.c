/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_pair.c - of a node that serves the CHP bus as one of two: the connection to the other
 * one, and the ticks (bus/chp/pair.h). Which of the two it is, the URL of its own bus says. */
#include "bus/chp/place.h"
#include "net/chp_peer.h"
#include "node/node_private.h"

#include <stdio.h>
#include <stdlib.h>

struct chp_pair {
    struct hub *hub;
    struct chp_peer *peer;
    struct hub_pair as;
    char servers[2 * sizeof(((struct chp_address *)0)->host) + 16];
    uv_poll_t readable;
    uv_prepare_t turn; /* sending may swallow the sign that something came */
    uv_timer_t tick;
    unsigned handles; /* still open */
};

/* ---- which of the two ----------------------------------------------------------------- */

static int address_of(const struct bus_url_server *s, struct chp_address *out,
                      char why[NODE_WHY_BYTES_MAX])
{
    char text[160];

    snprintf(text, sizeof text, strchr(s->host, ':') ? "chp://[%.100s]:%u" : "chp://%.100s:%u",
             s->host, s->port);
    return chp_address_parse(text, out, why);
}

static bool is_same(const struct chp_address *a, const struct chp_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* The two of --bus, as numbers. False: it has not two. */
static bool pair_of(const struct node *n, struct chp_address out[CHP_PAIR], int *status,
                    char why[NODE_WHY_BYTES_MAX])
{
    static const char scheme[] = "chp:";
    struct bus_settings s = {
        .url = n->settings->bus, .max_stale_ms = MAX_STALE_MS_MIN, .timeout_ms = 1};
    char refused[BUS_WHY_BYTES_MAX];
    struct chp_place place;

    *status = ACCORD_OK;
    /* What is wrong with the URL is said where the bus is opened. */
    if (strncmp(s.url, scheme, strlen(scheme)) != 0 ||
        chp_place_parse(&place, &s, refused) != ACCORD_OK || place.url.server_count != CHP_PAIR)
        return false;
    for (size_t i = 0; i < CHP_PAIR && *status == ACCORD_OK; i++)
        *status = address_of(&place.url.servers[i], &out[i], why);
    return true;
}

/* ---- the loop's turns ----------------------------------------------------------------- */

static void receive(struct chp_pair *p)
{
    struct bytes frames[CHP_RECEIVED_MAX];
    size_t count;

    while ((count = chp_peer_receive(p->peer, frames)) > 0)
        hub_answered(p->hub, frames, count);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    receive(poll->data);
}

static void on_turn(uv_prepare_t *turn)
{
    receive(turn->data);
}

static void on_tick(uv_timer_t *tick)
{
    struct chp_pair *p = tick->data;

    receive(p);
    hub_tick(p->hub);
}

bool chp_pair_say(struct chp_pair *p, const struct bytes *frames, size_t count)
{
    return chp_peer_say(p->peer, frames, count);
}

/* ---- life ----------------------------------------------------------------------------- */

static void free_pair(struct chp_pair *p)
{
    chp_peer_free(p->peer);
    free(p);
}

/* The descriptor is polled until the last handle is closed. */
static void on_closed(uv_handle_t *handle)
{
    struct chp_pair *p = handle->data;

    if (--p->handles == 0)
        free_pair(p);
}

void chp_pair_close(struct chp_pair *p)
{
    if (!p)
        return;
    uv_close((uv_handle_t *)&p->readable, on_closed);
    uv_close((uv_handle_t *)&p->turn, on_closed);
    uv_close((uv_handle_t *)&p->tick, on_closed);
}

static int start(struct chp_pair *p, uv_loop_t *loop)
{
    if (uv_poll_init(loop, &p->readable, chp_peer_fd(p->peer)) != 0)
        return ACCORD_E_IO;
    uv_prepare_init(loop, &p->turn);
    uv_timer_init(loop, &p->tick);
    p->readable.data = p->turn.data = p->tick.data = p;
    p->handles = 3;
    uv_poll_start(&p->readable, UV_READABLE, on_readable);
    uv_prepare_start(&p->turn, on_turn);
    uv_timer_start(&p->tick, on_tick, HUB_TICK_MS, HUB_TICK_MS);
    return ACCORD_OK;
}

static int begin(struct node *n, struct node_hub *h, const struct chp_address two[CHP_PAIR],
                 size_t here)
{
    struct chp_pair *p = calloc(1, sizeof *p);

    if (!p)
        return ACCORD_E_NOMEM;
    snprintf(p->servers, sizeof p->servers, "%s:%u,%s:%u", two[0].host, two[0].port,
             two[1].host, two[1].port);
    p->as = (struct hub_pair){.primary = here == 0, .servers = p->servers};
    p->hub = h->hub;
    p->peer = chp_peer_new(&two[CHP_PAIR - 1 - here]);
    int status = p->peer ? hub_pair(h->hub, &p->as) : ACCORD_E_NOMEM;
    if (status == ACCORD_OK)
        status = start(p, &n->loop);
    if (status != ACCORD_OK)
        free_pair(p);
    else
        h->pair = p;
    return status;
}

int chp_pair_open(struct node *n, struct node_hub *h, const char *address,
                  char why[NODE_WHY_BYTES_MAX])
{
    struct chp_address two[CHP_PAIR], own;
    size_t here = 0;
    int status;

    if (!pair_of(n, two, &status, why))
        return ACCORD_OK;
    if (status == ACCORD_OK)
        status = chp_address_parse(address, &own, why);
    if (status != ACCORD_OK)
        return status;
    while (here < CHP_PAIR && !is_same(&own, &two[here]))
        here++;
    if (here == CHP_PAIR) {
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "chp-pair", log_text("listen", address),
            log_text("why", "this address is none of the two of --bus: it is a door for other "
                            "clients, and does not serve that bus"));
        return ACCORD_OK;
    }
    if (chp_hubs_pair(n)[0])
        return node_fail(why, ACCORD_E_INVALID,
                         "%s: both servers of --bus would be this process, and end with it: "
                         "start another node that listens at one of them",
                         address);
    status = begin(n, h, two, here);
    return status == ACCORD_OK
               ? ACCORD_OK
               : node_fail(why, status, "%s: no connection to the other server can be made: %s",
                           address, "out of memory, or of descriptors (ulimit -n)");
}
