/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_test.c - what only this bus does: its words, its limits, and a server that is killed,
 * stopped, started again. The rest is in test/contract. */
#include "bus/chp/chp.h"
#include "bus/chp/hub.h"
#include "bus/chp/hub_log.h"
#include "bus/chp/talk.h"
#include "chp_server.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 20000, SHORT_MS = 300, RETAIN_MS = 3600000 };

static char why[BUS_WHY_BYTES_MAX];

#define OK(e)                                                                                  \
    do {                                                                                       \
        int status_of_e = (e);                                                                 \
        if (status_of_e != ACCORD_OK)                                                          \
            fprintf(stderr, "%s\n", why);                                                      \
        CHECK(status_of_e == ACCORD_OK);                                                       \
    } while (0)

/* ---- words ---------------------------------------------------------------------------- */

static int question(const char *text, struct talk_question *q)
{
    const char *because = NULL;
    int status = talk_question_parse(bytes_of_text(text), q, &because);

    CHECK((status == ACCORD_OK) == (because == NULL));
    return status;
}

TEST(chp_bus_a_question_comes_out_as_it_went_in)
{
    struct talk_question q = {.cluster = "shop_1",
                              .verb = TALK_ATTACH,
                              .nonce = UINT64_MAX,
                              .position = 17,
                              .view_ms = 3600000,
                              .max_stale_ms = 3000,
                              .node = "w/\n\x80"};
    struct talk_question out;
    char text[TALK_PATH_BYTES_MAX];

    talk_question_print(&q, text);
    CHECK(question(text, &out) == ACCORD_OK);
    CHECK(strcmp(out.cluster, "shop_1") == 0 && out.verb == TALK_ATTACH);
    CHECK(out.nonce == UINT64_MAX && out.position == 17 && out.view_ms == 3600000);
    CHECK(out.max_stale_ms == 3000 && strcmp(out.node, q.node) == 0);
    CHECK(question("/accord/shop/", &out) == ACCORD_OK && out.verb == TALK_RECENT);
    CHECK(question("/accord/shop/head/later=1/position=5/", &out) == ACCORD_OK);
    CHECK(out.verb == TALK_HEAD && out.position == 5);
}

TEST(chp_bus_refuses_what_is_no_question)
{
    static const char *const bad[] = {"",
                                      "/accord/",
                                      "/accord/shop",
                                      "/accord//head/",
                                      "/accord/Shop/head/",
                                      "/accord/123456789012345678901234567890123/head/",
                                      "/accord/shop/fetch/",
                                      "/accord/shop/head/position=-1/",
                                      "/accord/shop/head/position=/",
                                      "/accord/shop/head/position=18446744073709551616/",
                                      "/accord/shop/attach/node=0/",
                                      "/accord/shop/attach/node=00/",
                                      "/greeble/43/"};
    struct talk_question q;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK(question(bad[i], &q) == ACCORD_E_FORMAT);
}

TEST(chp_bus_an_answer_comes_out_as_it_went_in)
{
    struct talk_answer a = {.log = {1, UINT64_MAX},
                            .epoch = 7,
                            .pruned_to = 5,
                            .view = UINT64_MAX,
                            .max_stale_ms = 3000,
                            .max_stale_before_ms = 9000,
                            .refused = TALK_FULL ": no"};
    char text[TALK_PROPERTIES_BYTES_MAX];
    uint8_t uuid[CHP_UUID_BYTES];
    struct talk_answer out;
    struct chp_message m = {.sequence = 12};

    talk_uuid_print((struct id128){3, 4}, uuid);
    m.uuid = bytes_of(uuid, sizeof uuid);
    m.properties = bytes_of(text, talk_answer_print(&a, text));
    CHECK(talk_answer_parse(&m, &out) == ACCORD_OK);
    CHECK(id128_equal(out.log, a.log) && out.epoch == 7 && out.head == 12);
    CHECK(id128_equal(out.message, (struct id128){3, 4}) && out.pruned_to == 5);
    CHECK(out.view == UINT64_MAX && out.max_stale_ms == 3000);
    CHECK(out.max_stale_before_ms == 9000 && strcmp(out.refused, "full: no") == 0);
    m.properties = bytes_of_text("log=1\nepoch=2\n");
    CHECK(talk_answer_parse(&m, &out) == ACCORD_E_FORMAT);
}

TEST(chp_bus_url_names_a_server_and_a_cluster)
{
    static const char *const bad[] = {"chp://127.0.0.1:1,127.0.0.1:9,127.0.0.1:17/shop",
                                      "chp://127.0.0.1:5556,127.0.0.1:5558/shop",
                                      "chp://me@127.0.0.1/shop",
                                      "chp://127.0.0.1:65534/shop",
                                      "chp://127.0.0.1/Shop",
                                      "chp://127.0.0.1/shop?collector=push",
                                      "chp://192.0.2.1/shop",
                                      "chp:shop"};
    struct bus_settings s = {.max_stale_ms = 3000, .timeout_ms = SHORT_MS};
    struct bus *b = NULL;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        s.url = bad[i];
        why[0] = '\0';
        int status = bus_chp.open(&b, &s, why);
        if (status == ACCORD_E_UNSUPPORTED)
            test_skip("built without libzmq");
        CHECK(status == ACCORD_E_INVALID && why[0] && !b);
    }
}

/* ---- a hub without sockets ------------------------------------------------------------ */

struct heard {
    uint64_t sequence;
    struct talk_answer answer;
    size_t answers, entries, nodes, published, refused;
    uint32_t gone_below; /* clients that are called by lower numbers are gone */
};

static uint64_t next(void *context)
{
    return ++((struct heard *)context)->sequence;
}

static int note(void *context, struct bytes client, const struct bytes *frames, size_t count)
{
    struct heard *h = context;
    struct chp_message m;
    const char *because;

    uint32_t number = 0;
    if (client.size_bytes == sizeof number)
        memcpy(&number, client.data, sizeof number);
    if (client.size_bytes == sizeof number && number < h->gone_below)
        return ACCORD_E_GONE;
    CHECK(chp_parse_long(frames, count, SIZE_MAX, &m, &because) == ACCORD_OK);
    if (bytes_equal(m.key, bytes_of_text(CHP_KTHXBAI))) {
        CHECK(talk_answer_parse(&m, &h->answer) == ACCORD_OK);
        h->answers++;
    } else if (bytes_equal(m.key, bytes_of_text("node"))) {
        h->nodes++;
    } else {
        h->entries++;
    }
    return ACCORD_OK;
}

static void note_published(void *context, const struct bytes *frames, size_t count)
{
    (void)frames;
    CHECK(count == CHP_FRAMES);
    ((struct heard *)context)->published++;
}

static void note_refused(void *context, const char *because, struct bytes about)
{
    (void)about;
    CHECK(because[0]);
    ((struct heard *)context)->refused++;
}

static struct hub *hub_of(struct heard *h)
{
    const struct hub_host host = {.context = h,
                                  .sequence = next,
                                  .send = note,
                                  .publish = note_published,
                                  .refused = note_refused};

    *h = (struct heard){.sequence = 1000};
    struct hub *hub = hub_new(&host);
    CHECK(hub);
    return hub;
}

static void ask(struct hub *hub, const char *path)
{
    struct bytes frames[] = {bytes_of_text(CHP_ICANHAZ), bytes_of_text(path)};

    hub_asked(hub, bytes_of("c", 1), frames, 2);
}

static void tell(struct hub *hub, const char *key)
{
    struct bytes none = bytes_of("", 0);
    struct bytes frames[] = {bytes_of_text(key), none, none, none, none};

    hub_told(hub, frames, CHP_FRAMES);
}

TEST(chp_bus_hub_serves_so_many_clusters)
{
    struct heard heard;
    struct hub *hub = hub_of(&heard);
    char path[64];

    for (unsigned i = 0; i < CHP_LOGS_MAX; i++) {
        snprintf(path, sizeof path, "/accord/c%u/attach/max_stale_ms=3000/", i);
        ask(hub, path);
        CHECK(!heard.answer.refused[0] && heard.answer.max_stale_ms == 3000);
    }
    ask(hub, "/accord/more/attach/max_stale_ms=3000/");
    CHECK(strstr(heard.answer.refused, "accord bus drop"));
    ask(hub, "/accord/c3/drop/");
    CHECK(!heard.answer.refused[0]);
    ask(hub, "/accord/c3/drop/");
    CHECK(strcmp(heard.answer.refused, TALK_ABSENT) == 0);
    ask(hub, "/accord/more/attach/max_stale_ms=1/"); /* below what can be */
    CHECK(!heard.answer.refused[0] && heard.answer.max_stale_ms == MAX_STALE_MS_MIN);
    hub_free(hub);
}

TEST(chp_bus_hub_takes_what_people_set_where_nodes_are)
{
    struct heard heard;
    struct hub *hub = hub_of(&heard);

    tell(hub, "/accord/shop/remove/k");
    CHECK(heard.refused == 1 && heard.published == 0);
    ask(hub, "/accord/shop/attach/max_stale_ms=3000/");
    tell(hub, "/accord/shop/remove/k");
    tell(hub, "/accord/shop/remove/k"); /* no message of its own: each is one */
    tell(hub, "/accord/Shop/remove/k");
    CHECK(heard.published == 2 && heard.refused == 2);
    ask(hub, "/accord/shop/");
    CHECK(heard.entries == 2 && heard.answer.head == heard.sequence);
    ask(hub, "/accord/shop/nonsense/");
    CHECK(heard.refused == 3);
    hub_free(hub);
}

TEST(chp_bus_hub_forgets_connections_that_are_gone)
{
    struct heard heard;
    struct hub *hub = hub_of(&heard);
    struct bytes frames[] = {
        bytes_of_text(CHP_ICANHAZ),
        bytes_of_text("/accord/shop/attach/max_stale_ms=3000/node=77656231/")};

    heard.gone_below = 2 * MEMBERS_MAX;
    for (uint32_t i = 0; i < 2 * MEMBERS_MAX + 1; i++) /* one node that came again and again */
        hub_asked(hub, bytes_of(&i, sizeof i), frames, 2);
    ask(hub, "/accord/shop/nodes/");
    CHECK(heard.nodes == 1);
    hub_free(hub);
}

static void publish(struct hub *hub, const struct talk_answer *a, struct bytes value)
{
    char properties[TALK_PROPERTIES_BYTES_MAX];
    struct bytes frames[] = {bytes_of_text("/accord/shop/publish/retain_changes=9/nonce=1/"),
                             bytes_of("", 0), bytes_of("", 0),
                             bytes_of(properties, talk_log_print(a->log, a->epoch, properties)),
                             value};

    hub_asked(hub, bytes_of("c", 1), frames, CHP_FRAMES);
}

static size_t records(uint8_t *out, size_t out_bytes, size_t count, uint64_t first)
{
    size_t used = 0, bytes;

    for (size_t i = 0; i < count; i++, used += bytes) {
        struct change c = {.op = CHANGE_REMOVE,
                           .key = bytes_of_text("k"),
                           .message = {first + i, 1},
                           .origin = bytes_of_text("w\nx")};
        CHECK(change_encode(&c, out + used, out_bytes - used, &bytes) == ACCORD_OK);
    }
    return used;
}

TEST(chp_bus_hub_takes_a_batch_whole_or_not_at_all)
{
    static uint8_t bytes[256 * (PUBLISH_BATCH_MAX + 1)];
    struct heard heard;
    struct hub *hub = hub_of(&heard);

    ask(hub, "/accord/shop/attach/max_stale_ms=3000/");
    struct talk_answer log = heard.answer, other = log;
    size_t used = records(bytes, sizeof bytes, 3, 1);
    publish(hub, &log, bytes_of(bytes, used - 1)); /* torn */
    CHECK(heard.answer.refused[0] && heard.published == 0);
    publish(hub, &log, bytes_of("", 0));
    CHECK(heard.answer.refused[0] && heard.published == 0);
    other.epoch++;
    publish(hub, &other, bytes_of(bytes, used));
    CHECK(strcmp(heard.answer.refused, TALK_EPOCH) == 0 && heard.published == 0);
    publish(hub, &log, bytes_of(bytes, used));
    CHECK(!heard.answer.refused[0] && heard.published == 3);
    CHECK(heard.answer.head == heard.sequence);
    used = records(bytes, sizeof bytes, PUBLISH_BATCH_MAX + 1, 1000);
    publish(hub, &log, bytes_of(bytes, used));
    CHECK(heard.answer.refused[0] && heard.published == 3);
    hub_free(hub);
}

TEST(chp_bus_log_drops_the_oldest_beyond_its_memory)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX], key[KEY_BYTES_MAX];
    struct hub_log *log = hub_log_new("shop", 3000);
    size_t bytes;

    CHECK(log);
    memset(key, 'k', sizeof key);
    for (uint64_t i = 1; i <= 9000; i++) { /* 150 MB */
        struct change c = {
            .op = CHANGE_REMOVE, .key = bytes_of(key, sizeof key), .message = {i, 1}};
        CHECK(change_encode(&c, record, sizeof record, &bytes) == ACCORD_OK);
        struct hub_entry *e = hub_entry_new(log, bytes_of(record, bytes), bytes_of(NULL, 0));
        CHECK(e && hub_log_reserve(log, 1));
        hub_log_append(log, e, i, /* now_ms= */ 0);
        hub_log_prune(log, /* now_ms= */ 0);
        CHECK(log->bytes < CHP_LOG_BYTES_MAX + CHP_LOG_BYTES_MAX / 4);
    }
    CHECK(log->newest == 9000 && log->pruned_to > 0);
    CHECK(log->entries[0]->position > log->pruned_to);
    CHECK(!hub_log_find(log, (struct id128){1, 1}));
    CHECK(hub_log_find(log, (struct id128){9000, 1}));
    hub_log_free(log);
}

/* ---- a server that is killed ---------------------------------------------------------- */

static struct chp_server server;

static struct bus *opened(uint64_t timeout_ms)
{
    static char url[64];
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = RETAIN_MS,
                             .retain_changes = 1000,
                             .timeout_ms = timeout_ms};
    struct bus *b = NULL;

    snprintf(url, sizeof url, "chp://127.0.0.1:%u/shop", server.port);
    OK(bus_chp.open(&b, &s, why));
    return b;
}

static struct bus_attached attached(struct bus *b)
{
    struct bus_attached a;

    OK(bus_chp.attach(b, NULL, /* view_ms= */ 0, &a, why));
    return a;
}

static int publish_key(struct bus *b, const char *key, struct position *last)
{
    static uint64_t given;
    struct change c = {.op = CHANGE_REMOVE, .key = bytes_of_text(key), .message = {7, ++given}};

    return bus_chp.publish(b, &c, 1, last, why);
}

/* The next entry's key. */
static void reads(struct bus *b, uint64_t *at, const char *key)
{
    const struct entry *entries;
    size_t count = 0;

    OK(bus_chp.read(b, *at, TIMEOUT_MS, &entries, &count, why));
    CHECK(count == 1 && bytes_equal(entries[0].change.key, bytes_of_text(key)));
    *at = entries[0].position;
}

TEST(chp_bus_a_server_started_again_has_another_log)
{
    struct position last;
    const struct entry *entries;
    size_t count;
    int status;

    chp_server_start(&server);
    struct bus *b = opened(TIMEOUT_MS);
    struct bus_attached before = attached(b), after;
    uint64_t at = before.after, head;
    OK(publish_key(b, "one", &last));
    reads(b, &at, "one");
    struct cursor cursor = {.log = before.log, .epoch = before.epoch, .position = at};
    chp_server_kill(&server);
    chp_server_start(&server);
    while ((status = bus_chp.head(b, &cursor, &head, why)) == ACCORD_E_DOWN)
        ; /* a slow machine */
    CHECK(status == ACCORD_E_GONE);
    CHECK(bus_chp.read(b, at, 0, &entries, &count, why) == ACCORD_E_GONE);
    while ((status = publish_key(b, "astray", &last)) == ACCORD_E_TIMEOUT)
        ; /* the old connection's end was noticed late */
    CHECK(status == ACCORD_E_DOWN);
    after = attached(b);
    CHECK(!id128_equal(before.log, after.log) && before.epoch != after.epoch);
    CHECK(bus_chp.attach(b, &cursor, 0, &after, why) == ACCORD_E_GONE);
    after = attached(b);
    at = after.after;
    OK(publish_key(b, "two", &last));
    CHECK(last.epoch == after.epoch && last.value > cursor.position);
    reads(b, &at, "two");
    bus_chp.close(b);
    chp_server_kill(&server);
}

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

TEST(chp_bus_a_server_that_is_gone_or_stands_still_is_given_up_in_time)
{
    struct bus_attached a;
    struct position last = {.value = 7};

    chp_server_start(&server);
    struct bus *b = opened(SHORT_MS);
    while (bus_chp.attach(b, NULL, 0, &a, why) != ACCORD_OK)
        ; /* a busy machine may be slower than that */
    struct cursor cursor = {.log = a.log, .epoch = a.epoch, .position = a.after};
    CHECK(kill(server.pid, SIGSTOP) == 0);
    uint64_t began_ms = now_ms(), head;
    int status = publish_key(b, "k", &last);
    CHECK(status == ACCORD_E_TIMEOUT || status == ACCORD_E_DOWN);
    CHECK(last.value == 7);
    CHECK(bus_chp.head(b, &cursor, &head, why) == ACCORD_E_DOWN);
    CHECK(bus_chp.attach(b, NULL, 0, &a, why) == ACCORD_E_DOWN);
    CHECK(now_ms() - began_ms < TIMEOUT_MS);
    chp_server_kill(&server);
    CHECK(publish_key(b, "k", &last) == ACCORD_E_DOWN);
    CHECK(bus_chp.attach(b, NULL, 0, &a, why) == ACCORD_E_DOWN);
    CHECK(strstr(why, "--listen chp://127.0.0.1:"));
    bus_chp.close(b);
}

/* What a subscriber misses while nothing of it is read: more than it may have pending. */
TEST(chp_bus_a_reader_that_was_away_misses_nothing)
{
    enum { BATCHES = 40, BATCH = 1000 };
    static struct change batch[BATCH];
    const struct entry *entries;
    struct position last;
    size_t count, total = 0;

    chp_server_start(&server);
    struct bus_settings s = {.max_stale_ms = 3000,
                             .retain_ms = RETAIN_MS,
                             .retain_changes = BATCHES * BATCH,
                             .timeout_ms = TIMEOUT_MS};
    char url[64];
    struct bus *reader = opened(TIMEOUT_MS), *writer = NULL;
    snprintf(url, sizeof url, "chp://127.0.0.1:%u/shop", server.port);
    s.url = url;
    OK(bus_chp.open(&writer, &s, why));
    uint64_t at = attached(reader).after;
    (void)attached(writer);
    OK(publish_key(writer, "first", &last));
    reads(reader, &at, "first"); /* it hears */
    for (uint64_t i = 0; i < BATCHES; i++) {
        for (uint64_t j = 0; j < BATCH; j++)
            batch[j] = (struct change){
                .op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {100 + i, 1 + j}};
        OK(bus_chp.publish(writer, batch, BATCH, &last, why));
    }
    while (total < (size_t)BATCHES * BATCH) {
        OK(bus_chp.read(reader, at, TIMEOUT_MS, &entries, &count, why));
        for (size_t i = 0; i < count; i++, total++) {
            CHECK(entries[i].change.message.high == 100 + total / BATCH);
            CHECK(entries[i].change.message.low == 1 + total % BATCH);
            at = entries[i].position;
        }
    }
    CHECK(at == last.value);
    bus_chp.close(reader);
    bus_chp.close(writer);
    chp_server_kill(&server);
}
