/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Nodes that talk through this file instead of a network: what is carried, and when, and what
 * is lost on its way, is the seed's. */
#include "bus/http/peer_node.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

enum { NODES = 3, PUBLISHED_MAX = 4096, REQUEST_BYTES_MAX = 65536 };

/* A question of one node to another, or the answer to it. */
struct carried {
    enum { NOTHING, QUESTION, ANSWER } state;
    size_t bytes;
    uint8_t body[REQUEST_BYTES_MAX];
};

struct host {
    struct peer_node node;
    bool runs;
    struct carried to[NODES];
    /* What stands for its core: */
    uint64_t position;      /* applied, of the local log */
    uint64_t attached_step; /* then its cache was empty */
    uint64_t asked_step, question;
    bool applied[PUBLISHED_MAX];
};

static struct fleet {
    struct host hosts[NODES];
    uint64_t step, drawn, published;
    bool joins_late; /* host 2, through host 0 */
    uint64_t published_step[PUBLISHED_MAX];
    unsigned heads, beats; /* that were checked */
} f;

static const char *const addresses[NODES] = {"a:1", "b:1", "c:1"};
static char why[BUS_WHY_BYTES_MAX];

static struct id128 draw(void *context)
{
    (void)context;
    return (struct id128){3, ++f.drawn};
}

static void start(size_t i, size_t listed)
{
    struct peer_node_settings s = {.address = addresses[i],
                                   .listed = addresses,
                                   .listed_count = listed,
                                   .max_stale_ms = 3000,
                                   .retain_ms = UINT64_MAX,
                                   .retain_changes = UINT64_MAX,
                                   .draw = draw};
    struct host *h = &f.hosts[i];

    memset(h, 0, sizeof *h);
    CHECK(peer_key_init(&s.key, bytes_of(NULL, 0)) == ACCORD_OK);
    CHECK(peer_node_init(&h->node, &s, f.step) == ACCORD_OK);
    h->runs = true;
}

static void stop(size_t i)
{
    if (f.hosts[i].runs)
        peer_node_done(&f.hosts[i].node);
    f.hosts[i].runs = false;
}

static void begin(size_t listed)
{
    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < NODES; i++)
        start(i, listed);
}

static void end(void)
{
    for (size_t i = 0; i < NODES; i++)
        stop(i);
}

static size_t host_of(const char *address)
{
    size_t i = 0;

    while (strcmp(addresses[i], address) != 0)
        i++;
    return i;
}

/* The next that happens between i and its peer. */
static void carry(size_t i, size_t peer, bool lost)
{
    struct host *from = &f.hosts[i];
    size_t to = host_of(from->node.peers[peer].address);
    struct carried *c = &from->to[to];
    uint8_t answer[PEER_ANSWER_BYTES_MAX];

    f.step++;
    if (c->state == NOTHING) {
        if (!peer_node_wants(&from->node, peer))
            return;
        struct bytes b = peer_node_ask(&from->node, peer, /* probe= */ false);
        CHECK(b.size_bytes > 0 && b.size_bytes <= sizeof c->body);
        memcpy(c->body, b.data, b.size_bytes);
        c->bytes = b.size_bytes;
        c->state = QUESTION;
    } else if (lost || (c->state == QUESTION && !f.hosts[to].runs)) {
        c->state = NOTHING;
        peer_node_failed(&from->node, peer, "lost");
    } else if (c->state == QUESTION) {
        CHECK(peer_node_handle(&f.hosts[to].node, bytes_of(c->body, c->bytes), f.step, answer,
                               &c->bytes) == ACCORD_OK);
        memcpy(c->body, answer, c->bytes);
        c->state = ANSWER;
    } else {
        c->state = NOTHING;
        peer_node_answered(&from->node, peer, bytes_of(c->body, c->bytes), f.step);
    }
}

static void carry_any(uint64_t *rng, unsigned lost_of_1000)
{
    size_t i = test_random(rng, NODES);

    if (f.hosts[i].runs && f.hosts[i].node.peer_count > 1)
        carry(i, 1 + test_random(rng, f.hosts[i].node.peer_count - 1),
              test_random(rng, 1000) < lost_of_1000);
}

/* All that wants to be carried, until nothing does. */
static void settle(void)
{
    for (unsigned round = 0; round < 60; round++)
        for (size_t i = 0; i < NODES; i++)
            for (size_t p = 1; f.hosts[i].runs && p < f.hosts[i].node.peer_count; p++)
                carry(i, p, /* lost= */ false);
}

/* ---- what stands for the bus and the core ------------------------------------------------ */

static bool attach(size_t i)
{
    struct host *h = &f.hosts[i];

    if (peer_node_joined(&h->node, why) != ACCORD_OK)
        return false;
    h->node.attached = true;
    h->attached_step = ++f.step;
    h->position = 0;
    h->asked_step = 0;
    return true;
}

static bool publish(size_t i, enum change_op op)
{
    struct host *h = &f.hosts[i];
    struct change c = {.op = op,
                       .message = {f.published, 1},
                       .origin = bytes_of_text(addresses[i]),
                       .incarnation = h->node.incarnation,
                       .nonce = op == CHANGE_BEAT,
                       .applied = op == CHANGE_BEAT ? h->position : 0,
                       .lease_epoch = op == CHANGE_BEAT ? h->node.log->epoch : 0};
    struct position last;

    CHECK(f.published < PUBLISHED_MAX);
    if (op == CHANGE_REMOVE)
        c.key = bytes_of_text("k");
    if (peer_node_publish(&h->node, &c, 1, f.step, &last, why) != ACCORD_OK)
        return false;
    CHECK(last.epoch == h->node.log->epoch && last.value == h->node.log->newest);
    f.published_step[f.published++] = ++f.step;
    return true;
}

/* It holds no copy from before that change: it was applied, or the cache began after it. */
static bool is_past(const struct host *h, uint64_t published)
{
    return h->applied[published] || h->attached_step > f.published_step[published];
}

static void check_beat(const struct host *here, const struct peer_entry *e)
{
    struct change c;
    struct bytes namespace_name;

    CHECK(change_decode(bytes_of(e->record, e->record_bytes), &c, &namespace_name) ==
          ACCORD_OK);
    char name[8];
    snprintf(name, sizeof name, "%.*s", (int)c.origin.size_bytes, (const char *)c.origin.data);
    const struct host *there = &f.hosts[host_of(name)];
    if (!there->runs || !id128_equal(there->node.incarnation, c.incarnation))
        return;
    f.beats++;
    for (uint64_t at = 1; at <= e->applied; at++) {
        const struct peer_entry *a = peer_log_at(here->node.log, at);
        CHECK(a->of_member || is_past(there, a->message.high));
    }
}

static void read_some(size_t i, uint64_t count)
{
    struct host *h = &f.hosts[i];
    const struct peer_entry *e;

    if (!h->node.attached)
        return;
    for (; count > 0 && (e = peer_log_at(h->node.log, h->position + 1)); count--) {
        if (e->translated)
            check_beat(h, e);
        h->applied[e->message.high] = true;
        h->position++;
    }
}

/* B13: whatever was acknowledged anywhere before it was asked is here, or was before the cache.
 */
static void ask_head(size_t i)
{
    struct host *h = &f.hosts[i];

    if (!h->node.attached)
        return;
    if (h->asked_step == 0) {
        h->question = peer_node_head_begin(&h->node);
        h->asked_step = ++f.step;
        return;
    }
    int status = peer_node_head(&h->node, h->question, why);
    if (status == ACCORD_E_BUSY)
        return;
    CHECK(status == ACCORD_OK || (status == ACCORD_E_TIMEOUT && why[0]));
    for (uint64_t m = 0; status == ACCORD_OK && m < f.published; m++)
        CHECK(f.published_step[m] > h->asked_step || h->attached_step > f.published_step[m] ||
              peer_log_find(h->node.log, (struct id128){m, 1}));
    f.heads += status == ACCORD_OK;
    h->asked_step = 0;
}

static int head_now(size_t i)
{
    uint64_t question = peer_node_head_begin(&f.hosts[i].node);

    settle();
    return peer_node_head(&f.hosts[i].node, question, why);
}

static void all_attach(void)
{
    settle();
    for (size_t i = 0; i < NODES; i++)
        CHECK(!f.hosts[i].runs || attach(i));
}

static bool is_in_log(size_t i, uint64_t published)
{
    return peer_log_find(f.hosts[i].node.log, (struct id128){published, 1}) != NULL;
}

/* ---- plain cases ------------------------------------------------------------------------- */

TEST(peer_nodes_join_and_each_hears_what_the_others_publish)
{
    begin(NODES);
    CHECK(!attach(0));
    CHECK(strstr(why, "b:1 has not yet answered"));
    CHECK(!publish(0, CHANGE_REMOVE));
    all_attach();
    CHECK(publish(0, CHANGE_REMOVE) && publish(1, CHANGE_REMOVE) && publish(0, CHANGE_REMOVE));
    CHECK(is_in_log(0, 0) && !is_in_log(2, 0)); /* the publisher waits for nobody */
    settle();
    for (size_t i = 0; i < NODES; i++) {
        CHECK(is_in_log(i, 0) && is_in_log(i, 1) && is_in_log(i, 2));
        CHECK(head_now(i) == ACCORD_OK);
        CHECK(f.hosts[i].node.set.max_stale_times == 1);
    }
    CHECK(f.hosts[0].node.journal.count == 0); /* all have it */
    end();
}

TEST(peer_node_that_is_alone_is_in)
{
    begin(0);
    CHECK(attach(0) && publish(0, CHANGE_REMOVE) && head_now(0) == ACCORD_OK);
    end();
}

/* T20: one that does not answer delays nobody, and is named. */
TEST(peer_that_is_silent_makes_all_unsure_and_delays_nothing)
{
    begin(NODES);
    all_attach();
    stop(2);
    CHECK(publish(0, CHANGE_REMOVE));
    settle();
    CHECK(is_in_log(1, 0));
    CHECK(head_now(0) == ACCORD_E_TIMEOUT);
    CHECK(strstr(why, "c:1 does not answer: lost"));
    CHECK(head_now(1) == ACCORD_E_TIMEOUT);
    CHECK(f.hosts[0].node.attached); /* what comes is still read */
    CHECK(f.hosts[0].node.journal.count == 1);
    end();
}

TEST(peer_that_was_killed_comes_back_and_the_others_begin_anew)
{
    begin(NODES);
    all_attach();
    CHECK(publish(2, CHANGE_REMOVE)); /* which nobody hears of */
    stop(2);
    CHECK(head_now(0) == ACCORD_E_TIMEOUT);
    start(2, NODES);
    settle();
    CHECK(!f.hosts[0].node.attached && !f.hosts[1].node.attached);
    all_attach();
    CHECK(head_now(0) == ACCORD_OK && head_now(2) == ACCORD_OK);
    CHECK(!is_in_log(0, 0));
    /* What its earlier incarnation acknowledged is not its word: the set is another. */
    CHECK(id128_equal(peer_set_find(&f.hosts[0].node.set, "c:1")->incarnation,
                      f.hosts[2].node.incarnation));
    end();
}

TEST(peer_that_left_is_missed_by_nobody_who_heard_it_to_the_end)
{
    begin(NODES);
    all_attach();
    CHECK(publish(2, CHANGE_REMOVE));
    settle();
    peer_node_leave(&f.hosts[2].node);
    CHECK(!peer_node_left_cleanly(&f.hosts[2].node));
    settle();
    CHECK(peer_node_left_cleanly(&f.hosts[2].node));
    stop(2);
    CHECK(f.hosts[0].node.attached && f.hosts[1].node.attached);
    CHECK(head_now(0) == ACCORD_OK);
    start(2, NODES); /* a deploy costs no cache */
    settle();
    CHECK(f.hosts[0].node.attached && f.hosts[1].node.attached);
    CHECK(attach(2) && publish(2, CHANGE_REMOVE));
    CHECK(head_now(0) == ACCORD_OK && is_in_log(0, 1));
    CHECK(peer_set_find(&f.hosts[0].node.set, "c:1")->counter == 3);
    end();
}

TEST(peer_that_left_before_it_was_heard_to_the_end_costs_who_did_not_hear_it)
{
    begin(NODES);
    all_attach();
    CHECK(publish(2, CHANGE_REMOVE));
    for (unsigned n = 0; n < 6; n++) /* only a hears of it, and of its leaving */
        carry(2, 1, false);
    peer_node_leave(&f.hosts[2].node);
    for (unsigned n = 0; n < 6; n++)
        carry(2, 1, false);
    CHECK(peer_set_find(&f.hosts[0].node.set, "c:1")->counter == 2);
    stop(2);
    settle();
    CHECK(f.hosts[0].node.attached && !f.hosts[1].node.attached);
    CHECK(attach(1) && head_now(1) == ACCORD_OK);
    end();
}

static unsigned forget(size_t i, const char *address)
{
    uint8_t ask[PEER_ASK_HEAD_BYTES_MAX + PEER_SEAL_BYTES], answer[PEER_ANSWER_BYTES_MAX];
    const struct peer_key *k = &f.hosts[i].node.settings.key;
    struct peer_answer a = {0};
    struct id128 to = {0, 0};

    for (unsigned n = 0; n < 2; n++) {
        size_t bytes = peer_forget_ask(address, to, k, ask);
        CHECK(peer_node_handle(&f.hosts[i].node, bytes_of(ask, bytes), f.step, answer,
                               &bytes) == ACCORD_OK);
        CHECK(peer_answer_decode(bytes_of(answer, bytes), k, &a) == ACCORD_OK);
        CHECK(n > 0 || a.verdict == PEER_UNKNOWN);
        snprintf(why, sizeof why, "%.*s", (int)a.why.size_bytes, (const char *)a.why.data);
        to = a.incarnation;
    }
    return a.verdict;
}

TEST(peer_is_forgotten_by_command_and_not_while_it_answers)
{
    begin(NODES);
    all_attach();
    CHECK(publish(2, CHANGE_BEAT));
    settle();
    CHECK(forget(0, "c:1") == PEER_REFUSED && strstr(why, "it answers: stop it"));
    CHECK(forget(0, "a:1") == PEER_REFUSED && forget(0, "z:1") == PEER_REFUSED);
    stop(2);
    CHECK(head_now(0) == ACCORD_E_TIMEOUT);
    CHECK(forget(0, "c:1") == PEER_TAKEN);
    settle();
    CHECK(!f.hosts[0].node.attached && !f.hosts[1].node.attached);
    CHECK(attach(0) && attach(1));
    CHECK(head_now(0) == ACCORD_OK && head_now(1) == ACCORD_OK);
    end();
}

TEST(peer_that_finds_itself_forgotten_comes_back_as_another)
{
    begin(NODES);
    all_attach();
    struct id128 before = f.hosts[2].node.incarnation;
    for (unsigned n = 0; n < 3; n++) { /* it runs, but a cannot reach it */
        carry(0, 2, true);
        carry(0, 2, true);
        (void)peer_node_head_begin(&f.hosts[0].node);
    }
    CHECK(forget(0, "c:1") == PEER_TAKEN);
    (void)head_now(2);
    CHECK(!id128_equal(before, f.hosts[2].node.incarnation));
    CHECK(!f.hosts[2].node.attached);
    settle();
    all_attach();
    CHECK(publish(2, CHANGE_REMOVE));
    settle();
    CHECK(is_in_log(0, 0) && is_in_log(1, 0) && head_now(0) == ACCORD_OK);
    end();
}

TEST(peer_that_lacks_what_the_journal_forgot_begins_anew)
{
    begin(2);
    stop(2);
    all_attach();
    struct peer_journal *j = &f.hosts[0].node.journal;
    for (unsigned n = 0; n < 10; n++)
        CHECK(publish(0, CHANGE_REMOVE));
    peer_journal_forget(j, 6);
    CHECK(peer_journal_oldest(j) == 6);
    settle();
    CHECK(!f.hosts[1].node.attached && f.hosts[0].node.attached);
    CHECK(attach(1) && !is_in_log(1, 4) && is_in_log(1, 5) && is_in_log(1, 9));
    CHECK(head_now(1) == ACCORD_OK);
    end();
}

TEST(peer_of_another_key_or_of_our_own_address_is_told_apart)
{
    static const uint8_t file[PEER_KEY_BYTES_MIN] = "another key";

    begin(2);
    stop(2);
    CHECK(peer_key_init(&f.hosts[1].node.settings.key, bytes_of(file, sizeof file)) ==
          ACCORD_OK);
    struct bytes b = peer_node_ask(&f.hosts[0].node, 1, false);
    uint8_t answer[PEER_ANSWER_BYTES_MAX];
    size_t bytes;
    CHECK(peer_node_handle(&f.hosts[1].node, b, 0, answer, &bytes) == ACCORD_E_DENIED);
    struct host *h = &f.hosts[0];
    struct peer_answer a = {.verdict = PEER_TAKEN,
                            .incarnation = h->node.incarnation,
                            .to = h->node.incarnation,
                            .number = h->node.numbers};
    bytes = peer_answer_encode(&a, &f.hosts[1].node.settings.key, answer);
    peer_node_answered(&h->node, 1, bytes_of(answer, bytes), 0);
    CHECK(!attach(0) && strstr(why, "sealed with another key"));
    (void)peer_node_ask(&h->node, 1, false);
    a.number = h->node.numbers;
    bytes = peer_answer_encode(&a, &h->node.settings.key, answer);
    peer_node_answered(&h->node, 1, bytes_of(answer, bytes), 0);
    CHECK(!attach(0) && strstr(why, "that address is this node's own"));
    end();
}

/* T17, T19: what comes again says nothing, and what was said to another is nobody's. */
TEST(peer_request_that_is_sent_again_is_refused)
{
    static uint8_t copy[REQUEST_BYTES_MAX];
    uint8_t out[PEER_ANSWER_BYTES_MAX];
    struct peer_answer a;
    size_t bytes;

    begin(NODES);
    all_attach();
    CHECK(publish(0, CHANGE_REMOVE));
    struct bytes b = peer_node_ask(&f.hosts[0].node, 1, false);
    memcpy(copy, b.data, b.size_bytes);
    for (unsigned n = 0; n < 3; n++) {
        if (n == 2) {
            stop(1);
            start(1, NODES);
        }
        CHECK(peer_node_handle(&f.hosts[1].node, bytes_of(copy, b.size_bytes), 0, out,
                               &bytes) == ACCORD_OK);
        CHECK(peer_answer_decode(bytes_of(out, bytes), &f.hosts[0].node.settings.key, &a) ==
              ACCORD_OK);
        CHECK(a.verdict == (n == 0 ? PEER_TAKEN : n == 1 ? PEER_REFUSED : PEER_UNKNOWN));
    }
    CHECK(f.hosts[1].node.log->newest == 0);
    end();
}

TEST(peer_node_says_a_message_once_however_often_it_is_published)
{
    begin(0);
    CHECK(attach(0));
    struct change c = {.op = CHANGE_CLEAR, .message = {7, 7}};
    struct position first, again;
    CHECK(peer_node_publish(&f.hosts[0].node, &c, 1, 0, &first, why) == ACCORD_OK);
    CHECK(peer_node_publish(&f.hosts[0].node, &c, 1, 0, &again, why) == ACCORD_OK);
    CHECK(first.value == again.value && f.hosts[0].node.log->newest == 1);
    end();
}

/* ---- a property over seeds: model/orders.pml, peers.pml and members.pml, with the real thing
 * -- */

/* All list all; or c is in no list, and joins through a, which then is never killed: those that
 * a list names have to know of the others. */
static size_t listed_by(size_t i)
{
    return !f.joins_late ? NODES : i == 2 ? 1 : 2;
}

static void restart(size_t i, uint64_t *rng)
{
    struct host *h = &f.hosts[i];

    if (h->runs && test_random(rng, 2)) {
        peer_node_leave(&h->node);
        for (uint64_t n = test_random(rng, 30); n > 0; n--)
            carry_any(rng, 0);
    }
    stop(i);
    for (uint64_t n = test_random(rng, 60); n > 0; n--)
        carry_any(rng, 20);
    start(i, listed_by(i));
}

static void something(uint64_t *rng, bool restarts)
{
    size_t i = test_random(rng, NODES);
    uint64_t what = test_random(rng, 1000);

    if (restarts && what < 4 && (i > 0 || !f.joins_late))
        restart(i, rng);
    if (!f.hosts[i].runs)
        return;
    if (what < 40 && !f.hosts[i].node.attached)
        (void)attach(i);
    else if (what < 100)
        (void)publish(i, test_random(rng, 2) ? CHANGE_REMOVE : CHANGE_BEAT);
    else if (what < 200)
        read_some(i, 1 + test_random(rng, 4));
    else if (what < 300)
        ask_head(i);
    else
        carry_any(rng, /* lost_of_1000= */ restarts ? 20 : 0);
}

TEST_SEEDS(peer_nodes_miss_nothing_and_confirm_nothing_that_is_not_so, 100)
{
    bool restarts = test_random(rng, 4) > 0;

    begin(NODES);
    f.joins_late = test_random(rng, 2);
    for (size_t i = 0; f.joins_late && i < NODES; i++) {
        stop(i);
        start(i, listed_by(i));
    }
    for (unsigned n = 0; n < 6000; n++)
        something(rng, restarts);
    for (unsigned n = 0; n < 3; n++) { /* in the end, all are well */
        settle();
        for (size_t i = 0; i < NODES; i++)
            if (!f.hosts[i].node.attached)
                (void)attach(i);
    }
    for (size_t i = 0; i < NODES; i++)
        CHECK(head_now(i) == ACCORD_OK);
    CHECK(restarts || (f.heads > 50 && f.beats > 50));
    end();
}
