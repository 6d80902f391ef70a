/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

/* L is one number of the cluster; it changes at a place in the log, so each node learns of it
 * in order. But nodes read the log at different speeds, so for a while two numbers are in use:
 *
 *     used    by the own leases: the smaller. Lowered, at once; raised, once everybody must
 *             have heard of it: 1.5 × the new L later.
 *     waited  for those of others (strict removals, silence): the larger. Raised, at once;
 *             lowered, once the last lease by the old number has ended: 1.5 × the old L later.
 *
 * Who has not applied the change yet gets no lease beyond it: its next question is answered
 * with a head at or after the change, and must be caught up with first. Who attaches in between
 * is told both numbers by the bus; when its stage is over, a node says so in the log, and the
 * bus then tells only one. */

static void check(const struct core *c)
{
    ASSERT(c->wait_stale_ns >= c->max_stale_ns);
    ASSERT(c->lease.term_ns <= c->wait_stale_ns);
    ASSERT((c->stage_ends_ns > 0) || c->wait_stale_ns == c->max_stale_ns);
}

/* The silence after which nobody waits for a member: its own clock may be 10 % slow, and it may
 * have been paused for L/4 twice. */
static void set_waited(struct core *c, uint64_t wait_ns)
{
    c->wait_stale_ns = wait_ns;
    c->member_ttl_ns = MEMBER_TTL_SHARE * wait_ns;
    c->silence_ns = c->member_ttl_ns + c->member_ttl_ns / 4 + wait_ns / 2;
    members_set_silence(&c->members, c->silence_ns);
}

static uint64_t own_term_ns(const struct core *c)
{
    return c->settings.max_stale_given ? u64_min(c->settings.max_stale_ns, c->max_stale_ns)
                                       : c->max_stale_ns;
}

/* The own beats bound the own lease by the number that it is used with. */
static void use_term(struct core *c, uint64_t cluster_ns, uint64_t term_ns)
{
    bool held = c->lease.deadline_ns > 0;

    lease_change_terms(&c->lease, term_ns, MEMBER_TTL_SHARE * cluster_ns);
    if (held)
        writer_set_lease(c->writer, c->lease.deadline_ns, c->lease.question_ns);
    coherence_lapse(c);        /* by the shorter term it may be over */
    c->ask_due_ns = c->now_ns; /* what was cut short wants to be renewed soon */
    c->beat_due_ns = c->now_ns;
}

static void begin_stage(struct core *c, uint64_t wait_ns)
{
    set_waited(c, wait_ns);
    c->stage_ends_ns = u64_add_sat(c->now_ns, wait_ns + wait_ns / 2);
}

void stage_begin(struct core *c, uint64_t cluster_ns, uint64_t before_ns)
{
    uint64_t known_ns = c->attached_once ? c->wait_stale_ns : 0;
    uint64_t wait_ns = u64_max(u64_max(cluster_ns, before_ns), known_ns);

    ASSERT(cluster_ns > 0);
    c->max_stale_ns = cluster_ns;
    uint64_t term_ns = own_term_ns(c), ttl_ns = MEMBER_TTL_SHARE * cluster_ns;
    bool changes = term_ns != c->lease.term_ns || ttl_ns != c->lease.member_ttl_ns;
    c->stage_ends_ns = 0;
    c->stage_settle = before_ns > cluster_ns;
    if (wait_ns > cluster_ns)
        begin_stage(c, wait_ns);
    else
        set_waited(c, wait_ns);
    if (changes && c->lease.deadline_ns > 0) /* also where the node's own, smaller one stays */
        coherence_lose(c, "the cluster's max_stale has changed");
    lease_set_terms(&c->lease, term_ns, ttl_ns);
    check(c);
}

void stage_apply(struct core *c, const struct change *change)
{
    uint64_t new_ns = change->version * NS_PER_MS, old_ns = c->max_stale_ns;
    uint64_t before_ns = change_max_stale_before(change) * NS_PER_MS;

    check(c);
    if (new_ns == old_ns && before_ns == new_ns) {
        c->stage_settle = false; /* somebody's stage is over; ours may take a little longer */
        return;
    }
    c->max_stale_ns = new_ns;
    begin_stage(c, u64_max(u64_max(new_ns, before_ns), c->wait_stale_ns));
    c->stage_settle = true;
    if (own_term_ns(c) < c->lease.term_ns)
        use_term(c, new_ns, own_term_ns(c));
    core_note(c, NOTE_MAX_STALE, NULL, NULL, new_ns);
    check(c);
}

static struct change make_change(struct core *c, uint64_t new_ns, uint64_t before_ns)
{
    struct change change = publish_make(c, CHANGE_BEAT, bytes_of(NULL, 0));

    change.has_version = change.has_fingerprint = true;
    change.version = new_ns / NS_PER_MS;
    change.fingerprint = before_ns / NS_PER_MS;
    return change;
}

void stage_drive(struct core *c)
{
    if (c->stage_ends_ns == 0 || c->now_ns < c->stage_ends_ns)
        return;
    c->stage_ends_ns = 0;
    set_waited(c, c->max_stale_ns);
    if (own_term_ns(c) != c->lease.term_ns ||
        c->lease.member_ttl_ns != MEMBER_TTL_SHARE * c->max_stale_ns)
        use_term(c, c->max_stale_ns, own_term_ns(c));
    if (c->stage_settle && c->phase == PHASE_RUNNING && publish_has_room(c, 1, 0)) {
        struct change change = make_change(c, c->max_stale_ns, c->max_stale_ns);
        publish_accept(c, &change);
    }
    c->stage_settle = false;
    check(c);
}

static void refuse(struct core *c, const struct request *r, int status, const char *why)
{
    core_reply(c, r->client, r->id, status)->why_text = why;
}

void stage_request(struct core *c, const struct request *r)
{
    uint64_t ms = r->max_stale_ns / NS_PER_MS;

    check(c);
    if (ms < MAX_STALE_MS_MIN || ms > MAX_STALE_MS_MAX) {
        refuse(c, r, ACCORD_E_INVALID, "max_stale is from 500 ms to 1 h; nothing was changed");
    } else if (c->phase >= PHASE_STOPPING || c->own_position == 0) {
        refuse(c, r, ACCORD_E_DOWN,
               "this node is not a member of the cluster now; nothing was changed");
    } else if (!publish_has_room(c, 1, 0)) {
        refuse(c, r, ACCORD_E_FULL, "too many changes wait for the bus; nothing was changed");
    } else {
        struct change change =
            make_change(c, ms * NS_PER_MS, u64_max(c->wait_stale_ns, ms * NS_PER_MS));
        uint64_t ordinal = publish_accept(c, &change);
        publish_await(c, r, ordinal, ordinal, 0);
    }
    check(c);
}
