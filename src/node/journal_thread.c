/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/journal_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { GROUP_CHANGES_MAX = 1024 }; /* kept with one sync */

struct job {
    struct job *next;
    enum journal_work work;
    uint64_t ticket; /* of KEEP */
    size_t count;
    int status;
    char *why; /* of a failure; NULL: there was no memory for it */
    struct journal_place place;
    struct id128 *messages;
    struct fence_saved *fences; /* as of place.cursor */
    struct change *changes;     /* these and their bytes follow */
};

struct queue {
    struct job *first, *last;
};

struct journal_thread {
    struct journal *journal; /* the thread's */
    journal_thread_answer answer;
    void *context;
    uv_async_t async;
    pthread_t thread;
    uint64_t tickets;                       /* given; of the loop */
    struct change group[GROUP_CHANGES_MAX]; /* of the thread */

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t asked, finished;
    bool stopping, busy;
    struct queue todo, done;
    size_t keeping; /* changes in todo, or being written */
};

static void lock(struct journal_thread *t)
{
    ASSERT(pthread_mutex_lock(&t->mutex) == 0);
}

static void unlock(struct journal_thread *t)
{
    ASSERT(pthread_mutex_unlock(&t->mutex) == 0);
}

static void add(struct queue *q, struct job *j)
{
    j->next = NULL;
    if (q->last)
        q->last->next = j;
    else
        q->first = j;
    q->last = j;
}

static void append(struct queue *q, struct queue *more)
{
    if (!more->first)
        return;
    if (q->last)
        q->last->next = more->first;
    else
        q->first = more->first;
    q->last = more->last;
    *more = (struct queue){0};
}

/* ---- the thread ----------------------------------------------------------------------------
 */

static void finished(struct job *j, int status, const char *why)
{
    j->status = status;
    if (status != ACCORD_OK)
        j->why = strdup(why);
}

static void do_alone(struct journal_thread *t, struct job *j)
{
    char why[JOURNAL_WHY_BYTES_MAX] = "";
    int status = ACCORD_OK;

    if (j->work == JOURNAL_KEEP)
        status = journal_keep(t->journal, j->changes, j->count, why);
    else if (j->work == JOURNAL_FORGET)
        status = journal_forget(t->journal, j->messages, j->count, why);
    else if (j->work == JOURNAL_SAVE)
        status = journal_save(t->journal, &j->place, why);
    else
        status = journal_save_fences(t->journal, &j->place.cursor, j->fences, j->count, why);
    finished(j, status, why);
}

/* Keeps what `first` and its neighbours ask, with one sync where it works: on a full disk each
 * finds out for itself. Returns what comes after them. */
static struct job *do_some(struct journal_thread *t, struct job *first)
{
    char why[JOURNAL_WHY_BYTES_MAX] = "";
    struct job *end = first;
    size_t count = 0;

    for (; end && end->work == JOURNAL_KEEP && count + end->count <= GROUP_CHANGES_MAX;
         end = end->next) {
        memcpy(t->group + count, end->changes, end->count * sizeof end->changes[0]);
        count += end->count;
    }
    if (end == first || end == first->next) {
        do_alone(t, first);
        return first->next;
    }
    bool together = journal_keep(t->journal, t->group, count, why) == ACCORD_OK;
    for (struct job *j = first; j != end && !together; j = j->next)
        do_alone(t, j);
    return end;
}

/* Held. */
static void do_all(struct journal_thread *t)
{
    struct queue now = t->todo;
    size_t kept = 0;

    t->todo = (struct queue){0};
    t->busy = true;
    unlock(t);
    for (struct job *j = now.first; j;)
        j = do_some(t, j);
    for (const struct job *j = now.first; j; j = j->next)
        kept += j->work == JOURNAL_KEEP ? j->count : 0;
    lock(t);
    t->busy = false;
    t->keeping -= kept;
    append(&t->done, &now);
    pthread_cond_broadcast(&t->finished);
    uv_async_send(&t->async);
}

static void *thread_main(void *context)
{
    struct journal_thread *t = context;

    lock(t);
    while (t->todo.first || !t->stopping) {
        if (t->todo.first)
            do_all(t);
        else
            pthread_cond_wait(&t->asked, &t->mutex);
    }
    unlock(t);
    return NULL;
}

/* ---- the loop ------------------------------------------------------------------------------
 */

static void job_free(struct job *j)
{
    free(j->why);
    free(j);
}

/* What an answer makes the owner ask may lock the mutex. */
static void give_answers(struct journal_thread *t)
{
    struct queue done;

    lock(t);
    done = t->done;
    t->done = (struct queue){0};
    unlock(t);
    while (done.first) {
        struct job *j = done.first;
        done.first = j->next;
        if (j->work == JOURNAL_KEEP || j->status != ACCORD_OK)
            t->answer(t->context, j->work, j->ticket, j->status, j->count,
                      j->why ? j->why : status_text(j->status));
        job_free(j);
    }
}

static void on_async(uv_async_t *async)
{
    give_answers(async->data);
}

void journal_thread_flush(struct journal_thread *t)
{
    lock(t);
    while (t->todo.first || t->busy)
        pthread_cond_wait(&t->finished, &t->mutex);
    unlock(t);
    give_answers(t);
}

static void ask(struct journal_thread *t, struct job *j)
{
    lock(t);
    while (j->work == JOURNAL_KEEP && t->keeping > 0 && t->keeping + j->count > KEEPS_MAX)
        pthread_cond_wait(&t->finished, &t->mutex);
    t->keeping += j->work == JOURNAL_KEEP ? j->count : 0;
    add(&t->todo, j);
    pthread_cond_signal(&t->asked);
    unlock(t);
}

static struct job *job_new(enum journal_work work, size_t count, size_t more_bytes)
{
    struct job *j = malloc(sizeof *j + more_bytes);

    if (!j)
        return NULL;
    memset(j, 0, sizeof *j);
    j->work = work;
    j->count = count;
    return j;
}

static struct bytes copy(uint8_t **to, struct bytes from)
{
    struct bytes copied = bytes_of(*to, from.size_bytes);

    if (from.size_bytes > 0)
        memcpy(*to, from.data, from.size_bytes);
    *to += from.size_bytes;
    return copied;
}

int journal_thread_keep(struct journal_thread *t, const struct change *changes, size_t count,
                        uint64_t *ticket)
{
    size_t bytes = count * sizeof *changes;

    for (size_t i = 0; i < count; i++)
        bytes += changes[i].key.size_bytes + changes[i].origin.size_bytes +
                 changes[i].about.size_bytes;
    struct job *j = job_new(JOURNAL_KEEP, count, bytes);
    if (!j)
        return ACCORD_E_NOMEM;
    j->changes = (struct change *)(void *)(j + 1);
    memcpy(j->changes, changes, count * sizeof *changes);
    uint8_t *to = (uint8_t *)(j->changes + count);
    for (size_t i = 0; i < count; i++) {
        struct change *c = &j->changes[i];
        c->key = copy(&to, c->key);
        c->origin = copy(&to, c->origin);
        c->about = copy(&to, c->about);
    }
    *ticket = j->ticket = ++t->tickets;
    ask(t, j);
    return ACCORD_OK;
}

int journal_thread_forget(struct journal_thread *t, const struct id128 *messages, size_t count)
{
    struct job *j = job_new(JOURNAL_FORGET, count, count * sizeof *messages);

    if (!j)
        return ACCORD_E_NOMEM;
    j->messages = (struct id128 *)(void *)(j + 1);
    memcpy(j->messages, messages, count * sizeof *messages);
    ask(t, j);
    return ACCORD_OK;
}

int journal_thread_save(struct journal_thread *t, const struct journal_place *place)
{
    struct job *j = job_new(JOURNAL_SAVE, 1, 0);

    if (!j)
        return ACCORD_E_NOMEM;
    j->place = *place;
    ask(t, j);
    return ACCORD_OK;
}

int journal_thread_save_fences(struct journal_thread *t, const struct cursor *at,
                               const struct fence_saved *list, size_t count)
{
    struct job *j = job_new(JOURNAL_SAVE_FENCES, count, count * sizeof *list);

    if (!j)
        return ACCORD_E_NOMEM;
    j->place.cursor = *at;
    j->fences = (struct fence_saved *)(void *)(j + 1);
    if (count > 0)
        memcpy(j->fences, list, count * sizeof *list);
    ask(t, j);
    return ACCORD_OK;
}

/* ---- life ----------------------------------------------------------------------------------
 */

static void thread_free(struct journal_thread *t)
{
    struct job *j;

    while ((j = t->done.first)) {
        t->done.first = j->next;
        job_free(j);
    }
    pthread_mutex_destroy(&t->mutex);
    pthread_cond_destroy(&t->asked);
    pthread_cond_destroy(&t->finished);
    free(t);
}

static void closed(uv_handle_t *async)
{
    thread_free(async->data);
}

/* Signals are the main thread's: the new thread inherits a full mask. */
static bool start_thread(struct journal_thread *t)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&t->thread, NULL, thread_main, t) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

int journal_thread_start(struct journal_thread **out, uv_loop_t *loop, struct journal *journal,
                         journal_thread_answer answer, void *context)
{
    struct journal_thread *t = calloc(1, sizeof *t);

    if (!t)
        return ACCORD_E_NOMEM;
    t->journal = journal;
    t->answer = answer;
    t->context = context;
    t->async.data = t;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->asked, NULL);
    pthread_cond_init(&t->finished, NULL);
    if (uv_async_init(loop, &t->async, on_async) != 0) {
        thread_free(t);
        return ACCORD_E_NOMEM;
    }
    if (!start_thread(t)) {
        uv_close((uv_handle_t *)&t->async, closed);
        return ACCORD_E_NOMEM;
    }
    *out = t;
    return ACCORD_OK;
}

void journal_thread_stop(struct journal_thread *t)
{
    if (!t)
        return;
    lock(t);
    t->stopping = true;
    pthread_cond_signal(&t->asked);
    unlock(t);
    pthread_join(t->thread, NULL);
    uv_close((uv_handle_t *)&t->async, closed);
}
