/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_talk.h"

#include <stdlib.h>

#include "test.h"

enum { MESSAGE_BYTES_MAX = 65536 };

static struct peer_key key_of(char byte)
{
    char file[PEER_KEY_BYTES_MIN];
    struct peer_key k;

    memset(file, byte, sizeof file);
    CHECK(peer_key_init(&k, bytes_of(file, byte ? sizeof file : 0)) == ACCORD_OK);
    return k;
}

static size_t record_of(uint64_t *rng, uint8_t *out)
{
    struct change c = {.op = test_random(rng, 2) ? CHANGE_BEAT : CHANGE_REMOVE,
                       .message = {1 + test_random(rng, 1000), test_random(rng, 1000)},
                       .origin = bytes_of_text("web1"),
                       .incarnation = {1, 2},
                       .sequence = 1 + test_random(rng, 1000)};
    size_t bytes = 0;

    if (c.op == CHANGE_REMOVE)
        c.key = bytes_of_text("greeble:43");
    CHECK(change_encode(&c, out, CHANGE_RECORD_BYTES_MAX, &bytes) == ACCORD_OK);
    return bytes;
}

struct message {
    struct peer_ask ask;
    struct peer_told told[8];
    uint8_t records[8][CHANGE_RECORD_BYTES_MAX], set[PEER_SET_BYTES_MAX];
    uint8_t bytes[MESSAGE_BYTES_MAX];
    size_t size;
};

static void make_set(uint64_t *rng, uint8_t *out, struct bytes *set)
{
    struct peer_set s;

    peer_set_init(&s, 3000);
    CHECK(peer_set_join(&s, "web1:7001") == ACCORD_OK);
    *set = test_random(rng, 2) ? bytes_of(out, peer_set_encode(&s, out)) : bytes_of(NULL, 0);
}

static struct message *message_new(uint64_t *rng, const struct peer_key *k)
{
    struct message *m = calloc(1, sizeof *m);

    CHECK(m);
    m->ask = (struct peer_ask){.kind = PEER_TELL,
                               .begins = test_random(rng, 2),
                               .joins = test_random(rng, 2),
                               .from = bytes_of_text("web1:7001"),
                               .incarnation = {1, test_random(rng, 99)},
                               .to = {test_random(rng, 2), 0},
                               .number = test_random(rng, UINT64_MAX),
                               .hash = test_random(rng, UINT64_MAX),
                               .first = 1 + test_random(rng, 1000),
                               .count = test_random(rng, COUNT_OF(m->told) + 1)};
    make_set(rng, m->set, &m->ask.set);
    m->ask.newest = m->ask.first - 1 + m->ask.count + test_random(rng, 3);
    size_t head = peer_ask_begin(&m->ask, m->bytes), size = head;
    for (size_t i = 0; i < m->ask.count; i++) {
        struct peer_told *t = &m->told[i];
        t->record = bytes_of(m->records[i], record_of(rng, m->records[i]));
        t->vector_count = test_random(rng, 4);
        for (size_t j = 0; j < t->vector_count; j++)
            t->vector[j] = (struct peer_place){{2, j}, test_random(rng, 1000)};
        size += peer_told_put(t, m->bytes + size);
    }
    m->size = peer_ask_end(m->bytes, head, size, m->ask.count, k);
    CHECK(m->size <= sizeof m->bytes);
    return m;
}

static void check_same(const struct message *m, const struct peer_ask *got)
{
    const struct peer_ask *sent = &m->ask;
    struct bytes told = got->told;
    struct peer_told t;

    CHECK(got->kind == sent->kind && got->begins == sent->begins);
    CHECK(got->joins == sent->joins);
    CHECK(bytes_equal(got->from, sent->from) && bytes_equal(got->set, sent->set));
    CHECK(id128_equal(got->incarnation, sent->incarnation) && id128_equal(got->to, sent->to));
    CHECK(got->number == sent->number && got->hash == sent->hash);
    CHECK(got->first == sent->first && got->newest == sent->newest);
    CHECK(got->count == sent->count);
    for (size_t i = 0; i < got->count; i++) {
        CHECK(peer_told_next(&told, &t));
        CHECK(bytes_equal(t.record, m->told[i].record));
        CHECK(t.vector_count == m->told[i].vector_count);
        for (size_t j = 0; j < t.vector_count; j++) {
            CHECK(id128_equal(t.vector[j].incarnation, m->told[i].vector[j].incarnation));
            CHECK(t.vector[j].number == m->told[i].vector[j].number);
        }
    }
    CHECK(told.size_bytes == 0);
}

TEST_SEEDS(peer_ask_comes_out_as_it_went_in, 100)
{
    struct peer_key k = key_of(test_random(rng, 2) ? 'k' : 0);
    struct message *m = message_new(rng, &k);
    struct peer_ask got;

    CHECK(peer_ask_decode(bytes_of(m->bytes, m->size), &k, &got) == ACCORD_OK);
    check_same(m, &got);
    free(m);
}

/* T17, T19: whoever has not the key says nothing, and no byte can be another. */
TEST_SEEDS(peer_ask_that_was_changed_or_sealed_with_another_key_is_denied, 30)
{
    struct peer_key k = key_of('k'), other = key_of('o'), none = key_of(0);
    struct message *m = message_new(rng, &k);
    struct peer_ask got = {.number = 77};

    CHECK(k.is_secret && !none.is_secret);
    struct bytes whole = bytes_of(m->bytes, m->size);
    CHECK(peer_ask_decode(whole, &other, &got) == ACCORD_E_DENIED);
    CHECK(peer_ask_decode(whole, &none, &got) == ACCORD_E_DENIED);
    for (unsigned i = 0; i < 200; i++) {
        size_t at = test_random(rng, m->size);
        uint8_t flip = (uint8_t)(1u << test_random(rng, 8));
        m->bytes[at] ^= flip;
        CHECK(peer_ask_decode(whole, &k, &got) == (at < 4 ? ACCORD_E_FORMAT : ACCORD_E_DENIED));
        m->bytes[at] ^= flip;
        CHECK(peer_ask_decode(bytes_of(m->bytes, at), &k, &got) != ACCORD_OK);
    }
    CHECK(got.number == 77);
    struct peer_answer answer; /* nor is a question an answer */
    CHECK(peer_answer_decode(whole, &k, &answer) == ACCORD_E_FORMAT);
    free(m);
}

/* Whoever has the key may still be of another version, or mad. */
TEST_SEEDS(peer_ask_that_is_wrong_but_sealed_is_no_ask, 100)
{
    struct peer_key k = key_of('k');
    struct message *m = message_new(rng, &k);
    size_t bytes = m->size - PEER_SEAL_BYTES, at = test_random(rng, bytes);
    struct peer_ask got;
    struct peer_told t;

    m->bytes[at] ^= (uint8_t)(1 + test_random(rng, 255));
    bytes -= test_random(rng, 2) ? test_random(rng, 30) : 0;
    peer_key_seal(&k, "ACP1", bytes_of(m->bytes, bytes), m->bytes + bytes);
    int status = peer_ask_decode(bytes_of(m->bytes, bytes + PEER_SEAL_BYTES), &k, &got);
    CHECK(status == ACCORD_OK || status == ACCORD_E_FORMAT);
    for (size_t i = 0; status == ACCORD_OK && i < got.count; i++)
        CHECK(peer_told_next(&got.told, &t));
    free(m);
}

TEST(peer_ask_of_numbers_that_cannot_be_is_no_ask)
{
    static const struct {
        uint64_t first, newest;
        bool good;
    } cases[] = {{0, 0, false}, {1, 0, true}, {2, 0, false}, {3, 2, true}, {4, 2, false}};
    struct peer_key k = key_of('k');
    uint8_t bytes[PEER_ASK_HEAD_BYTES_MAX + PEER_SEAL_BYTES];
    struct peer_ask got;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct peer_ask a = {.kind = PEER_TELL,
                             .from = bytes_of_text("a:1"),
                             .incarnation = {1, 1},
                             .first = cases[i].first,
                             .newest = cases[i].newest};
        size_t head = peer_ask_begin(&a, bytes);
        size_t size = peer_ask_end(bytes, head, head, 0, &k);
        CHECK(peer_ask_decode(bytes_of(bytes, size), &k, &got) ==
              (cases[i].good ? ACCORD_OK : ACCORD_E_FORMAT));
    }
}

TEST(peer_ask_tells_no_more_than_was_published)
{
    uint8_t record[CHANGE_RECORD_BYTES_MAX], bytes[4096];
    struct peer_key k = key_of('k');
    struct peer_told told = {0};
    struct peer_ask got;
    uint64_t seed = 1;

    told.record = bytes_of(record, record_of(&seed, record));
    for (uint64_t newest = 4; newest <= 6; newest++) {
        struct peer_ask a = {.kind = PEER_TELL,
                             .from = bytes_of_text("a:1"),
                             .incarnation = {1, 1},
                             .first = 5,
                             .newest = newest};
        size_t head = peer_ask_begin(&a, bytes), size = head;
        size += peer_told_put(&told, bytes + size);
        size = peer_ask_end(bytes, head, size, 1, &k);
        CHECK(peer_ask_decode(bytes_of(bytes, size), &k, &got) ==
              (newest >= 5 ? ACCORD_OK : ACCORD_E_FORMAT));
    }
}

TEST_SEEDS(peer_answer_comes_out_as_it_went_in_and_changed_is_none, 100)
{
    struct peer_key k = key_of('k');
    uint8_t set[PEER_SET_BYTES_MAX], bytes[PEER_ANSWER_BYTES_MAX];
    struct peer_answer a = {.verdict = (enum peer_verdict)(1 + test_random(rng, 3)),
                            .met = test_random(rng, 2),
                            .incarnation = {1, test_random(rng, 99)},
                            .to = {2, test_random(rng, 99)},
                            .number = test_random(rng, UINT64_MAX),
                            .hash = test_random(rng, UINT64_MAX),
                            .arrived = test_random(rng, UINT64_MAX),
                            .newest = test_random(rng, UINT64_MAX),
                            .why = bytes_of_text(test_random(rng, 2) ? "" : "not you")},
                       got = {.number = 77};

    make_set(rng, set, &a.set);
    size_t size = peer_answer_encode(&a, &k, bytes);
    struct bytes whole = bytes_of(bytes, size);
    for (unsigned i = 0; i < 100; i++) {
        size_t at = test_random(rng, size);
        bytes[at] ^= 1;
        CHECK(peer_answer_decode(whole, &k, &got) != ACCORD_OK);
        bytes[at] ^= 1;
        CHECK(peer_answer_decode(bytes_of(bytes, at), &k, &got) != ACCORD_OK);
    }
    CHECK(got.number == 77);
    CHECK(peer_answer_decode(whole, &k, &got) == ACCORD_OK);
    CHECK(got.verdict == a.verdict && got.met == a.met && got.number == a.number);
    CHECK(id128_equal(got.incarnation, a.incarnation) && id128_equal(got.to, a.to));
    CHECK(got.hash == a.hash && got.arrived == a.arrived && got.newest == a.newest);
    CHECK(bytes_equal(got.set, a.set) && bytes_equal(got.why, a.why));
}

TEST(peer_key_needs_a_file_of_enough_bytes)
{
    static const uint8_t file[PEER_KEY_BYTES_MAX + 1];
    struct peer_key k = {.is_secret = true};

    CHECK(peer_key_init(&k, bytes_of(file, PEER_KEY_BYTES_MIN - 1)) == ACCORD_E_SIZE);
    CHECK(peer_key_init(&k, bytes_of(file, sizeof file)) == ACCORD_E_SIZE);
    CHECK(k.is_secret && k.secret[0] == 0); /* untouched */
    CHECK(peer_key_init(&k, bytes_of(file, PEER_KEY_BYTES_MAX)) == ACCORD_OK);
    peer_key_wipe(&k);
    for (size_t i = 0; i < sizeof k.secret; i++)
        CHECK(k.secret[i] == 0);
}
