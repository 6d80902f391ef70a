/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* nats_feed_test.c - a reader on NATS whose consumer dies under it, or of whose messages some
 * do not arrive: everything comes, once and in order. */
#include "contract.h"

#include <jansson.h>
#include <nats/nats.h>

enum { ASK_MS = 20000, PATIENCE_MS = 60000, BURST = 40 };

struct person {
    natsConnection *c;
    char stream[64];
};

static struct person person_at(const char *url)
{
    struct person p = {0};

    snprintf(p.stream, sizeof p.stream, "ACCORD_%s", strrchr(url, '/') + 1);
    CHECK(natsConnection_ConnectTo(&p.c, url) == NATS_OK);
    return p;
}

static json_t *ask(struct person *p, const char *verb, const char *more)
{
    char subject[256];
    natsMsg *m = NULL;

    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.%s.%s%s%s", verb, p->stream,
             more ? "." : "", more ? more : "");
    CHECK(natsConnection_RequestString(&m, p->c, subject, "", ASK_MS) == NATS_OK);
    json_t *answer = json_loadb(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m), 0, NULL);
    natsMsg_Destroy(m);
    CHECK(answer);
    return answer;
}

static const char *text_at(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The consumers that push: the readers'. Others only say where a time begins. */
static size_t each_reader(struct person *p, void (*what)(struct person *, json_t *))
{
    json_t *answer = ask(p, "LIST", NULL), *one;
    size_t i, found = 0;

    json_array_foreach(json_object_get(answer, "consumers"), i, one)
    {
        if (!text_at(json_object_get(one, "config"), "deliver_subject"))
            continue;
        what(p, one);
        found++;
    }
    json_decref(answer);
    return found;
}

/* It may be gone already: the reader deletes those that it leaves. */
static void kill_one(struct person *p, json_t *consumer)
{
    json_decref(ask(p, "DELETE", text_at(consumer, "name")));
}

/* As if so many messages had been pushed and had not come. */
static void say_that_some_were_missed(struct person *p, json_t *consumer)
{
    const char *to = text_at(json_object_get(consumer, "config"), "deliver_subject");
    natsMsg *m = NULL;

    CHECK(natsMsg_Create(&m, to, NULL, NULL, 0) == NATS_OK);
    CHECK(natsMsgHeader_Set(m, "Status", "100") == NATS_OK);
    CHECK(natsMsgHeader_Set(m, "Description", "Idle Heartbeat") == NATS_OK);
    CHECK(natsMsgHeader_Set(m, "Nats-Last-Consumer", "1000000") == NATS_OK);
    CHECK(natsConnection_PublishMsg(p->c, m) == NATS_OK);
    CHECK(natsConnection_Flush(p->c) == NATS_OK);
    natsMsg_Destroy(m);
}

/* One from the middle of nowhere: those before it were lost on the way. */
static void push_one_too_far(struct person *p, json_t *consumer)
{
    const char *to = text_at(json_object_get(consumer, "config"), "deliver_subject");
    char reply[256];
    natsMsg *m = NULL;

    snprintf(reply, sizeof reply, "$JS.ACK.%s.%s.1.900000.900000.1700000000000000000.0",
             p->stream, text_at(consumer, "name"));
    CHECK(natsMsg_Create(&m, to, reply, "x", 1) == NATS_OK);
    CHECK(natsConnection_PublishMsg(p->c, m) == NATS_OK);
    CHECK(natsConnection_Flush(p->c) == NATS_OK);
    natsMsg_Destroy(m);
}

/* Reads until all that was published has come, each once and in its order. */
static void expect_all(struct peer *p, const uint64_t *positions, size_t count)
{
    uint64_t end_ms = now_ms() + PATIENCE_MS;
    const struct entry *entries;

    for (size_t seen = 0; seen < count;) {
        CHECK(now_ms() < end_ms);
        size_t got = read_some(p, 100, &entries);
        for (size_t i = 0; i < got; i++)
            CHECK(seen < count && entries[i].position == positions[seen++]);
    }
}

/* What a server may say of a consumer that it ends. */
static void say_that_it_is_deleted(struct person *p, json_t *consumer)
{
    const char *to = text_at(json_object_get(consumer, "config"), "deliver_subject");
    natsMsg *m = NULL;

    CHECK(natsMsg_Create(&m, to, NULL, NULL, 0) == NATS_OK);
    CHECK(natsMsgHeader_Set(m, "Status", "409") == NATS_OK);
    CHECK(natsConnection_PublishMsg(p->c, m) == NATS_OK);
    CHECK(natsConnection_Flush(p->c) == NATS_OK);
    natsMsg_Destroy(m);
}

static void survives(void (*misfortune)(struct person *, json_t *), const char *cluster,
                     uint64_t *rng)
{
    struct peer reader = opened(&bus_kit_nats, cluster),
                writer = opened(&bus_kit_nats, cluster);
    struct person p = person_at(reader.url);
    uint64_t positions[BURST];
    const struct entry *entries;

    published_one(&writer, rng, "first");
    (void)read_one(&reader); /* its consumer is there now */
    for (size_t round = 0; round < 2; round++) {
        CHECK(each_reader(&p, misfortune) > 0);
        if (round == 1)
            (void)read_some(&reader, 50, &entries); /* it is noticed while nothing comes */
        for (size_t i = 0; i < BURST; i++)
            positions[i] = published_one(&writer, rng, "next");
        expect_all(&reader, positions, BURST);
    }
    natsConnection_Destroy(p.c);
    closed(&reader);
    closed(&writer);
}

TEST(nats_reader_goes_on_when_its_consumer_is_deleted_under_it)
{
    survives(kill_one, "deleted", rng);
}

TEST(nats_reader_asks_again_for_what_a_heartbeat_says_was_pushed)
{
    survives(say_that_some_were_missed, "missed", rng);
}

TEST(nats_reader_makes_another_consumer_where_the_server_ends_one)
{
    survives(say_that_it_is_deleted, "ended", rng);
}

/* 1.7.4: a sequence that jumps is a loss, or a trim. */
TEST(nats_reader_takes_nothing_from_behind_what_was_lost_on_the_way)
{
    survives(push_one_too_far, "jump", rng);
}

/* Anybody who may write to the log may write headers, too. */
TEST(nats_reader_takes_a_message_that_looks_like_a_heartbeat_for_a_message)
{
    struct peer reader = opened(&bus_kit_nats, "posing");
    struct person p = person_at(reader.url);
    natsMsg *m = NULL;

    published_one(&reader, rng, "first");
    CHECK(natsMsg_Create(&m, "accord.posing.do.clear", NULL, NULL, 0) == NATS_OK);
    CHECK(natsMsgHeader_Set(m, "Status", "100") == NATS_OK);
    CHECK(natsMsgHeader_Set(m, "Nats-Last-Consumer", "1000000") == NATS_OK);
    CHECK(natsConnection_PublishMsg(p.c, m) == NATS_OK);
    CHECK(natsConnection_Flush(p.c) == NATS_OK);
    natsMsg_Destroy(m);
    published_one(&reader, rng, "last");
    CHECK(bytes_equal(read_one(&reader).change.key, bytes_of_text("first")));
    CHECK(read_one(&reader).change.op == CHANGE_CLEAR);
    CHECK(bytes_equal(read_one(&reader).change.key, bytes_of_text("last")));
    natsConnection_Destroy(p.c);
    closed(&reader);
}
