/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/reader.h"

#include <stdlib.h>

#include "bus/signing.h"
#include "net/time.h"

enum {
    CLOCKS_APART_MS = 60 * 1000, /* the archive's times are the server's */
    /* To find our place, however short the calls of a publisher are: some archives are read
     * whole for each question. */
    FIND_MS = 10 * 1000,
};

static uint64_t find_by(const struct xmpp_reader *r)
{
    return time_monotonic_ns() + u64_max(r->timeout_ms, FIND_MS) * NS_PER_MS;
}

void xmpp_reader_init(struct xmpp_reader *r, struct xmpp_room *room,
                      const struct bus_settings *s)
{
    memset(r, 0, sizeof *r);
    r->room = room;
    r->max_stale_ms = s->max_stale_ms;
    r->timeout_ms = s->timeout_ms;
    r->hand = s->hand;
    r->fills = !s->signing || s->signing->key_count == 0;
}

static void lock(struct xmpp_reader *r)
{
    pthread_mutex_lock(&r->room->link.mutex);
}

static void unlock(struct xmpp_reader *r)
{
    pthread_mutex_unlock(&r->room->link.mutex);
}

/* The link's thread drops items too. */
static void release(struct xmpp_reader *r)
{
    lock(r);
    for (size_t i = 0; i < r->held_count; i++)
        xmpp_item_drop(r->held[i]);
    unlock(r);
    r->held_count = r->entry_count = 0;
}

static void drop_pages(struct xmpp_reader *r)
{
    for (size_t i = 0; i < r->page_count; i++)
        xmpp_item_drop(r->pages[i]);
    r->page_count = 0;
    r->page_number = r->page_end = 0;
}

void xmpp_reader_done(struct xmpp_reader *r)
{
    if (!r->room)
        return;
    release(r);
    drop_pages(r);
    xmpp_parts_done(&r->parts);
    r->room = NULL;
}

void xmpp_reader_wake(struct xmpp_reader *r)
{
    lock(r);
    r->room->woken = true;
    pthread_cond_broadcast(&r->room->link.changed);
    unlock(r);
}

static int gone(const struct xmpp_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_GONE,
                    "xmpp: %s no longer has the entry at the cursor (lost, forgotten, or "
                    "another log)",
                    r->room->link.place->room);
}

/* ---- pages of the archive -----------------------------------------------------------------
 */

/* What followed `from` in the archive, into r->pages. The numbers must be those that the index
 * has: else the archive has a hole. */
static int take_page(struct xmpp_reader *r, struct xmpp_page *page,
                     const struct xmpp_index *from)
{
    struct xmpp_mark m = {
        .log = r->log, .epoch = r->epoch, .number = from->end, .last = from->last};
    int status = ACCORD_OK;

    drop_pages(r);
    r->page_number = from->end;
    for (size_t i = 0; i < page->count; i++) {
        struct xmpp_heard names = page->messages[i];
        struct xmpp_item *item = xmpp_item_new(&page->messages[i], &r->parts);

        if (item &&
            item->begin) { /* the log that was attached ends here, or it meant nothing */
            xmpp_item_drop(item);
            item = NULL;
        }
        xmpp_mark_over(&m, &names, item);
        lock(r);
        bool agrees = xmpp_room_agrees(r->room, names.aid, m.number);
        unlock(r);
        if (!agrees)
            status = ACCORD_E_GONE;
        if (item)
            r->pages[r->page_count++] = item;
    }
    r->page_end = m.number;
    return status;
}

/* So that what follows `number` is in r->pages. Messages without entries may fill a page: then
 * the next. */
static int fetch(struct xmpp_reader *r, uint64_t number, uint64_t deadline_ns,
                 char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_page *page = malloc(sizeof *page);
    struct xmpp_index from = {.end = 0};

    if (!page)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    lock(r);
    const struct xmpp_index *known = xmpp_room_before(r->room, number);
    if (known)
        from = *known;
    unlock(r);
    int status = known ? ACCORD_OK : gone(r, why);
    do {
        if (status == ACCORD_OK)
            status = xmpp_link_page(&r->room->link, /* before= */ false, from.aid, deadline_ns,
                                    page, why);
        if (status != ACCORD_OK)
            break;
        if (page->count > 0)
            memcpy(from.aid, page->messages[page->count - 1].aid, sizeof from.aid);
        bool more = !page->complete && page->count > 0;
        if (take_page(r, page, &from) != ACCORD_OK || (!more && r->page_end <= number))
            status = gone(r, why);
        from.end = r->page_end;
        xmpp_page_done(page);
    } while (status == ACCORD_OK && r->page_end <= number);
    free(page);
    return status;
}

/* An item of which parts came before what was read: they are fetched once more. */
static int complete(struct xmpp_reader *r, struct xmpp_item **item, uint64_t deadline_ns,
                    char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_item *old = *item;
    struct xmpp_page *page = malloc(sizeof *page);
    struct xmpp_parts parts = {0};
    char from[XMPP_AID_BYTES_MAX];
    bool done = false;
    int status = page ? ACCORD_OK : bus_fail(why, ACCORD_E_NOMEM, "out of memory");

    memcpy(from, old->heard.beside.at, sizeof from);
    while (status == ACCORD_OK && !done) {
        status =
            xmpp_link_page(&r->room->link, /* before= */ false, from, deadline_ns, page, why);
        if (status != ACCORD_OK)
            break;
        done = page->complete || page->count == 0;
        if (page->count > 0)
            memcpy(from, page->messages[page->count - 1].aid, sizeof from);
        for (size_t i = 0; i < page->count; i++) {
            bool last = strcmp(page->messages[i].aid, old->heard.aid) == 0;
            struct xmpp_item *it = xmpp_item_new(&page->messages[i], &parts);
            if (last && it && it->count == old->count) {
                it->number = old->number;
                it->last = old->last;
                it->whole = done = true; /* what did not come is not there */
                *item = it;
                break;
            }
            xmpp_item_drop(it);
        }
        xmpp_page_done(page);
    }
    xmpp_parts_done(&parts);
    free(page);
    if (status == ACCORD_OK && *item == old)
        status = gone(r, why);
    return status;
}

/* ---- attach -------------------------------------------------------------------------------
 */

/* The name of the archived change `number`. */
static int name_of(struct xmpp_reader *r, uint64_t number, uint64_t deadline_ns,
                   struct id128 *name, char why[BUS_WHY_BYTES_MAX])
{
    int status = ACCORD_OK;

    lock(r);
    bool newest = r->room->mark.number == number;
    *name = r->room->mark.last;
    const struct xmpp_index *known = xmpp_room_before(r->room, number);
    bool at_end = !newest && known && known->end == number;
    if (at_end)
        *name = known->last;
    unlock(r);
    if (newest || at_end)
        return ACCORD_OK;
    if (number <= r->page_number || number > r->page_end)
        status = fetch(r, number - 1, deadline_ns, why);
    for (size_t i = 0; i < r->page_count && status == ACCORD_OK; i++) {
        if (r->pages[i]->number >= number || xmpp_item_end(r->pages[i]) < number)
            continue;
        if (!r->pages[i]->whole) {
            struct xmpp_item *old = r->pages[i];
            status = complete(r, &r->pages[i], deadline_ns, why);
            if (status != ACCORD_OK)
                return status;
            xmpp_item_drop(old);
        }
        *name = xmpp_item_message(r->pages[i], number - r->pages[i]->number - 1, r->log);
        return ACCORD_OK;
    }
    return status == ACCORD_OK ? gone(r, why) : status;
}

/* Whether the log that the room counts has the entry at the cursor. */
static int prove(struct xmpp_reader *r, const struct cursor *at, uint64_t deadline_ns,
                 char why[BUS_WHY_BYTES_MAX])
{
    uint64_t number = xmpp_number_of(at->position),
             place = xmpp_place_of_position(at->position);
    const struct id128 none = {0, 0};
    struct id128 name = none;

    lock(r);
    struct xmpp_mark mark = r->room->mark;
    unlock(r);
    if (!id128_equal(at->log, mark.log) || at->epoch != mark.epoch || number > mark.number ||
        number < mark.floor)
        return gone(r, why);
    r->log = mark.log;
    r->epoch = mark.epoch;
    int status = number > 0 ? name_of(r, number, deadline_ns, &name, why) : ACCORD_OK;
    if (status != ACCORD_OK)
        return status;
    if (place == 0 &&
        (at->position != (number > 0 ? xmpp_position(number, 0, name, none) : 0) ||
         (!id128_is_none(at->message) && !id128_equal(at->message, name))))
        return gone(r, why);
    if (place > 0 && !id128_is_none(at->message) &&
        at->position != xmpp_position(number, place, name, at->message))
        return gone(r, why);
    return ACCORD_OK;
}

/* Counting, from a place that is far enough back. */
static int counting(struct xmpp_reader *r, uint64_t number, uint64_t came_ms,
                    uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_past_wanted w = {
        .number = number, .came_ms = came_ms, .max_stale_ms = r->max_stale_ms};
    struct xmpp_room *room = r->room;

    lock(r);
    bool enough = room->counting && room->link.state == XMPP_UP && room->index_count > 0;
    if (enough && number != UINT64_MAX)
        enough = room->index[0].end <= u64_max(number, room->mark.floor);
    if (enough && came_ms > 0 && room->index[0].end > room->mark.floor)
        enough = room->index[0].came_ms < came_ms || room->index[0].end == 0;
    if (!enough)
        xmpp_room_forget(room);
    unlock(r);
    drop_pages(r);
    return enough ? ACCORD_OK : xmpp_past_look(room, &w, deadline_ns, why);
}

/* Before every entry younger than view_ms. The mutex is held. */
static uint64_t view_begin(const struct xmpp_room *room, uint64_t before_ms)
{
    const struct xmpp_mark *m = &room->mark;
    const struct id128 none = {0, 0};
    size_t i = room->index_count;

    if (before_ms == 0)
        return m->head;
    while (i > 0 && room->index[i - 1].came_ms >= before_ms)
        i--;
    if (i == room->index_count)
        return m->head;
    const struct xmpp_index *at = &room->index[i > 0 ? i - 1 : 0];
    for (i = 0; at->end < m->floor && i < room->index_count; i++)
        at = &room->index[i];
    return at->end > 0 ? xmpp_position(at->end, 0, at->last, none) : 0;
}

static void tell(struct xmpp_reader *r, const struct cursor *resume, uint64_t before_ms,
                 struct bus_attached *out)
{
    struct xmpp_mark *m = &r->room->mark;
    uint64_t after = view_begin(r->room, before_ms);

    /* What the cursor saw after the last archived change is not to be had again, but was. */
    if (resume && xmpp_number_of(resume->position) == m->number && resume->position > m->head) {
        m->place = u64_max(m->place, xmpp_place_of_position(resume->position));
        m->head = resume->position;
    }
    if (resume)
        after = before_ms == 0 ? resume->position : u64_min(after, resume->position);
    *out = (struct bus_attached){.log = m->log,
                                 .epoch = m->epoch,
                                 .after = after,
                                 .head = m->head,
                                 .max_stale_ms = m->max_stale_ms,
                                 .max_stale_before_ms = m->max_stale_before_ms,
                                 .resumed = resume != NULL};
    r->log = m->log;
    r->epoch = m->epoch;
    r->attached = true;
}

int xmpp_reader_attach(struct xmpp_reader *r, const struct cursor *resume, uint64_t view_ms,
                       struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = find_by(r);
    uint64_t before_ms = view_ms > 0 ? u64_sub_sat(time_wall_ms(), view_ms) + (view_ms > 0) : 0;
    uint64_t number = resume ? xmpp_number_of(resume->position) : UINT64_MAX;

    release(r);
    int status = counting(r, number, u64_sub_sat(before_ms, CLOCKS_APART_MS), deadline_ns, why);
    if (status == ACCORD_OK)
        status = xmpp_link_hear(&r->room->link, deadline_ns, why);
    if (status == ACCORD_OK && resume)
        status = prove(r, resume, deadline_ns, why);
    if (status != ACCORD_OK)
        return status == ACCORD_E_TIMEOUT || status == ACCORD_E_IO ? ACCORD_E_DOWN : status;
    lock(r);
    if (r->room->counting)
        tell(r, resume, before_ms, out);
    else
        status = bus_fail(why, ACCORD_E_DOWN, "%s", r->room->link.why);
    unlock(r);
    return status;
}

/* ---- read ---------------------------------------------------------------------------------
 */

/* The place of the first beat that was missed before the item; 0: there is none left. */
static uint64_t place_of_missed(const struct xmpp_reader *r, const struct xmpp_item *item,
                                uint64_t count, uint64_t after)
{
    if (!item->archived)
        return count <= item->missed ? item->place - count : 0;
    if (r->entry_count > 0)
        after = r->entries[r->entry_count - 1].position;
    uint64_t place =
        xmpp_number_of(after) == item->number ? xmpp_place_of_position(after) + 1 : 1;
    return place + count <= XMPP_PLACE_MAX ? place : 0;
}

/* Empty beats, where others were missed before the item, which begins with `e`. */
static void deliver_missed(struct xmpp_reader *r, const struct xmpp_item *item,
                           const struct entry *e, uint64_t after)
{
    const struct xmpp_voice *voice = &item->heard.beside.voice;
    const struct change *c = &e->change;

    if (!r->fills || !item->heard.has_beside || voice->first != c->sequence ||
        !id128_equal(voice->incarnation, c->incarnation) || c->origin.size_bytes == 0)
        return;
    uint64_t last = xmpp_voices_last(&r->voices, c->incarnation);
    uint64_t count = xmpp_missed_count(voice, last);
    uint64_t place = count > 0 ? place_of_missed(r, item, count, after) : 0;
    for (uint64_t i = 0; place > 0 && i < count && r->entry_count < DELIVER_BATCH_MAX; i++) {
        struct entry *beat = &r->entries[r->entry_count++];
        *beat = (struct entry){.change = xmpp_missed_beat(c, last + 1 + i), .trust = e->trust};
        beat->position =
            xmpp_position(item->number, place + i, item->last, beat->change.message);
        xmpp_voices_heard(&r->voices, c->incarnation, last + 1 + i);
    }
}

static void deliver(struct xmpp_reader *r, struct xmpp_item *item, uint64_t after)
{
    bool taken = false;

    for (size_t i = 0; i < item->count && r->entry_count < DELIVER_BATCH_MAX; i++) {
        if (xmpp_item_position(item, i, r->log) <= after)
            continue;
        struct entry e = xmpp_item_entry(item, i, r->log, &r->hand);
        taken = true;
        if (i == 0)
            deliver_missed(r, item, &e, after);
        if (r->entry_count == DELIVER_BATCH_MAX)
            break;
        xmpp_voices_heard(&r->voices, e.change.incarnation, e.change.sequence);
        r->entries[r->entry_count++] = e;
    }
    if (!taken)
        return;
    item->references++;
    r->held[r->held_count++] = item;
}

/* Of what the room keeps; the mutex is held. False: an item is not whole, and nothing came
 * before it. */
static bool deliver_recent(struct xmpp_reader *r, uint64_t after)
{
    const struct xmpp_room *room = r->room;

    for (size_t i = 0; i < room->recent_count && r->entry_count < DELIVER_BATCH_MAX; i++) {
        struct xmpp_item *item = room->recent[(room->recent_first + i) % XMPP_RECENT_MAX];
        if (xmpp_item_position(item, item->count - 1, r->log) <= after)
            continue;
        if (!item->whole)
            return r->entry_count > 0;
        deliver(r, item, after);
    }
    return true;
}

static int deliver_pages(struct xmpp_reader *r, uint64_t after, uint64_t deadline_ns,
                         char why[BUS_WHY_BYTES_MAX])
{
    uint64_t number = xmpp_number_of(after);
    int status = ACCORD_OK;

    if (number < r->page_number || number >= r->page_end)
        status = fetch(r, number, deadline_ns, why);
    for (size_t i = 0; i < r->page_count && status == ACCORD_OK; i++) {
        struct xmpp_item *old = r->pages[i];
        if (xmpp_item_end(old) <= number || r->entry_count == DELIVER_BATCH_MAX)
            continue;
        if (!old->whole)
            status = complete(r, &r->pages[i], deadline_ns, why);
        if (status == ACCORD_OK) {
            lock(r);
            if (r->pages[i] != old)
                xmpp_item_drop(old);
            deliver(r, r->pages[i], after);
            unlock(r);
        }
    }
    return status;
}

/* Whether this is still the log that was attached; the mutex is held. */
static int check_log(const struct xmpp_reader *r, uint64_t after, char why[BUS_WHY_BYTES_MAX])
{
    const struct xmpp_mark *m = &r->room->mark;
    uint64_t number = xmpp_number_of(after);

    if (!id128_equal(r->log, m->log) || r->epoch != m->epoch || number < m->floor ||
        number > m->number)
        return gone(r, why);
    return ACCORD_OK;
}

/* Waits for what the room hears. *pages: it is older than what the room keeps. */
static int read_recent(struct xmpp_reader *r, uint64_t after, uint64_t until_ns, bool *pages,
                       char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_room *room = r->room;
    int status;

    *pages = false;
    for (;;) {
        if (!room->counting)
            return bus_fail(why, ACCORD_E_DOWN, "%s",
                            room->link.why[0] ? room->link.why : "xmpp: not in the room");
        status = check_log(r, after, why);
        if (status != ACCORD_OK)
            return status;
        *pages = xmpp_number_of(after) < room->recent_number || !deliver_recent(r, after);
        bool woken = room->woken;
        room->woken = false;
        if (*pages || r->entry_count > 0 || woken || time_monotonic_ns() >= until_ns)
            return ACCORD_OK;
        (void)xmpp_link_wait(&room->link, until_ns);
    }
}

/* The seat was lost since: another one is taken, and the entry at `after` must still be what it
 * was, as far as can be told by its position. */
static int resume_counting(struct xmpp_reader *r, uint64_t after, uint64_t deadline_ns,
                           char why[BUS_WHY_BYTES_MAX])
{
    struct cursor at = {.log = r->log, .epoch = r->epoch, .position = after};

    lock(r);
    bool counts = r->room->counting;
    unlock(r);
    if (counts)
        return ACCORD_OK;
    int status = counting(r, xmpp_number_of(after), 0, deadline_ns, why);
    return status == ACCORD_OK ? prove(r, &at, deadline_ns, why) : status;
}

static int check_read(struct xmpp_reader *r, uint64_t after, uint64_t timeout_ms,
                      char why[BUS_WHY_BYTES_MAX])
{
    uint64_t now_ns = time_monotonic_ns(),
             until_ns = u64_add_sat(now_ns, timeout_ms * NS_PER_MS);
    uint64_t deadline_ns = find_by(r);
    bool pages = false;

    if (!r->attached)
        return bus_fail(why, ACCORD_E_DOWN, "xmpp: not attached");
    int status = resume_counting(r, after, deadline_ns, why);
    if (status != ACCORD_OK)
        return status;
    lock(r);
    status = read_recent(r, after, until_ns, &pages, why);
    unlock(r);
    if (status == ACCORD_OK && pages)
        status = deliver_pages(r, after, find_by(r), why);
    return status;
}

int xmpp_reader_read(struct xmpp_reader *r, uint64_t after, uint64_t timeout_ms,
                     const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    release(r);
    int status = check_read(r, after, timeout_ms, why);
    if (status == ACCORD_E_TIMEOUT || status == ACCORD_E_IO)
        status = ACCORD_E_DOWN;
    if (status != ACCORD_OK) {
        release(r);
        return status;
    }
    *entries = r->entries;
    *count = r->entry_count;
    return ACCORD_OK;
}

int xmpp_reader_head(struct xmpp_reader *r, const struct cursor *at, uint64_t *head,
                     char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = find_by(r);
    struct id128 log = r->log;
    uint64_t epoch = r->epoch;

    int status = r->attached ? resume_counting(r, at->position, deadline_ns, why)
                             : bus_fail(why, ACCORD_E_DOWN, "xmpp: not attached");
    if (status == ACCORD_OK)
        status = xmpp_link_hear(&r->room->link, deadline_ns, why);
    if (status == ACCORD_OK)
        status = prove(r, at, deadline_ns, why);
    r->log = log;
    r->epoch = epoch;
    if (status != ACCORD_OK)
        return status == ACCORD_E_TIMEOUT || status == ACCORD_E_IO ? ACCORD_E_DOWN : status;
    lock(r);
    if (r->room->counting)
        *head = r->room->mark.head;
    else
        status = bus_fail(why, ACCORD_E_DOWN, "%s", r->room->link.why);
    unlock(r);
    return status;
}

int xmpp_reader_present(struct xmpp_reader *r, const char *const *names, size_t count,
                        bool *there, char why[BUS_WHY_BYTES_MAX])
{
    const struct xmpp_link *l = &r->room->link;
    int status = ACCORD_OK;

    lock(r);
    if (l->state != XMPP_UP)
        status =
            bus_fail(why, ACCORD_E_DOWN, "%s", l->why[0] ? l->why : "xmpp: not in the room");
    for (size_t i = 0; i < count && status == ACCORD_OK; i++) {
        there[i] = false;
        for (size_t j = 0; j < l->occupant_count && !there[i]; j++)
            there[i] = strcmp(l->occupants[j].node, names[i]) == 0;
    }
    unlock(r);
    return status;
}
