/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* side.c - one of a relay's two buses, and what its nodes hear of the relay. */
#include "cli/relay/private.h"

#include "bus/keyless.h"
#include "bus/signed.h"
#include "net/time.h"
#include "node/files.h"
#include "node/settings.h"

#include <stdio.h>

static const char *const flags[RELAY_SIDES] = {"--from", "--to"};
static const char *const key_flags[RELAY_SIDES] = {"--from-key-file", "--to-key-file"};

int relay_side_init(struct relay_side *s, size_t index, char *why)
{
    const struct relay_options *o = s->relay->options;
    char line[SETTINGS_WHY_BYTES_MAX] = "";
    const struct bus_ops *ops = bus_find(o->url[index], line);

    if (!ops) {
        snprintf(why, RELAY_WHY_BYTES_MAX, "%s: %s", flags[index], line);
        return ACCORD_E_INVALID;
    }
    files_public_url(o->url[index], s->shown, sizeof s->shown);
    s->ops = *ops;
    s->settings = (struct bus_settings){.url = o->url[index],
                                        .retain_ms = o->retain_ms,
                                        .retain_changes = o->retain_changes,
                                        .timeout_ms = o->timeout_ms,
                                        .node = o->name,
                                        .key_setting = key_flags[index]};
    if (!o->key_file[index]) {
        keyless_ops(&s->ops, ops);
        return ACCORD_OK;
    }
    int status = settings_read_key(&s->keys, "the key file", o->key_file[index], line);
    if (status != ACCORD_OK) {
        snprintf(why, RELAY_WHY_BYTES_MAX, "%s: %s", flags[index], line);
        return status;
    }
    s->settings.signing = &s->keys;
    signed_ops(&s->ops, ops);
    return ACCORD_OK;
}

void relay_side_close(struct relay_side *s)
{
    if (s->bus)
        s->ops.close(s->bus);
    signing_wipe(&s->keys);
}

/* ---- reading -------------------------------------------------------------------------------
 */

/* A log that is made anew at --to has the bound of staleness that --from has. */
static int open_bus(struct relay_side *s, char *why)
{
    const struct relay_side *from = &s->relay->sides[0];
    struct bus *bus = NULL;

    if (s->bus)
        return ACCORD_OK;
    relay_lock(s->relay);
    s->settings.max_stale_ms = s == from ? RELAY_MAX_STALE_MS : from->max_stale_ms;
    relay_unlock(s->relay);
    if (s->settings.max_stale_ms == 0)
        return bus_fail(why, ACCORD_E_DOWN, "waits until --from is attached");
    int status = s->ops.open(&bus, &s->settings, why);
    if (status != ACCORD_OK)
        return status;
    relay_lock(s->relay);
    s->bus = bus;
    relay_unlock(s->relay);
    return ACCORD_OK;
}

/* Both URLs lead to one log. Under the mutex. Both were attached before either is published to:
 * who publishes has read the other. */
static bool is_one_log(const struct relay *r)
{
    return !id128_is_none(r->sides[0].log) && id128_equal(r->sides[0].log, r->sides[1].log);
}

static void attached(struct relay_side *s, const struct bus_attached *a)
{
    struct relay *r = s->relay;
    bool same = id128_equal(s->at.log, a->log) && s->at.epoch == a->epoch;

    if (!a->resumed)
        s->at = (struct cursor){.log = a->log, .epoch = a->epoch, .position = a->after};
    if (!same)
        s->own_position = 0;
    s->proven_ns = relay_now_ns();
    hand_attach(&s->settings.hand, a->log, a->epoch);
    relay_lock(r);
    bool news = !s->attached;
    s->attached = true;
    s->log = a->log;
    s->reached = same ? u64_max(s->reached, s->at.position) : s->at.position;
    if (!same || !a->resumed)
        s->met = s->met_hash = 0;
    s->epoch = a->epoch;
    s->max_stale_ms = u64_max(a->max_stale_ms, MAX_STALE_MS_MIN);
    bool twice = is_one_log(r);
    relay_unlock(r);
    if (twice)
        relay_fatal(r, "--from and --to are one and the same log: there is nothing to carry");
    if (news)
        RELAY_SAY(r, LOG_INFO, "attached", log_text("bus", s->shown),
                  log_number("position", s->at.position),
                  log_text("from", a->resumed ? "the saved place" : "here on"));
}

/* Once, for as long as it stays the same: it attaches again with each connection. */
static void note_advice(struct relay_side *s, const struct bus_attached *a)
{
    if (a->advice[0] && strcmp(a->advice, s->advice) != 0)
        RELAY_SAY(s->relay, LOG_WARN, "bus-advice", log_text("bus", s->shown),
                  log_text("what", a->advice));
    memcpy(s->advice, a->advice, sizeof s->advice);
}

int relay_side_attach(struct relay_side *s, char why[BUS_WHY_BYTES_MAX])
{
    struct bus_attached a;
    bool resume = !id128_is_none(s->at.log);
    int status = open_bus(s, why);

    if (status == ACCORD_OK)
        status = s->ops.attach(s->bus, resume ? &s->at : NULL, 0, &a, why);
    if (status == ACCORD_E_GONE)
        s->at = (struct cursor){.position = 0};
    if (status == ACCORD_OK) {
        attached(s, &a);
        note_advice(s, &a);
    }
    return status;
}

void relay_side_lost(struct relay_side *s, const char *why)
{
    relay_lock(s->relay);
    bool news = s->attached;
    s->attached = false;
    snprintf(s->lost_why, sizeof s->lost_why, "%s", why);
    relay_unlock(s->relay);
    if (news)
        RELAY_SAY(s->relay, LOG_WARN, "bus-lost", log_text("bus", s->shown),
                  log_text("why", why));
}

static bool says_relay(const struct change *c)
{
    static const char role[] = "relay ";

    return c->about.size_bytes >= sizeof role - 1 &&
           memcmp(c->about.data, role, sizeof role - 1) == 0;
}

/* Its first word in this log. A relay joins again and again, but only then has applied nothing.
 */
static bool is_first_word(const struct change *c)
{
    return c->op == CHANGE_JOIN && (c->applied == 0 || !says_relay(c));
}

/* Two that live and have one name (L8): the later in the log leaves. What the other says later
 * shows that it lives, and that it has read our join, as core/apply.c has it. */
static void meet_namesake(struct relay_side *s, const struct entry *e)
{
    const struct change *c = &e->change;
    char line[384];

    if (s->own_position == 0 || id128_equal(c->incarnation, s->junior))
        return;
    if (is_first_word(c)) {
        s->junior = c->incarnation;
        relay_lock(s->relay);
        s->beat_wanted = true; /* so that it hears of us soon */
        relay_unlock(s->relay);
        return;
    }
    if (c->lease_epoch != s->at.epoch || c->applied >= e->position ||
        c->applied < s->own_position)
        return;
    snprintf(line, sizeof line,
             "another live node or relay on %.128s is named %.64s; give each its own --name",
             s->shown, s->relay->options->name);
    relay_fatal(s->relay, line);
}

static void meet(struct relay_side *s, const struct entry *e)
{
    const struct change *c = &e->change;

    if (id128_equal(c->incarnation, s->relay->incarnation))
        s->own_position = s->own_position > 0 ? s->own_position : e->position;
    else if (bytes_equal(c->origin, bytes_of_text(s->relay->options->name)))
        meet_namesake(s, e);
}

void relay_side_heard(struct relay_side *s, const struct entry *e)
{
    const struct change *c = &e->change;
    bool of_members = c->op == CHANGE_JOIN || c->op == CHANGE_LEAVE || c->op == CHANGE_BEAT;

    relay_lock(s->relay);
    s->reached = u64_max(s->reached, e->position);
    s->met = e->position;
    s->met_hash = entry_hash(e->position, c->message);
    if (e->trust == TRUST_FULL && change_sets_max_stale(c))
        s->max_stale_ms = c->version;
    s->beat_wanted |= e->trust == TRUST_FULL && !of_members && c->nonce != 0;
    relay_unlock(s->relay);
    if (e->trust == TRUST_FULL && (c->op == CHANGE_JOIN || c->op == CHANGE_BEAT))
        meet(s, e);
}

/* ---- publishing ----------------------------------------------------------------------------
 */

/* What the bus acknowledged is there: see `reached`. */
static void acknowledged(struct relay_side *s, const struct position *last)
{
    relay_lock(s->relay);
    if (s->attached && s->epoch == last->epoch)
        s->reached = u64_max(s->reached, last->value);
    relay_unlock(s->relay);
}

int relay_side_publish(struct relay_side *s, const struct change *changes, size_t count,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct position last;

    relay_lock(s->relay);
    struct bus *bus = s->attached ? s->bus : NULL;
    bool twice = is_one_log(s->relay);
    if (!bus)
        (void)bus_fail(why, ACCORD_E_DOWN, "%.100s is not attached%s%.380s", s->shown,
                       s->lost_why[0] ? ": " : "", s->lost_why);
    relay_unlock(s->relay);
    if (twice) /* not a clear, nor a sign of life: the relay is about to end */
        return bus_fail(why, ACCORD_E_DOWN, "%.200s is the other bus's log too", s->shown);
    if (!bus)
        return ACCORD_E_DOWN;
    int status = s->ops.publish(bus, changes, count, &last, why);
    if (status == ACCORD_OK)
        acknowledged(s, &last);
    return status;
}

/* The longest that either lane stands still now. Under the mutex. */
static uint64_t stalled_ms(const struct relay *r, uint64_t now_ns)
{
    uint64_t most_ns = 0;

    for (size_t i = 0; i < RELAY_SIDES; i++)
        if (r->lanes[i].stalled_ns > 0)
            most_ns = u64_max(most_ns, u64_sub_sat(now_ns, r->lanes[i].stalled_ns));
    return most_ns / NS_PER_MS;
}

/* "role address version", as a node's. */
static void print_about(const struct relay_side *s, uint64_t stalled, char *text, size_t bytes)
{
    const struct relay_side *other = &s->relay->sides[s == &s->relay->sides[0]];
    char behind[32] = "";

    if (stalled >= RELAY_STALLED_SAID_MS)
        snprintf(behind, sizeof behind, " stalled:%llus", (unsigned long long)(stalled / 1000));
    snprintf(text, bytes, "relay uncoupled:%s %s%s", other->ops.scheme, ACCORD_VERSION, behind);
}

static struct change make(struct relay_side *s, enum change_op op)
{
    return (struct change){.op = op,
                           .message = relay_message(s->relay),
                           .wall_ms = time_wall_ms(),
                           .origin = bytes_of_text(s->relay->options->name),
                           .incarnation = s->relay->incarnation};
}

/* Every second one is a join: who begins to watch later learns by it what is carried. The first
 * says of no place that it is applied: see is_first_word(). The others are beats, by which some
 * buses prove to their own reader that nothing was lost (nats/reader.c). */
static void send_beat(struct relay_side *s, uint64_t now_ns)
{
    struct change beat = make(s, s->beats % 2 == 0 ? CHANGE_JOIN : CHANGE_BEAT);
    char about[128], why[BUS_WHY_BYTES_MAX];

    beat.nonce = beat.message.low | 1;
    relay_lock(s->relay);
    uint64_t stalled = stalled_ms(s->relay, now_ns);
    uint64_t every_ms = s->max_stale_ms / 2;
    if (s->joined) { /* nodes believe a place by its entry; of what was not read, none is known
                      */
        beat.applied = s->met > 0 ? s->met : s->reached;
        beat.applied_hash = s->met_hash;
    }
    beat.lease_epoch = s->epoch;
    s->beat_wanted = false;
    relay_unlock(s->relay);
    print_about(s, stalled, about, sizeof about);
    if (beat.op == CHANGE_JOIN)
        beat.about = bytes_of_text(about);
    if (relay_side_publish(s, &beat, 1, why) == ACCORD_OK) {
        s->joined = true;
        s->beats++;
        s->beat_due_ns = now_ns + every_ms * NS_PER_MS;
    } else {
        s->beat_due_ns = now_ns + RELAY_RETRY_MS_MIN * NS_PER_MS;
    }
}

uint64_t relay_side_beat(struct relay_side *s)
{
    uint64_t now_ns = relay_now_ns();

    relay_lock(s->relay);
    bool attached = s->attached, wanted = s->beat_wanted;
    relay_unlock(s->relay);
    if (!attached)
        return RELAY_RETRY_MS_MIN;
    if (wanted || now_ns >= s->beat_due_ns)
        send_beat(s, now_ns);
    return u64_sub_sat(s->beat_due_ns, now_ns) / NS_PER_MS;
}

void relay_side_leave(struct relay_side *s)
{
    struct change leave = make(s, CHANGE_LEAVE);
    char why[BUS_WHY_BYTES_MAX];

    if (s->joined && relay_side_publish(s, &leave, 1, why) != ACCORD_OK)
        RELAY_SAY(s->relay, LOG_WARN, "not-left", log_text("bus", s->shown),
                  log_text("why", why));
}
