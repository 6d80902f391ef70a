/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/record.h"

#include "bus/nats/link.h"

#include <stdio.h>

#include "test.h"

static uint8_t payload[4096];

static struct nats_message message_of(struct bytes bytes, const char *verb)
{
    return (struct nats_message){
        .sequence = 5, .verb = verb, .payload = bytes, .wall_ms = 9, .log = {3, 4}};
}

static size_t write_three(void)
{
    struct change c[3];
    size_t bytes = 0;

    for (size_t i = 0; i < COUNT_OF(c); i++)
        c[i] = (struct change){
            .op = CHANGE_REMOVE, .key = bytes_of_text("greeble:43"), .message = {i + 1, 7}};
    CHECK(nats_payload_write(c, COUNT_OF(c), payload, sizeof payload, &bytes) == ACCORD_OK);
    return bytes;
}

/* What the entries of a message are: their ops, as digits. */
static const char *ops_of(const struct nats_message *m)
{
    static char ops[16];
    size_t offset = 0, n = 0;
    struct entry e;

    for (; nats_message_next(m, &offset, n, &e); n++) {
        CHECK(e.position == nats_position(m->sequence, n));
        CHECK(!id128_is_none(e.change.message));
        ops[n] = (char)('0' + e.change.op);
    }
    ops[n] = '\0';
    return ops;
}

TEST(nats_message_is_its_records_in_order)
{
    struct nats_message m = message_of(bytes_of(payload, write_three()), NULL);
    struct id128 last;

    CHECK(strcmp(ops_of(&m), "111") == 0);
    CHECK(nats_message_last(&m, &last) == 2 && last.high == 3);
    CHECK(nats_message_id(&m, 1).high == 2);
    CHECK(id128_is_none(nats_message_id(&m, 3)));
    CHECK(nats_sequence_of(nats_position(5, 2)) == 5 &&
          nats_place_of(nats_position(5, 2)) == 2);
}

TEST(nats_message_that_is_torn_clears_from_there_on)
{
    size_t bytes = write_three(), one = bytes / 3;
    struct nats_message m = message_of(bytes_of(payload, bytes - 1), NULL);

    CHECK(strcmp(ops_of(&m), "115") == 0);
    m = message_of(bytes_of(payload, 3), NULL);
    CHECK(strcmp(ops_of(&m), "5") == 0);
    m = message_of(bytes_of(NULL, 0), NULL);
    CHECK(strcmp(ops_of(&m), "5") == 0);
    write_three();
    payload[one + 4] = 99; /* of a later format: its scope is known */
    m = message_of(bytes_of(payload, bytes), NULL);
    CHECK(strcmp(ops_of(&m), "141") == 0);
    write_three();
    payload[one] = 'x';
    m = message_of(bytes_of(payload, bytes), NULL);
    CHECK(strcmp(ops_of(&m), "151") == 0);
    memset(payload + one + 12, 0xff, 4); /* its length is nonsense */
    CHECK(strcmp(ops_of(&m), "15") == 0);
}

TEST(nats_message_of_a_person_is_one_change)
{
    struct nats_message m = message_of(bytes_of_text("greeble:43"), "remove");
    struct id128 first = nats_message_id(&m, 0);

    CHECK(strcmp(ops_of(&m), "1") == 0);
    m.verb = "clear";
    CHECK(strcmp(ops_of(&m), "5") == 0);
    m.verb = "join"; /* people are no members */
    CHECK(strcmp(ops_of(&m), "5") == 0);
    m.verb = "nosuch";
    CHECK(strcmp(ops_of(&m), "5") == 0);
    m.verb = "tag";
    m.sequence = 6;
    CHECK(strcmp(ops_of(&m), "2") == 0);
    CHECK(!id128_equal(nats_message_id(&m, 0), first));
    m.payload = bytes_of(NULL, 0);
    CHECK(strcmp(ops_of(&m), "5") == 0);
}

/* As change_stand_in() says: with its own name, so that nodes of two versions agree. */
TEST(nats_message_of_a_later_version_keeps_its_id)
{
    size_t one = write_three() / 3;
    struct nats_message m = message_of(bytes_of(payload, 3 * one), NULL);

    payload[one + 4] = 99;
    CHECK(strcmp(ops_of(&m), "141") == 0);
    CHECK(id128_equal(nats_message_id(&m, 1), (struct id128){2, 7}));
    payload[one + 7] = 0x80; /* may be ignored */
    CHECK(strcmp(ops_of(&m), "181") == 0);
    CHECK(id128_equal(nats_message_id(&m, 1), (struct id128){2, 7}));
}

TEST(nats_message_passes_over_poison_by_its_place)
{
    struct nats_message m = message_of(bytes_of(payload, write_three()), NULL);
    const struct cursor list = {.log = m.log, .epoch = 9, .position = nats_position(5, 1)};
    struct hand_place place = {.position = 77};
    struct hand hand = {&place, &list, 1};

    hand_attach(&hand, m.log, 9);
    m.hand = &hand;
    CHECK(strcmp(ops_of(&m), "151") == 0);
    CHECK(id128_equal(nats_message_id(&m, 1), (struct id128){2, 7}));
    CHECK(place.position == 0);
    payload[m.payload.size_bytes / 3 + 4] = 99; /* whatever it is */
    CHECK(strcmp(ops_of(&m), "151") == 0);
    CHECK(id128_equal(nats_message_id(&m, 1), (struct id128){2, 7}));
    m.sequence = 6;
    CHECK(strcmp(ops_of(&m), "141") == 0);
}

TEST(nats_payload_has_a_bound)
{
    struct change c = {
        .op = CHANGE_REMOVE, .key = bytes_of_text("greeble:43"), .message = {1, 7}};
    size_t bytes = 7;

    CHECK(nats_payload_write(&c, 1, payload, 20, &bytes) == ACCORD_E_SIZE);
    CHECK(bytes == 7);
}

TEST(nats_parts_name_those_before_them)
{
    const uint64_t others[] = {7, UINT64_MAX};
    struct nats_part p;

    size_t head = nats_part_head(payload, 1, 3, others);
    CHECK(head == NATS_PART_HEAD_BYTES);
    CHECK(nats_part_parse(bytes_of(payload, head + 5), &p));
    CHECK(p.index == 1 && p.count == 3 && !p.others && p.piece.size_bytes == 5);
    head = nats_part_head(payload, 2, 3, others);
    CHECK(head == NATS_PART_HEAD_BYTES + 16);
    CHECK(nats_part_parse(bytes_of(payload, head), &p) && p.others);
    CHECK(nats_part_other(&p, 0) == 7 && nats_part_other(&p, 1) == UINT64_MAX);
    CHECK(!nats_part_parse(bytes_of(payload, head - 1), &p));
    payload[8] = 3; /* the fourth of three */
    CHECK(!nats_part_parse(bytes_of(payload, head), &p));
    nats_part_head(payload, 0, 1, others); /* one part is none */
    CHECK(!nats_part_parse(bytes_of(payload, head), &p));
    CHECK(!nats_part_parse(bytes_of_text("greeble:43 and more"), &p));
}

TEST(nats_meta_comes_back_and_nothing_else_is_one)
{
    static const char *const others[] = {
        "",
        "orders",
        "Accord log 1",
        "Accord log 2 id=0 epoch=0 max_stale=3000ms before=3000ms",
        "Accord log 1 id=00000000000000000000000000000000 epoch=1 max_stale=3000ms "
        "before=3000ms set_at=0",
        "Accord log 1 id=00000000000000010000000000000000 epoch=1 max_stale=1ms "
        "before=3000ms set_at=0",
        "Accord log 1 id=00000000000000010000000000000000 epoch=1 max_stale=3000ms "
        "before=2000ms set_at=0",
        "Accord log 1 id=00000000000000010000000000000000 epoch=1 max_stale=3000ms "
        "before=3000ms set_at=0 more"};
    struct nats_meta m = {{1, UINT64_MAX}, 77, 3000, 9000, UINT64_MAX}, back = {0};
    char text[NATS_META_BYTES_MAX];

    nats_meta_print(&m, text);
    CHECK(nats_meta_parse(text, &back));
    CHECK(id128_equal(back.log, m.log) && back.epoch == 77 && back.max_stale_ms == 3000);
    CHECK(back.max_stale_before_ms == 9000 && back.set_at == UINT64_MAX);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        CHECK(!nats_meta_parse(others[i], &back));
}

TEST(nats_versions_are_compared_by_number)
{
    CHECK(nats_version_is_at_least("2.10.23", 2, 10, 23));
    CHECK(nats_version_is_at_least("2.12.0-RC.1", 2, 10, 23));
    CHECK(nats_version_is_at_least("3.0", 2, 10, 23));
    CHECK(!nats_version_is_at_least("2.10.22", 2, 10, 23));
    CHECK(!nats_version_is_at_least("2.9.25", 2, 10, 23));
    CHECK(!nats_version_is_at_least("1.99.99", 2, 10, 23));
    CHECK(!nats_version_is_at_least("", 2, 10, 23));
}
