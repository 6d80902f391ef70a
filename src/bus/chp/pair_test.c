/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pair_test.c - two hubs and the wire between them, without sockets: who answers, what it waits
 * for, and what is lost when one is killed, stands still, or does not hear the other. */
#include "bus/chp/pair.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

enum { WIRE_MAX = 64, HEARD_MAX = 4096 };

/* A message on its way from one hub to the other, or the answer to one. */
struct letter {
    bool is_answer;
    uint8_t *bytes;
    struct bytes frames[CHP_FRAMES];
    size_t count;
};

struct site {
    struct hub *hub;
    struct hub_pair as;
    struct letter out[WIRE_MAX];
    size_t out_count;
    bool mute;  /* nothing that it says to the other arrives */
    bool still; /* it does not run */
    uint64_t sequence;
    /* What clients heard of it last, since it was asked. */
    struct talk_answer answer;
    size_t answers, entries, published, notes;
    char noted[256];
};

struct stage {
    struct site site[2];
};

static const char servers[] = "127.0.0.1:1000,127.0.0.1:2000";

/* ---- the hosts ------------------------------------------------------------------------ */

static uint64_t next(void *context)
{
    return ++((struct site *)context)->sequence;
}

static void post(struct site *s, const struct bytes *frames, size_t count, bool is_answer)
{
    size_t bytes = 0;

    if (s->mute)
        return;
    CHECK(s->out_count < WIRE_MAX && count <= CHP_FRAMES);
    struct letter *l = &s->out[s->out_count++];
    for (size_t i = 0; i < count; i++)
        bytes += frames[i].size_bytes;
    *l = (struct letter){.is_answer = is_answer, .bytes = malloc(bytes + 1), .count = count};
    uint8_t *to = l->bytes;
    for (size_t i = 0; i < count; i++) {
        if (frames[i].size_bytes > 0)
            memcpy(to, frames[i].data, frames[i].size_bytes);
        l->frames[i] = bytes_of(to, frames[i].size_bytes);
        to += frames[i].size_bytes;
    }
}

/* The other server is the client "peer". */
static int send_one(void *context, struct bytes client, const struct bytes *frames,
                    size_t count)
{
    struct site *s = context;
    struct chp_message m;
    const char *why;

    if (bytes_equal(client, bytes_of_text("peer"))) {
        post(s, frames, count, /* is_answer= */ true);
        return ACCORD_OK;
    }
    CHECK(chp_parse_long(frames, count, SIZE_MAX, &m, &why) == ACCORD_OK);
    if (bytes_equal(m.key, bytes_of_text(CHP_KTHXBAI))) {
        CHECK(talk_answer_parse(&m, &s->answer) == ACCORD_OK);
        s->answers++;
    } else {
        s->entries++;
    }
    return ACCORD_OK;
}

static void publish_all(void *context, const struct bytes *frames, size_t count)
{
    (void)frames;
    CHECK(count == CHP_FRAMES);
    ((struct site *)context)->published++;
}

static bool say(void *context, const struct bytes *frames, size_t count)
{
    post(context, frames, count, /* is_answer= */ false);
    return true;
}

static void note(void *context, const char *what)
{
    struct site *s = context;

    s->notes++;
    snprintf(s->noted, sizeof s->noted, "%s", what);
}

static void refuse(void *context, const char *why, struct bytes about)
{
    (void)about;
    note(context, why);
}

/* ---- the stage ------------------------------------------------------------------------ */

static void forget(struct site *s)
{
    for (size_t i = 0; i < s->out_count; i++)
        free(s->out[i].bytes);
    s->out_count = 0;
}

static void start(struct stage *stage, size_t i)
{
    struct site *s = &stage->site[i];
    const struct hub_host host = {.context = s,
                                  .sequence = next,
                                  .send = send_one,
                                  .publish = publish_all,
                                  .say = say,
                                  .noted = note,
                                  .refused = refuse};

    *s = (struct site){.as = {i == 0, servers}, .sequence = 1000 * (i + 1)};
    s->hub = hub_new(&host);
    CHECK(s->hub && hub_pair(s->hub, &s->as) == ACCORD_OK);
}

static void kill_one(struct stage *stage, size_t i)
{
    hub_free(stage->site[i].hub);
    stage->site[i].hub = NULL;
    forget(&stage->site[i]);
}

static bool runs(const struct site *s)
{
    return s->hub && !s->still;
}

/* What is on its way to site[i]. Returns how much that was. */
static size_t deliver_to(struct stage *stage, size_t i)
{
    struct site *to = &stage->site[i], *from = &stage->site[1 - i];
    struct letter taken[WIRE_MAX];
    size_t count = from->out_count;

    if (!to->hub)
        forget(from); /* its connection is closed */
    if (!runs(to) || count == 0)
        return 0;
    memcpy(taken, from->out, count * sizeof *taken);
    from->out_count = 0;
    for (size_t n = 0; n < count; n++) {
        if (taken[n].is_answer)
            hub_answered(to->hub, taken[n].frames, taken[n].count);
        else
            hub_asked(to->hub, bytes_of_text("peer"), taken[n].frames, taken[n].count);
        free(taken[n].bytes);
    }
    return count;
}

static void deliver(struct stage *stage)
{
    while (deliver_to(stage, 0) + deliver_to(stage, 1) > 0)
        ;
}

static void ticks(struct stage *stage, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        deliver(stage);
        for (size_t i = 0; i < 2; i++)
            if (runs(&stage->site[i]))
                hub_tick(stage->site[i].hub);
        deliver(stage);
    }
}

static void ask(struct stage *stage, size_t i, const char *path)
{
    struct bytes frames[] = {bytes_of_text(CHP_ICANHAZ), bytes_of_text(path)};
    struct site *s = &stage->site[i];

    s->answers = s->entries = 0;
    hub_asked(s->hub, bytes_of_text("node"), frames, 2);
}

static void publish(struct stage *stage, size_t i, uint64_t number)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    char properties[TALK_PROPERTIES_BYTES_MAX];
    struct site *s = &stage->site[i];
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {number, 1}};
    size_t bytes;

    CHECK(change_encode(&c, record, sizeof record, &bytes) == ACCORD_OK);
    struct bytes frames[] = {
        bytes_of_text("/accord/shop/publish/retain_ms=3600000/"
                      "retain_changes=100000/nonce=1/"),
        bytes_of("", 0), bytes_of("", 0),
        bytes_of(properties, talk_log_print(s->answer.log, s->answer.epoch, properties)),
        bytes_of(record, bytes)};
    s->answers = 0;
    hub_asked(s->hub, bytes_of_text("node"), frames, CHP_FRAMES);
}

#define ATTACH "/accord/shop/attach/max_stale_ms=3000/nonce=1/"
#define HEAD   "/accord/shop/head/nonce=2/"
#define ALL    "/accord/shop/after/nonce=3/"

/* A node attaches there and is answered. */
static struct talk_answer attached(struct stage *stage, size_t i)
{
    ask(stage, i, ATTACH);
    deliver(stage);
    CHECK(stage->site[i].answers == 1 && !stage->site[i].answer.refused[0]);
    CHECK(stage->site[i].answer.term > 0);
    return stage->site[i].answer;
}

static bool is_refused(struct stage *stage, size_t i)
{
    ask(stage, i, HEAD);
    deliver(stage);
    return stage->site[i].answers == 1 &&
           strcmp(stage->site[i].answer.refused, TALK_PASSIVE) == 0;
}

static bool is_state(const struct stage *stage, size_t i, const char *text)
{
    return strncmp(hub_pair_text(stage->site[i].hub), text, strlen(text)) == 0;
}

/* Both, the primary active and the other with all that it has. */
static void begun(struct stage *stage)
{
    start(stage, 0);
    start(stage, 1);
    ticks(stage, 2);
    CHECK(is_state(stage, 0, "active, the other has all"));
    CHECK(is_state(stage, 1, "passive"));
}

static void ended(struct stage *stage)
{
    for (size_t i = 0; i < 2; i++)
        kill_one(stage, i);
}

/* ---- who answers ---------------------------------------------------------------------- */

TEST(chp_pair_of_two_that_begin_the_primary_answers)
{
    struct stage stage = {0};

    begun(&stage);
    CHECK(is_refused(&stage, 1));
    (void)attached(&stage, 0);
    ended(&stage);
}

TEST(chp_pair_one_alone_answers_after_some_ticks_and_not_before)
{
    for (size_t i = 0; i < 2; i++) {
        struct stage stage = {0};
        start(&stage, i);
        ticks(&stage, PAIR_TICKS - 1);
        CHECK(is_refused(&stage, i));
        ticks(&stage, 1);
        CHECK(is_state(&stage, i, "waiting")); /* nobody asked */
        (void)attached(&stage, i);
        CHECK(is_state(&stage, i, "active, alone"));
        start(&stage, 1 - i); /* and whoever comes later follows, also the primary */
        ticks(&stage, 2);
        CHECK(is_state(&stage, i, "active, the other has all"));
        CHECK(is_refused(&stage, 1 - i));
        ended(&stage);
    }
}

TEST(chp_pair_the_passive_takes_over_only_where_the_other_is_silent_and_a_node_asks)
{
    struct stage stage = {0};

    begun(&stage);
    struct talk_answer before = attached(&stage, 0);
    ticks(&stage, 3 * PAIR_TICKS);
    CHECK(is_refused(&stage, 1)); /* it asks, but the other is there */
    kill_one(&stage, 0);
    ticks(&stage, PAIR_TICKS - 1);
    CHECK(is_refused(&stage, 1));
    ticks(&stage, 3 * PAIR_TICKS);
    CHECK(is_state(&stage, 1, "passive")); /* nobody asks */
    struct talk_answer after = attached(&stage, 1);
    CHECK(id128_equal(before.log, after.log));
    CHECK(before.epoch != after.epoch);
    CHECK(after.term > before.term);
    ended(&stage);
}

TEST(chp_pair_one_that_was_started_again_follows_and_leaves_the_log_to_who_has_it)
{
    struct stage stage = {0};

    begun(&stage);
    struct talk_answer before = attached(&stage, 0);
    publish(&stage, 0, 7);
    deliver(&stage);
    CHECK(stage.site[0].answers == 1);
    kill_one(&stage, 0);
    start(&stage, 0); /* before anybody noticed */
    ticks(&stage, 2);
    CHECK(is_state(&stage, 1, "active, the other has all"));
    CHECK(is_refused(&stage, 0));
    struct talk_answer after = attached(&stage, 1);
    CHECK(id128_equal(before.log, after.log) && before.epoch != after.epoch);
    ask(&stage, 1, ALL);
    deliver(&stage);
    CHECK(stage.site[1].entries == 1);
    ended(&stage);
}

TEST(chp_pair_two_of_different_pairs_do_not_hear_each_other)
{
    struct stage stage = {0};

    start(&stage, 0);
    start(&stage, 1);
    stage.site[1].as.servers = "127.0.0.1:1000,127.0.0.1:3000";
    hub_free(stage.site[1].hub);
    const struct hub_host host = {.context = &stage.site[1],
                                  .sequence = next,
                                  .send = send_one,
                                  .publish = publish_all,
                                  .say = say,
                                  .noted = note,
                                  .refused = refuse};
    stage.site[1].hub = hub_new(&host);
    CHECK(hub_pair(stage.site[1].hub, &stage.site[1].as) == ACCORD_OK);
    ticks(&stage, 3);
    for (size_t i = 0; i < 2; i++) {
        CHECK(is_state(&stage, i, "waiting"));
        CHECK(stage.site[i].notes == 1 && strstr(stage.site[i].noted, "same two servers"));
    }
    ended(&stage);
}

/* ---- what it waits for ---------------------------------------------------------------- */

TEST(chp_pair_says_nothing_that_the_other_has_not_confirmed)
{
    struct stage stage = {0};

    begun(&stage);
    (void)attached(&stage, 0);
    publish(&stage, 0, 1);
    CHECK(stage.site[0].answers == 0 && stage.site[0].published == 0);
    deliver_to(&stage, 1); /* it has it, and that is not known yet */
    CHECK(stage.site[0].answers == 0 && stage.site[0].published == 0);
    deliver_to(&stage, 0);
    CHECK(stage.site[0].answers == 1 && stage.site[0].published == 1);
    ask(&stage, 0, HEAD);
    CHECK(stage.site[0].answers == 0);
    deliver(&stage);
    CHECK(stage.site[0].answers == 1);
    ended(&stage);
}

/* The point of it: whatever was acknowledged is there after a takeover. */
TEST(chp_pair_loses_nothing_that_was_acknowledged_wherever_the_active_one_is_killed)
{
    enum { ROUNDS = 200 };

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct stage stage = {0};
        uint64_t acknowledged = 0;
        begun(&stage);
        struct talk_answer log = attached(&stage, 0);
        for (uint64_t i = 1; i <= 20; i++) {
            stage.site[0].answer = log;
            publish(&stage, 0, i);
            unsigned steps = (unsigned)(test_random(rng, 4));
            for (unsigned s = 0; s < steps; s++)
                deliver_to(&stage, s % 2 == 0);
            acknowledged = stage.site[0].answers == 1 ? i : acknowledged;
            if (steps < 2)
                break;
        }
        kill_one(&stage, 0);
        ticks(&stage, PAIR_TICKS);
        (void)attached(&stage, 1);
        ask(&stage, 1, ALL);
        deliver(&stage);
        CHECK(stage.site[1].entries >= acknowledged);
        ended(&stage);
    }
}

TEST(chp_pair_goes_on_alone_where_the_other_is_silent)
{
    struct stage stage = {0};

    begun(&stage);
    (void)attached(&stage, 0);
    kill_one(&stage, 1);
    publish(&stage, 0, 1);
    ticks(&stage, PAIR_TICKS - 1);
    CHECK(stage.site[0].answers == 0);
    ticks(&stage, 1);
    CHECK(stage.site[0].answers == 1 && stage.site[0].published == 1);
    CHECK(is_state(&stage, 0, "active, alone") && strstr(stage.site[0].noted, "alone"));
    struct talk_answer log = stage.site[0].answer;
    start(&stage, 1); /* and comes back with nothing */
    ticks(&stage, 2);
    CHECK(is_state(&stage, 0, "active, the other has all"));
    ask(&stage, 0, HEAD);
    deliver(&stage);
    CHECK(stage.site[0].answer.epoch == log.epoch); /* nobody else noticed */
    kill_one(&stage, 0);
    ticks(&stage, PAIR_TICKS);
    (void)attached(&stage, 1);
    ask(&stage, 1, ALL);
    deliver(&stage);
    CHECK(stage.site[1].entries == 1); /* it had caught up */
    ended(&stage);
}

TEST(chp_pair_sends_again_what_was_lost_on_the_way)
{
    struct stage stage = {0};

    begun(&stage);
    (void)attached(&stage, 0);
    publish(&stage, 0, 1);
    forget(&stage.site[0]);
    ticks(&stage, 1);
    CHECK(stage.site[0].answers == 1);
    publish(&stage, 0, 2);
    deliver_to(&stage, 1);
    forget(&stage.site[1]); /* its answer */
    ticks(&stage, 1);
    CHECK(stage.site[0].answers == 1 && is_state(&stage, 0, "active, the other has all"));
    ended(&stage);
}

/* ---- one that stands still ------------------------------------------------------------ */

/* No cut, only a pause: here nothing may go wrong at all. */
TEST(chp_pair_one_that_stood_still_confirms_no_head_after_it_was_replaced)
{
    struct stage stage = {0};

    begun(&stage);
    (void)attached(&stage, 0);
    ask(&stage, 0, HEAD);
    forget(&stage.site[0]);
    stage.site[0].still = true;
    ticks(&stage, PAIR_TICKS);
    struct talk_answer after = attached(&stage, 1);
    publish(&stage, 1, 1);
    ticks(&stage, PAIR_TICKS); /* it is lost: the active one goes on */
    CHECK(stage.site[1].answers == 1);
    stage.site[0].still = false;
    ask(&stage, 0, HEAD); /* one more that lay in its socket */
    CHECK(stage.site[0].answers == 0);
    ticks(&stage, 3);
    CHECK(stage.site[0].answers == 0); /* neither was answered */
    CHECK(is_refused(&stage, 0));
    CHECK(is_state(&stage, 1, "active, the other has all"));
    ask(&stage, 1, HEAD);
    deliver(&stage);
    CHECK(stage.site[1].answer.epoch == after.epoch); /* the old one had said nothing alone */
    ended(&stage);
}

TEST(chp_pair_a_passive_that_stood_still_does_not_take_over)
{
    struct stage stage = {0};

    begun(&stage);
    (void)attached(&stage, 0);
    stage.site[1].still = true;
    ticks(&stage, 2 * PAIR_TICKS);
    publish(&stage, 0, 1);
    deliver(&stage);
    CHECK(stage.site[0].answers == 1); /* alone */
    stage.site[1].still = false;
    hub_tick(stage.site[1].hub); /* its timer is first, whatever lies in its sockets */
    CHECK(is_state(&stage, 1, "passive"));
    ask(&stage, 1, HEAD);
    CHECK(strcmp(stage.site[1].answer.refused, TALK_PASSIVE) == 0);
    ticks(&stage, 3);
    CHECK(is_state(&stage, 0, "active, the other has all"));
    kill_one(&stage, 0);
    ticks(&stage, PAIR_TICKS);
    (void)attached(&stage, 1);
    ask(&stage, 1, ALL);
    deliver(&stage);
    CHECK(stage.site[1].entries == 1);
    ended(&stage);
}

/* ---- a cut ---------------------------------------------------------------------------- */

/* Both answer then, which is said aloud (docs/operating/bus_chp.md). What is promised is the
 * end of it: one yields, and every cache begins anew, for each lacks what the other removed. */
TEST(chp_pair_after_a_cut_one_yields_and_every_log_is_renewed)
{
    for (unsigned heard_last = 0; heard_last < 2; heard_last++) {
        struct stage stage = {0};
        begun(&stage);
        struct talk_answer first = attached(&stage, 0);
        stage.site[0].mute = stage.site[1].mute = true;
        forget(&stage.site[0]);
        forget(&stage.site[1]);
        ticks(&stage, PAIR_TICKS);
        struct talk_answer second = attached(&stage, 1);
        CHECK(is_state(&stage, 0, "active, alone") && is_state(&stage, 1, "active, alone"));
        publish(&stage, 0, 1);
        publish(&stage, 1, 2);
        CHECK(stage.site[0].answers == 1 && stage.site[1].answers == 1);
        /* One direction comes back first. */
        stage.site[heard_last].mute = false;
        ticks(&stage, 2);
        stage.site[1 - heard_last].mute = false;
        ticks(&stage, 3);
        CHECK(is_state(&stage, 1, "active, the other has all")); /* of the newer takeover */
        CHECK(is_refused(&stage, 0));
        struct talk_answer now = attached(&stage, 1);
        CHECK(now.epoch != first.epoch && now.epoch != second.epoch);
        ticks(&stage, 2 * PAIR_TICKS);
        CHECK(attached(&stage, 1).epoch == now.epoch); /* once */
        ended(&stage);
    }
}

TEST(chp_pair_that_is_heard_but_hears_nothing_is_not_replaced)
{
    struct stage stage = {0};

    begun(&stage);
    (void)attached(&stage, 0);
    stage.site[1].mute = true;
    ticks(&stage, 3 * PAIR_TICKS);
    CHECK(is_state(&stage, 0, "active, alone"));
    CHECK(is_refused(&stage, 1));
    stage.site[1].mute = false;
    ticks(&stage, 3);
    CHECK(is_state(&stage, 0, "active, the other has all"));
    ended(&stage);
}

/* ---- much ----------------------------------------------------------------------------- */

TEST(chp_pair_catches_up_with_more_than_one_message_holds)
{
    enum { COUNT = 9000 };
    struct stage stage = {0};

    start(&stage, 0);
    ticks(&stage, PAIR_TICKS);
    struct talk_answer log = attached(&stage, 0);
    for (uint64_t i = 1; i <= COUNT; i++) {
        stage.site[0].answer = log;
        publish(&stage, 0, i);
        CHECK(stage.site[0].answers == 1 && !stage.site[0].answer.refused[0]);
    }
    start(&stage, 1);
    ticks(&stage, 2);
    CHECK(is_state(&stage, 0, "active, the other has all"));
    struct hub_counts one = {0}, other = {0};
    hub_count(stage.site[0].hub, &one);
    hub_count(stage.site[1].hub, &other);
    CHECK(one.entries == COUNT && other.entries == COUNT);
    ended(&stage);
}

TEST(chp_pair_a_log_that_is_dropped_or_cut_is_so_at_both)
{
    struct stage stage = {0};

    begun(&stage);
    struct talk_answer before = attached(&stage, 0);
    publish(&stage, 0, 1);
    publish(&stage, 0, 2);
    deliver(&stage);
    hub_cut(stage.site[0].hub, "shop", 1);
    ask(&stage, 0, HEAD);
    deliver(&stage);
    CHECK(stage.site[0].answers == 1);
    struct hub_counts other = {0};
    hub_count(stage.site[1].hub, &other);
    CHECK(other.logs == 1 && other.entries == 1);
    ask(&stage, 0, "/accord/shop/drop/nonce=9/");
    deliver(&stage);
    CHECK(stage.site[0].answers == 1 && !stage.site[0].answer.refused[0]);
    other = (struct hub_counts){0};
    hub_count(stage.site[1].hub, &other);
    CHECK(other.logs == 0);
    CHECK(!id128_equal(attached(&stage, 0).log, before.log));
    ended(&stage);
}

/* Whatever comes from a server that is not what it seems: refused, and then it is asked for all
 * anew. */
TEST(chp_pair_takes_no_copy_that_does_not_follow)
{
    static uint8_t packed[HUB_COPY_BYTES_MAX];
    struct hub_logs from = {.count = 1}, to = {.count = 0};
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    size_t bytes;

    from.log[0] = hub_log_new("shop", 3000);
    CHECK(from.log[0] && hub_log_reserve(from.log[0], 3));
    for (uint64_t i = 1; i <= 3; i++) {
        struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {i, 1}};
        CHECK(change_encode(&c, record, sizeof record, &bytes) == ACCORD_OK);
        struct hub_entry *e =
            hub_entry_new(from.log[0], bytes_of(record, bytes), bytes_of(NULL, 0));
        CHECK(e);
        hub_log_append(from.log[0], e, i, 0);
    }
    size_t used = hub_copy_pack(&from, packed, 0);
    CHECK(used > 0 && hub_copy_is_whole(&from));
    for (size_t cut = 1; cut < used; cut++) {
        (void)hub_copy_take(&to, bytes_of(packed, cut), 0);
        hub_logs_free(&to);
    }
    for (size_t i = 0; i < used; i++) {
        packed[i] ^= 0x80;
        (void)hub_copy_take(&to, bytes_of(packed, used), 0);
        packed[i] ^= 0x80;
        hub_logs_free(&to);
    }
    CHECK(hub_copy_take(&to, bytes_of(packed, used), 0));
    CHECK(to.count == 1 && to.log[0]->count == 3);
    CHECK(!hub_copy_take(&to, bytes_of(packed, used), 0)); /* the same again does not follow */
    hub_logs_free(&to);
    hub_logs_free(&from);
}
