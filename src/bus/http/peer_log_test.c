/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_log.h"

#include "test.h"

static const struct id128 own = {1, 1}, other = {1, 2}, third = {1, 3};

static struct peer_entry *entry_of(enum change_op op, struct id128 message)
{
    uint8_t record[CHANGE_RECORD_BYTES_MAX];
    struct change c = {.op = op, .message = message};
    size_t bytes;

    if (op == CHANGE_REMOVE)
        c.key = bytes_of_text("k");
    CHECK(change_encode(&c, record, sizeof record, &bytes) == ACCORD_OK);
    struct peer_entry *e = peer_entry_new(bytes_of(record, bytes));
    CHECK(e);
    return e;
}

static uint64_t next_message;

static struct peer_entry *added(struct peer_log *log, int stream, enum change_op op,
                                uint64_t now_ms)
{
    struct peer_entry *e = entry_of(op, (struct id128){9, ++next_message});

    CHECK(peer_log_reserve(log, 1));
    peer_log_append(log, stream, e, now_ms);
    return e;
}

static struct peer_log *started(void)
{
    struct peer_log *log = peer_log_new();

    CHECK(log);
    peer_log_start(log, (struct id128){5, 5}, 17, 0);
    return log;
}

TEST(peer_log_appends_each_stream_in_its_order_and_finds_what_it_holds)
{
    struct peer_log *log = started();
    int a = peer_log_meet(log, own, 0), b = peer_log_meet(log, other, 41);

    CHECK(a >= 0 && b >= 0 && a != b);
    CHECK(peer_log_stream(log, other) == b && peer_log_stream(log, third) < 0);
    struct peer_entry *first = added(log, b, CHANGE_REMOVE, 0);
    struct peer_entry *second = added(log, a, CHANGE_REMOVE, 0);
    CHECK(first->position == 1 && first->number == 42);
    CHECK(second->position == 2 && second->number == 1);
    CHECK(peer_log_find(log, second->message) == second);
    CHECK(!peer_log_find(log, (struct id128){8, 8}));
    CHECK(peer_log_at(log, 1) == first && peer_log_at(log, 2) == second);
    CHECK(!peer_log_at(log, 0) && !peer_log_at(log, 3));
    peer_log_free(log);
}

TEST(peer_log_that_begins_anew_is_empty_but_for_who_is_there)
{
    struct peer_log *log = started();
    int a = peer_log_meet(log, own, 0), b = peer_log_meet(log, other, 0),
        c = peer_log_meet(log, third, 0);
    struct peer_entry *beat = entry_of(CHANGE_BEAT, (struct id128){8, 1});
    const struct peer_place vector[] = {{own, 1}, {other, 0}, {third, 0}};
    struct peer_place v[PEER_VECTOR_MAX];

    added(log, a, CHANGE_REMOVE, 0);
    CHECK(peer_log_reserve(log, 1));
    peer_log_translate(log, b, beat, vector, COUNT_OF(vector));
    CHECK(beat->applied == 1 && beat->applied_hash != 0);
    peer_log_append(log, b, beat, 0);
    added(log, b, CHANGE_REMOVE, 0);
    added(log, c, CHANGE_BEAT, 0);
    added(log, c, CHANGE_LEAVE, 0);
    peer_log_start(log, (struct id128){6, 6}, 18, 100);
    CHECK(log->newest == 1 && log->count == 1);
    const struct peer_entry *again = peer_log_at(log, 1);
    CHECK(id128_equal(again->message, (struct id128){8, 1}));
    CHECK(again->translated && again->applied == 0 && again->applied_hash == 0);
    /* What had arrived is covered by the cache that was dropped, though it is not here. */
    CHECK(peer_log_vector(log, 0, v) == 3);
    CHECK(v[a].number == 1 && v[b].number == 2 && v[c].number == 2);
    CHECK(added(log, b, CHANGE_REMOVE, 0)->number == 3); /* the stream goes on */
    peer_log_lose(log, b);
    peer_log_start(log, (struct id128){7, 7}, 19, 100);
    CHECK(log->newest == 0);
    peer_log_free(log);
}

/* Fills every place with who has parted, after those that are there. */
static void fill_with_parted(struct peer_log *log)
{
    int s;

    for (uint64_t i = 0; (s = peer_log_meet(log, (struct id128){2, i}, 0)) >= 0; i++) {
        added(log, s, CHANGE_REMOVE, 0);
        peer_log_part(log, s);
    }
}

TEST(peer_log_forgets_who_parted_only_when_all_know_that_it_is_applied)
{
    struct peer_log *log = started();
    struct peer_place v[PEER_VECTOR_MAX];
    int a = peer_log_meet(log, own, 0), b = peer_log_meet(log, other, 0);
    uint64_t hash;

    added(log, a, CHANGE_BEAT, 0);
    added(log, b, CHANGE_BEAT, 0);
    fill_with_parted(log);
    CHECK(log->newest == PEER_STREAMS_MAX);
    CHECK(peer_log_vector(log, log->newest - 1, v) == PEER_STREAMS_MAX);
    CHECK(v[PEER_STREAMS_MAX - 1].number == 0 && v[PEER_STREAMS_MAX - 2].number == 1);
    CHECK(peer_log_meet(log, third, 0) < 0); /* all are named here, but not by the others */
    CHECK(peer_log_place(log, a, v, PEER_STREAMS_MAX, &hash) == log->newest - 1);
    CHECK(peer_log_meet(log, third, 0) < 0);
    CHECK(peer_log_place(log, b, v, PEER_STREAMS_MAX, &hash) == log->newest - 1);
    CHECK(peer_log_meet(log, third, 0) == 2); /* the first that left */
    CHECK(!log->streams[a].has_whole[2] && log->streams[a].has_whole[3]);
    peer_log_free(log);
}

TEST(peer_log_names_who_parted_also_when_it_begins_anew)
{
    struct peer_log *log = started();
    struct peer_place v[PEER_VECTOR_MAX];

    fill_with_parted(log);
    peer_log_start(log, (struct id128){6, 6}, 18, 0);
    CHECK(peer_log_meet(log, own, 0) < 0);
    CHECK(peer_log_vector(log, 0, v) == PEER_STREAMS_MAX && v[5].number == 1);
    CHECK(peer_log_meet(log, own, 0) == 0);
    peer_log_free(log);
}

/* What is not named was not met yet, also where it has left since: a sign of life may be late.
 */
TEST(peer_log_of_a_stream_that_is_not_named_is_not_covered)
{
    struct peer_log *log = started();
    int a = peer_log_meet(log, own, 0), b = peer_log_meet(log, other, 0),
        c = peer_log_meet(log, third, 0);
    const struct peer_place early[] = {{own, 5}}, whole[] = {{own, 5}, {other, 1}};
    uint64_t hash;

    added(log, a, CHANGE_REMOVE, 0);
    added(log, b, CHANGE_REMOVE, 0);
    added(log, a, CHANGE_REMOVE, 0);
    CHECK(peer_log_place(log, c, early, 1, &hash) == 1);
    CHECK(hash == entry_hash(1, peer_log_at(log, 1)->message));
    peer_log_part(log, b);
    CHECK(peer_log_place(log, c, early, 1, &hash) == 1);
    CHECK(peer_log_place(log, c, whole, 2, &hash) == 3);
    CHECK(peer_log_place(log, c, NULL, 0, &hash) == 3); /* what was applied stays applied */
    added(log, a, CHANGE_REMOVE, 0);
    CHECK(peer_log_place(log, c, early, 1, &hash) == 4); /* it has said so before */
    peer_log_free(log);
}

TEST(peer_log_of_who_joins_covers_what_is_here)
{
    struct peer_log *log = started();
    int a = peer_log_meet(log, own, 0), b = peer_log_meet(log, other, 0);
    const struct peer_place none_of_it[] = {{own, 0}, {other, 0}};
    uint64_t hash;

    added(log, a, CHANGE_REMOVE, 0);
    CHECK(peer_log_place(log, b, none_of_it, 2, &hash) == 0 && hash == 0);
    peer_log_joins(log, b);
    added(log, a, CHANGE_REMOVE, 0);
    CHECK(peer_log_place(log, b, none_of_it, 2, &hash) == 1);
    CHECK(hash == entry_hash(1, peer_log_at(log, 1)->message));
    peer_log_free(log);
}

TEST(peer_log_prunes_from_its_beginning_and_never_the_newest)
{
    struct peer_log *log = started();
    int a = peer_log_meet(log, own, 0);

    for (unsigned i = 0; i < 100; i++)
        added(log, a, CHANGE_REMOVE, i);
    peer_log_prune(log, 1000, 80, SIZE_MAX, 100);
    CHECK(log->count == 80 && log->pruned_to == 20 && !peer_log_at(log, 20));
    CHECK(peer_log_view(log, 1000, 100) == 20);
    CHECK(peer_log_view(log, 10, 100) == 90);
    peer_log_prune(log, /* retain_ms= */ 50, 1000, SIZE_MAX, 100);
    CHECK(log->pruned_to == 50);
    peer_log_prune(log, 1000, 1000, /* bytes_max= */ log->bytes / 2, 100);
    CHECK(log->count == 25);
    added(log, a, CHANGE_BEAT, 100);
    peer_log_prune(log, 0, 0, SIZE_MAX, 200);
    CHECK(log->count == 1 && peer_log_at(log, 101)->is_sign);
    added(log, a, CHANGE_REMOVE, 200);
    peer_log_prune(log, 0, 0, SIZE_MAX, 300); /* a sign of life is kept for an hour */
    CHECK(log->count == 2);
    peer_log_prune(log, 0, 0, SIZE_MAX, 100 + PEER_BEATS_RETAIN_MS + 1);
    CHECK(log->count == 1 && log->newest == 102);
    peer_log_prune(log, 0, 0, 0, 1000 + PEER_BEATS_RETAIN_MS);
    CHECK(log->count == 1);
    CHECK(!peer_log_find(log, (struct id128){9, 1}));
    peer_log_free(log);
}

/* model/orders.pml with real logs: two nodes, whose logs have the same streams in orders of
 * their own. What one of them says of itself means at the other at most that, and where nothing
 * was pruned, all of it. */

enum { STREAMS = 4, ENTRIES = 60 };

/* Beside its log, what it held before anything was pruned: by position, and where. */
struct node {
    struct peer_log *log;
    int stream[STREAMS];
    uint64_t sent[STREAMS];
    struct peer_place at[ENTRIES + 1];
    uint64_t position[STREAMS][ENTRIES + 1]; /* 0: it is not there */
};

static enum change_op op_of(uint64_t stream, uint64_t number)
{
    return (stream + number) % 3 == 0 ? CHANGE_BEAT : CHANGE_REMOVE;
}

static void node_begin(struct node *n)
{
    memset(n, 0, sizeof *n);
    n->log = started();
    for (uint64_t i = 0; i < STREAMS; i++)
        n->stream[i] = peer_log_meet(n->log, (struct id128){2, i}, 0);
}

static void arrive(struct node *n, uint64_t *rng)
{
    uint64_t i = test_random(rng, STREAMS), number = ++n->sent[i];
    struct peer_entry *e = entry_of(op_of(i, number), (struct id128){i, number});

    CHECK(peer_log_reserve(n->log, 1));
    peer_log_append(n->log, n->stream[i], e, 0);
    n->at[n->log->newest] = (struct peer_place){{2, i}, number};
    n->position[i][number] = n->log->newest;
}

static bool is_applied(const struct node *there, struct peer_place p, uint64_t applied)
{
    uint64_t position = there->position[p.incarnation.low][p.number];

    return position > 0 && position <= applied;
}

static bool removes(struct peer_place p)
{
    return op_of(p.incarnation.low, p.number) == CHANGE_REMOVE;
}

static void check_place(const struct node *here, uint64_t place, uint64_t hash,
                        const struct node *there, uint64_t applied, bool all)
{
    for (uint64_t at = 1; at <= place; at++)
        CHECK(!removes(here->at[at]) || is_applied(there, here->at[at], applied));
    const struct peer_entry *e = peer_log_at(here->log, place);
    CHECK(!e || hash == entry_hash(place, e->message));
    if (all && place < here->log->newest)
        CHECK(removes(here->at[place + 1]) && !is_applied(there, here->at[place + 1], applied));
}

TEST_SEEDS(peer_log_place_is_never_beyond_what_was_applied, 500)
{
    struct peer_place vector[PEER_VECTOR_MAX];
    uint64_t applied = 0, place = 0, hash;
    bool prunes = test_random(rng, 2), all = true;
    struct node here, there;

    node_begin(&here);
    node_begin(&there);
    for (unsigned i = 0; i < ENTRIES; i++) {
        arrive(&here, rng);
        arrive(&there, rng);
        if (prunes && test_random(rng, 10) == 0) {
            struct peer_log *log = test_random(rng, 2) ? here.log : there.log;
            uint64_t keep = 1 + test_random(rng, 20);
            peer_log_prune(log, UINT64_MAX, UINT64_MAX, log->bytes / log->count * keep + 1, 0);
            all = false;
        }
        if (test_random(rng, 4) != 0)
            continue;
        applied += test_random(rng, there.log->newest - applied + 1);
        size_t count = peer_log_vector(there.log, applied, vector);
        uint64_t before = place;
        place = peer_log_place(here.log, here.stream[0], vector, count, &hash);
        CHECK(place >= before && place <= here.log->newest);
        check_place(&here, place, hash, &there, applied, all);
    }
    peer_log_free(here.log);
    peer_log_free(there.log);
}
