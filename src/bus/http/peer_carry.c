/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_inside.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- asking ---------------------------------------------------------------------------- */

/* Who has left tells it, and what it still has to tell; who joins asks until all agree. */
bool peer_node_wants(const struct peer_node *n, size_t peer)
{
    const struct peer *p = &n->peers[peer];

    if (p->asked || !peer_is_asked(n, p))
        return false;
    return id128_is_none(p->incarnation) || p->next <= n->journal.newest ||
           p->agreed_hash != peer_set_hash(&n->set) ||
           (n->state == NODE_JOINS && p->failures > 0) ||
           (n->state == NODE_IS_IN && p->asked_head < n->heads);
}

static bool make_room(struct peer_node *n, size_t bytes)
{
    if (bytes <= n->out_capacity)
        return true;
    uint8_t *grown = realloc(n->out, bytes);
    if (!grown)
        return false;
    n->out = grown;
    n->out_capacity = bytes;
    return true;
}

/* What can be told from there on; what is forgotten is told to be. */
static void choose_beginning(const struct peer_node *n, const struct peer *p,
                             struct peer_ask *a)
{
    uint64_t oldest = peer_journal_oldest(&n->journal);

    a->first = u64_max(p->next, oldest);
    a->begins = !p->begun || a->first > p->next;
}

struct bytes peer_node_ask(struct peer_node *n, size_t peer, bool probe)
{
    struct peer *p = &n->peers[peer];
    uint64_t hash = peer_set_hash(&n->set);
    struct peer_ask a = {.kind = PEER_TELL,
                         .joins = n->state == NODE_JOINS,
                         .from = bytes_of_text(n->settings.address),
                         .incarnation = n->incarnation,
                         .to = p->incarnation,
                         .number = n->numbers + 1,
                         .hash = hash,
                         .newest = n->journal.newest};
    size_t told = 0, count = 0;

    ASSERT(!p->asked);
    if (p->known_hash != hash)
        a.set = bytes_of(n->set_bytes, peer_set_encode(&n->set, n->set_bytes));
    choose_beginning(n, p, &a);
    /* Who has not said who it is would not take it. */
    if (!probe && !id128_is_none(p->incarnation))
        count = peer_journal_count(&n->journal, a.first, &told);
    if (!make_room(n, PEER_ASK_HEAD_BYTES_MAX + told + PEER_SEAL_BYTES))
        return bytes_of(NULL, 0);
    size_t head = peer_ask_begin(&a, n->out);
    peer_journal_copy(&n->journal, a.first, count, n->out + head);
    p->asked = true;
    p->asked_number = ++n->numbers;
    p->asked_head = n->heads;
    return bytes_of(n->out, peer_ask_end(n->out, head, head + told, count, &n->settings.key));
}

void peer_node_failed(struct peer_node *n, size_t peer, const char *why)
{
    struct peer *p = &n->peers[peer];

    p->asked = false;
    p->failures += p->failures < UINT32_MAX;
    snprintf(p->why, sizeof p->why, "%s", why);
}

/* How far our stream has arrived there. Who has lost it, or never had it, is told anew, from
 * what it has not said to have on. */
static void take_arrived(struct peer_node *n, struct peer *p, const struct peer_answer *a)
{
    if (a->met && a->arrived <= n->journal.newest) {
        p->begun = true;
        p->next = a->arrived + 1;
    } else if (p->begun) {
        p->begun = false;
        if (n->journal.newest_sign > 0)
            p->next = u64_min(p->next, n->journal.newest_sign);
    }
}

static void take_answer(struct peer_node *n, struct peer *p, const struct peer_answer *a,
                        uint64_t now_ms)
{
    int status = peer_node_merge(n, a->set, now_ms);
    uint64_t hash = peer_set_hash(&n->set);

    if (status != ACCORD_OK) {
        peer_node_failed(n, (size_t)(p - n->peers),
                         status == ACCORD_E_FULL
                             ? "together it and this node know more than 64 "
                               "addresses"
                             : "its list of members is none");
        return;
    }
    p->failures = 0;
    p->why[0] = '\0';
    p->answered_ms = now_ms;
    p->known_hash = a->hash;
    if (a->verdict != PEER_TAKEN)
        return;
    take_arrived(n, p, a);
    p->newest = u64_max(p->newest, a->newest);
    if (a->hash == hash) {
        p->agreed_hash = hash;
        p->answered_head = p->asked_head;
    }
    peer_node_try_to_join(n);
    peer_node_forget(n, now_ms);
}

void peer_node_answered(struct peer_node *n, size_t peer, struct bytes body, uint64_t now_ms)
{
    struct peer *p = &n->peers[peer];
    struct peer_answer a;
    int status = peer_answer_decode(body, &n->settings.key, &a);

    p->asked = false;
    if (status != ACCORD_OK) {
        peer_node_failed(
            n, peer,
            status == ACCORD_E_DENIED
                ? "its answer is sealed with another key: give both the same key_file"
                : "what answers there is no HTTP peer of this version");
    } else if (a.number != p->asked_number || !id128_equal(a.to, n->incarnation)) {
        peer_node_failed(n, peer, "its answer is to another question");
    } else if (id128_equal(a.incarnation, n->incarnation)) {
        peer_node_failed(n, peer,
                         "that address is this node's own: take it off the list, or "
                         "say listen= as it stands there");
    } else if (a.verdict == PEER_REFUSED) {
        char why[PEER_WHY_BYTES_MAX];
        int merged = peer_node_merge(n, a.set, now_ms); /* who is forgotten learns it so */
        snprintf(why, sizeof why, "it refuses: %.*s%s", (int)u64_min(a.why.size_bytes, 250),
                 (const char *)a.why.data,
                 merged == ACCORD_OK ? "" : "; and its list of members cannot be taken");
        peer_node_failed(n, peer, why);
    } else if (peer_has_ended(n, p, a.incarnation)) {
        peer_node_failed(n, peer, "an earlier incarnation of it has answered");
    } else {
        peer_met(n, p, a.incarnation, now_ms);
        take_answer(n, p, &a, now_ms);
    }
}

/* ---- answering ------------------------------------------------------------------------- */

static struct peer_answer answer_to(const struct peer_node *n, const struct peer_ask *a)
{
    return (struct peer_answer){.verdict = PEER_TAKEN,
                                .incarnation = n->incarnation,
                                .to = a->incarnation,
                                .number = a->number,
                                .newest = n->journal.newest};
}

static void refuse(struct peer_answer *out, const char *why)
{
    out->verdict = PEER_REFUSED;
    out->why = bytes_of_text(why);
}

static void drop_entries(struct peer_entry **entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        peer_entry_drop(entries[i]);
}

/* What of it is new goes into the log at once, so that nothing comes between what was published
 * together. What there is no memory for is told again. */
static void append_told(struct peer_node *n, struct peer *p, const struct peer_ask *a,
                        uint64_t now_ms)
{
    uint64_t arrived = n->log->streams[p->stream].arrived, number = a->first;
    struct peer_entry **entries = calloc(a->count + 1, sizeof *entries);
    struct bytes told = a->told;
    struct peer_told t;
    size_t count = 0;

    bool well = entries && peer_log_reserve(n->log, a->count);
    for (; well && peer_told_next(&told, &t); number++) {
        if (number <= arrived)
            continue;
        entries[count] = peer_entry_new(t.record);
        well = entries[count] != NULL;
        count += well;
    }
    if (!well) {
        drop_entries(entries, count);
        free(entries);
        return;
    }
    told = a->told;
    number = a->first;
    for (size_t i = 0; peer_told_next(&told, &t); number++) {
        if (number <= arrived)
            continue;
        if (entries[i]->is_sign)
            peer_log_translate(n->log, p->stream, entries[i], t.vector, t.vector_count);
        peer_log_append(n->log, p->stream, entries[i++], now_ms);
    }
    free(entries);
}

static void meet(struct peer_node *n, struct peer *p, const struct peer_ask *a, uint64_t now_ms)
{
    p->stream = peer_log_meet(n->log, a->incarnation, a->first - 1);
    if (p->stream < 0) { /* too many have come and gone since this log began */
        peer_node_forget_all_parted(n, now_ms);
        p->stream = peer_log_meet(n->log, a->incarnation, a->first - 1);
    }
    ASSERT(p->stream >= 0); /* there is room for all that a set holds */
    if (a->joins)
        peer_log_joins(n->log, p->stream);
}

/* Its changes, where they go on from what is here, or begin. */
static void take_told(struct peer_node *n, struct peer *p, const struct peer_ask *a,
                      uint64_t now_ms)
{
    if (p->stream >= 0 && a->begins && a->first > n->log->streams[p->stream].arrived + 1) {
        peer_log_lose(n->log, p->stream); /* what is missing nobody has any more */
        p->stream = -1;
        peer_node_new_epoch(n, now_ms);
    }
    if (p->stream < 0 && a->begins)
        meet(n, p, a, now_ms);
    if (p->stream >= 0 && a->first <= n->log->streams[p->stream].arrived + 1)
        append_told(n, p, a, now_ms);
}

static void take_ask(struct peer_node *n, struct peer *p, const struct peer_ask *a,
                     struct peer_answer *out, uint64_t now_ms)
{
    peer_met(n, p, a->incarnation, now_ms);
    if (a->number <= p->heard) {
        refuse(out, "that request came before");
        return;
    }
    p->heard = a->number;
    p->known_hash = a->hash;
    if (peer_is_asked(n, p))
        take_told(n, p, a, now_ms);
    if (p->stream >= 0) {
        out->met = true;
        out->arrived = n->log->streams[p->stream].arrived;
    }
    peer_node_try_to_join(n);
    peer_node_forget(n, now_ms);
}

/* The set comes last, for it may have said that the asker leaves: first it is heard to the end.
 */
static void handle_tell(struct peer_node *n, const struct peer_ask *a, struct peer_answer *out,
                        uint64_t now_ms)
{
    char address[PEER_ADDRESS_BYTES_MAX + 1] = "";

    memcpy(address, a->from.data, a->from.size_bytes);
    if (strcmp(address, n->settings.address) == 0) {
        refuse(out, "two nodes bear that address");
        return;
    }
    if (!id128_equal(a->to, n->incarnation)) {
        out->verdict = PEER_UNKNOWN;
        return;
    }
    struct peer *p = peer_of(n, address);
    if (p && peer_has_ended(n, p, a->incarnation)) {
        refuse(out, "an earlier incarnation of that address");
        return;
    }
    bool heard = p && peer_is_asked(n, p);
    if (heard) {
        take_ask(n, p, a, out, now_ms);
        if (out->verdict == PEER_REFUSED)
            return;
    }
    int status = peer_node_merge(n, a->set, now_ms);
    if (status != ACCORD_OK) {
        refuse(out, status == ACCORD_E_FULL ? "together the two know more than 64 addresses"
                                            : "its list of members is none");
        return;
    }
    p = peer_of(n, address);
    if (!heard && p && peer_is_asked(n, p))
        take_ask(n, p, a, out, now_ms);
}

static void handle_forget(struct peer_node *n, const struct peer_ask *a,
                          struct peer_answer *out, uint64_t now_ms)
{
    char address[PEER_ADDRESS_BYTES_MAX + 1] = "";

    memcpy(address, a->from.data, a->from.size_bytes);
    struct peer *p = peer_of(n, address);
    if (!id128_equal(a->to, n->incarnation))
        out->verdict = PEER_UNKNOWN;
    else if (!p || !peer_set_has(&n->set, address))
        refuse(out, "no member has that address");
    else if (p == &n->peers[0])
        refuse(out, "that is the address of the node that was asked: stop it instead");
    else if (p->failures == 0)
        refuse(out, "it answers: stop it instead, and it leaves by itself");
    else {
        peer_set_leave(&n->set, address, (struct id128){0, 0}, 0);
        peer_node_set_changed(n, now_ms);
    }
}

int peer_node_handle(struct peer_node *n, struct bytes body, uint64_t now_ms, uint8_t *out,
                     size_t *bytes)
{
    struct peer_ask a;
    int status = peer_ask_decode(body, &n->settings.key, &a);

    if (status != ACCORD_OK)
        return status;
    struct peer_answer answer = answer_to(n, &a);
    if (a.kind == PEER_TELL)
        handle_tell(n, &a, &answer, now_ms);
    else
        handle_forget(n, &a, &answer, now_ms);
    answer.incarnation = n->incarnation; /* it may be another by now */
    answer.newest = n->journal.newest;
    answer.hash = peer_set_hash(&n->set);
    if (answer.hash != a.hash && answer.verdict != PEER_UNKNOWN)
        answer.set = bytes_of(n->set_bytes, peer_set_encode(&n->set, n->set_bytes));
    *bytes = peer_answer_encode(&answer, &n->settings.key, out);
    return ACCORD_OK;
}

size_t peer_forget_ask(const char *address, struct id128 to, const struct peer_key *k,
                       uint8_t *out)
{
    struct peer_ask a = {
        .kind = PEER_FORGET, .from = bytes_of_text(address), .to = to, .first = 1};
    size_t head = peer_ask_begin(&a, out);

    return peer_ask_end(out, head, head, 0, k);
}
