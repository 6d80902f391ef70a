/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The checkers against histories that are known to be good or bad. Each bad one differs from a
 * good one in a single thing. */
#include "sim/check.h"

#include "base/base.h"
#include "test.h"

#include <stdlib.h>

enum { KEY = 3, HOST = 2, CACHE = 5 };

static struct check c;
static char failed[64];
static unsigned failures;

static void note(void *context, const char *promise, const char *text)
{
    (void)context;
    (void)text;
    failures++;
    memcpy(failed, promise, strlen(promise) + 1);
}

static void begin(void)
{
    c.failed = note;
    failures = 0;
    failed[0] = '\0';
    check_begin(&c, 8);
    check_cache_begin(&c, CACHE, CHECK_CACHES_MAX);
    check_committed(&c, KEY, 9);
}

static bool is_good(void)
{
    return failures == 0;
}

static bool breaks(const char *promise)
{
    return failures == 1 && strcmp(failed, promise) == 0;
}

static void read(uint64_t version, uint64_t start_ns, uint64_t since_ns)
{
    check_read(&c, &(struct check_read){.cache = CACHE,
                                        .key = KEY,
                                        .version = version,
                                        .start_ns = start_ns,
                                        .end_ns = start_ns,
                                        .since_ns = since_ns});
}

TEST(checkers_allow_an_old_value_until_max_stale_after_the_acknowledgement)
{
    begin();
    check_acknowledged(&c, KEY, 4, 1000, 1);
    read(3, 3999, 999);
    read(3, 4000, 1000); /* not older than the bound, but as old */
    read(4, 5000, 2000);
    read(9, 5000, 2000);
    CHECK(is_good());
    read(3, 4001, 1001);
    CHECK(breaks("P1"));
    check_done(&c);
}

TEST(checkers_know_a_version_that_nobody_committed)
{
    begin();
    read(10, 4000, 1000);
    CHECK(breaks("P1"));
    check_done(&c);
}

TEST(checkers_take_the_highest_floor_whatever_the_order_of_acknowledgements)
{
    begin();
    check_acknowledged(&c, KEY, 7, 1000, 1);
    check_acknowledged(&c, KEY, 5, 2000, 2); /* an older removal came later */
    read(7, 9000, 6000);
    CHECK(is_good());
    read(6, 9000, 6000);
    CHECK(breaks("P1"));
    check_done(&c);
}

TEST(checkers_excuse_who_is_cut_off_with_half_of_the_bus_but_not_its_own_word)
{
    begin();
    check_acknowledged(&c, KEY, 7, 1000, 1);
    check_strict_done(&c, KEY, 7, 1000);
    struct check_read r = {.cache = CACHE,
                           .key = KEY,
                           .version = 3,
                           .start_ns = 9000,
                           .end_ns = 9000,
                           .since_ns = 6000,
                           .excused = true};
    check_read(&c, &r);
    CHECK(is_good());
    check_own_word(&c, CACHE, KEY, 4, 8000);
    check_read(&c, &r);
    CHECK(breaks("own word"));
    check_done(&c);
}

TEST(checkers_void_what_the_bus_lost_in_silence_and_keep_the_rest)
{
    begin();
    check_acknowledged(&c, KEY, 4, 1000, 1);
    check_acknowledged(&c, KEY, 6, 2000, 2);
    check_voided(&c, 2);
    read(4, 9000, 6000);
    CHECK(is_good());
    read(3, 9000, 6000);
    CHECK(breaks("P1"));
    begin();
    check_acknowledged(&c, KEY, 4, 1000, 1);
    check_voided(&c, 2);
    check_acknowledged(&c, KEY, 6, 3000, 2); /* published again */
    read(5, 9000, 6000);
    CHECK(breaks("P1"));
    check_done(&c);
}

TEST(checkers_hold_a_strict_removal_against_reads_that_start_after_its_answer)
{
    begin();
    check_strict_done(&c, KEY, 5, 1000);
    read(4, 999, 0);
    read(4, 1000, 0); /* at the same instant: not after it */
    read(5, 1001, 0);
    CHECK(is_good());
    read(4, 1001, 0);
    CHECK(breaks("P3"));
    check_done(&c);
}

TEST(checkers_judge_a_long_read_by_its_start)
{
    begin();
    check_strict_done(&c, KEY, 5, 1000);
    check_read(&c,
               &(struct check_read){
                   .cache = CACHE, .key = KEY, .version = 4, .start_ns = 900, .end_ns = 99000});
    CHECK(is_good());
    check_done(&c);
}

TEST(checkers_forget_a_strict_removal_that_the_bus_lost_in_silence)
{
    begin();
    check_strict_done(&c, KEY, 5, 1000);
    check_strict_forget(&c, KEY);
    read(4, 2000, 0);
    CHECK(is_good());
    check_done(&c);
}

TEST(checkers_refuse_a_fill_older_than_a_removal_that_took_hold)
{
    begin();
    check_applied(&c, CACHE, KEY, 4);
    check_stored(&c, CACHE, KEY, 4);
    check_stored(&c, CACHE + 1, KEY, 3); /* elsewhere it did not */
    check_stored(&c, CACHE, KEY + 1, 3);
    CHECK(is_good());
    check_stored(&c, CACHE, KEY, 3);
    CHECK(breaks("P2"));
    begin();
    check_applied(&c, CACHE, KEY, 4);
    check_applied(&c, CACHE, KEY, 2); /* an older one after it takes nothing back */
    check_stored(&c, CACHE, KEY, 3);
    CHECK(breaks("P2"));
    check_done(&c);
}

TEST(checkers_never_see_fresh_what_was_kept_while_unsure)
{
    begin();
    check_kept_unsure(&c, CACHE, KEY, 4, 0);
    read(5, 9000, 0);
    check_stored(&c, CACHE, KEY, 4); /* loaded again, with a lease */
    read(4, 9000, 0);
    check_kept_unsure(&c, CACHE, KEY, 4, 0);
    check_set(&c, CACHE, KEY);
    read(4, 9000, 0);
    check_kept_unsure(&c, CACHE, KEY, 4, 9500);
    read(4, 9000, 0); /* begun before: of what lay there then */
    CHECK(is_good());
    check_kept_unsure(&c, CACHE, KEY, 4, 0);
    read(4, 9000, 0);
    CHECK(breaks("unsure"));
    check_done(&c);
}

TEST(checkers_never_see_fresh_what_a_restart_inherits_that_was_kept_while_unsure)
{
    begin();
    check_kept_unsure(&c, CACHE + 1, KEY, 4, 0);
    check_cache_begin(&c, CACHE, CACHE + 1); /* begins without its items */
    read(4, 9000, 0);
    check_cache_begin(&c, CACHE, CACHE + 1);
    check_unsure_inherited(&c, CACHE, CACHE + 1);
    read(5, 9000, 0);
    check_stored(&c, CACHE, KEY, 4); /* loaded again, with a lease */
    read(4, 9000, 0);
    CHECK(is_good());
    check_cache_begin(&c, CACHE, CACHE + 1);
    check_unsure_inherited(&c, CACHE, CACHE + 1);
    read(4, 9000, 0);
    CHECK(breaks("unsure"));
    check_done(&c);
}

TEST(checkers_allow_no_token_of_what_has_ended)
{
    begin();
    check_token_old(&c, KEY, "a daemon that is gone");
    CHECK(breaks("P2"));
    check_done(&c);
}

TEST(checkers_begin_a_new_cache_with_what_it_inherits)
{
    begin();
    check_applied(&c, CACHE, KEY, 4);
    check_own_word(&c, CACHE, KEY, 4, 100);
    check_cache_begin(&c, CACHE + 1, CHECK_CACHES_MAX);
    check_stored(&c, CACHE + 1, KEY, 3);
    CHECK(is_good());
    check_cache_begin(&c, CACHE + 1, CACHE);
    check_stored(&c, CACHE + 1, KEY, 3);
    CHECK(breaks("P2"));
    check_done(&c);
}

static void applied(uint64_t epoch, uint64_t index, uint64_t serial, uint64_t before)
{
    check_entry(
        &c, HOST,
        &(struct check_entry){
            .log = 1, .epoch = epoch, .index = index, .serial = serial, .before = before});
}

TEST(checkers_let_a_host_go_on_only_where_it_stopped)
{
    begin();
    applied(1, 7, 70, 60);
    applied(1, 8, 80, 70);
    CHECK(is_good());
    applied(1, 10, 100, 90);
    CHECK(breaks("P4"));
    begin();
    applied(1, 7, 70, 60);
    check_dropped(&c, HOST);
    applied(1, 10, 100, 90); /* it said that it dropped all */
    CHECK(is_good());
    applied(2, 11, 110, 100); /* another epoch, and it said nothing */
    CHECK(breaks("P4"));
    check_done(&c);
}

TEST(checkers_let_a_restarted_host_go_on_where_it_stood_or_read_again_from_before)
{
    const struct check_chain stood = {.begun = true, .log = 1, .epoch = 1, .index = 7};
    const struct check_chain unknown = {.log = 1, .epoch = 1, .index = 7};

    for (uint64_t first = 5; first <= 9; first++) {
        begin();
        check_host_gone(&c, HOST);
        check_resumed(&c, HOST, &stood, /* place= */ 0);
        applied(1, first, 10 * first, 10 * (first - 1));
        CHECK(first <= 8 ? is_good() : breaks("P4"));
    }
    begin();
    check_resumed(&c, HOST, &stood, /* place= */ 0);
    applied(2, 8, 80, 70);
    CHECK(breaks("P4"));
    begin();
    check_resumed(&c, HOST, &stood, /* place= */ 0);
    check_dropped(&c, HOST); /* it began without what was there */
    applied(1, 9, 90, 80);
    check_resumed(&c, HOST, &unknown,
                  /* place= */ 0); /* nothing was applied before it stood there */
    applied(1, 9, 90, 80);
    CHECK(is_good());
    check_done(&c);
}

/* The entry with that serial stands at 10 times its index. */
static void read_again(uint64_t index, uint64_t serial)
{
    check_entry(&c, HOST,
                &(struct check_entry){.log = 1,
                                      .epoch = 1,
                                      .index = index,
                                      .position = 10 * index,
                                      .serial = serial,
                                      .before = 10 * (index - 1)});
}

TEST(checkers_want_a_resuming_host_to_meet_the_entry_at_its_place)
{
    const struct check_chain stood = {
        .begun = true, .log = 1, .epoch = 1, .index = 7, .serial = 70};

    for (uint64_t there = 70; there <= 71; there++) {
        begin();
        check_resumed(&c, HOST, &stood, /* place= */ 70);
        applied(1, 6, 60, 50);
        read_again(7, there);
        CHECK(there == 70 ? is_good() : breaks("P4"));
    }
    begin();
    check_resumed(&c, HOST, &stood, /* place= */ 65);
    applied(1, 6, 60, 50);
    read_again(7, 70); /* nothing stands at 65 any more */
    CHECK(breaks("P4"));
    begin();
    check_resumed(&c, HOST, &stood, /* place= */ 70);
    check_reads_after(&c, HOST, 70); /* it need not come again */
    read_again(8, 80);
    CHECK(is_good());
    begin();
    check_resumed(&c, HOST, &stood, /* place= */ 65);
    check_dropped(&c, HOST);
    read_again(7, 71);
    CHECK(is_good());
    check_done(&c);
}

TEST(checkers_notice_that_the_entry_where_a_host_stopped_was_replaced)
{
    begin();
    applied(1, 7, 70, 60);
    applied(1, 8, 81, 71);
    CHECK(breaks("P4"));
    check_done(&c);
}

TEST(checkers_let_a_host_go_on_where_what_it_stood_at_was_lost_and_came_again)
{
    struct check_entry old = {.log = 1, .epoch = 1, .index = 8, .taking = 8, .serial = 80};
    struct check_entry next = {.log = 1, .epoch = 1, .taking = 10, .serial = 90, .before = 80};

    for (next.index = 8; next.index <= 10; next.index += 2) { /* less before it, or more */
        begin();
        check_entry(&c, HOST, &old);
        check_entry(&c, HOST, &next);
        check_leased(&c, HOST);
        applied(1, next.index + 1, 110, 90);
        CHECK(is_good());
        applied(1, next.index + 3, 130, 120);
        CHECK(breaks("P4"));
    }
    check_done(&c);
}

TEST(checkers_want_a_drop_before_a_lease_where_a_log_was_cut_back)
{
    struct check_entry old = {.log = 1, .epoch = 1, .index = 8, .taking = 8, .serial = 80};
    struct check_entry cut = {.log = 1, .epoch = 1, .index = 5, .taking = 9, .serial = 90};
    struct check_entry next = {.log = 1, .epoch = 1, .index = 9, .taking = 10, .before = 80};

    begin();
    check_entry(&c, HOST, &old);
    check_entry(&c, HOST, &cut);
    CHECK(is_good());
    check_dropped(&c, HOST);
    check_leased(&c, HOST);
    check_entry(&c, HOST, &cut);
    CHECK(is_good());

    begin();
    check_entry(&c, HOST, &old);
    check_entry(&c, HOST, &cut);
    check_leased(&c, HOST);
    CHECK(breaks("P4"));

    begin();
    check_entry(&c, HOST, &old);
    check_entry(&c, HOST, &cut);
    check_entry(&c, HOST, &next);
    CHECK(breaks("P4"));

    begin();
    cut.index = old.index; /* in its place */
    check_entry(&c, HOST, &old);
    check_entry(&c, HOST, &cut);
    CHECK(is_good());
    check_leased(&c, HOST);
    CHECK(breaks("P4"));
    check_done(&c);
}

TEST(checkers_want_no_lease_once_the_sender_of_a_missed_entry_tells)
{
    struct check_hole hole = {.index = 8, .sender = 99, .sequence = 3};

    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    applied(1, 9, 90, 80);
    check_sender(&c, HOST, 98, 4);
    CHECK(is_good());
    CHECK(check_has_hole(&c, HOST));
    CHECK(!check_has_hole(&c, HOST + 1));
    check_leased(&c, HOST);
    CHECK(is_good());
    check_sender(&c, HOST, 99, 4);
    CHECK(is_good());
    CHECK(!check_has_hole(&c, HOST)); /* and is excused no more */
    check_leased(&c, HOST);
    CHECK(breaks("P4"));
    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    check_dropped(&c, HOST); /* in view of the entry after it */
    applied(1, 9, 90, 80);
    check_sender(&c, HOST, 99, 4);
    check_leased(&c, HOST);
    CHECK(is_good());
    CHECK(!check_has_hole(&c, HOST));
    check_done(&c);
}

TEST(checkers_take_a_missed_entry_that_comes_late_or_is_said_again)
{
    struct check_hole hole = {.index = 8, .sender = 99, .sequence = 3};

    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    check_hole(&c, HOST, &hole); /* left out once more */
    applied(1, 9, 90, 80);
    check_noticed(&c, HOST, 99, 4);
    CHECK(!check_has_hole(&c, HOST));
    applied(1, 8, 80, 70); /* late */
    applied(1, 10, 100, 90);
    check_leased(&c, HOST);
    CHECK(is_good());
    applied(1, 8, 80, 70); /* but not twice */
    CHECK(breaks("P4"));

    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    applied(1, 9, 90, 80);
    check_sender(&c, HOST, 99, 4);
    check_resent(&c, HOST, 98, 3, 4);
    check_resent(&c, HOST, 99, 4, 9);
    check_resent(&c, HOST + 1, 99, 3, 4);
    check_leased(&c, HOST);
    CHECK(breaks("P4"));
    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    applied(1, 9, 90, 80);
    check_sender(&c, HOST, 99, 4);
    check_resent(&c, HOST, 99, 3, 4);
    check_leased(&c, HOST);
    CHECK(!check_has_hole(&c, HOST));
    applied(1, 10, 100, 90);
    applied(1, 8, 80, 70); /* itself, when the log is read again for another hole */
    CHECK(is_good());
    applied(1, 8, 80, 70); /* but not twice */
    CHECK(breaks("P4"));
    check_done(&c);
}

TEST(checkers_do_not_excuse_a_host_for_what_it_missed_before_it_kept_anything)
{
    struct check_hole hole = {.index = 8, .sender = 99, .sequence = 3, .harmless = true};

    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    CHECK(!check_has_hole(&c, HOST));
    applied(1, 9, 90, 80);
    check_sender(&c, HOST, 99, 4);
    check_leased(&c, HOST);
    CHECK(is_good());
    check_done(&c);
}

TEST(checkers_take_one_drop_for_all_that_was_missed_before_the_next_entry)
{
    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &(struct check_hole){.index = 8, .sender = 98, .sequence = 5});
    check_hole(&c, HOST, &(struct check_hole){.index = 9, .sender = 99, .sequence = 3});
    check_hole(&c, HOST, &(struct check_hole){.index = 11, .sender = 99, .sequence = 5});
    check_dropped(&c, HOST); /* in view of entry 10 */
    applied(1, 10, 100, 90);
    check_sender(&c, HOST, 99, 4);
    CHECK(is_good());
    check_sender(&c, HOST, 99, 6); /* a late change may bear a lower number: it lies ahead */
    CHECK(is_good());
    CHECK(check_has_hole(&c, HOST)); /* entry 11 */
    applied(1, 12, 120, 110);
    check_sender(&c, HOST, 98, 6); /* its change 5 went with the drop */
    check_leased(&c, HOST);
    CHECK(is_good());
    check_sender(&c, HOST, 99, 6);
    check_leased(&c, HOST);
    CHECK(breaks("P4"));
    check_done(&c);
}

TEST(checkers_keep_a_hole_that_lies_ahead_of_a_drop_until_it_is_filled_or_told)
{
    struct check_hole hole = {.index = 9, .sender = 99, .sequence = 3};

    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    check_dropped(&c, HOST);
    CHECK(check_has_hole(&c, HOST));
    applied(1, 8, 80, 70);
    applied(1, 10, 100, 90);
    CHECK(is_good());
    CHECK(check_has_hole(&c, HOST));
    check_dropped(&c, HOST);
    applied(1, 11, 110, 100);
    CHECK(!check_has_hole(&c, HOST));
    check_hole(&c, HOST, &(struct check_hole){.index = 12, .sender = 99, .sequence = 4});
    applied(1, 12, 120, 110); /* delivered once more */
    check_sender(&c, HOST, 99, 5);
    CHECK(is_good());
    check_hole(&c, HOST, &(struct check_hole){.index = 20, .sender = 99, .sequence = 9});
    check_anew(&c, HOST);
    CHECK(!check_has_hole(&c, HOST));
    check_done(&c);
}

TEST(checkers_ask_nothing_of_what_was_missed_before_a_host_begins)
{
    struct check_hole hole = {.index = 8, .sender = 99, .sequence = 3};

    begin();
    applied(1, 7, 70, 60);
    check_hole(&c, HOST, &hole);
    check_noticed(&c, HOST, 99, 4);
    check_begins(&c, HOST);
    applied(1, 7, 70, 60); /* what it reads to begin with, and still without 8 */
    applied(1, 9, 90, 80);
    check_leased(&c, HOST);
    CHECK(is_good());
    check_hole(&c, HOST, &(struct check_hole){.index = 10, .sender = 99, .sequence = 5});
    applied(1, 11, 110, 100);
    check_noticed(&c, HOST, 99, 6);
    check_leased(&c, HOST);
    CHECK(breaks("P4"));
    check_done(&c);
}

TEST(checkers_hold_a_host_to_its_own_word_from_when_it_gave_it)
{
    begin();
    check_own_word(&c, CACHE, KEY, 5, 1000);
    read(4, 900, 0);
    read(5, 1100, 0);
    CHECK(is_good());
    check_own_word(&c, CACHE, KEY, 3, 2000); /* less than it said before: nothing new */
    read(4, 2100, 0);
    CHECK(breaks("own word"));
    check_done(&c);
}

TEST(checkers_allow_one_right_to_load_at_a_time)
{
    begin();
    check_right_given(&c, CACHE, KEY, 1, 100, 300);
    check_right_given(&c, CACHE, KEY + 1, 2, 100, 300);
    check_right_given(&c, CACHE + 1, KEY, 2, 100, 300);
    check_right_given(&c, CACHE, KEY, 2, 300, 500); /* the first ran out */
    check_right_used(&c, CACHE, KEY);
    check_right_given(&c, CACHE, KEY, 3, 310, 500);
    check_right_gone(&c, CACHE, 3);
    check_right_given(&c, CACHE, KEY, 4, 320, 500);
    CHECK(is_good());
    check_right_given(&c, CACHE, KEY, 5, 499, 700);
    CHECK(breaks("L11"));
    check_done(&c);
}

TEST(checkers_want_every_host_whole_in_the_end)
{
    struct check_host good = {.name = "web1",
                              .fresh = true,
                              .attached = true,
                              .position = 9,
                              .newest = 9,
                              .lease_left_ns = 3,
                              .max_stale_ns = 3};
    struct check_host bad[8];

    begin();
    check_healed(&c, &good);
    CHECK(is_good());
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = good;
    bad[0].fresh = false;
    bad[1].attached = false;
    bad[2].position = 8;
    bad[3].outbox = 1;
    bad[4].waiters = 1;
    bad[5].loads = 1;
    bad[6].kept = 1;
    bad[7].lease_left_ns = 4;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        begin();
        check_healed(&c, &bad[i]);
        CHECK(breaks("convergence"));
    }
    check_done(&c);
}

TEST(checkers_know_when_a_queue_is_longer_than_its_bound)
{
    struct check_bound bounds[] = {{"outbox", 7, 7}, {"waiters", 0, 7}};

    begin();
    check_bounds(&c, bounds, COUNT_OF(bounds));
    CHECK(is_good());
    bounds[0].is = 8;
    check_bounds(&c, bounds, COUNT_OF(bounds));
    CHECK(breaks("bounds"));
    check_done(&c);
}

/* The binary search against plain counting. */
TEST_SEEDS(floors_answer_as_plain_counting_does, 200)
{
    struct floors f = {0};
    uint64_t at_ns = 0, at[64], version[64], source[64];

    for (size_t i = 0; i < 64; i++) {
        at[i] = at_ns += test_random(rng, 3);
        version[i] = test_random(rng, 50);
        source[i] = 1 + test_random(rng, 20);
        floors_add(&f, at[i], version[i], source[i]);
    }
    for (size_t n = 0; n < 3; n++) {
        uint64_t lost = 1 + test_random(rng, 20);
        floors_void(&f, lost);
        for (size_t i = 0; i < 64; i++)
            version[i] = source[i] == lost ? 0 : version[i];
        for (uint64_t t = 0; t <= at_ns + 1; t++) {
            uint64_t best = 0;
            for (size_t i = 0; i < 64; i++)
                best = at[i] < t ? u64_max(best, version[i]) : best;
            CHECK(floors_before(&f, t) == best);
        }
    }
    free(f.list);
}
