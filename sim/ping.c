/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Questions from host to host (ACCORD.PING), in one world of nine: asked of one or of all, by
 * whoever is up. Judged by what the bus takes and what is replied: a question has one answer of
 * each daemon, word for word, however often it comes; who is replied to is told of those that
 * it asked; and after all has healed everybody answers.
 *
 * They draw from numbers of their own, so that the other eight worlds are what they were before
 * there were pings; the theme "ping" has them in each. No seed of seeds/kept.txt from before is
 * among these. */
#include "sim/sim.h"

#include <stdio.h>

enum { ASK, ASK_LAST, ANSWER_UNASKED }; /* what is to happen */
enum { WORLDS = 9, WORLD = 1, PING_WAIT_MS_MAX = 8000, ID_DIGITS = 16 };
#define PING_EVERY_NS (2 * NS_PER_S)

static bool has_pings(const struct sim *s)
{
    /* Of twins two daemons answer as one. */
    return s->plan.theme == THEME_PING ||
           (s->seed % WORLDS == WORLD && s->plan.weight[FAULT_CLONE] == 0);
}

static void push(struct sim *s, uint64_t at_ns, uint64_t what)
{
    sim_push(s, (struct happening){.at_ns = at_ns, .kind = HAPPEN_NEW_PING, .a = what});
}

void ping_begin(struct sim *s)
{
    s->answers = NULL;
    s->last_ping = SIZE_MAX;
    s->ping_rng.state = s->seed ^ 0x70696e67;
    if (!has_pings(s))
        return;
    push(s, s->now_ns + rng_below(&s->ping_rng, PING_EVERY_NS), ASK);
    push(s, s->ends_ns + s->plan.heal_ns * 6 / 10, ASK_LAST);
}

/* ---- asking --------------------------------------------------------------------------------
 */

static void ask(struct sim *s, struct host *h, struct bytes to, uint64_t wait_ms)
{
    struct request r = {.op = REQUEST_PING,
                        .client = ++s->clients,
                        .keys = &to,
                        .key_count = 1,
                        .wait_ns = wait_ms * NS_PER_MS};

    (void)call_make(s, h, &r, /* key= */ 0);
}

static struct host *some_host(struct sim *s)
{
    struct host *h = &s->hosts[rng_below(&s->ping_rng, s->host_count)];

    return host_takes(s, h) ? h : NULL;
}

/* The same question by somebody else's hand would need an id; names that nobody has are asked
 * for, too. */
static struct bytes some_name(struct sim *s)
{
    if (rng_chance(&s->ping_rng, 400))
        return bytes_of_text("*");
    if (rng_chance(&s->ping_rng, 100))
        return bytes_of_text("nobody");
    /* A copy: the host may have another name when the question is taken. */
    const char *name = s->hosts[rng_below(&s->ping_rng, s->host_count)].name;
    char *copy = sim_alloc(s, strlen(name) + 1);
    memcpy(copy, name, strlen(name));
    return bytes_of_text(copy);
}

/* One that was not there when it was asked has to be asked again. */
static void restart_one(struct sim *s)
{
    struct host *h = &s->hosts[s->host_count - 1];

    if (s->plan.theme != THEME_PING || h->index == 0 || h->absent || !h->daemon.alive)
        return;
    fault_crash(s, h);
    sim_push(s, (struct happening){.at_ns = s->now_ns + rng_below(&s->ping_rng, NS_PER_S / 5),
                                   .kind = HAPPEN_START,
                                   .host = h->index});
}

/* Whoever was not asked, and is no host, answers a question nevertheless. */
static void answer_unasked(struct sim *s, const char *text)
{
    struct change c = {.op = CHANGE_BEAT,
                       .message = {rng_next(&s->ping_rng) | 1, 0x9109},
                       .origin = bytes_of_text("nosy"),
                       .incarnation = {UINT64_MAX, 1},
                       .nonce = 1,
                       .about = bytes_of_text(text),
                       .wall_ms = wall_next(s)};

    if (bus_primary(s))
        bus_take(s, s->bus.primary, &c);
}

/* A question to one, which the bus has in hand just now: so later. */
static void overhear(struct sim *s, const struct change *c)
{
    static const char ask_word[] = "ask ", answer[] = "answer ", rest[] = " done 0.1.0 fresh";
    size_t head = sizeof ask_word - 1, word = sizeof answer - 1;

    if (s->plan.theme != THEME_PING || c->op != CHANGE_BEAT || s->healing ||
        c->about.size_bytes < head + ID_DIGITS || memcmp(c->about.data, ask_word, head) != 0 ||
        memchr(c->about.data, '*', c->about.size_bytes) || !rng_chance(&s->ping_rng, 200))
        return;
    char *text = sim_alloc(s, word + ID_DIGITS + sizeof rest);
    memcpy(text, answer, word);
    memcpy(text + word, c->about.data + head, ID_DIGITS);
    memcpy(text + word + ID_DIGITS, rest, sizeof rest);
    sim_push(s, (struct happening){.at_ns = s->now_ns,
                                   .kind = HAPPEN_NEW_PING,
                                   .a = ANSWER_UNASKED,
                                   .thing = text});
}

void ping_happens(struct sim *s, const struct happening *x)
{
    uint64_t longest_ms = u64_min(PING_WAIT_MS_MAX, s->plan.heal_ns / 2 / NS_PER_MS);

    if (x->a == ANSWER_UNASKED) {
        answer_unasked(s, x->thing);
        return;
    }
    if (x->a == ASK_LAST) { /* all has healed; whoever is asked has a long time to answer */
        struct host *h = &s->hosts[0];
        s->last_ping = s->call_count;
        restart_one(s);
        if (!h->absent && host_takes(s, h))
            ask(s, h, bytes_of_text("*"),
                u64_min(s->plan.heal_ns * 3 / 10 / NS_PER_MS, LETTER_WAIT_MS_MAX));
        return;
    }
    if (s->healing)
        return;
    struct host *h = some_host(s);
    struct bytes to = some_name(s);
    size_t times = rng_chance(&s->ping_rng, 30) ? LETTERS_MAX + 1 : 1;
    for (size_t i = 0; h && i < times; i++)
        ask(s, h, to, 1 + rng_below(&s->ping_rng, longest_ms));
    push(s, s->now_ns + 1 + rng_below(&s->ping_rng, 2 * PING_EVERY_NS), ASK);
}

/* ---- what the bus took ---------------------------------------------------------------------
 */

void ping_taken(struct sim *s, const struct change *c)
{
    static const char word[] = "answer ";
    size_t head = sizeof word - 1;

    overhear(s, c);
    if (c->op != CHANGE_BEAT || c->about.size_bytes < head + ID_DIGITS ||
        memcmp(c->about.data, word, head) != 0)
        return;
    for (struct ping_answer *a = s->answers; a; a = a->next) {
        if (memcmp(a->text, c->about.data, head + ID_DIGITS) != 0 ||
            !id128_equal(a->incarnation, c->incarnation))
            continue;
        SOMETIMES(true, "ping: answered again");
        if (!bytes_equal(bytes_of(a->text, a->bytes), c->about))
            sim_fail(s, "letters", "one daemon has answered a question in two ways: %.*s",
                     (int)c->about.size_bytes, (const char *)c->about.data);
        return;
    }
    struct ping_answer *a = sim_alloc(s, sizeof *a + c->about.size_bytes);
    a->next = s->answers;
    a->incarnation = c->incarnation;
    a->bytes = c->about.size_bytes;
    memcpy(a->text, c->about.data, a->bytes);
    s->answers = a;
}

/* ---- what was replied ----------------------------------------------------------------------
 */

static bool is_host(const struct sim *s, const char *name)
{
    for (size_t i = 0; i < s->host_count; i++)
        if (strcmp(s->hosts[i].name, name) == 0 || strcmp(s->hosts[i].real_name, name) == 0)
            return true;
    return false;
}

static void check_row(struct sim *s, const struct call *c, const struct core_answer *a)
{
    struct bytes asked = c->keys[0];
    bool all = bytes_equal(asked, bytes_of_text("*"));

    if (!all && !bytes_equal(asked, bytes_of_text(a->name)))
        sim_fail(s, "letters", "%.*s was asked, and %s is told of", (int)asked.size_bytes,
                 (const char *)asked.data, a->name);
    if (a->answered && !is_host(s, a->name))
        sim_fail(s, "letters", "%s has answered, which is no host", a->name);
}

/* However often it answers, it is told of once. */
static void check_once(struct sim *s, const struct reply *r, const struct core *core,
                       const struct core_answer *a)
{
    struct core_answer other;
    size_t count = 0;

    for (size_t at = 0; a->answered && core_answer(core, r->letter, &at, &other);)
        count += other.answered && id128_equal(other.incarnation, a->incarnation);
    if (count > 1)
        sim_fail(s, "letters", "%s is told of %zu times", a->name, count);
}

/* The last question of all, to everybody. */
static void check_all(struct sim *s, const struct reply *r, const struct core *core)
{
    struct core_answer a;

    for (size_t i = 0; i < s->host_count; i++) {
        bool answered = s->hosts[i].absent;
        for (size_t at = 0; core_answer(core, r->letter, &at, &a);)
            answered |= a.answered && strcmp(a.name, s->hosts[i].name) == 0;
        if (!answered)
            sim_fail(s, "letters", "all has healed, and %s does not answer", s->hosts[i].name);
    }
}

void ping_replied(struct sim *s, struct host *h, const struct call *c, const struct reply *r)
{
    const struct core *core = h->daemon.core;
    size_t answered = 0, silent = 0;
    struct core_answer a;

    SOMETIMES(r->status == ACCORD_E_FULL, "ping: too many");
    for (size_t at = 0; core_answer(core, r->letter, &at, &a);) {
        check_row(s, c, &a);
        check_once(s, r, core, &a);
        answered += a.answered;
        silent += !a.answered;
        SOMETIMES(a.answered && a.asked > 1, "ping: answered, but not at once");
        SOMETIMES(a.answered && a.state.size_bytes == 6, "ping: unsure");
    }
    if (r->status == ACCORD_OK && answered != r->count)
        sim_fail(s, "letters", "%zu have answered, and %llu are counted", answered,
                 (unsigned long long)r->count);
    SOMETIMES(answered > 1 && silent == 0, "ping: all have answered");
    SOMETIMES(answered > 0 && silent > 0, "ping: some have not answered");
    if (s->last_ping < s->call_count && c == &s->calls[s->last_ping] && r->status == ACCORD_OK)
        check_all(s, r, core);
}
