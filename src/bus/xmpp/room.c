/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/room.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what is known ------------------------------------------------------------------------
 */

static struct xmpp_known *set_of(struct xmpp_room *r, struct id128 message)
{
    return r->known[cursor_hash(0, 0, message) % XMPP_KNOWN_SETS];
}

uint64_t xmpp_room_known(struct xmpp_room *r, struct id128 message)
{
    const struct xmpp_known *set = set_of(r, message);

    for (size_t i = 0; i < XMPP_KNOWN_WAYS; i++)
        if (id128_equal(set[i].message, message))
            return set[i].position;
    return 0;
}

/* In the place of the oldest of its set. */
void xmpp_room_remember(struct xmpp_room *r, struct id128 message, uint64_t position)
{
    struct xmpp_known *set = set_of(r, message), *oldest = set;

    for (size_t i = 1; i < XMPP_KNOWN_WAYS; i++)
        if (set[i].position < oldest->position)
            oldest = &set[i];
    *oldest = (struct xmpp_known){message, position};
}

static void remember_all(struct xmpp_room *r, const struct xmpp_item *item)
{
    for (size_t i = 0; i < item->count; i++)
        xmpp_room_remember(r, xmpp_item_message(item, i, r->mark.log),
                           xmpp_item_position(item, i, r->mark.log));
}

/* ---- index, recent ------------------------------------------------------------------------
 */

static void add_index(struct xmpp_room *r, const struct xmpp_heard *h)
{
    if (r->index_count == XMPP_INDEX_MAX) { /* the older half goes */
        r->index_count /= 2;
        memmove(r->index, r->index + r->index_count, r->index_count * sizeof *r->index);
    }
    struct xmpp_index *i = &r->index[r->index_count++];
    memcpy(i->aid, h->aid, sizeof i->aid);
    i->end = r->mark.number;
    i->last = r->mark.last;
    i->came_ms = h->came_ms;
}

bool xmpp_room_indexed(const struct xmpp_room *r, const char *aid, uint64_t *end)
{
    for (size_t i = r->index_count; i-- > 0;)
        if (strcmp(r->index[i].aid, aid) == 0) {
            *end = r->index[i].end;
            return true;
        }
    return false;
}

const struct xmpp_index *xmpp_room_before(const struct xmpp_room *r, uint64_t number)
{
    size_t low = 0, high = r->index_count; /* the first whose end is greater */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->index[middle].end <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &r->index[low - 1] : NULL;
}

bool xmpp_room_agrees(const struct xmpp_room *r, const char *aid, uint64_t number)
{
    const struct xmpp_index *i = xmpp_room_before(r, number);

    if (!i || number > r->index[r->index_count - 1].end)
        return true;
    for (; i >= r->index && i->end == number; i--)
        if (strcmp(i->aid, aid) == 0)
            return true;
    return false;
}

static void drop_oldest(struct xmpp_room *r)
{
    struct xmpp_item *i = r->recent[r->recent_first];

    r->recent_number = xmpp_item_end(i);
    r->recent_bytes -= i->heard.data_bytes;
    r->recent_first = (r->recent_first + 1) % XMPP_RECENT_MAX;
    r->recent_count--;
    xmpp_item_drop(i);
}

static void add_recent(struct xmpp_room *r, struct xmpp_item *i)
{
    r->recent_bytes += i->heard.data_bytes;
    r->recent[(r->recent_first + r->recent_count++) % XMPP_RECENT_MAX] = i;
    while (r->recent_count == XMPP_RECENT_MAX ||
           (r->recent_count > 1 && r->recent_bytes > XMPP_RECENT_BYTES_MAX))
        drop_oldest(r);
}

/* ---- counting -----------------------------------------------------------------------------
 */

static void begin_epoch(struct xmpp_mark *m, const struct xmpp_beside *b)
{
    m->log = b->log;
    m->epoch = b->epoch;
    m->number = m->place = m->head = m->floor = 0;
    m->last = (struct id128){0, 0};
    m->max_stale_ms = b->max_stale_ms;
    m->max_stale_before_ms = b->max_stale_before_ms;
}

static void over_entries(struct xmpp_mark *m, const struct xmpp_beside *b,
                         struct xmpp_item *item)
{
    bool ours = item->heard.has_beside && id128_equal(b->log, m->log) && b->epoch == m->epoch;

    if (ours && b->floor > m->floor && b->floor <= m->number)
        m->floor = b->floor;
    if (ours && b->sets_max_stale) {
        m->max_stale_ms = b->max_stale_ms;
        m->max_stale_before_ms = b->max_stale_before_ms;
    }
    item->number = m->number;
    item->last = m->last;
    if (item->archived) {
        m->number += item->count;
        m->place = 0;
        m->last = xmpp_item_message(item, item->count - 1, m->log);
    } else {
        uint64_t told = ours && b->number == m->number ? b->place : 0;
        item->place = u64_max(m->place, told) + 1 + item->missed;
        m->place = item->place + item->count - 1;
    }
    m->head = xmpp_item_position(item, item->count - 1, m->log);
}

void xmpp_mark_over(struct xmpp_mark *m, const struct xmpp_heard *h, struct xmpp_item *item)
{
    if (item && item->begin) {
        if (strcmp(item->heard.beside.at, m->aid) == 0)
            begin_epoch(m, &item->heard.beside);
        else
            item->begin = false; /* another message came before it */
    } else if (item) {
        over_entries(m, &item->heard.beside, item);
    }
    if (h->aid[0])
        memcpy(m->aid, h->aid, sizeof m->aid);
}

static void tell_publisher(struct xmpp_room *r, uint64_t batch, uint64_t position)
{
    if (batch == 0 || r->pending.batch != batch)
        return;
    r->pending.done = true;
    r->pending.at = (struct position){r->mark.epoch, position};
}

void xmpp_room_found(struct xmpp_room *r, const struct xmpp_heard *h, const struct xmpp_mark *m)
{
    const struct xmpp_beside *b = &h->beside;
    const struct id128 none = {0, 0};

    if (!h->has_beside || b->begin || b->part + 1 < b->parts || b->batch != r->pending.batch)
        return;
    r->pending.done = true;
    r->pending.at = (struct position){m->epoch, xmpp_position(m->number, 0, m->last, none)};
}

/* A beat that its sender, who had not heard whether it was taken, says once more: we have heard
 * it. (What is archived counts twice for all, so its sender looks into the archive first.) */
static bool repeats(struct xmpp_room *r, const struct xmpp_item *item)
{
    if (!item || item->archived || item->count == 0 || !item->heard.has_beside)
        return false;
    for (size_t i = 0; i < item->count; i++)
        if (xmpp_room_known(r, xmpp_item_message(item, i, r->mark.log)) == 0)
            return false;
    tell_publisher(r, item->heard.beside.batch,
                   xmpp_room_known(r, xmpp_item_message(item, item->count - 1, r->mark.log)));
    return true;
}

/* Leaves places before a beat, where we were away while its sender said others. */
static void leave_room(struct xmpp_room *r, struct xmpp_item *item)
{
    const struct xmpp_voice *voice = &item->heard.beside.voice;

    if (!item->heard.has_beside || item->count == 0)
        return;
    uint64_t missed = xmpp_missed_room(voice, xmpp_voices_last(&r->voices, voice->incarnation));
    if (!item->archived && r->mark.place + missed <= XMPP_MISSED_PLACE_MAX)
        item->missed = (uint32_t)missed;
    if (voice->first > 0)
        xmpp_voices_heard(&r->voices, voice->incarnation, voice->first + item->count - 1);
}

/* One that is live. */
static void count(struct xmpp_room *r, struct xmpp_heard *h)
{
    struct xmpp_heard names = *h; /* without its data, which the item takes */
    struct xmpp_item *item = xmpp_item_new(h, &r->parts);
    uint64_t epoch = r->mark.epoch;

    if (repeats(r, item)) {
        xmpp_item_drop(item);
        item = NULL;
    }
    if (item && !item->archived && r->mark.place + item->count + 1 > XMPP_PLACE_MAX / 2) {
        xmpp_item_drop(item); /* no place left: as if it had been lost on the way */
        item = NULL;
    }
    if (item && item->begin && !item->archived) {
        xmpp_item_drop(item);
        item = NULL;
    }
    if (item)
        leave_room(r, item);
    xmpp_mark_over(&r->mark, &names, item);
    if (r->mark.epoch != epoch) {
        r->index_count = 0;
        memset(r->known, 0, sizeof r->known); /* they may be what was lost */
        while (r->recent_count > 0)
            drop_oldest(r);
        r->recent_number = 0;
    }
    if (names.aid[0])
        add_index(r, &names);
    if (item && item->count > 0) {
        remember_all(r, item);
        if (item->heard.has_beside)
            tell_publisher(r, item->heard.beside.batch, r->mark.head);
        add_recent(r, item);
    } else {
        xmpp_item_drop(item);
    }
}

static void heard(void *context, struct xmpp_heard *h)
{
    struct xmpp_room *r = context;

    if (r->counting) {
        count(r, h);
    } else if (r->waiting_count < XMPP_WAITING_MAX) {
        r->waiting[r->waiting_count++] = *h;
        h->data = NULL;
    } else {
        r->waiting_lost = true;
    }
}

static void drop_waiting(struct xmpp_room *r)
{
    for (size_t i = 0; i < r->waiting_count; i++)
        xmpp_heard_done(&r->waiting[i]);
    r->waiting_count = 0;
    r->waiting_lost = false;
}

bool xmpp_room_count_from(struct xmpp_room *r, const struct xmpp_mark *mark)
{
    size_t first = 0;
    uint64_t end;

    if (r->waiting_lost)
        return false;
    r->mark = *mark;
    r->recent_number = mark->number;
    r->counting = true;
    for (size_t i = 0; i < r->waiting_count; i++)
        if (r->waiting[i].aid[0] && xmpp_room_indexed(r, r->waiting[i].aid, &end))
            first = i + 1;
    for (size_t i = first; i < r->waiting_count; i++)
        count(r, &r->waiting[i]);
    drop_waiting(r);
    return true;
}

void xmpp_room_forget(struct xmpp_room *r)
{
    if (r->counting) {
        r->seen = r->mark;
        r->has_seen = true;
    }
    r->counting = false;
    r->index_count = 0;
    while (r->recent_count > 0)
        drop_oldest(r);
    xmpp_parts_done(&r->parts);
}

static void ended(void *context)
{
    struct xmpp_room *r = context;

    xmpp_room_forget(r);
    drop_waiting(r);
}

static void refused(void *context, const char *id, const char *condition)
{
    struct xmpp_room *r = context;

    if (r->pending.batch == 0 || strcmp(id, r->pending.id) != 0)
        return;
    r->pending.refused = true;
    snprintf(r->pending.condition, sizeof r->pending.condition, "%s", condition);
}

int xmpp_room_open(struct xmpp_room *r, const struct xmpp_place *place,
                   const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX])
{
    r->index = malloc(XMPP_INDEX_MAX * sizeof *r->index);
    r->waiting = malloc(XMPP_WAITING_MAX * sizeof *r->waiting);
    if (!r->index || !r->waiting)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    r->link.context = r;
    r->link.heard = heard;
    r->link.refused = refused;
    r->link.ended = ended;
    return xmpp_link_open(&r->link, place, s, why);
}

void xmpp_room_close(struct xmpp_room *r)
{
    xmpp_link_close(&r->link);
    xmpp_room_forget(r);
    drop_waiting(r);
    free(r->index);
    free(r->waiting);
    r->index = NULL;
    r->waiting = NULL;
}
