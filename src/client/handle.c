/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/handle.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct accord *list;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- fork ---- */

static void before_fork(void)
{
    pthread_mutex_lock(&list_lock);
    for (struct accord *a = list; a; a = a->next)
        pthread_mutex_lock(&a->lock);
}

static void unlock_all(void)
{
    for (struct accord *a = list; a; a = a->next)
        pthread_mutex_unlock(&a->lock);
    pthread_mutex_unlock(&list_lock);
}

/* The connections are the parent's: the child closes its descriptors of them, and opens its own
 * when it needs one. Nothing is freed here: seats of threads that do not exist any more stay
 * listed until the handle is closed. */
static void in_child(void)
{
    pins_forked();
    for (struct accord *a = list; a; a = a->next) {
        const struct attachment *at = atomic_load(&a->current);
        for (struct seat *s = a->open; s; s = s->open_next) {
            if (s->link.fd >= 0)
                close(s->link.fd);
            s->link.fd = -1;
        }
        if (at)
            attach_forget_line(a, a->line_of);
        atomic_store(&a->reviving, false);
        atomic_store(&a->revive_ns, 0);
        hang_forked(a);
    }
    unlock_all();
}

static void start(void)
{
    if (pthread_atfork(before_fork, unlock_all, in_child) != 0)
        abort();
}

/* ---- the handle ---- */

static uint64_t or_default_ns(uint32_t ms, uint32_t standard)
{
    return (ms > 0 ? ms : standard) * NS_PER_MS;
}

int handle_new(struct accord **out, const struct accord_options *options)
{
    struct accord_options o = options ? *options : (struct accord_options){0};
    struct accord *a = calloc(1, sizeof *a);

    if (!a)
        return ACCORD_E_NOMEM;
    pthread_once(&once, start);
    pthread_mutex_init(&a->lock, NULL);
    a->connect_ns = or_default_ns(o.connect_timeout_ms, 1000);
    a->request_ns = or_default_ns(o.request_timeout_ms, 5000);
    a->load_wait_ns = or_default_ns(o.load_wait_ms, 2000);
    pthread_mutex_lock(&list_lock);
    a->next = list;
    a->at = &list;
    if (list)
        list->at = &a->next;
    list = a;
    pthread_mutex_unlock(&list_lock);
    *out = a;
    return ACCORD_OK;
}

void handle_free(struct accord *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&list_lock);
    *a->at = a->next;
    if (a->next)
        a->next->at = a->at;
    pthread_mutex_unlock(&list_lock);
    while (a->open)
        seat_drop(a, a->open);
    attach_unmap((struct attachment *)(uintptr_t)atomic_load(&a->current));
    while (a->retired) {
        struct attachment *at = a->retired;
        a->retired = at->next;
        attach_unmap(at);
    }
    pthread_mutex_destroy(&a->lock);
    free(a);
}

/* ---- seats ---- */

/* The socket is made and listed in one piece: a fork between the two would leave the child a
 * descriptor that nobody closes, and the daemon a client that never seems to go. */
static int seat_new(struct accord *a, struct seat **out)
{
    struct seat *s = calloc(1, sizeof *s);

    if (!s)
        return ACCORD_E_NOMEM;
    link_init(&s->link);
    s->line = -1;
    pthread_mutex_lock(&a->lock);
    int status = link_socket(&s->link);
    if (status == ACCORD_OK) {
        s->open_next = a->open;
        s->open_at = &a->open;
        if (a->open)
            a->open->open_at = &s->open_next;
        a->open = s;
    }
    pthread_mutex_unlock(&a->lock);
    if (status != ACCORD_OK) {
        free(s);
        return status;
    }
    *out = s;
    return ACCORD_OK;
}

void seat_drop(struct accord *a, struct seat *s)
{
    int cancel;

    if (!s)
        return;
    /* close() is where a cancelled thread would end, with the lock held. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_mutex_lock(&a->lock);
    if (a->line_of == s)
        attach_forget_line(a, s);
    *s->open_at = s->open_next;
    if (s->open_next)
        s->open_next->open_at = s->open_at;
    link_done(&s->link);
    pthread_mutex_unlock(&a->lock);
    free(s);
    pthread_setcancelstate(cancel, NULL);
}

void seat_give(struct accord *a, struct seat *s)
{
    /* Who says more than was asked would have it taken for the answer to the next request. */
    if (!link_is_settled(&s->link)) {
        seat_drop(a, s);
        return;
    }
    link_trim(&s->link);
    pthread_mutex_lock(&a->lock);
    /* The connection that holds the line is kept, or the daemon would give the line away. */
    bool keep = s->link.fd >= 0 && (a->idle_count < IDLE_CONNECTIONS_MAX || a->line_of == s);
    if (keep) {
        s->idle_next = a->idle;
        a->idle = s;
        a->idle_count++;
    }
    pthread_mutex_unlock(&a->lock);
    if (!keep)
        seat_drop(a, s);
}

static struct id128 incarnation_of(const struct accord *a)
{
    const struct attachment *at = atomic_load(&a->current);

    return at ? at->reader.incarnation : (struct id128){0, 0};
}

/* The most recently used idle seat; *same: it is of the daemon whose mapping is current. */
static struct seat *pop_idle(struct accord *a, bool *same)
{
    pthread_mutex_lock(&a->lock);
    struct seat *s = a->idle;
    if (s) {
        a->idle = s->idle_next;
        a->idle_count--;
        *same = id128_equal(s->link.incarnation, incarnation_of(a));
    }
    pthread_mutex_unlock(&a->lock);
    return s;
}

struct seat *seat_idle(struct accord *a)
{
    bool same;

    return pop_idle(a, &same);
}

int seat_dial(struct accord *a, uint64_t deadline_ns, struct seat **out)
{
    struct seat *s;
    int status = seat_new(a, &s);

    if (status != ACCORD_OK)
        return status;
    status = link_connect(&s->link, a->path, deadline_ns);
    if (status != ACCORD_OK) {
        seat_drop(a, s);
        return status;
    }
    *out = s;
    return ACCORD_OK;
}

static int seat_connect(struct accord *a, uint64_t deadline_ns, bool attach, struct seat **out)
{
    uint64_t connect_ns = u64_min(deadline_ns, u64_add_sat(monotonic_ns(), a->connect_ns));
    struct hang_mark mark = hang_mark(a);
    struct seat *s = NULL;
    int status = seat_dial(a, connect_ns, &s);

    if (status == ACCORD_OK && attach)
        status = attach_seat(a, s, connect_ns);
    if (status == ACCORD_E_TIMEOUT)
        hang_timed_out(a, &mark);
    if (status != ACCORD_OK) {
        seat_drop(a, s);
        return status;
    }
    *out = s;
    return ACCORD_OK;
}

int seat_take(struct accord *a, uint64_t deadline_ns, struct seat **out, bool *reused)
{
    bool same = false;

    if (hang_is_on(a))
        return SEAT_HANGS;
    for (struct seat *s = pop_idle(a, &same); s; s = pop_idle(a, &same)) {
        if (same && link_is_idle(&s->link)) {
            if (reused)
                *reused = true;
            *out = s;
            return ACCORD_OK;
        }
        seat_drop(a, s);
    }
    if (reused)
        *reused = false;
    return seat_connect(a, deadline_ns, /* attach= */ true, out);
}

int seat_take_plain(struct accord *a, uint64_t deadline_ns, struct seat **out)
{
    if (hang_is_on(a))
        return SEAT_HANGS;
    return seat_connect(a, deadline_ns, /* attach= */ false, out);
}

/* ---- a daemon that restarted ---- */

/* One read of one thread looks, while the others go on answering "unsure". A daemon that takes
 * connections and does not answer them is asked less often: each question costs a read 50 ms.
 */
bool handle_revive(struct accord *a)
{
    const void *before = atomic_load(&a->current);
    uint64_t now_ns = monotonic_ns(), pause_ms = REVIVE_EVERY_MS;
    struct seat *s;
    int cancel;

    if (now_ns < atomic_load_explicit(&a->revive_ns, memory_order_relaxed) ||
        atomic_exchange(&a->reviving, true))
        return false;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* or nobody would look again */
    int status = seat_take(a, now_ns + REVIVE_CONNECT_MS * NS_PER_MS, &s, NULL);
    if (status == ACCORD_OK)
        seat_give(a, s);
    else if (status == ACCORD_E_TIMEOUT || status == SEAT_HANGS)
        pause_ms *= 20;
    atomic_store(&a->revive_ns, monotonic_ns() + pause_ms * NS_PER_MS);
    atomic_store(&a->reviving, false);
    pthread_setcancelstate(cancel, NULL);
    return atomic_load(&a->current) != before;
}
