/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/publisher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRUNE_AFTER = 64, /* changes and beats, and an eighth of what is kept */
    PAYLOAD_BYTES_MIN = 32768,
    HEADER_BYTES = 256, /* what the protocol adds to a payload, at most */
};

int nats_publisher_init(struct nats_publisher *p, struct nats_link *l,
                        const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    int64_t most = natsConnection_GetMaxPayload(l->connection);

    memset(p, 0, sizeof *p);
    p->link = l;
    p->retain_ms = s->retain_ms;
    p->retain_changes = s->retain_changes;
    if (most < PAYLOAD_BYTES_MIN)
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "nats: the server's max_payload is %lld bytes; expected at least %d",
                        (long long)most, PAYLOAD_BYTES_MIN);
    p->message_bytes = (size_t)u64_min((uint64_t)most, NATS_PAYLOAD_BYTES_MAX) - HEADER_BYTES;
    p->payload = malloc(NATS_PAYLOAD_BYTES_MAX);
    p->part = malloc(p->message_bytes);
    if (!p->payload || !p->part)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    pthread_mutex_init(&p->mutex, NULL);
    return ACCORD_OK;
}

void nats_publisher_done(struct nats_publisher *p)
{
    pthread_mutex_destroy(&p->mutex);
    free(p->payload);
    free(p->part);
}

void nats_publisher_aim(struct nats_publisher *p, const struct nats_stream *s)
{
    pthread_mutex_lock(&p->mutex);
    p->target = *s;
    p->aimed = true;
    pthread_mutex_unlock(&p->mutex);
}

/* ---- what is known ------------------------------------------------------------------------
 */

static struct nats_known *set_of(struct nats_publisher *p, struct id128 message)
{
    return p->known[cursor_hash(0, 0, message) % NATS_REMEMBERED_SETS];
}

/* 0: not known. */
static uint64_t position_of(struct nats_publisher *p, struct id128 message)
{
    const struct nats_known *set = set_of(p, message);

    for (size_t i = 0; i < NATS_REMEMBERED_WAYS; i++)
        if (id128_equal(set[i].message, message))
            return set[i].position;
    return 0;
}

/* In the place of the oldest of its set. */
static void remember(struct nats_publisher *p, struct id128 message, uint64_t position)
{
    struct nats_known *set = set_of(p, message), *oldest = set;

    for (size_t i = 1; i < NATS_REMEMBERED_WAYS; i++)
        if (set[i].position < oldest->position)
            oldest = &set[i];
    *oldest = (struct nats_known){message, position};
}

/* ---- publish ------------------------------------------------------------------------------
 */

/* The same batch, the same name. */
static void name_of(const struct change *changes, const size_t *fresh, size_t count,
                    char name[64])
{
    uint64_t hash = 0;

    for (size_t i = 0; i < count; i++)
        hash = cursor_hash(hash, i, changes[fresh[i]].message);
    struct id128 first = changes[fresh[0]].message;
    snprintf(name, 64, "%016" PRIx64 "%016" PRIx64 "-%016" PRIx64, first.high, first.low, hash);
}

static bool all_beats(const struct change *changes, const size_t *fresh, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (changes[fresh[i]].op < CHANGE_JOIN)
            return false;
    return true;
}

static size_t pack(struct nats_publisher *p, const struct change *changes, const size_t *fresh,
                   size_t count)
{
    size_t bytes = 0, one = 0;

    for (size_t i = 0; i < count; i++, bytes += one) {
        int status = nats_payload_write(&changes[fresh[i]], 1, p->payload + bytes,
                                        NATS_PAYLOAD_BYTES_MAX - bytes, &one);
        ASSERT(status == ACCORD_OK); /* the buffer is as large as a batch can be */
    }
    return bytes;
}

/* One message. *sequence: where it is. ACCORD_E_TIMEOUT too where that cannot be: lower than
 * what was seen. */
static int send_message(struct nats_publisher *p, const struct nats_stream *to, bool beats,
                        struct bytes data, const char *name, uint64_t *sequence,
                        char why[BUS_WHY_BYTES_MAX])
{
    jsPubOptions o;
    jsPubAck *ack = NULL;
    jsErrCode code = 0;

    jsPubOptions_Init(&o);
    o.MaxWait = (int64_t)p->link->timeout_ms;
    o.MsgId = name;
    natsStatus s = js_Publish(&ack, p->link->js, beats ? to->beat_subject : to->log_subject,
                              data.data, (int)data.size_bytes, &o, &code);
    if (s == NATS_NO_RESPONDERS)
        return bus_fail(why, ACCORD_E_DOWN,
                        "nats: %s takes no changes of this epoch; it is being attached anew",
                        p->link->stream);
    if (s != NATS_OK) {
        int status = nats_link_fail(p->link, s, (int)code, "publishing to", why);
        /* Whether it arrived before the connection went is not known; nor whether it was this
         * that the user may not do. */
        bool unknown = status == ACCORD_E_DOWN || status == ACCORD_E_DENIED;
        return unknown && code == 0 ? ACCORD_E_TIMEOUT : status;
    }
    *sequence = ack->Sequence;
    bool again = ack->Duplicate;
    jsPubAck_Destroy(ack);
    if (again || *sequence > p->high) {
        p->high = u64_max(p->high, *sequence);
        return ACCORD_OK;
    }
    nats_stream_lost(p->link, to->meta.epoch);
    return bus_fail(why, ACCORD_E_TIMEOUT,
                    "nats: %s lost entries: it gave %" PRIu64 " again, after %" PRIu64,
                    p->link->stream, *sequence, p->high);
}

/* A batch larger than one message: only its last part counts, so it is taken whole or not at
 * all. */
static int send_parts(struct nats_publisher *p, const struct nats_stream *to, size_t bytes,
                      const char *name, uint64_t *sequence, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t sent[NATS_PARTS_MAX];
    size_t room = p->message_bytes - NATS_PART_HEAD_BYTES - 8 * (size_t)NATS_PARTS_MAX;
    uint32_t count = (uint32_t)((bytes + room - 1) / room);
    int status = ACCORD_OK;
    char part_name[80];

    ASSERT(count <= NATS_PARTS_MAX);
    for (uint32_t i = 0; i < count && status == ACCORD_OK; i++) {
        size_t piece = i + 1 < count ? room : bytes - room * i;
        size_t head = nats_part_head(p->part, i, count, sent);
        memcpy(p->part + head, p->payload + room * i, piece);
        snprintf(part_name, sizeof part_name, "%s-%u", name, i);
        status = send_message(p, to, /* beats= */ false, bytes_of(p->part, head + piece),
                              part_name, &sent[i], why);
    }
    *sequence = sent[count - 1];
    return status;
}

/* Now and then; that it fails is the next one's to mend. */
static void prune(struct nats_publisher *p)
{
    if (p->unpruned <= PRUNE_AFTER + p->retain_changes / 8)
        return;
    p->unpruned = 0;
    nats_stream_prune(p->link, p->retain_changes, p->retain_ms);
}

/* What this process has seen of the log, in the epoch of `to`. */
static void follow_epoch(struct nats_publisher *p, const struct nats_stream *to)
{
    if (p->epoch == to->epoch)
        return;
    p->epoch = to->epoch;
    p->high = 0;
    memset(p->known, 0, sizeof p->known); /* they may be what was lost */
}

static int append(struct nats_publisher *p, const struct nats_stream *to,
                  const struct change *changes, const size_t *fresh, size_t count,
                  char why[BUS_WHY_BYTES_MAX])
{
    size_t bytes = pack(p, changes, fresh, count);
    uint64_t sequence = 0;
    char name[64];

    name_of(changes, fresh, count, name);
    int status = bytes <= p->message_bytes
                     ? send_message(p, to, all_beats(changes, fresh, count),
                                    bytes_of(p->payload, bytes), name, &sequence, why)
                     : send_parts(p, to, bytes, name, &sequence, why);
    if (status != ACCORD_OK)
        return status;
    p->unpruned += count;
    for (size_t i = 0; i < count; i++)
        remember(p, changes[fresh[i]].message, nats_position(sequence, i));
    for (size_t i = 0; i < count; i++)
        if (change_sets_max_stale(&changes[fresh[i]])) /* or a reader will */
            nats_stream_set_max_stale(p->link, &changes[fresh[i]], nats_position(sequence, i));
    prune(p);
    return ACCORD_OK;
}

int nats_publisher_publish(struct nats_publisher *p, uint64_t seen,
                           const struct change *changes, size_t count, struct position *last,
                           char why[BUS_WHY_BYTES_MAX])
{
    size_t fresh[PUBLISH_BATCH_MAX], fresh_count = 0;

    pthread_mutex_lock(&p->mutex);
    struct nats_stream to = p->target;
    bool aimed = p->aimed;
    pthread_mutex_unlock(&p->mutex);
    if (!aimed)
        return bus_fail(why, ACCORD_E_DOWN, "nats: not attached");
    follow_epoch(p, &to);
    p->high = u64_max(p->high, seen);
    for (size_t i = 0; i < count; i++)
        if (position_of(p, changes[i].message) == 0)
            fresh[fresh_count++] = i;
    int status = fresh_count > 0 ? append(p, &to, changes, fresh, fresh_count, why) : ACCORD_OK;
    if (status != ACCORD_OK)
        return status;
    *last = (struct position){to.epoch, position_of(p, changes[count - 1].message)};
    return ACCORD_OK;
}
