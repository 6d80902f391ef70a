/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* P4: a host applies every entry of the log without a hole, or holds no lease until it has what
 * it missed (late, or published again by its sender), or says that it dropped its cache. It
 * never guesses and never skips. */
#include "sim/check.h"

#include "base/base.h"

/* Which entries that covers is told by the next one that is applied: all before it. (A core
 * that misses several in a row drops its cache once, when it sees the first after them.) */
void check_dropped(struct check *c, size_t host)
{
    c->chains[host].begun = c->chains[host].resumed = c->chains[host].cut = false;
    c->chains[host].place = 0;
}

/* Where nothing was applied before, or all of it was dropped, nothing is to go on from. */
void check_resumed(struct check *c, size_t host, const struct check_chain *stood,
                   uint64_t place)
{
    c->chains[host] = *stood;
    c->chains[host].resumed = stood->begun || stood->resumed;
    c->chains[host].place = stood->begun && !stood->cut ? place : 0;
    c->chains[host].place_serial = stood->serial;
    c->chains[host].begun = false;
}

/* The place itself was proven just now. */
void check_reads_after(struct check *c, size_t host, uint64_t position)
{
    if (position >= c->chains[host].place)
        c->chains[host].place = 0;
}

/* What it reads before that place was applied by who stood there: if this is that log. */
static void check_place(struct check *c, size_t host, const struct check_entry *e)
{
    struct check_chain *chain = &c->chains[host];

    if (chain->place == 0 || e->position < chain->place)
        return;
    if (e->position != chain->place || e->serial != chain->place_serial)
        check_fail(c, "P4",
                   "host %zu resumed at position %llu of its log, and went on to %llu though "
                   "another entry stands there now",
                   host, (unsigned long long)chain->place, (unsigned long long)e->position);
    chain->place = 0;
}

/* Whatever it missed matters no more. */
void check_anew(struct check *c, size_t host)
{
    check_dropped(c, host);
    for (size_t i = 0; i < c->holes_made; i++)
        if (c->holes[i].host == host)
            c->holes[i].open = false;
}

/* It begins with a log in which what it missed already was: nothing is kept that it could have
 * removed, but it is still not there. */
void check_begins(struct check *c, size_t host)
{
    check_dropped(c, host);
    for (size_t i = 0; i < c->holes_made; i++)
        if (c->holes[i].host == host)
            c->holes[i].harmless = true;
}

static bool is_hole(const struct check *c, size_t host, uint64_t index)
{
    for (size_t i = 0; i < c->holes_made; i++)
        if (c->holes[i].open && c->holes[i].host == host && c->holes[i].index == index)
            return true;
    return false;
}

/* The entry was given a second time, or the cache was dropped in view of it. */
static void close_holes(struct check *c, size_t host, uint64_t index, bool dropped)
{
    for (size_t i = 0; i < c->holes_made; i++) {
        struct check_hole *h = &c->holes[i];
        if (h->host == host && (h->index == index || (dropped && h->index < index)))
            h->open = false;
    }
}

/* It was missed, and is applied behind entries that lie after it. */
static bool comes_late(const struct check *c, size_t host, const struct check_entry *e)
{
    const struct check_chain *chain = &c->chains[host];

    return chain->begun && chain->log == e->log && chain->epoch == e->epoch &&
           e->index < chain->index && is_hole(c, host, e->index);
}

/* Of entries so far back that bear no number, or one of a sender that it has forgotten, a host
 * may not know whether it has applied them; then it applies them once more. */
static bool is_forgotten(const struct check *c, size_t host, const struct check_entry *e)
{
    const struct check_chain *chain = &c->chains[host];

    return chain->begun && chain->log == e->log && chain->epoch == e->epoch &&
           e->index + CHECK_MEMORY < chain->index;
}

/* It lies before one that is older, or in its place: the log was cut back while the host read a
 * part of it again. What is removed once too often does no harm; a lease would, and so would
 * going on. */
static bool is_of_a_log_cut_back(const struct check *c, size_t host,
                                 const struct check_entry *e)
{
    const struct check_chain *chain = &c->chains[host];

    return chain->begun && chain->log == e->log && chain->epoch == e->epoch &&
           e->index <= chain->index && e->taking > chain->taking;
}

/* The log lost in silence what it stood at, whose sender then said it again, and it came to the
 * same position: its place is proven, and this is the entry behind it. Of what is new before it
 * only the numbers of the senders tell. */
static bool follows_what_came_again(const struct check *c, size_t host,
                                    const struct check_entry *e)
{
    const struct check_chain *chain = &c->chains[host];

    return chain->begun && !chain->cut && chain->log == e->log && chain->epoch == e->epoch &&
           e->before == chain->serial && e->taking > chain->taking;
}

void check_entry(struct check *c, size_t host, const struct check_entry *e)
{
    struct check_chain *chain = &c->chains[host];
    bool follows = follows_what_came_again(c, host, e);
    uint64_t next = follows ? e->index : chain->index + 1;

    check_place(c, host, e);
    if (!follows && is_of_a_log_cut_back(c, host, e)) {
        chain->cut = true;
        return;
    }
    if (chain->cut && e->index > chain->index)
        check_fail(c, "P4", "host %zu went on in a log that had lost entry %llu", host,
                   (unsigned long long)chain->index);
    if (comes_late(c, host, e) || is_forgotten(c, host, e)) {
        close_holes(c, host, e->index, /* dropped= */ false);
        return;
    }
    while (chain->begun && next < e->index && is_hole(c, host, next))
        next++;
    if (chain->resumed &&
        (chain->log != e->log || chain->epoch != e->epoch || e->index > chain->index + 1))
        check_fail(c, "P4",
                   "host %zu resumed with entry %llu; what it inherits had come to entry %llu",
                   host, (unsigned long long)e->index, (unsigned long long)chain->index);
    else if (chain->begun && (chain->log != e->log || chain->epoch != e->epoch))
        check_fail(c, "P4", "host %zu went on in another log or epoch without a drop", host);
    else if (chain->begun && e->index != next)
        check_fail(c, "P4", "host %zu applied entry %llu of its log after entry %llu", host,
                   (unsigned long long)e->index, (unsigned long long)chain->index);
    else if (chain->begun && !follows && next == chain->index + 1 && e->before != chain->serial)
        check_fail(c, "P4", "host %zu went on after entry %llu, which has been replaced", host,
                   (unsigned long long)chain->index);
    close_holes(c, host, e->index, /* dropped= */ !chain->begun);
    *chain = (struct check_chain){.begun = true,
                                  .log = e->log,
                                  .epoch = e->epoch,
                                  .index = e->index,
                                  .taking = e->taking,
                                  .serial = e->serial,
                                  .place = chain->place,
                                  .place_serial = chain->place_serial};
}

/* It cannot know; what tells is the sender's next entry. */
void check_hole(struct check *c, size_t host, const struct check_hole *hole)
{
    size_t i = 0;

    if (is_hole(c, host, hole->index))
        return;
    while (i < c->holes_made && c->holes[i].open)
        i++;
    for (size_t k = 0; i == CHECK_HOLES_MAX && k < c->holes_made; k++)
        if (c->holes[k].said)
            i = k;
    ASSERT(i < CHECK_HOLES_MAX); /* fewer are open at once in one run */
    c->holes[i] = *hole;
    c->holes[i].open = true;
    c->holes[i].told = c->holes[i].said = false;
    c->holes[i].host = host;
    if (i == c->holes_made)
        c->holes_made++;
}

bool check_has_hole(const struct check *c, size_t host)
{
    for (size_t i = 0; i < c->holes_made; i++)
        if (c->holes[i].open && c->holes[i].host == host && !c->holes[i].told &&
            !c->holes[i].said && !c->holes[i].harmless)
            return true;
    return false;
}

/* One that lies behind what is applied, or anywhere. */
static void tell(struct check *c, size_t host, uint64_t sender, uint64_t sequence,
                 uint64_t before)
{
    for (size_t i = 0; i < c->holes_made; i++) {
        struct check_hole *h = &c->holes[i];
        h->told |= h->open && h->host == host && h->index < before && h->sender == sender &&
                   h->sequence < sequence;
    }
}

void check_sender(struct check *c, size_t host, uint64_t sender, uint64_t sequence)
{
    tell(c, host, sender, sequence, c->chains[host].index);
}

void check_noticed(struct check *c, size_t host, uint64_t sender, uint64_t sequence)
{
    tell(c, host, sender, sequence, UINT64_MAX);
}

void check_resent(struct check *c, size_t host, uint64_t sender, uint64_t from, uint64_t until)
{
    for (size_t i = 0; i < c->holes_made; i++) {
        struct check_hole *h = &c->holes[i];
        if (h->host == host && h->sender == sender && h->sequence >= from &&
            h->sequence < until)
            h->said = true;
    }
}

void check_leased(struct check *c, size_t host)
{
    for (size_t i = 0; i < c->holes_made; i++) {
        const struct check_hole *h = &c->holes[i];
        if (h->open && h->told && !h->said && !h->harmless && h->host == host)
            check_fail(c, "P4",
                       "host %zu holds a lease, and knows that it has missed change %llu of a "
                       "sender",
                       host, (unsigned long long)h->sequence);
    }
    if (c->chains[host].cut)
        check_fail(c, "P4", "host %zu holds a lease in a log that has lost entry %llu", host,
                   (unsigned long long)c->chains[host].index);
}

void check_host_gone(struct check *c, size_t host)
{
    check_anew(c, host);
}
