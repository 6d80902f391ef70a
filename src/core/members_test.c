/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/members.h"
#include "test.h"

enum { SILENCE = 1000 };

static struct members m;

static struct id128 incarnation(uint64_t n)
{
    return (struct id128){n, n ^ 0x55};
}

static struct member *beat(uint64_t n, const char *name, uint64_t position, uint64_t now_ns)
{
    struct member *member = members_get(&m, incarnation(n), bytes_of_text(name), now_ns);

    members_beat(&m, member, position, now_ns);
    return member;
}

TEST(members_are_known_from_any_entry_and_members_from_a_beat)
{
    members_init(&m, SILENCE);
    struct member *web1 = members_get(&m, incarnation(1), bytes_of_text("web1"), 5);
    CHECK(members_seen(&m) == 0);
    CHECK(members_beat(&m, web1, 10, 6)); /* news */
    CHECK(!members_beat(&m, web1, 12, 7));
    CHECK(members_seen(&m) == 1);
    CHECK(members_live(&m) == 1);
    CHECK(members_at(&m, 0)->view.joined_position == 10);
    CHECK(members_at(&m, 0)->beat_position == 12);
    CHECK(members_get(&m, incarnation(1), bytes_of_text("web1"), 8) == web1);
    members_check(&m);
}

TEST(members_remember_the_number_and_the_place_of_the_newest_change_of_one_incarnation)
{
    members_init(&m, SILENCE);
    struct member *a = members_get(&m, incarnation(1), bytes_of_text("a"), 1);
    CHECK(!a->has_sequence);
    members_sequence(a, 17, (struct place){40, {1, 2}});
    members_sequence(a, 20, (struct place){44, {3, 4}});
    CHECK(a->has_sequence && a->sequence == 20);
    CHECK(a->heard.position == 44 && a->heard.message.low == 4);
    members_forget_sequences(&m);
    CHECK(!a->has_sequence);
    members_sequence(a, 3, (struct place){50, {5, 6}}); /* in another log any may come first */
    CHECK(a->sequence == 3);
}

TEST(members_fall_silent_once_and_come_back_with_a_beat)
{
    members_init(&m, SILENCE);
    beat(1, "a", 1, 100);
    beat(2, "b", 2, 200);
    CHECK(m.silence_due_ns == 100 + SILENCE);
    CHECK(!members_fell_silent(&m, 99 + SILENCE));
    const struct member *silent = members_fell_silent(&m, 100 + SILENCE);
    CHECK(silent && strcmp(silent->view.name, "a") == 0);
    CHECK(!members_fell_silent(&m, 100 + SILENCE));
    CHECK(m.silence_due_ns == 200 + SILENCE);
    CHECK(members_live(&m) == 1);
    CHECK(members_seen(&m) == 2);
    struct member *a = members_find(&m, incarnation(1));
    CHECK(members_beat(&m, a, 9, 150 + SILENCE)); /* news again */
    CHECK(members_live(&m) == 2);
    CHECK(a->view.joined_position == 1);
}

TEST(members_leave_or_are_forgotten_long_after)
{
    members_init(&m, SILENCE);
    struct member *a = beat(1, "a", 1, 100);
    beat(2, "b", 2, 100);
    members_leave(&m, a);
    CHECK(members_seen(&m) == 1);
    members_sweep(&m, 101);
    CHECK(m.count == 1);
    CHECK(!members_find(&m, incarnation(1)));
    members_sweep(&m, 99 + 10 * SILENCE);
    CHECK(m.count == 1);
    members_sweep(&m, 100 + 10 * SILENCE);
    CHECK(m.count == 0);
    members_check(&m);
}

TEST(members_count_a_name_once_though_its_predecessor_was_killed)
{
    members_init(&m, SILENCE);
    beat(1, "a", 1, 100);
    beat(2, "b", 2, 100);
    beat(3, "a", 3, 200); /* restarted */
    CHECK(members_live(&m) == 2);
    CHECK(members_seen(&m) == 3); /* the old segment may still be mapped */
    members_leave(&m, members_find(&m, incarnation(3)));
    CHECK(members_live(&m) == 2); /* the older one counts again while it is heard */
}

TEST(members_make_room_for_the_newest_and_say_so)
{
    members_init(&m, SILENCE);
    struct member *self = beat(1, "self", 1, 1);
    self->view.self = true;
    for (uint64_t i = 2; i <= MEMBERS_MAX; i++)
        beat(i, "x", i, 100 + i);
    CHECK(m.count == MEMBERS_MAX);
    CHECK(!m.overflowed);
    members_leave(&m, members_find(&m, incarnation(700)));
    beat(5000, "y", 5000, 2000);
    CHECK(!m.overflowed);
    CHECK(!members_find(&m, incarnation(700)));
    beat(5001, "y", 5001, 2001);
    CHECK(m.overflowed);
    CHECK(m.count == MEMBERS_MAX);
    CHECK(members_find(&m, incarnation(1)));
    CHECK(!members_find(&m, incarnation(2))); /* heard least recently, but for this node */
    members_check(&m);
}

TEST(members_make_room_from_who_was_heard_least_recently_wherever_this_node_stands)
{
    members_init(&m, SILENCE);
    for (uint64_t i = 1; i <= MEMBERS_MAX; i++)
        beat(i, "x", i, i == 600 ? 50 : 100 + i);
    members_find(&m, incarnation(300))->view.self = true;
    members_find(&m, incarnation(300))->view.last_seen_ns = 1; /* a node that cannot write */
    beat(5000, "y", 5000, 2000);
    CHECK(m.overflowed);
    CHECK(members_find(&m, incarnation(300)));
    CHECK(!members_find(&m, incarnation(600)));
    CHECK(members_find(&m, incarnation(1)));
    members_check(&m);
}

TEST(members_that_left_are_not_said_to_be_silent_and_join_anew_with_a_beat)
{
    members_init(&m, SILENCE);
    struct member *a = beat(1, "a", 1, 100), *b = beat(2, "b", 2, 100);
    members_leave(&m, a);
    members_get(&m, incarnation(3), bytes_of(NULL, 0), 100); /* only a change was seen of it */
    CHECK(members_find(&m, incarnation(3))->view.name[0] == '\0');
    CHECK(members_seen(&m) == 1);
    CHECK(members_at(&m, 0) == b);
    CHECK(members_fell_silent(&m, 100 + SILENCE) == b);
    CHECK(!members_fell_silent(&m, 100 + SILENCE));
    CHECK(members_beat(&m, a, 9, 200)); /* not swept yet */
    CHECK(a->view.joined_position == 9);
    CHECK(members_seen(&m) == 2);
    members_check(&m);
}

/* Against a list that cannot be wrong: what is in the table is what was put there. */
TEST_SEEDS(members_table_keeps_who_it_was_given, 30)
{
    bool known[200] = {false};

    members_init(&m, SILENCE);
    for (int step = 0; step < 2000; step++) {
        uint64_t n = test_random(rng, 200);
        struct member *member = members_find(&m, incarnation(n));

        CHECK((member != NULL) == known[n]);
        if (test_random(rng, 2) == 0) {
            beat(n, "n", 1, 1);
            known[n] = true;
        } else if (member) {
            members_leave(&m, member);
            members_sweep(&m, 1);
            known[n] = false;
        }
    }
    members_check(&m);
}

TEST(members_that_were_never_heard_to_live_are_not_counted_among_those_seen)
{
    members_init(&m, SILENCE);
    members_get(&m, incarnation(1), bytes_of_text("a"), 1); /* a change of it was applied */
    beat(2, "b", 5, 2);
    CHECK(members_seen(&m) == 1);
    CHECK(strcmp(members_at(&m, 0)->view.name, "b") == 0);
}

TEST(members_know_of_another_change_only_under_numbers_that_they_remember)
{
    members_init(&m, SILENCE);
    struct member *a = members_get(&m, incarnation(1), bytes_of_text("a"), 1);

    members_numbered(a, 5, (struct id128){1, 2});
    CHECK(!members_numbered_other(a, 5, (struct id128){1, 2}));
    CHECK(members_numbered_other(a, 5, (struct id128){1, 3}));
    members_numbered(a, 5 + MEMBER_NUMBERS, (struct id128){1, 4});
    CHECK(!members_numbered_other(a, 5, (struct id128){1, 3}));
}
