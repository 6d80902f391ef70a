/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT((c->warm.state == WARM_COPYING) == (c->warm.copy != NULL));
    ASSERT(c->warm.state != WARM_COPYING || c->settings.resume);
}

void warm_init(struct core *c)
{
    c->warm.state = c->settings.resume ? WARM_OPEN : WARM_NEVER;
    c->warm.floor = c->settings.resume ? c->settings.cursor.position : 0;
    c->warm.give_up_ns = c->warm.hold_ns = UINT64_MAX;
    text_set(&c->warm.why, c->settings.resume ? "no process has offered the earlier segment"
                           : c->settings.cold_why[0] != '\0' ? c->settings.cold_why
                                                             : "nothing was kept");
    check(c);
}

static void say_cold(struct core *c, enum drop cause, const char *why)
{
    text_set(&c->warm.why, why);
    c->counts.drops[cause]++;
    core_note(c, NOTE_COLD, NULL, c->warm.why.data, c->trail.cursor.position);
}

void warm_cold(struct core *c, enum drop cause, const char *why)
{
    text_set(&c->warm.cold_why, why);
    c->warm.cold_cause = cause;
    c->warm.cold_wanted = true;
}

/* L6: the position first, then the drop, then the callbacks. While the bus is being attached
 * anew nobody knows from where on changes will be applied. */
void warm_say_cold(struct core *c)
{
    if (!c->warm.cold_wanted || c->link != LINK_UP)
        return;
    struct effect *e = core_say(c, EFFECT_COLD);

    e->cold.cause = c->warm.cold_cause;
    e->cold.why = c->warm.cold_why.data;
    e->cold.position = core_position(c);
    c->warm.cold_wanted = false;
}

static void release(struct core *c)
{
    struct effect *e = core_say(c, EFFECT_INHERITED);

    e->inherited.kept = c->warm.counts.kept;
    c->warm.copy = NULL;
}

void warm_end(struct core *c, const char *why)
{
    check(c);
    if (c->warm.state == WARM_COPYING)
        release(c);
    if (c->warm.state != WARM_NEVER)
        text_set(&c->warm.why, why);
    c->warm.state = WARM_NEVER;
    c->warm.floor = 0;
    c->warm.give_up_ns = UINT64_MAX;
    check(c);
}

bool warm_holds(const struct core *c)
{
    return c->warm.state == WARM_COPYING && c->now_ns < c->warm.hold_ns;
}

void warm_attached(struct core *c, uint64_t head)
{
    check(c);
    if (!c->attached_once && c->warm.state == WARM_NEVER && !c->settings.resume) {
        say_cold(c, DROP_START, c->warm.why.data);
        warm_cold(c, DROP_START, c->warm.why.data);
    }
    if (c->warm.state == WARM_OPEN && !c->attached_once)
        c->warm.give_up_ns = u64_add_sat(c->now_ns, WARM_WAIT_NS);
    if (c->warm.state != WARM_NEVER && head < c->warm.reaches)
        coherence_cold_boot(c, DROP_GONE,
                            "the log is shorter than the earlier segment had applied");
    check(c);
}

/* NULL: it may be inherited. */
static const char *problem(const struct core *c, const struct inherit_place *place)
{
    const struct cursor *cursor = &c->settings.cursor;

    if (c->warm.state == WARM_NEVER)
        return c->warm.why.data;
    if (c->warm.state != WARM_OPEN)
        return "a segment was inherited already";
    if (!id128_equal(place->log, cursor->log) || place->epoch != cursor->epoch)
        return "the earlier segment is of another log or epoch than the saved cursor";
    if (place->position < cursor->position)
        return "the earlier segment had not come as far as the saved cursor";
    if (c->attached_once && place->position > c->head)
        return "the log is shorter than the earlier segment had applied";
    return NULL;
}

void warm_inherit(struct core *c, const struct event *e)
{
    struct inherit_place place;
    int status = ACCORD_E_CONFLICT;

    check(c);
    inherit_place(e->inherit.old, &place);
    const char *why = problem(c, &place);
    if (!why) {
        status = inherit_begin(&c->warm.copy, e->inherit.memory, e->inherit.old, c->writer,
                               c->now_ns, e->inherit.old_now_ns);
        why = "the earlier segment has another hash secret";
    }
    if (status != ACCORD_OK) {
        if (c->warm.state == WARM_OPEN) {
            say_cold(c, DROP_SEGMENT, why);
            warm_cold(c, DROP_SEGMENT, why);
        }
        core_say(c, EFFECT_INHERITED)->inherited.refused = core_words(c, why);
        return;
    }
    c->warm.state = WARM_COPYING;
    c->warm.reaches = place.position;
    c->warm.give_up_ns = UINT64_MAX;
    c->warm.hold_ns = u64_add_sat(c->now_ns, WARM_HEAD_START_NS);
    check(c);
}

static void copied(struct core *c)
{
    release(c);
    c->warm.state = WARM_KEPT;
    text_set(&c->warm.why, "");
    text_add_number(&c->warm.why, c->warm.counts.kept);
    text_add(&c->warm.why, " items kept");
    if (c->warm.counts.touched > 0) {
        text_add(&c->warm.why, ", ");
        text_add_number(&c->warm.why, c->warm.counts.touched);
        text_add(&c->warm.why, " removed since");
    }
    if (c->warm.counts.left > 0) {
        text_add(&c->warm.why, ", ");
        text_add_number(&c->warm.why, c->warm.counts.left);
        text_add(&c->warm.why, " without room");
    }
    core_note(c, NOTE_WARM, NULL, c->warm.why.data, c->warm.counts.kept);
}

void warm_drive(struct core *c)
{
    check(c);
    if (c->now_ns >= c->warm.give_up_ns) {
        c->warm.give_up_ns = UINT64_MAX;
        say_cold(c, DROP_NO_SEGMENT, c->warm.why.data);
        warm_cold(c, DROP_NO_SEGMENT, c->warm.why.data);
    }
    if (c->warm.state != WARM_COPYING)
        return;
    bool more = inherit_some(c->warm.copy, WARM_STEP_ITEMS, c->now_ns);
    c->warm.counts = inherit_counts(c->warm.copy);
    if (!more)
        copied(c);
    check(c);
}

void warm_wanted(struct core *c, struct bytes key)
{
    check(c);
    if (c->warm.state == WARM_COPYING && inherit_key(c->warm.copy, key, c->now_ns))
        c->warm.counts = inherit_counts(c->warm.copy);
    check(c);
}

/* The next nanosecond is at once; a deadline of now would look like one that was missed. */
uint64_t warm_deadline_ns(const struct core *c)
{
    check(c);
    return c->warm.state == WARM_COPYING ? c->now_ns + 1 : c->warm.give_up_ns;
}
