/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

#include <stdlib.h>

static void check(const struct core *c)
{
    ASSERT(c->effect_count <= EFFECTS_MAX);
    ASSERT(c->link >= LINK_NEW);
    ASSERT(c->link <= LINK_LOST);
    ASSERT(c->phase <= PHASE_STOPPED);
    ASSERT((c->unsure_since_ns == 0) == (c->lease.deadline_ns > 0));
}

const char *core_note_word(enum core_note note)
{
    switch (note) {
#define NOTE(name, word)                                                                       \
    case NOTE_##name:                                                                          \
        return word;
        CORE_NOTES(NOTE)
#undef NOTE
    }
    return "";
}

const char *core_drop_word(enum drop cause)
{
    static const char *const words[DROPS] = {
#define DROP(NAME, name, text) [DROP_##NAME] = #name,
#include "defs/drop.def"
    };

    return cause < DROPS ? words[cause] : "";
}

/* ---- saying --------------------------------------------------------------------------------
 */

struct effect *core_say(struct core *c, enum effect_type type)
{
    ASSERT(c->effect_count < EFFECTS_MAX);
    struct effect *e = &c->effects[c->effect_count++];

    memset(e, 0, sizeof *e);
    e->type = type;
    return e;
}

struct reply *core_reply(struct core *c, uint64_t client, uint64_t id, int status)
{
    struct reply *reply = &core_say(c, EFFECT_REPLY)->reply;

    reply->client = client;
    reply->id = id;
    reply->status = status;
    return reply;
}

/* Notes outlive what they speak of within one step, so their words are copied; where a step has
 * too many, the last ones go without. */
const char *core_words(struct core *c, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;

    if (size == 0 || size > sizeof c->words - c->said)
        return NULL;
    char *copy = c->words + c->said;
    memcpy(copy, text, size);
    c->said += size;
    return copy;
}

void core_note(struct core *c, enum core_note note, const char *who, const char *why,
               uint64_t number)
{
    struct effect *e = core_say(c, EFFECT_NOTE);

    e->note.note = note;
    e->note.who = core_words(c, who);
    e->note.why = core_words(c, why);
    e->note.number = number;
}

void core_fatal(struct core *c, const char *why)
{
    if (c->phase != PHASE_RUNNING)
        return;
    text_set(&c->fatal_why, why);
    coherence_lose(c, c->fatal_why.data);
    c->phase = PHASE_DOOMED;
    core_say(c, EFFECT_FATAL)->fatal.why = c->fatal_why.data;
}

bool core_is_fresh_for(const struct core *c, struct bytes key)
{
    return core_is_fresh_in(c, writer_namespace_of(c->writer, key));
}

bool core_is_fresh_in(const struct core *c, size_t space)
{
    uint64_t max_stale_ns = policy_of(&c->policy, space)->max_stale_ns;

    return core_is_fresh(c) && c->now_ns < u64_add_sat(c->lease.question_ns, max_stale_ns);
}

struct position core_position(const struct core *c)
{
    return (struct position){c->trail.cursor.epoch, c->trail.cursor.position};
}

uint64_t core_backoff_ns(struct core *c, uint32_t failures)
{
    uint64_t backoff_ns = BACKOFF_MIN_NS;

    ASSERT(failures > 0);
    for (uint32_t i = 1; i < failures && backoff_ns < BACKOFF_MAX_NS; i++)
        backoff_ns *= 2;
    return random_spread(&c->random, u64_min(backoff_ns, BACKOFF_MAX_NS), JITTER_PERMILLE);
}

/* ---- new, free -----------------------------------------------------------------------------
 */

_Static_assert(sizeof((struct core_settings *)0)->about +
                       sizeof((struct core_settings *)0)->policies <=
                   CHANGE_ABOUT_BYTES_MAX + 1,
               "what is said fits into a change");

/* Both lines with a tab between them, by which a beat's is told from a word (hole.c). */
static void prepare_of_us(struct core *c)
{
    const struct core_settings *s = &c->settings;
    size_t about = strlen(s->about), policies = strlen(s->policies);

    memcpy(c->of_us, s->about, about);
    c->of_us[about] = '\t';
    memcpy(c->of_us + about + 1, s->policies, policies);
    c->of_us_bytes = about + 1 + policies;
}

static bool valid(const struct core_settings *s)
{
    return memchr(s->name, '\0', sizeof s->name) && s->name[0] &&
           memchr(s->cold_why, '\0', sizeof s->cold_why) &&
           memchr(s->about, '\0', sizeof s->about) &&
           memchr(s->policies, '\0', sizeof s->policies) && !id128_is_none(s->incarnation) &&
           s->hand.poison_count <= POISONS_MAX && s->max_stale_ns >= LEASE_SHARE &&
           s->max_stale_ns < UINT64_MAX / 64 && s->publish_timeout_ns > 0 &&
           s->load_timeout_ns > 0;
}

int core_new(struct core **out, const struct core_settings *settings, struct writer *writer,
             uint64_t now_ns)
{
    if (!valid(settings))
        return ACCORD_E_INVALID;
    /* Zeroed by the kernel, page by page as it is used: the tables are large, and mostly never
     * touched. */
    struct core *c = calloc(1, sizeof *c);
    if (!c)
        return ACCORD_E_NOMEM;
    int status = policy_init(&c->policy, settings->namespaces, settings->namespace_count);
    if (status != ACCORD_OK) {
        free(c);
        return status;
    }
    c->settings = *settings;
    prepare_of_us(c);
    c->settings.namespaces = c->policy.list;
    c->writer = writer;
    c->now_ns = now_ns;
    c->unsure_since_ns = now_ns > 0 ? now_ns : 1;
    c->max_stale_ns = c->wait_stale_ns = settings->max_stale_ns;
    c->member_ttl_ns = MEMBER_TTL_SHARE * c->max_stale_ns;
    c->silence_ns = c->member_ttl_ns + c->member_ttl_ns / 4 + c->max_stale_ns / 2;
    text_set(&c->why, "not attached to the bus yet");
    text_set(&c->too_large, "with its key and tags it is larger than a block of ");
    text_add_number(&c->too_large, writer_block_bytes(writer));
    text_add(&c->too_large, " bytes; it was not stored");
    fences_init(&c->fences, &c->policy, now_ns);
    random_init(&c->random, settings->random);
    lease_init(&c->lease, c->max_stale_ns, c->member_ttl_ns);
    members_init(&c->members, c->silence_ns);
    outbox_init(&c->outbox);
    sent_init(&c->sent);
    waits_init(&c->waits);
    loads_init(&c->loads, settings->load_timeout_ns, random_next(&c->random));
    c->forgotten = c->outbox.next;
    warm_init(c);
    *out = c;
    check(c);
    return ACCORD_OK;
}

void core_free(struct core *c)
{
    free(c);
}

/* ---- one step ------------------------------------------------------------------------------
 */

static void take_bus_event(struct core *c, const struct event *e)
{
    switch (e->type) {
    case EVENT_BUS_ATTACHED:
        coherence_attached(c, e);
        break;
    case EVENT_BUS_GONE:
        coherence_gone(c, DROP_GONE, e->gone.why);
        break;
    case EVENT_BUS_LOST:
        coherence_lost(c, e->lost.why);
        break;
    case EVENT_BUS_ENTRIES:
        apply_entries(c, e->entries.entries, e->entries.count);
        break;
    case EVENT_BUS_HEAD:
        coherence_head(c, e);
        break;
    case EVENT_BUS_PUBLISHED:
        publish_done(c, e);
        break;
    default:
        ASSERT(e->type < EVENT_TICK); /* every type is handled here or by take_event() */
    }
}

/* What the later ones will look into comes while the first ones are handled. */
static void take_requests(struct core *c, const struct request *list, size_t count)
{
    ASSERT(count > 0);
    ASSERT(count <= REQUESTS_MAX);
    for (size_t i = 0; i < count; i++)
        writer_prefetch(c->writer, list[i].item.key);
    for (size_t i = 0; i < count; i++) {
        ASSERT(list[i].client == list[0].client);
        ASSERT(list[i].op < REQUEST_BATCH_BEGIN);
        request_handle(c, &list[i]);
    }
}

static void take_event(struct core *c, const struct event *e)
{
    bool of_batch = e->type == EVENT_REQUEST && e->request.client == c->batch.client;

    if (c->batch.open && !of_batch)
        publish_end(c); /* its client has gone astray: the others do not wait */
    switch (e->type) {
    case EVENT_TICK:
        break;
    case EVENT_REQUEST:
        request_handle(c, &e->request);
        break;
    case EVENT_REQUESTS:
        take_requests(c, e->requests.list, e->requests.count);
        break;
    case EVENT_CLIENT_GONE:
        request_client_gone(c, e->client_gone);
        break;
    case EVENT_RESEND:
        publish_resend(c, e->resend.changes, e->resend.count);
        break;
    case EVENT_INHERIT:
        warm_inherit(c, e);
        break;
    case EVENT_CLOCK_BROKEN:
        /* What was sent by the old clock cannot be counted by the new one. */
        coherence_lose(c, "the clock ran wrong");
        lease_drop(&c->lease);
        fences_unknown(&c->fences, c->now_ns); /* by the old clock some may have ended early */
        c->reading++; /* so who is silent, and what has lapsed, is not known either */
        c->view_since_ns = c->now_ns;
        c->ask_due_ns = c->beat_due_ns = c->now_ns;
        break;
    case EVENT_STOP:
        publish_stop(c);
        break;
    default:
        take_bus_event(c, e);
    }
}

static void expire_waits(struct core *c)
{
    struct wait *wait;

    publish_expire(c);
    while ((wait = waits_expired(&c->waits, c->now_ns)))
        request_expire(c, wait);
    single_expire(c);
}

static void note_silence(struct core *c)
{
    const struct member *member;

    while ((member = members_fell_silent(&c->members, c->now_ns))) {
        core_note(c, NOTE_MEMBER_SILENT, member->view.name, NULL, member->beat_position);
        c->sweep_due = true;
    }
}

/* While the earlier segment is being copied, what was saved of it is what a crash needs. */
static bool wants_save(const struct core *c)
{
    return c->trail.cursor.position != c->saved_position && c->warm.state != WARM_COPYING &&
           c->trail.cursor.position >= c->warm.floor && !hole_is_open(c);
}

static void save(struct core *c)
{
    const struct cursor *cursor = &c->trail.cursor;

    if (!wants_save(c) || (c->now_ns < c->save_due_ns && c->phase != PHASE_STOPPED))
        return;
    c->saved_position = cursor->position;
    c->save_due_ns = c->now_ns + SAVE_EVERY_NS;
    fencing_save(c); /* first: they may be newer than the cursor, never older */
    core_say(c, EFFECT_SAVE)->save = *cursor;
}

void core_step(struct core *c, const struct event *e, struct effects *out)
{
    check(c);
    c->effect_count = 0;
    c->said = 0;
    c->now_ns = u64_max(c->now_ns, e->now_ns);
    c->wall_ms = e->wall_ms;
    c->more = e->more;
    letters_step(c);
    if (c->sweep_due)
        members_sweep(&c->members, c->now_ns);
    c->sweep_due = false;

    coherence_lapse(c); /* before anything could renew it */
    take_event(c, e);
    warm_drive(c);
    hole_drive(c);
    letters_drive(c);
    publish_settle(c);
    strict_answer(c); /* it may want a question, or a beat, which then goes out at once */
    stage_drive(c);
    publish_drive(c);
    coherence_drive(c);
    request_answer_waits(c);
    expire_waits(c);
    note_silence(c);
    warm_say_cold(c);
    save(c);

    *out = (struct effects){c->effects, c->effect_count};
    check(c);
}

uint64_t core_deadline_ns(const struct core *c)
{
    uint64_t deadline_ns = u64_min(coherence_deadline_ns(c), publish_deadline_ns(c));

    check(c);
    deadline_ns = u64_min(deadline_ns, c->stage_ends_ns > 0 ? c->stage_ends_ns : UINT64_MAX);
    deadline_ns = u64_min(deadline_ns, waits_deadline_ns(&c->waits));
    deadline_ns = u64_min(deadline_ns, strict_deadline_ns(c));
    deadline_ns = u64_min(deadline_ns, loads_deadline_ns(&c->loads));
    deadline_ns = u64_min(deadline_ns, c->members.silence_due_ns);
    deadline_ns = u64_min(deadline_ns, warm_deadline_ns(c));
    deadline_ns = u64_min(deadline_ns, hole_deadline_ns(c));
    deadline_ns = u64_min(deadline_ns, letters_deadline_ns(c));
    if (wants_save(c))
        deadline_ns = u64_min(deadline_ns, c->save_due_ns);
    return c->phase == PHASE_STOPPED ? UINT64_MAX : deadline_ns;
}

/* ---- views ---------------------------------------------------------------------------------
 */

void core_status(const struct core *c, uint64_t now_ns, struct core_status *out)
{
    check(c);
    *out = c->counts;
    out->attached = c->link == LINK_UP;
    out->fresh = lease_is_valid(&c->lease, now_ns);
    out->members = members_live(&c->members);
    out->ready = out->fresh && out->members >= c->settings.expect_members;
    out->stopping = c->phase >= PHASE_STOPPING;
    out->lease_left_ns = u64_sub_sat(c->lease.deadline_ns, now_ns);
    /* A lease may have lapsed since the last step: unsure since then. */
    out->unsure_since_ns = out->fresh                 ? 0
                           : c->lease.deadline_ns > 0 ? c->lease.deadline_ns
                                                      : c->unsure_since_ns;
    bool lapsed = !out->fresh && c->lease.deadline_ns > 0;
    out->unsure_since_wall_ms =
        out->fresh ? 0
        : lapsed   ? c->wall_ms + u64_sub_sat(c->lease.deadline_ns, c->now_ns) / NS_PER_MS
                   : c->unsure_since_wall_ms;
    out->why = out->fresh ? "" : c->why.data[0] ? c->why.data : "the lease has just run out";
    out->max_stale_ns = c->max_stale_ns;
    out->member_ttl_ns = c->member_ttl_ns;
    out->stale_waited_ns = c->wait_stale_ns;
    out->stale_used_ns = c->lease.term_ns;
    out->cursor = c->trail.cursor;
    out->head = c->head;
    out->head_known = c->link == LINK_UP && c->head_asked_ns > 0 &&
                      now_ns < u64_add_sat(c->head_asked_ns, c->lease.term_ns);
    out->lag_known = c->lease.question_ns > 0;
    out->lag_ns = u64_sub_sat(now_ns, c->lease.question_ns);
    out->warmth = c->warm.state;
    out->warm_why = c->warm.why.data;
    out->inherited = c->warm.counts.kept;
    out->inherited_touched = c->warm.counts.touched;
    out->inherited_left = c->warm.counts.left;
    out->outbox = outbox_count(&c->outbox);
    out->loads = c->loads.count;
    out->waiters = c->waits.count;
    out->holes_open = c->holes.count;
    out->refused_last = c->refused.data;
    out->strict_waits =
        waits_count(&c->waits, WAIT_STRICT) + waits_count(&c->waits, WAIT_PROOF);
}

size_t core_member_count(const struct core *c)
{
    check(c);
    return members_seen(&c->members);
}

const struct core_member *core_member(const struct core *c, size_t index)
{
    check(c);
    return &members_at(&c->members, index)->view;
}

bool core_member_is_superseded(const struct core *c, size_t index)
{
    check(c);
    return members_is_succeeded(&c->members, members_at(&c->members, index));
}
