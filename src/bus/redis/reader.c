/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/hex.h"
#include "bus/redis/presence.h"
#include "bus/redis/session.h"
#include "net/time.h"

enum {
    CALL_WORDS_MAX = 24,
    CALL_TEXT_BYTES_MAX = 1024,
    /* How long one XREAD lies in wait: also how soon a link that died in silence is noticed,
     * but for timeout_ms. */
    BLOCK_MS = 1000,
    /* Asked for at a time, with one proof: several batches to deliver. */
    FETCH_MAX = 4 * DELIVER_BATCH_MAX,
};
#define BLOCK_TEXT "1000"
#define BATCH_TEXT "256"
#define FETCH_TEXT "1024"
_Static_assert(BLOCK_MS == 1000 && DELIVER_BATCH_MAX == 256 && FETCH_MAX == 1024,
               "the texts say the same");

/* Opening. */

int redis_reader_init(struct redis_reader *r, struct redis_shared *shared,
                      char why[BUS_WHY_BYTES_MAX])
{
    *r = (struct redis_reader){.shared = shared};
    redis_link_init(&r->asks);
    redis_link_init(&r->waits);
    r->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int status = redis_words_init(&r->call, CALL_WORDS_MAX, CALL_TEXT_BYTES_MAX);
    if (status != ACCORD_OK)
        (void)bus_fail(why, 0, "out of memory");
    else if (r->wake < 0)
        status = bus_fail(why, ACCORD_E_IO, "no descriptor is left; raise `ulimit -n`");
    else
        status = redis_session_open(&r->asks, shared->place, shared->tls,
                                    redis_deadline(shared), why);
    if (status != ACCORD_OK)
        redis_reader_done(r);
    return status;
}

static void release(struct redis_reader *r)
{
    freeReplyObject(r->held);
    r->held = NULL;
    r->rows = NULL;
}

void redis_reader_done(struct redis_reader *r)
{
    if (!r->shared)
        return;
    release(r);
    redis_link_close(&r->asks);
    redis_link_close(&r->waits);
    redis_words_done(&r->call);
    if (r->wake >= 0)
        close(r->wake);
    *r = (struct redis_reader){.wake = -1};
}

void redis_reader_wake(struct redis_reader *r)
{
    uint64_t one = 1;

    if (write(r->wake, &one, sizeof one) != sizeof one)
        return; /* full: it is set already */
}

static bool take_wake(struct redis_reader *r)
{
    uint64_t wakes;

    return read(r->wake, &wakes, sizeof wakes) == sizeof wakes;
}

/* A link that the server closed while it was idle is no failure yet. */
static int ready(struct redis_reader *r, struct redis_link *l, uint64_t deadline_ns,
                 char why[BUS_WHY_BYTES_MAX])
{
    if (!redis_link_is_stale(l))
        return ACCORD_OK;
    return redis_session_open(l, r->shared->place, r->shared->tls, deadline_ns, why);
}

/* Looks at the log as it is at one position. */
static int look(struct redis_reader *r, uint64_t position, struct redis_log *out,
                uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    const struct redis_place *p = r->shared->place;
    struct redis_mark mark = redis_mark_of(r->shared);
    redisReply *reply = NULL;

    int status = redis_log_ask(&r->asks, p, &r->call, position, &mark, deadline_ns, why);
    if (status == ACCORD_OK)
        status = redis_link_receive(&r->asks, &reply, deadline_ns, why);
    if (status == ACCORD_OK)
        status = redis_log_read(&r->asks, reply, p, &mark, out, why);
    freeReplyObject(reply);
    return status;
}

/* Attaching. */

/* Makes the log, or renews its epoch, where that is due. */
static int make(struct redis_reader *r, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    const struct redis_place *p = r->shared->place;
    struct redis_mark mark = redis_mark_of(r->shared);
    char marked[REDIS_ID_BYTES_MAX];
    uint64_t random[3];
    redisReply *reply = NULL;

    ASSERT(getrandom(random, sizeof random, 0) == sizeof random);
    redis_id_print(mark.position, marked);
    redis_script_begin(&r->call, REDIS_SCRIPT_ATTACH, p);
    redis_words_add_hex(&r->call, random[0], &random[1]);
    redis_words_add_hex(&r->call, random[2], NULL);
    redis_words_add_number(&r->call, r->shared->settings->max_stale_ms);
    redis_words_add_text(&r->call, marked);
    if (id128_is_none(mark.message))
        redis_words_add_text(&r->call, "");
    else
        redis_words_add_hex(&r->call, mark.message.high, &mark.message.low);
    redis_words_add_hex(&r->call, mark.epoch, NULL);
    int status = redis_link_send(&r->asks, r->call.count, r->call.words, r->call.sizes,
                                 deadline_ns, why);
    if (status == ACCORD_OK)
        status = redis_link_receive(&r->asks, &reply, deadline_ns, why);
    if (status == ACCORD_OK && reply->type == REDIS_REPLY_ERROR)
        status = redis_session_error(&r->asks, reply, "to make the log", why);
    else if (status == ACCORD_OK && strcmp(reply->str ? reply->str : "", "ok") != 0)
        status = bus_fail(why, ACCORD_E_FORMAT,
                          "%s has an entry of the far future, which somebody gave by hand; to "
                          "begin the log anew: redis-cli del %s %s %s",
                          p->changes, p->changes, p->log, p->messages);
    freeReplyObject(reply);
    return status;
}

/* The newest position before all that are younger than view_ms. */
static int view_begin(struct redis_reader *r, uint64_t before_ms, uint64_t *after,
                      uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    redisReply *reply = NULL;
    struct entry e;
    char end[REDIS_ID_BYTES_MAX];

    snprintf(end, sizeof end, "(%" PRIu64 "-0", before_ms);
    int status = redis_link_say(&r->asks, deadline_ns, why, "XREVRANGE",
                                r->shared->place->changes, end, "-", "COUNT", "1", NULL);
    if (status == ACCORD_OK)
        status = redis_link_receive(&r->asks, &reply, deadline_ns, why);
    if (status == ACCORD_OK && reply->type == REDIS_REPLY_ERROR)
        status = redis_session_error(&r->asks, reply, "to look at the log", why);
    if (status == ACCORD_OK)
        *after = reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
                         redis_row_read(reply->element[0], &e)
                     ? e.position
                     : 0;
    freeReplyObject(reply);
    return status;
}

/* Where reading begins, and the entry there. */
static int begin(struct redis_reader *r, const struct cursor *resume, uint64_t view_ms,
                 struct redis_log *log, uint64_t *after, uint64_t deadline_ns,
                 char why[BUS_WHY_BYTES_MAX])
{
    uint64_t from = 0, latest = resume ? resume->position : UINT64_MAX;

    int status = look(r, resume ? resume->position : 0, log, deadline_ns, why);
    if (status == ACCORD_OK && resume)
        status = redis_log_prove(log, r->shared->place, resume, why);
    if (resume)
        *after = resume->position;
    if (status != ACCORD_OK || (resume && view_ms == 0))
        return status;
    status = view_begin(r, u64_sub_sat(log->time_ms, view_ms), &from, deadline_ns, why);
    /* The cursor is not before pruned_to: that was proven. */
    *after = u64_min(u64_max(from, log->pruned_to), latest);
    if (status == ACCORD_OK)
        status = look(r, *after, log, deadline_ns, why);
    return status;
}

static int attach_once(struct redis_reader *r, const struct cursor *resume, uint64_t view_ms,
                       struct redis_log *log, uint64_t *after, uint64_t deadline_ns,
                       char why[BUS_WHY_BYTES_MAX])
{
    int status = ready(r, &r->asks, deadline_ns, why);

    if (status == ACCORD_OK)
        status = make(r, deadline_ns, why);
    if (status == ACCORD_OK)
        status = begin(r, resume, view_ms, log, after, deadline_ns, why);
    return status;
}

int redis_reader_attach(struct redis_reader *r, const struct cursor *resume, uint64_t view_ms,
                        struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = redis_deadline(r->shared), after = 0;
    struct redis_log log = {.epoch = 0};

    redis_link_close(&r->waits);
    r->waits_until_ns = 0;
    release(r);
    /* Of several servers, another may be the primary by now. */
    if (r->shared->place->url.server_count > 1)
        redis_link_close(&r->asks);
    bool was_open = redis_link_is_open(&r->asks);
    int status = attach_once(r, resume, view_ms, &log, &after, deadline_ns, why);
    if (status == ACCORD_E_DOWN && was_open && time_monotonic_ns() < deadline_ns)
        status = attach_once(r, resume, view_ms, &log, &after, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    r->seen = (struct cursor){
        .log = log.log, .epoch = log.epoch, .position = after, .message = log.message};
    r->at_end = false;
    pthread_mutex_lock(&r->shared->mutex);
    struct redis_mark *m = &r->shared->mark;
    if (!id128_equal(m->log, log.log) || m->epoch != log.epoch)
        *m = (struct redis_mark){.log = log.log, .epoch = log.epoch};
    pthread_mutex_unlock(&r->shared->mutex);
    redis_mark_move(r->shared, log.epoch, log.head, (struct id128){0, 0});
    *out = (struct bus_attached){
        .log = log.log,
        .epoch = log.epoch,
        .after = after,
        .head = log.head,
        .max_stale_ms = log.max_stale_ms,
        .max_stale_before_ms = log.max_stale_before_ms,
        .resumed = resume != NULL,
    };
    return ACCORD_OK;
}

/* Reading. */

/* The entry, unless it is known to crash who reads it. */
static bool read_row(const struct redis_reader *r, const redisReply *row, struct entry *out)
{
    const struct hand *hand = &r->shared->settings->hand;
    struct id128 message = {0, 0};
    uint64_t position;

    if (!redis_row_position(row, &position))
        return false;
    hand_take(hand, position);
    if (hand_poison(hand, r->seen.log, r->seen.epoch, position) >= 0 &&
        redis_row_name(row, &position, &message))
        *out = hand_skipped(position, message);
    else
        (void)redis_row_read(row, out);
    hand_take(hand, 0);
    return true;
}

/* The next entries of what is held. One that has no position ends it: what follows could not be
 * read after it either. */
static int deliver_rows(struct redis_reader *r, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    size_t n = 0;
    bool bad = false;

    while (!bad && r->next_row < r->rows->elements && n < DELIVER_BATCH_MAX) {
        bad = !read_row(r, r->rows->element[r->next_row], &r->delivered[n]);
        if (!bad) {
            r->next_row++;
            n++;
        }
    }
    if (bad && n == 0) {
        release(r);
        return bus_fail(why, ACCORD_E_FORMAT,
                        "%s has an entry with an id that somebody gave by hand and that is "
                        "no position; delete it: redis-cli xdel",
                        r->shared->place->changes);
    }
    *count = n;
    if (n > 0) {
        const struct entry *last = &r->delivered[n - 1];
        r->seen.position = last->position;
        r->seen.message = last->change.message;
        redis_mark_move(r->shared, r->seen.epoch, last->position, last->change.message);
    }
    return ACCORD_OK;
}

/* Makes `entries`, a part of `reply`, what is delivered, now and by the next reads. */
static int deliver(struct redis_reader *r, redisReply *reply, const redisReply *entries,
                   size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    release(r);
    r->held = reply;
    r->rows = entries;
    r->next_row = 0;
    return deliver_rows(r, count, why);
}

static bool has_rest(const struct redis_reader *r)
{
    return r->rows && r->next_row < r->rows->elements;
}

static struct cursor place_of(const struct redis_reader *r, uint64_t after)
{
    struct cursor at = {.log = r->seen.log, .epoch = r->seen.epoch, .position = after};

    if (after == r->seen.position)
        at.message = r->seen.message;
    return at;
}

/* The entries first, then the look that proves them: what it sees whole was whole before. */
static int fetch_once(struct redis_reader *r, uint64_t after, size_t *count,
                      uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    const struct redis_place *p = r->shared->place;
    struct redis_mark mark = redis_mark_of(r->shared);
    struct cursor at = place_of(r, after);
    redisReply *entries = NULL, *proof = NULL;
    struct redis_log log;
    char id[REDIS_ID_BYTES_MAX + 1] = "(";

    redis_id_print(after, id + 1);
    int status = ready(r, &r->asks, deadline_ns, why);
    if (status == ACCORD_OK)
        status = redis_link_say(&r->asks, deadline_ns, why, "XRANGE", p->changes, id, "+",
                                "COUNT", FETCH_TEXT, NULL);
    if (status == ACCORD_OK)
        status = redis_log_ask(&r->asks, p, &r->call, after, &mark, deadline_ns, why);
    if (status == ACCORD_OK)
        status = redis_link_receive(&r->asks, &entries, deadline_ns, why);
    if (status == ACCORD_OK)
        status = redis_link_receive(&r->asks, &proof, deadline_ns, why);
    if (status == ACCORD_OK && entries->type != REDIS_REPLY_ARRAY)
        status = redis_session_error(&r->asks, entries, "to read the log", why);
    if (status == ACCORD_OK)
        status = redis_log_read(&r->asks, proof, p, &mark, &log, why);
    if (status == ACCORD_OK)
        status = redis_log_prove(&log, p, &at, why);
    freeReplyObject(proof);
    if (status != ACCORD_OK) {
        freeReplyObject(entries);
        return status;
    }
    return deliver(r, entries, entries, count, why);
}

static int fetch(struct redis_reader *r, uint64_t after, size_t *count,
                 char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = redis_deadline(r->shared);
    bool was_open = redis_link_is_open(&r->asks);

    int status = fetch_once(r, after, count, deadline_ns, why);
    if (status == ACCORD_E_DOWN && was_open && time_monotonic_ns() < deadline_ns)
        status = fetch_once(r, after, count, deadline_ns, why);
    r->at_end = status == ACCORD_OK && r->rows->elements < FETCH_MAX;
    return status;
}

/* Lies in wait for what comes after `after`. */
static int lie_in_wait(struct redis_reader *r, uint64_t after, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = redis_deadline(r->shared);
    char id[REDIS_ID_BYTES_MAX];

    if (r->waits_until_ns > 0 && r->waits_after == after && redis_link_is_open(&r->waits))
        return ACCORD_OK;
    if (r->waits_until_ns > 0)
        redis_link_close(&r->waits); /* it waits for something else */
    redis_id_print(after, id);
    int status = ready(r, &r->waits, deadline_ns, why);
    if (status == ACCORD_OK)
        status =
            redis_link_say(&r->waits, deadline_ns, why, "XREAD", "COUNT", BATCH_TEXT, "BLOCK",
                           BLOCK_TEXT, "STREAMS", r->shared->place->changes, id, NULL);
    r->waits_after = after;
    r->waits_until_ns = status == ACCORD_OK ? deadline_ns + BLOCK_MS * NS_PER_MS : 0;
    return status;
}

/* What XREAD brought: one stream and its entries; nil: nothing came in time. */
static int take_waited(struct redis_reader *r, redisReply *reply, uint64_t after, size_t *count,
                       char why[BUS_WHY_BYTES_MAX])
{
    const redisReply *entries = NULL;

    if (reply->type == REDIS_REPLY_ERROR) {
        int status = redis_session_error(&r->waits, reply, "to wait for entries", why);
        freeReplyObject(reply);
        return status;
    }
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
        reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements == 2)
        entries = reply->element[0]->element[1];
    if (entries && entries->type == REDIS_REPLY_ARRAY && entries->elements > 0) {
        if (after == r->seen.position &&
            redis_row_follows(entries->element[0], after, r->seen.epoch))
            return deliver(r, reply, entries, count, why);
        freeReplyObject(reply);
        return fetch(r, after, count, why);
    }
    freeReplyObject(reply);
    return ACCORD_OK;
}

static int wait_for(struct redis_reader *r, uint64_t after, uint64_t until_ns, bool *woken,
                    size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    redisReply *reply = NULL;

    int status = lie_in_wait(r, after, why);
    if (status != ACCORD_OK)
        return status;
    status =
        redis_link_wait(&r->waits, &reply, u64_min(until_ns, r->waits_until_ns), r->wake, why);
    if (status != ACCORD_OK || reply)
        r->waits_until_ns = 0;
    if (status != ACCORD_OK)
        return status;
    if (reply)
        return take_waited(r, reply, after, count, why);
    *woken = take_wake(r);
    if (!*woken && time_monotonic_ns() >= r->waits_until_ns) {
        redis_link_close(&r->waits);
        r->waits_until_ns = 0;
        return bus_fail(why, ACCORD_E_DOWN, "%s did not answer in time", r->waits.peer);
    }
    return ACCORD_OK;
}

int redis_reader_read(struct redis_reader *r, uint64_t after, uint64_t timeout_ms,
                      const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ns = time_monotonic_ns() + u64_min(timeout_ms, UINT32_MAX) * NS_PER_MS;
    int status = ACCORD_OK;
    bool woken = false;
    size_t found = 0;

    if (id128_is_none(r->seen.log))
        return bus_fail(why, ACCORD_E_DOWN, "no log was attached yet");
    if (has_rest(r) && after == r->seen.position) {
        status = deliver_rows(r, &found, why);
    } else {
        release(r);
        if (timeout_ms == 0 || !r->at_end || after != r->seen.position)
            status = fetch(r, after, &found, why);
    }
    while (status == ACCORD_OK && found == 0 && !woken && time_monotonic_ns() < until_ns)
        status = wait_for(r, after, until_ns, &woken, &found, why);
    if (status != ACCORD_OK) {
        r->at_end = false;
        return status;
    }
    *entries = r->delivered;
    *count = found;
    return ACCORD_OK;
}

/* The head. */

/* Only a primary that its replicas still follow may vouch for the head: one that was replaced
 * behind its back has lost them. */
static int ask_replicas(struct redis_reader *r, uint64_t deadline_ns,
                        char why[BUS_WHY_BYTES_MAX])
{
    const struct redis_place *p = r->shared->place;
    char replicas[24], wait_ms[24];

    snprintf(replicas, sizeof replicas, "%" PRIu64, p->replicas);
    snprintf(wait_ms, sizeof wait_ms, "%" PRIu64, r->shared->settings->timeout_ms * 3 / 4 + 1);
    int status =
        redis_link_say(&r->asks, deadline_ns, why, "HINCRBY", p->log, "asked", "1", NULL);
    if (status == ACCORD_OK)
        status = redis_link_say(&r->asks, deadline_ns, why, "WAIT", replicas, wait_ms, NULL);
    return status;
}

static int hear_replicas(struct redis_reader *r, uint64_t deadline_ns,
                         char why[BUS_WHY_BYTES_MAX])
{
    redisReply *reply = NULL;
    uint64_t wanted = r->shared->place->replicas;
    int status = ACCORD_OK;

    for (int i = 0; i < 2 && status == ACCORD_OK; i++) {
        freeReplyObject(reply);
        status = redis_link_receive(&r->asks, &reply, deadline_ns, why);
        if (status == ACCORD_OK && reply->type == REDIS_REPLY_ERROR)
            status = redis_session_error(&r->asks, reply, "to wait for its replicas", why);
    }
    if (status == ACCORD_OK && (reply->integer < 0 || (uint64_t)reply->integer < wanted))
        status =
            bus_fail(why, ACCORD_E_TIMEOUT,
                     "%s: %lld of %" PRIu64 " replicas follow it; it may have been replaced",
                     r->asks.peer, reply->integer, wanted);
    freeReplyObject(reply);
    return status;
}

static int head_once(struct redis_reader *r, const struct cursor *at, uint64_t *head,
                     uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct redis_log log;

    int status = ready(r, &r->asks, deadline_ns, why);
    if (status == ACCORD_OK)
        status = look(r, at->position, &log, deadline_ns, why);
    if (status == ACCORD_OK && r->shared->place->replicas > 0) {
        status = ask_replicas(r, deadline_ns, why);
        if (status == ACCORD_OK)
            status = hear_replicas(r, deadline_ns, why);
    }
    if (status == ACCORD_OK)
        status = redis_log_prove(&log, r->shared->place, at, why);
    if (status != ACCORD_OK)
        return status;
    redis_mark_move(r->shared, log.epoch, log.head, (struct id128){0, 0});
    *head = log.head;
    return ACCORD_OK;
}

int redis_reader_head(struct redis_reader *r, const struct cursor *at, uint64_t *head,
                      char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = redis_deadline(r->shared);
    bool was_open = redis_link_is_open(&r->asks);

    int status = head_once(r, at, head, deadline_ns, why);
    if (status == ACCORD_E_DOWN && was_open && time_monotonic_ns() < deadline_ns)
        status = head_once(r, at, head, deadline_ns, why);
    return status;
}

/* Who is there. */

int redis_reader_present(struct redis_reader *r, const char *const *names, size_t count,
                         bool *there, char why[BUS_WHY_BYTES_MAX])
{
    const struct redis_place *p = r->shared->place;
    uint64_t deadline_ns = redis_deadline(r->shared);
    redisReply *reply = NULL;

    int status = ready(r, &r->asks, deadline_ns, why);
    if (status == ACCORD_OK)
        status = redis_link_say(&r->asks, deadline_ns, why, "CLIENT", "LIST", NULL);
    if (status == ACCORD_OK)
        status = redis_link_receive(&r->asks, &reply, deadline_ns, why);
    if (status == ACCORD_OK && reply->type == REDIS_REPLY_ERROR)
        status = redis_session_error(&r->asks, reply, "to list its clients", why);
    for (size_t i = 0; i < count && status == ACCORD_OK; i++)
        there[i] =
            redis_presence_has(p, bytes_of(reply->str, reply->str ? reply->len : 0), names[i]);
    freeReplyObject(reply);
    return status;
}
