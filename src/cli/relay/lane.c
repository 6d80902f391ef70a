/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* lane.c - one way of a relay: read a log, say it again in the other, then go on. */
#include "cli/relay/private.h"

#include "net/time.h"

/* ---- standing still ------------------------------------------------------------------------
 */

static void stand_still(struct relay_lane *l, const char *why)
{
    uint64_t now_ns = relay_now_ns();

    relay_lock(l->relay);
    l->stalled_ns = l->stalled_ns > 0 ? l->stalled_ns : now_ns;
    uint64_t since_ns = l->stalled_ns;
    relay_unlock(l->relay);
    if (l->stalled_said || now_ns - since_ns < RELAY_STALLED_SAID_MS * NS_PER_MS)
        return;
    l->stalled_said = true;
    RELAY_SAY(l->relay, LOG_WARN, "stalled", log_text("from", l->from->shown),
              log_text("to", l->to->shown), log_text("why", why));
}

static void go_on(struct relay_lane *l)
{
    relay_lock(l->relay);
    uint64_t since_ns = l->stalled_ns;
    l->stalled_ns = 0;
    relay_unlock(l->relay);
    l->retry_ms = RELAY_RETRY_MS_MIN;
    if (l->stalled_said)
        RELAY_SAY(l->relay, LOG_INFO, "goes-on", log_text("from", l->from->shown),
                  log_text("to", l->to->shown),
                  log_number("after_ms", (relay_now_ns() - since_ns) / NS_PER_MS));
    l->stalled_said = false;
}

/* Meanwhile the nodes of `to` hear of it, if they can. */
static void wait_for_better(struct relay_lane *l, const char *why)
{
    stand_still(l, why);
    (void)relay_side_beat(l->to);
    relay_save(l->relay, /* now= */ false);
    relay_pause(l->relay, l->retry_ms);
    l->retry_ms = u64_min(2 * l->retry_ms, RELAY_RETRY_MS_MAX);
}

/* ---- publishing ----------------------------------------------------------------------------
 */

static struct relay_way way_of(const struct relay_lane *l)
{
    struct relay *r = l->relay;

    relay_lock(r);
    struct relay_way way = {.name = bytes_of_text(r->options->name),
                            .incarnation = r->incarnation,
                            .from = l->from->log,
                            .to = l->to->log,
                            .from_epoch = l->from->epoch};
    relay_unlock(r);
    return way;
}

/* The bus takes them at no time. */
static bool is_refused(int status)
{
    return status == ACCORD_E_INVALID || status == ACCORD_E_SIZE;
}

/* One that the other bus can never take stands in nobody's way: everything goes in its place.
 */
static void stand_in(struct relay_lane *l, struct change *c, const char *why)
{
    RELAY_SAY(l->relay, LOG_ERROR, "refused", log_text("bus", l->to->shown),
              log_text("why", why), log_text("instead", "everything is removed there"));
    *c = (struct change){.op = CHANGE_CLEAR,
                         .message = c->message,
                         .wall_ms = c->wall_ms,
                         .origin = c->origin,
                         .incarnation = c->incarnation,
                         .about = c->about};
}

/* Until they are in the log of `to`, in order. False: it is to stop first, and they may be or
 * not. */
static bool deliver(struct relay_lane *l, struct change *changes, size_t count)
{
    char why[BUS_WHY_BYTES_MAX] = "";
    size_t done = 0, at_once = count;

    while (done < count) {
        size_t some = at_once < count - done ? at_once : count - done;
        int status = relay_side_publish(l->to, changes + done, some, why);
        if (status == ACCORD_OK) {
            done += some;
        } else if (is_refused(status) && some > 1) {
            at_once = 1;
        } else if (is_refused(status) && changes[done].op != CHANGE_CLEAR) {
            stand_in(l, &changes[done], why);
        } else {
            if (relay_is_stopping(l->relay))
                return false;
            wait_for_better(l, why);
        }
    }
    return true;
}

/* ---- what was missed -----------------------------------------------------------------------
 */

static void missed(struct relay_lane *l, const char *why)
{
    relay_side_lost(l->from, why);
    l->from->at = (struct cursor){.position = 0};
    if (!l->owes_clear)
        RELAY_SAY(l->relay, LOG_WARN, "missed", log_text("bus", l->from->shown),
                  log_text("why", why), log_text("clears", l->to->shown));
    l->owes_clear = true;
    l->is_new = false;
}

static void pay(struct relay_lane *l)
{
    struct relay_way way = way_of(l);
    struct change clear;

    relayed_clear(&way, relay_message(l->relay), time_wall_ms(), l->about[0], &clear);
    if (!deliver(l, &clear, 1))
        return;
    l->owes_clear = false;
    relay_lock(l->relay);
    l->clears++;
    relay_unlock(l->relay);
    RELAY_SAY(l->relay, LOG_INFO, "cleared", log_text("bus", l->to->shown),
              log_text("because", "what was removed before on the other bus is not known"));
}

/* Nothing was ever said in a log that is empty, so nobody missed it. */
static int attach(struct relay_lane *l, char *why)
{
    int status = relay_side_attach(l->from, why);

    if (status == ACCORD_OK && l->is_new && l->from->at.position == 0)
        l->owes_clear = false;
    if (status == ACCORD_OK)
        l->is_new = false;
    return status;
}

/* ---- reading -------------------------------------------------------------------------------
 */

/* Of what is not signed as it must be nothing is carried: the relay would vouch for it. What
 * may have been a real removal costs the other fleet its caches, but seldom (core/trust.h). */
static void refuse(struct relay_lane *l, const struct entry *e)
{
    enum change_op op = e->change.op;
    bool of_members = op == CHANGE_JOIN || op == CHANGE_LEAVE || op == CHANGE_BEAT;
    uint64_t now_ns = relay_now_ns();
    char who[NODE_NAME_BYTES_MAX + 1] = "";

    if (e->change.origin.size_bytes > 0 && e->change.origin.size_bytes < sizeof who)
        memcpy(who, e->change.origin.data, e->change.origin.size_bytes);
    relay_lock(l->relay);
    l->refused++;
    relay_unlock(l->relay);
    RELAY_SAY(l->relay, LOG_WARN, "not-signed", log_text("bus", l->from->shown),
              log_text("node", who), log_number("position", e->position),
              log_text("what", of_members ? "a sign of life" : "a change; it is not carried"));
    if (of_members || e->trust == TRUST_UNSIGNED || e->trust == TRUST_REPLAYED ||
        now_ns < l->doubt_due_ns)
        return;
    l->doubt_due_ns = now_ns + RELAY_DOUBT_MS * NS_PER_MS;
    l->owes_clear = true;
}

/* One that ended earlier runs is not looked at, nor is its signature: it may have meant
 * anything, and is carried as the removal of everything (B17). */
static struct entry unless_poison(const struct relay_lane *l, const struct entry *e)
{
    return hand_skips(&l->from->settings.hand, e->position)
               ? hand_skipped(e->position, e->change.message)
               : *e;
}

/* In hand while anything looks at it, and not while it is published: a bus that is down for
 * long must not make suspects of entries. */
static size_t make(struct relay_lane *l, const struct entry *entries, size_t count)
{
    struct relay_way way = way_of(l);
    size_t made = 0;

    for (size_t i = 0; i < count; i++) {
        hand_take(&l->from->settings.hand, entries[i].position);
        struct entry e = unless_poison(l, &entries[i]);
        relay_side_heard(l->from, &e);
        if (e.trust != TRUST_FULL)
            refuse(l, &e);
        else if (relayed_make(&way, &e, l->about[made], &l->changes[made]))
            made++;
    }
    relay_passed(l->from, entries[count - 1].position);
    return made;
}

/* Somebody waits for us there; the other lane is who can tell. */
static void wake_other(struct relay_lane *l)
{
    relay_lock(l->relay);
    struct bus *bus = l->from->beat_wanted ? l->to->bus : NULL;
    relay_unlock(l->relay);
    if (bus)
        l->to->ops.wake(bus);
}

static bool carry(struct relay_lane *l, const struct entry *entries, size_t count)
{
    const struct entry *last = &entries[count - 1];
    size_t made = make(l, entries, count);

    wake_other(l);
    if (made > 0 && !deliver(l, l->changes, made))
        return false;
    l->from->at.position = last->position;
    l->from->at.message = last->change.message;
    l->from->proven_ns = relay_now_ns(); /* nothing is delivered behind a hole (B7) */
    relay_lock(l->relay);
    l->carried += made;
    relay_unlock(l->relay);
    return true;
}

/* A log that is silent may be another by now. */
static int prove(struct relay_lane *l, char *why)
{
    struct relay_side *s = l->from;
    uint64_t now_ns = relay_now_ns(), head;

    if (id128_is_none(s->at.message) || now_ns - s->proven_ns < RELAY_PROVE_MS * NS_PER_MS)
        return ACCORD_OK;
    int status = s->ops.head(s->bus, &s->at, &head, why);
    if (status == ACCORD_OK)
        s->proven_ns = now_ns;
    return status;
}

/* ACCORD_OK too where it is to stop before all is carried. */
static int step(struct relay_lane *l, char *why)
{
    const struct entry *entries = NULL;
    size_t count = 0;
    struct relay_side *s = l->from;
    uint64_t wait_ms = u64_min(RELAY_READ_MS, u64_max(1, relay_side_beat(l->to)));
    int status = s->ops.read(s->bus, s->at.position, wait_ms, &entries, &count, why);

    if (status == ACCORD_OK && count > 0 && !carry(l, entries, count))
        return ACCORD_OK;
    return status == ACCORD_OK ? prove(l, why) : status;
}

static int turn(struct relay_lane *l, char *why)
{
    int status = l->from->attached ? ACCORD_OK : attach(l, why);

    if (status == ACCORD_OK && l->owes_clear)
        pay(l);
    if (status == ACCORD_OK && !relay_is_stopping(l->relay))
        status = step(l, why);
    return status;
}

void *relay_lane_run(void *lane)
{
    struct relay_lane *l = lane;
    char why[BUS_WHY_BYTES_MAX] = "";

    l->retry_ms = RELAY_RETRY_MS_MIN;
    while (!relay_is_stopping(l->relay)) {
        int status = turn(l, why);
        if (status == ACCORD_OK) {
            go_on(l);
            relay_note(l);
            relay_save(l->relay, /* now= */ false);
        } else if (status == ACCORD_E_GONE) {
            missed(l, why);
        } else {
            relay_side_lost(l->from, why);
            wait_for_better(l, why);
        }
    }
    relay_side_leave(l->to);
    return NULL;
}
