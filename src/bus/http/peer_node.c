/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_node.h"

#include "bus/http/peer_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- peers ----------------------------------------------------------------------------- */

struct peer *peer_of(struct peer_node *n, const char *address)
{
    for (size_t i = 0; i < n->peer_count; i++)
        if (strcmp(n->peers[i].address, address) == 0)
            return &n->peers[i];
    return NULL;
}

/* Whoever is met is told what comes from now on, and before it our newest sign of life. */
static uint64_t beginning(const struct peer_node *n)
{
    return n->journal.newest_sign > 0 ? n->journal.newest_sign : n->journal.newest + 1;
}

/* As many as a set has room for: there is always a place. */
static void know_peer(struct peer_node *n, const char *address)
{
    if (peer_of(n, address))
        return;
    ASSERT(n->peer_count < PEERS_MAX);
    struct peer *p = &n->peers[n->peer_count++];
    memset(p, 0, sizeof *p);
    snprintf(p->address, sizeof p->address, "%s", address);
    p->stream = -1;
    p->next = beginning(n);
}

bool peer_is_asked(const struct peer_node *n, const struct peer *p)
{
    return p != &n->peers[0] && peer_set_has(&n->set, p->address);
}

/* ---- the local log --------------------------------------------------------------------- */

void peer_node_new_epoch(struct peer_node *n, uint64_t now_ms)
{
    peer_log_start(n->log, n->settings.draw(n->settings.draw_context),
                   n->settings.draw(n->settings.draw_context).low, now_ms);
    n->attached = false;
}

void peer_node_forget_all_parted(struct peer_node *n, uint64_t now_ms)
{
    for (int i = 0; i < PEER_STREAMS_MAX; i++)
        if (n->log->streams[i].used && n->log->streams[i].parted)
            peer_log_lose(n->log, i);
    peer_node_new_epoch(n, now_ms);
}

/* Whether it has left, and all that it said before is here. */
static bool has_left_wholly(const struct peer_node *n, const struct peer *p)
{
    const struct peer_member *m = peer_set_find(&n->set, p->address);

    return m && !peer_is_in(m) && id128_equal(m->incarnation, p->incarnation) &&
           (p->stream < 0 ? m->last == 0 : m->last == n->log->streams[p->stream].arrived);
}

/* What ended here may have been another than the one that a list, late, said was out: who is in
 * by the set has not ended. */
bool peer_has_ended(const struct peer_node *n, const struct peer *p, struct id128 incarnation)
{
    const struct peer_member *m = peer_set_find(&n->set, p->address);

    if (m && peer_is_in(m) && id128_equal(m->incarnation, incarnation))
        return false;
    for (size_t i = 0; i < p->ended_count && i < PEER_ENDED_MAX; i++)
        if (id128_equal(p->ended[i], incarnation))
            return true;
    return false;
}

/* Nothing more is taken of that incarnation, also what is still on its way. Where what is here
 * may not be all that it published, though nothing of it ever came, the log begins anew. */
static void end_incarnation(struct peer_node *n, struct peer *p, uint64_t now_ms)
{
    bool is_whole = has_left_wholly(n, p);

    if (id128_is_none(p->incarnation))
        return;
    p->ended[p->ended_count++ % PEER_ENDED_MAX] = p->incarnation;
    p->incarnation = (struct id128){0, 0};
    if (p->stream >= 0 && is_whole)
        peer_log_part(n->log, p->stream);
    else if (p->stream >= 0)
        peer_log_lose(n->log, p->stream);
    p->stream = -1;
    if (!is_whole)
        peer_node_new_epoch(n, now_ms);
}

void peer_met(struct peer_node *n, struct peer *p, struct id128 incarnation, uint64_t now_ms)
{
    if (id128_equal(p->incarnation, incarnation))
        return;
    end_incarnation(n, p, now_ms);
    if (p->ended_count > 0)
        p->next = beginning(n);
    p->incarnation = incarnation;
    p->heard = p->newest = p->answered_head = 0;
    p->known_hash = p->agreed_hash = 0;
    p->begun = false;
}

/* ---- the set --------------------------------------------------------------------------- */

static void enter(struct peer_node *n)
{
    int status = peer_set_enter(&n->set, n->settings.address, n->incarnation);

    ASSERT(status == ACCORD_OK); /* it has its place there */
}

/* Another incarnation, whose cache is empty: what was said before is nobody's. */
static void rejoin(struct peer_node *n, uint64_t now_ms)
{
    peer_log_lose(n->log, n->own_stream);
    peer_journal_done(&n->journal);
    n->incarnation = n->settings.draw(n->settings.draw_context);
    n->own_stream = peer_log_meet(n->log, n->incarnation, 0);
    ASSERT(n->own_stream >= 0); /* one has just become free */
    peer_node_new_epoch(n, now_ms);
    for (size_t i = 1; i < n->peer_count; i++) {
        n->peers[i].next = 1;
        n->peers[i].begun = false;
    }
    n->state = NODE_JOINS;
    enter(n);
}

void peer_node_set_changed(struct peer_node *n, uint64_t now_ms)
{
    for (size_t i = 0; i < n->set.count; i++)
        know_peer(n, n->set.members[i].address);
    for (size_t i = 1; i < n->peer_count; i++) {
        struct peer *p = &n->peers[i];
        const struct peer_member *m = peer_set_find(&n->set, p->address);
        if (m && !peer_is_in(m))
            end_incarnation(n, p, now_ms);
    }
    if (n->state == NODE_HAS_LEFT)
        return;
    if (!peer_set_has(&n->set, n->settings.address))
        rejoin(n, now_ms);
    else
        enter(n); /* what was said of an earlier incarnation is not of this one */
}

int peer_node_merge(struct peer_node *n, struct bytes bytes, uint64_t now_ms)
{
    struct peer_set other;
    bool changed = false;

    if (bytes.size_bytes == 0)
        return ACCORD_OK;
    int status = peer_set_decode(bytes, &other);
    if (status == ACCORD_OK)
        status = peer_set_merge(&n->set, &other, &changed);
    if (changed)
        peer_node_set_changed(n, now_ms);
    return status;
}

/* Once all have the same set, it is in; and what max_stale was a wish is the cluster's. */
void peer_node_try_to_join(struct peer_node *n)
{
    char why[BUS_WHY_BYTES_MAX];

    if (n->state != NODE_JOINS || peer_node_agreed(n, why) != ACCORD_OK)
        return;
    n->state = NODE_IS_IN;
    if (n->set.max_stale_times == 0)
        peer_set_max_stale(&n->set, n->set.max_stale_ms, n->set.max_stale_before_ms);
}

/* ---- life ------------------------------------------------------------------------------ */

static int begin_set(struct peer_node *n)
{
    peer_set_init(&n->set, n->settings.max_stale_ms);
    int status = peer_set_enter(&n->set, n->settings.address, n->incarnation);
    for (size_t i = 0; i < n->settings.listed_count && status == ACCORD_OK; i++)
        status = peer_set_join(&n->set, n->settings.listed[i]);
    if (status != ACCORD_OK)
        return status;
    know_peer(n, n->settings.address);
    for (size_t i = 0; i < n->set.count; i++)
        know_peer(n, n->set.members[i].address);
    return ACCORD_OK;
}

int peer_node_init(struct peer_node *n, const struct peer_node_settings *s, uint64_t now_ms)
{
    memset(n, 0, sizeof *n);
    n->settings = *s;
    n->log = peer_log_new();
    if (!n->log)
        return ACCORD_E_NOMEM;
    n->incarnation = s->draw(s->draw_context);
    n->own_stream = peer_log_meet(n->log, n->incarnation, 0);
    peer_node_new_epoch(n, now_ms);
    int status = begin_set(n);
    if (status != ACCORD_OK) {
        peer_node_done(n);
        return status;
    }
    n->settings.listed = NULL;
    n->settings.address = n->peers[0].address;
    peer_node_try_to_join(n); /* where nobody else is listed */
    return ACCORD_OK;
}

void peer_node_done(struct peer_node *n)
{
    peer_journal_done(&n->journal);
    peer_log_free(n->log);
    free(n->out);
    peer_key_wipe(&n->settings.key);
    memset(n, 0, sizeof *n);
}

void peer_node_leave(struct peer_node *n)
{
    n->state = NODE_HAS_LEFT;
    n->attached = false;
    peer_set_leave(&n->set, n->settings.address, n->incarnation, n->journal.newest);
}

bool peer_node_is_told(const struct peer_node *n)
{
    for (size_t i = 1; i < n->peer_count; i++)
        if (peer_is_asked(n, &n->peers[i]) && n->peers[i].next <= n->journal.newest)
            return false;
    return true;
}

bool peer_node_left_cleanly(const struct peer_node *n)
{
    uint64_t hash = peer_set_hash(&n->set);

    for (size_t i = 1; i < n->peer_count; i++)
        if (peer_is_asked(n, &n->peers[i]) && n->peers[i].agreed_hash != hash)
            return false;
    return peer_node_is_told(n);
}

/* ---- what the bus asks ----------------------------------------------------------------- */

static int say_silent(const struct peer *p, int status, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, status,
                    "http: %s does not answer%s%s; nobody is sure of anything "
                    "until it does, or is forgotten (accord bus forget)",
                    p->address, p->why[0] ? ": " : "", p->why);
}

int peer_node_agreed(const struct peer_node *n, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t hash = peer_set_hash(&n->set);

    for (size_t i = 1; i < n->peer_count; i++) {
        const struct peer *p = &n->peers[i];
        if (!peer_is_asked(n, p))
            continue;
        if (p->failures > 0)
            return say_silent(p, ACCORD_E_DOWN, why);
        if (p->agreed_hash != hash)
            return bus_fail(why, ACCORD_E_DOWN,
                            "http: %s has not yet answered with the same "
                            "list of members",
                            p->address);
        if (p->newest > (p->stream < 0 ? 0 : n->log->streams[p->stream].arrived))
            return bus_fail(why, ACCORD_E_DOWN, "http: what %s has published is on its way",
                            p->address);
    }
    return ACCORD_OK;
}

int peer_node_joined(struct peer_node *n, char why[BUS_WHY_BYTES_MAX])
{
    peer_node_try_to_join(n); /* whoever it waited for may have left */
    if (n->state == NODE_JOINS) {
        int status = peer_node_agreed(n, why);
        ASSERT(status != ACCORD_OK); /* else it would be in */
        return status;
    }
    if (n->state == NODE_HAS_LEFT)
        return bus_fail(why, ACCORD_E_DOWN, "http: this node has left");
    return ACCORD_OK;
}

uint64_t peer_node_head_begin(struct peer_node *n)
{
    return ++n->heads;
}

int peer_node_head(const struct peer_node *n, uint64_t question, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t hash = peer_set_hash(&n->set);
    bool is_known = true;

    if (n->state != NODE_IS_IN)
        return bus_fail(why, ACCORD_E_TIMEOUT, "http: this node is not in");
    for (size_t i = 1; i < n->peer_count; i++) {
        const struct peer *p = &n->peers[i];
        if (!peer_is_asked(n, p))
            continue;
        if (p->failures > 0)
            return say_silent(p, ACCORD_E_TIMEOUT, why);
        if (p->answered_head >= question && p->agreed_hash == hash &&
            p->newest <= (p->stream < 0 ? 0 : n->log->streams[p->stream].arrived))
            continue;
        is_known = false;
        (void)bus_fail(why, 0,
                       "http: %s has not answered yet, or what it has published is "
                       "still on its way",
                       p->address);
    }
    return is_known ? ACCORD_OK : ACCORD_E_BUSY;
}

/* ---- publishing ------------------------------------------------------------------------ */

static void give_back(struct peer_node *n, struct peer_entry **entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        peer_entry_drop(entries[i]);
    peer_journal_undo(&n->journal, count);
}

/* Puts it into the journal, and gives what goes into the local log. NULL: no memory. */
static struct peer_entry *write_one(struct peer_node *n, const struct change *c, bool ends)
{
    uint8_t record[CHANGE_RECORD_BYTES_MAX];
    struct peer_told told = {0};
    bool is_sign = c->op == CHANGE_JOIN || c->op == CHANGE_BEAT;
    size_t bytes;

    int status = change_encode(c, record, sizeof record, &bytes);
    ASSERT(status == ACCORD_OK); /* bus_check_changes() has seen it */
    told.record = bytes_of(record, bytes);
    if (is_sign && c->lease_epoch == n->log->epoch)
        told.vector_count = peer_log_vector(n->log, c->applied, told.vector);
    struct peer_entry *e = peer_entry_new(told.record);
    if (e && !peer_journal_add(&n->journal, &told, is_sign, ends)) {
        peer_entry_drop(e);
        return NULL;
    }
    return e;
}

/* Of those that are not in the log yet: all or none. */
static int write_all(struct peer_node *n, const struct change *changes, const size_t *fresh,
                     size_t count, uint64_t now_ms, char why[BUS_WHY_BYTES_MAX])
{
    struct peer_entry *entries[PUBLISH_BATCH_MAX];
    bool well = peer_log_reserve(n->log, count) && peer_journal_reserve(&n->journal, count);
    size_t made = 0;

    while (well && made < count) {
        entries[made] = write_one(n, &changes[fresh[made]], made + 1 == count);
        well = entries[made] != NULL;
        made += well;
    }
    if (!well) {
        give_back(n, entries, made);
        return bus_fail(why, ACCORD_E_NOMEM, "http: no memory for %zu changes", count);
    }
    for (size_t i = 0; i < count; i++) {
        const struct change *c = &changes[fresh[i]];
        peer_log_append(n->log, n->own_stream, entries[i], now_ms);
        if (change_sets_max_stale(c))
            peer_set_max_stale(&n->set, c->version, change_max_stale_before(c));
    }
    return ACCORD_OK;
}

void peer_node_forget(struct peer_node *n, uint64_t now_ms)
{
    uint64_t needed = n->journal.newest + 1;

    for (size_t i = 1; i < n->peer_count; i++)
        if (peer_is_asked(n, &n->peers[i]))
            needed = u64_min(needed, n->peers[i].next);
    peer_journal_forget(&n->journal, needed);
    peer_log_prune(n->log, n->settings.retain_ms, n->settings.retain_changes,
                   PEER_LOG_BYTES_MAX, now_ms);
}

int peer_node_publish(struct peer_node *n, const struct change *changes, size_t count,
                      uint64_t now_ms, struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    size_t fresh[PUBLISH_BATCH_MAX], fresh_count = 0;

    if (n->state != NODE_IS_IN || !n->attached)
        return bus_fail(why, ACCORD_E_DOWN,
                        "http: the local log is another than was attached, or none yet");
    for (size_t i = 0; i < count; i++)
        if (!peer_log_find(n->log, changes[i].message))
            fresh[fresh_count++] = i;
    if (fresh_count > 0) {
        int status = write_all(n, changes, fresh, fresh_count, now_ms, why);
        if (status != ACCORD_OK)
            return status;
    }
    const struct peer_entry *e = peer_log_find(n->log, changes[count - 1].message);
    ASSERT(e);
    *last = (struct position){.epoch = n->log->epoch, .value = e->position};
    peer_node_forget(n, now_ms);
    return ACCORD_OK;
}
