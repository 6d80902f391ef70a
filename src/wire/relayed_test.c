/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "test.h"
#include "wire/relayed.h"

static const struct id128 log_a = {0xa, 1}, log_b = {0xb, 2}, log_c = {0xc, 3};
static const struct id128 web1 = {0x11, 0x22}, relay1 = {0x33, 0x44};
static char about[RELAYED_TEXT_BYTES_MAX];

static struct relay_way way(struct id128 from, struct id128 to)
{
    return (struct relay_way){.name = bytes_of_text("relay1"),
                              .incarnation = relay1,
                              .from = from,
                              .to = to,
                              .from_epoch = 0x5e};
}

static struct entry entry(enum change_op op, const char *key)
{
    return (struct entry){.position = 17,
                          .change = {.op = op,
                                     .key = bytes_of_text(key),
                                     .message = {7, 8},
                                     .wall_ms = 99,
                                     .origin = bytes_of_text("web1"),
                                     .incarnation = web1,
                                     .sequence = 5,
                                     .nonce = 6}};
}

/* What the other log then holds, `text` keeping its about. */
static struct entry carried(const struct relay_way *w, const struct entry *e, char *text)
{
    struct entry out = {.position = 400};

    CHECK(relayed_make(w, e, text, &out.change));
    return out;
}

TEST(relayed_keeps_who_wrote_it_its_message_and_what_it_removes)
{
    struct relay_way w = way(log_a, log_b);
    struct entry e = entry(CHANGE_REMOVE, "greeble:1");
    struct relayed r;

    e.change.soft = e.change.has_version = e.change.has_fingerprint = true;
    e.change.version = 3;
    e.change.fingerprint = 4;
    struct change c = carried(&w, &e, about).change;
    CHECK(c.op == CHANGE_REMOVE && bytes_equal(c.key, bytes_of_text("greeble:1")));
    CHECK(c.soft && c.has_version && c.version == 3 && c.has_fingerprint && c.fingerprint == 4);
    CHECK(c.message.high == 7 && c.message.low == 8 && c.wall_ms == 99);
    CHECK(bytes_equal(c.origin, bytes_of_text("web1")) && id128_equal(c.incarnation, web1));
    CHECK(c.sequence == 0 && c.nonce == 0); /* they count in the other log alone */
    CHECK(relayed_parse(c.about, &r) == ACCORD_OK);
    CHECK(r.sequence == 5 && r.position == 17 && r.epoch == 0x5e);
    CHECK(r.log_count == 1 && id128_equal(r.logs[0], log_a));
    CHECK(!change_problem(&c));
}

TEST(relayed_is_text_that_a_person_can_read)
{
    struct relayed r = {.sequence = 5, .position = 17, .epoch = 0x5e, .log_count = 1};

    r.logs[0] = log_a;
    size_t bytes = relayed_print(&r, about);
    CHECK(bytes_equal(bytes_of(about, bytes),
                      bytes_of_text("relayed1 0000000000000005 0000000000000011 "
                                    "000000000000005e 000000000000000a0000000000000001")));
}

TEST(relayed_goes_to_no_log_that_it_has_passed)
{
    struct relay_way ab = way(log_a, log_b), bc = way(log_b, log_c), ca = way(log_c, log_a);
    struct relay_way ba = way(log_b, log_a), cb = way(log_c, log_b);
    char first[RELAYED_TEXT_BYTES_MAX], second[RELAYED_TEXT_BYTES_MAX];
    struct change untouched = {.wall_ms = 1234};
    struct entry e = entry(CHANGE_TAG, "t"), in_b = carried(&ab, &e, first);
    struct relayed r;

    CHECK(!relayed_make(&ba, &in_b, about, &untouched));
    struct entry in_c = carried(&bc, &in_b, second);
    CHECK(!relayed_make(&ca, &in_c, about, &untouched));
    CHECK(!relayed_make(&cb, &in_c, about, &untouched));
    CHECK(untouched.wall_ms == 1234);
    CHECK(relayed_parse(in_c.change.about, &r) == ACCORD_OK);
    CHECK(r.sequence == 5 && r.position == 17 && r.epoch == 0x5e); /* still of the first */
    CHECK(r.log_count == 2 && id128_equal(r.logs[0], log_a) && id128_equal(r.logs[1], log_b));
}

TEST(relayed_through_more_logs_than_it_names_forgets_the_oldest_but_the_first)
{
    struct entry e = entry(CHANGE_CLEAR, "");
    char text[2][RELAYED_TEXT_BYTES_MAX];
    struct relayed r;

    for (uint64_t i = 1; i <= 20; i++) {
        struct relay_way w = way((struct id128){i, i}, (struct id128){i + 1, i + 1});
        e = carried(&w, &e, text[i % 2]);
        CHECK(relayed_parse(e.change.about, &r) == ACCORD_OK);
        CHECK(r.log_count == (i < RELAYED_LOGS_MAX ? i : RELAYED_LOGS_MAX));
        CHECK(r.logs[0].high == 1 && r.logs[r.log_count - 1].high == i);
    }
}

TEST(relayed_leaves_what_is_said_of_members_where_it_is)
{
    static const enum change_op ops[] = {CHANGE_JOIN, CHANGE_LEAVE, CHANGE_BEAT};
    struct relay_way w = way(log_a, log_b);
    struct change out;

    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        struct entry e = entry(ops[i], "");
        CHECK(!relayed_make(&w, &e, about, &out));
    }
}

TEST(relayed_answers_for_what_a_person_or_a_trigger_wrote)
{
    struct relay_way w = way(log_a, log_b);
    struct entry e = entry(CHANGE_REMOVE, "k");

    e.change.origin = bytes_of(NULL, 0);
    e.change.incarnation = (struct id128){0, 0};
    e.change.sequence = 0;
    struct change c = carried(&w, &e, about).change;
    CHECK(bytes_equal(c.origin, bytes_of_text("relay1")));
    CHECK(id128_equal(c.incarnation, relay1));
    CHECK(c.message.low == 8);
}

TEST(relayed_removes_everything_where_no_rule_explains_the_entry)
{
    struct relay_way w = way(log_a, log_b);
    char longer[NODE_NAME_BYTES_MAX + 2];
    struct entry bad[] = {entry((enum change_op)77, ""), entry(CHANGE_REMOVE, ""),
                          entry(CHANGE_CLEAR, "k"), entry(CHANGE_REMOVE, "k")};

    memset(longer, 'n', sizeof longer);
    bad[3].change.origin = bytes_of(longer, sizeof longer);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct change c = carried(&w, &bad[i], about).change;
        CHECK(c.op == CHANGE_CLEAR && c.message.low == 8);
        CHECK(!change_problem(&c));
    }
}

TEST(relayed_clear_does_not_come_back_either)
{
    struct relay_way ab = way(log_a, log_b), ba = way(log_b, log_a), bc = way(log_b, log_c);
    char text[RELAYED_TEXT_BYTES_MAX];
    struct entry e = {.position = 3};
    struct change out;

    relayed_clear(&ab, (struct id128){1, 2}, 77, text, &e.change);
    CHECK(e.change.op == CHANGE_CLEAR && !change_problem(&e.change));
    CHECK(!relayed_make(&ba, &e, about, &out));
    CHECK(relayed_make(&bc, &e, about, &out)); /* who hears of A through B missed it too */
}

TEST_SEEDS(relayed_reads_what_it_prints_and_nothing_that_was_damaged, 200)
{
    struct relayed r = {.sequence = test_random(rng, UINT64_MAX),
                        .position = test_random(rng, UINT64_MAX),
                        .epoch = test_random(rng, UINT64_MAX),
                        .log_count = 1 + test_random(rng, RELAYED_LOGS_MAX)};
    struct relayed out = {.log_count = 99}, same;

    for (size_t i = 0; i < r.log_count; i++)
        r.logs[i] = (struct id128){test_random(rng, UINT64_MAX), test_random(rng, UINT64_MAX)};
    size_t bytes = relayed_print(&r, about);
    CHECK(relayed_parse(bytes_of(about, bytes), &same) == ACCORD_OK);
    CHECK(same.sequence == r.sequence && same.position == r.position && same.epoch == r.epoch);
    CHECK(same.log_count == r.log_count);
    for (size_t i = 0; i < r.log_count; i++)
        CHECK(id128_equal(same.logs[i], r.logs[i]));

    CHECK(relayed_parse(bytes_of(about, test_random(rng, bytes)), &out) == ACCORD_E_FORMAT ||
          (bytes > 92 && out.log_count < r.log_count)); /* cut between two logs */
    out.log_count = 99;
    about[test_random(rng, bytes)] = "g\n\0AZ~/:"[test_random(rng, 8)];
    CHECK(relayed_parse(bytes_of(about, bytes), &out) == ACCORD_E_FORMAT);
    CHECK(out.log_count == 99);
    CHECK(relayed_parse(bytes_of(NULL, 0), &out) == ACCORD_E_FORMAT);
}
