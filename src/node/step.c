/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* step.c - events into the core, effects out of it. */
#include "node/node_private.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- effects -------------------------------------------------------------------------------
 */

/* How a note of the core becomes a line: what its text and its number are called there. */
struct note_form {
    enum log_level level;
    const char *text, *number;
    uint64_t per; /* the number is divided by it */
};

static const struct note_form note_forms[] = {
    [NOTE_LEASE_HELD] = {LOG_INFO, "why", "lease_ms", NS_PER_MS},
    [NOTE_LEASE_LOST] = {LOG_WARN, "why", "number", 1},
    [NOTE_ATTACHED] = {LOG_INFO, "why", "head", 1},
    [NOTE_BUS_LOST] = {LOG_WARN, "why", "number", 1},
    [NOTE_COLD_BOOT] = {LOG_WARN, "why", "position", 1},
    [NOTE_COLD] = {LOG_INFO, "why", "position", 1},
    [NOTE_WARM] = {LOG_INFO, "kept", "items", 1},
    [NOTE_MEMBER_JOINED] = {LOG_INFO, "about", "position", 1},
    [NOTE_MEMBER_LEFT] = {LOG_INFO, "why", "position", 1},
    [NOTE_MEMBER_SILENT] = {LOG_WARN, "why", "last_position", 1},
    [NOTE_PUBLISH_FAILED] = {LOG_WARN, "why", "changes", 1},
    [NOTE_PUBLISH_OK] = {LOG_INFO, "why", "failures_before", 1},
    [NOTE_OUTBOX_FULL] = {LOG_WARN, "why", "changes", 1},
    [NOTE_MAX_STALE] = {LOG_WARN, "why", "cluster_ms", NS_PER_MS},
    [NOTE_NAME_TAKEN] = {LOG_ERROR, "why", "number", 1},
    [NOTE_HOLE_CLOSED] = {LOG_WARN, "why", "after_position", 1},
    [NOTE_REFUSED] = {LOG_ERROR, "why", "position", 1},
};

static void note(struct node *n, enum core_note what, const char *who, const char *why,
                 uint64_t number)
{
    const struct note_form *form = &note_forms[what];
    bool expected = what == NOTE_LEASE_LOST && n->stop_given;
    struct log_field fields[3];
    size_t count = 0;

    if (who)
        fields[count++] = log_text("node", who);
    if (why && *why)
        fields[count++] = log_text(form->text, why);
    if (number > 0)
        fields[count++] = log_number(form->number, number / form->per);
    n->counts.notes++;
    log_write(&n->log, clock_wall_ms(), expected ? LOG_INFO : form->level, core_note_word(what),
              fields, count);
}

static void tell_service(const struct node *n)
{
    char line[STATUS_LINE_BYTES_MAX], text[STATUS_LINE_BYTES_MAX + 16];
    struct core_status s;

    core_status(n->core, n->now_ns, &s);
    words_status(n, &s, line, sizeof line);
    snprintf(text, sizeof text, "STATUS=%s", line);
    notify_service(text);
}

static void carry_note(struct node *n, const struct effect *e)
{
    note(n, e->note.note, e->note.who, e->note.why, e->note.number);
    if (e->note.note == NOTE_LEASE_HELD || e->note.note == NOTE_LEASE_LOST)
        tell_service(n);
    if (e->note.note == NOTE_COLD_BOOT) {
        struct core_status s;
        n->wanted = (struct id128){0, 0}; /* nothing that it had is proven any more */
        core_status(n->core, n->now_ns, &s);
        resp_door_dropped(n->door, e->note.why,
                          (struct position){s.cursor.epoch, s.cursor.position});
        chp_doors_changed(n);
    }
    if (e->note.note == NOTE_WARM) {
        struct core_status s;
        core_status(n->core, n->now_ns, &s);
        resp_door_warm(n->door, e->note.why,
                       (struct position){s.cursor.epoch, s.cursor.position});
    }
}

void step_reply(struct node *n, const struct reply *reply)
{
    if (http_door_owns(n->http, reply->client))
        http_door_reply(n->http, reply);
    else if (!chp_doors_reply(n, reply))
        resp_door_reply(n->door, reply);
}

/* With ack = local an OK says that the change is on disk. Where it is not, it must not. */
static void send_reply(struct node *n, const struct reply *reply, bool keep_failed)
{
    bool is_change = reply->status == ACCORD_OK && !reply->has_position && !reply->has_token &&
                     !reply->has_value;

    if (!keep_failed || !is_change || n->settings->ack != ACK_LOCAL) {
        step_reply(n, reply);
        return;
    }
    struct reply changed = *reply;
    changed.status = ACCORD_E_UNPUBLISHED;
    changed.why_text = n->keep_why;
    step_reply(n, &changed);
}

/* What follows a KEEP waits for the disk; the loop does so only where memory has run out. */
static void carry_reply(struct node *n, const struct reply *reply)
{
    n->counts.replies++;
    if (n->keep_last > 0 && held_add(&n->held, reply, n->keep_first, n->keep_last) == ACCORD_OK)
        return;
    if (n->keep_last > 0)
        journal_thread_flush(n->journal_thread);
    send_reply(n, reply,
               n->keep_refused || (n->keep_last > 0 && n->keep_failed >= n->keep_first));
}

static void keep_failed(struct node *n, size_t count, const char *why)
{
    snprintf(n->keep_why, sizeof n->keep_why, "%s", why);
    n->counts.keep_failures++;
    LOG(&n->log, clock_wall_ms(), LOG_ERROR, "keep-failed", log_text("why", why),
        log_number("changes", count));
}

static void carry_keep(struct node *n, const struct effect *e)
{
    uint64_t ticket;

    if (!n->journal_thread)
        return;
    int status =
        journal_thread_keep(n->journal_thread, e->keep.changes, e->keep.count, &ticket);
    if (status != ACCORD_OK) {
        n->keep_refused = true;
        keep_failed(n, e->keep.count, status_text(status));
        return;
    }
    n->keep_first = n->keep_first > 0 ? n->keep_first : ticket;
    n->keep_last = ticket;
}

static void journal_refused(struct node *n, enum journal_work work, const char *why)
{
    LOG(&n->log, clock_wall_ms(), LOG_WARN,
        work == JOURNAL_FORGET ? "forget-failed" : "save-failed", log_text("why", why));
}

static void carry_forget(struct node *n, const struct effect *e)
{
    int status = n->journal_thread ? journal_thread_forget(n->journal_thread,
                                                           e->forget.messages, e->forget.count)
                                   : ACCORD_OK;

    if (status != ACCORD_OK)
        journal_refused(n, JOURNAL_FORGET, status_text(status));
}

static void carry_save_fences(struct node *n, const struct effect *e)
{
    int status = n->journal_thread
                     ? journal_thread_save_fences(n->journal_thread, &e->save_fences.at,
                                                  e->save_fences.list, e->save_fences.count)
                     : ACCORD_OK;

    if (status != ACCORD_OK)
        journal_refused(n, JOURNAL_SAVE_FENCES, status_text(status));
}

static void carry_fatal(struct node *n, const char *why)
{
    n->fatal = true;
    snprintf(n->fatal_why, sizeof n->fatal_why, "%s", why ? why : "");
    LOG(&n->log, clock_wall_ms(), LOG_ERROR, "fatal", log_text("why", n->fatal_why));
    if (n->hooks.fatal)
        n->hooks.fatal(n->hooks.context, n->fatal_why);
    n->stop_wanted = true;
}

static void carry_out(struct node *n, const struct effect *e)
{
    switch (e->type) {
    case EFFECT_REPLY:
        carry_reply(n, &e->reply);
        break;
    case EFFECT_ATTACH:
        bus_thread_attach(n->bus, e->attach.resume ? &e->attach.cursor : NULL,
                          e->attach.view_ns);
        break;
    case EFFECT_ASK_HEAD:
        bus_thread_ask_head(n->bus, e->ask_head.nonce, &e->ask_head.at);
        break;
    case EFFECT_PUBLISH:
        bus_thread_publish(n->bus, e->publish.batch, e->publish.changes, e->publish.count);
        break;
    case EFFECT_KEEP:
        carry_keep(n, e);
        break;
    case EFFECT_FORGET:
        carry_forget(n, e);
        break;
    case EFFECT_APPLIED:
        hand_take(&n->applying, e->applied.entry->position);
        resp_door_applied(n->door, e->applied.entry, e->applied.own, n->log_epoch);
        chp_doors_applied(n, e->applied.entry, e->applied.own);
        acs_peers_applied(n->acs_peers, e->applied.entry, e->applied.own);
        break;
    case EFFECT_SAVE_FENCES:
        carry_save_fences(n, e);
        break;
    case EFFECT_SAVE:
        warm_save(n, &e->save);
        break;
    case EFFECT_COLD:
        warm_told(n, e);
        break;
    case EFFECT_INHERITED:
        warm_released(n, e->inherited.refused);
        chp_doors_changed(n);
        break;
    case EFFECT_NOTE:
        carry_note(n, e);
        break;
    case EFFECT_FATAL:
        carry_fatal(n, e->fatal.why);
        break;
    case EFFECT_STOPPED:
        if (n->journal_thread)
            journal_thread_flush(n->journal_thread);
        n->stopped = true;
        break;
    }
}

/* ---- events --------------------------------------------------------------------------------
 */

/* Said before the core says what came of it: it sees only that no answer has come. */
static void notice_standstill(struct node *n)
{
    uint64_t late_ns = u64_sub_sat(n->now_ns, n->wakes_ns);

    n->wakes_ns = UINT64_MAX;
    if (late_ns < STANDSTILL_NS)
        return;
    LOG(&n->log, clock_wall_ms(), LOG_WARN, "stood-still",
        log_number("ms", late_ns / NS_PER_MS),
        log_text("why", "this process was stopped, or got no processor, or the machine slept: "
                        "what follows is not the bus's doing"));
}

static void step(struct node *n, struct event *e)
{
    struct effects effects;

    ASSERT(!n->carrying);
    n->now_ns = u64_max(n->now_ns, reader_now_ns(&n->reader));
    notice_standstill(n);
    e->now_ns = n->now_ns;
    e->wall_ms = clock_wall_ms();
    e->more = e->type != EVENT_TICK;
    core_step(n->core, e, &effects);
    chp_doors_requested(n, e); /* a reply may let go of what the request points to */
    n->carrying = true;
    n->keep_first = n->keep_last = 0;
    n->keep_refused = false;
    for (size_t i = 0; i < effects.count; i++)
        carry_out(n, &effects.list[i]);
    n->carrying = false;
}

/* What doors asked while effects were carried out; each may make them ask more. */
static void step_deferred(struct node *n)
{
    struct deferred *d;

    while ((d = deferred_take(&n->deferred))) {
        struct event e = {.type = d->is_gone ? EVENT_CLIENT_GONE : EVENT_REQUEST};
        if (d->is_gone)
            e.client_gone = d->client_gone;
        else
            e.request = d->request;
        step(n, &e);
        free(d);
    }
}

/* After a step, and after replies that made doors ask. */
static void finish(struct node *n)
{
    step_deferred(n);
    if (n->stop_wanted && !n->stop_given) {
        struct event stop = {.type = EVENT_STOP};
        n->stop_given = true;
        notify_service("STOPPING=1");
        resp_door_stop_accepting(n->door);
        step(n, &stop);
        step_deferred(n);
    }
}

void step_event(struct node *n, struct event *e)
{
    step(n, e);
    finish(n);
}

void step_journal_answer(void *node, enum journal_work work, uint64_t ticket, int status,
                         size_t count, const char *why)
{
    struct node *n = node;
    bool inside = n->carrying;
    struct held *h;

    if (work != JOURNAL_KEEP) {
        journal_refused(n, work, why);
        return;
    }
    if (status != ACCORD_OK) {
        n->keep_failed = ticket;
        keep_failed(n, count, why);
    }
    n->carrying = true;
    while ((h = held_take(&n->held, ticket))) {
        send_reply(n, &h->reply, n->keep_failed >= h->first);
        free(h);
    }
    n->carrying = inside;
    if (!inside)
        finish(n);
}

/* While the bus is lost there is nothing to keep up with, and that is said elsewhere. */
static void look_at_lag(struct node *n)
{
    struct core_status s;

    core_status(n->core, n->now_ns, &s);
    if (!lag_look(&n->lag, n->now_ns, s.lag_known && s.attached, s.lag_ns, s.max_stale_ns))
        return;
    LOG(&n->log, clock_wall_ms(), LOG_WARN, "lagging",
        log_number("lag_ms", s.lag_ns / NS_PER_MS),
        log_number("positions", s.head_known ? words_lag(&s) : 0),
        log_number("max_stale_ms", s.max_stale_ns / NS_PER_MS),
        log_text("why", "what is proven here is older than half of max_stale: the bus answers "
                        "late, or this node does not keep up with it"));
}

void step_tick(struct node *n)
{
    struct event e = {.type = EVENT_TICK};

    step_event(n, &e);
    look_at_lag(n);
}

void step_stop(struct node *n)
{
    n->stop_wanted = true;
    if (!n->carrying)
        step_tick(n);
}

/* The comparison comes before the answer that could renew the lease by a wrong clock. */
static void check_clock(struct node *n)
{
    struct segment_clock_settings now;
    struct event e = {.type = EVENT_CLOCK_BROKEN};

    if (!clock_went_wrong(&n->clock, &now))
        return;
    writer_set_clock(n->writer, &now);
    LOG(&n->log, clock_wall_ms(), LOG_ERROR, "clock-broken",
        log_text("why", "the TSC and CLOCK_BOOTTIME ran more than 1 % apart"),
        log_text("clock", clock_about(&n->clock)));
    step_event(n, &e);
}

/* One by one as long as an entry is near that has ended the process: the next start will know
 * which of them it was. */
static void step_entries(struct node *n, struct event *e)
{
    const struct entry *list = e->entries.entries;
    size_t count = e->entries.count, taken;

    for (; count > 0 && !n->stopped; list += taken, count -= taken) {
        struct event some = *e;
        taken = poison_is_near(n->poison, list[0].position) ? 1 : count;
        some.entries.entries = list;
        some.entries.count = taken;
        step_event(n, &some);
        poison_passed(n->poison, POISON_APPLYING, list[taken - 1].position);
    }
}

static void still_fails(struct node *n, struct trouble *t, const char *event, const char *why)
{
    if (!trouble_met(t, n->now_ns))
        return;
    LOG(&n->log, clock_wall_ms(), LOG_ERROR, event, log_text("why", why ? why : ""),
        log_number("for_s", (n->now_ns - t->since_ns) / NS_PER_S),
        log_number("tries", t->tries));
}

/* What the core said once, and what has not come right since. */
static void note_trouble(struct node *n, const struct event *e)
{
    if (e->type == EVENT_BUS_LOST)
        still_fails(n, &n->attaching, "bus-still-lost", e->lost.why);
    else if (e->type == EVENT_BUS_ATTACHED)
        trouble_over(&n->attaching);
    else if (e->type == EVENT_BUS_PUBLISHED && e->published.status == ACCORD_OK)
        trouble_over(&n->publishing);
    else if (e->type == EVENT_BUS_PUBLISHED)
        still_fails(n, &n->publishing, "publish-still-fails", e->published.why);
}

/* Once for all connections, unless it changes. */
static void note_advice(struct node *n)
{
    char advice[BUS_ADVICE_BYTES_MAX];

    bus_thread_advice(n->bus, advice);
    if (advice[0] && strcmp(advice, n->bus_advice) != 0)
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "bus-advice", log_text("what", advice));
    memcpy(n->bus_advice, advice, sizeof advice);
}

void step_bus_event(void *node, struct event *e)
{
    struct node *n = node;

    if (n->stopped)
        return;
    check_clock(n);
    if (e->type == EVENT_BUS_ATTACHED) {
        n->log_epoch = e->attached.epoch;
        hand_attach(&n->applying, e->attached.log, e->attached.epoch);
        note_advice(n);
    }
    note_trouble(n, e);
    if (e->type == EVENT_BUS_ENTRIES)
        step_entries(n, e);
    else
        step_event(n, e);
}
