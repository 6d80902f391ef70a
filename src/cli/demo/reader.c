/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.c - an application process: it memoizes queries, and judges every answer. */
#include "cli/demo/world.h"

#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    NICENESS = 10,
    SAMPLE_EVERY = 32, /* reads of which one is timed */
    LOAD_WAIT_MS = 500,
    PAUSE_US = 200,
};

struct reader {
    const struct demo_world *world;
    uint32_t number, node;
    struct demo_reader_stats *stats;
    struct accord *accord;
    struct demo_origin origin;
    struct demo_load load;
    uint64_t clock_ns; /* what reading the clock twice takes: not the reads' fault */
    uint64_t turn;
    bool complained;
    uint8_t value[DEMO_VALUE_BYTES_MAX];
};

/* The least of many pairs: a preempted pair must not be taken off every sample. */
static uint64_t measure_clock(void)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 1000; i++) {
        uint64_t before = demo_now_ns();
        least = u64_min(least, demo_now_ns() - before);
    }
    return least;
}

static struct demo_answer answer(const struct reader *r, uint32_t row, size_t value_bytes,
                                 uint64_t started_ns)
{
    return (struct demo_answer){r->number, r->node, row, r->value, value_bytes, started_ns};
}

/* The row itself, as an application without a cache reads it. It is judged too: a checker that
 * doubts the origin is wrong itself. */
static void read_origin(struct reader *r, uint32_t row, uint64_t started_ns,
                        struct demo_histogram *sample)
{
    size_t bytes = 0;

    int status = demo_origin_load(&r->origin, row, r->value, &bytes);
    if (sample)
        demo_histogram_add(sample, u64_sub_sat(demo_now_ns() - started_ns, r->clock_ns));
    if (status == ACCORD_OK) {
        struct demo_answer a = answer(r, row, bytes, started_ns);
        demo_judge(r->world, &a, /* from_cache= */ false);
    } else if (!r->complained) {
        r->complained = true;
        fprintf(stderr, "accord: reader %u: the origin: %s\n", r->number,
                sqlite3_errmsg(r->origin.db));
    }
}

static void read_without(struct reader *r, uint32_t row, bool sampled)
{
    read_origin(r, row, demo_now_ns(), sampled ? &r->stats->off_ns : NULL);
    demo_count(&r->stats->off_reads, 1);
}

/* What a get or get_or_set answered, counted by what it claims. */
static void take(struct reader *r, uint32_t row, const struct accord_result *result,
                 uint64_t started_ns)
{
    struct demo_answer a = answer(r, row, result->value_bytes, started_ns);

    switch (result->state) {
    case ACCORD_HIT:
        demo_count(r->load.called ? &r->stats->loads : &r->stats->shared, 1);
        demo_judge(r->world, &a, /* from_cache= */ true);
        break;
    case ACCORD_STALE:
        demo_count(&r->stats->stale, 1);
        demo_judge_stale(r->world, &a);
        break;
    default: /* loaded, and not kept */
        demo_count(&r->stats->loads_unsure, 1);
        if (r->load.called)
            demo_judge(r->world, &a, /* from_cache= */ false);
        else
            read_origin(r, row, started_ns, NULL);
    }
}

/* Not in shared memory: get_or_set loads, or waits for whoever loads. */
static void read_through(struct reader *r, uint32_t row, uint64_t started_ns)
{
    const struct demo_row *key = &r->world->table.rows[row];
    struct accord_result result = {0};

    r->load.row = row;
    r->load.called = false;
    int status = accord_get_or_set(r->accord, key->key, key->key_bytes, demo_load, &r->load,
                                   NULL, r->value, sizeof r->value, &result);
    if (status == ACCORD_OK) {
        take(r, row, &result, started_ns);
        return;
    }
    demo_count(&r->stats->errors, 1);
    read_origin(r, row, started_ns, NULL);
}

static void read_with(struct reader *r, uint32_t row, bool sampled)
{
    const struct demo_row *key = &r->world->table.rows[row];
    struct accord_result result = {0};
    uint64_t started_ns = demo_now_ns();

    int status =
        accord_get(r->accord, key->key, key->key_bytes, r->value, sizeof r->value, &result);
    uint64_t ended_ns = sampled ? demo_now_ns() : 0;
    if (status == ACCORD_OK && result.state == ACCORD_HIT) {
        struct demo_answer a = answer(r, row, result.value_bytes, started_ns);
        if (sampled)
            demo_histogram_add(&r->stats->hit_ns,
                               u64_sub_sat(ended_ns - started_ns, r->clock_ns));
        demo_count(&r->stats->hits, 1);
        atomic_store_explicit(&r->stats->last_hit_ns, started_ns, memory_order_relaxed);
        demo_judge(r->world, &a, /* from_cache= */ true);
    } else if (status == ACCORD_OK && result.state == ACCORD_STALE) {
        take(r, row, &result, started_ns);
    } else {
        read_through(r, row, started_ns);
    }
    demo_count(&r->stats->reads, 1);
}

static uint32_t next_row(struct reader *r)
{
    const struct demo_keys *keys = &r->world->keys;
    uint64_t at = r->number + r->turn++ * r->world->options.readers;

    return keys->rows[at % keys->count];
}

static void run(struct reader *r)
{
    enum demo_mode mode;

    while ((mode = demo_mode(r->world)) != DEMO_STOP) {
        atomic_store_explicit(&r->stats->mode_seen, mode + 1u, memory_order_release);
        if (mode == DEMO_PAUSE) {
            usleep(PAUSE_US);
            continue;
        }
        bool sampled = r->turn % SAMPLE_EVERY == 0;
        if (mode == DEMO_OFF)
            read_without(r, next_row(r), sampled);
        else
            read_with(r, next_row(r), sampled);
    }
}

/* They ask as fast as they can, which no application does: on cores that they alone fill, all
 * that a removal's way would show is the kernel's time slice, at each hop. So they take what is
 * left over; nothing else follows from it, and it may be refused. Where what they judge counts
 * and not how long things take, they must run on a busy machine too: they are only nice. */
static void step_back(const struct demo_world *w)
{
    const struct sched_param none = {0};

    if (!w->judges_under_load)
        sched_setscheduler(0, SCHED_IDLE, &none);
    else
        setpriority(PRIO_PROCESS, 0, NICENESS);
}

int demo_reader_run(const struct demo_world *w, uint32_t reader)
{
    static struct reader r; /* too large for a stack, and one to a process */
    char why[DEMO_ORIGIN_WHY_BYTES_MAX];
    const struct accord_options options = {.load_wait_ms = LOAD_WAIT_MS,
                                           .request_timeout_ms = 1000};

    step_back(w);
    r = (struct reader){
        .world = w,
        .number = reader,
        .node = reader % (uint32_t)w->options.nodes,
        .stats = &w->shared->readers[reader],
        .clock_ns = measure_clock(),
    };
    if (demo_origin_open(&r.origin, w->origin_path, why) != ACCORD_OK) {
        fprintf(stderr, "accord: reader %u: %s\n", reader, why);
        return 1;
    }
    r.load.origin = &r.origin;
    r.load.table = &w->table;
    int code = demo_open(w, r.node, &options, &r.accord);
    if (code == 0)
        run(&r);
    accord_close(r.accord);
    demo_origin_close(&r.origin);
    return code;
}
