/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT(c->link != LINK_UP || c->attached_once);
    ASSERT(c->phase == PHASE_RUNNING || c->lease.deadline_ns == 0);
    ASSERT(c->lease.deadline_ns == 0 || c->own_position > 0);
    ASSERT(c->lease.question == QUESTION_NONE || c->link == LINK_UP);
}

/* ---- the lease -----------------------------------------------------------------------------
 */

void coherence_lose(struct core *c, const char *why)
{
    bool held = c->lease.deadline_ns > 0;

    c->lease.deadline_ns = 0;
    writer_set_lease(c->writer, 0, 0);
    /* Also where none was held: a token must not outlive a time of which nobody knows what was
     * removed in it. */
    writer_new_epoch(c->writer);
    text_set(&c->why, why);
    if (!held)
        return;
    c->counts.lease_losses++;
    c->unsure_since_ns = c->now_ns;
    c->unsure_since_wall_ms = c->wall_ms;
    core_note(c, NOTE_LEASE_LOST, NULL, c->why.data, 0);
}

void coherence_lapse(struct core *c)
{
    check(c);
    if (c->lease.deadline_ns == 0 || c->now_ns < c->lease.deadline_ns)
        return;
    if (c->link == LINK_LOST || c->ask_failures > 0)
        coherence_lose(c, c->lost_why.data);
    else if (c->outbox.failures > 0)
        coherence_lose(c, c->publish_why.data);
    else
        coherence_lose(c, "the bus has not answered in time");
    check(c);
}

void coherence_renew(struct core *c)
{
    check(c);
    bool held = c->lease.deadline_ns > 0;

    if (c->phase != PHASE_RUNNING || hole_is_open(c) || !trust_lets_renew(c))
        return;
    bool moved = lease_renew(&c->lease, c->now_ns);
    /* A newer question may not move a deadline that the beat bounds; readers want it anyway. */
    if (!moved && (!held || c->lease.question_ns == c->told_question_ns))
        return;
    writer_set_lease(c->writer, c->lease.deadline_ns, c->lease.question_ns);
    c->told_question_ns = c->lease.question_ns;
    c->counts.lease_renewals++;
    if (held)
        return;
    text_set(&c->why, "");
    c->unsure_since_ns = 0;
    c->unsure_since_wall_ms = 0;
    core_note(c, NOTE_LEASE_HELD, NULL, NULL, c->lease.deadline_ns - c->now_ns);
    check(c);
}

void coherence_cold_boot(struct core *c, enum drop cause, const char *why)
{
    ASSERT(cause < DROPS);
    coherence_lose(c, why);
    lease_drop(&c->lease);
    hole_forget(c);
    writer_set_position(c->writer, c->trail.cursor.position);
    fences_unknown(&c->fences, c->now_ns);
    writer_clear(c->writer, /* soft= */ false);
    c->reading++;
    c->view_since_ns = c->now_ns;
    c->head_asked_ns = 0;
    c->ask_due_ns = c->now_ns;
    c->beat_due_ns = c->now_ns;
    c->counts.cold_boots++;
    c->counts.drops[cause]++;
    warm_end(c, c->why.data);
    warm_cold(c, cause, c->why.data);
    core_note(c, NOTE_COLD_BOOT, NULL, c->why.data, c->trail.cursor.position);
}

/* ---- the link to the bus -------------------------------------------------------------------
 */

static void attach(struct core *c)
{
    ASSERT(c->link != LINK_ATTACHING);
    struct effect *e = core_say(c, EFFECT_ATTACH);

    e->attach.resume = !c->attached_once && c->warm.state != WARM_NEVER;
    e->attach.cursor = e->attach.resume ? c->settings.cursor : (struct cursor){0};
    e->attach.view_ns = c->silence_ns;
    c->link = LINK_ATTACHING;
}

void coherence_begin_anew(struct core *c, enum drop cause, const char *why)
{
    coherence_cold_boot(c, cause, why);
    if (c->phase != PHASE_RUNNING)
        return; /* it only has to end */
    c->link = LINK_LOST;
    attach(c);
}

void coherence_read_again(struct core *c, const struct place *from)
{
    struct effect *e = core_say(c, EFFECT_ATTACH);

    ASSERT(c->attached_once);
    lease_abandon(&c->lease);
    e->attach.resume = true;
    e->attach.cursor = (struct cursor){.log = c->trail.cursor.log,
                                       .epoch = c->trail.cursor.epoch,
                                       .position = from->position,
                                       .message = from->message};
    c->link = LINK_ATTACHING;
    c->holes.attaching = true;
}

/* Our place is in it still, or an earlier one that was asked for; what lay behind is not, and
 * was never applied here, or nothing of what follows can be told from it. */
const char coherence_shorter[] = "the log is shorter than it was: it lost its newest part";

static bool is_same_epoch(const struct core *c, const struct event *e)
{
    return id128_equal(c->trail.cursor.log, e->attached.log) &&
           c->trail.cursor.epoch == e->attached.epoch;
}

static bool is_shorter(const struct core *c, const struct event *e)
{
    return c->attached_once && is_same_epoch(c, e) && e->attached.head < c->head;
}

/* Reading begins at a place that nothing kept here can be compared with. */
static void start_anew(struct core *c, const struct event *e)
{
    bool same_epoch = is_same_epoch(c, e);

    if (c->attached_once && (c->link != LINK_ATTACHING || c->holes.attaching))
        coherence_cold_boot(c, is_shorter(c, e) ? DROP_GONE : DROP_EPOCH,
                            is_shorter(c, e) ? coherence_shorter
                                             : "the bus has another log or epoch");
    else if (c->warm.state != WARM_NEVER)
        coherence_cold_boot(c, DROP_GONE, "the bus has another log or epoch than was saved");
    else
        coherence_lose(c, "catching up with the log");
    /* Also of what was removed since the cold boot, while the bus could not be reached. */
    fences_unknown(&c->fences, c->now_ns);
    fencing_attached(c, e);
    lease_drop(&c->lease);
    writer_clear(c->writer, /* soft= */ false);
    writer_set_log(c->writer, e->attached.log, e->attached.epoch);
    trail_start(&c->trail, e->attached.log, e->attached.epoch, e->attached.after);
    members_forget_sequences(&c->members);
    outbox_forget_confirmed(&c->outbox);
    hole_forget_answers(c);
    c->own_position = 0;
    c->anew_head = e->attached.head;
    c->rereads = false;
    c->reading +=
        c->attached_once; /* what was accepted before the first is not in the log yet */
    c->saved_position = c->trail.cursor.position;
    c->view_since_ns = c->now_ns;
    if (!same_epoch)
        request_epoch_changed(c);
    writer_set_position(c->writer, c->trail.cursor.position);
}

/* Whether the bus has proven the place at which an earlier incarnation stood. */
static bool resumes(const struct core *c, const struct event *e)
{
    const struct cursor *cursor = &c->settings.cursor;

    return !c->attached_once && c->warm.state != WARM_NEVER && e->attached.resumed &&
           id128_equal(cursor->log, e->attached.log) && cursor->epoch == e->attached.epoch &&
           e->attached.after <= cursor->position;
}

/* The segment is new: nothing was removed from it. What is read from here on up to the cursor
 * tells who is a member; what comes after it is applied. */
static void start_resumed(struct core *c, const struct event *e)
{
    coherence_lose(c, "catching up with the log");
    fencing_attached(c, e);
    trail_start(&c->trail, e->attached.log, e->attached.epoch, e->attached.after);
    c->saved_position = e->attached.after;
    c->view_since_ns = c->now_ns;
    writer_set_log(c->writer, e->attached.log, e->attached.epoch);
    writer_set_position(c->writer, e->attached.after);
}

static bool continues(const struct core *c, const struct event *e)
{
    return c->attached_once && e->attached.resumed && is_same_epoch(c, e) &&
           e->attached.after <= c->trail.cursor.position && !is_shorter(c, e);
}

static void refuse_max_stale(struct core *c, uint64_t cluster_ns)
{
    text_set(&c->line, "this cluster keeps max_stale ");
    text_add_seconds(&c->line, cluster_ns);
    text_add(&c->line, ", this node was told ");
    text_add_seconds(&c->line, c->settings.max_stale_ns);
    text_add(&c->line, "; leave --max-stale out, or give at most ");
    text_add_seconds(&c->line, cluster_ns);
    core_fatal(c, c->line.data);
}

/* A namespace may be stricter than the cluster, never laxer: nobody would wait for it. */
static void refuse_namespace(struct core *c, const struct namespace_settings *n,
                             uint64_t cluster_ns)
{
    text_set(&c->line, "[namespace ");
    text_add(&c->line, n->name[0] ? n->name : "default");
    text_add(&c->line, "] was given max_stale ");
    text_add_seconds(&c->line, n->max_stale_ns);
    text_add(&c->line, ", but this cluster keeps ");
    text_add_seconds(&c->line, cluster_ns);
    text_add(&c->line, ": give at most that, or leave it out");
    core_fatal(c, c->line.data);
}

void coherence_attached(struct core *c, const struct event *e)
{
    uint64_t cluster_ns = e->attached.max_stale_ns;

    check(c);
    if (cluster_ns == 0) /* a bus that cannot keep the number: each node brings its own */
        cluster_ns = c->settings.max_stale_ns;
    if (resumes(c, e))
        start_resumed(c, e);
    else if (continues(c, e))
        c->rereads = c->trail.newest > 0 && e->attached.after < c->trail.cursor.position;
    else
        start_anew(c, e);
    c->link = LINK_UP;
    c->holes.attaching = false;
    warm_attached(c, e->attached.head);
    trust_attached(c, e->attached.head);
    stage_begin(c, cluster_ns, e->attached.max_stale_before_ns);
    c->attached_once = true;
    c->head = u64_max(e->attached.head, c->trail.cursor.position);
    c->ask_due_ns = c->now_ns;
    c->ask_failures = 0;
    c->beat_due_ns = u64_min(c->beat_due_ns, c->lease.beat_ns == 0 ? c->now_ns : UINT64_MAX);
    core_note(c, NOTE_ATTACHED, NULL, NULL, e->attached.head);
    if (c->settings.max_stale_given && c->settings.max_stale_ns > cluster_ns)
        refuse_max_stale(c, cluster_ns);
    else if (policy_too_lax(&c->policy, cluster_ns))
        refuse_namespace(c, policy_too_lax(&c->policy, cluster_ns), cluster_ns);
    else if (c->settings.max_stale_ns != cluster_ns)
        core_note(c, NOTE_MAX_STALE, NULL, NULL, cluster_ns);
    check(c);
}

void coherence_gone(struct core *c, enum drop cause, const char *why)
{
    check(c);
    if (c->link == LINK_ATTACHING && !c->attached_once) {
        /* Without a cursor there was nothing to prove: it is only asked again. */
        if (c->warm.state != WARM_NEVER)
            coherence_cold_boot(c, cause, why ? why : "the log cannot prove our place in it");
        c->link = LINK_LOST;
    } else if (hole_cannot_be_replayed(c)) {
        return; /* there is another way, and an ATTACH for it is under way */
    } else if (c->link == LINK_ATTACHING && !c->holes.attaching) {
        return; /* said already, and an ATTACH is under way */
    } else {
        coherence_cold_boot(c, cause, why ? why : "the bus cannot prove our place in the log");
        c->link = LINK_LOST;
    }
    attach(c);
    check(c);
}

void coherence_lost(struct core *c, const char *why)
{
    bool first = c->link != LINK_LOST;

    check(c);
    if (c->link == LINK_NEW)
        return;
    text_set(&c->lost_why, why && why[0] ? why : "no connection to the bus");
    lease_abandon(&c->lease);
    c->link = LINK_LOST;
    if (!core_is_fresh(c))
        text_set(&c->why, c->lost_why.data);
    if (first)
        core_note(c, NOTE_BUS_LOST, NULL, c->lost_why.data, 0);
    check(c);
}

/* ---- questions -----------------------------------------------------------------------------
 */

uint64_t coherence_want(struct core *c)
{
    c->wanted_serial = c->lease.last_serial + 1;
    if (!c->settings.head_linearizable)
        c->beat_due_ns = c->now_ns;
    return c->wanted_serial;
}

static void unanswered(struct core *c, const char *why)
{
    c->ask_failures++;
    c->ask_due_ns = c->now_ns + core_backoff_ns(c, c->ask_failures);
    text_set(&c->lost_why, why);
}

void coherence_head(struct core *c, const struct event *e)
{
    check(c);
    if (c->lease.question != QUESTION_ASKED || e->head.nonce != c->lease.nonce)
        return; /* late */
    if (e->head.status == ACCORD_E_GONE) {
        coherence_gone(c, DROP_GONE, NULL);
        return;
    }
    if (e->head.status != ACCORD_OK) {
        bool ours = lease_unanswered(&c->lease, e->head.nonce);
        ASSERT(ours);
        unanswered(c,
                   e->head.why && e->head.why[0] ? e->head.why : status_text(e->head.status));
        return;
    }
    if (e->head.head < c->ask_head) {
        coherence_gone(c, DROP_GONE, coherence_shorter);
        return;
    }
    c->ask_failures = 0;
    c->head = u64_max(e->head.head, c->trail.cursor.position);
    c->head_asked_ns = c->lease.sent_ns;
    if (lease_answered(&c->lease, e->head.nonce, e->head.head, c->trail.cursor.position))
        coherence_renew(c);
    check(c);
}

uint64_t coherence_ask_every_ns(const struct core *c)
{
    return u64_max(1, u64_min(c->lease.term_ns, policy_tightest_ns(&c->policy)) / LEASE_SHARE);
}

static void ask(struct core *c)
{
    uint64_t nonce = random_nonce(&c->random, c->now_ns);
    struct effect *e = core_say(c, EFFECT_ASK_HEAD);

    ASSERT(c->link == LINK_UP);
    lease_ask(&c->lease, nonce, c->now_ns);
    e->ask_head.nonce = nonce;
    e->ask_head.at = c->trail.cursor;
    c->ask_head = c->head;
    c->ask_due_ns =
        c->now_ns + random_spread(&c->random, coherence_ask_every_ns(c), JITTER_PERMILLE);
}

/* A question older than the term can grant nothing. Either its answer is lost somewhere, or
 * what the answer spoke of does not come: a log that was restored from an older copy meanwhile,
 * our place still in it, never brings it, and only the next answer tells. Who merely has much
 * to catch up with asks for its end once more in vain, now and then. */
static uint64_t patience_ends_ns(const struct core *c)
{
    return u64_add_sat(c->lease.sent_ns, c->lease.term_ns);
}

static void give_up_question(struct core *c)
{
    bool answered = c->lease.question == QUESTION_ANSWERED;

    lease_abandon(&c->lease);
    if (answered)
        c->ask_due_ns = c->now_ns;
    else
        unanswered(c, "the bus does not answer");
}

void coherence_drive(struct core *c)
{
    check(c);
    if (c->link == LINK_NEW && !warm_holds(c))
        attach(c);
    if (c->lease.deadline_ns == 0 && c->now_ns >= c->lease.opens_ns)
        coherence_renew(c); /* the name has settled */
    if (c->link != LINK_UP || !c->settings.head_linearizable || c->phase > PHASE_DOOMED)
        return;
    if (c->lease.question != QUESTION_NONE && c->now_ns >= patience_ends_ns(c))
        give_up_question(c);
    bool wanted = c->wanted_serial > c->lease.last_serial && c->ask_failures == 0;
    if (c->lease.question == QUESTION_NONE && (wanted || c->now_ns >= c->ask_due_ns))
        ask(c);
    check(c);
}

uint64_t coherence_deadline_ns(const struct core *c)
{
    uint64_t deadline_ns = c->link == LINK_NEW && !warm_holds(c) ? 0 : UINT64_MAX;

    check(c);
    if (c->lease.deadline_ns > 0)
        deadline_ns = u64_min(deadline_ns, c->lease.deadline_ns);
    if (c->now_ns < c->lease.opens_ns)
        deadline_ns = u64_min(deadline_ns, c->lease.opens_ns);
    if (c->link != LINK_UP || !c->settings.head_linearizable || c->phase > PHASE_DOOMED)
        return deadline_ns;
    return u64_min(deadline_ns,
                   c->lease.question == QUESTION_NONE ? c->ask_due_ns : patience_ends_ns(c));
}
