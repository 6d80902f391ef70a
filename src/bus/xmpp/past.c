/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/past.h"

#include "net/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { BEGIN_TRIES = 8, TURN_MS = 250 };

/* A message as it is looked at: what it says, how many entries it has, and its last's name. */
struct seen {
    struct xmpp_heard heard; /* without data */
    uint32_t count;
    bool begin;
    struct id128 last;      /* made with the log of `heard`, or of the first that has one */
    struct xmpp_item *text; /* whose last name the log makes; else NULL */
};

/* Newest first. */
struct past {
    struct seen *list;
    size_t count, max;
    bool complete; /* back to the archive's first */
};

static void past_done(struct past *p)
{
    for (size_t i = 0; i < p->count; i++)
        xmpp_item_drop(p->list[i].text);
    free(p->list);
}

/* Every other item names its entries itself; a person's are named with the log, not known yet.
 */
static int add(struct past *p, struct xmpp_heard *h, char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_parts none = {0};
    struct xmpp_heard names = *h;
    struct xmpp_item *item = xmpp_item_new(h, &none);

    names.data = NULL;
    xmpp_parts_done(&none);
    if (p->count == p->max) {
        size_t max = p->max > 0 ? 2 * p->max : XMPP_PAGE_MAX;
        struct seen *list = realloc(p->list, max * sizeof *list);
        if (!list) {
            xmpp_item_drop(item);
            return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
        }
        p->list = list;
        p->max = max;
    }
    p->list[p->count++] = (struct seen){.heard = names,
                                        .count = item ? item->count : 0,
                                        .begin = item && item->begin,
                                        .text = item && item->count > 0 ? item : NULL};
    if (!p->list[p->count - 1].text)
        xmpp_item_drop(item);
    return ACCORD_OK;
}

static int page_back(struct xmpp_room *r, struct past *p, uint64_t deadline_ns,
                     char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_page *page = malloc(sizeof *page);

    if (!page)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    const char *before = p->count > 0 ? p->list[p->count - 1].heard.aid : "";
    int status = xmpp_link_page(&r->link, /* before= */ true, before, deadline_ns, page, why);
    if (status == ACCORD_OK) {
        p->complete = page->complete || page->count == 0 || p->count >= XMPP_PAST_MAX;
        for (size_t i = page->count; i-- > 0 && status == ACCORD_OK;)
            status = add(p, &page->messages[i], why);
        xmpp_page_done(page);
    }
    free(page);
    return status;
}

/* Where message `aid` is among the older ones than `i`; p->count: it is not. */
static size_t find(const struct past *p, size_t i, const char *aid)
{
    for (i++; i < p->count; i++)
        if (strcmp(p->list[i].heard.aid, aid) == 0)
            return i;
    return p->count;
}

/* The mark right after `i`, by what a newer message says of there, or by a `begin`. False: no
 * message is found that says where it stood. */
static bool find_anchor(const struct past *p, size_t *at, struct xmpp_mark *mark)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct seen *s = &p->list[i];
        const struct xmpp_beside *b = &s->heard.beside;
        if (!s->heard.has_beside)
            continue;
        bool first = !b->at[0] && p->complete && i + 1 == p->count;
        size_t there = find(p, i, b->at);
        if (there == p->count && !first)
            continue;
        bool begins = s->begin && (first || there == i + 1);
        if (s->begin && !begins)
            continue;
        *mark = (struct xmpp_mark){.log = b->log,
                                   .epoch = b->epoch,
                                   .number = begins ? 0 : b->number,
                                   .last = begins ? (struct id128){0, 0} : b->last,
                                   .floor = begins ? 0 : b->floor,
                                   .max_stale_ms = b->max_stale_ms,
                                   .max_stale_before_ms = b->max_stale_before_ms};
        *at = begins ? i : there;
        snprintf(mark->aid, sizeof mark->aid, "%s", p->list[*at].heard.aid);
        return true;
    }
    return false;
}

/* Where the index may begin: behind a message, at number and name known. Counting back from the
 * anchor, as long as it is the same epoch. */
static size_t count_back(const struct past *p, size_t anchor, uint64_t *number)
{
    size_t i = anchor;

    while (i < p->count && !p->list[i].begin && p->list[i].count <= *number &&
           i + 1 < p->count) {
        *number -= p->list[i].count;
        i++;
    }
    return i;
}

static bool is_enough(const struct past *p, size_t anchor, const struct xmpp_mark *mark,
                      const struct xmpp_past_wanted *w)
{
    uint64_t number = mark->number;
    size_t oldest = count_back(p, anchor, &number);

    if (p->complete || p->list[oldest].begin)
        return true;
    return number <= mark->floor ||
           (number <= w->number && p->list[oldest].heard.came_ms < w->came_ms);
}

static void put_index(struct xmpp_room *r, const struct seen *s, const struct xmpp_mark *m)
{
    struct xmpp_index *i;

    if (r->index_count == XMPP_INDEX_MAX) {
        r->index_count /= 2;
        memmove(r->index, r->index + r->index_count, r->index_count * sizeof *r->index);
    }
    i = &r->index[r->index_count++];
    memcpy(i->aid, s->heard.aid, sizeof i->aid);
    i->end = m->number;
    i->last = m->last;
    i->came_ms = s->heard.came_ms;
}

static struct id128 last_of(const struct seen *s, struct id128 log)
{
    return xmpp_item_message(s->text, s->count - 1, log);
}

/* Fills the index from the oldest known to the newest, and moves the mark there. */
static void count_forward(struct xmpp_room *r, const struct past *p, size_t anchor,
                          struct xmpp_mark *mark)
{
    struct xmpp_mark back = *mark;
    size_t oldest = count_back(p, anchor, &back.number);

    r->index_count = 0;
    for (size_t i = oldest + 1; i-- > anchor;) { /* their numbers end where the anchor's is */
        if (i != oldest)
            back.number += p->list[i].count;
        if (p->list[i].count > 0)
            back.last = last_of(&p->list[i], mark->log);
        else if (i == oldest && back.number > 0)
            continue; /* the name of the change there is not known */
        if (i == anchor)
            back.last = mark->last;
        put_index(r, &p->list[i], &back);
        xmpp_room_found(r, &p->list[i].heard,
                        &(struct xmpp_mark){
                            .epoch = mark->epoch, .number = back.number, .last = back.last});
    }
    for (size_t i = anchor; i-- > 0;) {
        struct xmpp_heard *h = &p->list[i].heard;
        uint64_t epoch = mark->epoch;
        xmpp_mark_over(mark, h, p->list[i].text);
        if (p->list[i].begin) {
            struct xmpp_item begin = {.begin = true, .heard = *h};
            snprintf(mark->aid, sizeof mark->aid, "%s", p->list[i + 1].heard.aid);
            xmpp_mark_over(mark, h, &begin);
        }
        if (mark->epoch != epoch)
            r->index_count = 0;
        put_index(r, &p->list[i], mark);
        xmpp_room_found(r, h, mark);
    }
}

/* ---- a new epoch --------------------------------------------------------------------------
 */

/* Says that an epoch begins behind the newest message that is known. */
static int say_begin(struct xmpp_room *r, const struct xmpp_mark *old, const char *newest,
                     const struct xmpp_past_wanted *w, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t stale = old ? old->max_stale_ms : w->max_stale_ms;
    struct xmpp_beside b = {.begin = true,
                            .log =
                                old ? old->log : (struct id128){xmpp_random(), xmpp_random()},
                            .epoch = xmpp_random(),
                            .max_stale_ms = stale,
                            .max_stale_before_ms = old ? old->max_stale_before_ms : stale};
    char id[XMPP_ID_BYTES_MAX];
    size_t bytes = 0;

    snprintf(b.at, sizeof b.at, "%s", newest);
    snprintf(id, sizeof id, "begin%016" PRIx64, b.epoch);
    char *text = xmpp_message_write(&r->link, id, &b, "", /* archived= */ true,
                                    bytes_of(NULL, 0), &bytes);
    if (!text)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    pthread_mutex_lock(&r->link.mutex);
    int status = xmpp_link_send(&r->link, r->link.generation, text, bytes, why);
    pthread_mutex_unlock(&r->link.mutex);
    free(text);
    return status;
}

/* Until the room has said more: it is then looked at again, whoever was first. */
static void wait_for_word(struct xmpp_room *r, size_t before, uint64_t deadline_ns)
{
    pthread_mutex_lock(&r->link.mutex);
    uint64_t until_ns = u64_min(deadline_ns, time_monotonic_ns() + TURN_MS * NS_PER_MS);
    while (r->waiting_count <= before && r->link.state == XMPP_UP &&
           xmpp_link_wait(&r->link, until_ns))
        ;
    pthread_mutex_unlock(&r->link.mutex);
}

/* ---- look ---------------------------------------------------------------------------------
 */

static int look_once(struct xmpp_room *r, struct past *p, const struct xmpp_past_wanted *w,
                     uint64_t deadline_ns, bool *found, struct xmpp_mark *mark, size_t *anchor,
                     char why[BUS_WHY_BYTES_MAX])
{
    int status;

    do {
        status = page_back(r, p, deadline_ns, why);
        *found = status == ACCORD_OK && find_anchor(p, anchor, mark);
    } while (status == ACCORD_OK && !p->complete &&
             !(*found && is_enough(p, *anchor, mark, w)));
    return status;
}

/* What this process has seen of the log must be there still: else entries were lost. What the
 * archive does not reach back to is forgotten, not lost. */
static bool has_lost(const struct xmpp_room *r, const struct xmpp_mark *mark)
{
    uint64_t end;

    if (!r->has_seen || !id128_equal(r->seen.log, mark->log) || r->seen.epoch != mark->epoch)
        return false;
    if (mark->number < r->seen.number)
        return true;
    if (xmpp_room_indexed(r, r->seen.aid, &end))
        return end != r->seen.number;
    return r->index_count > 0 && r->index[0].end < r->seen.number;
}

static void keep_head(const struct xmpp_room *r, struct xmpp_mark *mark)
{
    const struct id128 none = {0, 0};

    mark->place = 0;
    mark->head = mark->number > 0 ? xmpp_position(mark->number, 0, mark->last, none) : 0;
    if (r->has_seen && id128_equal(r->seen.log, mark->log) && r->seen.epoch == mark->epoch &&
        r->seen.number == mark->number) {
        mark->place = r->seen.place;
        mark->head = r->seen.head;
    }
}

/* One look; *begun: an epoch was begun, look again. */
static int look(struct xmpp_room *r, const struct xmpp_past_wanted *w, uint64_t deadline_ns,
                bool *again, char why[BUS_WHY_BYTES_MAX])
{
    struct past p = {0};
    struct xmpp_mark mark = {0};
    size_t anchor = 0;
    bool found = false;

    *again = false;
    int status = look_once(r, &p, w, deadline_ns, &found, &mark, &anchor, why);
    if (status == ACCORD_OK) {
        pthread_mutex_lock(&r->link.mutex);
        if (found)
            count_forward(r, &p, anchor, &mark);
        bool lost = found && (w->anew || has_lost(r, &mark));
        keep_head(r, &mark);
        *again = !found || lost;
        if (!*again && (r->link.state != XMPP_UP || !xmpp_room_count_from(r, &mark)))
            status = bus_fail(why, ACCORD_E_DOWN, "%s",
                              r->link.why[0] ? r->link.why : "xmpp: too much came at once");
        pthread_mutex_unlock(&r->link.mutex);
        if (*again)
            status = say_begin(r, lost ? &mark : NULL, p.count > 0 ? p.list[0].heard.aid : "",
                               w, why);
    }
    past_done(&p);
    return status;
}

int xmpp_past_look(struct xmpp_room *r, const struct xmpp_past_wanted *wanted,
                   uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    struct xmpp_past_wanted w = *wanted;
    bool again = true;

    int status = xmpp_link_up(&r->link, deadline_ns, why);
    for (unsigned i = 0; status == ACCORD_OK && again; i++) {
        if (i == BEGIN_TRIES)
            return bus_fail(why, ACCORD_E_DOWN, "xmpp: no place in the log can be agreed on");
        pthread_mutex_lock(&r->link.mutex);
        size_t before = r->waiting_count;
        pthread_mutex_unlock(&r->link.mutex);
        status = look(r, &w, deadline_ns, &again, why);
        w.anew = false;
        if (status == ACCORD_OK && again)
            wait_for_word(r, before, deadline_ns);
    }
    return status == ACCORD_E_TIMEOUT || status == ACCORD_E_IO ? ACCORD_E_DOWN : status;
}
