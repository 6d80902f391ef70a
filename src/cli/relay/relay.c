/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/relay/private.h"

#include "net/time.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

uint64_t relay_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void relay_lock(struct relay *r)
{
    ASSERT(pthread_mutex_lock(&r->mutex) == 0);
}

void relay_unlock(struct relay *r)
{
    ASSERT(pthread_mutex_unlock(&r->mutex) == 0);
}

bool relay_is_stopping(struct relay *r)
{
    relay_lock(r);
    bool stopping = r->stopping;
    relay_unlock(r);
    return stopping;
}

/* Random numbers that the kernel will not give are no reason to end: it gave the first. */
static struct id128 random_id(void)
{
    struct id128 id = {0, 0};

    while (getrandom(&id, sizeof id, 0) != sizeof id)
        ASSERT(errno == EINTR);
    id.low |= 1;
    return id;
}

struct id128 relay_message(struct relay *r)
{
    struct id128 id = random_id();

    relay_lock(r);
    id.high = time_wall_ms() << 16 | (r->messages++ & 0xffff);
    relay_unlock(r);
    return id;
}

void relay_say(struct relay *r, enum log_level level, const char *event,
               const struct log_field *fields, size_t count)
{
    ASSERT(pthread_mutex_lock(&r->log_mutex) == 0);
    log_write(&r->log, time_wall_ms(), level, event, fields, count);
    ASSERT(pthread_mutex_unlock(&r->log_mutex) == 0);
}

void relay_pause(struct relay *r, uint64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + ms * NS_PER_MS;
    until.tv_sec += (time_t)(ns / NS_PER_S);
    until.tv_nsec = (long)(ns % NS_PER_S);
    relay_lock(r);
    while (!r->stopping)
        if (pthread_cond_timedwait(&r->changed, &r->mutex, &until) == ETIMEDOUT)
            break;
    relay_unlock(r);
}

/* What waits in a read is woken; what it did not reach in time ends with its timeout. */
static void halt(struct relay *r)
{
    relay_lock(r);
    r->stopping = true;
    pthread_cond_broadcast(&r->changed);
    struct bus *bus[RELAY_SIDES] = {r->sides[0].bus, r->sides[1].bus};
    relay_unlock(r);
    for (size_t i = 0; i < RELAY_SIDES; i++)
        if (bus[i])
            r->sides[i].ops.wake(bus[i]);
}

void relay_fatal(struct relay *r, const char *why)
{
    relay_lock(r);
    bool first = !r->fatal_said;
    r->fatal_said = true;
    relay_unlock(r);
    halt(r);
    if (first)
        r->hooks.fatal(r->hooks.context, why);
}

/* ---- progress ------------------------------------------------------------------------------
 */

static void ready(struct relay *r)
{
    char line[1024];

    snprintf(line, sizeof line,
             "ready: relay %s carries %s <-> %s, uncoupled: each bus keeps its promises to its "
             "own nodes, and the other's changes come when they come%s",
             r->options->name, r->sides[0].shown, r->sides[1].shown,
             r->options->state ? "" : "; without --state a restart clears both fleets");
    r->hooks.ready(r->hooks.context, line);
}

static void save(struct relay *r, const struct cursors *c)
{
    char why[CURSORS_WHY_BYTES_MAX];
    bool failed = cursors_save(&r->folder, c, why) != ACCORD_OK;

    if (failed && !r->save_failed)
        RELAY_SAY(r, LOG_WARN, "not-saved", log_text("why", why),
                  log_text("then", "the next run begins where the last saving was"));
    r->save_failed = failed;
}

void relay_save(struct relay *r, bool now)
{
    uint64_t now_ns = relay_now_ns();

    if (!r->options->state)
        return;
    if (now)
        ASSERT(pthread_mutex_lock(&r->save_mutex) == 0);
    else if (pthread_mutex_trylock(&r->save_mutex) != 0)
        return; /* the other lane is at it */
    if (now || now_ns - r->saved_ns >= RELAY_SAVE_MS * NS_PER_MS) {
        relay_lock(r);
        struct cursors c = r->cursors;
        bool due = r->cursors_due;
        r->cursors_due = false;
        relay_unlock(r);
        r->saved_ns = now_ns;
        if (due)
            save(r, &c);
    }
    ASSERT(pthread_mutex_unlock(&r->save_mutex) == 0);
}

/* A place that the log can prove later; before the first entry there is none. */
static bool is_firm(const struct relay_lane *l)
{
    return !l->owes_clear && !id128_is_none(l->from->at.message);
}

void relay_note(struct relay_lane *l)
{
    struct relay *r = l->relay;
    size_t index = (size_t)(l - r->lanes);
    const struct cursor *at = &l->from->at;

    relay_lock(r);
    if (is_firm(l) && !id128_equal(at->message, r->cursors.at[index].message)) {
        r->cursors.at[index] = *at;
        r->cursors.known[index] = r->cursors_due = true;
    }
    l->is_through = l->is_through || (l->from->attached && is_firm(l) && l->to->joined);
    bool news = !r->ready_said && r->lanes[0].is_through && r->lanes[1].is_through;
    r->ready_said = r->ready_said || news;
    relay_unlock(r);
    if (!news)
        return;
    relay_save(r, /* now= */ true); /* whoever kills it from now on costs nobody his caches */
    ready(r);
}

/* ---- life ----------------------------------------------------------------------------------
 */

static void say_in_hand(struct relay *r, const struct poison_found *found)
{
    bool skipped = found->tries >= POISON_TRIES;
    char position[POSITION_TEXT_BYTES_MAX];

    position_print((struct position){found->at.epoch, found->at.position}, position);
    RELAY_SAY(r, skipped ? LOG_ERROR : LOG_WARN, skipped ? "poison" : "in-hand",
              log_text("why", skipped ? "an earlier run ended, again, with this entry in hand: "
                                        "it is skipped from now on, and everything removed on "
                                        "the other bus in its place"
                                      : "an earlier run ended with this entry in hand: if that "
                                        "goes on, it will be skipped"),
              log_text("position", position), log_number("tries", found->tries));
}

/* Without it the relay does all the same what it is for. */
static void open_poison(struct relay *r)
{
    struct poison_found found[POISON_STAGES];
    char why[POISON_WHY_BYTES_MAX] = "";
    size_t count = 0;

    if (poison_open(&r->poison, r->options->state, found, &count, why) != ACCORD_OK)
        RELAY_SAY(r, LOG_WARN, "no-hand", log_text("why", why));
    for (size_t i = 0; i < count; i++)
        say_in_hand(r, &found[i]);
    r->sides[0].settings.hand = poison_hand(r->poison, POISON_FROM);
    r->sides[1].settings.hand = poison_hand(r->poison, POISON_TO);
}

void relay_passed(struct relay_side *s, uint64_t position)
{
    struct relay *r = s->relay;

    relay_lock(r);
    poison_passed(r->poison, s == &r->sides[0] ? POISON_FROM : POISON_TO, position);
    relay_unlock(r);
}

/* Where an earlier run stood. Of a run that left nothing it is not known whether there was one;
 * then only a log that is empty was missed by nobody. */
static int open_state(struct relay *r, char *why)
{
    int status = r->options->state
                     ? cursors_open(&r->folder, r->options->state, &r->cursors, why)
                     : ACCORD_OK;
    bool damaged = status == ACCORD_E_FORMAT;

    if (damaged)
        RELAY_SAY(r, LOG_WARN, "damaged", log_text("why", why));
    else if (status != ACCORD_OK)
        return status;
    if (r->options->state)
        open_poison(r);
    for (size_t i = 0; i < RELAY_SIDES; i++) {
        r->sides[i].at = r->cursors.at[i];
        r->lanes[i].owes_clear = !r->cursors.known[i];
        r->lanes[i].is_new = !damaged && !r->cursors.known[0] && !r->cursors.known[1];
    }
    return ACCORD_OK;
}

static void init(struct relay *r, const struct relay_options *o, const struct relay_hooks *h)
{
    pthread_condattr_t attributes;

    r->options = o;
    r->hooks = *h;
    r->incarnation = random_id();
    r->folder.lock_fd = -1;
    log_init(&r->log, o->log_fd, LOG_TEXT, o->log_level);
    ASSERT(pthread_mutex_init(&r->mutex, NULL) == 0);
    ASSERT(pthread_mutex_init(&r->save_mutex, NULL) == 0);
    ASSERT(pthread_mutex_init(&r->log_mutex, NULL) == 0);
    ASSERT(pthread_condattr_init(&attributes) == 0);
    ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&r->changed, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    for (size_t i = 0; i < RELAY_SIDES; i++) {
        r->sides[i].relay = r->lanes[i].relay = r;
        r->lanes[i].from = &r->sides[i];
        r->lanes[i].to = &r->sides[1 - i];
    }
}

static void done(struct relay *r)
{
    for (size_t i = 0; i < RELAY_SIDES; i++)
        relay_side_close(&r->sides[i]);
    poison_close(r->poison);
    cursors_close(&r->folder);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->log_mutex);
    pthread_mutex_destroy(&r->save_mutex);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

static int start_threads(struct relay *r, char *why)
{
    for (size_t i = 0; i < RELAY_SIDES; i++) {
        if (pthread_create(&r->lanes[i].thread, NULL, relay_lane_run, &r->lanes[i]) == 0)
            continue;
        snprintf(why, RELAY_WHY_BYTES_MAX, "cannot start a thread");
        halt(r);
        if (i > 0)
            pthread_join(r->lanes[0].thread, NULL);
        return ACCORD_E_IO;
    }
    return ACCORD_OK;
}

int relay_start(struct relay **out, const struct relay_options *o,
                const struct relay_hooks *hooks, char why[RELAY_WHY_BYTES_MAX])
{
    struct relay *r = calloc(1, sizeof *r);
    int status = ACCORD_OK;

    if (!r) {
        snprintf(why, RELAY_WHY_BYTES_MAX, "out of memory");
        return ACCORD_E_NOMEM;
    }
    init(r, o, hooks);
    for (size_t i = 0; i < RELAY_SIDES && status == ACCORD_OK; i++)
        status = relay_side_init(&r->sides[i], i, why);
    if (status == ACCORD_OK)
        status = open_state(r, why);
    if (status == ACCORD_OK)
        status = start_threads(r, why);
    if (status != ACCORD_OK) {
        done(r);
        return status;
    }
    *out = r;
    return ACCORD_OK;
}

void relay_stop(struct relay *r)
{
    if (!r)
        return;
    halt(r);
    for (size_t i = 0; i < RELAY_SIDES; i++)
        pthread_join(r->lanes[i].thread, NULL);
    relay_save(r, /* now= */ true);
    RELAY_SAY(r, LOG_INFO, "stopped", log_number("carried_from", r->lanes[0].carried),
              log_number("carried_to", r->lanes[1].carried),
              log_number("clears", r->lanes[0].clears + r->lanes[1].clears));
    done(r);
}

void relay_count(struct relay *r, struct relay_counts *out)
{
    relay_lock(r);
    for (size_t i = 0; i < RELAY_SIDES; i++) {
        out->carried[i] = r->lanes[i].carried;
        out->clears[i] = r->lanes[i].clears;
        out->refused[i] = r->lanes[i].refused;
    }
    relay_unlock(r);
}
