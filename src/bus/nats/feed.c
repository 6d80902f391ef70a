/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/feed.h"

#include <stdlib.h>

struct nats_feed {
    struct nats_reader *reader;
    natsSubscription *subscription;
    natsMsg *messages[FEED_MESSAGES_MAX]; /* a ring */
    size_t first, count;
    bool closed; /* what still comes is for nobody */
};

static void pushed(natsConnection *c, natsSubscription *s, natsMsg *m, void *closure)
{
    struct nats_feed *f = closure;
    struct nats_reader *r = f->reader;

    (void)c;
    (void)s;
    pthread_mutex_lock(&r->mutex);
    while (!f->closed && f->count == FEED_MESSAGES_MAX)
        pthread_cond_wait(&r->changed, &r->mutex);
    if (f->closed) {
        natsMsg_Destroy(m);
    } else {
        f->messages[(f->first + f->count++) % FEED_MESSAGES_MAX] = m;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->mutex);
}

/* libnats is done with it. */
static void completed(void *closure)
{
    struct nats_feed *f = closure;
    struct nats_reader *r = f->reader;

    pthread_mutex_lock(&r->mutex);
    while (f->count > 0) {
        natsMsg_Destroy(f->messages[f->first]);
        f->first = (f->first + 1) % FEED_MESSAGES_MAX;
        f->count--;
    }
    free(f);
    r->feeds--;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static natsStatus subscribe(struct nats_reader *r, struct nats_feed *f, uint64_t sequence)
{
    jsSubOptions o;
    jsErrCode code = 0;

    jsSubOptions_Init(&o);
    o.Stream = r->link->stream;
    o.Ordered = true;
    o.Config.DeliverPolicy = js_DeliverByStartSequence;
    o.Config.OptStartSeq = sequence;
    o.Config.Heartbeat = NS_PER_S;
    return js_Subscribe(&f->subscription, r->link->js, ">", pushed, f, &r->link->options, &o,
                        &code);
}

int nats_feed_open(struct nats_reader *r, uint64_t sequence, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_feed *f = calloc(1, sizeof *f);

    nats_feed_close(r);
    if (!f)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    f->reader = r;
    natsStatus s = subscribe(r, f, sequence);
    if (s != NATS_OK) {
        free(f);
        return nats_link_fail(r->link, s, 0, "subscribing to", why);
    }
    pthread_mutex_lock(&r->mutex);
    r->feed = f;
    r->feeds++;
    pthread_mutex_unlock(&r->mutex);
    (void)natsSubscription_SetPendingLimits(f->subscription, -1,
                                            -1); /* flow control bounds it */
    s = natsSubscription_SetOnCompleteCB(f->subscription, completed, f);
    ASSERT(s == NATS_OK);
    return ACCORD_OK;
}

void nats_feed_close(struct nats_reader *r)
{
    struct nats_feed *f;

    pthread_mutex_lock(&r->mutex);
    f = r->feed;
    r->feed = NULL;
    if (f)
        f->closed = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    if (!f)
        return;
    natsSubscription *s = f->subscription; /* f is free once the last callback has run */
    (void)natsSubscription_Unsubscribe(s);
    natsSubscription_Destroy(s);
}

natsMsg *nats_feed_first(struct nats_reader *r, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000 * NS_PER_MS)};
    natsMsg *m = NULL;

    pthread_mutex_lock(&r->mutex);
    while (r->feed && r->feed->count == 0 && !r->woken && nats_now_ms() < until_ms)
        pthread_cond_timedwait(&r->changed, &r->mutex, &until);
    if (r->feed && r->feed->count > 0)
        m = r->feed->messages[r->feed->first];
    pthread_mutex_unlock(&r->mutex);
    return m;
}

natsMsg *nats_feed_take(struct nats_reader *r)
{
    struct nats_feed *f;
    natsMsg *m;

    pthread_mutex_lock(&r->mutex);
    f = r->feed;
    m = f->messages[f->first];
    f->first = (f->first + 1) % FEED_MESSAGES_MAX;
    f->count--;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    return m;
}
