/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/reader.h"

#include "bus/nats/feed.h"

#include <stdio.h>
#include <string.h>

enum {
    COMING_MS = 50, /* between messages that the server has and sends */
};

void nats_reader_init(struct nats_reader *r, struct nats_link *l, const struct bus_settings *s)
{
    pthread_condattr_t monotonic;

    memset(r, 0, sizeof *r);
    r->link = l;
    r->max_stale_ms = s->max_stale_ms;
    r->timeout_ms = s->timeout_ms;
    r->hand = s->hand;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&r->mutex, NULL);
}

static void release(struct nats_reader *r)
{
    for (size_t i = 0; i < r->held_count; i++)
        nats_holder_free(&r->held[i]);
    r->held_count = r->entry_count = 0;
}

void nats_reader_done(struct nats_reader *r)
{
    release(r);
    nats_feed_close(r);
    pthread_mutex_lock(&r->mutex);
    while (r->feeds > 0)
        pthread_cond_wait(&r->changed, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
}

void nats_reader_wake(struct nats_reader *r)
{
    pthread_mutex_lock(&r->mutex);
    r->woken = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static bool take_wake(struct nats_reader *r)
{
    pthread_mutex_lock(&r->mutex);
    bool woken = r->woken;
    r->woken = false;
    pthread_mutex_unlock(&r->mutex);
    return woken;
}

void nats_reader_own(struct nats_reader *r, struct id128 incarnation)
{
    pthread_mutex_lock(&r->mutex);
    r->own = incarnation;
    pthread_mutex_unlock(&r->mutex);
}

uint64_t nats_reader_high(struct nats_reader *r)
{
    pthread_mutex_lock(&r->mutex);
    uint64_t high = r->high;
    pthread_mutex_unlock(&r->mutex);
    return high;
}

static void set_high(struct nats_reader *r, uint64_t sequence)
{
    pthread_mutex_lock(&r->mutex);
    r->high = sequence;
    pthread_mutex_unlock(&r->mutex);
}

static int gone(const struct nats_reader *r, uint64_t sequence, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(
        why, ACCORD_E_GONE,
        "nats: %s no longer has the entry at %llu (lost, pruned, or another stream)",
        r->link->stream, (unsigned long long)sequence);
}

/* Whether the entry at `position` is still the one with that id. *lost, where it is not: it was
 * not pruned, but the log lost it. */
static int prove(struct nats_reader *r, const struct nats_stream *s, uint64_t position,
                 struct id128 message, bool *lost, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t sequence = nats_sequence_of(position);
    struct nats_message m;
    struct nats_holder holder = {0};

    *lost = sequence > s->last;
    if (*lost)
        return gone(r, sequence, why);
    if (id128_is_none(message))
        return ACCORD_OK; /* where a view began: nothing was delivered that could be lost */
    int status = nats_link_message(r->link, sequence, s->meta.log, &m, &holder, why);
    if (status == ACCORD_E_GONE)
        return gone(r, sequence, why);
    if (status != ACCORD_OK)
        return status;
    m.hand = &r->hand;
    *lost = !id128_equal(nats_message_id(&m, nats_place_of(position)), message);
    nats_holder_free(&holder);
    return *lost ? gone(r, sequence, why) : ACCORD_OK;
}

/* The stream as it is now; ACCORD_E_GONE where it is not the one that was attached. */
static int look_again(struct nats_reader *r, struct nats_stream *s, char why[BUS_WHY_BYTES_MAX])
{
    int status = nats_stream_look(r->link, s, why);

    if (status == ACCORD_E_UNSUPPORTED ||
        (status == ACCORD_OK && r->attached && s->epoch != r->stream.epoch))
        return bus_fail(why, ACCORD_E_GONE, "nats: %s was replaced, or lost entries",
                        r->link->stream);
    return status == ACCORD_E_IO ? ACCORD_E_DOWN : status;
}

/* What this reader itself was given is no longer there: all others are told by the epoch. */
static int tell_loss(struct nats_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    nats_stream_lost(r->link, r->stream.meta.epoch);
    nats_feed_close(r);
    return gone(r, nats_sequence_of(r->at), why);
}

static int prove_own(struct nats_reader *r, const struct nats_stream *s,
                     char why[BUS_WHY_BYTES_MAX])
{
    bool lost = false;
    int status = prove(r, s, r->at, r->message, &lost, why);

    return lost ? tell_loss(r, why) : status;
}

/* ---- attach -------------------------------------------------------------------------------
 */

/* The position of the newest entry. */
static int head_of(struct nats_reader *r, const struct nats_stream *s, uint64_t *head,
                   char why[BUS_WHY_BYTES_MAX])
{
    struct nats_message m;
    struct id128 message;
    struct nats_holder holder = {0};

    *head = 0;
    if (s->last == 0)
        return ACCORD_OK;
    int status = nats_link_message(r->link, s->last, s->meta.log, &m, &holder, why);
    if (status == ACCORD_E_GONE) { /* a person purged it */
        *head = nats_position(s->last, NATS_PLACE_LAST);
        return ACCORD_OK;
    }
    if (status != ACCORD_OK)
        return status;
    m.hand = &r->hand;
    *head = nats_position(s->last, nats_message_last(&m, &message));
    nats_holder_free(&holder);
    return ACCORD_OK;
}

/* Before every entry younger than view_ms. */
static int view_begin(struct nats_reader *r, const struct nats_stream *s, uint64_t view_ms,
                      uint64_t head, uint64_t *after, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t first = s->last + 1;
    int status = ACCORD_OK;

    *after = head;
    if (view_ms == 0 || s->last == 0)
        return ACCORD_OK;
    status =
        nats_stream_since(r->link, u64_sub_sat(nats_stream_now_ms(s), view_ms), &first, why);
    if (status == ACCORD_OK)
        status = nats_stream_whole_from(r->link, s, first, &first, why);
    if (status != ACCORD_OK)
        return status;
    if (first <= s->last)
        *after = first <= 1 ? 0 : nats_position(first - 1, NATS_PLACE_LAST);
    return ACCORD_OK;
}

static int check_resume(struct nats_reader *r, const struct nats_stream *s,
                        const struct cursor *resume, char why[BUS_WHY_BYTES_MAX])
{
    if (!id128_equal(resume->log, s->meta.log) || resume->epoch != s->epoch)
        return gone(r, nats_sequence_of(resume->position), why);
    bool lost = false;
    int status = prove(r, s, resume->position, resume->message, &lost, why);
    /* What a cursor says of an entry may be wrong; that it was given so many may not. */
    if (lost && nats_sequence_of(resume->position) > s->last)
        nats_stream_lost(r->link, s->meta.epoch);
    return status;
}

static int begin(struct nats_reader *r, const struct nats_stream *s,
                 const struct cursor *resume, uint64_t view_ms, struct bus_attached *out,
                 char why[BUS_WHY_BYTES_MAX])
{
    uint64_t head = 0, after = 0;

    int status = resume ? check_resume(r, s, resume, why) : ACCORD_OK;
    if (status == ACCORD_OK)
        status = head_of(r, s, &head, why);
    if (status == ACCORD_OK)
        status = view_begin(r, s, view_ms, head, &after, why);
    if (status != ACCORD_OK)
        return status;
    if (resume)
        after = view_ms == 0 ? resume->position : u64_min(after, resume->position);
    *out = (struct bus_attached){.log = s->meta.log,
                                 .epoch = s->epoch,
                                 .after = after,
                                 .head = head,
                                 .max_stale_ms = s->meta.max_stale_ms,
                                 .max_stale_before_ms = s->meta.max_stale_before_ms,
                                 .resumed = resume != NULL};
    r->message = resume && after == resume->position ? resume->message : (struct id128){0, 0};
    return ACCORD_OK;
}

/* What this reader saw of the same epoch must still be there, before it forgets it. */
static int check_seen(struct nats_reader *r, struct nats_stream *s, char why[BUS_WHY_BYTES_MAX])
{
    if (!r->attached || s->epoch != r->stream.epoch)
        return ACCORD_OK;
    int status = prove_own(r, s, why);
    if (status == ACCORD_E_GONE)
        return nats_stream_look(r->link, s, why);
    return status;
}

int nats_reader_attach(struct nats_reader *r, const struct cursor *resume, uint64_t view_ms,
                       struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_stream s;

    release(r);
    int status = nats_link_wait(r->link, why);
    if (status == ACCORD_OK)
        status = nats_stream_make(r->link, r->max_stale_ms, &s, why);
    if (status == ACCORD_OK)
        status = check_seen(r, &s, why);
    if (status == ACCORD_OK)
        status = begin(r, &s, resume, view_ms, out, why);
    if (status != ACCORD_OK)
        return status == ACCORD_E_IO ? ACCORD_E_DOWN : status;
    nats_feed_close(r);
    if (!r->attached || r->stream.epoch != s.epoch)
        set_high(r, 0);
    r->attached = true;
    r->stream = s;
    r->at = out->after;
    nats_link_advise(r->link, out->advice);
    return ACCORD_OK;
}

/* ---- read ---------------------------------------------------------------------------------
 */

/* Begins at the message of `after` itself, so that it is seen once more where it has more
 * entries. */
static int seek(struct nats_reader *r, uint64_t after, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t sequence = nats_sequence_of(after);
    bool whole = nats_place_of(after) == NATS_PLACE_LAST;

    if (after != r->at)
        r->message = (struct id128){0, 0};
    r->at = after;
    r->next = sequence == 0 ? 1 : sequence + whole;
    r->consumer[0] = '\0';
    r->pushed = 0;
    return nats_feed_open(r, r->next, why);
}

/* One entry into what is delivered. */
static void deliver(struct nats_reader *r, const struct entry *e)
{
    r->entries[r->entry_count++] = *e;
    r->at = e->position;
    r->message = e->change.message;
}

/* The entries of `m` behind r->at. True: all of them; false: there was no more room. */
static bool deliver_message(struct nats_reader *r, const struct nats_message *m)
{
    size_t offset = 0;
    struct entry e;

    for (uint64_t place = 0; nats_message_next(m, &offset, place, &e); place++) {
        if (e.position <= r->at)
            continue;
        if (r->entry_count == DELIVER_BATCH_MAX)
            return false;
        deliver(r, &e);
    }
    return true;
}

static bool has_own_beat(struct nats_reader *r, const struct nats_message *m)
{
    size_t offset = 0;
    struct entry e;

    pthread_mutex_lock(&r->mutex);
    struct id128 own = r->own;
    pthread_mutex_unlock(&r->mutex);
    for (uint64_t place = 0; nats_message_next(m, &offset, place, &e); place++)
        if (e.change.op == CHANGE_BEAT && id128_equal(e.change.incarnation, own))
            return true;
    return false;
}

/* Another consumer than before, or an own beat: what came before must still be in the log.
 * Where `m` begins before r->at, it holds that entry itself. */
static int check_before(struct nats_reader *r, const struct nats_message *m,
                        const char *consumer, char why[BUS_WHY_BYTES_MAX])
{
    const struct nats_stream any = {.meta = r->stream.meta, .last = UINT64_MAX};
    bool another = strcmp(consumer, r->consumer) != 0;
    int status = ACCORD_OK;

    if (nats_sequence_of(r->at) == m->sequence) {
        if (!id128_is_none(r->message) &&
            !id128_equal(nats_message_id(m, nats_place_of(r->at)), r->message))
            return tell_loss(r, why);
    } else if (another || has_own_beat(r, m)) {
        status = prove_own(r, &any, why);
    }
    if (status == ACCORD_OK && another)
        snprintf(r->consumer, sizeof r->consumer, "%s", consumer);
    return status;
}

/* Delivers of the message that is next. *whole: all of it. */
static int take_next(struct nats_reader *r, const struct nats_message *m, const char *consumer,
                     bool *whole, char why[BUS_WHY_BYTES_MAX])
{
    if (m->sequence > r->next)
        return gone(r, r->next, why);
    int status = check_before(r, m, consumer, why);
    *whole = status == ACCORD_OK && deliver_message(r, m);
    return status;
}

/* Takes the first message of the feed as far as there is room; the rest of one that does not
 * fit is delivered by the next read. *more: try the next one too. */
static int take(struct nats_reader *r, natsMsg *first, bool *more, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_holder held = {0};
    jsMsgMetaData *meta = NULL;
    struct nats_message m;

    *more = false;
    if (natsMsg_GetMetaData(&meta, first) != NATS_OK)
        return bus_fail(why, ACCORD_E_IO, "nats: a message without its place in the stream");
    uint64_t sequence = meta->Sequence.Stream;
    if (meta->Sequence.Consumer != r->pushed + 1) { /* one was lost on the way to us */
        jsMsgMetaData_Destroy(meta);
        return seek(r, r->at, why);
    }
    int status =
        nats_message_of(r->link, first, sequence, r->stream.meta.log, &m, &held.whole, why);
    m.wall_ms = (uint64_t)meta->Timestamp / NS_PER_MS;
    m.hand = &r->hand;
    if (status == ACCORD_OK && sequence < r->next)
        *more = true; /* a consumer that was made anew began too early */
    else if (status == ACCORD_OK)
        status = take_next(r, &m, meta->Consumer, more, why);
    if (*more) {
        held.message = nats_feed_take(r);
        r->pushed++;
        r->next += sequence == r->next;
    }
    jsMsgMetaData_Destroy(meta);
    if (status != ACCORD_OK || m.unfinished)
        nats_holder_free(&held);
    else
        r->held[r->held_count++] = held;
    return status;
}

/* Everything that is here already, up to a batch. */
static int take_all(struct nats_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    bool more = true;
    natsMsg *first;

    while (more && r->held_count < DELIVER_BATCH_MAX && (first = nats_feed_first(r, 0))) {
        int status = take(r, first, &more, why);
        /* What is delivered may be used; what is wrong behind it shows again. */
        if (status != ACCORD_OK)
            return r->entry_count > 0 && status != ACCORD_E_GONE ? ACCORD_OK : status;
    }
    if (r->entry_count > 0)
        set_high(r, u64_max(nats_reader_high(r), nats_sequence_of(r->at)));
    return ACCORD_OK;
}

/* Nothing came: is that so, or is the feed dead, or the log another? *newest: what must still
 * come. */
static int check_idle(struct nats_reader *r, uint64_t *newest, char why[BUS_WHY_BYTES_MAX])
{
    struct nats_stream s;

    int status = look_again(r, &s, why);
    if (status != ACCORD_OK)
        return status;
    if (s.last + 1 < r->next)
        return tell_loss(r, why);
    *newest = s.last;
    return ACCORD_OK;
}

/* Nothing is here: waits on where the server has more. *done: it has not. */
static int wait_for_more(struct nats_reader *r, uint64_t patience_ms, uint64_t *newest,
                         bool *done, char why[BUS_WHY_BYTES_MAX])
{
    int status = check_idle(r, newest, why);

    *done = r->next > *newest;
    if (status != ACCORD_OK || *done || nats_now_ms() < patience_ms)
        return status;
    nats_feed_close(r);
    return bus_fail(why, ACCORD_E_DOWN, "nats: %s has entries that do not come",
                    r->link->stream);
}

/* What the server has already (up to `newest`, where that was asked) is waited for longer than
 * what may come. */
static int read_until(struct nats_reader *r, uint64_t until_ms, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t patience_ms = u64_max(until_ms, nats_now_ms() + r->timeout_ms), newest = 0;
    bool done = false;
    int status;

    do {
        (void)nats_feed_first(r, until_ms);
        bool woken = take_wake(r);
        uint64_t before = r->next;
        status = nats_feed_is_lost(r) ? seek(r, r->at, why) : take_all(r, why);
        if (status != ACCORD_OK || woken || r->entry_count == DELIVER_BATCH_MAX)
            return status;
        if (r->entry_count > 0)
            done = r->next == before || r->next > newest;
        else if (r->next == before)
            status = wait_for_more(r, patience_ms, &newest, &done, why);
        if (newest > 0)
            until_ms = nats_now_ms() + COMING_MS;
    } while (status == ACCORD_OK && !done);
    return status;
}

int nats_reader_read(struct nats_reader *r, uint64_t after, uint64_t timeout_ms,
                     const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    release(r);
    if (!r->attached)
        return bus_fail(why, ACCORD_E_DOWN, "nats: not attached");
    int status = after != r->at || !r->feed ? seek(r, after, why) : ACCORD_OK;
    if (status == ACCORD_OK)
        status = read_until(r, nats_now_ms() + timeout_ms, why);
    if (status == ACCORD_E_IO)
        status = ACCORD_E_DOWN;
    if (status != ACCORD_OK) {
        release(r);
        return status;
    }
    *entries = r->entries;
    *count = r->entry_count;
    for (size_t i = 0; i < r->entry_count; i++)
        if (change_sets_max_stale(&r->entries[i].change)) /* its publisher may have died */
            nats_stream_set_max_stale(r->link, &r->entries[i].change, r->entries[i].position);
    return ACCORD_OK;
}

int nats_reader_head(struct nats_reader *r, const struct cursor *at, uint64_t *head,
                     char why[BUS_WHY_BYTES_MAX])
{
    struct nats_stream s;
    uint64_t newest = 0;

    int status = look_again(r, &s, why);
    if (status == ACCORD_OK)
        status = check_resume(r, &s, at, why);
    if (status == ACCORD_OK)
        status = head_of(r, &s, &newest, why);
    if (status != ACCORD_OK)
        return status == ACCORD_E_IO ? ACCORD_E_DOWN : status;
    *head = newest;
    return ACCORD_OK;
}
