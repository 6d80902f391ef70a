/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nats_feed {
    struct nats_reader *reader;
    natsSubscription *subscription;
    char consumer[CONSUMER_BYTES_MAX];    /* as the server named it; "": there is none yet */
    natsMsg *messages[FEED_MESSAGES_MAX]; /* a ring */
    size_t first, count;
    uint64_t pushed;   /* messages so far */
    uint64_t alive_ms; /* when the server last said something */
    bool missed;       /* it pushed more than came */
    bool closed;       /* what still comes is for nobody */
};

/* ---- what the server says beside messages --------------------------------------------------
 */

static const char *header(natsMsg *m, const char *name)
{
    const char *value = NULL;

    return natsMsgHeader_Get(m, name, &value) == NATS_OK ? value : NULL;
}

/* What is not of the stream. By the reply's subject, which is the server's own: headers may be
 * anybody's. */
static bool is_control(natsMsg *m)
{
    static const char ack[] = "$JS.ACK.";
    const char *reply = natsMsg_GetReply(m);

    return !reply || strncmp(reply, ack, sizeof ack - 1) != 0;
}

/* What came before is in the ring by now, so there is room. */
static void answer_control(natsConnection *c, natsMsg *m)
{
    const char *reply = natsMsg_GetReply(m);

    if (!reply || !reply[0]) /* a heartbeat, in which it may say that it waits for an answer */
        reply = header(m, "Nats-Consumer-Stalled");
    if (reply && reply[0])
        (void)natsConnection_Publish(c, reply, NULL, 0);
}

/* Held. Status 100: a heartbeat, or a question whether all up to here was taken; any other: the
 * consumer is no more. */
static void note_control(struct nats_feed *f, natsMsg *m)
{
    const char *status = header(m, "Status"), *last = header(m, "Nats-Last-Consumer");

    if (!status || strcmp(status, "100") != 0 || (last && strtoull(last, NULL, 10) > f->pushed))
        f->missed = true;
}

/* Held. */
static void add(struct nats_feed *f, natsMsg *m)
{
    struct nats_reader *r = f->reader;

    while (!f->closed && f->count == FEED_MESSAGES_MAX)
        pthread_cond_wait(&r->changed, &r->mutex);
    if (f->closed) {
        natsMsg_Destroy(m);
        return;
    }
    f->messages[(f->first + f->count++) % FEED_MESSAGES_MAX] = m;
    f->pushed++;
}

static void pushed(natsConnection *c, natsSubscription *s, natsMsg *m, void *closure)
{
    struct nats_feed *f = closure;
    struct nats_reader *r = f->reader;
    bool control = is_control(m);

    (void)s;
    pthread_mutex_lock(&r->mutex);
    if (control)
        note_control(f, m);
    else
        add(f, m);
    f->alive_ms = nats_now_ms();
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
    if (!control)
        return;
    answer_control(c, m);
    natsMsg_Destroy(m);
}

/* ---- life ----------------------------------------------------------------------------------
 */

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

static int make_consumer(struct nats_reader *r, struct nats_feed *f, const char *inbox,
                         uint64_t sequence, char why[BUS_WHY_BYTES_MAX])
{
    const json_int_t ms = NS_PER_MS, s = NS_PER_S;
    json_t *reply = NULL;

    json_t *body =
        json_pack("{s:s, s:{s:s, s:s, s:I, s:s, s:s, s:b, s:I, s:I, s:b}}", "stream_name",
                  r->link->stream, "config", "deliver_subject", inbox, "deliver_policy",
                  "by_start_sequence", "opt_start_seq", (json_int_t)sequence, "ack_policy",
                  "none", "replay_policy", "instant", "flow_control", 1, "idle_heartbeat",
                  NATS_FEED_HEARTBEAT_MS * ms, "inactive_threshold", NATS_FEED_INACTIVE_S * s,
                  "mem_storage", 1);
    int status = nats_link_ask(r->link, "CONSUMER.CREATE", body, &reply, why);
    if (status != ACCORD_OK)
        return status;
    const char *name = json_string_value(json_object_get(reply, "name"));
    snprintf(f->consumer, sizeof f->consumer, "%s", name ? name : "");
    json_decref(reply);
    return ACCORD_OK;
}

/* It ends by itself too, a few seconds later: so nobody waits for the answer. */
static void drop_consumer(struct nats_link *l, const char *consumer)
{
    char subject[4 * NATS_NAME_BYTES_MAX];

    if (!consumer[0])
        return;
    snprintf(subject, sizeof subject, "%s.CONSUMER.DELETE.%s.%s", l->api, l->stream, consumer);
    (void)natsConnection_PublishString(l->connection, subject, "");
}

/* Before there is a consumer: so nothing of it is missed. */
static int subscribe(struct nats_reader *r, struct nats_feed *f, const char *inbox,
                     char why[BUS_WHY_BYTES_MAX])
{
    natsStatus s =
        natsConnection_Subscribe(&f->subscription, r->link->connection, inbox, pushed, f);

    if (s != NATS_OK)
        return nats_link_fail(r->link, s, 0, "subscribing to", why);
    (void)natsSubscription_SetPendingLimits(f->subscription, -1,
                                            -1); /* flow control bounds it */
    s = natsSubscription_SetOnCompleteCB(f->subscription, completed, f);
    ASSERT(s == NATS_OK);
    pthread_mutex_lock(&r->mutex);
    r->feed = f;
    r->feeds++;
    f->alive_ms = nats_now_ms();
    pthread_mutex_unlock(&r->mutex);
    return ACCORD_OK;
}

int nats_feed_open(struct nats_reader *r, uint64_t sequence, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_feed *f = calloc(1, sizeof *f);
    natsInbox *inbox = NULL;

    nats_feed_close(r);
    if (!f || natsInbox_Create(&inbox) != NATS_OK) {
        free(f);
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    }
    f->reader = r;
    int status = subscribe(r, f, inbox, why);
    if (status != ACCORD_OK) {
        free(f);
    } else {
        status = make_consumer(r, f, inbox, sequence, why);
        if (status != ACCORD_OK)
            nats_feed_close(r);
    }
    natsInbox_Destroy(inbox);
    return status;
}

void nats_feed_close(struct nats_reader *r)
{
    char consumer[CONSUMER_BYTES_MAX];
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
    memcpy(consumer, f->consumer, sizeof consumer);
    (void)natsSubscription_Unsubscribe(s);
    natsSubscription_Destroy(s);
    drop_consumer(r->link, consumer);
}

/* ---- what was pushed -----------------------------------------------------------------------
 */

/* Held. When it is given up, at the latest. */
static uint64_t lost_at_ms(const struct nats_feed *f)
{
    return f->missed ? 0 : f->alive_ms + NATS_FEED_SILENT_MS;
}

bool nats_feed_is_lost(struct nats_reader *r)
{
    pthread_mutex_lock(&r->mutex);
    bool lost = r->feed && r->feed->count == 0 && nats_now_ms() >= lost_at_ms(r->feed);
    pthread_mutex_unlock(&r->mutex);
    return lost;
}

static void wait_until(struct nats_reader *r, uint64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000 * NS_PER_MS)};

    pthread_cond_timedwait(&r->changed, &r->mutex, &until);
}

natsMsg *nats_feed_first(struct nats_reader *r, uint64_t until_ms)
{
    natsMsg *m = NULL;
    uint64_t end_ms;

    pthread_mutex_lock(&r->mutex);
    while (r->feed && r->feed->count == 0 && !r->woken) {
        end_ms = u64_min(until_ms, lost_at_ms(r->feed));
        if (nats_now_ms() >= end_ms)
            break;
        wait_until(r, end_ms);
    }
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
