/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/bus_thread.h"

#include "node/change_batch.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { DRAIN_MAX = 8 }; /* messages taken in one turn of the loop: doors want theirs too */

struct message {
    struct event event;
    char why[BUS_WHY_BYTES_MAX];
    struct change_batch *batch; /* of ENTRIES; goes back when consumed */
    uint64_t view;              /* the attach it belongs to */
};

struct head_question {
    uint64_t nonce;
    struct cursor at;
    uint64_t view;
};

struct attach_question {
    bool resume;
    struct cursor cursor;
    uint64_t view_ms;
};

/* What the reading thread is to do next. */
enum work { WORK_STOP, WORK_ATTACH, WORK_HEAD, WORK_PRESENT, WORK_READ };

/* Who is asked about, and what was said of them. */
struct presence_question {
    bool wanted, answered; /* answered: `there` is what the bus said */
    uint64_t until_ms;     /* the answer, or that there is none, is good until then */
    size_t count;
    char names[MEMBERS_MAX][NODE_NAME_BYTES_MAX + 1];
    bool there[MEMBERS_MAX];
};

struct bus_thread {
    const struct bus_ops *ops;
    struct bus_settings settings;
    char url[1024];
    bus_thread_event each;
    void *context;
    uv_async_t async;
    pthread_t reader, publisher;

    pthread_mutex_t mutex;      /* guards all below, but what a comment gives to one thread */
    pthread_cond_t reader_wake; /* a question, room, or stop */
    pthread_cond_t publisher_wake;
    bool stopping;
    struct bus *bus; /* NULL: not opened yet; set once, by the reader */

    struct message messages[MESSAGES_MAX]; /* a ring */
    size_t message_first, message_count;
    bool untold; /* there is one of which the loop is told when the mutex is free */

    bool attach_wanted, attached;
    uint64_t view; /* how many attaches were asked for: what an older one brought is void */
    struct attach_question attach; /* what to ask, and where reading stands */
    uint64_t retry_at_ms, retry_ms;
    struct head_question heads[HEADS_MAX]; /* a ring */
    size_t head_first, head_count;
    struct presence_question presence;
    uint64_t after; /* of the reader: read from here */
    struct change_batch batches[BATCHES_MAX];
    bool batch_busy[BATCHES_MAX];
    uint64_t random; /* of the reader */

    struct change_batch out[2]; /* [0] is on its way, [1] waits */
    uint64_t out_number[2];
    size_t out_count;
    struct bus_counts counts;
    char advice[BUS_ADVICE_BYTES_MAX]; /* of the newest attach */
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t now_ms(void)
{
    return now_ns() / NS_PER_MS;
}

static void lock(struct bus_thread *t)
{
    ASSERT(pthread_mutex_lock(&t->mutex) == 0);
}

/* The loop is woken after the unlock: else it wakes to wait for the mutex, which costs two more
 * switches between threads where they share a processor. */
static void unlock(struct bus_thread *t)
{
    bool tell = t->untold;

    t->untold = false;
    ASSERT(pthread_mutex_unlock(&t->mutex) == 0);
    if (tell)
        uv_async_send(&t->async);
}

/* Held. May return early: first of all the loop is told. */
static void wait_for(struct bus_thread *t, pthread_cond_t *cond)
{
    if (t->untold) {
        unlock(t);
        lock(t);
    } else {
        pthread_cond_wait(cond, &t->mutex);
    }
}

/* ---- to the loop ---------------------------------------------------------------------------
 */

/* The place for one more message, or NULL when stopping. Held; waits for room. Both threads may
 * wait here, hence broadcasts. */
static struct message *message_room(struct bus_thread *t, pthread_cond_t *cond)
{
    while (t->message_count == MESSAGES_MAX && !t->stopping)
        wait_for(t, cond);
    if (t->stopping)
        return NULL;
    return &t->messages[(t->message_first + t->message_count) % MESSAGES_MAX];
}

static void message_post(struct bus_thread *t, enum event_type type, struct message *m)
{
    m->event.type = type;
    m->view = t->view;
    t->message_count++;
    t->untold = true;
}

/* A message of which only `why` matters: LOST, GONE. Held. */
static void post_why(struct bus_thread *t, enum event_type type, const char *why)
{
    struct message *m = message_room(t, &t->reader_wake);

    if (!m)
        return;
    memset(&m->event, 0, sizeof m->event);
    snprintf(m->why, sizeof m->why, "%s", why);
    m->event.lost.why = m->event.gone.why = m->why;
    message_post(t, type, m);
}

static void batch_release(struct bus_thread *t, const struct change_batch *batch)
{
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (batch == &t->batches[i])
            t->batch_busy[i] = false;
}

/* Another attach makes void what the one before still had to say; but every question about the
 * head, and every publish, has its answer. */
static bool is_current(const struct bus_thread *t, const struct message *m)
{
    return m->view == t->view || m->event.type == EVENT_BUS_PUBLISHED ||
           m->event.type == EVENT_BUS_HEAD;
}

/* Gives back the first message's place and batch. The publishing thread sleeps on its condition
 * nearly always: it is woken only where it may have waited for just that place. Held. */
static void consume(struct bus_thread *t, struct message *m)
{
    bool was_full = t->message_count == MESSAGES_MAX;

    batch_release(t, m->batch);
    m->batch = NULL;
    t->message_first = (t->message_first + 1) % MESSAGES_MAX;
    t->message_count--;
    pthread_cond_broadcast(&t->reader_wake);
    if (was_full)
        pthread_cond_broadcast(&t->publisher_wake);
}

/* Takes the messages one by one: what one of them makes the loop ask may lock the mutex. */
static void drain(uv_async_t *async)
{
    struct bus_thread *t = async->data;

    for (int i = 0; i < DRAIN_MAX; i++) {
        lock(t);
        struct message *m = t->message_count > 0 ? &t->messages[t->message_first] : NULL;
        bool current = m && is_current(t, m);
        unlock(t);
        if (!m)
            return;
        if (current)
            t->each(t->context, &m->event);
        lock(t);
        if (t->stopping) { /* asked for by what it called */
            unlock(t);
            return;
        }
        consume(t, m);
        unlock(t);
    }
    uv_async_send(async);
}

/* ---- the reading thread --------------------------------------------------------------------
 */

static uint64_t random_next(struct bus_thread *t)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random;
}

/* The same attach again, later. Held. */
static void retry_later(struct bus_thread *t)
{
    uint64_t spread = t->retry_ms / 2;

    t->attached = false;
    t->attach_wanted = true;
    t->retry_at_ms = now_ms() + t->retry_ms - spread / 2 + random_next(t) % (spread + 1);
    t->retry_ms = u64_min(2 * t->retry_ms, RETRY_MS_MAX);
}

static struct change_batch *free_batch(struct bus_thread *t)
{
    for (size_t i = 0; i < BATCHES_MAX; i++)
        if (!t->batch_busy[i])
            return &t->batches[i];
    return NULL;
}

static void wait_until(struct bus_thread *t, uint64_t until_ms)
{
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000 * NS_PER_MS)};

    pthread_cond_timedwait(&t->reader_wake, &t->mutex, &until);
}

/* Held; waits until there is something to do. */
static enum work next_work(struct bus_thread *t)
{
    for (;;) {
        if (t->stopping)
            return WORK_STOP;
        if (t->attach_wanted && now_ms() >= t->retry_at_ms)
            return WORK_ATTACH;
        if (t->head_count > 0)
            return WORK_HEAD;
        if (t->attached && t->presence.wanted)
            return WORK_PRESENT;
        if (t->attached && free_batch(t))
            return WORK_READ;
        if (t->attach_wanted && !t->untold)
            wait_until(t, t->retry_at_ms);
        else
            wait_for(t, &t->reader_wake);
    }
}

/* Says how an attach or a read failed, and repeats it where that may help. Held. */
static void connection_failed(struct bus_thread *t, int status, const char *why)
{
    t->attached = false;
    if (status == ACCORD_E_GONE) {
        t->counts.gones++;
        t->attach_wanted = false;
        post_why(t, EVENT_BUS_GONE, why);
    } else {
        t->counts.losses++;
        retry_later(t);
        post_why(t, EVENT_BUS_LOST, why);
    }
}

static int attach_call(struct bus_thread *t, const struct attach_question *q,
                       struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct bus *bus = t->bus; /* only this thread writes it */
    int status = ACCORD_OK;

    if (!bus) {
        status = t->ops->open(&bus, &t->settings, why);
        if (status != ACCORD_OK)
            return status;
        lock(t);
        t->bus = bus;
        unlock(t);
    }
    return t->ops->attach(bus, q->resume ? &q->cursor : NULL, q->view_ms, out, why);
}

static void post_attached(struct bus_thread *t, const struct bus_attached *a)
{
    struct message *m = message_room(t, &t->reader_wake);

    if (!m)
        return;
    memset(&m->event, 0, sizeof m->event);
    m->event.attached.log = a->log;
    m->event.attached.epoch = a->epoch;
    m->event.attached.after = a->after;
    m->event.attached.head = a->head;
    m->event.attached.max_stale_ns = a->max_stale_ms * NS_PER_MS;
    m->event.attached.max_stale_before_ns = a->max_stale_before_ms * NS_PER_MS;
    m->event.attached.resumed = a->resumed;
    message_post(t, EVENT_BUS_ATTACHED, m);
}

static void do_attach(struct bus_thread *t)
{
    struct attach_question q = t->attach;
    struct bus_attached a = {0};
    char why[BUS_WHY_BYTES_MAX] = "";

    t->attach_wanted = false;
    unlock(t);
    int status = attach_call(t, &q, &a, why);
    lock(t);
    if (t->attach_wanted) /* another one was asked for meanwhile: this answer is nobody's */
        return;
    if (status != ACCORD_OK) {
        connection_failed(t, status, why);
        return;
    }
    t->counts.attaches++;
    t->retry_ms = RETRY_MS_MIN;
    t->attached = true;
    hand_attach(&t->settings.hand, a.log, a.epoch);
    t->after = a.after;
    if (t->attach.cursor.position != a.after) /* the view begins before the cursor */
        t->attach.cursor = (struct cursor){.position = a.after};
    t->attach.cursor.log = a.log;
    t->attach.cursor.epoch = a.epoch;
    t->attach.view_ms = a.resumed ? 0 : t->attach.view_ms;
    memcpy(t->advice, a.advice, sizeof t->advice);
    post_attached(t, &a);
}

static void post_head(struct bus_thread *t, uint64_t nonce, int status, uint64_t head,
                      const char *why)
{
    struct message *m = message_room(t, &t->reader_wake);

    if (!m)
        return;
    memset(&m->event, 0, sizeof m->event);
    m->event.head.nonce = nonce;
    m->event.head.status = status;
    m->event.head.head = head;
    snprintf(m->why, sizeof m->why, "%s", why);
    m->event.head.why = m->why;
    message_post(t, EVENT_BUS_HEAD, m);
}

static void do_head(struct bus_thread *t)
{
    struct head_question q = t->heads[t->head_first];
    bool ask = t->attached && q.view == t->view;
    char why[BUS_WHY_BYTES_MAX] = "";
    uint64_t head = 0;
    int status = ACCORD_E_DOWN;

    t->head_first = (t->head_first + 1) % HEADS_MAX;
    t->head_count--;
    unlock(t);
    if (ask)
        status = t->ops->head(t->bus, &q.at, &head, why);
    lock(t);
    if (q.view != t->view) { /* what it was about is the past */
        ask = false;
        status = ACCORD_E_DOWN;
    }
    t->counts.heads++;
    t->counts.head_failures += status != ACCORD_OK;
    post_head(t, q.nonce, status, head, why);
    /* Posting may have waited for room; an attach that was asked for meanwhile must stay asked.
     */
    if (ask && q.view == t->view && (status == ACCORD_E_GONE || status == ACCORD_E_DOWN))
        connection_failed(t, status, why);
}

static void post_entries(struct bus_thread *t, struct change_batch *batch)
{
    struct message *m = message_room(t, &t->reader_wake);

    if (!m)
        return;
    memset(&m->event, 0, sizeof m->event);
    m->event.entries.entries = batch->entries;
    m->event.entries.count = batch->count;
    m->batch = batch;
    t->batch_busy[batch - t->batches] = true;
    t->counts.entries += batch->count;
    t->counts.batches++;
    message_post(t, EVENT_BUS_ENTRIES, m);
}

/* Where reading stands, for an attach after a loss. */
static void advance(struct bus_thread *t, const struct change_batch *batch)
{
    struct cursor *c = &t->attach.cursor;

    for (size_t i = 0; i < batch->count; i++) {
        const struct entry *e = &batch->entries[i];
        c->hash = cursor_hash(c->hash, e->position, e->change.message);
        c->position = e->position;
        c->message = e->change.message;
    }
    t->attach.resume = true;
    t->attach.view_ms = 0;
    t->after = c->position;
}

static void do_read(struct bus_thread *t)
{
    struct change_batch *batch = free_batch(t);
    const struct entry *entries = NULL;
    char why[BUS_WHY_BYTES_MAX] = "";
    size_t count = 0;

    unlock(t);
    int status = t->ops->read(t->bus, t->after, READ_WAIT_MS, &entries, &count, why);
    if (status == ACCORD_OK && count > 0)
        status = change_batch_copy_entries(batch, entries, count, why);
    lock(t);
    if (t->attach_wanted) /* asked for meanwhile: nothing of the old view any more */
        return;
    if (status != ACCORD_OK) {
        connection_failed(t, status, why);
    } else if (count > 0) {
        advance(t, batch);
        post_entries(t, batch);
    }
}

/* While it is wanted nobody else touches the names. Held. */
static void do_present(struct bus_thread *t)
{
    struct presence_question *q = &t->presence;
    char why[BUS_WHY_BYTES_MAX] = "";
    const char *names[MEMBERS_MAX];

    for (size_t i = 0; i < q->count; i++)
        names[i] = q->names[i];
    unlock(t);
    int status = t->ops->present(t->bus, names, q->count, q->there, why);
    lock(t);
    q->wanted = false;
    q->answered = status == ACCORD_OK;
    q->until_ms = now_ms() + PRESENCE_FRESH_MS;
}

static void *reader_main(void *context)
{
    struct bus_thread *t = context;
    enum work work;

    lock(t);
    while ((work = next_work(t)) != WORK_STOP) {
        if (work == WORK_ATTACH)
            do_attach(t);
        else if (work == WORK_HEAD)
            do_head(t);
        else if (work == WORK_PRESENT)
            do_present(t);
        else
            do_read(t);
    }
    unlock(t);
    return NULL;
}

/* ---- the publishing thread -----------------------------------------------------------------
 */

static void post_published(struct bus_thread *t, uint64_t number, int status,
                           struct position last, const char *why)
{
    struct message *m = message_room(t, &t->publisher_wake);

    if (!m)
        return;
    memset(&m->event, 0, sizeof m->event);
    snprintf(m->why, sizeof m->why, "%s", why);
    m->event.published.batch = number;
    m->event.published.status = status;
    m->event.published.last = last.value;
    m->event.published.epoch = last.epoch;
    m->event.published.why = m->why;
    message_post(t, EVENT_BUS_PUBLISHED, m);
}

static void count_publish(struct bus_thread *t, int status, uint64_t took_ns, size_t changes)
{
    t->counts.publishes++;
    if (status != ACCORD_OK) {
        t->counts.publish_failures++;
        return;
    }
    t->counts.published_changes += changes;
    t->counts.publish_ns_sum += took_ns;
    t->counts.publish_ns_max = u64_max(t->counts.publish_ns_max, took_ns);
}

/* Publishes out[0]. Held. */
static void do_publish(struct bus_thread *t)
{
    char why[BUS_WHY_BYTES_MAX] = "";
    struct change_batch *batch = &t->out[0];
    struct bus *bus = t->bus;
    struct position last = {0};
    uint64_t number = t->out_number[0];
    int status;

    unlock(t);
    uint64_t began = now_ns();
    if (bus)
        status = t->ops->publish(bus, batch->changes, batch->count, &last, why);
    else
        status = bus_fail(why, ACCORD_E_DOWN, "the bus could not be opened yet");
    uint64_t took = now_ns() - began;
    lock(t);
    count_publish(t, status, took, batch->count);
    change_batch_swap(&t->out[0], &t->out[1]);
    t->out_number[0] = t->out_number[1];
    t->out_count--;
    post_published(t, number, status, last, why);
}

static void *publisher_main(void *context)
{
    struct bus_thread *t = context;

    lock(t);
    while (!t->stopping) {
        if (t->out_count > 0)
            do_publish(t);
        else
            wait_for(t, &t->publisher_wake);
    }
    unlock(t);
    return NULL;
}

/* ---- questions of the loop -----------------------------------------------------------------
 */

/* Held. The bus is woken even if it is not waiting: it may be about to. */
static void wake_reader(struct bus_thread *t)
{
    pthread_cond_broadcast(&t->reader_wake);
    if (t->bus)
        t->ops->wake(t->bus);
}

void bus_thread_attach(struct bus_thread *t, const struct cursor *resume, uint64_t view_ns)
{
    lock(t);
    memset(&t->attach, 0, sizeof t->attach);
    t->attach.resume = resume != NULL;
    if (resume)
        t->attach.cursor = *resume;
    t->attach.view_ms = view_ns / NS_PER_MS + 1;
    t->attach_wanted = true;
    t->attached = false;
    t->view++;
    t->retry_at_ms = 0;
    wake_reader(t);
    unlock(t);
}

void bus_thread_ask_head(struct bus_thread *t, uint64_t nonce, const struct cursor *at)
{
    lock(t);
    if (t->head_count == HEADS_MAX) {
        t->head_first = (t->head_first + 1) % HEADS_MAX;
        t->head_count--;
    }
    t->heads[(t->head_first + t->head_count++) % HEADS_MAX] =
        (struct head_question){nonce, *at, t->view};
    wake_reader(t);
    unlock(t);
}

/* The answer to a publish that never reached its thread: given on the loop, not from within. */
void bus_thread_publish(struct bus_thread *t, uint64_t batch, const struct change *changes,
                        size_t count)
{
    char why[BUS_WHY_BYTES_MAX] = "";
    int status = ACCORD_E_FULL;

    ASSERT(count >= 1);
    ASSERT(count <= PUBLISH_BATCH_MAX);
    lock(t);
    if (t->out_count < COUNT_OF(t->out)) {
        status = change_batch_copy_changes(&t->out[t->out_count], changes, count, why);
        if (status == ACCORD_OK)
            t->out_number[t->out_count++] = batch;
    }
    /* The core has one publish on its way: a second waiting one, and a full ring of answers to
     * it, cannot both be. */
    ASSERT(status == ACCORD_OK || t->message_count < MESSAGES_MAX);
    if (status != ACCORD_OK)
        post_published(t, batch, status, (struct position){0},
                       why[0] ? why : "too many publishes at a time");
    unlock(t);
    /* After the unlock: else the thread wakes to wait for the mutex. */
    if (status == ACCORD_OK)
        pthread_cond_broadcast(&t->publisher_wake);
}

void bus_thread_ask_present(struct bus_thread *t, const char *const *names, size_t count)
{
    struct presence_question *q = &t->presence;

    ASSERT(count <= MEMBERS_MAX);
    lock(t);
    if (t->ops->present && t->attached && !q->wanted && now_ms() >= q->until_ms) {
        q->wanted = true;
        q->count = count;
        for (size_t i = 0; i < count; i++)
            snprintf(q->names[i], sizeof q->names[i], "%s", names[i]);
        wake_reader(t);
    }
    unlock(t);
}

static bool knows(const struct presence_question *q, size_t index, const char *name)
{
    return index < q->count && strcmp(q->names[index], name) == 0;
}

enum presence bus_thread_present(struct bus_thread *t, size_t index, const char *name)
{
    const struct presence_question *q = &t->presence;
    enum presence said = PRESENCE_UNKNOWN;

    lock(t);
    if (t->attached && q->wanted)
        said = PRESENCE_ASKING;
    else if (t->attached && q->answered && now_ms() < q->until_ms) {
        for (size_t i = 0; i < q->count && !knows(q, index, name); i++)
            index = i;
        if (knows(q, index, name))
            said = q->there[index] ? PRESENCE_YES : PRESENCE_NO;
    }
    unlock(t);
    return said;
}

void bus_thread_count(struct bus_thread *t, struct bus_counts *out)
{
    lock(t);
    *out = t->counts;
    out->retry_in_ms = 0;
    if (t->attach_wanted && t->retry_at_ms > 0)
        out->retry_in_ms = u64_max(1, u64_sub_sat(t->retry_at_ms, now_ms()));
    unlock(t);
}

void bus_thread_advice(struct bus_thread *t, char out[BUS_ADVICE_BYTES_MAX])
{
    lock(t);
    memcpy(out, t->advice, sizeof t->advice);
    unlock(t);
}

/* ---- life ----------------------------------------------------------------------------------
 */

static bool opens_later(int status)
{
    return status == ACCORD_E_DOWN || status == ACCORD_E_TIMEOUT || status == ACCORD_E_IO;
}

static void bus_thread_free(struct bus_thread *t)
{
    t->ops->close(t->bus);
    for (size_t i = 0; i < BATCHES_MAX; i++)
        change_batch_done(&t->batches[i]);
    for (size_t i = 0; i < COUNT_OF(t->out); i++)
        change_batch_done(&t->out[i]);
    pthread_mutex_destroy(&t->mutex);
    pthread_cond_destroy(&t->reader_wake);
    pthread_cond_destroy(&t->publisher_wake);
    free(t);
}

static void closed(uv_handle_t *async)
{
    bus_thread_free(async->data);
}

static int init(struct bus_thread *t, const struct bus_ops *ops, const struct bus_settings *s)
{
    pthread_condattr_t monotonic;
    int status = ACCORD_OK;

    t->ops = ops;
    t->settings = *s;
    snprintf(t->url, sizeof t->url, "%s", s->url);
    t->settings.url = t->url;
    t->retry_ms = RETRY_MS_MIN;
    if (getrandom(&t->random, sizeof t->random, 0) != sizeof t->random)
        t->random = now_ns();
    t->random |= 1;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->reader_wake, &monotonic);
    pthread_cond_init(&t->publisher_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < BATCHES_MAX && status == ACCORD_OK; i++)
        status = change_batch_init(&t->batches[i], DELIVER_BATCH_MAX);
    for (size_t i = 0; i < COUNT_OF(t->out) && status == ACCORD_OK; i++)
        status = change_batch_init(&t->out[i], PUBLISH_BATCH_MAX);
    return status;
}

/* Signals are the main thread's: the new threads inherit a full mask. */
static bool start_threads(struct bus_thread *t)
{
    sigset_t all, before;
    bool ok;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    ok = pthread_create(&t->reader, NULL, reader_main, t) == 0;
    if (ok && pthread_create(&t->publisher, NULL, publisher_main, t) != 0) {
        lock(t);
        t->stopping = true;
        pthread_cond_broadcast(&t->reader_wake);
        unlock(t);
        pthread_join(t->reader, NULL);
        ok = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

int bus_thread_start(struct bus_thread **out, uv_loop_t *loop, const struct bus_ops *ops,
                     const struct bus_settings *settings, bus_thread_event each, void *context,
                     char why[BUS_WHY_BYTES_MAX])
{
    struct bus_thread *t = calloc(1, sizeof *t);
    int status;

    if (!t || init(t, ops, settings) != ACCORD_OK) {
        if (t)
            bus_thread_free(t);
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    }
    t->each = each;
    t->context = context;
    t->async.data = t;
    status = ops->open(&t->bus, &t->settings, why);
    if (status != ACCORD_OK && !opens_later(status)) {
        bus_thread_free(t);
        return status;
    }
    if (uv_async_init(loop, &t->async, drain) != 0) {
        bus_thread_free(t);
        return bus_fail(why, ACCORD_E_NOMEM, "the loop takes no more handles");
    }
    if (!start_threads(t)) {
        uv_close((uv_handle_t *)&t->async, closed);
        return bus_fail(why, ACCORD_E_NOMEM, "no more threads can be started");
    }
    *out = t;
    return ACCORD_OK;
}

void bus_thread_stop(struct bus_thread *t)
{
    if (!t)
        return;
    lock(t);
    t->stopping = true;
    wake_reader(t);
    pthread_cond_broadcast(&t->publisher_wake);
    unlock(t);
    pthread_join(t->reader, NULL);
    pthread_join(t->publisher, NULL);
    uv_close((uv_handle_t *)&t->async, closed);
}
