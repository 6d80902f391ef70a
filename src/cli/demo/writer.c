/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* writer.c - changes rows of the origin, commits, and removes their keys, as an application
 * does: on whichever node answers, and again on another where none acknowledged. */
#include "cli/demo/world.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    BURST_EVERY = 8, /* changes of which one is followed by another of the same row */
    PAUSE_US = 500,
    RETRY_US = 2000,
    BEHIND_MS_MAX = 200, /* a writer that was held up does not catch up on more */
};

struct writer {
    const struct demo_world *world;
    struct demo_writer_stats *stats;
    struct demo_origin origin;
    struct accord *nodes[DEMO_NODES_MAX];
    uint64_t turn;
    uint32_t node; /* where the next removal goes */
    bool cleared;
};

/* What is removed once a change is committed. */
struct removal {
    const char *key; /* or */
    const char *tag; /* or neither: everything */
};

static int ask(struct accord *node, const struct removal *what)
{
    if (what->key)
        return accord_remove(node, what->key, strlen(what->key), NULL, NULL);
    if (what->tag)
        return accord_remove_by_tag(node, what->tag, NULL, NULL);
    return accord_clear(node, "*", NULL, NULL);
}

/* True once the bus has it. Every answer but OK is no acknowledgement (UNPUBLISHED: only
 * queued), so another node is asked. */
static bool remove_everywhere(struct writer *w, const struct removal *what)
{
    for (unsigned tries = 0; demo_mode(w->world) == DEMO_ON; tries++) {
        uint64_t started_ns = demo_now_ns();
        int status = ask(w->nodes[w->node], what);
        w->node = (w->node + 1) % (uint32_t)w->world->options.nodes;
        if (status == ACCORD_OK) {
            demo_histogram_add(&w->stats->ack_ns, demo_now_ns() - started_ns);
            return true;
        }
        demo_count(status == ACCORD_E_UNPUBLISHED ? &w->stats->unpublished : &w->stats->refused,
                   1);
        if (tries >= w->world->options.nodes)
            usleep(RETRY_US);
    }
    return false;
}

/* The whole of a change: noted, committed, removed, noted. */
struct batch {
    struct demo_update updates[DEMO_TAG_ROWS_MAX];
    uint32_t changes[DEMO_TAG_ROWS_MAX];
    size_t count;
};

static bool add(struct writer *w, struct batch *b, uint32_t row)
{
    struct demo_update *u = &b->updates[b->count];

    if (demo_history_begin(w->world->history, row, &u->version, &b->changes[b->count]) !=
        ACCORD_OK) {
        demo_count(&w->stats->full, 1);
        return false;
    }
    u->row = row;
    b->count++;
    return true;
}

/* What was begun must be committed, or the history and the origin would differ for good. */
static bool commit(struct writer *w, const struct batch *b)
{
    for (;;) {
        if (demo_origin_update(&w->origin, b->updates, b->count) == ACCORD_OK)
            return true;
        fprintf(stderr, "accord: the writer: the origin: %s\n", sqlite3_errmsg(w->origin.db));
        if (demo_mode(w->world) == DEMO_STOP)
            return false;
        usleep(100 * RETRY_US);
    }
}

static void acked(struct writer *w, const struct batch *b)
{
    uint64_t now_ns = demo_now_ns();

    for (size_t i = 0; i < b->count; i++)
        demo_history_acked(w->world->history, b->changes[i], now_ns);
}

static void change_row(struct writer *w, uint32_t row)
{
    struct demo_probe *probe = &w->world->shared->probe;
    struct removal what = {.key = w->world->table.rows[row].key};
    struct batch b = {.count = 0};
    bool on = demo_mode(w->world) == DEMO_ON;
    bool probed = on && demo_probe_waits_for(probe) == row + 1;

    if (!add(w, &b, row) || !commit(w, &b) || !on)
        return;
    demo_count(&w->stats->changes, 1);
    if (probed)
        atomic_store_explicit(&probe->called_ns, demo_now_ns(), memory_order_release);
    if (demo_is_forgotten(w->world, row)) { /* the lie that the checker is to find */
        acked(w, &b);
        return;
    }
    if (remove_everywhere(w, &what)) {
        demo_count(&w->stats->removals, 1);
        acked(w, &b);
    }
}

/* An upgrade of a section: some of its rows change, and the tag removes all of them. */
static void change_section(struct writer *w, uint32_t row)
{
    const struct demo_table *t = &w->world->table;
    struct removal what = {.tag = t->rows[row].tag};
    struct batch b = {.count = 0};

    for (uint32_t i = 0; i < t->count && b.count < DEMO_TAG_ROWS_MAX; i++) {
        uint32_t at = (row + i) % t->count;
        if (strcmp(t->rows[at].tag, what.tag) == 0 && !add(w, &b, at))
            break;
    }
    if (b.count == 0 || !commit(w, &b))
        return;
    demo_count(&w->stats->changes, b.count);
    if (remove_everywhere(w, &what)) {
        demo_count(&w->stats->tag_removals, 1);
        acked(w, &b);
    }
}

static uint32_t next_row(struct writer *w)
{
    const struct demo_keys *keys = &w->world->keys;

    /* A stride of its own, so that it does not follow a reader through a trace. */
    return keys->rows[(w->turn * 7919 + 13) % keys->count];
}

static void clear_everything(struct writer *w)
{
    struct removal what = {.key = NULL};

    w->cleared = true;
    if (remove_everywhere(w, &what))
        demo_count(&w->stats->clears, 1);
}

/* Mostly single rows; once in `rate` turns a section; once in the run, everything. */
static void change_something(struct writer *w)
{
    uint64_t rate = u64_max(w->world->options.rate, 4), at = w->turn++;
    uint32_t wanted = demo_probe_waits_for(&w->world->shared->probe);
    bool all_kinds = !w->world->options.broken;

    if (demo_mode(w->world) != DEMO_ON) {
        change_row(w, next_row(w));
        return;
    }
    if (wanted != 0) {
        change_row(w, wanted - 1);
        return;
    }
    if (all_kinds && at % rate == rate - 1) {
        change_section(w, next_row(w));
        return;
    }
    if (all_kinds && !w->cleared && at > 2 * rate) {
        clear_everything(w);
        return;
    }
    uint32_t row = next_row(w);
    change_row(w, row);
    if (at % BURST_EVERY == 0)
        change_row(w, row);
}

static void run(struct writer *w)
{
    uint64_t step_ns = NS_PER_S / w->world->options.rate, due_ns = demo_now_ns();
    enum demo_mode mode;

    while ((mode = demo_mode(w->world)) != DEMO_STOP) {
        atomic_store_explicit(&w->stats->mode_seen, mode + 1u, memory_order_release);
        uint64_t now_ns = demo_now_ns();
        if (mode == DEMO_PAUSE || now_ns < due_ns) {
            uint64_t left_us = mode == DEMO_PAUSE ? PAUSE_US : (due_ns - now_ns) / 1000;
            usleep((useconds_t)u64_min(left_us + 1, 10 * PAUSE_US));
            continue;
        }
        change_something(w);
        due_ns = u64_max(due_ns + step_ns, u64_sub_sat(now_ns, BEHIND_MS_MAX * NS_PER_MS));
    }
}

int demo_writer_run(const struct demo_world *world)
{
    struct writer w = {.world = world, .stats = &world->shared->writer};
    char why[DEMO_ORIGIN_WHY_BYTES_MAX];
    int code = 1;

    if (demo_origin_open(&w.origin, world->origin_path, why) != ACCORD_OK) {
        fprintf(stderr, "accord: the writer: %s\n", why);
        return code;
    }
    if (demo_open_all(world, w.nodes) == 0) {
        run(&w);
        code = 0;
    }
    for (size_t i = 0; i < DEMO_NODES_MAX; i++)
        accord_close(w.nodes[i]);
    demo_origin_close(&w.origin);
    return code;
}
