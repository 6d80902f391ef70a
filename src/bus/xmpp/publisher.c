/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/publisher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/time.h"
#include "wire/chat.h"

enum { PRUNE_AFTER = 64 }; /* changes, and an eighth of what is kept */

int xmpp_publisher_init(struct xmpp_publisher *p, struct xmpp_room *room,
                        const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    *p = (struct xmpp_publisher){
        .room = room, .timeout_ms = s->timeout_ms, .retain_changes = s->retain_changes};
    p->records = malloc(XMPP_PART_RECORDS_BYTES_MAX + CHANGE_RECORD_BYTES_MAX);
    p->body = malloc(CHAT_BODY_BYTES_MAX);
    p->list = malloc(PUBLISH_BATCH_MAX * sizeof *p->list);
    p->said = malloc(PUBLISH_BATCH_MAX * sizeof *p->said);
    if (p->records && p->body && p->list && p->said)
        return ACCORD_OK;
    xmpp_publisher_done(p);
    return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
}

void xmpp_publisher_done(struct xmpp_publisher *p)
{
    free(p->records);
    free(p->body);
    free(p->list);
    free(p->said);
    p->list = NULL;
    p->said = NULL;
    p->records = NULL;
    p->body = NULL;
}

void xmpp_publisher_aim(struct xmpp_publisher *p, struct id128 log, uint64_t epoch)
{
    pthread_mutex_lock(&p->room->link.mutex);
    p->aimed = true;
    p->log = log;
    p->epoch = epoch;
    pthread_mutex_unlock(&p->room->link.mutex);
}

/* The changes that are new, in their order. */
struct batch {
    const struct change *changes;
    size_t fresh[PUBLISH_BATCH_MAX];
    size_t count;
    bool archived;
};

/* So many of them, from `first` on, as go into one message; into p->records. */
static size_t pack(struct xmpp_publisher *p, const struct batch *b, size_t first, size_t *bytes)
{
    size_t i = first, one = 0;

    *bytes = 0;
    while (i < b->count && *bytes < XMPP_PART_RECORDS_BYTES_MAX) {
        int status = change_encode(&b->changes[b->fresh[i]], p->records + *bytes,
                                   CHANGE_RECORD_BYTES_MAX, &one);
        ASSERT(status == ACCORD_OK);
        if (i > first && *bytes + one > XMPP_PART_RECORDS_BYTES_MAX)
            break;
        *bytes += one;
        i++;
    }
    return i - first;
}

static uint32_t parts_of(struct xmpp_publisher *p, const struct batch *b)
{
    uint32_t parts = 0;
    size_t bytes;

    for (size_t i = 0; i < b->count; parts++)
        i += pack(p, b, i, &bytes);
    return parts;
}

/* Whose batch it is, where all of it is one incarnation's; none: not so. */
static struct id128 sender_of(const struct batch *b)
{
    const struct change *first = &b->changes[b->fresh[0]];

    for (size_t i = 0; i < b->count; i++) {
        const struct change *c = &b->changes[b->fresh[i]];
        if (c->sequence != first->sequence + i ||
            !id128_equal(c->incarnation, first->incarnation))
            return (struct id128){0, 0};
    }
    return first->sequence > 0 ? first->incarnation : (struct id128){0, 0};
}

/* What is said of our own sequence. An archived batch counts from when it is said, taken or
 * not: what is too high a number here makes readers ask, what is too low would hide a removal
 * from them. */
static struct xmpp_voice voice_of(struct xmpp_publisher *p, const struct batch *b)
{
    struct id128 sender = sender_of(b);
    uint64_t first = b->changes[b->fresh[0]].sequence, last = first + b->count - 1;

    if (id128_is_none(sender)) {
        p->incarnation = sender;
        return (struct xmpp_voice){.first = 0};
    }
    if (!id128_equal(sender, p->incarnation)) { /* of what it said before, only this is known */
        p->incarnation = sender;
        p->kept_known = first == 1;
        p->kept = p->newest_first = p->newest_last = 0;
    }
    if (first > p->newest_last)
        p->kept = p->newest_last;
    else if (first >= p->newest_first) /* said once more, or the rest of it */
        p->kept = first > p->newest_first ? first - 1 : p->kept;
    else
        p->kept_known = false;
    struct xmpp_voice v = {sender, p->kept_known && p->kept < first ? first : 0, p->kept};
    if (b->archived && last > p->newest_last) {
        p->kept_known = p->kept_known || p->newest_last == 0;
        p->newest_first = first > p->newest_last ? first : p->newest_first;
        p->newest_last = last;
    }
    return v;
}

/* Where we stand, as the room knows it now. */
static struct xmpp_beside beside_of(const struct xmpp_publisher *p, const struct batch *b)
{
    const struct xmpp_mark *m = &p->room->mark;
    struct xmpp_beside x = {.log = m->log,
                            .epoch = m->epoch,
                            .number = m->number,
                            .place = m->place,
                            .last = m->last,
                            .floor = m->floor,
                            .max_stale_ms = m->max_stale_ms,
                            .max_stale_before_ms = m->max_stale_before_ms,
                            .batch = xmpp_random() | 1,
                            .count = (uint32_t)b->count};

    memcpy(x.at, m->aid, sizeof x.at);
    if (m->number - m->floor >
        u64_add_sat(p->retain_changes, p->retain_changes / 8 + PRUNE_AFTER))
        x.floor = m->number - p->retain_changes;
    for (size_t i = 0; i < b->count; i++) {
        const struct change *c = &b->changes[b->fresh[i]];
        if (!change_sets_max_stale(c))
            continue;
        x.sets_max_stale = true;
        x.max_stale_ms = c->version;
        x.max_stale_before_ms = change_max_stale_before(c);
    }
    return x;
}

static void print_body(struct xmpp_publisher *p, const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        p->list[i] = b->changes[b->fresh[i]];
    (void)chat_print(p->list, b->count, p->body);
}

/* All parts of it are given to the link at once; the last has the words. The mutex is held. */
static int send_parts(struct xmpp_publisher *p, const struct batch *b, struct xmpp_beside *x,
                      char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_link *l = &p->room->link;
    int status = ACCORD_OK;

    x->parts = parts_of(p, b);
    for (size_t i = 0, bytes; i < b->count && status == ACCORD_OK; x->part++) {
        size_t length;
        i += pack(p, b, i, &bytes);
        char *text = xmpp_message_write(l, p->room->pending.id, x,
                                        x->part + 1 == x->parts ? p->body : "", b->archived,
                                        bytes_of(p->records, bytes), &length);
        status = text ? xmpp_link_send(l, l->generation, text, length, why)
                      : bus_fail(why, ACCORD_E_NOMEM, "out of memory");
        free(text);
    }
    return status;
}

static int refused(const struct xmpp_pending *pending, char why[BUS_WHY_BYTES_MAX])
{
    bool denied = strcmp(pending->condition, "forbidden") == 0 ||
                  strcmp(pending->condition, "not-allowed") == 0;

    return bus_fail(why, denied ? ACCORD_E_DENIED : ACCORD_E_DOWN,
                    "xmpp: the room refuses what this node says: %s%s", pending->condition,
                    denied ? " (give it a voice)" : "");
}

static int wait_for_echo(struct xmpp_publisher *p, uint64_t generation,
                         char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = time_monotonic_ns() + p->timeout_ms * NS_PER_MS;
    struct xmpp_room *r = p->room;

    while (!r->pending.done) {
        if (r->pending.refused)
            return refused(&r->pending, why);
        if (r->link.generation != generation)
            return bus_fail(why, ACCORD_E_TIMEOUT, "%s",
                            r->link.why[0] ? r->link.why : "xmpp: the connection was lost");
        if (!xmpp_link_wait(&r->link, deadline_ns))
            return bus_fail(why, ACCORD_E_TIMEOUT,
                            "xmpp: what was said did not come back in time");
    }
    return ACCORD_OK;
}

/* The mutex is held. */
static int say(struct xmpp_publisher *p, struct batch *b, struct position *last,
               char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_room *r = p->room;
    struct xmpp_beside x = beside_of(p, b);

    x.voice = voice_of(p, b);
    r->pending = (struct xmpp_pending){.batch = x.batch};
    snprintf(r->pending.id, sizeof r->pending.id, "accord-%016" PRIx64, x.batch);
    print_body(p, b);
    p->said_generation = r->link.generation;
    p->said_count = b->count;
    for (size_t i = 0; i < b->count; i++)
        p->said[i] = b->changes[b->fresh[i]].message;
    int status = send_parts(p, b, &x, why);
    if (status == ACCORD_OK)
        status = wait_for_echo(p, p->said_generation, why);
    if (status == ACCORD_OK)
        *last = r->pending.at;
    if (status != ACCORD_E_TIMEOUT)
        r->pending = (struct xmpp_pending){0};
    return status;
}

/* What was said before may be under way still, or in the log: said once more it would be there
 * twice. On the same seat its echo is waited for; on another, the archive has been looked into.
 * The mutex is held. */
static int settle(struct xmpp_publisher *p, char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_room *r = p->room;
    const struct id128 none = {0, 0};
    int status = ACCORD_OK;

    if (r->pending.batch == 0)
        return ACCORD_OK;
    if (!r->pending.done && p->said_generation == r->link.generation)
        status = wait_for_echo(p, p->said_generation, why);
    if (status == ACCORD_E_TIMEOUT)
        return status;
    if (r->pending.done && r->pending.at.epoch == r->mark.epoch) {
        uint64_t end = xmpp_number_of(r->pending.at.value);
        for (size_t i = 0; i < p->said_count; i++)
            if (xmpp_room_known(r, p->said[i]) == 0)
                xmpp_room_remember(
                    r, p->said[i],
                    xmpp_position(end - p->said_count + i + 1, 0, p->said[i], none));
    }
    r->pending = (struct xmpp_pending){0};
    return status;
}

/* Beats are heard and not kept; but now and then, and where one says what must not be lost. */
static bool is_archived(const struct xmpp_publisher *p, const struct batch *b)
{
    if (p->room->mark.place >= XMPP_ARCHIVE_AT_PLACE)
        return true;
    for (size_t i = 0; i < b->count; i++) {
        const struct change *c = &b->changes[b->fresh[i]];
        if (c->op != CHANGE_BEAT || change_sets_max_stale(c))
            return true;
    }
    return false;
}

static int check_aim(const struct xmpp_publisher *p, char why[BUS_WHY_BYTES_MAX])
{
    const struct xmpp_room *r = p->room;

    if (p->aimed && r->counting && id128_equal(p->log, r->mark.log) &&
        p->epoch == r->mark.epoch)
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_DOWN, "%s",
                    r->link.why[0] && !r->counting ? r->link.why
                                                   : "xmpp: not attached to this log");
}

int xmpp_publisher_publish(struct xmpp_publisher *p, const struct change *changes, size_t count,
                           struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    struct batch b = {.changes = changes};
    struct xmpp_room *r = p->room;

    pthread_mutex_lock(&r->link.mutex);
    int status = check_aim(p, why);
    if (status == ACCORD_OK)
        status = settle(p, why);
    if (status == ACCORD_OK) /* it may have waited */
        status = check_aim(p, why);
    for (size_t i = 0; i < count && status == ACCORD_OK; i++)
        if (xmpp_room_known(r, changes[i].message) == 0)
            b.fresh[b.count++] = i;
    b.archived = is_archived(p, &b);
    if (status == ACCORD_OK && b.count > 0)
        status = say(p, &b, last, why);
    if (status == ACCORD_OK &&
        (b.count == 0 || b.fresh[b.count - 1] != count - 1)) /* its last was there before */
        *last =
            (struct position){r->mark.epoch, xmpp_room_known(r, changes[count - 1].message)};
    pthread_mutex_unlock(&r->link.mutex);
    return status;
}
