/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/replay.h"
#include "test.h"

static struct replay r;

static struct change numbered(uint64_t who, uint64_t sequence)
{
    return (struct change){.op = CHANGE_BEAT,
                           .incarnation = {who, 1},
                           .sequence = sequence,
                           .message = {sequence, who}};
}

static enum trust judge(uint64_t position, struct change c, uint64_t read_to)
{
    return replay_judge(&r, position, &c, read_to);
}

TEST(replay_refuses_a_number_that_came_before)
{
    replay_begin(&r, 10, 20);
    CHECK(judge(21, numbered(1, 5), 20) == TRUST_FULL);
    CHECK(judge(22, numbered(1, 6), 20) == TRUST_FULL);
    CHECK(judge(23, numbered(1, 6), 20) == TRUST_REPLAYED);
    CHECK(judge(24, numbered(1, 2), 20) == TRUST_REPLAYED);
    CHECK(judge(25, numbered(2, 2), 20) == TRUST_FULL);
    CHECK(judge(26, numbered(1, 9), 20) == TRUST_FULL); /* a hole is not its affair */
}

TEST(replay_judges_what_is_read_again_as_before)
{
    replay_begin(&r, 0, 0);
    CHECK(judge(1, numbered(1, 1), 0) == TRUST_FULL);
    CHECK(judge(2, numbered(1, 2), 0) == TRUST_FULL);
    CHECK(judge(3, numbered(1, 1), 0) == TRUST_REPLAYED);
    CHECK(judge(1, numbered(1, 1), 0) == TRUST_FULL);
    CHECK(judge(2, numbered(1, 2), 0) == TRUST_FULL);
    CHECK(judge(3, numbered(1, 1), 0) == TRUST_REPLAYED);
    CHECK(judge(4, numbered(1, 3), 0) == TRUST_FULL);
}

TEST(replay_refuses_an_unknown_writer_who_had_not_read_what_is_remembered)
{
    replay_begin(&r, 100, 120);
    CHECK(judge(110, numbered(1, 7), 50) == TRUST_FULL); /* it was there when reading began */
    CHECK(judge(121, numbered(2, 7), 99) == TRUST_LATE);
    CHECK(judge(122, numbered(3, 7), 100) == TRUST_FULL);
    CHECK(judge(123, numbered(1, 8), 50) == TRUST_FULL); /* known: its number tells */
    CHECK(judge(121, numbered(2, 7), 99) == TRUST_LATE);
}

TEST(replay_knows_changes_without_a_number_by_their_message)
{
    struct change c = {.op = CHANGE_REMOVE, .incarnation = {1, 1}, .message = {5, 5}};

    replay_begin(&r, 0, 0);
    CHECK(judge(1, c, 0) == TRUST_FULL);
    CHECK(judge(2, c, 0) == TRUST_REPLAYED);
    c.message.low = 6;
    CHECK(judge(3, c, 0) == TRUST_FULL);
}

/* What makes room takes the floor with it: so a copy of it is still refused. */
TEST(replay_refuses_copies_of_what_it_has_forgotten)
{
    struct change c = {.op = CHANGE_REMOVE, .incarnation = {1, 1}};
    uint64_t position = 0;

    replay_begin(&r, 0, 0);
    for (uint64_t i = 1; i <= REPLAY_WRITERS_MAX + 10; i++, position++)
        CHECK(judge(position + 1, numbered(i, 1), position) == TRUST_FULL);
    position++;
    CHECK(judge(position, numbered(1, 1), 0) == TRUST_LATE);
    position++;
    CHECK(judge(position, numbered(1, 2), position - 1) == TRUST_FULL); /* it lives */
    for (uint64_t i = 1; i <= REPLAY_MESSAGES_MAX + 10; i++) {
        c.message.low = i;
        position++;
        CHECK(judge(position, c, position - 1) == TRUST_FULL);
    }
    c.message.low = 1;
    CHECK(judge(position + 1, c, 1) == TRUST_LATE);
}

TEST(replay_begins_anew_with_another_log)
{
    replay_begin(&r, 0, 0);
    CHECK(judge(1, numbered(1, 5), 0) == TRUST_FULL);
    replay_begin(&r, 0, 3);
    CHECK(judge(1, numbered(1, 4), 0) == TRUST_FULL);
}
