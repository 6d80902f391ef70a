/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* One writer, readers beside it: in threads, so that ThreadSanitizer sees them, and in
 * processes, so that they can be killed. Every value says what it should be. */
#include "cache/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 3000, READERS = 2, VALUE_BYTES_MAX = 1500 };

static struct bytes key_of(unsigned i, char text[32])
{
    return bytes_of(text, (size_t)snprintf(text, 32, "key:%u", i));
}

/* `serial` in front; the rest and the length follow from it and the key. */
static size_t make_value(unsigned i, uint64_t serial, uint8_t *to)
{
    uint64_t rng = serial * KEYS + i;
    size_t bytes = 8 + test_random(&rng, VALUE_BYTES_MAX - 8);

    memcpy(to, &serial, 8);
    memset(to + 8, (int)(rng & 0xff), bytes - 8);
    return bytes;
}

static bool is_whole(unsigned i, const uint8_t *value, size_t bytes)
{
    uint8_t want[VALUE_BYTES_MAX];
    uint64_t serial;

    if (bytes < 8)
        return false;
    memcpy(&serial, value, 8);
    return make_value(i, serial, want) == bytes && memcmp(want, value, bytes) == 0;
}

struct shared {
    struct fixture f;
    _Atomic uint64_t oldest[KEYS]; /* serials below it were removed before it was stored */
    _Atomic bool stop;
    _Atomic uint64_t hits;
};

static void check_read(struct shared *s, unsigned i, uint64_t oldest, const uint8_t *value,
                       const struct read_result *r)
{
    uint64_t serial;

    if (r->state != ACCORD_HIT)
        return;
    CHECK(is_whole(i, value, r->value_bytes));
    memcpy(&serial, value, 8);
    CHECK(serial >= oldest);
    atomic_fetch_add(&s->hits, 1);
}

static void read_batch(struct shared *s, const struct reader *r, uint64_t *rng)
{
    enum { COUNT = 16 };
    static _Thread_local uint8_t values[COUNT][VALUE_BYTES_MAX];
    static _Thread_local char keys[COUNT][32];
    struct read_request requests[COUNT];
    unsigned which[COUNT];
    uint64_t oldest[COUNT];

    for (int j = 0; j < COUNT; j++) {
        which[j] = (unsigned)test_random(rng, KEYS);
        oldest[j] = atomic_load(&s->oldest[which[j]]);
        requests[j] =
            (struct read_request){key_of(which[j], keys[j]), values[j], VALUE_BYTES_MAX, {0}};
    }
    reader_get_many(r, requests, COUNT);
    for (int j = 0; j < COUNT; j++)
        check_read(s, which[j], oldest[j], values[j], &requests[j].result);
}

/* What a plain pointer reads while the writer writes is a race by the letter of C; a borrow is
 * sound because it is validated, which ThreadSanitizer cannot know. */
__attribute__((no_sanitize("thread"))) static void copy_borrowed(uint8_t *to, struct bytes from)
{
    for (size_t i = 0; i < from.size_bytes; i++)
        to[i] = ((const volatile uint8_t *)from.data)[i];
}

static void borrow_one(struct shared *s, const struct reader *r, uint64_t *rng)
{
    unsigned i = (unsigned)test_random(rng, KEYS);
    uint64_t oldest = atomic_load(&s->oldest[i]);
    uint8_t value[VALUE_BYTES_MAX];
    struct read_result result;
    struct borrow b;
    char key[32];

    reader_borrow(r, key_of(i, key), &b, &result);
    if (!b.held || b.value.size_bytes > sizeof value)
        return;
    copy_borrowed(value, b.value);
    if (reader_borrow_valid(r, &b))
        check_read(s, i, oldest, value, &result);
}

static void read_some(struct shared *s, uint64_t *rng)
{
    struct reader r = s->f.reader;
    uint8_t value[VALUE_BYTES_MAX];
    struct read_result result;
    char key[32];

    for (int n = 0; n < 64; n++) {
        unsigned i = (unsigned)test_random(rng, KEYS);
        uint64_t oldest = atomic_load(&s->oldest[i]);
        reader_get(&r, key_of(i, key), value, sizeof value, &result);
        check_read(s, i, oldest, value, &result);
    }
    read_batch(s, &r, rng);
    borrow_one(s, &r, rng);
}

static void *reader_thread(void *context)
{
    struct shared *s = context;
    uint64_t rng = (uintptr_t)&rng;

    while (!atomic_load(&s->stop))
        read_some(s, &rng);
    return NULL;
}

/* Fills, removals by key and tag, growth and eviction, as fast as it goes. */
static void write_some(struct shared *s, uint64_t *rng, uint64_t *serial)
{
    unsigned i = (unsigned)test_random(rng, KEYS);
    uint8_t value[VALUE_BYTES_MAX];
    char key[32];

    if (test_random(rng, 8) == 0) {
        writer_remove_key(s->f.writer, key_of(i, key), false, s->f.now_ns);
        atomic_store(&s->oldest[i], *serial + 1);
        return;
    }
    *serial += 1;
    struct item item = {.key = key_of(i, key),
                        .value = bytes_of(value, make_value(i, *serial, value)),
                        .ttl_ns = UINT64_MAX};
    struct bytes tag = bytes_of_text("all");
    item.tags = &tag;
    item.tag_count = 1;
    CHECK(writer_fill(s->f.writer, &item, NULL, s->f.now_ns) == ACCORD_OK);
    if (test_random(rng, 5000) == 0) {
        writer_remove_tag(s->f.writer, tag, false);
        for (unsigned j = 0; j < KEYS; j++)
            atomic_store(&s->oldest[j], *serial + 1);
    }
}

/* What makes the segment crowded: everything is evicted every few rounds. */
static void crowd(struct shared *s, uint64_t *rng)
{
    static uint8_t value[4000];
    char key[32];

    for (int n = 0; n < 4; n++) {
        int bytes = snprintf(key, sizeof key, "crowd:%u", (unsigned)test_random(rng, 50000));
        struct item item = {.key = bytes_of(key, (size_t)bytes),
                            .value = bytes_of(value, test_random(rng, sizeof value)),
                            .ttl_ns = UINT64_MAX};
        CHECK(writer_fill(s->f.writer, &item, NULL, s->f.now_ns) == ACCORD_OK);
    }
}

/* Whether the readers have not had `hits` more than `before` yet: on a busy machine they may
 * not even have begun. Then the writer goes on, for a minute at most. */
static bool starve(struct shared *s, uint64_t before, uint64_t hits, uint64_t *rounds)
{
    if (atomic_load(&s->hits) >= before + hits || *rounds == 60000)
        return false;
    *rounds += 1;
    usleep(1000);
    return true;
}

TEST(readers_beside_a_writer_never_see_a_torn_or_removed_value)
{
    static struct shared s;
    pthread_t threads[READERS];
    uint64_t serial = 0, rounds = 0;

    fixture_plain(&s.f);
    for (int i = 0; i < READERS; i++)
        CHECK(pthread_create(&threads[i], NULL, reader_thread, &s) == 0);
    for (int n = 0; n < 50000 || starve(&s, 0, 1001, &rounds); n++) {
        write_some(&s, rng, &serial);
        if (n % 16 == 0)
            crowd(&s, rng);
    }
    atomic_store(&s.stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&s.hits) > 1000);
    writer_check(s.f.writer);
}

/* A reader loops until it is killed, at any instant; the writer never notices. */
TEST(a_reader_killed_anywhere_leaves_nothing_behind)
{
    struct shared *s = fixture_map(sizeof *s);
    uint64_t serial = 0, rounds = 0;

    fixture_plain(&s->f);
    for (int round = 0; round < 30; round++) {
        uint64_t before = atomic_load(&s->hits);
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            reader_thread(s);
            _exit(0);
        }
        int writes = 1000 + (int)test_random(rng, 1000);
        for (int n = 0; n < writes || starve(s, before, 1, &rounds); n++)
            write_some(s, rng, &serial);
        CHECK(kill(child, SIGKILL) == 0);
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    writer_check(s->f.writer);
    CHECK(atomic_load(&s->hits) > 0);
}

/* The writer dies in the middle of a fill: readers go on with what is whole. */
TEST(a_writer_killed_anywhere_leaves_a_readable_segment)
{
    for (int round = 0; round < 30; round++) {
        struct shared *s = fixture_map(sizeof *s);
        uint64_t serial = 0;
        int status;

        fixture_plain(&s->f);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            for (;;) {
                write_some(s, rng, &serial);
                crowd(s, rng);
            }
        usleep((useconds_t)test_random(rng, 8000));
        CHECK(kill(child, SIGKILL) == 0);
        CHECK(waitpid(child, &status, 0) == child);
        for (unsigned i = 0; i < KEYS; i++) {
            uint8_t value[VALUE_BYTES_MAX];
            struct read_result r;
            char key[32];
            reader_get(&s->f.reader, key_of(i, key), value, sizeof value, &r);
            CHECK(r.state != ACCORD_HIT || is_whole(i, value, r.value_bytes));
        }
        fixture_done(&s->f);
        munmap(s, sizeof *s);
    }
}
