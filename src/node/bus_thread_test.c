/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/bus_thread.h"
#include "test.h"

#include "bus/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEEN_MAX = 64, KEYS_MAX = 4096 };

/* A loop with a bus thread, and what came back from it, in order. */
struct bench {
    uv_loop_t loop;
    uv_timer_t limit;
    struct bus_thread *bus;
    enum event_type seen[SEEN_MAX];
    int statuses[SEEN_MAX];
    size_t seen_count, entries;
    uint64_t last_position, head, nonce;
    bool resumed, slow, stop_inside;
    struct cursor at;
    struct id128 log;
    char first_key[32], why[BUS_WHY_BYTES_MAX];
};

static void take_entries(struct bench *b, const struct event *e)
{
    for (size_t i = 0; i < e->entries.count; i++) {
        const struct entry *n = &e->entries.entries[i];
        CHECK(n->position > b->last_position);
        b->last_position = n->position;
        b->at.position = n->position;
        b->at.message = n->change.message;
        if (b->entries == 0)
            snprintf(b->first_key, sizeof b->first_key, "%.*s", (int)n->change.key.size_bytes,
                     (const char *)n->change.key.data);
        b->entries++;
    }
}

static void take(void *context, struct event *e)
{
    struct bench *b = context;
    size_t i = b->seen_count < SEEN_MAX ? b->seen_count++ : SEEN_MAX - 1;

    b->seen[i] = e->type;
    b->statuses[i] = 0;
    if (e->type == EVENT_BUS_ENTRIES) {
        take_entries(b, e);
    } else if (e->type == EVENT_BUS_ATTACHED) {
        b->resumed = e->attached.resumed;
        b->log = b->at.log = e->attached.log;
        b->at.epoch = e->attached.epoch;
    } else if (e->type == EVENT_BUS_HEAD) {
        b->statuses[i] = e->head.status;
        b->head = e->head.head;
        b->nonce = e->head.nonce;
    } else if (e->type == EVENT_BUS_PUBLISHED) {
        b->statuses[i] = e->published.status;
        CHECK((e->published.epoch > 0) == (e->published.status == ACCORD_OK));
        CHECK(!b->at.epoch || !e->published.epoch || e->published.epoch == b->at.epoch);
    } else {
        snprintf(b->why, sizeof b->why, "%s", e->lost.why);
    }
    if (b->stop_inside) {
        bus_thread_stop(b->bus);
        b->bus = NULL;
    }
    uv_stop(&b->loop);
}

static void too_late(uv_timer_t *timer)
{
    (void)timer;
    test_fail("nothing came within the time given", __FILE__, __LINE__);
}

static void begin_as(struct bench *b, const char *url, const char *node)
{
    struct bus_settings s = {url, 3000, 3600000, 100000, 1000, {0}, node, NULL, NULL};
    char why[BUS_WHY_BYTES_MAX];

    memset(b, 0, sizeof *b);
    CHECK(uv_loop_init(&b->loop) == 0);
    CHECK(uv_timer_init(&b->loop, &b->limit) == 0);
    CHECK(bus_thread_start(&b->bus, &b->loop, &bus_memory, &s, take, b, why) == ACCORD_OK);
}

static void begin(struct bench *b, const char *url)
{
    begin_as(b, url, NULL);
}

static void end(struct bench *b)
{
    bus_thread_stop(b->bus);
    uv_close((uv_handle_t *)&b->limit, NULL);
    CHECK(uv_run(&b->loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&b->loop) == 0);
}

/* Runs until an event of this type has come; returns its status. */
static int until(struct bench *b, enum event_type type)
{
    b->seen_count = 0;
    CHECK(uv_timer_start(&b->limit, too_late, 10000, 0) == 0);
    for (;;) {
        uv_run(&b->loop, UV_RUN_DEFAULT);
        for (size_t i = 0; i < b->seen_count; i++)
            if (b->seen[i] == type)
                return b->statuses[i];
    }
}

static void until_entries(struct bench *b, size_t count)
{
    CHECK(uv_timer_start(&b->limit, too_late, 10000, 0) == 0);
    while (b->entries < count)
        uv_run(&b->loop, UV_RUN_DEFAULT);
}

static struct change removal(const char *key, uint64_t number)
{
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text(key),
                           .message = {0x1234, number},
                           .origin = bytes_of_text("web1"),
                           .incarnation = {1, 2},
                           .sequence = number};
}

static void publish_one(struct bench *b, const char *key, uint64_t number)
{
    struct change c = removal(key, number);

    bus_thread_publish(b->bus, number, &c, 1);
}

TEST(what_is_published_comes_back_in_order)
{
    struct bench b;

    begin(&b, "memory:order");
    bus_thread_attach(b.bus, NULL, 12 * NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    CHECK(!b.resumed);
    for (uint64_t i = 1; i <= 20; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %llu", (unsigned long long)i);
        publish_one(&b, key, i);
        memset(key, 'x', sizeof key); /* what was given is borrowed for the call alone */
        CHECK(until(&b, EVENT_BUS_PUBLISHED) == ACCORD_OK);
    }
    until_entries(&b, 20);
    CHECK(strcmp(b.first_key, "key 1") == 0);
    bus_thread_ask_head(b.bus, 77, &b.at);
    CHECK(until(&b, EVENT_BUS_HEAD) == ACCORD_OK);
    CHECK(b.nonce == 77);
    CHECK(b.head == b.last_position);
    end(&b);
}

TEST(a_third_publish_at_a_time_is_refused_and_the_others_go_through)
{
    struct bench b;
    static struct change many[PUBLISH_BATCH_MAX];
    struct bus_counts counts;

    for (uint64_t i = 0; i < PUBLISH_BATCH_MAX; i++)
        many[i] = removal("k", i + 1);
    begin(&b, "memory:full");
    /* The thread takes the first at some time; six can never fit. */
    for (uint64_t i = 0; i < 6; i++)
        bus_thread_publish(b.bus, i, many, PUBLISH_BATCH_MAX);
    bool refused = false;
    size_t answers = 0;
    while (answers < 6) {
        CHECK(uv_timer_start(&b.limit, too_late, 10000, 0) == 0);
        b.seen_count = 0;
        uv_run(&b.loop, UV_RUN_DEFAULT);
        for (size_t i = 0; i < b.seen_count; i++) {
            CHECK(b.seen[i] == EVENT_BUS_PUBLISHED);
            CHECK(b.statuses[i] == ACCORD_OK || b.statuses[i] == ACCORD_E_FULL);
            refused = refused || b.statuses[i] == ACCORD_E_FULL;
            answers++;
        }
    }
    CHECK(refused);
    bus_thread_count(b.bus, &counts);
    CHECK(counts.publishes >= 2 && counts.publishes < 6);
    CHECK(counts.published_changes == counts.publishes * PUBLISH_BATCH_MAX);
    end(&b);
}

TEST(a_lost_connection_is_taken_up_where_it_was)
{
    struct bench b;

    begin(&b, "memory:lost");
    bus_thread_attach(b.bus, NULL, 12 * NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    publish_one(&b, "before", 1);
    CHECK(until(&b, EVENT_BUS_PUBLISHED) == ACCORD_OK);
    until_entries(&b, 1);
    memory_log_down("lost", true);
    until(&b, EVENT_BUS_LOST);
    CHECK(strstr(b.why, "memory:lost is down"));
    publish_one(&b, "meanwhile", 2);
    CHECK(until(&b, EVENT_BUS_PUBLISHED) == ACCORD_E_DOWN);
    bus_thread_ask_head(b.bus, 5, &b.at);
    CHECK(until(&b, EVENT_BUS_HEAD) == ACCORD_E_DOWN);
    memory_log_write("lost", "remove", bytes_of_text("by hand"));
    memory_log_down("lost", false);
    until(&b, EVENT_BUS_ATTACHED);
    CHECK(b.resumed);
    until_entries(&b, 2);
    end(&b);
}

TEST(a_lost_tail_is_gone_and_waits_for_another_attach)
{
    struct bench b;
    struct bus_counts counts;

    begin(&b, "memory:gone");
    bus_thread_attach(b.bus, NULL, 12 * NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    publish_one(&b, "a", 1);
    publish_one(&b, "b", 2);
    until_entries(&b, 2);
    struct id128 log = b.log;
    memory_log_replace("gone");
    until(&b, EVENT_BUS_GONE);
    CHECK(b.why[0]);
    bus_thread_attach(b.bus, &b.at, 12 * NS_PER_S);
    until(&b, EVENT_BUS_GONE);
    bus_thread_attach(b.bus, NULL, 12 * NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    CHECK(!b.resumed);
    CHECK(!id128_equal(b.log, log));
    bus_thread_count(b.bus, &counts);
    CHECK(counts.gones == 2);
    CHECK(counts.attaches == 2);
    CHECK(counts.retry_in_ms == 0);
    end(&b);
}

TEST(an_attach_makes_void_what_the_one_before_had_still_to_say)
{
    struct bench b;
    char key[32];

    begin(&b, "memory:void");
    bus_thread_attach(b.bus, NULL, 12 * NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%d", i);
        memory_log_write("void", "remove", bytes_of_text(key));
    }
    /* The loop does not run: what is read waits. Another view of the same entries is asked. */
    uv_sleep(50);
    bus_thread_attach(b.bus, NULL, 12 * NS_PER_S);
    b.seen_count = 0;
    CHECK(uv_timer_start(&b.limit, too_late, 10000, 0) == 0);
    uv_run(&b.loop, UV_RUN_DEFAULT);
    CHECK(b.seen[0] == EVENT_BUS_ATTACHED);
    until_entries(&b, 100);
    CHECK(b.entries == 100);
    CHECK(strcmp(b.first_key, "0") == 0);
    end(&b);
}

TEST(a_loop_that_does_not_run_holds_the_reader_back)
{
    struct bench b;
    struct bus_counts counts;
    char key[32];

    begin(&b, "memory:slow");
    bus_thread_attach(b.bus, NULL, 12 * NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "%d", i);
        memory_log_write("slow", "remove", bytes_of_text(key));
    }
    uv_sleep(200);
    bus_thread_count(b.bus, &counts);
    CHECK(counts.batches <= BATCHES_MAX);
    CHECK(counts.entries <= (uint64_t)BATCHES_MAX * DELIVER_BATCH_MAX);
    until_entries(&b, 4000);
    CHECK(b.entries == 4000);
    end(&b);
}

TEST(a_publish_whose_answer_was_lost_is_said_to_be_unknown)
{
    struct bench b;

    begin(&b, "memory:unknown");
    memory_log_lose_answers("unknown", 1);
    publish_one(&b, "a", 1);
    CHECK(until(&b, EVENT_BUS_PUBLISHED) == ACCORD_E_TIMEOUT);
    publish_one(&b, "a", 1);
    CHECK(until(&b, EVENT_BUS_PUBLISHED) == ACCORD_OK);
    end(&b);
}

TEST(it_can_be_stopped_at_any_time_even_from_its_own_event)
{
    struct bench b;

    begin(&b, "memory:stop");
    end(&b);
    begin(&b, "memory:stop");
    bus_thread_attach(b.bus, NULL, NS_PER_S);
    publish_one(&b, "a", 1);
    end(&b);
    begin(&b, "memory:stop");
    memory_log_down("stop", true);
    bus_thread_attach(b.bus, NULL, NS_PER_S);
    b.stop_inside = true;
    until(&b, EVENT_BUS_LOST);
    end(&b);
}

TEST(a_bus_url_that_can_never_work_is_refused_at_once)
{
    struct bus_settings s = {"memory:", 3000, 3600000, 100000, 1000, {0}, NULL, NULL, NULL};
    struct bus_thread *t = NULL;
    char why[BUS_WHY_BYTES_MAX] = "";
    uv_loop_t loop;

    CHECK(uv_loop_init(&loop) == 0);
    CHECK(bus_thread_start(&t, &loop, &bus_memory, &s, take, NULL, why) == ACCORD_E_INVALID);
    CHECK(!t);
    CHECK(why[0]);
    CHECK(uv_loop_close(&loop) == 0);
}

static const char *const present_names[] = {"web1", "web2"};

static enum presence told(struct bench *b, size_t index)
{
    enum presence said;

    bus_thread_ask_present(b->bus, present_names, COUNT_OF(present_names));
    for (int i = 0;
         (said = bus_thread_present(b->bus, index, present_names[index])) == PRESENCE_ASKING;
         i++) {
        CHECK(i < 2000);
        uv_sleep(10);
    }
    return said;
}

TEST(who_is_connected_is_asked_for_when_somebody_wants_to_know)
{
    struct bench b, other;

    begin_as(&b, "memory:present", "web1");
    begin_as(&other, "memory:present", "web2");
    CHECK(told(&b, 0) == PRESENCE_UNKNOWN); /* not attached */
    bus_thread_attach(b.bus, NULL, NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    CHECK(told(&b, 0) == PRESENCE_YES);
    CHECK(told(&b, 1) == PRESENCE_YES);
    /* Wherever it stood in the list; of who was not in it nothing is known. */
    CHECK(bus_thread_present(b.bus, 7, "web1") != PRESENCE_NO);
    CHECK(bus_thread_present(b.bus, 0, "web9") != PRESENCE_YES);
    end(&other);
    for (int i = 0; told(&b, 1) != PRESENCE_NO; i++) { /* what was said is good for a while */
        CHECK(i < 2000);
        uv_sleep(10);
    }
    CHECK(told(&b, 0) == PRESENCE_YES);
    end(&b);
}

TEST(who_is_connected_is_unknown_where_the_bus_cannot_say)
{
    struct bench b;

    begin_as(&b, "memory:absent", "web1");
    bus_thread_attach(b.bus, NULL, NS_PER_S);
    until(&b, EVENT_BUS_ATTACHED);
    memory_log_down("absent", true);
    CHECK(told(&b, 0) == PRESENCE_UNKNOWN);
    memory_log_down("absent", false);
    end(&b);
}
