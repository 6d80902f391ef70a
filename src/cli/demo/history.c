/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/history.h"

_Static_assert(sizeof(struct demo_change) == 24, "the size of the mapping is computed from it");

static size_t floors_offset(uint32_t row_count)
{
    size_t end = offsetof(struct demo_history, newest) + row_count * sizeof(_Atomic uint32_t);

    return (end + 7) / 8 * 8;
}

static size_t changes_offset(uint32_t row_count)
{
    return floors_offset(row_count) + row_count * sizeof(struct demo_floor);
}

static struct demo_floor *floor_of(const struct demo_history *h, uint32_t row)
{
    uint8_t *base = (uint8_t *)(uintptr_t)h;

    ASSERT(row < h->row_count);
    return (struct demo_floor *)(void *)(base + floors_offset(h->row_count)) + row;
}

static struct demo_change *change_at(const struct demo_history *h, uint32_t index)
{
    uint8_t *base = (uint8_t *)(uintptr_t)h;

    ASSERT(index < h->changes_max);
    return (struct demo_change *)(void *)(base + changes_offset(h->row_count)) + index;
}

size_t demo_history_bytes(uint32_t row_count, uint32_t changes_max)
{
    return changes_offset(row_count) + (size_t)changes_max * sizeof(struct demo_change);
}

void demo_history_init(struct demo_history *h, uint32_t row_count, uint32_t changes_max,
                       uint64_t max_stale_ns)
{
    h->max_stale_ns = max_stale_ns;
    h->row_count = row_count;
    h->changes_max = changes_max;
}

int demo_history_begin(struct demo_history *h, uint32_t row, uint32_t *version,
                       uint32_t *change)
{
    uint32_t index = atomic_load_explicit(&h->change_count, memory_order_relaxed);

    ASSERT(row < h->row_count);
    if (index == h->changes_max)
        return ACCORD_E_FULL;

    struct demo_change *c = change_at(h, index);
    c->row = row;
    c->version = demo_history_newest(h, row) + 1;
    c->previous = atomic_load_explicit(&h->newest[row], memory_order_relaxed);
    atomic_store_explicit(&h->newest[row], index + 1, memory_order_release);
    atomic_store_explicit(&h->change_count, index + 1, memory_order_release);
    *version = c->version;
    *change = index;
    return ACCORD_OK;
}

void demo_history_acked(struct demo_history *h, uint32_t change, uint64_t now_ns)
{
    ASSERT(now_ns > 0);
    atomic_store_explicit(&change_at(h, change)->acked_ns, now_ns, memory_order_release);
}

uint32_t demo_history_newest_acked(const struct demo_history *h, uint32_t row)
{
    uint32_t next = atomic_load_explicit(&h->newest[row], memory_order_acquire);

    for (; next > 0; next = change_at(h, next - 1)->previous) {
        const struct demo_change *c = change_at(h, next - 1);
        if (atomic_load_explicit(&c->acked_ns, memory_order_acquire) > 0)
            return c->version;
    }
    return 1;
}

void demo_history_floor(struct demo_history *h, uint32_t row, uint32_t version, uint64_t now_ns)
{
    struct demo_floor *f = floor_of(h, row);

    ASSERT(now_ns > 0);
    atomic_store(&f->since_ns, 0);
    atomic_store(&f->version, version);
    atomic_store(&f->since_ns, now_ns);
}

uint32_t demo_history_newest(const struct demo_history *h, uint32_t row)
{
    uint32_t newest = atomic_load_explicit(&h->newest[row], memory_order_acquire);

    return newest > 0 ? change_at(h, newest - 1)->version : 1;
}

/* The floor, if it stood still while it was read: a new version with the old time would accuse
 * the innocent. */
static bool is_below_floor(const struct demo_history *h, uint32_t row, uint64_t version,
                           uint64_t started_ns, struct demo_evidence *found)
{
    struct demo_floor *f = floor_of(h, row);
    uint64_t since_ns = atomic_load(&f->since_ns);
    uint64_t least = atomic_load(&f->version);

    if (since_ns == 0 || atomic_load(&f->since_ns) != since_ns)
        return false;
    if (version >= least || since_ns >= started_ns)
        return false;
    found->superseded_by = (uint32_t)least;
    found->acked_ns = since_ns;
    found->late_ns = started_ns - since_ns;
    found->strict = true;
    return true;
}

/* Walks back from the newest change to the one that superseded `version`. That is a few steps
 * for any honest answer: only changes of the last L can lie between. The evidence is the oldest
 * removal that decides: it was due the longest. */
static enum demo_verdict walk(const struct demo_history *h, uint32_t row, uint64_t version,
                              uint64_t started_ns, struct demo_evidence *found)
{
    uint32_t next = atomic_load_explicit(&h->newest[row], memory_order_acquire);
    enum demo_verdict verdict = DEMO_FRESH;

    while (next > 0) {
        const struct demo_change *c = change_at(h, next - 1);
        if (c->version <= version)
            break;
        next = c->previous;
        uint64_t acked_ns = atomic_load_explicit(&c->acked_ns, memory_order_acquire);
        if (acked_ns == 0 || acked_ns > started_ns)
            continue;
        bool broken = u64_add_sat(acked_ns, h->max_stale_ns) < started_ns;
        if (verdict == DEMO_BROKEN && !broken)
            continue;
        verdict = broken ? DEMO_BROKEN : DEMO_WITHIN;
        found->superseded_by = c->version;
        found->acked_ns = acked_ns;
        found->late_ns = started_ns - acked_ns;
    }
    return verdict;
}

enum demo_verdict demo_history_judge(const struct demo_history *h, uint32_t row,
                                     uint64_t version, uint64_t started_ns,
                                     struct demo_evidence *evidence)
{
    struct demo_evidence found = {.newest = demo_history_newest(h, row)};
    enum demo_verdict verdict = DEMO_IMPOSSIBLE;

    ASSERT(row < h->row_count);
    if (version > 0 && version <= found.newest) {
        verdict = walk(h, row, version, started_ns, &found);
        if (verdict != DEMO_BROKEN && is_below_floor(h, row, version, started_ns, &found))
            verdict = DEMO_BROKEN;
    }
    if (evidence && verdict != DEMO_FRESH)
        *evidence = found;
    return verdict;
}
