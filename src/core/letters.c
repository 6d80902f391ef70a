/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

#define PAUSE_FIRST_NS (250 * NS_PER_MS)

static const char every[] = "*";
static const char ping[] = "ping";

static bool same(const char *a, const char *b)
{
    return bytes_equal(bytes_of_text(a), bytes_of_text(b));
}

static bool is_open(const struct letter_sent *s)
{
    return s->state == LETTER_WAITS || s->state == LETTER_SAID;
}

static bool is_to_all(const struct letter_sent *s)
{
    return same(s->to, every);
}

static void check(const struct core *c)
{
    const struct letters *l = &c->letters;
    size_t answers = 0;

    ASSERT(l->answers_used <= LETTER_ANSWERS_MAX);
    for (size_t i = 0; i < LETTERS_MAX; i++) {
        const struct letter_sent *s = &l->sent[i];
        ASSERT((s->state == LETTER_NONE) == (s->id == 0));
        ASSERT((s->times > 0) == (s->first_ns > 0));
        ASSERT(s->state != LETTER_SAID || s->times > 0);
        answers += s->answers;
    }
    ASSERT(answers == l->answers_used);
}

static void copy(char *to, size_t to_bytes, struct bytes from)
{
    ASSERT(from.size_bytes < to_bytes);
    if (from.size_bytes > 0)
        memcpy(to, from.data, from.size_bytes);
    to[from.size_bytes] = '\0';
}

/* ---- asking --------------------------------------------------------------------------------
 */

static struct letter_sent *find(struct core *c, uint64_t id)
{
    for (size_t i = 0; i < LETTERS_MAX; i++)
        if (id != 0 && c->letters.sent[i].id == id)
            return &c->letters.sent[i];
    return NULL;
}

static struct letter_sent *spare(struct core *c)
{
    for (size_t i = 0; i < LETTERS_MAX; i++)
        if (c->letters.sent[i].state == LETTER_NONE)
            return &c->letters.sent[i];
    return NULL;
}

static bool is_name(struct bytes name)
{
    for (size_t i = 0; i < name.size_bytes; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~')
            return false;
    return name.size_bytes >= 1 && name.size_bytes <= NODE_NAME_BYTES_MAX;
}

static void refuse(struct core *c, const struct request *r, int status, const char *why)
{
    core_reply(c, r->client, r->id, status)->why_text = why;
}

void letters_ask(struct core *c, const struct request *r)
{
    struct letter_sent *s = spare(c);
    uint64_t wait_ms = r->wait_ns / NS_PER_MS;

    check(c);
    ASSERT(r->key_count == 1);
    if (!is_name(r->keys[0])) {
        refuse(c, r, ACCORD_E_INVALID,
               "a node's name has 1 to 64 bytes, and no space; * is every node");
        return;
    }
    if (wait_ms < 1 || wait_ms > LETTER_WAIT_MS_MAX) {
        refuse(c, r, ACCORD_E_INVALID, "an answer can be waited for 1 to 60000 ms");
        return;
    }
    if (!s) {
        refuse(c, r, ACCORD_E_FULL,
               "16 questions to nodes wait for answers already; try again later");
        return;
    }
    *s = (struct letter_sent){.state = LETTER_WAITS,
                              .id = random_nonce(&c->random, c->now_ns),
                              .client = r->client,
                              .request = r->id,
                              .wait_ms = wait_ms,
                              .ends_ns = u64_add_sat(c->now_ns, wait_ms * NS_PER_MS),
                              .pause_ns = PAUSE_FIRST_NS};
    copy(s->to, sizeof s->to, r->keys[0]);
    copy(s->kind, sizeof s->kind, bytes_of_text(ping));
    c->counts.letters_asked++;
    check(c);
}

static struct bytes say_question(struct core *c, struct letter_sent *s)
{
    const struct letter l = {.type = LETTER_ASK,
                             .id = s->id,
                             .wait_ms = s->wait_ms,
                             .to = bytes_of_text(s->to),
                             .kind = bytes_of_text(s->kind)};

    s->state = LETTER_SAID;
    s->times++;
    s->first_ns = s->first_ns > 0 ? s->first_ns : u64_max(c->now_ns, 1);
    s->again_ns =
        u64_add_sat(c->now_ns, random_spread(&c->random, s->pause_ns, JITTER_PERMILLE));
    s->pause_ns *= 2;
    letter_print(&l, c->letters.word);
    return bytes_of_text(c->letters.word);
}

/* ---- being answered ------------------------------------------------------------------------
 */

static const struct letter_answer *answer_of(const struct core *c, const struct letter_sent *s,
                                             struct id128 incarnation)
{
    for (size_t i = 0; i < LETTER_ANSWERS_MAX && s->answers > 0; i++) {
        const struct letter_answer *a = &c->letters.answers[i];
        if (a->to == s->id && id128_equal(a->incarnation, incarnation))
            return a;
    }
    return NULL;
}

static struct letter_answer *spare_answer(struct core *c)
{
    for (size_t i = 0; i < LETTER_ANSWERS_MAX; i++)
        if (c->letters.answers[i].to == 0)
            return &c->letters.answers[i];
    return NULL;
}

static void add_answer(struct core *c, struct letter_sent *s, const struct change *change,
                       enum letter_verdict verdict, struct bytes body)
{
    struct letter_answer *a = answer_of(c, s, change->incarnation) ? NULL : spare_answer(c);

    if (!a) {
        c->counts.letters_repeated++;
        return;
    }
    *a = (struct letter_answer){.to = s->id,
                                .incarnation = change->incarnation,
                                .verdict = verdict,
                                .round_trip_ns = c->now_ns - s->first_ns,
                                .asked = s->times,
                                .applied = change->applied,
                                .epoch = change->lease_epoch};
    copy(a->name, sizeof a->name, change->origin);
    copy(a->body, sizeof a->body, body);
    s->answers++;
    s->heard = true;
    c->letters.answers_used++;
}

static void take_answer(struct core *c, const struct change *change, const struct letter *l)
{
    struct letter_sent *s = find(c, l->id);
    bool of_it = s && is_open(s) && s->times > 0 &&
                 (is_to_all(s) || bytes_equal(change->origin, bytes_of_text(s->to)));

    if (of_it)
        add_answer(c, s, change, l->verdict, l->body);
}

/* ---- answering -----------------------------------------------------------------------------
 */

/* "0.1.0 fresh", "0.1.0 unsure catching up with the log". The version is the last word of what
 * this node says of itself. */
static void describe(struct core *c)
{
    const char *about = c->settings.about, *version = about;

    for (const char *at = about; *at; at++)
        version = *at == ' ' ? at + 1 : version;
    text_set(&c->line, version);
    text_add(&c->line, core_is_fresh(c) ? " fresh" : " unsure ");
    if (!core_is_fresh(c))
        text_add_bytes(&c->line, bytes_of_text(c->why.data));
}

/* What is asked is done here, once. */
static void do_it(struct core *c, struct letter_taken *t)
{
    bool known = same(t->kind, ping);
    struct letter l = {
        .type = LETTER_ANSWER, .id = t->id, .verdict = known ? VERDICT_DONE : VERDICT_REFUSED};

    if (known)
        describe(c);
    else
        text_set(&c->line, "this node knows no such question");
    l.body = bytes_of(c->line.data, u64_min(c->line.used, (uint64_t)LETTER_BODY_BYTES_MAX));
    letter_print(&l, t->answer);
    t->done = true;
    c->counts.letters_answered++;
}

static struct bytes say_answer(struct core *c, struct letter_taken *t)
{
    if (!t->done)
        do_it(c, t);
    t->state = LETTER_SAID;
    c->letters.answered_last = true;
    return bytes_of_text(t->answer);
}

static struct letter_taken *find_taken(struct core *c, uint64_t id, struct id128 incarnation)
{
    for (size_t i = 0; i < LETTERS_TAKEN_MAX; i++) {
        struct letter_taken *t = &c->letters.taken[i];
        if (t->state != LETTER_NONE && t->id == id && id128_equal(t->incarnation, incarnation))
            return t;
    }
    return NULL;
}

/* It was said after our newest beat before it in the log was made: see letters.h. */
static bool is_in_time(const struct core *c, const struct letter *l)
{
    uint64_t patience_ns = u64_max(l->wait_ms * NS_PER_MS, 2 * c->max_stale_ns);

    return c->lease.beat_ns > 0 && c->now_ns < u64_add_sat(c->lease.beat_ns, patience_ns);
}

static void take_question(struct core *c, const struct change *change, const struct letter *l)
{
    struct letter_taken *t = find_taken(c, l->id, change->incarnation);

    if (c->phase != PHASE_RUNNING)
        return;
    if (!is_in_time(c, l)) {
        c->counts.letters_late++;
        publish_beat_soon(c); /* behind it, what comes again can be answered */
        return;
    }
    if (t) {
        t->state = LETTER_WAITS;
        return;
    }
    t = &c->letters.taken[c->letters.taken_count % LETTERS_TAKEN_MAX];
    if (t->state == LETTER_WAITS) { /* all do: who asks, asks again */
        c->counts.letters_full++;
        return;
    }
    *t = (struct letter_taken){
        .state = LETTER_WAITS, .id = l->id, .incarnation = change->incarnation};
    copy(t->kind, sizeof t->kind, l->kind);
    c->letters.taken_count++;
}

/* ---- both ----------------------------------------------------------------------------------
 */

/* Our own question has come back. */
static void take_echo(struct core *c, const struct entry *e, const struct letter *l)
{
    struct letter_sent *s = find(c, l->id);

    if (!s || !is_open(s) || s->times == 0)
        return;
    if (s->position == 0 || s->epoch != c->trail.cursor.epoch) {
        s->position = e->position;
        s->epoch = c->trail.cursor.epoch;
    }
    if (!letter_is_to(l, bytes_of_text(c->settings.name)))
        return;
    describe(c);
    add_answer(c, s, &e->change, VERDICT_DONE,
               bytes_of(c->line.data, u64_min(c->line.used, (uint64_t)LETTER_BODY_BYTES_MAX)));
}

void letters_heard(struct core *c, const struct entry *e)
{
    const struct change *change = &e->change;
    struct letter l;

    check(c);
    if (change->op != CHANGE_BEAT || letter_parse(change_about_text(change), &l) != ACCORD_OK)
        return;
    bool from_us = id128_equal(change->incarnation, c->settings.incarnation);
    if (l.type == LETTER_ASK && from_us)
        take_echo(c, e, &l);
    else if (l.type == LETTER_ASK && letter_is_to(&l, bytes_of_text(c->settings.name)))
        take_question(c, change, &l);
    else if (l.type == LETTER_ANSWER && !from_us && change->origin.size_bytes > 0)
        take_answer(c, change, &l);
    check(c);
}

static struct letter_taken *taken_that_waits(struct core *c)
{
    for (uint64_t i = 0; i < LETTERS_TAKEN_MAX; i++) { /* the oldest first */
        struct letter_taken *t =
            &c->letters.taken[(c->letters.taken_count + i) % LETTERS_TAKEN_MAX];
        if (t->state == LETTER_WAITS)
            return t;
    }
    return NULL;
}

static struct letter_sent *sent_that_waits(struct core *c)
{
    struct letter_sent *first = NULL;

    for (size_t i = 0; i < LETTERS_MAX; i++) {
        struct letter_sent *s = &c->letters.sent[i];
        if (s->state == LETTER_WAITS && (!first || s->ends_ns < first->ends_ns))
            first = s;
    }
    return first;
}

/* Questions and answers take turns, so that neither keeps the other waiting for long. */
struct bytes letters_word(struct core *c)
{
    struct letter_taken *t = taken_that_waits(c);
    struct letter_sent *s = sent_that_waits(c);

    check(c);
    if (s && (!t || c->letters.answered_last)) {
        c->letters.answered_last = false;
        return say_question(c, s);
    }
    return t ? say_answer(c, t) : bytes_of(NULL, 0);
}

/* ---- each step -----------------------------------------------------------------------------
 */

static void release(struct core *c, struct letter_sent *s)
{
    for (size_t i = 0; i < LETTER_ANSWERS_MAX && s->answers > 0; i++) {
        if (c->letters.answers[i].to != s->id)
            continue;
        c->letters.answers[i].to = 0;
        c->letters.answers_used--;
        s->answers--;
    }
    *s = (struct letter_sent){.state = LETTER_NONE};
}

void letters_step(struct core *c)
{
    for (size_t i = 0; i < LETTERS_MAX; i++)
        if (c->letters.sent[i].state == LETTER_ENDED)
            release(c, &c->letters.sent[i]);
    check(c);
}

static void end(struct core *c, struct letter_sent *s)
{
    struct reply *reply = core_reply(c, s->client, s->request, ACCORD_OK);

    reply->count = s->answers;
    reply->letter = s->id;
    s->state = LETTER_ENDED;
}

static bool has_answered(const struct core *c, const struct letter_sent *s, const char *name)
{
    for (size_t i = 0; i < LETTER_ANSWERS_MAX; i++) {
        const struct letter_answer *a = &c->letters.answers[i];
        if (a->to == s->id && same(a->name, name))
            return true;
    }
    return false;
}

/* A member that holds no copies and takes no questions (cli/relay). */
static bool is_relay(const struct core_member *m)
{
    static const char role[] = "relay ";

    return memcmp(m->about, role, sizeof role - 1) == 0;
}

static bool is_awaited(const struct member *m)
{
    return m->joined && !m->gone && !m->view.silent && !is_relay(&m->view);
}

static size_t relays(const struct core *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->members.count; i++)
        count += c->members.list[i].joined && is_relay(&c->members.list[i].view);
    return count;
}

/* By name: nobody waits for the predecessor of a node that has answered. */
static bool is_answered(const struct core *c, const struct letter_sent *s)
{
    if (!is_to_all(s))
        return s->answers > 0;
    if (s->answers + relays(c) < members_live(&c->members))
        return false; /* soon said; below every name is looked for */
    for (size_t i = 0; i < c->members.count; i++) {
        const struct member *m = &c->members.list[i];
        if (is_awaited(m) && !has_answered(c, s, m->view.name))
            return false;
    }
    return true;
}

static void drive(struct core *c, struct letter_sent *s)
{
    bool heard = s->heard;

    s->heard = false;
    if ((heard && is_answered(c, s)) || c->now_ns >= s->ends_ns)
        end(c, s);
    else if (s->state == LETTER_SAID && c->now_ns >= s->again_ns)
        s->state = LETTER_WAITS;
}

void letters_drive(struct core *c)
{
    check(c);
    for (size_t i = 0; i < LETTERS_MAX; i++)
        if (is_open(&c->letters.sent[i]))
            drive(c, &c->letters.sent[i]);
    if (c->phase == PHASE_RUNNING && (sent_that_waits(c) || taken_that_waits(c)))
        publish_beat_soon(c);
    check(c);
}

void letters_client_gone(struct core *c, uint64_t client)
{
    for (size_t i = 0; i < LETTERS_MAX; i++)
        if (is_open(&c->letters.sent[i]) && c->letters.sent[i].client == client)
            release(c, &c->letters.sent[i]);
    check(c);
}

void letters_stop(struct core *c)
{
    for (size_t i = 0; i < LETTERS_MAX; i++)
        if (is_open(&c->letters.sent[i]))
            end(c, &c->letters.sent[i]);
    check(c);
}

uint64_t letters_deadline_ns(const struct core *c)
{
    uint64_t deadline_ns = UINT64_MAX;

    for (size_t i = 0; i < LETTERS_MAX; i++) {
        const struct letter_sent *s = &c->letters.sent[i];
        if (is_open(s))
            deadline_ns = u64_min(deadline_ns, s->ends_ns);
        if (s->state == LETTER_SAID)
            deadline_ns = u64_min(deadline_ns, s->again_ns);
    }
    return deadline_ns;
}

/* ---- views ---------------------------------------------------------------------------------
 */

static const struct letter_sent *ended(const struct core *c, uint64_t id)
{
    for (size_t i = 0; i < LETTERS_MAX; i++)
        if (c->letters.sent[i].id == id && c->letters.sent[i].state == LETTER_ENDED)
            return &c->letters.sent[i];
    return NULL;
}

/* Of several incarnations of a name, the one heard last. */
static const struct core_member *member_named(const struct core *c, const char *name)
{
    const struct core_member *newest = NULL;

    for (size_t i = 0; i < c->members.count; i++) {
        const struct member *m = &c->members.list[i];
        if (m->joined && !m->gone && same(m->view.name, name) &&
            (!newest || m->view.last_seen_ns > newest->last_seen_ns))
            newest = &m->view;
    }
    return newest;
}

static const struct core_member *member_of(const struct core *c, struct id128 incarnation)
{
    for (size_t i = 0; i < c->members.count; i++)
        if (id128_equal(c->members.list[i].view.incarnation, incarnation))
            return &c->members.list[i].view;
    return NULL;
}

/* "0.1.0 unsure why": the words of an answer to a ping. */
static void split(const char *body, struct core_answer *out)
{
    struct bytes rest = bytes_of_text(body);
    const uint8_t *state = memchr(rest.data, ' ', rest.size_bytes);

    if (!state)
        return;
    out->version = bytes_of(rest.data, (size_t)(state - rest.data));
    rest = bytes_of(state + 1, rest.size_bytes - (size_t)(state + 1 - rest.data));
    const uint8_t *why = memchr(rest.data, ' ', rest.size_bytes);
    out->state = bytes_of(rest.data, why ? (size_t)(why - rest.data) : rest.size_bytes);
    out->why = why ? (const char *)why + 1 : "";
}

static void fill_answer(const struct core *c, const struct letter_sent *s,
                        const struct letter_answer *a, struct core_answer *out)
{
    *out = (struct core_answer){.name = a->name,
                                .answered = true,
                                .self = id128_equal(a->incarnation, c->settings.incarnation),
                                .incarnation = a->incarnation,
                                .member = member_of(c, a->incarnation),
                                .round_trip_ns = a->round_trip_ns,
                                .asked = a->asked,
                                .why = a->body};
    if (a->verdict == VERDICT_DONE)
        split(a->body, out);
    else
        out->state = bytes_of_text(letter_verdict_word(a->verdict));
    out->applied_known = s->position > 0 && a->epoch == s->epoch;
    out->applied = out->self ? s->position : a->applied;
    out->lag = u64_sub_sat(s->position, out->applied);
}

bool core_answer(const struct core *c, uint64_t letter, size_t *at, struct core_answer *out)
{
    const struct letter_sent *s = ended(c, letter);

    while (s && *at < LETTER_ANSWERS_MAX) {
        const struct letter_answer *a = &c->letters.answers[(*at)++];
        if (a->to == s->id) {
            fill_answer(c, s, a, out);
            return true;
        }
    }
    while (s && *at < LETTER_ANSWERS_MAX + MEMBERS_MAX) {
        size_t i = (*at)++ - LETTER_ANSWERS_MAX;
        const struct core_member *m = i < c->members.count ? &c->members.list[i].view : NULL;
        const char *name = is_to_all(s) ? (m ? m->name : NULL) : i == 0 ? s->to : NULL;
        if (!name || has_answered(c, s, name) || (is_to_all(s) && is_relay(m)))
            continue;
        *out = (struct core_answer){.name = name,
                                    .member = member_named(c, name),
                                    .asked = s->times,
                                    .in_log = s->position > 0};
        if (!is_to_all(s) || out->member == m)
            return true;
    }
    return false;
}
