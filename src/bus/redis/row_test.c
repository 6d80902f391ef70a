/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/row.h"

#include <stdio.h>
#include <stdlib.h>

#include "test.h"

/* An entry as a server would answer it, from its protocol. */
static redisReply *entry_of(const char *id, const char *const *fields, size_t count)
{
    redisReader *reader = redisReaderCreate();
    char text[2048];
    void *reply = NULL;
    int used =
        snprintf(text, sizeof text, "*2\r\n$%zu\r\n%s\r\n*%zu\r\n", strlen(id), id, count);

    for (size_t i = 0; i < count; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "$%zu\r\n%s\r\n",
                         strlen(fields[i]), fields[i]);
    CHECK(redisReaderFeed(reader, text, (size_t)used) == REDIS_OK);
    CHECK(redisReaderGetReply(reader, &reply) == REDIS_OK && reply);
    redisReaderFree(reader);
    return reply;
}

static struct change change_of(const char *const *fields, size_t count)
{
    redisReply *reply = entry_of("5-1", fields, count);
    struct entry e;

    CHECK(redis_row_read(reply, &e));
    CHECK(e.position == (5u << REDIS_SEQUENCE_BITS | 1));
    freeReplyObject(reply);
    e.change.key.data = NULL; /* it went with the reply */
    return e.change;
}
#define CHANGE_OF(...)                                                                         \
    change_of((const char *const[]){__VA_ARGS__},                                              \
              COUNT_OF(((const char *const[]){__VA_ARGS__})))

TEST_SEEDS(redis_ids_are_positions_and_come_back, 50)
{
    uint64_t position = test_random(rng, 1ull << 63), back = 0;
    char text[REDIS_ID_BYTES_MAX];

    redis_id_print(position, text);
    CHECK(redis_id_parse(bytes_of_text(text), &back) && back == position);
}

TEST(redis_ids_that_are_no_position_are_refused)
{
    static const char *const wrong[] = {
        "",    "-",   "5",    "5-",   "-5",    "5-1048576", "8796093022208-0",
        "a-1", "5-x", "5--1", "+5-1", "5-1-1", " 5-1",      "18446744073709551616-0"};
    uint64_t position = 7;

    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(!redis_id_parse(bytes_of_text(wrong[i]), &position) && position == 7);
    CHECK(redis_id_parse(bytes_of_text("8796093022207-1048575"), &position));
    CHECK(position == INT64_MAX);
}

TEST(redis_row_of_a_key_alone_removes_it)
{
    struct change c = CHANGE_OF("key", "greeble:43");

    CHECK(c.op == CHANGE_REMOVE && c.key.size_bytes == 10 && c.origin.size_bytes == 0);
    CHECK(!id128_is_none(c.message));
    struct change again = CHANGE_OF("key", "greeble:43"),
                  other = CHANGE_OF("key", "greeble:44");
    CHECK(id128_equal(c.message, again.message) && !id128_equal(c.message, other.message));
    c = CHANGE_OF("comment", "by hand", "key", "x");
    CHECK(c.op == CHANGE_REMOVE && c.key.size_bytes == 1);
}

TEST(redis_row_that_means_nothing_certain_clears)
{
    CHECK(CHANGE_OF("kye", "x").op == CHANGE_CLEAR);
    CHECK(CHANGE_OF("tag", "red").op == CHANGE_CLEAR);
    CHECK(CHANGE_OF("key", "a", "key", "b").op == CHANGE_CLEAR);
    CHECK(CHANGE_OF("op", "remove", "op", "tag", "key", "b").op == CHANGE_CLEAR);
    CHECK(CHANGE_OF("op", "", "key", "b").op == CHANGE_CLEAR);
    struct change c =
        CHANGE_OF("key", "k", "version", "-1", "fingerprint", "1e3", "soft", "yes");
    CHECK(c.op == CHANGE_REMOVE && !c.has_version && !c.has_fingerprint && !c.soft);
    c = CHANGE_OF("key", "k", "version", "18446744073709551615", "soft", "1");
    CHECK(c.has_version && c.version == UINT64_MAX && c.soft);
    CHECK(!CHANGE_OF("key", "k", "version", "18446744073709551616").has_version);
}

TEST(redis_row_of_a_later_version_stands_for_the_wider_removal)
{
    struct change c =
        CHANGE_OF("op", "must-shrink", "key", "user:7", "origin", "web1", "sequence", "9");

    CHECK(c.op == CHANGE_NAMESPACE && c.key.size_bytes == 4);
    CHECK(c.origin.size_bytes == 4 && c.sequence == 9);
    CHECK(CHANGE_OF("op", "must-shrink", "key", "user").op == CHANGE_CLEAR);
    CHECK(CHANGE_OF("op", "must-shrink").op == CHANGE_CLEAR);
    c = CHANGE_OF("op", "may-hum", "key", "user:7", "origin", "web1", "sequence", "9");
    CHECK(c.op == CHANGE_BEAT && c.sequence == 9);
    CHECK(CHANGE_OF("op", "shrink", "key", "user:7").op == CHANGE_CLEAR);
}

TEST(redis_row_says_what_it_follows)
{
    static const char *const fields[] = {"after", "5-1@00000000000000ff", "key", "k"};
    redisReply *reply = entry_of("5-2", fields, 4);

    CHECK(redis_row_follows(reply, 5u << REDIS_SEQUENCE_BITS | 1, 0xff));
    CHECK(!redis_row_follows(reply, 5u << REDIS_SEQUENCE_BITS | 2, 0xff));
    CHECK(!redis_row_follows(reply, 5u << REDIS_SEQUENCE_BITS | 1, 0xfe));
    freeReplyObject(reply);
}

TEST(redis_row_never_needs_more_words_or_text_than_there_is_room_for)
{
    static uint8_t bytes[KEY_BYTES_MAX];
    struct redis_words w;
    struct change c = {.op = CHANGE_NAMESPACE,
                       .soft = true,
                       .has_version = true,
                       .version = UINT64_MAX,
                       .has_fingerprint = true,
                       .fingerprint = UINT64_MAX,
                       .key = bytes_of(bytes, sizeof bytes),
                       .message = {UINT64_MAX, UINT64_MAX},
                       .wall_ms = UINT64_MAX,
                       .origin = bytes_of(bytes, NODE_NAME_BYTES_MAX),
                       .incarnation = {UINT64_MAX, UINT64_MAX},
                       .sequence = UINT64_MAX,
                       .nonce = UINT64_MAX,
                       .applied = UINT64_MAX,
                       .applied_hash = UINT64_MAX,
                       .lease_epoch = UINT64_MAX,
                       .about = bytes_of(bytes, CHANGE_ABOUT_BYTES_MAX)};

    CHECK(redis_words_init(&w, 1 + REDIS_ROW_WORDS_MAX + 1, REDIS_ROW_TEXT_BYTES) == ACCORD_OK);
    redis_row_write(&w, &c);
    CHECK(w.count == 31 && w.sizes[0] == 2 && memcmp(w.words[0], "30", 2) == 0);
    CHECK(strncmp(w.words[1], "message", 7) == 0 && w.sizes[2] == 32);
    redis_words_done(&w);
}
