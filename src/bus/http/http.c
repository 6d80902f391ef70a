/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/http.h"

#include "bus/http/peer_link.h"

#include <stdlib.h>

enum { LEAVE_MS_MAX = 2000 }; /* for the last words of who ends cleanly */

struct http_bus {
    struct bus_base base;
    struct peer_link *link;
    struct hand hand;
    uint64_t timeout_ms;
    bool woken; /* guarded by the link's lock */
    /* Of the reading thread: what read() last delivered. */
    struct peer_entry *held[DELIVER_BATCH_MAX];
    struct entry delivered[DELIVER_BATCH_MAX];
    size_t held_count;
};

static struct http_bus *of(struct bus *b)
{
    return (struct http_bus *)(void *)b;
}

static int http_open(struct bus **out, const struct bus_settings *s,
                     char why[BUS_WHY_BYTES_MAX])
{
    struct peer_url u;

    if (s->timeout_ms == 0 || s->max_stale_ms < MAX_STALE_MS_MIN ||
        s->max_stale_ms > MAX_STALE_MS_MAX)
        return bus_fail(why, ACCORD_E_INVALID,
                        "timeout must be at least 1 ms, max_stale from %d to %d ms",
                        MAX_STALE_MS_MIN, MAX_STALE_MS_MAX);
    struct http_bus *b = calloc(1, sizeof *b);
    if (!b)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    b->base.ops = &bus_http;
    b->hand = s->hand;
    b->timeout_ms = s->timeout_ms;
    int status = peer_url_parse(&u, s->url, why);
    if (status == ACCORD_OK)
        status = peer_link_new(&b->link, &u, s, why);
    peer_key_wipe(&u.key);
    if (status != ACCORD_OK) {
        free(b);
        return status;
    }
    *out = (struct bus *)(void *)b;
    return ACCORD_OK;
}

/* Locked. */
static void release(struct http_bus *b)
{
    for (size_t i = 0; i < b->held_count; i++)
        peer_entry_drop(b->held[i]);
    b->held_count = 0;
}

/* First all is told, then that this was all: who hears both drops nothing. Whose last answer
 * was a failure is waited for as well: it may have been the only one. */
static void leave(struct http_bus *b, struct peer_node *n)
{
    uint64_t now_ms = peer_link_now_ms(), most_ms = u64_min(b->timeout_ms, LEAVE_MS_MAX);

    n->attached = false; /* nothing is published any more */
    while (!peer_node_is_told(n) && peer_link_wait(b->link, now_ms + most_ms / 2))
        ;
    peer_node_leave(n);
    while (!peer_node_left_cleanly(n) && peer_link_wait(b->link, now_ms + most_ms))
        ;
}

static void http_close(struct bus *bus)
{
    struct http_bus *b = of(bus);

    if (!b)
        return;
    struct peer_node *n = peer_link_lock(b->link);
    release(b);
    leave(b, n);
    peer_link_unlock(b->link);
    peer_link_free(b->link);
    free(b);
}

static bool is_proven(const struct peer_log *log, const struct cursor *at)
{
    const struct peer_entry *e = peer_log_at(log, at->position);

    if (!id128_equal(at->log, log->uuid) || at->epoch != log->epoch ||
        at->position < log->pruned_to || at->position > log->newest)
        return false;
    return id128_is_none(at->message) || (e && id128_equal(e->message, at->message));
}

static int gone(char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_GONE,
                    "http: the local log is another: a peer was started anew, or what it had "
                    "told can no longer be had");
}

static int attach_locked(struct http_bus *b, struct peer_node *n, const struct cursor *resume,
                         uint64_t view_ms, struct bus_attached *out,
                         char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ms = u64_add_sat(peer_link_now_ms(), b->timeout_ms);
    int status;

    b->woken = false; /* what was to end a read() before */
    n->attached = n->attached && resume;
    while ((status = peer_node_joined(n, why)) != ACCORD_OK && !b->woken)
        if (!peer_link_wait(b->link, until_ms))
            break;
    if (status != ACCORD_OK)
        return status;
    const struct peer_log *log = n->log;
    if (resume && !is_proven(log, resume))
        return gone(why);
    uint64_t view = view_ms == 0 && resume ? resume->position
                                           : peer_log_view(log, view_ms, peer_link_now_ms());
    *out = (struct bus_attached){.log = log->uuid,
                                 .epoch = log->epoch,
                                 .after = resume ? u64_min(view, resume->position) : view,
                                 .head = log->newest,
                                 .max_stale_ms = n->set.max_stale_ms,
                                 .max_stale_before_ms = n->set.max_stale_before_ms,
                                 .resumed = resume != NULL};
    n->attached = true;
    return ACCORD_OK;
}

static int http_attach(struct bus *bus, const struct cursor *resume, uint64_t view_ms,
                       struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct http_bus *b = of(bus);
    struct peer_node *n = peer_link_lock(b->link);
    int status = attach_locked(b, n, resume, view_ms, out, why);

    peer_link_unlock(b->link);
    return status;
}

static struct entry delivered(const struct http_bus *b, const struct peer_node *n,
                              const struct peer_entry *e)
{
    struct entry out = {.position = e->position};
    struct bytes namespace_name;

    if (hand_skips(&b->hand, e->position))
        return hand_skipped(e->position, e->message);
    int status =
        change_decode(bytes_of(e->record, e->record_bytes), &out.change, &namespace_name);
    ASSERT(status == ACCORD_OK || status == ACCORD_E_UNSUPPORTED);
    if (change_problem(&out.change)) /* what cannot be may have meant anything (B14) */
        change_stand_in(&out.change, /* scope_bytes= */ 0, /* ignorable= */ false);
    if (e->translated) {
        out.change.applied = e->applied;
        out.change.applied_hash = e->applied_hash;
        out.change.lease_epoch = n->log->epoch;
    }
    return out;
}

/* Locked. */
static void deliver(struct http_bus *b, const struct peer_node *n, uint64_t after)
{
    struct peer_entry *e;

    while (b->held_count < DELIVER_BATCH_MAX && (e = peer_log_at(n->log, ++after))) {
        e->references++;
        b->held[b->held_count] = e;
        hand_take(&b->hand, e->position);
        b->delivered[b->held_count++] = delivered(b, n, e);
        hand_take(&b->hand, 0);
    }
}

static int read_locked(struct http_bus *b, const struct peer_node *n, uint64_t after,
                       uint64_t timeout_ms, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ms = u64_add_sat(peer_link_now_ms(), u64_min(timeout_ms, INT32_MAX));
    bool waits = true;

    for (;;) {
        if (!n->attached || after < n->log->pruned_to || after > n->log->newest)
            return gone(why);
        deliver(b, n, after);
        if (b->held_count > 0 || b->woken || !waits)
            break;
        waits = timeout_ms > 0 && peer_link_wait(b->link, until_ms);
    }
    b->woken = false;
    return ACCORD_OK;
}

static int http_read(struct bus *bus, uint64_t after, uint64_t timeout_ms,
                     const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    struct http_bus *b = of(bus);
    struct peer_node *n = peer_link_lock(b->link);

    release(b);
    int status = read_locked(b, n, after, timeout_ms, why);
    peer_link_unlock(b->link);
    if (status != ACCORD_OK)
        return status;
    *entries = b->delivered;
    *count = b->held_count;
    return ACCORD_OK;
}

static int head_locked(struct http_bus *b, struct peer_node *n, const struct cursor *at,
                       uint64_t *head, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ms = u64_add_sat(peer_link_now_ms(), b->timeout_ms);
    uint64_t question = peer_node_head_begin(n);
    int status;

    for (bool waits = true;; waits = peer_link_wait(b->link, until_ms)) {
        if (!n->attached || !is_proven(n->log, at))
            return gone(why);
        status = peer_node_head(n, question, why);
        if (status != ACCORD_E_BUSY || !waits)
            break;
    }
    if (status != ACCORD_OK)
        return ACCORD_E_TIMEOUT;
    *head = n->log->newest;
    return ACCORD_OK;
}

static int http_head(struct bus *bus, const struct cursor *at, uint64_t *head,
                     char why[BUS_WHY_BYTES_MAX])
{
    struct http_bus *b = of(bus);
    struct peer_node *n = peer_link_lock(b->link);
    int status = head_locked(b, n, at, head, why);

    peer_link_unlock(b->link);
    return status;
}

static int http_publish(struct bus *bus, const struct change *changes, size_t count,
                        struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct http_bus *b = of(bus);
    int status = bus_check_changes(changes, count, why);

    if (status != ACCORD_OK)
        return status;
    struct peer_node *n = peer_link_lock(b->link);
    status = peer_node_publish(n, changes, count, peer_link_now_ms(), last, why);
    peer_link_unlock(b->link);
    return status;
}

static void http_wake(struct bus *bus)
{
    struct http_bus *b = of(bus);

    (void)peer_link_lock(b->link);
    b->woken = true;
    peer_link_unlock(b->link);
}

const struct bus_ops bus_http = {
    .scheme = "http",
    .caps = {.one_host = false,
             .head_linearizable = true,
             .may_lose_tail = true,
             .durability = "none: a change is its publisher's until every peer has it"},
    .open = http_open,
    .close = http_close,
    .attach = http_attach,
    .read = http_read,
    .head = http_head,
    .publish = http_publish,
    .wake = http_wake,
};
