/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/world.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { AGAIN_US = 20000 };

static uint64_t ahead; /* wraps where it is behind */

void demo_clock_is_ahead(int64_t ahead_ns)
{
    ahead = (uint64_t)ahead_ns;
}

uint64_t demo_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec - ahead;
}

/* Whether the like was told before: a row that stays stale is served a million times. */
static bool is_told(const struct demo_world *w, const struct demo_answer *a, uint64_t version)
{
    for (size_t i = 0; i < DEMO_FAILURES_MAX; i++) {
        const struct demo_failure *f = &w->shared->failures[i];
        if (atomic_load_explicit(&f->told, memory_order_acquire) && f->row == a->row &&
            f->node == a->node && f->version == version)
            return true;
    }
    return false;
}

static void tell(const struct demo_world *w, const struct demo_answer *a,
                 enum demo_failure_kind kind, uint64_t version, struct demo_evidence evidence)
{
    demo_count(&w->shared->readers[a->reader].broken, 1);
    if (atomic_load(&w->shared->failure_count) >= DEMO_FAILURES_MAX || is_told(w, a, version))
        return;
    uint32_t index = atomic_fetch_add(&w->shared->failure_count, 1);
    if (index >= DEMO_FAILURES_MAX)
        return;
    struct demo_failure *f = &w->shared->failures[index];
    f->kind = kind;
    f->reader = a->reader;
    f->node = a->node;
    f->row = a->row;
    f->version = version;
    f->started_ns = a->started_ns;
    f->evidence = evidence;
    atomic_store_explicit(&f->told, 1, memory_order_release);
}

bool demo_judge(const struct demo_world *w, const struct demo_answer *a, bool from_cache)
{
    struct demo_reader_stats *stats = &w->shared->readers[a->reader];
    struct demo_evidence evidence = {0};
    uint64_t version = 0;

    if (!demo_value_check(a->value, a->value_bytes, a->row, &version)) {
        tell(w, a, DEMO_FAILURE_CORRUPT, 0, evidence);
        return false;
    }
    switch (demo_history_judge(w->history, a->row, version, a->started_ns, &evidence)) {
    case DEMO_FRESH:
        demo_count(&stats->fresh, from_cache);
        return true;
    case DEMO_WITHIN:
        demo_count(&stats->within, from_cache);
        if (evidence.late_ns > demo_counted(&stats->within_max_ns))
            atomic_store_explicit(&stats->within_max_ns, evidence.late_ns,
                                  memory_order_relaxed);
        return true;
    case DEMO_BROKEN:
        tell(w, a, DEMO_FAILURE_STALE, version, evidence);
        return false;
    case DEMO_IMPOSSIBLE:
        break;
    }
    tell(w, a, DEMO_FAILURE_IMPOSSIBLE, version, evidence);
    return false;
}

bool demo_judge_stale(const struct demo_world *w, const struct demo_answer *a)
{
    struct demo_evidence evidence = {0};
    uint64_t version = 0;

    if (!demo_value_check(a->value, a->value_bytes, a->row, &version)) {
        tell(w, a, DEMO_FAILURE_CORRUPT, 0, evidence);
        return false;
    }
    if (demo_history_judge(w->history, a->row, version, a->started_ns, &evidence) ==
        DEMO_IMPOSSIBLE) {
        tell(w, a, DEMO_FAILURE_IMPOSSIBLE, version, evidence);
        return false;
    }
    return true;
}

int demo_load(void *context, struct accord_loaded *out)
{
    struct demo_load *l = context;

    l->called = true;
    if (demo_origin_load(l->origin, l->row, l->value, &l->value_bytes) != ACCORD_OK)
        return -1;
    l->tag = l->table->rows[l->row].tag;
    *out = (struct accord_loaded){
        .value = l->value,
        .value_bytes = l->value_bytes,
        .options = {.tags = &l->tag, .tag_count = 1},
    };
    return 0;
}

int demo_open(const struct demo_world *w, size_t i, const struct accord_options *options,
              struct accord **out)
{
    int status;

    /* A machine that is busy with other things may let a node take a second to answer. */
    while ((status = accord_open(out, w->socket[i], options)) != ACCORD_OK &&
           (w->patient || status == ACCORD_E_TIMEOUT) && demo_mode(w) != DEMO_STOP)
        usleep(AGAIN_US);
    if (status == ACCORD_OK)
        return 0;
    fprintf(stderr, "accord %s: cannot attach to %s at %s: %s\n", w->verb, w->name[i],
            w->socket[i], accord_strerror(status));
    return 1;
}

int demo_open_all(const struct demo_world *w, struct accord *handles[DEMO_NODES_MAX])
{
    const struct accord_options options = {.request_timeout_ms = w->patient ? 300 : 2000};
    int code = 0;

    for (size_t i = 0; i < w->options.nodes && code == 0; i++)
        code = demo_open(w, i, &options, &handles[i]);
    return code;
}
