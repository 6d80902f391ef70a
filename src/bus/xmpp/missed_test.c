/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/missed.h"

#include "test.h"

static const struct id128 web1 = {1, 1}, web2 = {1, 2};

TEST(xmpp_missed_beats_are_those_behind_the_last_archived_change)
{
    struct xmpp_voice voice = {.incarnation = web1, .first = 10, .kept = 6};

    CHECK(xmpp_missed_count(&voice, 9) == 0);
    CHECK(xmpp_missed_count(&voice, 7) == 2);
    CHECK(xmpp_missed_count(&voice, 6) == 3);
    CHECK(xmpp_missed_count(&voice, 5) == 0); /* change 6 is missing, and no beat */
    CHECK(xmpp_missed_count(&voice, 0) == 0); /* its sender is not known */
    CHECK(xmpp_missed_count(&voice, 10) == 0);
    CHECK(xmpp_missed_room(&voice, 0) == 3);
    CHECK(xmpp_missed_room(&voice, 8) == 1);
    CHECK(xmpp_missed_room(&voice, 12) == 0);
    voice = (struct xmpp_voice){0}; /* nothing is said */
    CHECK(xmpp_missed_count(&voice, 5) == 0 && xmpp_missed_room(&voice, 0) == 0);
}

TEST(xmpp_missed_beats_are_a_hole_where_they_are_too_many)
{
    struct xmpp_voice voice = {.incarnation = web1, .first = 2 + XMPP_MISSED_MAX, .kept = 1};

    CHECK(xmpp_missed_count(&voice, 1) == XMPP_MISSED_MAX);
    voice.first++;
    CHECK(xmpp_missed_count(&voice, 1) == 0 && xmpp_missed_room(&voice, 1) == 0);
}

TEST(xmpp_voices_remember_the_newest_of_each_and_forget_the_oldest)
{
    static struct xmpp_voices v;

    CHECK(xmpp_voices_last(&v, web1) == 0);
    xmpp_voices_heard(&v, web1, 5);
    xmpp_voices_heard(&v, web2, 3);
    xmpp_voices_heard(&v, web1, 4); /* read once more */
    xmpp_voices_heard(&v, (struct id128){0, 0}, 4);
    CHECK(xmpp_voices_last(&v, web1) == 5 && xmpp_voices_last(&v, web2) == 3);
    CHECK(xmpp_voices_last(&v, (struct id128){0, 0}) == 0);
    for (uint64_t i = 0; i < MEMBERS_MAX - 1; i++)
        xmpp_voices_heard(&v, (struct id128){2, 1 + i}, 1);
    CHECK(xmpp_voices_last(&v, web1) == 0 && xmpp_voices_last(&v, web2) == 3);
}

TEST(xmpp_missed_beats_have_names_of_their_own)
{
    struct change next = {.op = CHANGE_REMOVE,
                          .origin = bytes_of_text("web1"),
                          .incarnation = web1,
                          .sequence = 9};
    struct change a = xmpp_missed_beat(&next, 7), b = xmpp_missed_beat(&next, 8);

    CHECK(!change_problem(&a) && !change_problem(&b));
    CHECK(!id128_is_none(a.message) && !id128_equal(a.message, b.message));
    CHECK(a.sequence == 7 && id128_equal(a.incarnation, web1) && a.lease_epoch == 0);
    CHECK(!change_sets_max_stale(&a) && a.nonce == 0);
}
