/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/lease.h"
#include "test.h"

enum { TERM = 100, TTL = 400 };

/* A lease whose join (a beat of nonce 1) was sent and applied at `now_ns`. */
static struct lease joined_at(uint64_t now_ns)
{
    struct lease l;

    lease_init(&l, TERM, TTL);
    lease_beat_sent(&l, 1, /* asks= */ false, now_ns, /* after= */ 0);
    CHECK(lease_beat_applied(&l, 1));
    l.opens_ns = 0;
    return l;
}

TEST(lease_counts_from_the_question_not_the_answer)
{
    struct lease l = joined_at(10);

    lease_ask(&l, 7, 50);
    CHECK(lease_answered(&l, 7, /* head= */ 3, /* applied= */ 3));
    CHECK(lease_renew(&l, 90));
    CHECK(lease_is_valid(&l, 149));
    CHECK(!lease_is_valid(&l, 150));
    CHECK(!lease_lapsed(&l, 149));
    CHECK(lease_lapsed(&l, 150));
    CHECK(!lease_lapsed(&l, 151)); /* said once */
}

TEST(lease_waits_until_the_answer_is_applied)
{
    struct lease l = joined_at(10);

    lease_ask(&l, 7, 50);
    CHECK(!lease_answered(&l, 7, 9, 7));
    CHECK(!lease_renew(&l, 51));
    CHECK(!lease_applied(&l, 8));
    CHECK(!lease_renew(&l, 52));
    CHECK(lease_applied(&l, 9));
    CHECK(lease_renew(&l, 53));
    CHECK(l.deadline_ns == 150);
}

TEST(lease_needs_an_own_beat_that_came_back_and_an_open_door)
{
    struct lease l;

    lease_init(&l, TERM, TTL);
    lease_ask(&l, 7, 50);
    CHECK(lease_answered(&l, 7, 0, 0));
    CHECK(!lease_renew(&l, 51)); /* no beat, not open */
    lease_beat_sent(&l, 1, false, 40, /* after= */ 0);
    l.opens_ns = 60;
    CHECK(!lease_renew(&l, 61)); /* sent is not applied */
    CHECK(!lease_beat_applied(&l, 2));
    CHECK(lease_beat_applied(&l, 1));
    CHECK(!lease_renew(&l, 59));
    CHECK(lease_renew(&l, 60));
}

TEST(lease_ends_with_the_member_ttl_where_beats_do_not_come_back)
{
    struct lease l = joined_at(10);

    lease_ask(&l, 7, 380);
    CHECK(lease_answered(&l, 7, 0, 0));
    CHECK(lease_renew(&l, 381));
    CHECK(l.deadline_ns == 10 + TTL);
    lease_beat_sent(&l, 2, false, 390, /* after= */ 0);
    CHECK(!lease_renew(&l, 391));
    CHECK(lease_beat_applied(&l, 2));
    CHECK(!lease_beat_applied(&l, 2)); /* a replay counts once */
    CHECK(lease_renew(&l, 392));
    CHECK(l.deadline_ns == 380 + TERM);
}

TEST(lease_ignores_answers_to_questions_it_gave_up)
{
    struct lease l = joined_at(10);

    lease_ask(&l, 7, 50);
    lease_abandon(&l);
    CHECK(!lease_answered(&l, 7, 0, 0));
    lease_ask(&l, 8, 60);
    CHECK(!lease_answered(&l, 7, 0, 0));
    CHECK(!lease_unanswered(&l, 7));
    CHECK(lease_unanswered(&l, 8));
    CHECK(!lease_answered(&l, 8, 0, 0));
    CHECK(!lease_renew(&l, 61));
}

TEST(lease_takes_nothing_for_an_answer_where_nothing_was_asked)
{
    struct lease l = joined_at(10);

    /* No question has the nonce 0, and neither has an entry that is no beat. */
    CHECK(!lease_answered(&l, 0, 0, 0));
    CHECK(!lease_unanswered(&l, 0));
    CHECK(!lease_beat_applied(&l, 0));
    CHECK(!lease_renew(&l, 11));
    lease_ask(&l, 7, 50);
    CHECK(!lease_answered(&l, 7, /* head= */ 9, /* applied= */ 7));
    CHECK(!lease_answered(&l, 7, 0, 0)); /* said twice: the first head counts */
    CHECK(!lease_unanswered(&l, 7));
    CHECK(!lease_applied(&l, 8));
    CHECK(lease_applied(&l, 9));
}

TEST(lease_knows_that_a_beat_lies_behind_all_that_was_known_when_it_was_made)
{
    struct lease l;

    lease_init(&l, 100, 400);
    lease_beat_sent(&l, 7, /* asks= */ true, 50, /* after= */ 20);
    CHECK(lease_beat_fits(&l, 7, 21));
    CHECK(!lease_beat_fits(&l, 7, 20));
    CHECK(lease_beat_fits(&l, 8, 20)); /* not ours */
    CHECK(lease_beat_fits(&l, 0, 20)); /* no beat */
    CHECK(lease_beat_applied(&l, 7));
    CHECK(lease_beat_fits(&l, 7, 20)); /* it proves nothing any more */
}

TEST(lease_takes_an_own_beat_as_the_question_where_it_asks)
{
    struct lease l = joined_at(10);

    lease_beat_sent(&l, 2, /* asks= */ true, 50, /* after= */ 0);
    lease_beat_sent(&l, 3, /* asks= */ true, 70, /* after= */ 0);
    CHECK(lease_beat_applied(&l, 2));
    CHECK(lease_renew(&l, 71));
    CHECK(l.deadline_ns == 150);
    CHECK(l.caught_serial == 1);
    CHECK(lease_beat_applied(&l, 3));
    CHECK(lease_renew(&l, 72));
    CHECK(l.deadline_ns == 170);
    CHECK(l.caught_serial == 2);
}

TEST(lease_forgets_everything_when_dropped)
{
    struct lease l = joined_at(10);

    lease_ask(&l, 7, 50);
    CHECK(lease_answered(&l, 7, 0, 0));
    CHECK(lease_renew(&l, 51));
    lease_beat_sent(&l, 2, true, 52, /* after= */ 0);
    lease_ask(&l, 8, 53);
    lease_drop(&l);
    CHECK(!lease_is_valid(&l, 54));
    CHECK(!lease_answered(&l, 8, 0, 0));
    CHECK(!lease_beat_applied(&l, 2));
    CHECK(!lease_renew(&l, 54));
    CHECK(l.last_serial == 3); /* numbers go on: waits count with them */
}

TEST(lease_keeps_only_so_many_beats_on_their_way)
{
    struct lease l = joined_at(10);

    for (uint64_t i = 0; i <= LEASE_BEATS_MAX; i++)
        lease_beat_sent(&l, 100 + i, false, 20 + i, /* after= */ 0);
    CHECK(!lease_beat_applied(&l, 100));
    CHECK(lease_beat_applied(&l, 101));
    CHECK(lease_beat_applied(&l, 100 + LEASE_BEATS_MAX));
}

TEST(lease_drops_where_the_terms_change)
{
    struct lease l = joined_at(10);

    lease_ask(&l, 7, 50);
    CHECK(lease_answered(&l, 7, 0, 0));
    CHECK(lease_renew(&l, 51));
    lease_set_terms(&l, TERM, TTL);
    CHECK(lease_is_valid(&l, 52));
    lease_set_terms(&l, TERM / 2, TTL);
    CHECK(!lease_is_valid(&l, 52));
    CHECK(l.term_ns == TERM / 2);
    l = joined_at(10);
    lease_ask(&l, 7, 50);
    CHECK(lease_answered(&l, 7, 0, 0));
    CHECK(lease_renew(&l, 51));
    lease_set_terms(&l, TERM, TTL - 1);
    CHECK(!lease_is_valid(&l, 52));
    CHECK(l.member_ttl_ns == TTL - 1);
}

/* Against a toy bus that delays and loses answers: while the lease is valid, every change not
 * yet applied was published less than one term ago, and an own beat less than a ttl ago. */
TEST_SEEDS(lease_never_covers_a_stale_read, 2000)
{
    enum { STEPS = 300 };
    uint64_t published_ns[STEPS + 1] = {0}, beats_ns[STEPS + 1] = {0};
    uint64_t now = 1, head = 0, applied = 0, answer = 0, nonce = 0, came_ns = 0;
    struct lease l;

    lease_init(&l, TERM, TTL);
    l.opens_ns = 0;
    for (int step = 0; step < STEPS; step++) {
        now += test_random(rng, 20);
        if (lease_lapsed(&l, now))
            CHECK(!lease_is_valid(&l, now));
        switch (test_random(rng, 7)) {
        case 0:
            published_ns[++head] = now;
            break;
        case 1:
            if (l.question == QUESTION_NONE)
                lease_ask(&l, ++nonce, now);
            break;
        case 2: /* the bus reads its head at some moment after the question */
            if (l.question == QUESTION_ASKED)
                answer = head;
            break;
        case 3:
            if (l.question == QUESTION_ASKED && answer > 0)
                lease_answered(&l, nonce, answer, applied);
            break;
        case 4:
            if (applied < head)
                lease_applied(&l, ++applied);
            break;
        case 5:
            lease_beat_sent(&l, 1000 + (uint64_t)step, false, now, /* after= */ 0);
            beats_ns[step] = now;
            break;
        case 6: {
            uint64_t which = test_random(rng, (uint64_t)step + 1);
            if (lease_beat_applied(&l, 1000 + which))
                came_ns = u64_max(came_ns, beats_ns[which]);
            break;
        }
        }
        if (l.question == QUESTION_NONE)
            answer = 0;
        if (lease_renew(&l, now))
            CHECK(lease_is_valid(&l, now));
        if (!lease_is_valid(&l, now))
            continue;
        CHECK(came_ns + TTL > now);
        if (applied < head)
            CHECK(published_ns[applied + 1] + TERM > now);
    }
}
