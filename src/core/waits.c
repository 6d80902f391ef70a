/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/waits.h"

static void check(const struct waits *w)
{
    ASSERT(w->count <= w->used);
    ASSERT(w->used <= WAITERS_MAX);
}

static size_t list_of(const struct wait *wait)
{
    ASSERT(wait->kind < WAIT_KINDS);
    ASSERT(wait->kind != WAIT_LOAD || wait->load < LOADS_MAX);
    return wait->kind == WAIT_LOAD ? (size_t)WAIT_LOAD + wait->load : (size_t)wait->kind;
}

static uint32_t index_of(const struct waits *w, const struct wait *wait)
{
    ASSERT(wait >= w->all);
    ASSERT(wait < w->all + w->used);
    return (uint32_t)(wait - w->all);
}

static struct wait *at(struct waits *w, uint32_t link)
{
    ASSERT(link <= w->used);
    return link > 0 ? &w->all[link - 1] : NULL;
}

void waits_init(struct waits *w)
{
    owners_init(&w->owners, w->owned, w->owner_buckets, COUNT_OF(w->owner_buckets));
    check(w);
}

bool waits_is_full(const struct waits *w)
{
    check(w);
    return w->count == WAITERS_MAX;
}

/* ---- the heaps -----------------------------------------------------------------------------
 */

static bool has_order(enum wait_kind kind, enum wait_order order)
{
    return order == ORDER_DEADLINE || (order == ORDER_POSITION && kind == WAIT_APPLIED) ||
           (order == ORDER_SERIAL && kind == WAIT_FRESH);
}

static uint64_t value_of(const struct wait *wait, enum wait_order order)
{
    return order == ORDER_DEADLINE   ? wait->deadline_ns
           : order == ORDER_POSITION ? wait->position
                                     : wait->serial;
}

static uint64_t value_at(struct waits *w, enum wait_order order, size_t i)
{
    ASSERT(i >= 1);
    ASSERT(i <= w->heaps[order].count);
    w->looked_at++;
    return value_of(&w->all[w->heaps[order].slots[i]], order);
}

static struct wait *heap_top(struct waits *w, enum wait_order order)
{
    const struct wait_heap *h = &w->heaps[order];

    w->looked_at++;
    return h->count > 0 ? &w->all[h->slots[1]] : NULL;
}

static void heap_put(struct waits *w, enum wait_order order, size_t i, uint32_t index)
{
    w->heaps[order].slots[i] = index;
    w->all[index].heap[order] = (uint32_t)i;
}

static void heap_swap(struct waits *w, enum wait_order order, size_t i, size_t j)
{
    uint32_t index = w->heaps[order].slots[i];

    heap_put(w, order, i, w->heaps[order].slots[j]);
    heap_put(w, order, j, index);
}

static void heap_settle(struct waits *w, enum wait_order order, size_t i)
{
    size_t count = w->heaps[order].count;

    for (; i > 1 && value_at(w, order, i) < value_at(w, order, i / 2); i /= 2)
        heap_swap(w, order, i, i / 2);
    for (size_t child; (child = 2 * i) <= count; i = child) {
        if (child < count && value_at(w, order, child + 1) < value_at(w, order, child))
            child++;
        if (value_at(w, order, i) <= value_at(w, order, child))
            return;
        heap_swap(w, order, i, child);
    }
}

static void heap_add(struct waits *w, enum wait_order order, uint32_t index)
{
    struct wait_heap *h = &w->heaps[order];

    ASSERT(h->count < WAITERS_MAX);
    heap_put(w, order, ++h->count, index);
    heap_settle(w, order, h->count);
}

static void heap_remove(struct waits *w, enum wait_order order, struct wait *wait)
{
    struct wait_heap *h = &w->heaps[order];
    size_t i = wait->heap[order];

    ASSERT(i >= 1);
    ASSERT(i <= h->count);
    uint32_t moved = h->slots[h->count--];

    wait->heap[order] = 0;
    if (i > h->count)
        return;
    heap_put(w, order, i, moved);
    heap_settle(w, order, i);
}

/* ---- of its kind: a list, and perhaps a heap ------------------------------------------------
 */

static void list_add(struct waits *w, struct wait *wait)
{
    struct wait_list *list = &w->lists[list_of(wait)];
    uint32_t link = index_of(w, wait) + 1;

    wait->previous = list->last;
    wait->next = 0;
    if (list->last > 0)
        at(w, list->last)->next = link;
    else
        list->first = link;
    list->last = link;
    list->count++;
}

static void list_remove(struct waits *w, struct wait *wait)
{
    struct wait_list *list = &w->lists[list_of(wait)];

    ASSERT(list->count > 0);
    list->count--;
    if (wait->previous > 0)
        at(w, wait->previous)->next = wait->next;
    else
        list->first = wait->next;
    if (wait->next > 0)
        at(w, wait->next)->previous = wait->previous;
    else
        list->last = wait->previous;
}

static void kind_add(struct waits *w, struct wait *wait)
{
    list_add(w, wait);
    for (enum wait_order o = ORDER_DEADLINE + 1; o < WAIT_ORDERS; o++)
        if (has_order(wait->kind, o))
            heap_add(w, o, index_of(w, wait));
}

static void kind_remove(struct waits *w, struct wait *wait)
{
    list_remove(w, wait);
    for (enum wait_order o = ORDER_DEADLINE + 1; o < WAIT_ORDERS; o++)
        if (has_order(wait->kind, o))
            heap_remove(w, o, wait);
}

/* ---- all of it ----------------------------------------------------------------------------
 */

struct wait *waits_add(struct waits *w, const struct wait *wait)
{
    uint32_t index = w->spare > 0 ? w->spare - 1 : w->used;

    ASSERT(!waits_is_full(w));
    if (w->spare > 0)
        w->spare = w->all[index].next;
    else
        w->used++;
    w->all[index] = *wait;
    memset(w->all[index].heap, 0, sizeof w->all[index].heap);
    kind_add(w, &w->all[index]);
    heap_add(w, ORDER_DEADLINE, index);
    owners_add(&w->owners, index, wait->client);
    w->count++;
    check(w);
    return &w->all[index];
}

void waits_remove(struct waits *w, struct wait *wait)
{
    check(w);
    kind_remove(w, wait);
    heap_remove(w, ORDER_DEADLINE, wait);
    owners_remove(&w->owners, index_of(w, wait));
    wait->next = w->spare;
    w->spare = index_of(w, wait) + 1;
    w->count--;
    check(w);
}

void waits_change(struct waits *w, struct wait *wait, enum wait_kind kind, uint64_t deadline_ns)
{
    check(w);
    kind_remove(w, wait);
    wait->kind = kind;
    wait->deadline_ns = deadline_ns;
    kind_add(w, wait);
    heap_settle(w, ORDER_DEADLINE, wait->heap[ORDER_DEADLINE]);
    check(w);
}

struct wait *waits_first(struct waits *w, enum wait_kind kind)
{
    check(w);
    ASSERT(kind < WAIT_LOAD);
    return at(w, w->lists[kind].first);
}

size_t waits_count(const struct waits *w, enum wait_kind kind)
{
    check(w);
    ASSERT(kind < WAIT_LOAD);
    return w->lists[kind].count;
}

struct wait *waits_first_of_load(struct waits *w, uint32_t load)
{
    check(w);
    ASSERT(load < LOADS_MAX);
    return at(w, w->lists[(size_t)WAIT_LOAD + load].first);
}

struct wait *waits_next(struct waits *w, const struct wait *wait)
{
    check(w);
    w->looked_at++;
    return at(w, wait->next);
}

struct wait *waits_least(struct waits *w, enum wait_kind kind)
{
    check(w);
    ASSERT(kind == WAIT_APPLIED || kind == WAIT_FRESH);
    return heap_top(w, kind == WAIT_APPLIED ? ORDER_POSITION : ORDER_SERIAL);
}

struct wait *waits_expired(struct waits *w, uint64_t now_ns)
{
    check(w);
    struct wait *first = heap_top(w, ORDER_DEADLINE);

    return first && first->deadline_ns <= now_ns ? first : NULL;
}

uint64_t waits_deadline_ns(const struct waits *w)
{
    const struct wait_heap *h = &w->heaps[ORDER_DEADLINE];

    check(w);
    return h->count > 0 ? w->all[h->slots[1]].deadline_ns : UINT64_MAX;
}

struct wait *waits_of_client(struct waits *w, uint64_t client)
{
    check(w);
    return at(w, owners_find(&w->owners, client));
}

static void check_heap(const struct waits *w, enum wait_order order)
{
    const struct wait_heap *h = &w->heaps[order];

    for (size_t i = 1; i <= h->count; i++) {
        const struct wait *wait = &w->all[h->slots[i]];
        ASSERT(wait->heap[order] == i);
        ASSERT(has_order(wait->kind, order));
        ASSERT(i == 1 || value_of(&w->all[h->slots[i / 2]], order) <= value_of(wait, order));
    }
}

void waits_check(const struct waits *w)
{
    size_t listed = 0, ordered[WAIT_ORDERS] = {0};

    check(w);
    for (size_t l = 0; l < WAITS_LISTS; l++) {
        size_t before = listed;
        for (uint32_t i = w->lists[l].first; i > 0; i = w->all[i - 1].next) {
            ASSERT(list_of(&w->all[i - 1]) == l);
            for (enum wait_order o = 0; o < WAIT_ORDERS; o++)
                ordered[o] += has_order(w->all[i - 1].kind, o);
            listed++;
        }
        ASSERT(w->lists[l].count == listed - before);
    }
    ASSERT(listed == w->count);
    for (enum wait_order o = 0; o < WAIT_ORDERS; o++) {
        check_heap(w, o);
        ASSERT(w->heaps[o].count == ordered[o]);
    }
    ASSERT(owners_count(&w->owners) == w->count);
}
