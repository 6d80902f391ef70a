/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

static uint64_t random_below(struct fleet *f, uint64_t below)
{
    return f->rng && below > 0 ? test_random(f->rng, below) : 0;
}

static bool chance(struct fleet *f, unsigned permille)
{
    return permille >= 1000 || (f->rng && random_below(f, 1000) < permille);
}

static uint64_t delay_ns(struct fleet *f)
{
    return f->delay_min_ns + random_below(f, f->delay_max_ns - f->delay_min_ns + 1);
}

static size_t index_of(const struct fleet *f, const struct fleet_node *n)
{
    return (size_t)(n - f->nodes);
}

uint64_t fleet_clock(const struct fleet *f, const struct fleet_node *n)
{
    return f->now_ns * (uint64_t)(1000 + n->drift_permille) / 1000 + n->offset_ns;
}

/* The first moment at which its clock shows that. */
static uint64_t moment_ns(const struct fleet_node *n, uint64_t clock_ns)
{
    uint64_t rate = (uint64_t)(1000 + n->drift_permille);

    return (u64_sub_sat(clock_ns, n->offset_ns) * 1000 + rate - 1) / rate;
}

/* ---- copies that own their bytes -----------------------------------------------------------
 */

static void hold(struct fleet_change *to, const struct change *from)
{
    CHECK(from->key.size_bytes <= sizeof to->key);
    CHECK(from->about.size_bytes <= sizeof to->about);
    CHECK(from->origin.size_bytes < sizeof to->origin);
    to->change = *from;
    if (from->key.size_bytes > 0)
        memcpy(to->key, from->key.data, from->key.size_bytes);
    if (from->origin.size_bytes > 0)
        memcpy(to->origin, from->origin.data, from->origin.size_bytes);
    if (from->about.size_bytes > 0)
        memcpy(to->about, from->about.data, from->about.size_bytes);
}

static struct change held(const struct fleet_change *h)
{
    struct change c = h->change;

    c.key.data = h->key;
    c.origin.data = (const uint8_t *)h->origin;
    c.about.data = (const uint8_t *)h->about;
    return c;
}

/* ---- the bus -------------------------------------------------------------------------------
 */

static struct fleet_message *post(struct fleet *f, struct fleet_node *n, enum fleet_kind kind,
                                  uint64_t due_ns)
{
    CHECK(f->message_count < FLEET_MESSAGES_MAX);
    struct fleet_message *m = &f->messages[f->message_count++];

    *m = (struct fleet_message){.kind = kind,
                                .node = index_of(f, n),
                                .due_ns = due_ns,
                                .order = f->order++,
                                .generation = n->generation};
    return m;
}

/* What the reading thread says arrives in the order in which it is said. */
static struct fleet_message *read_post(struct fleet *f, struct fleet_node *n,
                                       enum fleet_kind kind)
{
    n->read_due_ns = u64_max(n->read_due_ns, f->now_ns + delay_ns(f));
    return post(f, n, kind, n->read_due_ns);
}

static void take(struct fleet *f, const struct change *c)
{
    for (size_t i = f->log_count; i-- > 0;)
        if (id128_equal(f->entries[i].held.change.message, c->message))
            return; /* B12 */
    CHECK(f->log_count < FLEET_LOG_MAX);
    struct fleet_entry *e = &f->entries[f->log_count++];
    hold(&e->held, c);
    e->held.signed_with = f->signs;
    e->position = f->newest += 1 + random_below(f, 2); /* positions may have holes */
    e->at_ns = f->now_ns;
    if (change_sets_max_stale(c)) {
        f->max_stale_ns = c->version * NS_PER_MS;
        f->max_stale_before_ns = change_max_stale_before(c) * NS_PER_MS;
    }
    if (f->taken)
        f->taken(f, c);
}

static const struct fleet_entry *entry_at(const struct fleet *f, uint64_t position)
{
    for (size_t i = f->log_count; i-- > 0 && f->entries[i].position >= position;)
        if (f->entries[i].position == position)
            return &f->entries[i];
    return NULL;
}

static bool proven(const struct fleet *f, const struct cursor *c)
{
    if (!id128_equal(c->log, f->log) || c->epoch != f->epoch || c->position > f->newest)
        return false;
    const struct fleet_entry *e = entry_at(f, c->position);
    return id128_is_none(c->message) || (e && id128_equal(e->held.change.message, c->message));
}

static uint64_t position_before(const struct fleet *f, uint64_t since_ns)
{
    uint64_t position = 0;

    for (size_t i = 0; i < f->log_count && f->entries[i].at_ns < since_ns; i++)
        position = f->entries[i].position;
    return position;
}

static void lose(struct fleet *f, struct fleet_node *n)
{
    if (!n->reading)
        return;
    n->reading = false;
    read_post(f, n, FLEET_LOST);
    /* The shell tries again by itself, from the last entry delivered. */
    struct fleet_message *m = post(f, n, FLEET_ATTACH, n->read_due_ns + 200 * NS_PER_MS);
    m->resume = true;
    m->cursor = (struct cursor){.log = f->log,
                                .epoch = n->epoch,
                                .position = n->read_position,
                                .message = n->read_message};
}

static void do_attach(struct fleet *f, struct fleet_node *n, struct fleet_message m)
{
    if (n->cut) {
        struct fleet_message *again = post(f, n, FLEET_ATTACH, f->now_ns + 200 * NS_PER_MS);
        m.due_ns = again->due_ns;
        m.order = again->order;
        *again = m;
        return;
    }
    if (m.resume && !proven(f, &m.cursor)) {
        read_post(f, n, FLEET_GONE);
        return;
    }
    struct fleet_message *answer = read_post(f, n, FLEET_ATTACHED);
    answer->resume = m.resume;
    answer->number = f->epoch;
    answer->after = position_before(f, u64_sub_sat(f->now_ns, m.view_ns));
    if (m.resume)
        answer->after = u64_min(answer->after, m.cursor.position);
    answer->head = f->newest;
    n->reading = true;
    n->epoch = f->epoch;
    n->read_position = answer->after;
    n->read_message = answer->after == m.cursor.position ? m.cursor.message : (struct id128){0};
}

static void do_head(struct fleet *f, struct fleet_node *n, const struct fleet_message *m)
{
    struct fleet_message *answer = read_post(f, n, FLEET_HEAD_ANSWER);

    answer->nonce = m->nonce;
    answer->head = f->newest;
    answer->status = n->cut ? ACCORD_E_DOWN : proven(f, &m->cursor) ? ACCORD_OK : ACCORD_E_GONE;
}

static void do_publish(struct fleet *f, struct fleet_node *n, struct fleet_message *m)
{
    bool unknown = chance(f, f->unknown_permille) || (n->cut && chance(f, 300));
    bool fails = n->cut || chance(f, f->fail_permille);
    struct fleet_message *answer;

    unsigned signs = f->signs;
    f->signs = n->key;
    if (!fails || (unknown && chance(f, 500)))
        for (size_t i = 0; i < m->count; i++) {
            struct change c = held(&m->changes[i]);
            take(f, &c);
        }
    else
        unknown = unknown || !fails;
    f->signs = signs;
    answer = post(f, n, FLEET_PUBLISHED, f->now_ns + delay_ns(f));
    answer->number = m->number;
    answer->after = f->epoch;
    answer->status = unknown ? ACCORD_E_TIMEOUT : fails ? ACCORD_E_DOWN : ACCORD_OK;
    for (size_t i = f->log_count; i-- > 0 && answer->last == 0;)
        if (id128_equal(f->entries[i].held.change.message,
                        m->changes[m->count - 1].change.message))
            answer->last = f->entries[i].position;
    free(m->changes);
    m->changes = NULL;
}

/* ---- what a node is told -------------------------------------------------------------------
 */

static bool misses(struct fleet_node *n, uint64_t position)
{
    for (size_t i = 0; i < n->miss_count; i++)
        if (n->misses[i].position == position && n->misses[i].times > 0) {
            n->misses[i].times--;
            return true;
        }
    return false;
}

/* What checking a signature would say; a REPLAYED one is a test's own affair. */
static enum trust trust_of(const struct fleet_node *n, const struct fleet_change *c)
{
    if (n->key == 0 || c->signed_with == n->key)
        return TRUST_FULL;
    if (c->signed_with > 0)
        return TRUST_KEYS;
    return c->change.origin.size_bytes > 0 ? TRUST_NAKED : TRUST_UNSIGNED;
}

static void deliver(struct fleet *f, struct fleet_node *n)
{
    static struct entry entries[DELIVER_BATCH_MAX];
    size_t count = 0, max = 1 + (size_t)random_below(f, 20), i = f->log_count;
    uint64_t after = n->read_position;

    if (chance(f, f->repeat_permille))
        after = u64_sub_sat(after, random_below(f, 6));
    while (i > 0 && f->entries[i - 1].position > after)
        i--;
    for (; i < f->log_count && count < max; i++)
        entries[count++] = (struct entry){f->entries[i].position, held(&f->entries[i].held),
                                          trust_of(n, &f->entries[i].held)};
    if (count == 0)
        return;
    if (entries[count - 1].position > n->read_position) {
        n->read_position = entries[count - 1].position;
        n->read_message = entries[count - 1].change.message;
    }
    size_t given = 0;
    for (size_t e = 0; e < count; e++)
        if (!misses(n, entries[e].position))
            entries[given++] = entries[e];
    if (given > 0)
        fleet_step(f, n,
                   &(struct event){.type = EVENT_BUS_ENTRIES,
                                   .entries = {.entries = entries, .count = given}});
}

static void tell(struct fleet *f, struct fleet_node *n, const struct fleet_message *m)
{
    struct event e = {0};

    if (m->kind == FLEET_ATTACHED) {
        e.type = EVENT_BUS_ATTACHED;
        e.attached.log = f->log;
        e.attached.epoch = m->number;
        e.attached.after = m->after;
        e.attached.head = m->head;
        e.attached.max_stale_ns = f->max_stale_ns;
        e.attached.max_stale_before_ns = f->max_stale_before_ns;
        e.attached.resumed = m->resume;
    } else if (m->kind == FLEET_GONE) {
        e.type = EVENT_BUS_GONE;
        e.gone.why = "the log cannot prove the cursor";
    } else if (m->kind == FLEET_LOST) {
        e.type = EVENT_BUS_LOST;
        e.lost.why = "the connection was cut";
    } else if (m->kind == FLEET_HEAD_ANSWER) {
        e.type = EVENT_BUS_HEAD;
        e.head.nonce = m->nonce;
        e.head.status = m->status;
        e.head.head = m->head;
    } else {
        CHECK(m->kind == FLEET_PUBLISHED);
        e.type = EVENT_BUS_PUBLISHED;
        e.published.batch = m->number;
        e.published.status = m->status;
        e.published.last = m->last;
        e.published.epoch = m->after;
        e.published.why = "the test says so";
    }
    fleet_step(f, n, &e);
}

static void carry_out(struct fleet *f, struct fleet_message m)
{
    struct fleet_node *n = &f->nodes[m.node];
    bool is_void =
        m.kind != FLEET_PUBLISH && m.kind != FLEET_PUBLISHED && m.generation != n->generation;

    if (m.kind == FLEET_PUBLISH) {
        do_publish(f, n, &m); /* what was sent may arrive after its sender has died */
        return;
    }
    if (m.kind == FLEET_DELIVER)
        n->delivering = false;
    if (is_void || !n->alive)
        return;
    if (n->stalled && f->now_ns < n->stalled_until_ns) {
        struct fleet_message *later = post(f, n, m.kind, n->stalled_until_ns);
        m.due_ns = later->due_ns;
        m.order = later->order;
        *later = m;
        n->delivering |= m.kind == FLEET_DELIVER;
        return;
    }
    if (m.kind == FLEET_ATTACH)
        do_attach(f, n, m);
    else if (m.kind == FLEET_HEAD)
        do_head(f, n, &m);
    else if (m.kind != FLEET_DELIVER)
        tell(f, n, &m);
    else if (n->reading && !n->cut && n->epoch != f->epoch)
        read_post(f, n, FLEET_GONE), n->reading = false;
    else if (n->reading && !n->cut)
        deliver(f, n);
}

/* ---- effects -------------------------------------------------------------------------------
 */

static void keep(struct fleet_node *n, const struct change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(n->journal_count < FLEET_JOURNAL_MAX);
        hold(&n->journal[n->journal_count++], &changes[i]);
    }
    n->kept += (unsigned)count;
}

static void forget(struct fleet_node *n, const struct id128 *messages, size_t count)
{
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < n->journal_count; i++)
            if (id128_equal(n->journal[i].change.message, messages[k])) {
                memmove(&n->journal[i], &n->journal[i + 1],
                        (n->journal_count - i - 1) * sizeof n->journal[0]);
                n->journal_count--;
                break;
            }
}

static void answer(struct fleet *f, const struct reply *r)
{
    CHECK(r->id < f->answer_count);
    struct fleet_answer *a = &f->answers[r->id];

    CHECK(!a->abandoned);
    a->count++;
    CHECK(a->count == 1);
    CHECK(a->client == r->client);
    a->reply = *r;
    a->answered_ns = f->now_ns;
    if (r->has_value) {
        size_t kept = (size_t)u64_min(r->value.size_bytes, sizeof a->value);
        if (kept > 0)
            memcpy(a->value, r->value.data, kept);
        a->reply.value = bytes_of(a->value, kept);
    }
    if (f->answered)
        f->answered(f, a);
}

static void publish(struct fleet *f, struct fleet_node *n, const struct effect *e)
{
    struct fleet_message *m = post(f, n, FLEET_PUBLISH, f->now_ns + delay_ns(f));

    m->number = e->publish.batch;
    m->count = e->publish.count;
    m->changes = calloc(m->count, sizeof *m->changes);
    CHECK(m->changes);
    for (size_t i = 0; i < m->count; i++)
        hold(&m->changes[i], &e->publish.changes[i]);
    n->publishes++;
}

static void inherited(struct fleet_node *n, const char *refused)
{
    free(n->inheriting);
    n->inheriting = NULL;
    if (refused)
        snprintf(n->refused, sizeof n->refused, "%s", refused);
}

static void carry_effect(struct fleet *f, struct fleet_node *n, const struct effect *e)
{
    struct fleet_message *m;

    switch (e->type) {
    case EFFECT_REPLY:
        answer(f, &e->reply);
        break;
    case EFFECT_ATTACH:
        n->generation++;
        n->reading = n->delivering = false;
        n->attaches++;
        m = read_post(f, n, FLEET_ATTACH);
        m->resume = e->attach.resume;
        m->cursor = e->attach.cursor;
        m->view_ns = e->attach.view_ns;
        break;
    case EFFECT_ASK_HEAD:
        m = read_post(f, n, FLEET_HEAD);
        m->nonce = e->ask_head.nonce;
        m->cursor = e->ask_head.at;
        n->asks++;
        break;
    case EFFECT_PUBLISH:
        publish(f, n, e);
        break;
    case EFFECT_KEEP:
        keep(n, e->keep.changes, e->keep.count);
        break;
    case EFFECT_FORGET:
        forget(n, e->forget.messages, e->forget.count);
        break;
    case EFFECT_APPLIED:
        if (f->applied)
            f->applied(f, n, e->applied.entry, e->applied.own);
        break;
    case EFFECT_SAVE_FENCES:
        CHECK(e->save_fences.count <= COUNT_OF(n->fences));
        memcpy(n->fences, e->save_fences.list, e->save_fences.count * sizeof n->fences[0]);
        n->settings.fence_count = e->save_fences.count;
        n->settings.fences_at = e->save_fences.at;
        break;
    case EFFECT_SAVE:
        n->saved = e->save;
        break;
    case EFFECT_COLD:
        n->colds++;
        n->cold_cause = e->cold.cause;
        n->cold_at = e->cold.position;
        CHECK(e->cold.why[0]);
        break;
    case EFFECT_INHERITED:
        inherited(n, e->inherited.refused);
        break;
    case EFFECT_NOTE:
        n->notes[e->note.note]++;
        if (e->note.why && !n->fatal)
            snprintf(n->why, sizeof n->why, "%s", e->note.why);
        break;
    case EFFECT_FATAL:
        n->fatal = true;
        snprintf(n->why, sizeof n->why, "%s", e->fatal.why);
        break;
    case EFFECT_STOPPED:
        n->stopped = true;
        break;
    }
}

void fleet_step(struct fleet *f, struct fleet_node *n, const struct event *e)
{
    struct event event = *e;
    struct effects effects;

    CHECK(n->alive);
    event.now_ns = fleet_clock(f, n);
    event.wall_ms = f->now_ns / NS_PER_MS;
    event.more = f->gathers && event.type != EVENT_TICK;
    core_step(n->core, &event, &effects);
    for (size_t i = 0; i < effects.count; i++)
        carry_effect(f, n, &effects.list[i]);
    /* Whatever was due is done: a deadline that stays would spin the loop. */
    CHECK(event.more || core_deadline_ns(n->core) > event.now_ns);
}

/* ---- time ----------------------------------------------------------------------------------
 */

static uint64_t wakes_ns(const struct fleet *f, const struct fleet_node *n)
{
    if (!n->alive)
        return UINT64_MAX;
    uint64_t deadline_ns = core_deadline_ns(n->core);
    uint64_t at_ns =
        deadline_ns == UINT64_MAX ? deadline_ns : u64_max(f->now_ns, moment_ns(n, deadline_ns));

    return n->stalled ? u64_max(at_ns, n->stalled_until_ns) : at_ns;
}

static void schedule_deliveries(struct fleet *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct fleet_node *n = &f->nodes[i];
        bool news = n->epoch != f->epoch || n->read_position < f->newest;
        if (n->alive && n->reading && !n->cut && !n->delivering && news) {
            n->delivering = true;
            read_post(f, n, FLEET_DELIVER);
        }
    }
}

static struct fleet_message *earliest(struct fleet *f)
{
    struct fleet_message *first = NULL;

    for (size_t i = 0; i < f->message_count; i++) {
        struct fleet_message *m = &f->messages[i];
        if (!first || m->due_ns < first->due_ns ||
            (m->due_ns == first->due_ns && m->order < first->order))
            first = m;
    }
    return first;
}

/* False: nothing is left to do before `until_ns`. */
static bool run_once(struct fleet *f, uint64_t until_ns)
{
    struct fleet_node *node = NULL;
    uint64_t at_ns = UINT64_MAX;

    schedule_deliveries(f);
    for (size_t i = 0; i < f->count; i++) {
        f->nodes[i].stalled &= f->nodes[i].stalled_until_ns > f->now_ns;
        if (wakes_ns(f, &f->nodes[i]) < at_ns) {
            node = &f->nodes[i];
            at_ns = wakes_ns(f, node);
        }
    }
    struct fleet_message *first = earliest(f);
    if (first && first->due_ns <= at_ns) {
        if (first->due_ns > until_ns)
            return false;
        struct fleet_message m = *first;
        *first = f->messages[--f->message_count];
        f->now_ns = u64_max(f->now_ns, m.due_ns);
        carry_out(f, m);
        return true;
    }
    if (!node || at_ns > until_ns)
        return false;
    f->now_ns = at_ns;
    node->stalled &= node->stalled_until_ns > f->now_ns;
    fleet_step(f, node, &(struct event){.type = EVENT_TICK});
    return true;
}

void fleet_run(struct fleet *f, uint64_t for_ns)
{
    uint64_t until_ns = f->now_ns + for_ns;

    while (run_once(f, until_ns))
        ;
    f->now_ns = until_ns;
}

void fleet_settle(struct fleet *f)
{
    bool fresh = false;

    for (int i = 0; i < 6000 && !fresh; i++) {
        fleet_run(f, i > 0 ? 10 * NS_PER_MS : 0);
        fresh = true;
        for (size_t k = 0; k < f->count; k++)
            fresh &= !f->nodes[k].alive || fleet_status(f, &f->nodes[k]).fresh;
    }
    CHECK(fresh); /* within a minute */
}

/* ---- nodes ---------------------------------------------------------------------------------
 */

static const struct namespace_settings spaces[] = {
    {.name = "default",
     .ttl_ns = UINT64_MAX,
     .grace_ns = 0,
     .negative_ttl_ns = 10 * NS_PER_S,
     .unsure_ttl_ns = NS_PER_S,
     .max_stale_ns = UINT64_MAX},
    {.name = "fill",
     .ttl_ns = UINT64_MAX,
     .negative_ttl_ns = 10 * NS_PER_S,
     .unsure_ttl_ns = NS_PER_S,
     .max_stale_ns = UINT64_MAX,
     .set = SET_FILL,
     .delimiter = ':'},
    {.name = "short",
     .ttl_ns = 10 * NS_PER_S,
     .grace_ns = 10 * NS_PER_S,
     .negative_ttl_ns = 10 * NS_PER_S,
     .unsure_ttl_ns = NS_PER_S,
     .max_stale_ns = UINT64_MAX,
     .refresh_permille = 500,
     .when_unsure = WHEN_UNSURE_ERROR},
};

struct fleet *fleet_new(uint64_t *rng)
{
    struct fleet *f = calloc(1, sizeof *f);

    CHECK(f);
    f->rng = rng;
    f->now_ns = 1000 * NS_PER_S;
    f->log = (struct id128){0xacc0, 0x4d};
    f->epoch = 1;
    f->max_stale_ns = FLEET_L;
    f->delay_min_ns = NS_PER_MS;
    f->delay_max_ns = 3 * NS_PER_MS;
    f->entries = calloc(FLEET_LOG_MAX, sizeof *f->entries);
    f->answers = calloc(FLEET_ANSWERS_MAX, sizeof *f->answers);
    CHECK(f->entries);
    CHECK(f->answers);
    return f;
}

void fleet_free(struct fleet *f)
{
    for (size_t i = 0; i < f->count; i++) {
        if (f->nodes[i].alive) {
            core_free(f->nodes[i].core);
            fixture_done(&f->nodes[i].segment);
        }
        free(f->nodes[i].inheriting); /* a copy may still be under way */
        free(f->nodes[i].journal);
    }
    for (size_t i = 0; i < f->message_count; i++)
        free(f->messages[i].changes);
    free(f->entries);
    free(f->answers);
    free(f);
}

struct fleet_node *fleet_add(struct fleet *f, const char *name)
{
    CHECK(f->count < FLEET_NODES_MAX);
    struct fleet_node *n = &f->nodes[f->count++];

    n->journal = calloc(FLEET_JOURNAL_MAX, sizeof *n->journal);
    CHECK(n->journal);
    snprintf(n->name, sizeof n->name, "%s", name);
    n->offset_ns = random_below(f, 1000 * NS_PER_S);
    n->settings = (struct core_settings){.about = "app test",
                                         .max_stale_ns = FLEET_L,
                                         .publish_timeout_ns = NS_PER_S,
                                         .load_timeout_ns = 2 * NS_PER_S,
                                         .join_settle_ns = 50 * NS_PER_MS,
                                         .head_linearizable = true,
                                         .namespaces = spaces,
                                         .namespace_count = COUNT_OF(spaces)};
    return n;
}

static void declare(struct fixture *segment, const struct core_settings *s)
{
    const struct namespace_settings *declared = s->namespaces;

    for (size_t i = 1; i < s->namespace_count; i++) {
        struct segment_namespace n = {.when_unsure = declared[i].when_unsure,
                                      .refresh_permille = declared[i].refresh_permille,
                                      .max_stale_ns = declared[i].max_stale_ns,
                                      .delimiter = declared[i].delimiter};
        snprintf(n.name, sizeof n.name, "%s", declared[i].name);
        fixture_namespace(segment, n);
    }
}

void fleet_inherit(struct fleet *f, struct fleet_node *n, const struct fixture *old)
{
    struct event e = {.type = EVENT_INHERIT};

    CHECK(!n->inheriting);
    e.inherit.old = &old->reader;
    e.inherit.memory = n->inheriting = malloc(inherit_bytes(&old->reader));
    e.inherit.old_now_ns = fleet_clock(f, n);
    CHECK(n->inheriting);
    n->refused[0] = 0;
    fleet_step(f, n, &e);
}

static void start(struct fleet *f, struct fleet_node *n, const struct fixture *old)
{
    static struct change resent[FLEET_JOURNAL_MAX];

    CHECK(!n->alive);
    f->starts++;
    snprintf(n->settings.name, sizeof n->settings.name, "%s", n->name);
    n->settings.fences = n->fences;
    if (!n->is_clone) {
        n->settings.incarnation = (struct id128){f->starts, f->now_ns};
        n->settings.random[0] = f->starts;
        n->settings.random[1] = random_below(f, UINT64_MAX);
    }
    fixture_settings(&n->segment, 8 * MIB);
    n->segment.settings.incarnation = n->settings.incarnation;
    declare(&n->segment, &n->settings);
    fixture_start(&n->segment);
    CHECK(core_new(&n->core, &n->settings, n->segment.writer, fleet_clock(f, n)) == ACCORD_OK);
    n->alive = true;
    n->fatal = n->stopped = n->stalled = n->reading = n->delivering = false;
    n->generation++;
    n->read_due_ns = 0;
    for (size_t i = 0; i < n->journal_count; i++)
        resent[i] = held(&n->journal[i]);
    if (n->journal_count > 0)
        fleet_step(f, n,
                   &(struct event){.type = EVENT_RESEND,
                                   .resend = {.changes = resent, .count = n->journal_count}});
    if (old)
        fleet_inherit(f, n, old);
    fleet_step(f, n, &(struct event){.type = EVENT_TICK});
}

void fleet_start(struct fleet *f, struct fleet_node *n)
{
    n->settings.resume = false;
    start(f, n, NULL);
}

void fleet_start_resumed(struct fleet *f, struct fleet_node *n, const struct fixture *old)
{
    n->settings.resume = true;
    n->settings.cursor = n->saved;
    start(f, n, old);
}

void fleet_kill(struct fleet *f, struct fleet_node *n)
{
    CHECK(n->alive);
    core_free(n->core);
    free(n->inheriting);
    n->core = NULL;
    n->inheriting = NULL;
    n->alive = false;
    n->generation++;
    for (uint64_t i = 0; i < f->answer_count; i++)
        f->answers[i].abandoned |=
            f->answers[i].node == index_of(f, n) && f->answers[i].count == 0;
}

void fleet_cut(struct fleet *f, struct fleet_node *n, bool cut)
{
    if (cut && !n->cut && n->alive)
        lose(f, n);
    n->cut = cut;
}

void fleet_miss(struct fleet_node *n, uint64_t position, unsigned times)
{
    CHECK(n->miss_count < FLEET_MISSES_MAX);
    n->misses[n->miss_count].position = position;
    n->misses[n->miss_count++].times = times;
}

void fleet_delete(struct fleet *f, uint64_t position)
{
    size_t i = 0;

    while (i < f->log_count && f->entries[i].position != position)
        i++;
    CHECK(i + 1 < f->log_count); /* the newest entry stays (B8) */
    memmove(&f->entries[i], &f->entries[i + 1], (f->log_count - i - 1) * sizeof f->entries[0]);
    f->log_count--;
}

void fleet_lose_tail(struct fleet *f, size_t count)
{
    CHECK(count <= f->log_count);
    f->log_count -= count;
    f->newest = f->log_count > 0 ? f->entries[f->log_count - 1].position : 0;
    f->epoch++;
}

void fleet_insert(struct fleet *f, enum change_op op, const char *key)
{
    struct change c = {.op = op,
                       .key = bytes_of_text(key),
                       .message = {0xf00, ++f->inserted + f->now_ns},
                       .wall_ms = f->now_ns / NS_PER_MS};

    take(f, &c);
}

void fleet_insert_change(struct fleet *f, struct change c)
{
    c.message = (struct id128){0xf00, ++f->inserted + f->now_ns};
    c.wall_ms = f->now_ns / NS_PER_MS;
    take(f, &c);
}

void fleet_insert_whole(struct fleet *f, struct change c)
{
    take(f, &c);
}

/* ---- clients -------------------------------------------------------------------------------
 */

static struct fleet_answer *expect(struct fleet *f, struct fleet_node *n, struct request *r)
{
    CHECK(f->answer_count < FLEET_ANSWERS_MAX);
    struct fleet_answer *a = &f->answers[f->answer_count];

    r->id = f->answer_count++;
    r->client = r->client > 0 ? r->client : 1;
    *a = (struct fleet_answer){
        .node = index_of(f, n), .client = r->client, .asked_ns = f->now_ns};
    return a;
}

struct fleet_answer *fleet_requests(struct fleet *f, struct fleet_node *n, struct request *list,
                                    size_t count)
{
    struct fleet_answer *first = &f->answers[f->answer_count];

    for (size_t i = 0; i < count; i++)
        CHECK(expect(f, n, &list[i]) == first + i);
    fleet_step(f, n, &(struct event){.type = EVENT_REQUESTS, .requests = {list, count}});
    return first;
}

struct fleet_answer *fleet_request(struct fleet *f, struct fleet_node *n, struct request r)
{
    struct fleet_answer *a = expect(f, n, &r);

    fleet_step(f, n, &(struct event){.type = EVENT_REQUEST, .request = r});
    return a;
}

void fleet_gone(struct fleet *f, struct fleet_node *n, uint64_t client)
{
    for (uint64_t i = 0; i < f->answer_count; i++)
        f->answers[i].abandoned |= f->answers[i].node == index_of(f, n) &&
                                   f->answers[i].client == client && f->answers[i].count == 0;
    fleet_step(f, n, &(struct event){.type = EVENT_CLIENT_GONE, .client_gone = client});
}

/* Requests point at a key; some are kept until they are made. */
static const struct bytes *key_of(const char *key)
{
    static struct bytes keys[64];
    static size_t next;

    next = (next + 1) % COUNT_OF(keys);
    keys[next] = bytes_of_text(key);
    return &keys[next];
}

struct request fleet_load(const char *key, uint64_t wait_ns)
{
    return (struct request){
        .op = REQUEST_LOAD, .keys = key_of(key), .key_count = 1, .wait_ns = wait_ns};
}

struct request fleet_fill(const char *key, const char *value, const struct token *token)
{
    return (struct request){.op = REQUEST_FILL,
                            .has_token = true,
                            .token = *token,
                            .item = {.key = bytes_of_text(key),
                                     .value = bytes_of_text(value),
                                     .grace_ns = UINT64_MAX}};
}

struct request fleet_set(const char *key, const char *value)
{
    return (struct request){.op = REQUEST_SET,
                            .item = {.key = bytes_of_text(key),
                                     .value = bytes_of_text(value),
                                     .grace_ns = UINT64_MAX}};
}

struct request fleet_remove(const char *key)
{
    return (struct request){.op = REQUEST_REMOVE, .keys = key_of(key), .key_count = 1};
}

struct request fleet_clear(const char *what)
{
    return (struct request){.op = REQUEST_CLEAR, .keys = key_of(what), .key_count = 1};
}

struct request fleet_sync(uint64_t wait_ns)
{
    return (struct request){.op = REQUEST_SYNC, .wait_ns = wait_ns};
}

struct read_result fleet_get(struct fleet *f, struct fleet_node *n, const char *key)
{
    fixture_at(&n->segment, fleet_clock(f, n));
    return fixture_get(&n->segment, key);
}

bool fleet_hits(struct fleet *f, struct fleet_node *n, const char *key, const char *value)
{
    fixture_at(&n->segment, fleet_clock(f, n));
    return fixture_has(&n->segment, key, value);
}

struct core_status fleet_status(const struct fleet *f, const struct fleet_node *n)
{
    struct core_status status;

    core_status(n->core, fleet_clock(f, n), &status);
    return status;
}

size_t fleet_log_count(const struct fleet *f, enum change_op op, const char *key)
{
    size_t count = 0;

    for (size_t i = 0; i < f->log_count; i++) {
        struct change c = held(&f->entries[i].held);
        count += c.op == op && (!key || bytes_equal(c.key, bytes_of_text(key)));
    }
    return count;
}

TEST(fleet_of_three_becomes_fresh_and_sees_its_members)
{
    struct fleet *f = fleet_new(NULL);

    fleet_start(f, fleet_add(f, "web1"));
    fleet_start(f, fleet_add(f, "web2"));
    fleet_start(f, fleet_add(f, "web3"));
    fleet_settle(f);
    fleet_run(f, NS_PER_S);
    for (size_t i = 0; i < 3; i++) {
        CHECK(fleet_status(f, &f->nodes[i]).members == 3);
        CHECK(core_member_count(f->nodes[i].core) == 3);
        CHECK(fleet_status(f, &f->nodes[i]).why[0] == '\0');
    }
    fleet_free(f);
}
