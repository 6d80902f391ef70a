/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT(c->own_position <= c->trail.cursor.position);
    ASSERT(c->lease.deadline_ns == 0 || c->link == LINK_UP || c->link == LINK_LOST);
}

/* ---- what a change does to the cache -------------------------------------------------------
 */

/* A namespace that is not declared here: its keys live in the default one. A prefix that is no
 * tag here: its keys live in its namespace. More is dropped than was meant, never less. */
static void remove_wider(struct core *c, size_t namespace_index, bool soft)
{
    const char *name = policy_of(&c->policy, namespace_index)->name;

    if (writer_remove_namespace(c->writer, bytes_of_text(name), soft) != ACCORD_OK)
        writer_clear(c->writer, soft);
}

static void apply_key(struct core *c, const struct change *change)
{
    if (change->has_version)
        writer_remove_older(c->writer, change->key, change->version, change->soft, c->now_ns);
    else if (change->has_fingerprint)
        writer_remove_unless(c->writer, change->key, change->fingerprint, c->now_ns);
    else
        writer_remove_key(c->writer, change->key, change->soft, c->now_ns);
}

void apply_change(struct core *c, const struct change *change)
{
    fencing_removed(c, change);
    /* What no rule explains may have meant anything. */
    if (change_problem(change)) {
        writer_clear(c->writer, /* soft= */ false);
        return;
    }
    switch (change->op) {
    case CHANGE_REMOVE:
        apply_key(c, change);
        break;
    case CHANGE_TAG:
        writer_remove_tag(c->writer, change->key, change->soft);
        break;
    case CHANGE_PREFIX:
        if (writer_remove_prefix(c->writer, change->key, change->soft) != ACCORD_OK)
            remove_wider(c, writer_namespace_of(c->writer, change->key), change->soft);
        break;
    case CHANGE_NAMESPACE:
        if (writer_remove_namespace(c->writer, change->key, change->soft) != ACCORD_OK)
            remove_wider(c, 0, change->soft);
        break;
    case CHANGE_CLEAR:
        writer_clear(c->writer, change->soft);
        break;
    case CHANGE_JOIN:
    case CHANGE_LEAVE:
    case CHANGE_BEAT:
        break;
    }
}

/* ---- members -------------------------------------------------------------------------------
 */

static bool is_own(const struct core *c, const struct change *change)
{
    return id128_equal(change->incarnation, c->settings.incarnation);
}

static bool bears_our_name(const struct core *c, const struct change *change)
{
    return bytes_equal(change->origin, bytes_of_text(c->settings.name));
}

static void name_is_taken(struct core *c)
{
    text_set(&c->line, "another live node is named ");
    text_add(&c->line, c->settings.name);
    text_add(&c->line, "; give each node its own --name");
    core_note(c, NOTE_NAME_TAKEN, c->settings.name, c->line.data, 0);
    core_fatal(c, c->line.data);
}

/* Two live nodes with one name (L8): the later in the log loses. Whoever was there first proves
 * that it lives by a beat that has applied the other's join; the beat of a killed predecessor,
 * stuck on its way, has not. */
static void meet_namesake(struct core *c, const struct member *other, bool knows_our_join,
                          bool news)
{
    if (c->own_position == 0 || c->phase != PHASE_RUNNING)
        return;
    if (other->view.joined_position > c->own_position) {
        if (!news)
            return;
        core_note(c, NOTE_NAME_TAKEN, c->settings.name, "a namesake has joined; it must leave",
                  0);
        c->beat_due_ns = c->now_ns;
    } else if (knows_our_join) {
        name_is_taken(c);
    }
}

static void meet_self(struct core *c, const struct entry *e)
{
    const struct change *change = &e->change;
    uint64_t caught = c->lease.caught_serial;

    if (!lease_beat_fits(&c->lease, change->nonce, e->position)) {
        coherence_gone(c, DROP_GONE, coherence_shorter);
        return;
    }
    if (c->own_position == 0)
        c->own_position = e->position;
    if (!lease_beat_applied(&c->lease, change->nonce))
        return; /* of an earlier place in the log: proves nothing here */
    if (c->lease.opens_ns == UINT64_MAX) {
        c->lease.opens_ns = u64_add_sat(c->now_ns, c->settings.join_settle_ns);
        text_set(&c->why, "waiting whether another node has this name");
    }
    publish_beat_back(c);
    if (c->beat_wanted)
        publish_beat_soon(c);
    if (c->lease.caught_serial > caught) {
        c->head = u64_max(c->head, e->position);
        c->head_asked_ns = c->lease.question_ns;
    }
}

static void copy_line(char *to, size_t to_bytes, const uint8_t *from, size_t bytes)
{
    size_t size = bytes < to_bytes - 1 ? bytes : to_bytes - 1;

    if (size > 0)
        memcpy(to, from, size);
    to[size] = '\0';
}

/* "about", a tab, what its namespaces ask for. A beat of an older version has the second part
 * alone, a join of an older one the first. A beat without a tab is a word of another kind. */
static void copy_about(struct member *member, const struct change *change)
{
    struct bytes text = change_about_text(change);
    const uint8_t *from = text.data;
    size_t bytes = text.size_bytes;
    const uint8_t *tab = bytes > 0 ? memchr(from, '\t', bytes) : NULL;
    size_t first = tab ? (size_t)(tab - from) : bytes;

    if (change->op == CHANGE_JOIN || (tab && first > 0))
        copy_line(member->view.about, sizeof member->view.about, from, first);
    if (!tab)
        return;
    copy_line(member->view.policies, sizeof member->view.policies, tab + 1, bytes - first - 1);
    for (char *at = member->view.policies; *at; at++)
        *at = *at >= ' ' && *at <= '~' ? *at : '?';
}

/* Whether the sender's place is one of our log: the entry there is one that we applied too. A
 * place of another epoch, or of a log that was cut back since, says nothing of what its sender
 * has applied of ours. What is older than what we remember is believed. */
static bool is_place_of_ours(const struct core *c, const struct change *beat)
{
    uint64_t here = trail_hash(&c->trail, beat->applied);

    if (beat->lease_epoch != c->trail.cursor.epoch)
        return false;
    return here != 0 ? here == beat->applied_hash : !trail_reaches(&c->trail, beat->applied);
}

/* True: the sender has seen another entry where we both are. */
static bool apply_beat(struct core *c, const struct entry *e, struct member *member)
{
    const struct change *change = &e->change;
    bool news = members_beat(&c->members, member, e->position, c->now_ns);
    bool ours = is_place_of_ours(c, change);

    if (ours)
        member->view.applied = change->applied;
    member->view.self = is_own(c, change);
    copy_about(member, change);
    if (news)
        core_note(c, NOTE_MEMBER_JOINED, member->view.name, member->view.about, e->position);
    if (member->view.self) {
        meet_self(c, e);
        return false;
    }
    if (bears_our_name(c, change))
        meet_namesake(c, member, ours && change->applied >= c->own_position, news);
    /* What was in the log when we began to read it anew tells of a time before: whatever was
     * seen then, we kept nothing of it. Else the same beat would send us back for as long as it
     * is in view. */
    return change->lease_epoch == c->trail.cursor.epoch &&
           trail_diverged(&c->trail, change->applied, change->applied_hash) &&
           e->position > c->anew_head;
}

/* Ours, but none that this process has made: it was copied while it ran, or set back to an
 * earlier moment, and its copy is alive or was. Whatever is said of this incarnation may be
 * said of the other process, so no proof of ours holds (L3, L8). The entry is nobody's word. */
static bool is_of_a_twin(const struct core *c, const struct entry *e)
{
    return e->trust == TRUST_FULL && is_own(c, &e->change) && e->change.sequence > 0 &&
           !change_is_missed_beat(&e->change) &&
           sent_is_foreign(&c->sent, e->change.sequence, e->change.message);
}

static const char twin_why[] = "another process bears this node's identity: this machine was "
                               "cloned, or restored from an image; start the node again";

static void meet_twin(struct core *c)
{
    if (c->has_twin)
        return;
    c->has_twin = true;
    coherence_cold_boot(c, DROP_TWINS, twin_why);
    core_fatal(c, twin_why);
}

/* True: it shows that the log is not what we took it for. */
static bool apply_member(struct core *c, const struct entry *e, struct member *member)
{
    ASSERT(member);
    if (e->change.op == CHANGE_JOIN || e->change.op == CHANGE_BEAT)
        return apply_beat(c, e, member);
    if (e->change.op == CHANGE_LEAVE && member->joined && !member->gone && !member->twins) {
        members_leave(&c->members, member);
        c->sweep_due = true;
        core_note(c, NOTE_MEMBER_LEFT, member->view.name, NULL, e->position);
    }
    return false;
}

/* ---- one entry -----------------------------------------------------------------------------
 */

/* The member that sent it; NULL: nobody with an identity of its own did, so there is nothing to
 * check. */
static struct member *sender(struct core *c, const struct entry *e)
{
    const struct change *change = &e->change;

    if (change->origin.size_bytes == 0 || id128_is_none(change->incarnation))
        return NULL;
    if (is_of_a_twin(c, e)) {
        meet_twin(c);
        return NULL;
    }
    return members_get(&c->members, change->incarnation, change->origin, c->now_ns);
}

static void diverged(struct core *c, enum drop cause, uint64_t position)
{
    text_set(&c->line, cause == DROP_REPLACED ? "another entry stood before at position "
                                              : "another node saw another entry at position ");
    text_add_number(&c->line, position);
    c->counts.divergences++;
    coherence_gone(c, cause, c->line.data);
}

/* Somebody waits until every node says that it has applied this. */
static bool asks_for_beats(const struct change *change)
{
    bool of_members =
        change->op == CHANGE_JOIN || change->op == CHANGE_LEAVE || change->op == CHANGE_BEAT;

    return change->nonce != 0 && !of_members;
}

/* Reading or applying this entry has ended the process, again and again: nothing of it is
 * looked at any more. It may have meant anything, a member's join too: so all that was built on
 * the log so far begins anew here. NULL: it is an entry like others. */
static const struct entry *skip(struct core *c, const struct entry *e)
{
    const struct cursor *at = &c->trail.cursor;
    int index = hand_poison(&c->settings.hand, at->log, at->epoch, e->position);

    if (index < 0)
        return NULL;
    ASSERT(index < POISONS_MAX);
    c->skipped[index] = hand_skipped(e->position, e->change.message);
    c->counts.poison = (struct position){at->epoch, e->position};
    text_set(&c->line, "the entry at position ");
    text_add_number(&c->line, e->position);
    text_add(&c->line, " ended earlier runs while they had it in hand, and was skipped");
    coherence_cold_boot(c, DROP_POISON, c->line.data);
    return &c->skipped[index];
}

/* What it does to the cache, unless it is our own. True: it is. */
static bool take_hold(struct core *c, const struct entry *e, const struct member *member)
{
    /* What is not trusted may bear our message's name. */
    bool own = e->trust == TRUST_FULL && outbox_saw(&c->outbox, e->change.message, e->position);

    /* What the earlier segment had applied is not in this one, or was copied without it; but
     * fills have to prove that they are newer. */
    if (!own && e->position > c->warm.floor)
        apply_change(c, &e->change);
    else if (!own)
        fencing_removed(c, &e->change);
    c->counts.applied_changes++;
    c->counts.applied_own += own || (member && is_own(c, &e->change));
    c->counts.applied_foreign += member == NULL && !trust_refused(e);
    return own;
}

static void tell_watchers(struct core *c, const struct entry *e, bool own)
{
    struct effect *effect = core_say(c, EFFECT_APPLIED);

    effect->applied.entry = e;
    effect->applied.own = own;
}

/* Its place was passed without it. Of members nothing is to be learnt that is not known better
 * by now. */
static void apply_late(struct core *c, const struct entry *e)
{
    if (skip(c, e)) { /* the cache is gone, so it does not matter any more */
        trail_add_late(&c->trail, e->position, e->change.message);
        return;
    }
    e = trust_judge(c, e);
    struct member *member = sender(c, e);
    if (!hole_takes_late(c, e, member))
        return;
    bool own = take_hold(c, e, member);
    trail_add_late(&c->trail, e->position, e->change.message);
    tell_watchers(c, e, own);
}

/* What was read up to the place at which an earlier segment stood was not applied (see
 * take_hold()). That was right only if the entry there is the one that it had applied. */
static bool misses_the_floor(const struct core *c, const struct entry *e)
{
    uint64_t floor = c->warm.floor;

    return c->trail.cursor.position < floor && e->position >= floor &&
           !(e->position == floor &&
             id128_equal(e->change.message, c->settings.cursor.message));
}

/* What comes again up to our place is passed over, but for what a hole lacks. That is right
 * only if the log still is what was read: then our place is met on the way. */
static void apply_again(struct core *c, const struct entry *e)
{
    if (e->position == c->trail.cursor.position)
        c->rereads = false;
    if (hole_is_replayed(c) && hole_was_missed(c, e))
        apply_late(c, e);
}

/* The order is law (L2): counter and unlink in apply_change(), then the position, then what a
 * renewal may rest on. */
static void apply_entry(struct core *c, const struct entry *e)
{
    enum trail_step step = trail_look(&c->trail, e->position, e->change.message);

    if (step == TRAIL_REPEAT) {
        apply_again(c, e);
        return;
    }
    if (step == TRAIL_NEXT && c->rereads) {
        coherence_gone(c, DROP_GONE, coherence_shorter);
        return;
    }
    if (step == TRAIL_REPLACED || misses_the_floor(c, e)) {
        diverged(c, DROP_REPLACED, e->position);
        return;
    }
    const struct entry *skipped = skip(c, e);
    e = skipped ? skipped : trust_judge(c, e);
    struct member *member = sender(c, e);
    if (member && !hole_admits(c, e, member))
        return;
    bool own = take_hold(c, e, member);
    trail_move(&c->trail, e->position, e->change.message);
    writer_set_position(c->writer, hole_is_open(c) ? 0 : e->position);
    c->head = u64_max(c->head, e->position);
    tell_watchers(c, e, own);
    if (change_sets_max_stale(&e->change))
        stage_apply(c, &e->change);
    if (member && apply_member(c, e, member))
        diverged(c, DROP_DIVERGED, e->change.applied);
    if (!own && asks_for_beats(&e->change))
        publish_beat_soon(c);
    if (member && c->link == LINK_UP)
        hole_heard(c, e);
    if (c->link == LINK_UP)
        letters_heard(c, e);
    lease_applied(&c->lease, c->trail.cursor.position);
}

void apply_entries(struct core *c, const struct entry *entries, size_t count)
{
    check(c);
    ASSERT(count <= DELIVER_BATCH_MAX);
    trust_step(c);
    /* Entries that come while no ATTACH was answered are of a log we have given up. */
    for (size_t i = 0; i < count && c->link == LINK_UP; i++) {
        ASSERT(entries[i].change.sequence <=
               CHANGE_SEQUENCE_MAX); /* buses let nothing more by */
        hand_take(&c->settings.hand, entries[i].position);
        apply_entry(c, &entries[i]);
    }
    if (c->members.overflowed) {
        c->members.overflowed = false; /* somebody we forgot may hold old copies */
        c->view_since_ns = c->now_ns;
    }
    coherence_renew(c);
    check(c);
}
