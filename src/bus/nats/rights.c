/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/rights.h"

#include "bus/nats/link.h"
#include "bus/nats/presence.h"

#include <pthread.h>
#include <stdio.h>

/* Those that are watched. A connection's last call may come after its end, so what libnats
 * knows of them is a number. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct nats_rights *watched;
static uint64_t numbers;

bool nats_rights_is_needed(const char *refused)
{
    return strstr(refused, "ermissions") && !strstr(refused, NATS_PRESENCE_SUBJECT);
}

static void refused(natsConnection *c, natsSubscription *s, natsStatus status, void *closure)
{
    const char *text = NULL;

    (void)s;
    if (status != NATS_NOT_PERMITTED || natsConnection_GetLastError(c, &text) == NATS_OK ||
        !text || !nats_rights_is_needed(text))
        return;
    pthread_mutex_lock(&mutex);
    for (struct nats_rights *r = watched; r; r = r->next) {
        if (r->number != (uint64_t)(uintptr_t)closure)
            continue;
        snprintf(r->refused, sizeof r->refused, "%s", text);
        r->refused_ms = nats_now_ms();
    }
    pthread_mutex_unlock(&mutex);
}

natsStatus nats_rights_watch(struct nats_rights *r, natsOptions *o)
{
    pthread_mutex_lock(&mutex);
    *r = (struct nats_rights){.number = ++numbers, .next = watched};
    watched = r;
    pthread_mutex_unlock(&mutex);
    return natsOptions_SetErrorHandler(o, refused, (void *)(uintptr_t)r->number);
}

void nats_rights_done(struct nats_rights *r)
{
    if (r->number == 0)
        return;
    pthread_mutex_lock(&mutex);
    for (struct nats_rights **at = &watched; *at; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    pthread_mutex_unlock(&mutex);
    r->number = 0;
}

bool nats_rights_missing(const struct nats_rights *r, uint64_t since_ms,
                         char out[BUS_WHY_BYTES_MAX])
{
    pthread_mutex_lock(&mutex);
    bool missing = r->refused_ms > 0 && r->refused_ms >= since_ms;
    if (missing)
        (void)bus_fail(out, 0,
                       "the server says: %s; grant the user that right (accord bus schema "
                       "prints all that nodes need, with this URL)",
                       r->refused);
    pthread_mutex_unlock(&mutex);
    return missing;
}
