/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/lease.h"

static void check(const struct lease *l)
{
    ASSERT(l->term_ns > 0);
    ASSERT(l->member_ttl_ns >= l->term_ns);
    ASSERT((l->nonce != 0) == (l->question != QUESTION_NONE));
    ASSERT(l->caught_serial <= l->last_serial);
    ASSERT(l->deadline_ns <= u64_add_sat(l->question_ns, l->term_ns));
    ASSERT(l->deadline_ns <= u64_add_sat(l->beat_ns, l->member_ttl_ns));
    ASSERT(l->deadline_ns == 0 || l->question_ns > 0);
    ASSERT(l->deadline_ns == 0 || l->beat_ns > 0);
}

void lease_init(struct lease *l, uint64_t term_ns, uint64_t member_ttl_ns)
{
    *l = (struct lease){
        .term_ns = term_ns, .member_ttl_ns = member_ttl_ns, .opens_ns = UINT64_MAX};
    check(l);
}

void lease_ask(struct lease *l, uint64_t nonce, uint64_t now_ns)
{
    check(l);
    ASSERT(l->question == QUESTION_NONE);
    ASSERT(nonce != 0);

    l->question = QUESTION_ASKED;
    l->nonce = nonce;
    l->sent_ns = now_ns;
    l->serial = ++l->last_serial;
    check(l);
}

void lease_abandon(struct lease *l)
{
    check(l);
    l->question = QUESTION_NONE;
    l->nonce = 0;
    check(l);
}

static void catch_up(struct lease *l, uint64_t sent_ns, uint64_t serial)
{
    ASSERT(serial > 0);
    l->question_ns = u64_max(l->question_ns, sent_ns);
    l->caught_serial = u64_max(l->caught_serial, serial);
    l->answered_serial = u64_max(l->answered_serial, serial);
}

bool lease_applied(struct lease *l, uint64_t applied)
{
    if (l->question != QUESTION_ANSWERED || applied < l->target)
        return false;
    catch_up(l, l->sent_ns, l->serial);
    lease_abandon(l);
    return true;
}

bool lease_answered(struct lease *l, uint64_t nonce, uint64_t head, uint64_t applied)
{
    check(l);
    if (l->question != QUESTION_ASKED || nonce != l->nonce)
        return false;
    l->question = QUESTION_ANSWERED;
    l->answered_serial = l->serial;
    l->target = head;
    return lease_applied(l, applied);
}

bool lease_unanswered(struct lease *l, uint64_t nonce)
{
    check(l);
    if (l->question != QUESTION_ASKED || nonce != l->nonce)
        return false;
    lease_abandon(l);
    return true;
}

void lease_beat_sent(struct lease *l, uint64_t nonce, bool asks, uint64_t now_ns,
                     uint64_t after)
{
    uint32_t i = l->beat_next;

    check(l);
    ASSERT(nonce != 0);
    l->beats[i].nonce = nonce;
    l->beats[i].sent_ns = now_ns;
    l->beats[i].serial = asks ? ++l->last_serial : 0;
    l->beats[i].after = after;
    l->beat_next = (i + 1) % LEASE_BEATS_MAX;
    check(l);
}

bool lease_beat_fits(const struct lease *l, uint64_t nonce, uint64_t position)
{
    check(l);
    for (uint32_t i = 0; i < LEASE_BEATS_MAX; i++)
        if (nonce != 0 && l->beats[i].nonce == nonce)
            return position > l->beats[i].after;
    return true;
}

bool lease_beat_applied(struct lease *l, uint64_t nonce)
{
    check(l);
    for (uint32_t i = 0; i < LEASE_BEATS_MAX; i++) {
        if (nonce == 0 || l->beats[i].nonce != nonce)
            continue;
        l->beat_ns = u64_max(l->beat_ns, l->beats[i].sent_ns);
        if (l->beats[i].serial > 0)
            catch_up(l, l->beats[i].sent_ns, l->beats[i].serial);
        l->beats[i].nonce = 0;
        check(l);
        return true;
    }
    return false;
}

bool lease_awaits_beats(const struct lease *l)
{
    check(l);
    for (size_t i = 0; i < LEASE_BEATS_MAX; i++)
        if (l->beats[i].nonce != 0)
            return true;
    return false;
}

bool lease_renew(struct lease *l, uint64_t now_ns)
{
    check(l);
    if (l->question_ns == 0 || l->beat_ns == 0 || now_ns < l->opens_ns)
        return false;

    uint64_t deadline_ns = u64_min(u64_add_sat(l->question_ns, l->term_ns),
                                   u64_add_sat(l->beat_ns, l->member_ttl_ns));
    if (deadline_ns <= now_ns || deadline_ns <= l->deadline_ns)
        return false;
    l->deadline_ns = deadline_ns;
    check(l);
    return true;
}

bool lease_lapsed(struct lease *l, uint64_t now_ns)
{
    check(l);
    if (l->deadline_ns == 0 || now_ns < l->deadline_ns)
        return false;
    l->deadline_ns = 0;
    return true;
}

bool lease_is_valid(const struct lease *l, uint64_t now_ns)
{
    check(l);
    return now_ns < l->deadline_ns;
}

void lease_drop(struct lease *l)
{
    check(l);
    l->deadline_ns = 0;
    l->question_ns = 0;
    l->beat_ns = 0;
    lease_abandon(l);
    for (uint32_t i = 0; i < LEASE_BEATS_MAX; i++)
        l->beats[i].nonce = 0;
    check(l);
}

void lease_set_terms(struct lease *l, uint64_t term_ns, uint64_t member_ttl_ns)
{
    check(l);
    if (term_ns == l->term_ns && member_ttl_ns == l->member_ttl_ns)
        return;
    lease_drop(l);
    l->term_ns = term_ns;
    l->member_ttl_ns = member_ttl_ns;
    check(l);
}

void lease_change_terms(struct lease *l, uint64_t term_ns, uint64_t member_ttl_ns)
{
    check(l);
    l->term_ns = term_ns;
    l->member_ttl_ns = member_ttl_ns;
    if (l->deadline_ns > 0)
        l->deadline_ns =
            u64_min(l->deadline_ns, u64_min(u64_add_sat(l->question_ns, term_ns),
                                            u64_add_sat(l->beat_ns, member_ttl_ns)));
    check(l);
}
