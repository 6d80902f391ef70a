/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"
#include "wire/letter.h"
#include "wire/resend.h"

#include <stdio.h>

/* Whatever stands in a log was written by somebody: a node of another version, one that is
 * mistaken, or who means harm. Here strangers fill it with entries that are well formed and no
 * more: every op, anybody's name and identity, numbers at both ends of their ranges, and the
 * words that nodes say to each other. No assertion of the core may be reached by that; nobody
 * may be left waiting; and once they are gone, each node serves again, or has said why it must
 * end. What strangers do to promises is another question: without signatures they may say
 * anything, and a removal too many does no harm. */

enum { NODES = 3, ROUNDS = 60, STRANGERS = 4, TRUSTED = 1, OTHERS = 2 };

struct hostile {
    struct fleet *f;
    uint64_t *rng;
    bool own_numbers; /* entries in a node's own name, with numbers: soon it has a twin */
    unsigned asked;
};

static uint64_t roll(struct hostile *h, uint64_t below)
{
    return test_random(h->rng, below);
}

static bool now_and_then(struct hostile *h, unsigned percent)
{
    return roll(h, 100) < percent;
}

/* Small, at the upper end, at a power of two, or anything. */
static uint64_t number(struct hostile *h)
{
    switch (roll(h, 6)) {
    case 0:
        return 0;
    case 1:
        return roll(h, 5);
    case 2:
        return UINT64_MAX - roll(h, 4);
    case 3:
        return (UINT64_C(1) << roll(h, 64)) - roll(h, 2);
    case 4:
        return roll(h, 3000);
    default:
        return roll(h, UINT64_MAX);
    }
}

static const struct fleet_node *any_node(struct hostile *h)
{
    return &h->f->nodes[roll(h, h->f->count)];
}

/* What was said before: its numbers are those that mean something. */
static const struct change *any_change(struct hostile *h)
{
    static const struct change none;

    if (h->f->log_count == 0)
        return &none;
    size_t back = (size_t)roll(h, now_and_then(h, 80) ? 30 : h->f->log_count);
    return &h->f->entries[h->f->log_count - 1 - back % h->f->log_count].held.change;
}

static uint64_t near(struct hostile *h, uint64_t known)
{
    return now_and_then(h, 60) ? known + roll(h, 7) - 3 : number(h);
}

/* ---- who -----------------------------------------------------------------------------------
 */

static void be_somebody(struct hostile *h, struct change *c)
{
    static const char *const names[STRANGERS] = {"stranger1", "stranger2", "web1", "*"};
    size_t who = (size_t)roll(h, STRANGERS);

    c->origin = bytes_of_text(names[who]);
    c->incarnation = (struct id128){0xbad, 1 + who};
    c->sequence = near(h, any_change(h)->sequence);
}

static void be_a_node(struct hostile *h, struct change *c)
{
    const struct fleet_node *n = any_node(h);

    c->origin = bytes_of_text(n->name);
    c->incarnation = n->settings.incarnation;
    c->sequence = h->own_numbers ? near(h, any_change(h)->sequence) : 0;
}

static void choose_sender(struct hostile *h, struct change *c)
{
    uint64_t kind = roll(h, 10);

    if (kind < 5)
        be_somebody(h, c);
    else if (kind < 8)
        be_a_node(h, c);
    else if (kind == 8) /* a name without an identity, or the reverse */
        c->origin = bytes_of_text("web2");
    else
        c->incarnation = (struct id128){number(h), number(h)};
    if (c->sequence > CHANGE_SEQUENCE_MAX) /* buses let nothing more by */
        c->sequence = CHANGE_SEQUENCE_MAX - roll(h, 3);
}

/* ---- what ----------------------------------------------------------------------------------
 */

static struct bytes letter(struct hostile *h)
{
    static char text[LETTER_TEXT_BYTES_MAX];
    static const char *const kinds[] = {"ping", "pong", "x"};
    bool asks = now_and_then(h, 50);
    struct letter heard,
        l = {.type = asks ? LETTER_ASK : LETTER_ANSWER,
             .id = number(h) | 1,
             .wait_ms = 1 + roll(h, LETTER_WAIT_MS_MAX),
             .to = bytes_of_text(now_and_then(h, 50) ? "*" : any_node(h)->name),
             .kind = bytes_of_text(kinds[roll(h, COUNT_OF(kinds))]),
             .verdict = (enum letter_verdict)roll(h, 3),
             .body = bytes_of_text(now_and_then(h, 50) ? "0.1.0 fresh" : "")};

    /* The id of one that was asked in truth. */
    for (size_t i = h->f->log_count; i-- > 0 && h->f->log_count - i < 200;) {
        const struct fleet_change *held = &h->f->entries[i].held;
        struct bytes about = {(const uint8_t *)held->about, held->change.about.size_bytes};
        if (letter_parse(about, &heard) == ACCORD_OK && now_and_then(h, 50)) {
            l.id = heard.id;
            break;
        }
    }
    letter_print(&l, text);
    return bytes_of_text(text);
}

static struct bytes word_of_changes(struct hostile *h)
{
    static char text[RESEND_TEXT_BYTES_MAX];
    struct resend r = {.kind = (enum resend_kind)roll(h, 3),
                       .incarnation = any_node(h)->settings.incarnation,
                       .from = near(h, any_change(h)->sequence)};

    r.from = r.from == 0 || r.from == UINT64_MAX ? 1 : r.from;
    r.until =
        now_and_then(h, 20) ? UINT64_MAX : r.from + 1 + roll(h, UINT64_MAX - r.from) % 2000;
    r.until = r.until <= r.from ? UINT64_MAX : r.until;
    resend_print(&r, text);
    return bytes_of_text(text);
}

static struct bytes any_about(struct hostile *h)
{
    static const char *const texts[] = {"", "\t", "app stranger\tx", "relay r 0.1.0",
                                        "app\x01\xff\t\x02"};

    switch (roll(h, 3)) {
    case 0:
        return letter(h);
    case 1:
        return word_of_changes(h);
    default:
        return bytes_of_text(texts[roll(h, COUNT_OF(texts))]);
    }
}

static void say_life(struct hostile *h, struct change *c)
{
    const struct change *other = any_change(h);
    bool stands = now_and_then(h, 10);

    c->nonce = stands ? 0 : now_and_then(h, 30) ? other->nonce : number(h);
    c->applied = now_and_then(h, 50) ? near(h, h->f->newest) : number(h);
    c->applied_hash = now_and_then(h, 30) ? other->applied_hash : number(h);
    c->lease_epoch = now_and_then(h, 70) ? h->f->epoch : number(h);
    c->about = any_about(h);
    if (now_and_then(h, 5)) { /* changes L: within seconds, so that this test has an end */
        c->has_version = true;
        c->version = roll(h, 3000);
    }
    if (now_and_then(h, 5)) {
        c->has_fingerprint = true;
        c->fingerprint = roll(h, 5000);
    }
}

static void say_removal(struct hostile *h, struct change *c)
{
    static const char *const keys[] = {"k",     "fill:a", "fill:", "fill", "lsn:a",
                                       "lsn",   "row:a",  "row",   ":",    "no such namespace",
                                       "a:b:c", "short",  "short:"};

    c->soft = now_and_then(h, 30);
    c->has_version = now_and_then(h, 40);
    c->version = number(h);
    c->has_fingerprint = now_and_then(h, 20);
    c->fingerprint = number(h);
    c->nonce = now_and_then(h, 30) ? number(h) : 0;
    if (c->op != CHANGE_CLEAR ||
        now_and_then(h, 5)) /* with a key, nobody knows what it means */
        c->key = bytes_of_text(keys[roll(h, COUNT_OF(keys))]);
}

static bool is_of_members(enum change_op op)
{
    return op == CHANGE_JOIN || op == CHANGE_LEAVE || op == CHANGE_BEAT;
}

static void insert(struct hostile *h)
{
    struct change c = {.op = (enum change_op)(CHANGE_REMOVE + roll(h, CHANGE_BEAT)),
                       .message = {0xbad, number(h)},
                       .wall_ms = number(h)};

    if (now_and_then(h, 40))
        c.op = CHANGE_BEAT;
    choose_sender(h, &c);
    if (is_of_members(c.op))
        say_life(h, &c);
    else
        say_removal(h, &c);
    h->f->signs = now_and_then(h, 50) ? TRUSTED : (unsigned)roll(h, 3);
    fleet_insert_whole(h->f, c);
}

/* ---- the nodes meanwhile -------------------------------------------------------------------
 */

static struct request any_request(struct hostile *h)
{
    static const char *const keys[] = {"k", "fill:a", "lsn:a", "row:a"};
    static const struct bytes every = {(const uint8_t *)"*", 1};
    const char *key = keys[roll(h, COUNT_OF(keys))];
    struct request r = fleet_remove(key);

    switch (roll(h, 6)) {
    case 0:
        return fleet_load(key, NS_PER_S);
    case 1:
        return fleet_set(key, "v");
    case 2:
        return fleet_sync(NS_PER_S);
    case 3:
        return (struct request){
            .op = REQUEST_PING, .keys = &every, .key_count = 1, .wait_ns = NS_PER_S};
    case 4:
        r.want_strict = true;
        r.wait_ns = 3 * NS_PER_S;
        return r;
    default:
        return r;
    }
}

static void trouble(struct hostile *h)
{
    struct fleet_node *n = &h->f->nodes[roll(h, h->f->count)];

    switch (roll(h, 8)) {
    case 0:
        fleet_cut(h->f, n, !n->cut);
        break;
    case 1:
        fleet_lose_tail(h->f, (size_t)roll(h, u64_min(h->f->log_count, 10) + 1));
        break;
    case 2:
        if (h->f->log_count > 0)
            fleet_miss(n, h->f->newest - roll(h, 4), 1 + (unsigned)roll(h, 3));
        break;
    case 3:
        h->f->newest += roll(h, 1000);
        break;
    default:
        break;
    }
}

static void play(struct hostile *h)
{
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t count = roll(h, 6);
        for (uint64_t i = 0; i < count; i++)
            insert(h);
        struct fleet_node *n = &h->f->nodes[roll(h, h->f->count)];
        fleet_request(h->f, n, any_request(h));
        if (now_and_then(h, 15) && n->miss_count < FLEET_MISSES_MAX)
            trouble(h);
        fleet_run(h->f, roll(h, now_and_then(h, 5) ? 20 * NS_PER_S : 200 * NS_PER_MS));
    }
}

static struct hostile begin(uint64_t *rng, bool signing)
{
    static const char *const names[NODES] = {"web1", "web2", "web3"};
    struct hostile h = {.f = fleet_new(rng), .rng = rng};

    h.own_numbers = now_and_then(&h, 30);
    h.f->repeat_permille = (unsigned)roll(&h, 2) * 100;
    h.f->newest = roll(&h, 3) == 0 ? INT64_MAX - roll(&h, 300000) - 100000 : roll(&h, 3);
    h.f->epoch = roll(&h, 3) == 0 ? UINT64_MAX - 1000 : 1;
    for (size_t i = 0; i < NODES; i++) {
        struct fleet_node *n = fleet_add(h.f, names[i]);
        n->settings.signing = signing;
        n->settings.unsigned_removals = signing ? (uint32_t)roll(&h, 3) : 0;
        n->settings.head_linearizable = now_and_then(&h, 70);
        n->key = signing ? TRUSTED : 0;
        fleet_start(h.f, n);
    }
    return h;
}

static bool serves(const struct fleet *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (!f->nodes[i].fatal && !fleet_status(f, &f->nodes[i]).fresh)
            return false;
    return true;
}

static void finish(struct hostile *h)
{
    for (size_t i = 0; i < h->f->count; i++)
        fleet_cut(h->f, &h->f->nodes[i], false);
    for (int s = 0; s < 120 && !serves(h->f); s++)
        fleet_run(h->f, NS_PER_S);
    CHECK(serves(h->f));
    fleet_run(h->f, 10 * NS_PER_S);
    for (uint64_t i = 0; i < h->f->answer_count; i++)
        CHECK(h->f->answers[i].count == 1);
    for (size_t i = 0; i < h->f->count; i++)
        CHECK(!h->f->nodes[i].fatal || h->f->nodes[i].why[0] != '\0');
    fleet_free(h->f);
}

TEST_SEEDS(hostile_entries_reach_no_assertion_and_leave_nobody_waiting, 60)
{
    struct hostile h = begin(rng, /* signing= */ false);

    play(&h);
    finish(&h);
}

TEST_SEEDS(hostile_entries_do_no_more_where_changes_are_signed, 40)
{
    struct hostile h = begin(rng, /* signing= */ true);

    play(&h);
    finish(&h);
}
