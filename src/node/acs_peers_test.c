/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What is told, and what becomes of keys that wait; test/system/acs.py has servers that take
 * them. */
#include "node/acs_peers.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

static struct bytes first_of(const struct acs_queue *q)
{
    static uint8_t key[KEY_BYTES_MAX];

    return bytes_of(key, acs_queue_first(q, key));
}

TEST(a_queue_gives_keys_in_their_order_and_forgets_its_oldest_when_full)
{
    struct acs_queue *q = calloc(1, sizeof *q);
    uint64_t next = 0, added = 0;
    static uint8_t key[KEY_BYTES_MAX];

    CHECK(q);
    CHECK(first_of(q).size_bytes == 0);
    for (unsigned turn = 0; turn < 200000; turn++) {
        if (test_random(rng, 3) > 0) {
            size_t bytes = 8 + test_random(rng, turn % 100 == 0 ? KEY_BYTES_MAX - 7 : 30);
            memset(key, 'k', bytes);
            memcpy(key, &added, sizeof added);
            acs_queue_add(q, bytes_of(key, bytes));
            added++;
        }
        next = u64_max(next, added - q->count); /* those before were forgotten */
        CHECK(q->used <= ACS_QUEUE_BYTES);
        CHECK(q->forgotten <= next);
        if (q->count == 0 || test_random(rng, 3) > 0)
            continue;
        struct bytes got = first_of(q);
        uint64_t number;
        memcpy(&number, got.data, sizeof number);
        CHECK(number == next);
        for (size_t i = sizeof number; i < got.size_bytes; i++)
            CHECK(got.data[i] == 'k');
        acs_queue_drop(q);
        next++;
    }
    CHECK(q->forgotten > 0);
    while (q->count > 0)
        acs_queue_drop(q);
    CHECK(q->used == 0);
    free(q);
}

TEST(a_queue_takes_the_largest_key_and_any_bytes)
{
    struct acs_queue *q = calloc(1, sizeof *q);
    static uint8_t key[KEY_BYTES_MAX];

    CHECK(q);
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)test_random(rng, 256);
    for (unsigned i = 0; i < 100; i++)
        acs_queue_add(q, bytes_of(key, sizeof key));
    CHECK(q->count == ACS_QUEUE_BYTES / (KEY_BYTES_MAX + 4));
    CHECK(q->forgotten == 100 - q->count);
    CHECK(bytes_equal(first_of(q), bytes_of(key, sizeof key)));
    free(q);
}

static struct entry entry_of(enum change_op op, const char *origin)
{
    return (struct entry){.position = 1,
                          .trust = TRUST_FULL,
                          .change = {.op = op,
                                     .key = bytes_of_text("k"),
                                     .message = {1, 2},
                                     .origin = bytes_of_text(origin)}};
}

TEST(what_was_said_here_is_told_and_what_people_wrote_and_nothing_else)
{
    struct entry other = entry_of(CHANGE_REMOVE, "web2"), person = entry_of(CHANGE_REMOVE, "");
    struct entry tag = entry_of(CHANGE_TAG, "web1"), beat = entry_of(CHANGE_BEAT, "web1");
    struct entry here = person, unsigned_one = person, refused = beat;

    CHECK(acs_news_of(&other, /* own= */ true) == ACS_KEY);
    CHECK(acs_news_of(&other, /* own= */ false) == ACS_NO_NEWS); /* web2 tells it */
    CHECK(acs_news_of(&person, false) == ACS_KEY);
    CHECK(acs_news_of(&tag, true) == ACS_WHOLE);
    CHECK(acs_news_of(&tag, false) == ACS_NO_NEWS);
    CHECK(acs_news_of(&beat, true) == ACS_NO_NEWS);
    here.change.message = (struct id128){0, 0}; /* of this host alone: such a server asked */
    CHECK(acs_news_of(&here, false) == ACS_NO_NEWS);
    unsigned_one.trust = TRUST_UNSIGNED; /* unsigned-removals let it pass */
    CHECK(acs_news_of(&unsigned_one, false) == ACS_KEY);
    refused.trust = TRUST_NAKED; /* the core makes a beat of it */
    refused.change.origin = bytes_of(NULL, 0);
    CHECK(acs_news_of(&refused, false) == ACS_NO_NEWS);
}

TEST(a_server_is_an_address_with_a_port)
{
    static const char *const good[] = {"10.0.0.7:8000", "web-1.example.com:80", "[::1]:8000"};
    static const char *const wrong[] = {"",          "web1",          "web1:",     ":80",
                                        "web1:0",    "web1:65536",    "web1:http", "a b:80",
                                        "u@h:80",    "http://h:80",   "h:80/x",    "h:80?x",
                                        "h%41:80",   "h:80#x",        "[::1]",     "h:-1",
                                        "h\r\nX:80", "h:99999999999", "h:80:90:x"};
    char longest[300];

    for (size_t i = 0; i < COUNT_OF(good); i++)
        CHECK(acs_peer_is_valid(good[i]));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(!acs_peer_is_valid(wrong[i]));
    memset(longest, 'a', sizeof longest);
    snprintf(longest + 150, sizeof longest - 150, ":80");
    CHECK(!acs_peer_is_valid(longest));
}

static void ignore(void *context, const char *what, const char *server, const char *why)
{
    (void)context;
    (void)what;
    (void)server;
    (void)why;
}

TEST(keys_wait_for_a_server_that_is_not_there_and_the_loop_does_not)
{
    const char *const servers[] = {"127.0.0.1:1", "127.0.0.1:2"};
    struct entry e = entry_of(CHANGE_REMOVE, "");
    struct acs_peer_counts c;
    struct acs_peers *p = NULL;
    char why[NET_WHY_BYTES_MAX], line[256];
    uv_loop_t loop;

    CHECK(uv_loop_init(&loop) == 0);
    CHECK(acs_peers_new(&p, &loop, servers, 2, ignore, NULL, why) == ACCORD_OK);
    acs_peers_words(p, line, sizeof line);
    CHECK(strcmp(line, "127.0.0.1:1 not yet asked; 127.0.0.1:2 not yet asked") == 0);
    for (unsigned i = 0; i < 100; i++)
        acs_peers_applied(p, &e, false);
    e = entry_of(CHANGE_CLEAR, "");
    acs_peers_applied(p, &e, false);
    do
        acs_peers_count(p, &c);
    while (c.failures < 4); /* both were asked again */
    CHECK(c.waiting == 200);
    CHECK(c.unsaid == 1);
    CHECK(c.told == 0 && c.refused == 0 && c.forgotten == 0);
    acs_peers_words(p, line, sizeof line);
    CHECK(strstr(line, "127.0.0.1:1 does not answer ("));
    CHECK(strstr(line, "), 100 keys wait"));
    for (size_t size = 1; size < sizeof line; size++) {
        memset(line, '#', sizeof line);
        acs_peers_words(p, line, size);
        CHECK(memchr(line, 0, size));
        CHECK(size == sizeof line || line[size] == '#');
    }
    acs_peers_free(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    acs_peers_words(NULL, line, sizeof line);
    CHECK(line[0] == 0);
    acs_peers_applied(NULL, &e, false);
}
