/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/handle.h"
#include "client/last_error.h"

#include <sys/socket.h>

/* ---- signs of life ---- */

/* Both words only grow while a daemon lives: when one moves, the sum does. Another daemon's
 * are others. */
static uint64_t sign_of(struct accord *a)
{
    struct pins *p = pins_mine();
    uint64_t sign = 0, position;

    if (!p)
        return 0;
    const struct attachment *at = pin(p, 0, &a->current);
    if (at) {
        (void)reader_deadline_ns(&at->reader, NULL, &position);
        sign = reader_asked_ns(&at->reader) + position;
    }
    unpin(&p->held[0]);
    return sign;
}

struct hang_mark hang_mark(struct accord *a)
{
    return (struct hang_mark){
        .began_ns = monotonic_ns(), .heard = atomic_load(&a->hang.heard), .sign = sign_of(a)};
}

static bool is_silent(struct accord *a, const struct hang_mark *mark)
{
    return atomic_load(&a->hang.heard) == mark->heard && sign_of(a) == mark->sign;
}

void hang_heard(struct accord *a)
{
    atomic_fetch_add(&a->hang.heard, 1);
    if (atomic_load(&a->hang.since_ns) > 0)
        atomic_store(&a->hang.since_ns, 0);
}

/* ---- the PING ---- */

static void drop_ping(struct accord *a)
{
    seat_drop(a, a->hang.ping);
    a->hang.ping = NULL;
}

/* Whether that showed already that it does not hang. A connection that idled is preferred: a
 * daemon out of descriptors answers on those that it has. */
static bool ask_ping(struct accord *a)
{
    static const struct bytes ping = {(const uint8_t *)"PING", 4};
    struct hang *h = &a->hang;
    uint64_t now_ns = monotonic_ns(), deadline_ns = now_ns + HANG_CONNECT_MS * NS_PER_MS;
    int status = ACCORD_OK;

    h->ask_again_ns = now_ns + HANG_ASK_AGAIN_MS * NS_PER_MS;
    h->ping = seat_idle(a);
    if (!h->ping)
        status = seat_dial(a, deadline_ns, &h->ping);
    if (status == ACCORD_OK) {
        status = link_send(&h->ping->link, &ping, 1, deadline_ns);
        if (status != ACCORD_OK)
            drop_ping(a);
    }
    return status == ACCORD_E_DOWN || status == ACCORD_E_DENIED;
}

/* Whether an answer came, or the connection's end. */
static bool ping_answered(struct accord *a)
{
    struct seat *s = a->hang.ping;

    if (s->link.fd < 0 || link_is_idle(&s->link))
        return false;
    drop_ping(a);
    return true;
}

static bool look(struct accord *a)
{
    if (a->hang.ping)
        return ping_answered(a);
    return monotonic_ns() >= a->hang.ask_again_ns && ask_ping(a);
}

/* Of the call that finds it, which has waited already. */
static bool answers_at_once(struct accord *a)
{
    if (a->hang.ping)
        drop_ping(a); /* of an earlier time */
    if (ask_ping(a))
        return true;
    if (!a->hang.ping)
        return false;
    (void)!link_wait(&a->hang.ping->link, monotonic_ns() + HANG_ASK_MS * NS_PER_MS);
    return ping_answered(a);
}

/* ---- finding, and its end ---- */

static bool waited_enough(const struct accord *a, const struct hang_mark *mark)
{
    uint64_t least_ns =
        u64_min(HANG_LEAST_MS * NS_PER_MS, u64_min(a->connect_ns, a->request_ns));

    return u64_sub_sat(monotonic_ns(), mark->began_ns) >= least_ns;
}

void hang_timed_out(struct accord *a, const struct hang_mark *mark)
{
    struct hang *h = &a->hang;
    int cancel;

    if (!waited_enough(a, mark) || !is_silent(a, mark) || atomic_load(&h->since_ns) > 0)
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* or nobody would look again */
    if (!atomic_exchange(&h->looking, true)) {
        if (answers_at_once(a)) {
            hang_heard(a);
        } else if (is_silent(a, mark)) {
            atomic_store(&h->sign, mark->sign);
            atomic_store(&h->since_ns, mark->began_ns);
        }
        atomic_store(&h->looking, false);
    }
    pthread_setcancelstate(cancel, NULL);
}

bool hang_is_on(struct accord *a)
{
    struct hang *h = &a->hang;
    int cancel;

    if (atomic_load_explicit(&h->since_ns, memory_order_relaxed) == 0)
        return false;
    bool alive = sign_of(a) != atomic_load(&h->sign);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    if (!alive && !atomic_exchange(&h->looking, true)) {
        alive = look(a);
        atomic_store(&h->looking, false);
    }
    pthread_setcancelstate(cancel, NULL);
    if (alive)
        hang_heard(a);
    return atomic_load(&h->since_ns) > 0;
}

/* The connection is the parent's, and the seat stays listed, as all of them do. */
void hang_forked(struct accord *a)
{
    a->hang.ping = NULL;
    a->hang.ask_again_ns = 0;
    atomic_store(&a->hang.looking, false);
}

int hang_say(struct accord *a, int status)
{
    uint64_t now_ns = monotonic_ns(), since_ns = atomic_load(&a->hang.since_ns);

    if (status != SEAT_HANGS)
        return last_error(status, a->path);
    if (since_ns == 0)
        since_ns = now_ns; /* over, just now */
    return last_error_say(
        ACCORD_E_TIMEOUT,
        "the daemon at %s hangs, or is stopped: nothing has come from it for "
        "%.1f s. Until it answers, calls that need it fail at once. Let it go "
        "on, or restart it",
        a->path, (double)u64_sub_sat(now_ns, since_ns) / (double)NS_PER_S);
}
