/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader_stepped.c - a reader that is stopped before each of its loads in turn, while the
 * writer does something, or a part of it up to each of its own loads and stores: every race of
 * one read with one change in which each gives way to the other once. Nothing is left to
 * chance, as it is with threads (cache/threads_test.c) and with the simulator's seeds. */
#include "cache/arena.h"
#include "cache/clock.h"
#include "cache/fixture.h"
#include "cache/segment.h"
#include "sim/fiber.h"

#define L_NS   NS_PER_S
#define ALL    UINT64_MAX /* steps: to the end */
#define CROWD  400        /* keys that make the index grow, and every bucket change */
#define KEY    "tagged:k"
#define TIGHT  "tight:k" /* its namespace has a bound of its own */
#define ABSENT "absent"

/* What a read may come to. */
enum {
    OLD = 1, /* a hit, the value as it was before */
    NEW = 2,
    STALE = 4, /* the old value, called stale */
    MISS = 8,
    UNSURE = 16,
    LAPSED = 32, /* a borrow that was no longer valid when it had been copied */
};

enum way { GET, BORROW, MANY, WAYS };

/* A change, and what a read may come to that ended before it, overlaps it, begins after it. */
struct change {
    const char *name;
    void (*make)(struct fixture *f);
    const char *key;
    unsigned before, during, after;
};

/* ---- reader and writer give way to each other ---- */

static struct {
    struct fixture *f;
    const struct change *change;
    struct fiber writer;
    bool reading, again; /* again: the whole change before every load, not one only */
    uint64_t loads, stop_at;
    uint64_t steps, steps_wanted; /* of the writer */
} race;

static void write_body(void *context)
{
    (void)context;
    race.change->make(race.f);
}

void segment_step(void)
{
    if (fiber_is_inside()) {
        if (++race.steps == race.steps_wanted)
            fiber_pause();
    } else if (race.reading && ++race.loads >= race.stop_at &&
               (race.again || race.loads == race.stop_at)) {
        fiber_start(&race.writer, write_body, NULL);
    }
}

/* The one clock stands at ns_base, the other at the fixture's time. */
uint64_t clock_tsc(void)
{
    segment_step();
    return 0;
}

uint64_t clock_boottime_ns(void)
{
    segment_step();
    return race.f->now_ns;
}

/* ---- what is read ---- */

/* Every value is one letter, many times: a torn one has two. */
static unsigned value_is(const uint8_t *value, size_t bytes)
{
    for (size_t i = 1; i < bytes; i++)
        CHECK(value[i] == value[0]);
    CHECK(bytes > 0);
    CHECK(value[0] == 'o' || value[0] == 'n');
    CHECK(bytes == (value[0] == 'o' ? 300 : 100));
    return value[0] == 'o' ? OLD : NEW;
}

static unsigned outcome(const struct read_result *r, const uint8_t *value)
{
    if (r->state == ACCORD_HIT)
        return value_is(value, r->value_bytes);
    if (r->state == ACCORD_STALE) {
        CHECK(value_is(value, r->value_bytes) == OLD);
        return STALE;
    }
    CHECK(r->state == ACCORD_MISS || r->state == ACCORD_UNSURE);
    return r->state == ACCORD_MISS ? MISS : UNSURE;
}

static unsigned read_borrowed(const struct reader *r, struct bytes key)
{
    static uint8_t value[512];
    struct read_result result;
    struct borrow b;

    reader_borrow(r, key, &b, &result);
    if (b.held && b.value.size_bytes <= sizeof value)
        memcpy(value, b.value.data, b.value.size_bytes);
    if (b.held && !reader_borrow_valid(r, &b))
        return LAPSED;
    return outcome(&result, value);
}

/* In the middle of others. */
static unsigned read_among(const struct reader *r, struct bytes key)
{
    static uint8_t values[3][512];
    const struct bytes keys[3] = {bytes_of_text("other"), key, bytes_of_text("nobody")};
    struct read_request q[3];

    for (int i = 0; i < 3; i++)
        q[i] = (struct read_request){
            .key = keys[i], .buffer = values[i], .buffer_bytes = sizeof values[i]};
    reader_get_many(r, q, COUNT_OF(q));
    CHECK(q[2].result.state == ACCORD_MISS || q[2].result.state == ACCORD_UNSURE);
    return outcome(&q[1].result, values[1]);
}

static unsigned read_it(const struct reader *r, struct bytes key, enum way way)
{
    static uint8_t value[512];
    struct read_result result;

    if (way == BORROW)
        return read_borrowed(r, key);
    if (way == MANY)
        return read_among(r, key);
    reader_get(r, key, value, sizeof value, &result);
    return outcome(&result, value);
}

/* ---- what is changed ---- */

static void fill(struct fixture *f, const char *key, char letter)
{
    uint8_t value[300];
    struct bytes tag = bytes_of_text("tag");
    struct item item = fixture_item(key, "");

    memset(value, letter, sizeof value);
    item.value = bytes_of(value, letter == 'o' ? 300 : 100);
    item.grace_ns = 60 * NS_PER_S;
    if (strcmp(key, KEY) == 0) {
        item.tags = &tag;
        item.tag_count = 1;
    }
    CHECK(writer_fill(f->writer, &item, NULL, f->now_ns) == ACCORD_OK);
}

static void remove_key(struct fixture *f)
{
    writer_remove_key(f->writer, bytes_of_text(KEY), false, f->now_ns);
}

static void remove_softly(struct fixture *f)
{
    writer_remove_key(f->writer, bytes_of_text(KEY), true, f->now_ns);
}

static void remove_tag(struct fixture *f)
{
    writer_remove_tag(f->writer, bytes_of_text("tag"), false);
}

static void remove_tag_softly(struct fixture *f)
{
    writer_remove_tag(f->writer, bytes_of_text("tag"), true);
}

static void remove_namespace(struct fixture *f)
{
    CHECK(writer_remove_namespace(f->writer, bytes_of_text("tagged"), false) == ACCORD_OK);
}

static void remove_all(struct fixture *f)
{
    writer_clear(f->writer, false);
}

static void remove_all_softly(struct fixture *f)
{
    writer_clear(f->writer, true);
}

static void replace(struct fixture *f)
{
    fill(f, KEY, 'n');
}

/* 4 GiB above the old one: the same half of a location in the bucket, and other top bits. */
static void replace_above(struct fixture *f)
{
    struct writer *w = f->writer;
    uint64_t block = w->chains[EVICT_SMALL].newest + (4 * GIB >> w->view.block_shift);
    uint32_t at = 0;

    arena_close_all(w);
    while (w->free_blocks[at] != block)
        at++;
    w->free_blocks[at] = w->free_blocks[w->free_count - 1];
    w->free_blocks[w->free_count - 1] = (uint32_t)block;
    fill(f, KEY, 'n');
}

static void fill_absent(struct fixture *f)
{
    fill(f, ABSENT, 'n');
}

static void expire(struct fixture *f)
{
    CHECK(writer_expire(f->writer, bytes_of_text(KEY), 60 * NS_PER_S, 0, f->now_ns) ==
          ACCORD_OK);
}

/* Others come, some of them in the same buckets, and the index grows: entries move. */
static void crowd(struct fixture *f)
{
    static unsigned next;
    char key[32];

    for (int i = 0; i < CROWD; i++) {
        snprintf(key, sizeof key, "crowd:%u", next++);
        fill(f, key, 'n');
    }
}

static void end_lease(struct fixture *f)
{
    fixture_lease(f, 0);
}

static void lose_and_get_lease(struct fixture *f)
{
    fixture_lease(f, 0);
    writer_new_epoch(f->writer);
    fixture_lease(f, L_NS);
}

static void switch_clock(struct fixture *f)
{
    writer_set_clock(f->writer,
                     &(struct segment_clock_settings){.clock = CLOCK_CLASS_BOOTTIME});
}

static void switch_clock_and_get_lease(struct fixture *f)
{
    switch_clock(f);
    fixture_lease(f, L_NS);
}

static const struct change changes[] = {
    {"remove", remove_key, KEY, OLD, OLD | MISS, MISS},
    {"remove softly", remove_softly, KEY, OLD, OLD | STALE, STALE},
    {"remove tag", remove_tag, KEY, OLD, OLD | MISS, MISS},
    {"remove tag softly", remove_tag_softly, KEY, OLD, OLD | STALE, STALE},
    {"remove namespace", remove_namespace, KEY, OLD, OLD | MISS, MISS},
    {"clear", remove_all, KEY, OLD, OLD | MISS, MISS},
    {"clear softly", remove_all_softly, KEY, OLD, OLD | STALE, STALE},
    {"replace", replace, KEY, OLD, OLD | NEW, NEW},
    {"replace by one above", replace_above, KEY, OLD, OLD | NEW | MISS, NEW},
    {"expire", expire, KEY, OLD, OLD, OLD},
    {"fill", fill_absent, ABSENT, MISS, MISS | NEW, NEW},
    {"crowd", crowd, KEY, OLD, OLD, OLD},
    {"crowd beside an absent key", crowd, ABSENT, MISS, MISS, MISS},
    {"end the lease", end_lease, KEY, OLD, OLD | UNSURE, UNSURE},
    {"end the lease, absent", end_lease, ABSENT, MISS, MISS | UNSURE, UNSURE},
    {"lose and get a lease", lose_and_get_lease, KEY, OLD, OLD | UNSURE, OLD},
    {"lose and get a lease, tight", lose_and_get_lease, TIGHT, OLD, OLD | UNSURE, OLD},
    {"switch the clock", switch_clock, KEY, OLD, OLD | UNSURE, UNSURE},
    {"switch the clock, tight", switch_clock, TIGHT, OLD, OLD | UNSURE, UNSURE},
    {"switch, lease", switch_clock_and_get_lease, KEY, OLD, OLD | UNSURE, OLD},
    {"switch, lease, tight", switch_clock_and_get_lease, TIGHT, OLD, OLD | UNSURE, OLD},
};

/* ---- every race of one with the other ---- */

static void begin(struct fixture *f, const struct change *c)
{
    race.reading = race.again = false;
    race.f = f;
    race.change = c;
    fixture_settings(f, c->make == replace_above ? 8 * GIB : SEGMENT_BYTES_MIN);
    fixture_namespace(f, (struct segment_namespace){.name = "tagged"});
    fixture_namespace(f, (struct segment_namespace){.name = "tight", .max_stale_ns = L_NS / 2});
    fixture_start(f);
    fixture_lease(f, L_NS);
    fill(f, KEY, 'o');
    fill(f, TIGHT, 'o');
    fill(f, "other", 'o');
}

/* The writer makes `steps` before the reader's `load`, the rest after the read. */
static unsigned run(enum way way, uint64_t load, uint64_t steps)
{
    race.loads = race.steps = 0;
    race.stop_at = load;
    race.steps_wanted = steps;
    race.reading = true;
    unsigned came = read_it(&race.f->reader, bytes_of_text(race.change->key), way);
    race.reading = false;
    if (race.writer.running) {
        race.steps_wanted = 0;
        CHECK(fiber_resume(&race.writer));
    }
    writer_check(race.f->writer);
    return came;
}

static void judge(const struct change *c, enum way way, uint64_t load, uint64_t steps,
                  unsigned came)
{
    bool begun = race.loads >= load && (steps > 1);
    bool over = load == 1 && race.steps < steps;
    unsigned during = c->during | (way == BORROW ? LAPSED : 0);
    unsigned allowed = !begun ? c->before : over ? c->after : during;

    if (!(came & allowed))
        fprintf(stderr, "%s, way %d, load %llu of %llu, step %llu of %llu: %u, not %u\n",
                c->name, (int)way, (unsigned long long)load, (unsigned long long)race.loads,
                (unsigned long long)steps, (unsigned long long)race.steps, came, allowed);
    CHECK(came & allowed);
}

/* One race, in a segment of its own. */
static void meet(const struct change *c, enum way way, uint64_t load, uint64_t steps)
{
    struct fixture f;

    begin(&f, c);
    judge(c, way, load, steps, run(way, load, steps));
    fixture_done(&f);
}

static void stop_reader_everywhere(enum way way)
{
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        uint64_t load = 0;
        do
            meet(&changes[i], way, ++load, ALL);
        while (race.loads >= load);
        CHECK(load > 20);
    }
}

TEST(a_get_stopped_before_any_load_answers_as_before_the_change_or_after_it)
{
    stop_reader_everywhere(GET);
}

TEST(a_borrow_stopped_before_any_load_answers_as_before_the_change_or_after_it)
{
    stop_reader_everywhere(BORROW);
}

TEST(many_gets_stopped_before_any_load_answer_as_before_the_change_or_after_it)
{
    stop_reader_everywhere(MANY);
}

/* As where the writer was killed there. Of a crowd not every step: it has many thousands. */
TEST(a_get_beside_a_writer_stopped_before_any_step_answers_as_before_the_change_or_after_it)
{
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        uint64_t steps = 0;
        do {
            steps += 1 + steps / 50;
            meet(&changes[i], GET, /* load= */ 1, steps);
        } while (race.steps >= steps);
    }
}

TEST_SEEDS(where_each_is_stopped_once_a_read_answers_as_before_the_change_or_after_it, 20)
{
    for (int i = 0; i < 50; i++) {
        const struct change *c = &changes[test_random(rng, COUNT_OF(changes))];
        enum way way = (enum way)test_random(rng, WAYS);
        uint64_t load = 1 + test_random(rng, way == MANY ? 190 : 80);
        meet(c, way, load, 1 + test_random(rng, 60));
    }
}

static unsigned run_again(struct fixture *f, const struct change *c, enum way way)
{
    begin(f, c);
    race.again = true;
    unsigned came = run(way, /* load= */ 2, ALL);
    fixture_done(f);
    return came;
}

/* It looks a few times and no more: to miss what is there is allowed, to wait is not. */
TEST(a_read_ends_though_the_writer_never_stands_still)
{
    const struct change changing = {"replace", replace, KEY, 0, 0, 0};
    const struct change beside = {"crowd", crowd, ABSENT, 0, 0, 0};
    struct fixture f;

    for (int way = 0; way < WAYS; way++) {
        unsigned came = run_again(&f, &changing, (enum way)way);
        CHECK(came & (OLD | NEW | MISS | LAPSED));
        CHECK(race.loads < 2000);
        CHECK(run_again(&f, &beside, (enum way)way) == MISS);
        CHECK(race.loads < 2000);
    }
}
