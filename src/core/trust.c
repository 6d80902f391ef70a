/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT(c->settings.signing || c->doubts.known_ns == 0);
    ASSERT(c->doubts.stand_count <= DELIVER_BATCH_MAX);
}

/* ---- words ---------------------------------------------------------------------------------
 */

static const char *what_is_wrong(enum trust trust)
{
    switch (trust) {
    case TRUST_FULL:
    case TRUST_KINDS:
        break;
    case TRUST_UNSIGNED:
        return "is not signed, and not one that unsigned-removals lets pass";
    case TRUST_NAKED:
        return "is not signed: give that node the signing-key-file that this one has";
    case TRUST_KEYS:
        return "is signed with another key: keys differ; compare signing-key-file there and "
               "here (the key ids are in accord status)";
    case TRUST_ALTERED:
        return "was altered after it was signed, or signed for another log";
    case TRUST_REPLAYED:
        return "was in the log before: somebody has copied it";
    case TRUST_LATE:
        return "was signed long ago: somebody has copied it, or its node was cut off since";
    }
    return "is not trusted";
}

/* "the remove of web3 at position 17 is …" */
static void describe(struct core *c, const struct entry *e)
{
    struct text *t = &c->line;
    const char *word = change_op_word(e->change.op);

    text_set(t, "the ");
    text_add(t, word ? word : "change");
    text_add(t, " of ");
    if (e->change.origin.size_bytes > 0)
        text_add_bytes(t, e->change.origin);
    else
        text_add(t, "a person or a trigger");
    text_add(t, " at position ");
    text_add_number(t, e->position);
    text_add(t, " ");
    text_add(t, what_is_wrong(e->trust));
}

/* One line of a kind, now and then; all are counted. */
static void say(struct core *c, const struct entry *e)
{
    struct text who;

    describe(c, e);
    text_set(&c->refused, c->line.data);
    if (c->now_ns < c->doubts.note_due_ns[e->trust])
        return;
    c->doubts.note_due_ns[e->trust] = u64_add_sat(c->now_ns, TRUST_NOTE_EVERY_NS);
    text_set(&who, "");
    text_add_bytes(&who, e->change.origin);
    core_note(c, NOTE_REFUSED, who.used > 0 ? who.data : NULL, c->line.data, e->position);
}

/* ---- removals by hand ----------------------------------------------------------------------
 */

/* What is read before these places can remove nothing that is here. */
static bool is_of_before(const struct core *c, const struct entry *e)
{
    return e->position <= c->warm.floor || e->position <= c->anew_head;
}

/* Only what it takes away is believed: a version would be asked of every later fill, a
 * fingerprint would keep something. */
static void stand_removal(struct entry *stands, const struct entry *e, enum change_op op)
{
    stands->change = (struct change){
        .op = op,
        .soft = op == CHANGE_REMOVE && e->change.soft,
        .key = op == CHANGE_REMOVE ? e->change.key : bytes_of(NULL, 0),
        .message = e->change.message,
        .wall_ms = e->change.wall_ms,
    };
}

static bool pays(struct core *c)
{
    uint64_t apart_ns = NS_PER_S / c->settings.unsigned_removals;
    uint64_t paid_ns = u64_max(c->doubts.bucket_ns, c->now_ns) + apart_ns;

    if (paid_ns > u64_add_sat(c->now_ns, NS_PER_S))
        return false;
    c->doubts.bucket_ns = paid_ns;
    return true;
}

static void crowd(struct core *c)
{
    bool begins = c->now_ns >= c->doubts.crowd_until;

    c->doubts.crowd_until = u64_add_sat(c->now_ns, NS_PER_S);
    c->counts.unsigned_over++;
    if (!begins)
        return;
    text_set(&c->line, "more removals without a signature than unsigned-removals allows (");
    text_add_number(&c->line, c->settings.unsigned_removals);
    text_add(&c->line, "/s)");
    coherence_cold_boot(c, DROP_UNSIGNED, c->line.data);
}

static bool may_be_by_hand(const struct core *c, const struct entry *e)
{
    return c->settings.unsigned_removals > 0 && e->trust == TRUST_UNSIGNED &&
           e->change.op == CHANGE_REMOVE && !change_problem(&e->change);
}

static void take_by_hand(struct core *c, const struct entry *e, struct entry *stands)
{
    if (is_of_before(c, e) || pays(c)) {
        c->counts.unsigned_applied++;
        stand_removal(stands, e, CHANGE_REMOVE);
        return;
    }
    crowd(c);
    stand_removal(stands, e, CHANGE_CLEAR);
}

/* ---- what names a node ---------------------------------------------------------------------
 */

bool trust_is_silent(const struct core *c)
{
    const struct doubts *d = &c->doubts;
    bool unknown = d->unknown_ns > 0 && c->now_ns < u64_add_sat(d->unknown_ns, c->silence_ns);
    bool known = d->known_ns > 0 && c->now_ns < u64_add_sat(d->known_ns, c->silence_ns);

    return unknown && !known;
}

static bool lives(const struct entry *e)
{
    return e->change.op == CHANGE_JOIN || e->change.op == CHANGE_BEAT;
}

/* Somebody whom we cannot verify takes part here. If it was there before us, and nobody else
 * is, the fleet is not ours. */
static void meet(struct core *c, const struct entry *e)
{
    bool of_other_key = e->trust == TRUST_KEYS || e->trust == TRUST_NAKED;

    c->view_since_ns = c->now_ns; /* it may hold old copies, and is no member: see strict.c */
    if (!of_other_key || (c->own_position > 0 && !trust_is_silent(c)))
        return;
    c->doubts.unknown_ns = u64_max(c->now_ns, 1);
    text_set(&c->doubts.why, "this node's signing key is not the fleet's: ");
    text_add(&c->doubts.why, c->refused.data);
    if (trust_is_silent(c))
        coherence_lose(c, c->doubts.why.data);
}

/* It may have removed what is here. */
static void doubt(struct core *c, const struct entry *e)
{
    if (is_of_before(c, e) || c->now_ns < c->doubts.drop_due_ns)
        return;
    c->doubts.drop_due_ns = u64_add_sat(c->now_ns, TRUST_DROP_EVERY_NS);
    coherence_cold_boot(c, DROP_UNVERIFIED, c->refused.data);
}

static void refuse(struct core *c, const struct entry *e)
{
    bool of_node = e->trust != TRUST_UNSIGNED && e->trust != TRUST_REPLAYED;

    c->counts.refused[e->trust]++;
    say(c, e);
    if (of_node && lives(e))
        meet(c, e);
    else if (of_node && e->change.op != CHANGE_LEAVE)
        doubt(c, e);
}

/* ---- one entry -----------------------------------------------------------------------------
 */

/* A member of the fleet whose key is ours. */
static void heard(struct core *c, const struct entry *e)
{
    struct bytes name = bytes_of_text(c->settings.name);

    if (c->settings.signing && e->change.origin.size_bytes > 0 &&
        !bytes_equal(e->change.origin, name))
        c->doubts.known_ns = u64_max(c->now_ns, 1);
}

const struct entry *trust_judge(struct core *c, const struct entry *e)
{
    check(c);
    if (e->trust == TRUST_FULL) {
        heard(c, e);
        return e;
    }
    ASSERT(e->trust < TRUST_KINDS);
    ASSERT(c->doubts.stand_count < DELIVER_BATCH_MAX);
    struct entry *stands = &c->doubts.stands[c->doubts.stand_count++];
    *stands = (struct entry){.position = e->position,
                             .trust = e->trust,
                             .change = {.op = CHANGE_BEAT, .message = e->change.message}};
    if (may_be_by_hand(c, e))
        take_by_hand(c, e, stands);
    else
        refuse(c, e);
    check(c);
    return stands;
}

void trust_step(struct core *c)
{
    c->doubts.stand_count = 0;
}

void trust_attached(struct core *c, uint64_t head)
{
    c->doubts.read_to = head;
}

bool trust_lets_publish(const struct core *c)
{
    if (!c->settings.signing)
        return true;
    return c->trail.cursor.position >= c->doubts.read_to && !trust_is_silent(c);
}

bool trust_lets_renew(const struct core *c)
{
    return c->now_ns >= c->doubts.crowd_until && !(c->settings.signing && trust_is_silent(c));
}

const char *trust_why(const struct core *c)
{
    return c->settings.signing && trust_is_silent(c) ? c->doubts.why.data : NULL;
}

uint64_t trust_deadline_ns(const struct core *c)
{
    if (!c->settings.signing || !trust_is_silent(c))
        return UINT64_MAX;
    return u64_add_sat(c->doubts.unknown_ns, c->silence_ns);
}
