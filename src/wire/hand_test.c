/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/hand.h"

#include "test.h"

TEST(hand_notes_the_position_until_another_log_is_attached)
{
    struct hand_place place = {.position = 99};
    struct hand h = {.place = &place};
    struct id128 log = {1, 2};

    hand_attach(&h, log, 7);
    CHECK(place.position == 0);
    CHECK(id128_equal(place.log, log) && place.epoch == 7);
    CHECK(place.check == hand_check(log, 7));
    CHECK(place.check != hand_check(log, 8));
    CHECK(place.check != hand_check((struct id128){2, 1}, 7));
    hand_take(&h, 12);
    CHECK(place.position == 12);
    hand_take(&h, 0);
    CHECK(place.position == 0);
}

TEST(hand_without_a_place_notes_nothing)
{
    struct hand h = {0};

    hand_attach(&h, (struct id128){1, 2}, 7);
    hand_take(&h, 12);
    CHECK(hand_poison(&h, (struct id128){1, 2}, 7, 12) == -1);
}

TEST(hand_knows_a_poisoned_entry_by_log_epoch_and_position)
{
    const struct cursor list[] = {{.log = {1, 2}, .epoch = 7, .position = 12},
                                  {.log = {1, 2}, .epoch = 7, .position = 20}};
    struct hand_place place = {.position = 0};
    struct hand h = {.poison = list, .poison_count = 2};

    CHECK(hand_poison(&h, (struct id128){1, 2}, 7, 12) == 0);
    CHECK(hand_poison(&h, (struct id128){1, 2}, 7, 20) == 1);
    CHECK(hand_poison(&h, (struct id128){1, 2}, 7, 13) == -1);
    CHECK(hand_poison(&h, (struct id128){1, 2}, 8, 12) == -1);
    CHECK(hand_poison(&h, (struct id128){1, 3}, 7, 12) == -1);
    CHECK(!hand_skips(&h, 12)); /* of which log? */
    h.place = &place;
    hand_attach(&h, (struct id128){1, 2}, 7);
    CHECK(hand_skips(&h, 12) && hand_skips(&h, 20) && !hand_skips(&h, 13));
    hand_attach(&h, (struct id128){1, 2}, 8);
    CHECK(!hand_skips(&h, 12));
}

TEST(hand_gives_a_skipped_entry_the_widest_meaning_and_its_name)
{
    struct entry e = hand_skipped(12, (struct id128){3, 4});

    CHECK(e.position == 12);
    CHECK(e.change.op == CHANGE_CLEAR && !e.change.soft);
    CHECK(id128_equal(e.change.message, (struct id128){3, 4}));
    CHECK(e.change.origin.size_bytes == 0);
    CHECK(!change_problem(&e.change));
}
