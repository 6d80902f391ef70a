/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/populate.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum { STEP_BYTES = 1 << 20 };

struct populate {
    pthread_t thread;
    uint8_t *begin;
    size_t bytes;
    size_t passed; /* read by others meanwhile, as `stop` is written */
    bool stop;
};

/* An older kernel, or one without memory, refuses: then it is no use to go on. */
static void *thread_main(void *context)
{
    struct populate *p = context;
    size_t at = 0;

    while (at < p->bytes && !__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
        size_t bytes = u64_min(p->bytes - at, STEP_BYTES);
        at = madvise(p->begin + at, bytes, MADV_POPULATE_WRITE) == 0 ? at + bytes : p->bytes;
        __atomic_store_n(&p->passed, at, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* Signals are the main thread's: the new thread inherits a full mask. */
static bool start_thread(struct populate *p)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&p->thread, NULL, thread_main, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

struct populate *populate_start(void *begin, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (uintptr_t)begin % page;
    struct populate *p = bytes > 0 ? calloc(1, sizeof *p) : NULL;

    if (!p)
        return NULL;
    p->begin = (uint8_t *)begin - before;
    p->bytes = (bytes + before + page - 1) / page * page;
    if (start_thread(p))
        return p;
    free(p);
    return NULL;
}

void populate_stop(struct populate *p)
{
    if (!p)
        return;
    __atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
    pthread_join(p->thread, NULL);
    free(p);
}

size_t populate_passed(const struct populate *p)
{
    return __atomic_load_n(&p->passed, __ATOMIC_RELAXED);
}
