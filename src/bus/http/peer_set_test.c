/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_set.h"

#include <stdio.h>

#include "base/limits.h"
#include "test.h"

static const struct id128 first_life = {7, 1}, second_life = {7, 2}, nobody = {0, 0};

static struct peer_set set_of(const char *a, const char *b)
{
    struct peer_set s;

    peer_set_init(&s, 3000);
    CHECK(peer_set_join(&s, a) == ACCORD_OK);
    CHECK(peer_set_join(&s, b) == ACCORD_OK);
    return s;
}

static bool merged(struct peer_set *s, const struct peer_set *other)
{
    bool changed = false;

    CHECK(peer_set_merge(s, other, &changed) == ACCORD_OK);
    return changed;
}

TEST(peer_set_counts_who_is_in_and_who_left_and_came_again)
{
    struct peer_set s = set_of("web2:7001", "web1:7001");

    CHECK(peer_set_in_count(&s) == 2);
    CHECK(strcmp(s.members[0].address, "web1:7001") == 0); /* sorted */
    CHECK(peer_set_join(&s, "web1:7001") == ACCORD_OK);
    CHECK(peer_set_find(&s, "web1:7001")->counter == 1);
    peer_set_leave(&s, "web1:7001", first_life, 42);
    CHECK(!peer_set_has(&s, "web1:7001"));
    CHECK(peer_set_find(&s, "web1:7001")->last == 42);
    peer_set_leave(&s, "web1:7001", nobody, 0); /* it is out */
    CHECK(peer_set_find(&s, "web1:7001")->last == 42);
    CHECK(peer_set_join(&s, "web1:7001") == ACCORD_OK);
    CHECK(peer_set_find(&s, "web1:7001")->counter == 3);
    CHECK(id128_is_none(peer_set_find(&s, "web1:7001")->incarnation));
    peer_set_leave(&s, "web9:7001", first_life, 1); /* nobody knows it */
    CHECK(!peer_set_find(&s, "web9:7001"));
    CHECK(peer_set_in_count(&s) == 2);
}

TEST(peer_set_counts_each_incarnation_that_enters)
{
    struct peer_set s = set_of("a:1", "b:1"), listed = s;

    CHECK(peer_set_enter(&s, "a:1", first_life) == ACCORD_OK);
    CHECK(peer_set_find(&s, "a:1")->counter == 1); /* it is the one that was listed */
    CHECK(!merged(&s, &listed) && merged(&listed, &s));
    CHECK(id128_equal(peer_set_find(&listed, "a:1")->incarnation, first_life));
    CHECK(peer_set_enter(&s, "a:1", first_life) == ACCORD_OK);
    CHECK(!merged(&s, &listed));
    CHECK(peer_set_enter(&s, "a:1", second_life) == ACCORD_OK);
    CHECK(peer_set_find(&s, "a:1")->counter == 3);
    CHECK(merged(&listed, &s) && peer_set_hash(&listed) == peer_set_hash(&s));
    peer_set_leave(&s, "a:1", second_life, 9);
    CHECK(peer_set_enter(&s, "a:1", first_life) == ACCORD_OK);
    CHECK(peer_set_find(&s, "a:1")->counter == 5 && peer_set_find(&s, "a:1")->last == 0);
}

TEST(peer_set_keeps_what_a_command_said_over_what_a_leaver_said)
{
    struct peer_set left = set_of("a:1", "b:1"), forgot = left, other = left;

    peer_set_leave(&left, "a:1", first_life, 42);
    peer_set_leave(&other, "a:1", second_life, 7);
    peer_set_leave(&forgot, "a:1", nobody, 0);
    struct peer_set s = left;
    CHECK(merged(&s, &forgot));
    CHECK(id128_is_none(peer_set_find(&s, "a:1")->incarnation));
    CHECK(!merged(&s, &left));
    CHECK(peer_set_hash(&s) == peer_set_hash(&forgot));
    s = left;
    CHECK(merged(&s, &other) && !merged(&other, &left));
    CHECK(peer_set_hash(&s) == peer_set_hash(&other));
}

TEST(peer_set_takes_the_later_max_stale_and_of_wishes_the_larger)
{
    struct peer_set a = set_of("a:1", "b:1"), b = a;

    b.max_stale_ms = b.max_stale_before_ms = 5000;
    CHECK(merged(&a, &b) && a.max_stale_ms == 5000 && a.max_stale_times == 0);
    peer_set_max_stale(&a, 1000, 5000);
    CHECK(!merged(&a, &b) && merged(&b, &a));
    CHECK(b.max_stale_ms == 1000 && b.max_stale_before_ms == 5000 && b.max_stale_times == 1);
    CHECK(peer_set_hash(&a) == peer_set_hash(&b));
}

TEST(peer_set_refuses_what_is_too_many_and_changes_nothing)
{
    struct peer_set s, other = set_of("x:1", "y:1");
    char address[PEER_ADDRESS_BYTES_MAX + 1];
    bool changed;

    peer_set_init(&s, 3000);
    for (unsigned i = 0; i < PEERS_MAX - 1; i++) {
        snprintf(address, sizeof address, "web%u:7001", i);
        CHECK(peer_set_join(&s, address) == ACCORD_OK);
    }
    uint64_t hash = peer_set_hash(&s);
    CHECK(peer_set_merge(&s, &other, &changed) == ACCORD_E_FULL);
    CHECK(peer_set_hash(&s) == hash);
    CHECK(peer_set_join(&s, "x:1") == ACCORD_OK);
    CHECK(peer_set_join(&s, "y:1") == ACCORD_E_FULL);
    CHECK(peer_set_join(&s, "x:1") == ACCORD_OK); /* it has its place */
    uint8_t bytes[PEER_SET_BYTES_MAX];
    struct peer_set back;
    CHECK(peer_set_decode(bytes_of(bytes, peer_set_encode(&s, bytes)), &back) == ACCORD_OK);
    CHECK(peer_set_hash(&back) == peer_set_hash(&s));
}

TEST(peer_address_is_a_host_and_a_port)
{
    static const char *const good[] = {"web1:7001", "127.0.0.1:1", "[::1]:65535", "a:0"};
    static const char *const bad[] = {"",           "web1",  "web1:",       ":7001",   "web1:x",
                                      "web 1:7001", "a/b:1", "web1:123456", "w\x7f:1", "7001"};

    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK(peer_address_is_valid(bytes_of_text(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(!peer_address_is_valid(bytes_of_text(bad[i])));
}

static void something(struct peer_set *s, uint64_t *rng)
{
    char address[16];

    snprintf(address, sizeof address, "web%u:1", (unsigned)test_random(rng, 6));
    switch (test_random(rng, 5)) {
    case 0:
        peer_set_leave(s, address, (struct id128){1, test_random(rng, 3)}, test_random(rng, 3));
        break;
    case 1:
        peer_set_max_stale(s, 500 + test_random(rng, 3), 500 + test_random(rng, 3));
        break;
    case 2:
        CHECK(peer_set_enter(s, address, (struct id128){1, test_random(rng, 3)}) == ACCORD_OK);
        break;
    default:
        CHECK(peer_set_join(s, address) == ACCORD_OK);
    }
}

/* Whoever hears what first, and how often: in the end all have the same set. */
TEST_SEEDS(peer_set_is_the_same_whoever_heard_what_first, 200)
{
    struct peer_set s[3], back;
    uint8_t bytes[PEER_SET_BYTES_MAX];

    for (size_t i = 0; i < COUNT_OF(s); i++)
        peer_set_init(&s[i], 3000);
    for (unsigned n = 0; n < 30; n++) {
        struct peer_set *to = &s[test_random(rng, COUNT_OF(s))];
        if (test_random(rng, 2)) {
            something(to, rng);
            continue;
        }
        struct peer_set *from = &s[test_random(rng, COUNT_OF(s))];
        struct bytes b = bytes_of(bytes, peer_set_encode(from, bytes));
        CHECK(peer_set_decode(b, &back) == ACCORD_OK);
        CHECK(peer_set_hash(&back) == peer_set_hash(from));
        uint64_t before = peer_set_hash(to);
        CHECK(merged(to, &back) == (peer_set_hash(to) != before));
        CHECK(!merged(to, &back));
    }
    struct peer_set one = s[0], other = s[2];
    merged(&one, &s[1]);
    merged(&one, &s[2]);
    merged(&other, &s[1]);
    merged(&other, &s[0]);
    CHECK(peer_set_hash(&one) == peer_set_hash(&other));
    CHECK(!merged(&one, &other) && !merged(&other, &one));
}

TEST_SEEDS(peer_set_that_was_damaged_is_none_or_another_valid_one, 50)
{
    struct peer_set s = set_of("web1:7001", "[::1]:7002"), out;
    uint8_t bytes[PEER_SET_BYTES_MAX], again[PEER_SET_BYTES_MAX];

    peer_set_leave(&s, "web1:7001", first_life, 42);
    size_t size = peer_set_encode(&s, bytes);
    for (size_t cut = 0; cut < size; cut++)
        CHECK(peer_set_decode(bytes_of(bytes, cut), &out) == ACCORD_E_FORMAT);
    for (unsigned n = 0; n < 3; n++)
        bytes[test_random(rng, size)] ^= (uint8_t)(1 + test_random(rng, 255));
    if (peer_set_decode(bytes_of(bytes, size), &out) == ACCORD_OK) {
        CHECK(peer_set_encode(&out, again) == size);
        CHECK(memcmp(again, bytes, size) == 0);
    }
}
