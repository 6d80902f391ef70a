/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* One daemon: the core over its segment, stepped; what node/step.c does with its effects. */
#include "sim/sim.h"

#include "cache/clock.h"
#include "sim/memory.h"
#include "wire/resend.h"

#include <stdio.h>

/* ---- the hooks in the segment --------------------------------------------------------------
 */

static uint64_t steps_left = UINT64_MAX, steps_given = UINT64_MAX;
static struct sim *running_in;
static struct host *running_host;

void step_enter(struct sim *s, struct host *h, uint64_t steps)
{
    running_in = s;
    running_host = h;
    steps_left = steps_given = steps;
}

uint64_t steps_made(void)
{
    return steps_given - steps_left;
}

/* Between any two loads or stores of shared words. */
void segment_step(void)
{
    if (--steps_left == 0 && fiber_is_inside())
        fiber_pause();
}

/* The TSC of the host that runs now; read between two steps like any word. */
uint64_t clock_tsc(void)
{
    segment_step();
    return running_host ? clock_at(&running_host->clock, running_in->now_ns) : 0;
}

uint64_t clock_boottime_ns(void)
{
    return running_host ? clock_at(&running_host->clock, running_in->now_ns) : 0;
}

/* ---- segments ------------------------------------------------------------------------------
 */

static struct cache *cache_take(struct sim *s, struct host *h)
{
    size_t i = 0;

    while (i < CHECK_CACHES_MAX && s->caches[i].used)
        i++;
    ASSERT(i < CHECK_CACHES_MAX);
    struct cache *c = &s->caches[i];
    c->used = true;
    c->id = i;
    c->host = h->index;
    c->users = 1;
    c->fallback = c->torn = false;
    c->dropped_ns = 0;
    return c;
}

void cache_release(struct cache *c)
{
    ASSERT(c->users > 0);
    if (--c->users > 0)
        return;
    memory_clear(c->segment, c->sizes.segment_bytes);
    memory_clear(c->hints, c->sizes.hints_bytes);
    memory_clear(c->memory, c->sizes.writer_bytes);
    c->used = false;
}

void cache_done(struct cache *c)
{
    if (!c->segment)
        return;
    memory_give(c->segment, c->sizes.segment_bytes);
    memory_give(c->hints, c->sizes.hints_bytes);
    memory_give(c->memory, c->sizes.writer_bytes);
    c->segment = NULL;
}

static void make_segment(struct sim *s, struct host *h)
{
    struct segment_namespace spaces[NAMESPACES_MAX] = {0};
    struct daemon *d = &h->daemon;
    struct cache *c = cache_take(s, h);
    struct segment_settings settings = {
        .memory_bytes = SEGMENT_BYTES_MIN,
        .incarnation = d->settings.incarnation,
        .seed = d->settings.resume ? h->place.seed : rng_next(&s->rng),
        .clock = {.clock = CLOCK_CLASS_TSC, .tsc_mult = 1ull << 32},
        .namespaces = spaces,
        .namespace_count = SPACES};

    for (size_t i = 0; i < SPACES; i++) {
        spaces[i].when_unsure = s->spaces[i].when_unsure;
        spaces[i].refresh_permille = s->spaces[i].refresh_permille;
        spaces[i].jitter_permille = s->spaces[i].jitter_permille;
        spaces[i].delimiter = s->spaces[i].delimiter;
        spaces[i].max_stale_ns = s->spaces[i].max_stale_ns;
        if (i > 0)
            memcpy(spaces[i].name, s->spaces[i].name, sizeof spaces[i].name);
    }
    int status = segment_sizes(&settings, &c->sizes);
    ASSERT(status == ACCORD_OK);
    if (!c->segment) {
        c->segment = memory_take(c->sizes.segment_bytes);
        c->hints = memory_take(c->sizes.hints_bytes);
        c->memory = memory_take(c->sizes.writer_bytes);
    }
    step_enter(s, h, UINT64_MAX);
    status = writer_init(&d->writer, c->memory, c->segment, c->hints, &settings);
    ASSERT(status == ACCORD_OK);
    status = reader_init(&c->reader, c->segment, c->sizes.segment_bytes, c->hints,
                         c->sizes.hints_bytes);
    ASSERT(status == ACCORD_OK);
    c->incarnation = settings.incarnation;
    c->local_ns = h->local_ns;
    c->seed = settings.seed;
    d->cache = c;
}

/* ---- time ----------------------------------------------------------------------------------
 */

bool host_is_frozen(const struct sim *s, const struct host *h)
{
    return s->now_ns < h->frozen_until_ns;
}

static bool is_stopped(const struct sim *s, const struct host *h)
{
    return host_is_frozen(s, h) || s->now_ns < h->daemon.stopped_until_ns;
}

bool host_takes(const struct sim *s, const struct host *h)
{
    const struct daemon *d = &h->daemon;

    return d->alive && !d->stopping && !d->fatal && !host_is_frozen(s, h);
}

static void wake_at(struct sim *s, struct host *h, uint64_t at_ns)
{
    struct daemon *d = &h->daemon;

    if (at_ns == UINT64_MAX || at_ns == d->wake_ns)
        return;
    d->wake_ns = at_ns;
    sim_push(s, (struct happening){
                    .at_ns = at_ns, .kind = HAPPEN_WAKE, .host = h->index, .a = d->generation});
}

static uint64_t resumes_ns(const struct host *h)
{
    return u64_max(h->frozen_until_ns, h->daemon.stopped_until_ns);
}

/* ---- effects -------------------------------------------------------------------------------
 */

/* Whose next change it expects by now: only then can it know of a hole. */
static void note_sender(struct sim *s, struct host *h, const struct change *c)
{
    for (size_t i = 0; i < s->host_count && c->sequence > 0; i++)
        if (id128_equal(s->hosts[i].daemon.settings.incarnation, c->incarnation))
            h->seen[i] = c->incarnation.high;
}

static void dropped(struct sim *s, struct host *h)
{
    check_dropped(&s->check, h->index);
    memset(h->seen, 0, sizeof h->seen);
}

static void carry_note(struct sim *s, struct host *h, const struct effect *e)
{
    struct daemon *d = &h->daemon;

    d->notes[e->note.note]++;
    trace(s, TRACE_NOTE, h->index, NO_KEY, e->note.note, e->note.number);
    if (s->trace.print && e->note.why)
        printf("%20s %s: %s\n", "", h->name, e->note.why);
    if (e->note.note == NOTE_COLD_BOOT) {
        dropped(s, h);
        if (d->event.type == EVENT_BUS_ATTACHED) { /* it begins with the log it was told of */
            check_begins(&s->check, h->index);
            h->link.anew_head = u64_max(h->link.anew_head, d->event.attached.head);
        }
        d->cache->dropped_ns = d->event.now_ns;
        s->sum.cold_boots++;
    }
    heir_noted(e);
    if (e->note.note == NOTE_LEASE_HELD)
        reader_stepped(s, h, /* leased= */ true);
    if (e->note.note == NOTE_LEASE_LOST) {
        d->losses++;
        s->sum.leases_lost++;
    }
}

/* Its sender's word that what it had said lies in the log once more. */
static void note_resent(struct sim *s, const struct host *h, const struct change *c)
{
    struct resend r;

    if (c->op == CHANGE_BEAT && resend_parse(c->about, &r) == ACCORD_OK &&
        r.kind == RESEND_DONE && id128_equal(r.incarnation, c->incarnation))
        check_resent(&s->check, h->index, c->incarnation.low, r.from, r.until);
}

/* Its core has met a number that does not follow: the first of the entries that it was given to
 * tell of one that it was not. */
static void note_gap(struct sim *s, struct host *h)
{
    const struct letter *l = h->daemon.letter;
    struct core_status t;

    if (!l || l->slot_count == 0)
        return;
    core_status(h->daemon.core, clock_at(&h->clock, s->now_ns), &t);
    if (t.gaps == h->gaps)
        return;
    h->gaps = t.gaps;
    for (size_t i = 0; i < l->slot_count; i++) {
        const struct change *c = &l->slots[i].record->change;
        if (i > 0 && l->slots[i - 1].position > t.cursor.position)
            return; /* it looked no further: a sender's changes may also be out of order */
        for (size_t k = 0; k < s->check.holes_made; k++) {
            const struct check_hole *hole = &s->check.holes[k];
            if (!hole->open || hole->told || hole->said || hole->host != h->index ||
                hole->sender != c->incarnation.low || hole->sequence >= c->sequence)
                continue;
            check_noticed(&s->check, h->index, c->incarnation.low, c->sequence);
            return;
        }
    }
}

static void carry_applied(struct sim *s, struct host *h, const struct effect *e)
{
    const struct entry *entry = e->applied.entry;
    const struct change *c = &entry->change;
    const struct letter *l = h->daemon.letter;
    const struct slot *slot = NULL;

    trace(s, TRACE_APPLIED, h->index, NO_KEY, entry->position, e->applied.own);
    for (size_t i = 0; i < l->slot_count && !slot; i++)
        if (l->slots[i].position == entry->position)
            slot = &l->slots[i];
    ASSERT(slot);
    check_entry(&s->check, h->index,
                &(struct check_entry){.log = slot->log,
                                      .epoch = slot->epoch,
                                      .index = slot->index,
                                      .position = slot->position,
                                      .taking = slot->taking,
                                      .serial = slot->record->serial,
                                      .before = slot->before});
    check_sender(&s->check, h->index, c->incarnation.low, c->sequence);
    note_resent(s, h, c);
    note_sender(s, h, c);
    /* Of what is not trusted another change may stand for it. */
    bool as_taken = slot->record->trust == TRUST_FULL;
    for (size_t k = 0; k < KEYS && !e->applied.own; k++)
        if (key_is_protected(k) &&
            (as_taken ? record_covers(slot->record, k) : change_covers(c, k)))
            check_applied(&s->check, h->daemon.cache->id, k, change_floor(s, c, k));
}

static void carry_reply(struct sim *s, struct host *h, const struct reply *reply)
{
    struct reply changed = *reply;
    bool is_change = reply->status == ACCORD_OK && !reply->has_position && !reply->has_token &&
                     !reply->has_value;

    if (h->daemon.keep_failed && is_change && h->daemon.settings.ack_local)
        changed.status = ACCORD_E_UNPUBLISHED;
    call_reply(s, h, &changed);
}

static void carry_fatal(struct sim *s, struct host *h, const struct effect *e)
{
    struct daemon *d = &h->daemon;
    bool twice = false;

    for (size_t i = 0; i < s->host_count; i++)
        twice |= i != h->index && strcmp(s->hosts[i].name, h->name) == 0;
    bool mended = operator_mends(h);
    bool twin = h->twin && strstr(e->fatal.why, "another process bears this node's identity");
    SOMETIMES(twin, "twins: one gave up");
    if (!mended && !twin && !twice && s->faults[FAULT_TWICE] == 0)
        sim_fail(s, "fatal", "%s gave up: %s", h->name, e->fatal.why);
    SOMETIMES(!mended && !twin, "daemon: a namesake gave up");
    d->fatal = true;
    d->stopping = true;
    daemon_post(s, h, letter_new(s, EVENT_STOP));
}

static void save_fences(struct host *h, const struct effect *e)
{
    ASSERT(e->save_fences.count <= COUNT_OF(h->fences));
    if (h->disk.full)
        return;
    h->fence_count = e->save_fences.count;
    h->fences_at = e->save_fences.at;
    memcpy(h->fences, e->save_fences.list, h->fence_count * sizeof h->fences[0]);
    SOMETIMES(h->fence_count > 0, "fences: saved");
}

static void carry_out(struct sim *s, struct host *h, const struct effect *e)
{
    struct daemon *d = &h->daemon;

    switch (e->type) {
    case EFFECT_REPLY:
        carry_reply(s, h, &e->reply);
        break;
    case EFFECT_ATTACH:
        trace(s, TRACE_ATTACH, h->index, NO_KEY, e->attach.resume, e->attach.cursor.position);
        if (!e->attach.resume || !d->attached) { /* compared with nothing read before */
            dropped(s, h);
            check_anew(&s->check, h->index);
        }
        if (!d->attached)
            heir_attaches(s, h, e);
        SOMETIMES(e->attach.resume && d->attached, "hole: the log is read again");
        d->attached = true;
        link_attach(s, h, e);
        break;
    case EFFECT_ASK_HEAD:
        trace(s, TRACE_ASK, h->index, NO_KEY, e->ask_head.nonce, 0);
        link_ask(s, h, e);
        break;
    case EFFECT_PUBLISH:
        trace(s, TRACE_PUBLISH, h->index, NO_KEY, e->publish.batch, e->publish.count);
        link_publish(s, h, e);
        break;
    case EFFECT_KEEP: {
        int status = disk_keep(&h->disk, e->keep.changes, e->keep.count);
        trace(s, TRACE_KEEP, h->index, NO_KEY, e->keep.count, (uint64_t)status);
        d->keep_failed |= status != ACCORD_OK;
        for (size_t i = 0; i < e->keep.count && status == ACCORD_OK; i++)
            call_kept(s, &e->keep.changes[i]);
        break;
    }
    case EFFECT_FORGET:
        trace(s, TRACE_FORGET, h->index, NO_KEY, e->forget.count, 0);
        disk_forget(&h->disk, e->forget.messages, e->forget.count);
        break;
    case EFFECT_APPLIED:
        carry_applied(s, h, e);
        break;
    case EFFECT_SAVE_FENCES:
        save_fences(h, e);
        break;
    case EFFECT_SAVE:
        heir_save(s, h, &e->save);
        break;
    case EFFECT_INHERITED:
        heir_released(s, h, e);
        break;
    case EFFECT_COLD: /* the callbacks are the shell's */
        break;
    case EFFECT_NOTE:
        carry_note(s, h, e);
        break;
    case EFFECT_FATAL:
        carry_fatal(s, h, e);
        break;
    case EFFECT_STOPPED:
        trace(s, TRACE_STOPPED, h->index, NO_KEY, 0, 0);
        SOMETIMES(true, "daemon: a clean stop");
        d->stopping = true;
        break;
    }
}

/* ---- steps ---------------------------------------------------------------------------------
 */

static void step_body(void *context)
{
    struct daemon *d = context;

    core_step(d->core, &d->event, &d->effects);
}

/* When the step stops again, if it does. */
static uint64_t draw_steps(struct sim *s, struct host *h)
{
    if (h->daemon.crash_in_step)
        return 1 + rng_below(&s->rng, 40);
    if (h->daemon.dies_in > 0)
        return h->daemon.dies_in;
    if (!sim_strikes(s, FAULT_STEP_PAUSE))
        return UINT64_MAX;
    return 1 + rng_skewed(&s->rng, 100);
}

static void check_status(struct sim *s, struct host *h)
{
    struct core_status t;

    core_status(h->daemon.core, clock_at(&h->clock, s->now_ns), &t);
    const struct check_bound bounds[] = {
        {"outbox", t.outbox, OUTBOX_CHANGES_MAX},
        {"loads", t.loads, LOADS_MAX},
        {"waiters", t.waiters, WAITERS_MAX},
        {"lease", t.lease_left_ns, t.max_stale_ns},
    };
    check_bounds(&s->check, bounds, COUNT_OF(bounds));
    SOMETIMES(t.gaps > 0, "core: a gap was seen");
    SOMETIMES(t.holes_open > 1, "hole: several at once");
    SOMETIMES(t.holes_replayed > 0, "hole: closed by reading the log again");
    SOMETIMES(t.holes_resent > 0, "hole: closed by its origin");
    SOMETIMES(t.resends > 0, "hole: said again for another host");
    SOMETIMES(t.drops[DROP_HOLE_SILENT] > 0, "hole: dropped, its origin is gone");
    SOMETIMES(t.drops[DROP_POISON] > 0, "poison: skipped, and the cache dropped");
    SOMETIMES(t.drops[DROP_HOLE_LATE] > 0, "hole: dropped, nobody answered in time");
    SOMETIMES(t.divergences > 0, "core: a divergence was seen");
    SOMETIMES(t.fills_refused_token > 0, "core: a fill was refused for its token");
    SOMETIMES(t.fills_refused_version > 0, "core: a fill was refused for its version");
    SOMETIMES(t.fills_refused_unsure > 0, "core: a fill came while unsure");
    SOMETIMES(t.unpublished_answers > 0, "core: a change was answered unpublished");
    SOMETIMES(t.publish_failures > 0, "core: a publish failed");
    SOMETIMES(t.loads_busy > 0, "core: a load was answered busy");
    SOMETIMES(t.loads_lost > 0, "core: a right to load was lost");
    SOMETIMES(t.loads_waited > 0, "core: a caller waited for a load");
    SOMETIMES(t.applied_foreign > 0, "core: a foreign change was applied");
    SOMETIMES(t.lease_losses > 0, "core: a lease was lost");
    SOMETIMES(t.cold_boots > 0, "core: a cold boot");
}

static void finish_step(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;
    uint64_t generation = d->generation;

    d->stepping = false;
    if (d->poisoned > 0) {
        poison_strikes(s, h, d->poisoned);
        return;
    }
    s->sum.steps++;
    trace(s, TRACE_STEP, h->index, NO_KEY, d->event.type, d->effects.count);
    if (!d->event.more && core_deadline_ns(d->core) <= d->event.now_ns)
        sim_fail(s, "progress", "%s: what was due is still due after the step", h->name);
    d->keep_failed = false;
    for (size_t i = 0; i < d->effects.count && !s->failure.failed; i++) {
        if (d->dies_in > 0 && --d->dies_in == 0) {
            scene_dies(s, h);
            return;
        }
        if (d->crash_in_step && rng_chance(&s->rng, 300)) {
            SOMETIMES(i > 0, "daemon: killed between two effects");
            daemon_kill(s, h);
            return;
        }
        carry_out(s, h, &d->effects.list[i]);
    }
    ASSERT(d->generation == generation);
    note_gap(s, h);
    if (reader_deadline_ns(&d->cache->reader, NULL, NULL) > 0)
        check_leased(&s->check, h->index);
    if (d->letter)
        link_consumed(s, h, d->letter);
    if (d->letter && d->letter->slot_count > 0)
        poison_passed(h, d->letter->slots[d->letter->slot_count - 1].position);
    d->letter = NULL;
    reader_stepped(s, h, /* leased= */ false);
    if (s->sum.steps % 16 == 0)
        check_status(s, h);
}

static void pause_step(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;
    uint64_t pause_ns = 0;

    d->stepping = true;
    if (d->dies_in > 0) {
        scene_dies(s, h);
        return;
    }
    if (d->crash_in_step) {
        s->faults[FAULT_STEP_CRASH]++;
        SOMETIMES(true, "daemon: killed between two stores");
        daemon_kill(s, h);
        return;
    }
    if (rng_chance(&s->rng, 500))
        pause_ns = rng_below(&s->rng, NS_PER_MS);
    if (rng_chance(&s->rng, 20))
        pause_ns = rng_below(&s->rng, 2 * s->plan.max_stale_ns);
    if (d->letter && d->letter->slot_count > 0) {
        for (size_t k = 0; k < KEYS; k++)
            if (record_covers(d->letter->slots[0].record, k))
                reader_force(s, h, k);
    }
    SOMETIMES(pause_ns > s->plan.max_stale_ns, "daemon: stopped in a step for longer than L");
    trace(s, TRACE_STEP_PAUSE, h->index, NO_KEY, pause_ns / 1000, 0);
    sim_push(s, (struct happening){.at_ns = s->now_ns + pause_ns,
                                   .kind = HAPPEN_STEP,
                                   .host = h->index,
                                   .a = d->generation});
}

/* True: the step is over, and the daemon still alive. */
static bool run_step(struct sim *s, struct host *h, bool starts)
{
    struct daemon *d = &h->daemon;
    uint64_t generation = d->generation;

    step_enter(s, h, draw_steps(s, h));
    bool ended = starts ? fiber_start(&d->fiber, step_body, d) : fiber_resume(&d->fiber);
    d->dies_in = u64_sub_sat(d->dies_in, ended ? steps_made() : 0);
    step_enter(s, h, UINT64_MAX);
    if (ended)
        finish_step(s, h);
    else
        pause_step(s, h);
    return d->alive && d->generation == generation && !d->stepping;
}

static struct entry *entries_of(const struct letter *l)
{
    static struct entry entries[DELIVER_BATCH_MAX];

    for (size_t i = 0; i < l->slot_count; i++)
        entries[i] = (struct entry){.position = l->slots[i].position,
                                    .change = l->slots[i].record->change,
                                    .trust = l->slots[i].record->trust};
    return entries;
}

static void note_letter(struct sim *s, const struct host *h, const struct event *e)
{
    if (e->type == EVENT_BUS_ATTACHED)
        check_reads_after(&s->check, h->index, e->attached.after);
    if (e->type == EVENT_BUS_ATTACHED)
        trace(s, TRACE_ATTACHED, h->index, NO_KEY, e->attached.resumed, e->attached.after);
    else if (e->type == EVENT_BUS_GONE)
        trace(s, TRACE_GONE, h->index, NO_KEY, 0, 0);
    else if (e->type == EVENT_BUS_LOST)
        trace(s, TRACE_LOST, h->index, NO_KEY, 0, 0);
    else if (e->type == EVENT_BUS_HEAD)
        trace(s, TRACE_HEAD, h->index, NO_KEY, (uint64_t)e->head.status, e->head.head);
    else if (e->type == EVENT_BUS_PUBLISHED)
        trace(s, TRACE_PUBLISHED, h->index, NO_KEY, (uint64_t)e->published.status,
              e->published.last);
    else if (e->type == EVENT_BUS_ENTRIES)
        trace(s, TRACE_ENTRIES, h->index, NO_KEY, e->entries.count,
              e->entries.entries[e->entries.count - 1].position);
}

/* Entries lie in one buffer that the step borrows: a step that pauses keeps its own copy. */
static bool step(struct sim *s, struct host *h, struct letter *l)
{
    struct daemon *d = &h->daemon;

    d->letter = l;
    d->event = l ? l->event : (struct event){.type = EVENT_TICK};
    size_t before = l ? poison_before(h, l) : 0;
    if (l && before < l->slot_count)
        d->poisoned = l->slots[before].position;
    if (l && before == 0 && d->poisoned > 0) {
        poison_strikes(s, h, d->poisoned);
        return false;
    }
    if (l && l->slot_count > 0) {
        struct entry *own = sim_alloc(s, l->slot_count * sizeof *own);
        memcpy(own, entries_of(l), l->slot_count * sizeof *own);
        for (size_t i = 0; i < before; i++) /* as the bus gives it (B17) */
            if (hand_skips(&d->settings.hand, own[i].position))
                own[i] = hand_skipped(own[i].position, own[i].change.message);
        d->event.entries.entries = own;
        d->event.entries.count = before;
    }
    if (l && l->call < s->call_count)
        call_begun(s, h, l->call);
    else
        wall_next(s);
    d->event.now_ns = clock_at(&h->clock, s->now_ns);
    d->event.wall_ms = s->wall;
    step_enter(s, h, UINT64_MAX);
    if (d->event.type == EVENT_INHERIT)
        d->event.inherit.old_now_ns = reader_now_ns(&d->earlier->reader);
    d->event.more = d->first != NULL && rng_chance(&s->rng, 500);
    if (d->event.type == EVENT_CLIENT_GONE)
        call_client_gone(s, h, d->event.client_gone);
    if (l)
        note_letter(s, h, &d->event);
    if (d->event.type == EVENT_BUS_ATTACHED)
        hand_attach(&d->settings.hand, d->event.attached.log, d->event.attached.epoch);
    return run_step(s, h, /* starts= */ true);
}

static struct letter *take_letter(struct host *h)
{
    struct daemon *d = &h->daemon;
    struct letter *l = d->first;

    if (l) {
        d->first = l->next;
        if (!d->first)
            d->last = NULL;
    }
    return l;
}

static void end_stopped(struct sim *s, struct host *h)
{
    bool fatal = h->daemon.fatal;

    daemon_kill(s, h);
    if (fatal)
        memcpy(h->name, h->real_name, sizeof h->name);
    uint64_t after_ns = s->healing          ? NS_PER_S
                        : h->returns_ns > 0 ? u64_sub_sat(h->returns_ns, s->now_ns)
                                            : rng_below(&s->rng, s->plan.restart_max_ns);
    sim_push(s, (struct happening){
                    .at_ns = s->now_ns + after_ns, .kind = HAPPEN_START, .host = h->index});
}

static bool said_stopped(const struct host *h)
{
    const struct effects *e = &h->daemon.effects;

    for (size_t i = 0; i < e->count; i++)
        if (e->list[i].type == EFFECT_STOPPED)
            return true;
    return false;
}

void daemon_run(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;

    while (d->alive && !d->stepping && !s->failure.failed) {
        if (is_stopped(s, h)) {
            wake_at(s, h, resumes_ns(h));
            return;
        }
        struct letter *l = take_letter(h);
        if (l && l->view > 0 && l->view != h->link.view)
            continue; /* another attach was asked for: what the last one said is void */
        if (l && call_given_up(s, l->call))
            continue;
        uint64_t due_ns = core_deadline_ns(d->core);
        uint64_t clock_ns = clock_at(&h->clock, s->now_ns);
        if (!l && due_ns > clock_ns) {
            wake_at(s, h,
                    due_ns == UINT64_MAX ? due_ns : clock_moment(&h->clock, s->now_ns, due_ns));
            return;
        }
        bool over = step(s, h, l);
        if (over && said_stopped(h)) {
            if (d->settings.max_stale_ns > 0 &&
                reader_deadline_ns(&d->cache->reader, NULL, NULL))
                sim_fail(s, "leave", "%s has stopped with a lease word", h->name);
            end_stopped(s, h);
            return;
        }
        if (!over)
            return;
    }
}

void daemon_continue(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;

    if (!d->stepping)
        return;
    if (is_stopped(s, h)) {
        sim_push(s, (struct happening){.at_ns = resumes_ns(h),
                                       .kind = HAPPEN_STEP,
                                       .host = h->index,
                                       .a = d->generation});
        return;
    }
    if (run_step(s, h, /* starts= */ false)) {
        if (said_stopped(h))
            end_stopped(s, h);
        else
            daemon_run(s, h);
    }
}

void daemon_post(struct sim *s, struct host *h, struct letter *l)
{
    struct daemon *d = &h->daemon;

    l->next = NULL;
    if (d->last)
        d->last->next = l;
    else
        d->first = l;
    d->last = l;
    wake_at(s, h, s->now_ns);
}

/* ---- life ----------------------------------------------------------------------------------
 */

bool hosts_are_twins(const struct host *h, const struct host *other)
{
    return h->daemon.alive && other->daemon.alive &&
           id128_equal(h->daemon.settings.incarnation, other->daemon.settings.incarnation);
}

/* From now on nothing is promised of it and its original, nor of what either leaves behind for
 * as long as a lease may last, until both have begun anew. */
static void begin_as_image(struct sim *s, struct host *h)
{
    uint64_t until_ns = s->now_ns + 2 * s->plan.most_stale_ns;
    struct host *original = &s->hosts[h->image.of];
    struct daemon *d = &h->daemon;

    if (h->twin)
        h->excused_until_ns = u64_max(h->excused_until_ns, until_ns);
    h->twin = h->image.taken;
    if (!h->image.taken)
        return;
    h->image.taken = false;
    d->settings.incarnation = h->image.incarnation;
    memcpy(d->settings.random, h->image.random, sizeof d->settings.random);
    bool lives = original->daemon.alive &&
                 id128_equal(original->daemon.settings.incarnation, h->image.incarnation);
    original->excused_until_ns = u64_max(original->excused_until_ns, until_ns);
    original->twin |= lives;
    SOMETIMES(lives, "twins: a clone began beside its original");
    SOMETIMES(!lives, "twins: a clone began after its original");
}

static void draw_settings(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;
    const struct plan *p = &s->plan;

    d->settings = (struct core_settings){
        .about = "app sim",
        .incarnation = {++s->incarnations, rng_next(&s->rng) | 1},
        .max_stale_ns = h->local_ns < UINT64_MAX ? h->local_ns : p->max_stale_ns,
        .max_stale_given = h->local_ns < UINT64_MAX,
        .publish_timeout_ns = p->publish_timeout_ns,
        .load_timeout_ns = p->load_timeout_ns,
        .join_settle_ns = p->join_settle_ns,
        .head_linearizable = p->head_linearizable,
        .ack_local = rng_chance(&s->rng, p->ack_local_permille),
        .signing = p->signing,
        .unsigned_removals = p->unsigned_removals,
        .namespaces = s->spaces,
        .namespace_count = SPACES,
        .fences = h->fences,
        .fence_count = h->fence_count,
        .fences_at = h->fences_at,
    };
    for (size_t i = 0; i < 4; i++)
        d->settings.random[i] = rng_next(&s->rng);
    memcpy(d->settings.name, h->name, sizeof h->name);
    begin_as_image(s, h);
    heir_settings(h, &d->settings);
    poison_start(h);
    d->resumed = h->place.chain;
}

/* What was kept goes first; for what could not be read, one change that clears everything. */
static void resend(struct sim *s, struct host *h)
{
    struct change *pending;
    bool damaged;
    size_t count = disk_read(s, &h->disk, &pending, &damaged);

    trace(s, TRACE_START, h->index, NO_KEY, s->incarnations, count);
    if (damaged) {
        call_disk_lost(s, h->index); /* that change stands for them all */
        struct change all = {.op = CHANGE_CLEAR, .wall_ms = wall_next(s)};
        all.message.high = rng_next(&s->rng);
        all.message.low = rng_next(&s->rng) | 1;
        int status = disk_keep(&h->disk, &all, 1);
        ASSERT(status == ACCORD_OK);
        pending[count++] = all;
    }
    if (count == 0)
        return;
    struct letter *l = letter_new(s, EVENT_RESEND);
    l->event.resend.changes = pending;
    l->event.resend.count = count;
    daemon_post(s, h, l);
}

void daemon_start(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;
    struct fiber fiber = d->fiber;
    uint64_t generation = d->generation;

    ASSERT(!d->alive);
    *d = (struct daemon){.fiber = fiber, .generation = generation + 1, .wake_ns = UINT64_MAX};
    draw_settings(s, h);
    make_segment(s, h);
    int status = core_new(&d->core, &d->settings, d->writer, clock_at(&h->clock, s->now_ns));
    ASSERT(status == ACCORD_OK);
    d->alive = true;
    d->began_clock_ns = clock_at(&h->clock, s->now_ns);
    h->gaps = 0;
    check_host_gone(&s->check, h->index);
    link_reset(s, h);
    resend(s, h);
    heir_start(s, h);
    wake_at(s, h, s->now_ns);
}

void daemon_kill(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;

    ASSERT(d->alive);
    if (!s->over) {
        trace(s, TRACE_KILL, h->index, NO_KEY, d->stepping, 0);
        reader_orphaned(s, h);
    }
    d->cache->torn = d->stepping;
    fiber_kill(&d->fiber);
    core_free(d->core);
    d->core = NULL;
    d->alive = d->stepping = d->crash_in_step = false;
    d->dies_in = 0;
    d->generation++;
    d->first = d->last = NULL;
    heir_died(h);
    cache_release(d->cache);
    d->cache = NULL;
    link_reset(s, h);
    if (check_has_hole(&s->check, h->index)) /* readers have its segment still */
        h->excused_until_ns =
            u64_max(h->excused_until_ns, s->now_ns + 2 * s->plan.most_stale_ns);
    check_host_gone(&s->check, h->index);
    if (!s->over)
        call_abandon(s, h->index);
}
