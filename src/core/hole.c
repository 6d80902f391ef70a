/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT(c->holes.count <= HOLES_MAX);
    ASSERT(c->holes.count == 0 || c->lease.deadline_ns == 0);
    for (size_t i = 0; i < c->holes.count; i++) {
        ASSERT(c->holes.list[i].from > 1);
        ASSERT(c->holes.list[i].from < c->holes.list[i].until);
    }
}

/* ---- words ---------------------------------------------------------------------------------
 */

/* "changes 6-7 of web1 " */
static void describe(struct core *c, const struct hole *h)
{
    struct member *member = members_find(&c->members, h->incarnation);

    text_set(&c->line, "changes ");
    text_add_number(&c->line, h->from);
    text_add(&c->line, "-");
    text_add_number(&c->line, h->until - 1);
    text_add(&c->line, " of ");
    text_add(&c->line, member ? member->view.name : "a node that is forgotten");
    text_add(&c->line, " ");
}

static void drop(struct core *c, const struct hole *h, enum drop cause, const char *what)
{
    describe(c, h);
    text_add(&c->line, what);
    coherence_begin_anew(c, cause, c->line.data);
}

/* ---- reading again -------------------------------------------------------------------------
 */

bool hole_is_replayed(const struct core *c)
{
    for (size_t i = 0; i < c->holes.count; i++)
        if (c->holes.list[i].state == HOLE_REPLAY)
            return true;
    return false;
}

uint64_t hole_floor(const struct core *c)
{
    uint64_t floor = c->trail.cursor.position;

    for (size_t i = 0; i < c->holes.count; i++)
        floor = u64_min(floor, c->holes.list[i].before.position);
    return floor;
}

/* From before the first of those that are still to be replayed. */
static void replay(struct core *c)
{
    const struct place *from = NULL;

    for (size_t i = 0; i < c->holes.count; i++) {
        const struct hole *h = &c->holes.list[i];
        if (h->state == HOLE_REPLAY && (!from || h->before.position < from->position))
            from = &h->before;
    }
    ASSERT(from);
    coherence_read_again(c, from);
}

bool hole_cannot_be_replayed(struct core *c)
{
    struct place here = {c->trail.cursor.position, c->trail.cursor.message};

    if (!c->holes.attaching || !hole_is_replayed(c))
        return false;
    for (size_t i = 0; i < c->holes.count; i++)
        if (c->holes.list[i].state == HOLE_REPLAY)
            c->holes.list[i].state = HOLE_ASK;
    coherence_read_again(c, &here);
    check(c);
    return true;
}

/* ---- noticed, and closed -------------------------------------------------------------------
 */

static void open_hole(struct core *c, const struct entry *e, const struct member *member)
{
    struct hole *h = &c->holes.list[c->holes.count];

    *h = (struct hole){.state = HOLE_REPLAY,
                       .incarnation = e->change.incarnation,
                       .from = member->sequence + 1,
                       .until = e->change.sequence,
                       .before = member->heard,
                       .noticed_ns = c->now_ns};
    describe(c, h);
    text_add(&c->line, "did not arrive before position ");
    text_add_number(&c->line, e->position);
    coherence_lose(c, c->line.data);
    h->until++; /* that one is to come again, too */
    c->holes.count++;
    c->view_since_ns = c->now_ns; /* a sign of life may be among them */
    writer_set_position(c->writer, 0);
    replay(c);
}

static void close_hole(struct core *c, struct hole *h, uint64_t *counted, const char *how)
{
    struct member *member = members_find(&c->members, h->incarnation);

    describe(c, h);
    text_add(&c->line, how);
    (*counted)++;
    core_note(c, NOTE_HOLE_CLOSED, member ? member->view.name : NULL, c->line.data,
              h->before.position);
    *h = c->holes.list[--c->holes.count];
    if (c->holes.count > 0)
        return;
    writer_set_position(c->writer, c->trail.cursor.position);
    text_set(&c->why, "catching up with the log");
    c->ask_due_ns = c->now_ns;
    publish_beat_soon(c); /* others may wait for what we can confirm now */
}

/* The change with that number is here. True: it was missing. */
static bool fill(struct core *c, struct id128 incarnation, uint64_t sequence)
{
    for (size_t i = 0; i < c->holes.count; i++) {
        struct hole *h = &c->holes.list[i];
        if (!id128_equal(h->incarnation, incarnation) || sequence < h->from ||
            sequence >= h->until)
            continue;
        if (sequence > h->from) /* out of order: it stays missing, and will be asked for */
            return true;
        if (sequence + 1 < h->until)
            h->from++;
        else
            close_hole(c, h, &c->counts.holes_replayed, "were read again");
        return true;
    }
    return false;
}

/* The hole at whose beginning that sender's count stands. */
static struct hole *hole_at(struct core *c, struct id128 incarnation, uint64_t from)
{
    for (size_t i = 0; i < c->holes.count; i++)
        if (id128_equal(c->holes.list[i].incarnation, incarnation) &&
            c->holes.list[i].from == from)
            return &c->holes.list[i];
    return NULL;
}

/* What is read before these places was there when nothing was kept here yet, or was applied by
 * the run that this one inherits from, which saves no place beyond an open hole. */
static bool is_of_before(const struct core *c, uint64_t position)
{
    return position <= c->warm.floor || position <= c->anew_head;
}

/* One was skipped between that sender's last entry and this one. Its origin must not say it
 * again: it may have ended every node that read it. */
static bool may_be_poison(const struct core *c, const struct member *member)
{
    return c->counts.poison.value > member->heard.position &&
           c->counts.poison.epoch == c->trail.cursor.epoch;
}

/* The sender's newest number, and which change has it. */
static void met(struct member *member, const struct entry *e)
{
    const struct change *change = &e->change;

    members_sequence(member, change->sequence, (struct place){e->position, change->message});
    if (!change_is_missed_beat(change))
        members_numbered(member, change->sequence, change->message);
}

/* True: the entry is applied nevertheless. */
static bool gap(struct core *c, const struct entry *e, const struct member *member)
{
    uint64_t missing = e->change.sequence - member->sequence - 1;
    bool own = id128_equal(e->change.incarnation, c->settings.incarnation);
    struct hole h = {.incarnation = e->change.incarnation,
                     .from = member->sequence + 1,
                     .until = e->change.sequence};
    struct hole *known = hole_at(c, h.incarnation, h.from);

    if (known) { /* the replay has come to its end */
        known->until = h.until;
        known->state = known->state == HOLE_REPLAY ? HOLE_ASK : known->state;
        return true;
    }
    if (is_of_before(c, e->position))
        return true;
    c->counts.gaps++;
    if (c->phase != PHASE_RUNNING || may_be_poison(c, member)) {
        describe(c, &h);
        text_add(&c->line, "did not arrive, and are not asked for");
        coherence_cold_boot(c, DROP_GAP, c->line.data);
        return true;
    }
    if (own) /* nobody else can say them again, and we need not be told */
        drop(c, &h, DROP_GAP, "are not in the log, though this node has published them");
    else if (c->holes.count == HOLES_MAX || missing > HOLE_CHANGES_MAX)
        drop(c, &h, DROP_HOLE_MANY, "did not arrive: too many to be asked for");
    else
        open_hole(c, e, member);
    return false;
}

/* An earlier number than was to come. Where a log was cut back, the same change may come again;
 * another one under its number is of another process. */
static bool backwards(struct core *c, const struct entry *e, struct member *member)
{
    struct hole h = {.incarnation = e->change.incarnation,
                     .from = e->change.sequence,
                     .until = e->change.sequence + 1};

    if (fill(c, h.incarnation, h.from) || is_of_before(c, e->position))
        return true;
    c->counts.gaps++;
    member->twins = !change_is_missed_beat(&e->change) &&
                    members_numbered_other(member, e->change.sequence, e->change.message);
    if (member->twins)
        drop(c, &h, DROP_TWINS,
             "came twice: a cloned or restored machine image runs beside it");
    else
        drop(c, &h, DROP_GAP, "came a second time: the log is not what it was");
    return c->phase != PHASE_RUNNING;
}

bool hole_admits(struct core *c, const struct entry *e, struct member *member)
{
    uint64_t sequence = e->change.sequence;
    uint64_t next = member->has_sequence ? member->sequence + 1 : sequence;
    bool admitted = true;

    check(c);
    if (sequence == 0 || member->twins)
        return true;
    if (sequence < next)
        return backwards(c, e, member);
    if (sequence > next)
        admitted = gap(c, e, member);
    if (!admitted)
        return false;
    (void)fill(c, e->change.incarnation, sequence);
    met(member, e);
    check(c);
    return true;
}

static bool is_missing(const struct core *c, struct id128 incarnation, uint64_t sequence)
{
    for (size_t i = 0; i < c->holes.count; i++) {
        const struct hole *h = &c->holes.list[i];
        if (id128_equal(h->incarnation, incarnation) && sequence >= h->from &&
            sequence < h->until)
            return true;
    }
    return false;
}

bool hole_was_missed(struct core *c, const struct entry *e)
{
    const struct change *change = &e->change;

    check(c);
    if (e->position <= hole_floor(c))
        return false; /* before what was asked for: an echo of an earlier reading */
    if (trail_reaches(&c->trail, e->position))
        return trail_hash(&c->trail, e->position) == 0;
    const struct member *m = members_find(&c->members, change->incarnation);
    if (!m || !m->has_sequence || m->twins || change->sequence == 0)
        return true;
    return change->sequence > m->sequence ||
           is_missing(c, change->incarnation, change->sequence);
}

bool hole_takes_late(struct core *c, const struct entry *e, struct member *member)
{
    const struct change *change = &e->change;

    check(c);
    if (sent_is_bound_to_its_place(change)) {
        text_set(&c->line, "a change that may not be applied late did not arrive at position ");
        text_add_number(&c->line, e->position);
        coherence_begin_anew(c, DROP_GAP, c->line.data);
        return false;
    }
    if (!member || member->twins || change->sequence == 0)
        return true;
    bool is_newest = member->has_sequence && change->sequence > member->sequence;
    if (is_newest && change->sequence > member->sequence + 1 && !gap(c, e, member))
        return false;
    (void)fill(c, change->incarnation, change->sequence);
    if (is_newest)
        met(member, e);
    check(c);
    return true;
}

/* ---- asking the origin, and answering ------------------------------------------------------
 */

/* Its changes go out again: as new ones, for nobody may take the place of another entry in the
 * log. Whoever has applied them removes what it had removed already. */
static uint64_t repeat(struct core *c, uint64_t from, uint64_t until)
{
    struct change again;
    uint64_t last = 0;

    for (uint64_t i = from; i < until; i++) {
        if (!sent_change(&c->sent, i, &again))
            continue;
        again.message = random_message(&c->random, c->wall_ms, c->now_ns);
        again.origin = bytes_of_text(c->settings.name);
        again.incarnation = c->settings.incarnation;
        last = outbox_add(&c->outbox, &again, /* resent= */ false);
    }
    return last;
}

/* Who asks for the same meanwhile, or has not read the answer yet, will read it: the hole was
 * noticed at a number of ours that lies before the answer. */
static bool is_answered(const struct core *c, const struct resend *r)
{
    for (size_t i = 0; i < RESENDS_MAX; i++) {
        const struct hole_answer *a = &c->holes.answers[i];
        if (a->state != ANSWER_NONE && a->from <= r->from && r->until <= a->until)
            return true;
    }
    return false;
}

static void answer(struct core *c, const struct resend *r)
{
    struct hole_answer *a = &c->holes.answers[c->holes.answered % RESENDS_MAX];
    size_t count = 0, key_bytes = 0;

    /* Where all are on their way, whoever asked gives up in time. */
    if (c->phase != PHASE_RUNNING || is_answered(c, r) || a->state == ANSWER_WAITS)
        return;
    bool can = sent_can_repeat(&c->sent, r->from, r->until, &count, &key_bytes) &&
               outbox_has_room(&c->outbox, count, key_bytes);
    *a = (struct hole_answer){
        .state = ANSWER_WAITS, .from = r->from, .until = r->until, .gone = !can};
    if (can)
        a->last = repeat(c, r->from, r->until);
    c->holes.answered++;
    c->counts.resends += can;
}

/* What their origin says of changes that are missing here. */
static void take_answer(struct core *c, const struct resend *r)
{
    for (size_t i = c->holes.count; i-- > 0;) {
        struct hole *h = &c->holes.list[i];
        if (!id128_equal(h->incarnation, r->incarnation) || h->state == HOLE_REPLAY ||
            r->from > h->from || h->until > r->until)
            continue;
        if (r->kind == RESEND_GONE) {
            drop(c, h, DROP_HOLE_GONE, "did not arrive, and it has them no more");
            return;
        }
        close_hole(c, h, &c->counts.holes_resent, "were published again");
    }
}

void hole_heard(struct core *c, const struct entry *e)
{
    const struct change *change = &e->change;
    struct resend r;

    check(c);
    if (change->op != CHANGE_BEAT || resend_parse(change_about_text(change), &r) != ACCORD_OK)
        return;
    bool from_us = id128_equal(change->incarnation, c->settings.incarnation);
    if (r.kind == RESEND_WANTED && !from_us && e->position > c->anew_head &&
        id128_equal(r.incarnation, c->settings.incarnation))
        answer(c, &r);
    else if (r.kind != RESEND_WANTED && id128_equal(r.incarnation, change->incarnation))
        take_answer(c, &r);
    check(c);
}

static bool may_be_said(const struct core *c, const struct hole_answer *a)
{
    return a->state == ANSWER_WAITS && a->last < c->outbox.confirmed;
}

struct bytes hole_word(struct core *c)
{
    for (size_t i = 0; i < RESENDS_MAX; i++) {
        struct hole_answer *a = &c->holes.answers[i];
        if (!may_be_said(c, a))
            continue;
        a->state = ANSWER_SAID;
        resend_print(&(struct resend){a->gone ? RESEND_GONE : RESEND_DONE,
                                      c->settings.incarnation, a->from, a->until},
                     c->holes.word);
        return bytes_of_text(c->holes.word);
    }
    for (size_t i = 0; i < c->holes.count; i++) {
        struct hole *h = &c->holes.list[i];
        if (h->state != HOLE_ASK)
            continue;
        h->state = HOLE_ASKED;
        resend_print(&(struct resend){RESEND_WANTED, h->incarnation, h->from, h->until},
                     c->holes.word);
        return bytes_of_text(c->holes.word);
    }
    return bytes_of(NULL, 0);
}

static bool has_word(const struct core *c)
{
    for (size_t i = 0; i < RESENDS_MAX; i++)
        if (may_be_said(c, &c->holes.answers[i]))
            return true;
    for (size_t i = 0; i < c->holes.count; i++)
        if (c->holes.list[i].state == HOLE_ASK)
            return true;
    return false;
}

/* ---- each step -----------------------------------------------------------------------------
 */

void hole_forget(struct core *c)
{
    c->holes.count = 0;
    c->holes.attaching = false;
}

void hole_forget_answers(struct core *c)
{
    memset(c->holes.answers, 0, sizeof c->holes.answers);
}

static uint64_t patience_ends_ns(const struct core *c, const struct hole *h)
{
    return u64_add_sat(h->noticed_ns, c->max_stale_ns);
}

/* True: the cache was dropped for it. */
static bool give_up(struct core *c, const struct hole *h)
{
    const struct member *origin = members_find(&c->members, h->incarnation);

    if (h->state != HOLE_REPLAY && (!origin || origin->gone || origin->view.silent))
        drop(c, h, DROP_HOLE_SILENT, "did not arrive, and it is gone");
    else if (c->now_ns >= patience_ends_ns(c, h))
        drop(c, h, DROP_HOLE_LATE, "did not arrive, and nobody said them again in time");
    else
        return false;
    return true;
}

void hole_drive(struct core *c)
{
    check(c);
    if (c->phase != PHASE_RUNNING)
        return;
    for (size_t i = 0; i < c->holes.count; i++)
        if (give_up(c, &c->holes.list[i]))
            break;
    if (has_word(c))
        publish_beat_soon(c);
    check(c);
}

uint64_t hole_deadline_ns(const struct core *c)
{
    uint64_t deadline_ns = UINT64_MAX;

    check(c);
    for (size_t i = 0; i < c->holes.count && c->phase == PHASE_RUNNING; i++)
        deadline_ns = u64_min(deadline_ns, patience_ends_ns(c, &c->holes.list[i]));
    return deadline_ns;
}
