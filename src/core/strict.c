/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

/* A strict removal at position p is done when no node can serve what it removed any more (P3).
 * The entry must have come back to this node first, so that whatever was before it is applied;
 * then each member that was seen before p has confirmed, or its lease has run out:
 *
 *     confirmed   a beat of the same incarnation and epoch says that it has applied p. A later
 *                 beat alone says nothing: it may have left before p arrived there. Nor does
 *                 any beat of an incarnation that two processes bear (apply.c): it is waited
 *                 out.
 *     lapsed      it was silent for so long that its own beats grant it no lease; or 1.5 × L
 * has passed since the publish was confirmed: no question from before it can.
 *
 * Who joined after p can hold no lease before it has applied p. While the view of the log is
 * younger than the silence it knows too few members, and only the second kind of lapse counts.
 *
 * Then one question more. A node that lapsed may come back and go on from where it stood before
 * p: it meets p on its way, if p is still in the log. So a question that leaves after all that
 * must find the log as it was read here, up to p at least: a head that proves our cursor, or an
 * own beat that comes back (entries that were replaced are noticed on the way, see trail.h).
 */

enum { NAMES_MAX = 8 };

static void check(const struct core *c)
{
    ASSERT(c->silence_ns > c->member_ttl_ns);
    ASSERT(c->member_ttl_ns > c->wait_stale_ns);
}

static uint64_t lapses_ns(const struct core *c, uint64_t since_ns)
{
    return u64_add_sat(since_ns, c->wait_stale_ns + c->wait_stale_ns / 2);
}

static uint64_t view_ripens_ns(const struct core *c)
{
    return u64_add_sat(c->view_since_ns, c->silence_ns);
}

/* Nobody can tell whether the entry that was published is still there. */
static bool is_void(const struct core *c, const struct wait *wait)
{
    return wait->reading != c->reading || wait->epoch != c->trail.cursor.epoch;
}

static bool is_back(const struct core *c, const struct wait *wait)
{
    ASSERT(c->attached_once); /* else nothing was published */
    return c->trail.cursor.position >= wait->position;
}

/* To a removal at `position` whose publish was confirmed at since_ns. */
static enum standing standing_of(const struct core *c, const struct member *m,
                                 uint64_t position, uint64_t since_ns)
{
    if (!m->joined || m->gone || m->view.self || m->view.joined_position >= position)
        return STANDING_NONE;
    if (m->view.applied >= position && !m->twins)
        return STANDING_CONFIRMED;
    bool silent = c->now_ns >= u64_add_sat(m->view.last_seen_ns, c->silence_ns);

    return silent || c->now_ns >= lapses_ns(c, since_ns) ? STANDING_LAPSED : STANDING_UNKNOWN;
}

static bool is_done(const struct core *c, const struct wait *wait)
{
    if (!is_back(c, wait))
        return false;
    if (c->now_ns >= lapses_ns(c, wait->since_ns))
        return true;
    if (c->now_ns < view_ripens_ns(c))
        return false;
    for (size_t i = 0; i < c->members.count; i++)
        if (standing_of(c, &c->members.list[i], wait->position, wait->since_ns) ==
            STANDING_UNKNOWN)
            return false;
    return true;
}

/* ---- answers -------------------------------------------------------------------------------
 */

bool core_standing(const struct core *c, const struct reply *reply, size_t *at,
                   struct core_standing *out)
{
    ASSERT(reply->is_strict);
    while (*at < c->members.count) {
        const struct member *m = &c->members.list[(*at)++];
        enum standing standing =
            standing_of(c, m, reply->strict_position, reply->strict_since_ns);
        if (standing == STANDING_NONE)
            continue;
        *out = (struct core_standing){.name = m->view.name,
                                      .incarnation = m->view.incarnation,
                                      .ambiguous = m->namesake,
                                      .standing = standing};
        return true;
    }
    return false;
}

/* Adds `before` and who stands so, if anybody does. Returns how many. */
static size_t add_names(struct core *c, const struct wait *wait, enum standing standing,
                        const char *before)
{
    size_t count = 0;

    for (size_t i = 0; i < c->members.count; i++) {
        const struct member *m = &c->members.list[i];
        if (standing_of(c, m, wait->position, wait->since_ns) != standing)
            continue;
        if (count < NAMES_MAX) {
            text_add(&c->line, count == 0 ? before : ", ");
            text_add_bytes(&c->line, bytes_of_text(m->view.name));
        }
        count++;
    }
    if (count > NAMES_MAX) {
        text_add(&c->line, " and ");
        text_add_number(&c->line, count - NAMES_MAX);
        text_add(&c->line, " more");
    }
    return count;
}

/* The answer, and how core_standing() is to judge. */
static struct reply *strict_reply(struct core *c, const struct wait *wait, int status)
{
    struct reply *reply = core_reply(c, wait->client, wait->id, status);

    bool known = is_back(c, wait) && !is_void(c, wait);

    reply->count = wait->count;
    reply->is_strict = true;
    reply->strict_position = known ? wait->position : 0; /* 0: nobody was there before it */
    reply->strict_since_ns = wait->since_ns;
    return reply;
}

static void done(struct core *c, const struct wait *wait)
{
    struct reply *reply = strict_reply(c, wait, ACCORD_OK);

    ASSERT(reply->strict_position > 0);
    reply->has_position = true;
    reply->position = (struct position){wait->epoch, wait->position};
    text_set(&c->line, "");
    size_t confirmed = add_names(c, wait, STANDING_CONFIRMED, "confirmed by ");
    size_t lapsed =
        add_names(c, wait, STANDING_LAPSED, confirmed > 0 ? "; lapsed: " : "lapsed: ");
    if (confirmed + lapsed == 0)
        text_set(&c->line, "no other node could have held it");
    reply->why_text = core_words(c, c->line.data);
    c->counts.strict_done++;
}

/* The removal itself is in the log: only whether all have it is not known. */
static void unknown(struct core *c, const struct wait *wait, const char *why)
{
    struct reply *reply = strict_reply(c, wait, ACCORD_E_TIMEOUT);
    const char *words = core_words(c, why);

    reply->why_text = words ? words : "not every node has confirmed";
    c->counts.strict_unknown++;
}

/* Who is there is not known yet, and the longest lease of all has not run out either. */
static void say_view_is_young(struct core *c, const struct wait *wait)
{
    uint64_t due_ns = u64_min(view_ripens_ns(c), lapses_ns(c, wait->since_ns));

    text_set(&c->line,
             "this node has not watched the log for long enough to know who is there: "
             "with a wait that is ");
    text_add_seconds(&c->line, u64_sub_sat(due_ns, c->now_ns));
    text_add(&c->line, " longer it would be answered");
}

void strict_expire(struct core *c, const struct wait *wait)
{
    check(c);
    if (is_void(c, wait)) {
        unknown(c, wait, "the log has changed since; remove it again");
    } else if (!is_back(c, wait)) {
        unknown(c, wait, "the removal has not come back from the log yet");
    } else {
        text_set(&c->line, "");
        size_t unknown_count = add_names(c, wait, STANDING_UNKNOWN, "not confirmed by ");
        if (unknown_count == 0 && wait->kind == WAIT_PROOF)
            text_set(&c->line, "the bus does not say whether the removal is still there");
        else if (unknown_count == 0)
            say_view_is_young(c, wait);
        unknown(c, wait, c->line.data);
    }
}

/* In the order in which they were confirmed, and so of positions: what the first waits for, all
 * wait for. Those that only lack the proof share a question. */
void strict_answer(struct core *c)
{
    struct wait *wait;

    check(c);
    while ((wait = waits_first(&c->waits, WAIT_STRICT)) &&
           (is_void(c, wait) || is_done(c, wait))) {
        wait->serial = is_void(c, wait) ? 0 : coherence_want(c);
        waits_change(&c->waits, wait, WAIT_PROOF, wait->deadline_ns);
    }
    while ((wait = waits_first(&c->waits, WAIT_PROOF))) {
        if (is_void(c, wait))
            strict_expire(c, wait);
        else if (wait->serial <= c->lease.answered_serial)
            done(c, wait);
        else
            return;
        waits_remove(&c->waits, wait);
    }
}

/* The first may be older than all that wait, so it does not queue behind them if it is done. */
void strict_add(struct core *c, const struct wait *wait)
{
    struct wait *added = waits_add(&c->waits, wait);

    check(c);
    ASSERT(!is_void(c, added)); /* publish_again() has looked */
    if (!is_done(c, added))
        return;
    added->serial = coherence_want(c);
    waits_change(&c->waits, added, WAIT_PROOF, added->deadline_ns);
}

/* Silence has its own: see members_fell_silent(). Who lacks only the proof waits for the bus.
 */
uint64_t strict_deadline_ns(const struct core *c)
{
    uint32_t first = c->waits.lists[WAIT_STRICT].first;
    uint64_t deadline_ns = UINT64_MAX;

    check(c);
    if (first == 0)
        return deadline_ns;
    const struct wait *wait = &c->waits.all[first - 1];
    if (c->now_ns < lapses_ns(c, wait->since_ns))
        deadline_ns = lapses_ns(c, wait->since_ns);
    if (c->now_ns < view_ripens_ns(c))
        deadline_ns = u64_min(deadline_ns, view_ripens_ns(c));
    return deadline_ns;
}
