/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/pin.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local struct pins *pins_of_thread;
bool pins_need_fence;

static _Atomic(struct pins *) list; /* only grows, so that it can be walked with no lock */
static pthread_key_t at_thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool barrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0) == 0;
}

static void give_back(void *mine)
{
    struct pins *p = mine;

    /* A later destructor of this thread may read again; it claims anew then. */
    pins_of_thread = NULL;
    atomic_store_explicit(&p->claimed, false, memory_order_release);
}

static void start(void)
{
    /* Chosen once, before the first pin: a reader may never pin without a fence while a
     * replacer counts on it, nor the other way round. */
    pins_need_fence = !barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
    if (pthread_key_create(&at_thread_end, give_back) != 0)
        abort();
}

static struct pins *reuse(void)
{
    for (struct pins *p = atomic_load(&list); p; p = p->next) {
        bool claimed = false;
        if (!atomic_load_explicit(&p->claimed, memory_order_relaxed) &&
            atomic_compare_exchange_strong(&p->claimed, &claimed, true))
            return p;
    }
    return NULL;
}

static struct pins *add(void)
{
    struct pins *p = aligned_alloc(alignof(struct pins), sizeof *p);

    if (!p)
        return NULL;
    memset(p, 0, sizeof *p);
    atomic_store(&p->claimed, true);
    p->next = atomic_load(&list);
    while (!atomic_compare_exchange_weak(&list, &p->next, p))
        ;
    return p;
}

struct pins *pins_claim(void)
{
    pthread_once(&once, start);
    struct pins *p = reuse();
    if (!p)
        p = add();
    if (p)
        (void)pthread_setspecific(at_thread_end, p);
    pins_of_thread = p;
    return p;
}

size_t pins_free_one(struct pins *p)
{
    for (size_t i = 1; i < PINS; i++)
        if (!atomic_load_explicit(&p->held[i], memory_order_acquire))
            return i;
    return 0;
}

bool pins_settle(void)
{
    pthread_once(&once, start);
    /* Registered again: a fork or a checkpoint may have lost it, and it costs nothing. */
    return pins_need_fence || (barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) &&
                               barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
}

bool pin_is_held(const void *mapping)
{
    for (struct pins *p = atomic_load(&list); p; p = p->next)
        for (size_t i = 0; i < PINS; i++)
            if (atomic_load(&p->held[i]) == mapping)
                return true;
    return false;
}

void pins_forked(void)
{
    for (struct pins *p = atomic_load(&list); p; p = p->next) {
        if (p == pins_of_thread)
            continue;
        /* A borrow may have been handed to the thread that lives on: its pin stays. */
        unpin(&p->held[0]);
        atomic_store(&p->claimed, false);
    }
}
