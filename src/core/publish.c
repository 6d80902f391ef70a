/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT(c->forgotten <= c->outbox.confirmed);
    ASSERT(c->forgotten >= c->outbox.oldest);
    ASSERT(!c->leave_made || c->phase >= PHASE_LEAVING);
}

struct change publish_make(struct core *c, enum change_op op, struct bytes key)
{
    return (struct change){.op = op,
                           .key = key,
                           .message = random_message(&c->random, c->wall_ms, c->now_ns),
                           .wall_ms = c->wall_ms,
                           .origin = bytes_of_text(c->settings.name),
                           .incarnation = c->settings.incarnation};
}

bool publish_has_room(struct core *c, size_t count, size_t key_bytes)
{
    check(c);
    if (c->batch.open && c->batch.refused)
        return false;
    if (outbox_has_room(&c->outbox, count, key_bytes) &&
        (c->settings.ack_local || !waits_is_full(&c->waits))) {
        c->full_noted = false;
        return true;
    }
    if (!c->full_noted)
        core_note(c, NOTE_OUTBOX_FULL, NULL, c->publish_why.data, outbox_count(&c->outbox));
    c->full_noted = true;
    return false;
}

/* Refused as a whole, or not at all. */
void publish_begin(struct core *c, const struct request *r)
{
    check(c);
    publish_end(c); /* one that was left open */
    c->batch.open = true;
    c->batch.client = r->client;
    c->batch.from = c->outbox.next;
    c->batch.refused = r->batch_count > PUBLISH_BATCH_MAX ||
                       !publish_has_room(c, r->batch_count, r->batch_bytes);
}

void publish_end(struct core *c)
{
    if (c->batch.open && c->outbox.next > c->batch.from)
        c->counts.folded += outbox_join(&c->outbox, c->batch.from);
    c->batch.open = false;
    check(c);
}

void publish_join(struct core *c, uint64_t from)
{
    if (!c->batch.open)
        c->counts.folded += outbox_join(&c->outbox, from);
}

uint64_t publish_accept(struct core *c, const struct change *change)
{
    fencing_removed(c, change);
    return outbox_add(&c->outbox, change, /* resent= */ false);
}

static void keep(struct core *c, uint64_t from, uint64_t until)
{
    const struct change *changes;
    size_t count;

    while (outbox_keep(&c->outbox, from, until, &changes, &count)) {
        struct effect *e = core_say(c, EFFECT_KEEP);
        e->keep.changes = changes;
        e->keep.count = count;
    }
}

static void await_log(struct core *c, const struct request *r, uint64_t from, uint64_t ordinal,
                      uint64_t count)
{
    struct wait wait = {.kind = WAIT_PUBLISH,
                        .client = r->client,
                        .id = r->id,
                        .deadline_ns = u64_add_sat(c->now_ns, c->settings.publish_timeout_ns),
                        .ordinal_from = from,
                        .ordinal = ordinal,
                        .count = count};

    if (r->want_strict) {
        wait.strict_deadline_ns = u64_max(1, u64_add_sat(c->now_ns, r->wait_ns));
        wait.reading = c->reading;
    }
    waits_add(&c->waits, &wait);
}

void publish_await(struct core *c, const struct request *r, uint64_t from, uint64_t ordinal,
                   uint64_t count)
{
    check(c);
    if (c->settings.ack_local && !r->want_strict) {
        keep(c, from, ordinal + 1);
        core_reply(c, r->client, r->id, ACCORD_OK)->count = count;
        return;
    }
    await_log(c, r, from, ordinal, count);
}

/* ---- asked for again -----------------------------------------------------------------------
 */

/* Known by its id, it bears it to the journal, and so over a restart. */
void publish_name(struct core *c, const struct request *r, uint64_t from, struct change *change)
{
    if (r->retry_id.size_bytes == 0)
        return;
    change->message.high = retries_name(r);
    retries_add(&c->retries, change->message.high, from, c->outbox.next, c->reading);
}

static void answer_again(struct core *c, const struct request *r, const struct retry *known)
{
    struct wait wait = {.kind = WAIT_STRICT,
                        .client = r->client,
                        .id = r->id,
                        .deadline_ns = u64_max(1, u64_add_sat(c->now_ns, r->wait_ns)),
                        .ordinal_from = known->from,
                        .ordinal = known->ordinal,
                        .position = known->position,
                        .epoch = known->epoch,
                        .since_ns = known->since_ns,
                        .reading = known->reading};

    if (r->want_strict) {
        strict_add(c, &wait);
        return;
    }
    struct reply *reply = core_reply(c, r->client, r->id, ACCORD_OK);
    reply->has_position = true;
    reply->position = (struct position){known->epoch, known->position};
}

/* Where the log has changed since, the first says nothing any more: it is removed again. */
bool publish_again(struct core *c, const struct request *r)
{
    const struct retry *known =
        r->retry_id.size_bytes > 0 ? retries_find(&c->retries, retries_name(r)) : NULL;

    if (!known || known->reading != c->reading ||
        (known->confirmed && known->epoch != c->trail.cursor.epoch))
        return false;
    c->counts.retries++;
    if (known->confirmed)
        answer_again(c, r, known);
    else if (waits_is_full(&c->waits))
        core_reply(c, r->client, r->id, ACCORD_E_FULL)->why_text =
            "too many requests wait; try again later";
    else /* also with ack = local: only who was answered knows whether it could be kept */
        await_log(c, r, known->from, known->ordinal, 0);
    return true;
}

/* Kept by an earlier run of this node. Applied here too: a cache that was inherited from that
 * run may not have them yet. They go first, for they are accepted at start; their sequence is
 * none, see outbox_add(). What finds no room stays in the journal for the next start. */
void publish_resend(struct core *c, const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct change change = changes[i];

        apply_change(c, &change);
        if (id128_is_none(change.message) || change_problem(&change) ||
            !outbox_has_room(&c->outbox, 1, change.key.size_bytes)) {
            core_note(c, NOTE_OUTBOX_FULL, NULL, "a kept change cannot be sent again", i);
            continue;
        }
        change.origin = bytes_of_text(c->settings.name);
        change.incarnation = c->settings.incarnation;
        retries_add(&c->retries, u64_max(change.message.high, 1), c->outbox.next,
                    c->outbox.next, c->reading);
        outbox_add(&c->outbox, &change, /* resent= */ true);
    }
    check(c);
}

/* ---- batches -------------------------------------------------------------------------------
 */

/* Where beats ask, they come as often as questions, but no more of them are on their way than
 * the lease can remember: see publish_beat_back(). */
static uint64_t beat_every_ns(const struct core *c)
{
    if (c->settings.head_linearizable)
        return c->lease.member_ttl_ns / MEMBER_TTL_SHARE;
    return u64_max(coherence_ask_every_ns(c), c->lease.term_ns / LEASE_BEATS_MAX);
}

/* On a fast bus the next one that asks need not wait any longer. */
void publish_beat_back(struct core *c)
{
    uint64_t every_ns = coherence_ask_every_ns(c);

    if (c->settings.head_linearizable || every_ns == beat_every_ns(c) ||
        lease_awaits_beats(&c->lease))
        return;
    c->beat_due_ns = u64_min(c->beat_due_ns, u64_max(c->now_ns, c->beat_made_ns + every_ns));
}

/* A beat tells of changes that did not arrive where there is something to tell, else what is to
 * be told to one node, else what the join told: who came later may not find that any more. */
static struct bytes about(struct core *c, enum change_op op)
{
    struct bytes word = {0};

    if (op == CHANGE_BEAT)
        word = hole_word(c);
    if (op == CHANGE_BEAT && word.size_bytes == 0)
        word = letters_word(c);
    return word.size_bytes > 0 ? word : bytes_of(c->of_us, c->of_us_bytes);
}

static struct change make_beat(struct core *c, enum change_op op)
{
    struct change beat = publish_make(c, op, bytes_of(NULL, 0));
    bool asks = !c->settings.head_linearizable;

    beat.nonce = random_nonce(&c->random, c->now_ns);
    beat.applied = c->trail.newest > 0 ? hole_floor(c) : 0;
    beat.applied_hash = trail_hash(&c->trail, beat.applied);
    beat.lease_epoch = c->trail.cursor.epoch;
    beat.about = about(c, op);
    lease_beat_sent(&c->lease, beat.nonce, asks, c->now_ns, c->head);
    c->beat_due_ns = c->now_ns + random_spread(&c->random, beat_every_ns(c), JITTER_PERMILLE);
    c->beat_made_ns = c->now_ns;
    c->beat_wanted = false;
    c->counts.beats_sent++;
    return beat;
}

/* While beats are on their way, no faster than the lease can remember them. */
void publish_beat_soon(struct core *c)
{
    uint64_t apart_ns = c->lease.term_ns / LEASE_BEATS_MAX;
    uint64_t due_ns = lease_awaits_beats(&c->lease)
                          ? u64_max(c->now_ns, u64_add_sat(c->beat_made_ns, apart_ns))
                          : c->now_ns;

    c->beat_wanted = true;
    c->beat_due_ns = u64_min(c->beat_due_ns, due_ns);
}

static bool beat_is_due(const struct core *c)
{
    return c->phase == PHASE_RUNNING && (!c->join_made || c->now_ns >= c->beat_due_ns);
}

/* Nobody knows us as a member, or our leave would be taken for that of a twin, too. */
static bool has_nothing_to_leave(const struct core *c)
{
    return !c->join_made || c->has_twin;
}

/* The leave is the last of all: what was accepted is in the log by then. */
static bool leave_is_due(const struct core *c)
{
    return c->phase == PHASE_STOPPING && !has_nothing_to_leave(c) &&
           outbox_count(&c->outbox) == 0;
}

static bool batch_is_due(const struct core *c)
{
    return outbox_is_ready(&c->outbox) || beat_is_due(c) || leave_is_due(c);
}

static void send(struct core *c)
{
    struct effect *e = core_say(c, EFFECT_PUBLISH);

    ASSERT(c->outbox.state == OUTBOX_SENT);
    e->publish.batch = c->outbox.batch;
    e->publish.changes = c->outbox.batch_changes;
    e->publish.count = c->outbox.changes_count;
}

static void compose(struct core *c)
{
    struct change control;
    bool has_control = true;

    if (leave_is_due(c)) {
        ASSERT(c->lease.deadline_ns == 0);
        control = publish_make(c, CHANGE_LEAVE, bytes_of(NULL, 0));
        c->leave_made = true;
        c->phase = PHASE_LEAVING;
    } else if (beat_is_due(c)) {
        control = make_beat(c, c->join_made ? CHANGE_BEAT : CHANGE_JOIN);
        c->join_made = true;
    } else {
        has_control = false;
    }
    outbox_compose(&c->outbox, has_control ? &control : NULL, &c->sequence);
    for (size_t i = 0; i < c->outbox.changes_count; i++)
        if (c->outbox.batch_changes[i].sequence > 0)
            sent_add(&c->sent, &c->outbox.batch_changes[i]);
    send(c);
}

static void stopped(struct core *c)
{
    ASSERT(c->phase >= PHASE_STOPPING);
    c->phase = PHASE_STOPPED;
    core_say(c, EFFECT_STOPPED);
}

/* `epoch` is that of the log which took them: it may be a newer one than ours, and then their
 * positions mean nothing on a node that has not noticed either. */
static void answer_one(struct core *c, struct wait *wait, uint64_t epoch)
{
    wait->position = outbox_position(&c->outbox, wait->ordinal);
    wait->epoch = epoch;
    if (wait->strict_deadline_ns > 0) {
        wait->since_ns = c->now_ns;
        waits_change(&c->waits, wait, WAIT_STRICT,
                     u64_max(wait->strict_deadline_ns, c->now_ns));
        if (c->phase >= PHASE_STOPPING)
            request_expire(c, wait);
        return;
    }
    struct reply *reply = core_reply(c, wait->client, wait->id, ACCORD_OK);
    reply->count = wait->count;
    reply->has_position = true;
    reply->position = (struct position){wait->epoch, wait->position};
    waits_remove(&c->waits, wait);
}

/* Not in the order of waiting: who asked for a removal again waits behind changes that came
 * after it. None may be left waiting, for what is confirmed and applied is forgotten. */
static void answer_published(struct core *c, uint64_t epoch)
{
    struct wait *next;

    retries_settle(&c->retries, &c->outbox, epoch, c->now_ns);
    if (c->outbox.confirmed == c->answered)
        return;
    c->answered = c->outbox.confirmed;
    for (struct wait *wait = waits_first(&c->waits, WAIT_PUBLISH); wait; wait = next) {
        next = waits_next(&c->waits, wait);
        if (wait->ordinal < c->outbox.confirmed)
            answer_one(c, wait, epoch);
    }
}

void publish_done(struct core *c, const struct event *e)
{
    uint32_t failures = c->outbox.failures;
    size_t count = c->outbox.changes_count;

    check(c);
    if (e->published.status == ACCORD_OK) {
        if (!outbox_acknowledged(&c->outbox, e->published.batch, e->published.last))
            return;
        c->counts.published += count;
        answer_published(c,
                         e->published.epoch > 0 ? e->published.epoch : c->trail.cursor.epoch);
        if (failures > 0)
            core_note(c, NOTE_PUBLISH_OK, NULL, NULL, failures);
        if (c->phase == PHASE_LEAVING)
            stopped(c);
    } else {
        uint64_t retry_ns = c->now_ns + core_backoff_ns(c, failures + 1);

        if (!outbox_failed(&c->outbox, e->published.batch, retry_ns))
            return;
        c->counts.publish_failures++;
        text_set(&c->publish_why, e->published.why && e->published.why[0]
                                      ? e->published.why
                                      : status_text(e->published.status));
        if (failures == 0)
            core_note(c, NOTE_PUBLISH_FAILED, NULL, c->publish_why.data, count);
    }
    check(c);
}

/* ---- who waits -----------------------------------------------------------------------------
 */

static const char *why_unpublished(const struct core *c)
{
    if (c->link == LINK_LOST)
        return c->lost_why.data;
    if (c->link != LINK_UP)
        return "not attached to the bus yet";
    if (trust_why(c))
        return trust_why(c);
    return c->outbox.failures > 0 ? c->publish_why.data : "the bus has not answered in time";
}

/* They expire in the order in which they came, for all wait equally long. Everything up to the
 * last of their changes is kept before the first is answered. (Who asked again waits for an
 * earlier one.) */
void publish_expire(struct core *c)
{
    struct wait *first = waits_first(&c->waits, WAIT_PUBLISH), *wait;
    uint64_t from = UINT64_MAX, until = 0;

    check(c);
    for (wait = first; wait && wait->deadline_ns <= c->now_ns;
         wait = waits_next(&c->waits, wait)) {
        from = u64_min(from, wait->ordinal_from);
        until = u64_max(until, wait->ordinal + 1);
    }
    if (until == 0)
        return;
    keep(c, from, until);
    while ((wait = waits_first(&c->waits, WAIT_PUBLISH)) && wait->deadline_ns <= c->now_ns) {
        struct reply *reply = core_reply(c, wait->client, wait->id, ACCORD_E_UNPUBLISHED);
        reply->count = wait->count;
        reply->why_text = why_unpublished(c);
        c->counts.unpublished_answers++;
        waits_remove(&c->waits, wait);
    }
    check(c);
}

/* ---- each step -----------------------------------------------------------------------------
 */

static void forget(struct core *c)
{
    size_t count = outbox_forget(&c->outbox, c->forgotten, c->forget);

    c->forgotten = c->outbox.confirmed;
    if (count > 0) {
        struct effect *e = core_say(c, EFFECT_FORGET);
        e->forget.messages = c->forget;
        e->forget.count = count;
    }
    if (outbox_trim(&c->outbox, c->trail.cursor.position) || c->link != LINK_UP)
        return;
    /* Another entry may stand there now; a strict removal must not take it for its own. */
    c->counts.divergences++;
    coherence_gone(c, DROP_LOST,
                   "the log has lost a change of this node that it had acknowledged");
}

void publish_settle(struct core *c)
{
    check(c);
    answer_published(c, c->trail.cursor.epoch); /* seen in the log we read */
    forget(c);
}

void publish_drive(struct core *c)
{
    check(c);
    if (c->batch.open)
        return; /* its end follows at once */
    if (c->phase == PHASE_STOPPING && has_nothing_to_leave(c) && outbox_count(&c->outbox) == 0)
        stopped(c);
    if (c->link == LINK_UP && c->phase != PHASE_STOPPED && trust_lets_publish(c)) {
        if (c->outbox.state == OUTBOX_FAILED && c->now_ns >= c->outbox.retry_ns) {
            outbox_resend(&c->outbox);
            send(c);
        }
        bool gathers = c->more && !outbox_fills_batch(&c->outbox);
        if (c->outbox.state == OUTBOX_IDLE && !gathers && batch_is_due(c))
            compose(c);
    }
    if (c->phase >= PHASE_STOPPING && c->phase < PHASE_STOPPED &&
        c->now_ns >= c->stop_deadline_ns) {
        keep(c, c->outbox.confirmed, c->outbox.next);
        stopped(c);
    }
    check(c);
}

void publish_stop(struct core *c)
{
    check(c);
    if (c->phase >= PHASE_STOPPING)
        return;
    coherence_lose(c, "stopping");
    c->phase = PHASE_STOPPING;
    c->stop_deadline_ns = u64_add_sat(c->now_ns, c->settings.publish_timeout_ns);
    request_stop(c);
    check(c);
}

uint64_t publish_deadline_ns(const struct core *c)
{
    uint64_t deadline_ns = UINT64_MAX;

    check(c);
    if (c->phase == PHASE_STOPPING || c->phase == PHASE_LEAVING)
        deadline_ns = c->stop_deadline_ns;
    if (c->link != LINK_UP || c->batch.open)
        return deadline_ns;
    if (!trust_lets_publish(c))
        return u64_min(deadline_ns, trust_deadline_ns(c));
    if (c->outbox.state == OUTBOX_FAILED)
        deadline_ns = u64_min(deadline_ns, c->outbox.retry_ns);
    if (c->outbox.state == OUTBOX_IDLE && c->phase == PHASE_RUNNING)
        deadline_ns = u64_min(deadline_ns, c->beat_due_ns);
    if (c->outbox.state == OUTBOX_IDLE && c->phase != PHASE_STOPPED && batch_is_due(c))
        deadline_ns = c->now_ns;
    return deadline_ns;
}
