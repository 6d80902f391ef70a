/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_contract.c - the clauses of src/bus/bus.h, for every bus: order, fidelity, replay,
 * people. */
#include "contract.h"
#include "wire/letter.h"

#include <pthread.h>
#include <unistd.h>

/* B1, B2, B4: several publish at once, all read all. A message's high half names its publisher
 * and batch, its low half the place there and the batch's size. */

enum { PUBLISHERS = 3, BATCHES = 30 };

struct publisher {
    struct peer peer;
    uint64_t number;
    uint64_t rng;
    size_t total; /* changes that it published */
};

static void *publish_batches(void *context)
{
    static struct change changes[PUBLISHERS + 1][64];
    struct publisher *p = context;
    struct change *batch = changes[p->number];

    for (uint64_t n = 0; n < BATCHES; n++) {
        size_t count = 1 + test_random(&p->rng, COUNT_OF(changes[0]));

        for (size_t i = 0; i < count; i++) {
            batch[i] = removal(&p->rng, "key");
            batch[i].message = (struct id128){p->number << 32 | n, i << 32 | count};
        }
        published(&p->peer, batch, count);
        p->total += count;
    }
    return NULL;
}

static size_t read_all(struct peer *p, size_t expected, struct id128 *messages)
{
    const struct entry *entries;
    size_t n = 0;

    while (n < expected) {
        size_t count = read_some(p, TIMEOUT_MS, &entries);
        CHECK(count > 0 && n + count <= expected);
        for (size_t i = 0; i < count; i++)
            messages[n++] = entries[i].change.message;
    }
    CHECK(read_some(p, 0, &entries) == 0);
    return n;
}

static size_t publish_from_all(const struct bus_kit *kit, uint64_t *rng)
{
    struct publisher publishers[PUBLISHERS];
    pthread_t threads[PUBLISHERS];
    size_t total = 0;

    for (uint64_t i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (struct publisher){opened(kit, "order"), i + 1, *rng + i, 0};
        CHECK(pthread_create(&threads[i], NULL, publish_batches, &publishers[i]) == 0);
    }
    for (size_t i = 0; i < PUBLISHERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        closed(&publishers[i].peer);
        total += publishers[i].total;
    }
    return total;
}

CLAUSE(bus_B1_gives_every_reader_the_same_order)
{
    needs_one_log(kit);
    static struct id128 first[ENTRIES_MAX], second[ENTRIES_MAX];
    struct peer early = opened(kit, "order");
    size_t total = publish_from_all(kit, rng);
    struct peer late = opened(kit, "order");

    CHECK(total >= (size_t)PUBLISHERS * BATCHES && total <= ENTRIES_MAX);
    read_all(&early, total, first);
    read_all(&late, total, second);
    CHECK(memcmp(first, second, total * sizeof *first) == 0);
    CHECK(early.at.hash == late.at.hash);
    closed(&early);
    closed(&late);
}

/* T8: own entries move the cursor, too. */
CLAUSE(bus_B2_delivers_what_it_acknowledged_to_all_the_publisher_too)
{
    struct peer a = opened(kit, "echo"), b = opened(kit, "echo");
    uint64_t last = published_one(&a, rng, "greeble:43");

    for (unsigned i = 0; i < 2; i++) {
        struct entry e = read_one(i == 0 ? &a : &b);
        CHECK(e.position == last || (i > 0 && !has_one_log(kit)));
        CHECK(bytes_equal(e.change.key, bytes_of_text("greeble:43")));
    }
    closed(&a);
    closed(&b);
}

CLAUSE(bus_B3_gives_later_publishes_later_positions)
{
    struct peer a = opened(kit, "later"), b = opened(kit, "later");
    uint64_t last = 0;

    for (unsigned i = 0; i < 50; i++) {
        uint64_t next =
            published_one(test_random(rng, 2) || !has_one_log(kit) ? &a : &b, rng, "k");
        CHECK(next > last);
        last = next;
    }
    closed(&a);
    closed(&b);
}

CLAUSE(bus_B4_keeps_the_changes_of_a_batch_together_and_in_order)
{
    static struct id128 seen[ENTRIES_MAX];
    struct peer p = opened(kit, "order");
    size_t total = publish_from_all(kit, rng);

    read_all(&p, total, seen);
    for (size_t i = 0; i < total;) {
        size_t count = (uint32_t)seen[i].low;
        for (size_t j = 0; j < count; j++) {
            CHECK(seen[i + j].high == seen[i].high);
            CHECK(seen[i + j].low == (j << 32 | count));
        }
        i += count;
    }
    closed(&p);
}

CLAUSE(bus_B4_takes_all_of_a_batch_or_none_up_to_its_limit)
{
    static struct change batch[PUBLISH_BATCH_MAX + 1];
    static struct id128 seen[PUBLISH_BATCH_MAX];
    struct peer p = opened(kit, "batch");
    const struct entry *entries;
    struct position last = {.value = 7};

    for (size_t i = 0; i < COUNT_OF(batch); i++)
        batch[i] = removal(rng, "k");
    CHECK(p.ops->publish(p.bus, batch, PUBLISH_BATCH_MAX + 1, &last, why) == ACCORD_E_INVALID);
    CHECK(p.ops->publish(p.bus, batch, 0, &last, why) == ACCORD_E_INVALID);
    batch[1].key.size_bytes = 0;
    CHECK(p.ops->publish(p.bus, batch, 3, &last, why) == ACCORD_E_INVALID);
    CHECK(last.value == 7);
    CHECK(read_some(&p, 0, &entries) == 0);
    batch[1].key.size_bytes = 1;
    uint64_t newest = published(&p, batch, PUBLISH_BATCH_MAX);
    read_all(&p, PUBLISH_BATCH_MAX, seen);
    CHECK(p.at.position == newest);
    closed(&p);
}

CLAUSE(bus_B4_takes_a_batch_of_the_largest_keys)
{
    enum { COUNT = 400 }; /* 3 MB: more than some servers take at once */
    static uint8_t keys[COUNT][KEY_BYTES_MAX];
    static struct change batch[COUNT];
    struct peer p = opened(kit, "large");
    const struct entry *entries;
    size_t n = 0, count;

    for (size_t i = 0; i < COUNT; i++) {
        memset(keys[i], 'a' + (int)(i % 26), KEY_BYTES_MAX);
        batch[i] = removal(rng, "k");
        batch[i].key = bytes_of(keys[i], KEY_BYTES_MAX);
    }
    uint64_t newest = published(&p, batch, COUNT);
    CHECK(published(&p, batch, COUNT) == newest);
    while (n < COUNT) {
        count = read_some(&p, TIMEOUT_MS, &entries);
        CHECK(count > 0);
        for (size_t i = 0; i < count; i++, n++) {
            CHECK(n < COUNT && id128_equal(entries[i].change.message, batch[n].message));
            CHECK(bytes_equal(entries[i].change.key, batch[n].key));
        }
    }
    CHECK(p.at.position == newest && head_of(&p) == newest);
    closed(&p);
    if (!has_one_log(kit))
        return;
    p = opened(kit, "large"); /* and for whoever comes later */
    for (n = 0; n < COUNT; n += read_some(&p, TIMEOUT_MS, &entries))
        ;
    CHECK(p.at.position == newest);
    closed(&p);
}

/* B5. */

static void check_same(const struct change *a, const struct change *b)
{
    CHECK(a->op == b->op);
    CHECK(a->soft == b->soft);
    CHECK(bytes_equal(a->key, b->key));
    CHECK(a->has_version == b->has_version);
    CHECK(a->version == b->version);
    CHECK(a->has_fingerprint == b->has_fingerprint);
    CHECK(a->fingerprint == b->fingerprint);
    CHECK(id128_equal(a->message, b->message));
    CHECK(a->wall_ms == b->wall_ms);
    CHECK(bytes_equal(a->origin, b->origin));
    CHECK(id128_equal(a->incarnation, b->incarnation));
    CHECK(a->sequence == b->sequence);
    CHECK(a->nonce == b->nonce);
    CHECK(a->applied == b->applied);
    CHECK(a->applied_hash == b->applied_hash);
    CHECK(a->lease_epoch == b->lease_epoch);
    CHECK(bytes_equal(a->about, b->about));
}

static void check_comes_back(struct peer *p, const struct change *c)
{
    published(p, c, 1);
    struct entry e = read_one(p);
    check_same(c, &e.change);
}

CLAUSE(bus_B5_brings_every_key_out_as_it_went_in)
{
    static const char *const texts[] = {"greeble:43",
                                        "\xc3\xa9",
                                        "\xef\xbb\xbfmark",
                                        "\xef\xbf\xbf",
                                        "\xef\xbf\xbe",
                                        "\xed\xa0\x80",
                                        "\xc0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf0\x9f\x90\x99",
                                        "12",
                                        " 1e3 ",
                                        "\xe2\x82",
                                        "'; --",
                                        "0x10"};
    static uint8_t bytes[KEY_BYTES_MAX];
    struct peer p = opened(kit, "keys");
    struct change c = removal(rng, "k");

    for (unsigned byte = 0; byte < 256; byte += 5) {
        bytes[0] = (uint8_t)byte;
        c.message = random_id(rng);
        c.key = bytes_of(bytes, 1);
        check_comes_back(&p, &c);
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        c.message = random_id(rng);
        c.key = bytes_of_text(texts[i]);
        check_comes_back(&p, &c);
    }
    for (size_t size = KEY_BYTES_MAX - 1; size <= KEY_BYTES_MAX; size++) {
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)test_random(rng, 256);
        c.message = random_id(rng);
        c.key = bytes_of(bytes, size);
        check_comes_back(&p, &c);
    }
    memset(bytes, 'x', sizeof bytes);
    bytes[4] = '\0'; /* text but for one byte */
    c.message = random_id(rng);
    check_comes_back(&p, &c);
    closed(&p);
}

CLAUSE(bus_B5_brings_every_field_out_as_it_went_in)
{
    static const uint64_t numbers[] = {0, 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    static uint8_t text[CHANGE_ABOUT_BYTES_MAX];
    struct peer p = opened(kit, "fields");

    memset(text, 'a', sizeof text);
    for (unsigned op = CHANGE_REMOVE; op <= CHANGE_BEAT; op++) {
        for (size_t i = 0; i < COUNT_OF(numbers); i++) {
            bool keyed = op <= CHANGE_NAMESPACE;
            struct change c = {
                .op = (enum change_op)op,
                .soft = i % 2,
                .has_version = i != 1,
                .version = i != 1 ? numbers[i] : 0,
                .has_fingerprint = i != 2,
                .fingerprint = i != 2 ? numbers[i] : 0,
                .key = bytes_of(keyed ? text : NULL, keyed ? 1 + i : 0),
                .message = {1 + test_random(rng, UINT64_MAX - 1), numbers[i]},
                .wall_ms = numbers[i] >> 1,
                .origin = bytes_of(text, NODE_NAME_BYTES_MAX - i),
                .incarnation = {numbers[i], i + 1},
                .sequence = numbers[i] >> 1,
                .nonce = numbers[i],
                .applied = numbers[i],
                .applied_hash = numbers[i],
                .lease_epoch = numbers[i],
                .about = bytes_of(i > 0 ? text : NULL, i > 0 ? CHANGE_ABOUT_BYTES_MAX - i : 0),
            };
            check_comes_back(&p, &c);
        }
    }
    closed(&p);
}

/* B19: what nodes say to each other, and a person to one of them. */

static struct change letter_of(uint64_t *rng, const char *origin, const struct letter *l,
                               char text[LETTER_TEXT_BYTES_MAX])
{
    letter_print(l, text);
    return (struct change){.op = CHANGE_BEAT,
                           .message = random_id(rng),
                           .wall_ms = 1,
                           .origin = bytes_of_text(origin),
                           .incarnation = {7, (uint64_t)origin[0]},
                           .sequence = 1,
                           .nonce = 1 + test_random(rng, 1000),
                           .about = bytes_of_text(text)};
}

static void check_letter(struct peer *p, const struct letter *l, const char *origin)
{
    struct entry e = read_one(p);
    struct letter out;

    CHECK(e.change.op == CHANGE_BEAT && bytes_equal(e.change.origin, bytes_of_text(origin)));
    CHECK(letter_parse(change_about_text(&e.change), &out) == ACCORD_OK);
    CHECK(out.type == l->type && out.id == l->id && bytes_equal(out.to, l->to));
    CHECK(out.verdict == l->verdict && bytes_equal(out.body, l->body));
}

CLAUSE(bus_B19_brings_a_letter_to_a_node_and_its_answer_back)
{
    static uint8_t longest[LETTER_BODY_BYTES_MAX];
    char text[LETTER_TEXT_BYTES_MAX];
    struct peer a = opened(kit, "letters"), b = opened(kit, "letters");
    struct letter ask = {.type = LETTER_ASK,
                         .id = UINT64_MAX,
                         .wait_ms = LETTER_WAIT_MS_MAX,
                         .to = bytes_of_text("b"),
                         .kind = bytes_of_text("ping")};
    struct letter answer = {.type = LETTER_ANSWER, .id = UINT64_MAX};

    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = (uint8_t)(' ' + 1 + i % ('~' - ' '));
    answer.body = bytes_of(longest, sizeof longest);
    struct change c = letter_of(rng, "a", &ask, text);
    published(&a, &c, 1);
    published(&a, &c, 1); /* sent again: one entry (B12) */
    check_letter(&b, &ask, "a");
    check_letter(&a, &ask, "a");
    c = letter_of(rng, "b", &answer, text);
    uint64_t last = published(&b, &c, 1);
    check_letter(&a, &answer, "b");
    check_letter(&b, &answer, "b");
    CHECK(head_of(&a) == a.at.position);
    CHECK(a.at.position == last || !has_one_log(kit));
    ask.to = bytes_of_text("*");
    c = letter_of(rng, "p", &ask, text);
    c.origin = bytes_of(NULL, 0); /* as a person's */
    c.incarnation = (struct id128){0, 0};
    c.sequence = c.nonce = 0;
    published(&a, &c, 1);
    check_letter(&b, &ask, "");
    closed(&a);
    closed(&b);
}

CLAUSE(bus_B6_replays_every_entry_later_than_a_position)
{
    needs_one_log(kit);
    enum { COUNT = 2 * DELIVER_BATCH_MAX + 10 };
    static struct change batch[COUNT];
    static struct id128 seen[COUNT];
    struct peer p = opened(kit, "replay");
    const struct cursor start = p.at;
    const struct entry *entries;
    struct cursor middle;

    for (size_t i = 0; i < COUNT; i++)
        batch[i] = removal(rng, "k");
    published(&p, batch, COUNT);
    CHECK(read_some(&p, 0, &entries) == DELIVER_BATCH_MAX);
    middle = p.at;
    for (unsigned again = 0; again < 2; again++) {
        p.at = start;
        read_all(&p, COUNT, seen);
        for (size_t i = 0; i < COUNT; i++)
            CHECK(id128_equal(seen[i], batch[i].message));
    }
    closed(&p);

    p = opened(kit, "replay"); /* as after a restart, from a saved cursor */
    p.at = middle;
    attach(&p, &middle);
    CHECK(p.attached.resumed);
    CHECK(p.attached.after == middle.position);
    read_all(&p, COUNT - DELIVER_BATCH_MAX, seen);
    CHECK(id128_equal(seen[0], batch[DELIVER_BATCH_MAX].message));
    closed(&p);
}

CLAUSE(bus_B6_begins_a_view_before_every_young_entry)
{
    struct peer p = opened(kit, "view");
    struct bus_attached a;

    CHECK(p.attached.after == 0 && p.attached.head == 0 && !p.attached.resumed);
    uint64_t first = published_one(&p, rng, "k");
    usleep(1000000);
    uint64_t second = published_one(&p, rng, "k");
    OK(p.ops->attach(p.bus, NULL, /* view_ms= */ 60000, &a, why));
    CHECK(a.after < first);
    CHECK(a.head == second);
    OK(p.ops->attach(p.bus, NULL, /* view_ms= */ 500, &a, why));
    CHECK(a.after >= first && a.after < second);
    usleep(5000);
    OK(p.ops->attach(p.bus, NULL, /* view_ms= */ 0, &a, why));
    CHECK(a.after == second);
    p.at.position = a.after;
    CHECK(published_one(&p, rng, "k") == read_one(&p).position);
    /* With a cursor too, but it never begins behind that. */
    OK(p.ops->attach(p.bus, &p.at, /* view_ms= */ 60000, &a, why));
    CHECK(a.resumed && a.after < first);
    struct cursor early = {.log = p.at.log, .epoch = p.at.epoch, .position = p.attached.after};
    usleep(5000);
    OK(p.ops->attach(p.bus, &early, /* view_ms= */ 1, &a, why));
    CHECK(a.resumed && a.after == early.position);
    closed(&p);
}

CLAUSE(bus_B9_keeps_clusters_apart)
{
    struct peer a = opened(kit, "one"), b = opened(kit, "two");
    const struct entry *entries;

    CHECK(!id128_equal(a.attached.log, b.attached.log));
    published_one(&a, rng, "of one");
    CHECK(read_some(&b, 0, &entries) == 0);
    published_one(&b, rng, "of two");
    CHECK(bytes_equal(read_one(&a).change.key, bytes_of_text("of one")));
    CHECK(bytes_equal(read_one(&b).change.key, bytes_of_text("of two")));
    CHECK(read_some(&a, 0, &entries) == 0);
    closed(&a);
    closed(&b);
}

/* B10; T14: a call that hangs would stop its thread in silence. */

CLAUSE(bus_B10_read_returns_in_time)
{
    struct peer p = opened(kit, "time");
    const struct entry *entries;

    uint64_t began_ms = now_ms();
    CHECK(read_some(&p, 300, &entries) == 0);
    uint64_t took_ms = now_ms() - began_ms;
    CHECK(took_ms >= 299 && took_ms < TIMEOUT_MS);
    began_ms = now_ms();
    CHECK(read_some(&p, 0, &entries) == 0);
    CHECK(now_ms() - began_ms < TIMEOUT_MS);
    closed(&p);
}

static void *wake_later(void *context)
{
    struct peer *p = context;

    usleep(100000);
    p->ops->wake(p->bus);
    return NULL;
}

CLAUSE(bus_B10_wake_ends_a_waiting_read_and_one_that_is_about_to_wait)
{
    struct peer p = opened(kit, "wake");
    const struct entry *entries;
    pthread_t thread;

    uint64_t began_ms = now_ms();
    CHECK(pthread_create(&thread, NULL, wake_later, &p) == 0);
    CHECK(read_some(&p, 60000, &entries) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    p.ops->wake(p.bus);
    CHECK(read_some(&p, 60000, &entries) == 0);
    CHECK(now_ms() - began_ms < TIMEOUT_MS);
    closed(&p);
}

static void *publish_later(void *context)
{
    struct publisher *p = context;

    usleep(100000);
    published_one(&p->peer, &p->rng, "late");
    return NULL;
}

CLAUSE(bus_B10_read_that_waits_is_given_what_comes)
{
    struct peer p = opened(kit, "comes");
    struct publisher other = {opened(kit, "comes"), 1, *rng, 0};
    pthread_t thread;

    uint64_t began_ms = now_ms();
    CHECK(pthread_create(&thread, NULL, publish_later, &other) == 0);
    CHECK(bytes_equal(read_one(&p).change.key, bytes_of_text("late")));
    CHECK(now_ms() - began_ms < TIMEOUT_MS);
    CHECK(pthread_join(thread, NULL) == 0);
    closed(&p);
    closed(&other.peer);
}

/* B11 and B14: what people write. */

CLAUSE(bus_B11_delivers_what_a_person_wrote_without_an_origin)
{
    needs_one_log(kit);
    struct peer a = opened(kit, "person"), b = opened(kit, "person");

    kit->write(a.url, "remove", bytes_of_text("greeble:43"));
    kit->write(a.url, "tag", bytes_of_text("red"));
    struct entry first = read_one(&a), second = read_one(&b);
    CHECK(id128_equal(first.change.message, second.change.message));
    CHECK(first.change.op == CHANGE_REMOVE);
    CHECK(first.change.origin.size_bytes == 0);
    CHECK(first.change.sequence == 0);
    CHECK(!first.change.has_version && !first.change.has_fingerprint && !first.change.soft);
    CHECK(bytes_equal(first.change.key, bytes_of_text("greeble:43")));
    CHECK(read_one(&a).change.op == CHANGE_TAG);
    CHECK(bytes_equal(read_one(&b).change.key, bytes_of_text("red")));
    CHECK(head_of(&a) == a.at.position);
    /* And whoever has read that publishes on. */
    CHECK(published_one(&a, rng, "k") == read_one(&b).position);
    closed(&a);
    closed(&b);
}

/* T27: a repeat after a timeout is done once. */
CLAUSE(bus_B12_repeat_of_a_message_succeeds_and_changes_nothing)
{
    struct peer p = opened(kit, "repeat");
    struct change batch[4];
    struct entry entries[4];

    for (size_t i = 0; i < COUNT_OF(batch); i++)
        batch[i] = removal(rng, "k");
    uint64_t last = published(&p, batch, 2);
    CHECK(published(&p, batch, 2) == last);
    CHECK(published(&p, batch, 1) < last);
    CHECK(head_of(&p) == last);
    /* Some were there: the others are appended, as neighbours. */
    uint64_t all = published(&p, batch, 4);
    CHECK(all > last);
    CHECK(published(&p, batch, 2) == last);
    read_entries(&p, entries, 4);
    for (size_t i = 0; i < 4; i++)
        CHECK(id128_equal(entries[i].change.message, batch[i].message));
    CHECK(entries[3].position == all);
    CHECK(head_of(&p) == all);
    closed(&p);
}

CLAUSE(bus_B13_head_is_at_least_every_acknowledged_publish)
{
    struct peer reader = opened(kit, "head");
    struct publisher other = {opened(kit, "head"), 1, *rng, 0};
    pthread_t thread;

    if (!reader.ops->caps.head_linearizable)
        test_skip("this bus does not claim it");
    CHECK(head_of(&reader) == 0);
    for (unsigned i = 0; i < 100; i++) {
        uint64_t last = published_one(&other.peer, rng, "k");
        uint64_t head = head_of(&reader);
        CHECK(head == last || !has_one_log(kit));
        CHECK(has_one_log(kit) || read_one(&reader).position == head);
    }
    CHECK(pthread_create(&thread, NULL, publish_batches, &other) == 0);
    uint64_t before = 0;
    for (unsigned i = 0; i < 300; i++) {
        uint64_t head = head_of(&reader);
        CHECK(head >= before);
        before = head;
    }
    CHECK(pthread_join(thread, NULL) == 0);
    closed(&reader);
    closed(&other.peer);
}

/* T6: one bad row stops nobody, and is not forgotten. */
CLAUSE(bus_B14_delivers_torn_rows_as_clear_and_goes_on)
{
    needs_one_log(kit);
    static uint8_t long_key[KEY_BYTES_MAX + 1];
    struct peer p = opened(kit, "torn");
    static const struct {
        const char *op, *key;
    } torn[] = {{"remove", NULL},    {"remove", ""},  {"flush", "user:7"},
                {"", "user:7"},      {"REMOVE", "k"}, {"namespace", NULL},
                {"clear", "user:7"}, {"beat", "k"},   {"drop table", NULL}};
    struct entry e;

    memset(long_key, 'x', sizeof long_key);
    for (size_t i = 0; i < COUNT_OF(torn); i++) {
        struct bytes key = torn[i].key ? bytes_of_text(torn[i].key) : bytes_of(NULL, 0);

        kit->write(p.url, torn[i].op, key);
        e = read_one(&p);
        CHECK(e.change.op == CHANGE_CLEAR);
        CHECK(e.change.key.size_bytes == 0);
        CHECK(!e.change.soft && !id128_is_none(e.change.message));
    }
    kit->write(p.url, "remove", bytes_of(long_key, KEY_BYTES_MAX));
    CHECK(read_one(&p).change.key.size_bytes == KEY_BYTES_MAX);
    kit->write(p.url, "remove", bytes_of(long_key, KEY_BYTES_MAX + 1));
    CHECK(read_one(&p).change.op == CHANGE_CLEAR);
    kit->write(p.url, "remove", bytes_of_text("after"));
    CHECK(bytes_equal(read_one(&p).change.key, bytes_of_text("after")));
    CHECK(head_of(&p) == p.at.position);
    closed(&p);
}

CLAUSE(bus_an_existing_log_keeps_its_max_stale)
{
    struct bus_settings s = settings_of(NULL);
    struct peer p;

    s.max_stale_ms = 1234;
    open_with(&p, kit, "stale", s);
    attach(&p, NULL);
    CHECK(p.attached.max_stale_ms == 1234);
    s.max_stale_ms = 9999;
    struct peer q;
    open_with(&q, kit, "stale", s);
    attach(&q, NULL);
    CHECK(q.attached.max_stale_ms == 1234);
    CHECK(id128_equal(p.attached.log, q.attached.log) == has_one_log(kit));
    CHECK((p.attached.epoch == q.attached.epoch) == has_one_log(kit));
    closed(&p);
    closed(&q);
}

CLAUSE(bus_B16_tells_the_max_stale_that_the_newest_entry_set)
{
    struct peer p = opened(kit, "stage");
    struct change first = {.op = CHANGE_BEAT,
                           .has_version = true,
                           .version = 9000,
                           .has_fingerprint = true,
                           .fingerprint = 9000,
                           .message = random_id(rng),
                           .origin = bytes_of_text("web1"),
                           .incarnation = {1, 2},
                           .sequence = 1};
    struct change second = first;

    second.message = random_id(rng);
    second.sequence = 2;
    second.version = 1000;
    published(&p, &first, 1);
    published(&p, &second, 1);
    published(&p, &first, 1); /* again: it says nothing new */
    struct peer q = opened(kit, "stage");
    CHECK(q.attached.max_stale_ms == 1000);
    CHECK(q.attached.max_stale_before_ms == 9000);
    CHECK(id128_equal(p.attached.log, q.attached.log) == has_one_log(kit));
    second.message = random_id(rng);
    second.sequence = 3;
    second.fingerprint = 1000;
    published(&p, &second, 1);
    second.message = random_id(rng);
    second.version = 1; /* out of bounds: a beat like any other */
    published(&p, &second, 1);
    closed(&q);
    q = opened(kit, "stage");
    CHECK(q.attached.max_stale_ms == 1000);
    CHECK(q.attached.max_stale_before_ms == 1000);
    closed(&p);
    closed(&q);
}

enum { PRESENCE_PATIENCE_MS = 60 * 1000 }; /* a server notices in its own time */

static struct peer opened_as(const struct bus_kit *kit, const char *cluster, const char *node)
{
    struct bus_settings s = settings_of(NULL);
    struct peer p;

    s.node = node;
    open_with(&p, kit, cluster, s);
    attach(&p, NULL);
    return p;
}

static void until_present(struct peer *p, const char *node, bool expected)
{
    uint64_t until_ms = now_ms() + PRESENCE_PATIENCE_MS;
    const char *names[] = {"nobody", node};
    bool there[2];

    do {
        CHECK(now_ms() < until_ms);
        OK(p->ops->present(p->bus, names, 2, there, why));
        CHECK(!there[0]);
    } while (there[1] != expected);
}

CLAUSE(bus_B18_tells_which_nodes_of_the_cluster_are_connected)
{
    char longest[NODE_NAME_BYTES_MAX + 1];
    struct peer watcher = opened_as(kit, "present", "web1");
    struct peer other = opened_as(kit, "elsewhere", "web3");

    memset(longest, 'n', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    if (!watcher.ops->present) { /* there is no server to ask */
        closed(&watcher);
        closed(&other);
        return;
    }
    until_present(&watcher, "web1", true);
    until_present(&watcher, "web", false);
    until_present(&watcher, "web3", false);
    struct peer p = opened_as(kit, "present", "web2"), q = opened_as(kit, "present", longest);
    until_present(&watcher, "web2", true);
    until_present(&watcher, longest, true);
    closed(&p);
    closed(&q);
    until_present(&watcher, "web2", false);
    until_present(&watcher, longest, false);
    published_one(&watcher, rng, "the log goes on");
    CHECK(read_one(&watcher).change.key.size_bytes == strlen("the log goes on"));
    closed(&watcher);
    closed(&other);
}
