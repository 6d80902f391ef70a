/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/core.h"
#include "core/fleet.h"

/* The door itself: what core_new() refuses, what a core says before its first event, and views
 * between two steps. */

static struct core_settings settings(void)
{
    static const struct namespace_settings space = {.name = "default",
                                                    .ttl_ns = UINT64_MAX,
                                                    .negative_ttl_ns = NS_PER_S,
                                                    .unsure_ttl_ns = NS_PER_S,
                                                    .max_stale_ns = UINT64_MAX};

    return (struct core_settings){.name = "web1",
                                  .about = "app test",
                                  .incarnation = {1, 2},
                                  .random = {1},
                                  .max_stale_ns = FLEET_L,
                                  .publish_timeout_ns = NS_PER_S,
                                  .load_timeout_ns = NS_PER_S,
                                  .head_linearizable = true,
                                  .namespaces = &space,
                                  .namespace_count = 1};
}

static bool refused(const struct core_settings *s)
{
    struct fixture segment;
    struct core *c = NULL;

    fixture_plain(&segment);
    int status = core_new(&c, s, segment.writer, 1);
    fixture_done(&segment);
    CHECK(!c);
    return status == ACCORD_E_INVALID;
}

TEST(core_refuses_settings_that_no_node_could_live_with)
{
    struct core_settings bad[13];

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        bad[i] = settings();
    memset(bad[0].name, 'x', sizeof bad[0].name);
    bad[1].name[0] = '\0';
    memset(bad[2].about, 'x', sizeof bad[2].about);
    bad[3].incarnation = (struct id128){0, 0};
    bad[4].max_stale_ns = 5;               /* less than a nanosecond between two questions */
    bad[5].max_stale_ns = UINT64_MAX / 64; /* its multiples would overflow */
    bad[6].publish_timeout_ns = 0;
    bad[7].load_timeout_ns = 0;
    bad[8].namespace_count = 0;
    bad[9].namespace_count = NAMESPACES_MAX + 1;
    memset(bad[10].cold_why, 'x', sizeof bad[10].cold_why);
    memset(bad[11].policies, 'x', sizeof bad[11].policies);
    bad[12].hand.poison_count = POISONS_MAX + 1;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(refused(&bad[i]));
}

/* A core to which nothing has happened yet, at time 0. */
static struct core *untouched(struct fixture *segment)
{
    struct core_settings s = settings();
    struct core *c;

    fixture_plain(segment);
    fixture_lease(segment, 0);
    CHECK(core_new(&c, &s, segment->writer, /* now_ns= */ 0) == ACCORD_OK);
    return c;
}

TEST(core_wants_its_first_event_at_once_and_is_unsure_from_the_start)
{
    struct fixture segment;
    struct core *c = untouched(&segment);
    struct core_status status;
    struct effects effects;

    CHECK(core_deadline_ns(c) == 0);
    core_status(c, 0, &status);
    CHECK(!status.fresh);
    CHECK(status.unsure_since_ns > 0); /* 0 would mean that it is fresh */
    CHECK(strcmp(status.why, "not attached to the bus yet") == 0);
    core_step(c, &(struct event){.type = EVENT_TICK}, &effects);
    CHECK(effects.count == 1);
    CHECK(effects.list[0].type == EFFECT_ATTACH);
    CHECK(core_deadline_ns(c) > 0);
    core_free(c);
    fixture_done(&segment);
}

TEST(core_that_has_tried_nothing_has_no_connection_to_lose)
{
    struct fixture segment;
    struct core *c = untouched(&segment);
    struct effects effects;

    core_step(c, &(struct event){.type = EVENT_BUS_LOST, .lost = {.why = "early"}}, &effects);
    CHECK(effects.count == 1); /* it attaches; there was nothing to say */
    CHECK(effects.list[0].type == EFFECT_ATTACH);
    core_free(c);
    fixture_done(&segment);
}

TEST(core_names_each_of_its_notes_in_one_word_of_its_own)
{
    for (enum core_note a = NOTE_LEASE_HELD; a <= NOTE_REFUSED; a++) {
        CHECK(core_note_word(a)[0] != '\0');
        CHECK(!strchr(core_note_word(a), ' '));
        for (enum core_note b = NOTE_LEASE_HELD; b < a; b++)
            CHECK(strcmp(core_note_word(a), core_note_word(b)) != 0);
    }
    CHECK(strcmp(core_note_word(NOTE_COLD_BOOT), "cold-boot") == 0);
    CHECK(core_note_word(NOTE_REFUSED + 1)[0] == '\0');
}

TEST(core_status_between_two_steps_knows_that_the_lease_has_just_run_out)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");
    struct core_status before, after;

    fleet_start(f, n);
    fleet_settle(f);
    before = fleet_status(f, n);
    uint64_t end_ns = fleet_clock(f, n) + before.lease_left_ns;
    core_status(n->core, end_ns - 1, &after);
    CHECK(after.fresh && after.ready && after.why[0] == '\0');
    CHECK(after.unsure_since_ns == 0 && after.unsure_since_wall_ms == 0);
    core_status(n->core, end_ns, &after); /* no step has noticed */
    CHECK(!after.fresh && !after.ready);
    CHECK(after.lease_left_ns == 0);
    CHECK(after.unsure_since_ns == end_ns);
    CHECK(after.unsure_since_wall_ms >= f->now_ns / NS_PER_MS + FLEET_L / 2 / NS_PER_MS);
    CHECK(strcmp(after.why, "the lease has just run out") == 0);
    fleet_free(f);
}

TEST(core_is_ready_only_with_as_many_members_as_are_expected)
{
    struct fleet *f = fleet_new(NULL);
    struct fleet_node *n = fleet_add(f, "web1");

    n->settings.expect_members = 2;
    fleet_start(f, n);
    fleet_settle(f);
    CHECK(!fleet_status(f, n).ready);
    fleet_start(f, fleet_add(f, "web2"));
    fleet_settle(f);
    CHECK(fleet_status(f, n).ready);
    fleet_free(f);
}

TEST(core_names_each_cause_of_a_drop_in_one_word_of_its_own)
{
    for (enum drop a = 0; a < DROPS; a++) {
        CHECK(core_drop_word(a)[0] != '\0');
        CHECK(!strchr(core_drop_word(a), ' '));
        for (enum drop b = 0; b < a; b++)
            CHECK(strcmp(core_drop_word(a), core_drop_word(b)) != 0);
    }
    CHECK(strcmp(core_drop_word(DROP_NO_SEGMENT), "no_segment") == 0);
    CHECK(core_drop_word(DROPS)[0] == '\0');
}
