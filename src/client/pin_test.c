/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/pin.h"

#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS = 3, ROUNDS = 3000, WORDS = 64 };

static _Atomic(const void *) current;
static atomic_bool stop, started;
static atomic_uint torn;

/* A mapping here is an array whose words are all equal; what was freed is overwritten first. */
static uint64_t *mapping(uint64_t value)
{
    uint64_t *m = malloc(WORDS * sizeof *m);

    CHECK(m != NULL);
    for (size_t i = 0; i < WORDS; i++)
        m[i] = value;
    return m;
}

static void *read_for_long(void *unused)
{
    struct pins *p = pins_mine();

    CHECK(p != NULL);
    while (!atomic_load(&stop)) {
        const uint64_t *m = pin(p, 0, &current);
        for (size_t i = 1; i < WORDS; i++)
            if (m[i] != m[0] || m[i] == 0)
                atomic_fetch_add(&torn, 1);
        unpin(&p->held[0]);
        atomic_store(&started, true);
    }
    return unused;
}

static void replace_for_long(void)
{
    for (uint64_t i = 2; i < ROUNDS; i++) {
        uint64_t *old = (uint64_t *)(uintptr_t)atomic_exchange(&current, mapping(i));
        do
            CHECK(pins_settle());
        while (pin_is_held(old));
        for (size_t word = 0; word < WORDS; word++)
            old[word] = 0;
        free(old);
    }
}

static void run_readers(void)
{
    pthread_t threads[READERS];

    atomic_store(&current, mapping(1));
    for (size_t i = 0; i < READERS; i++)
        CHECK(pthread_create(&threads[i], NULL, read_for_long, NULL) == 0);
    while (!atomic_load(&started))
        ;
    replace_for_long();
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&torn) == 0);
    free((void *)(uintptr_t)atomic_load(&current));
}

TEST(nothing_that_is_pinned_is_given_up)
{
    run_readers();
}

TEST(nothing_that_is_pinned_is_given_up_where_the_kernel_has_no_membarrier)
{
    CHECK(pins_mine() != NULL);
    pins_need_fence = true;
    run_readers();
}

TEST(each_thread_has_31_pins_for_borrows_and_they_come_back)
{
    struct pins *p = pins_mine();
    int thing = 0;

    atomic_store(&current, &thing);
    CHECK(p != NULL && p == pins_mine());
    for (size_t i = 1; i < PINS; i++) {
        CHECK(pins_free_one(p) == i);
        CHECK(pin(p, i, &current) == &thing);
    }
    CHECK(pins_free_one(p) == 0);
    CHECK(pin_is_held(&thing));
    for (size_t i = 1; i < PINS; i++)
        unpin(&p->held[i]);
    CHECK(!pin_is_held(&thing) && pins_free_one(p) == 1);
}

static void *claim_once(void *out)
{
    *(struct pins **)out = pins_mine();
    return NULL;
}

TEST(pins_of_a_thread_that_ended_are_used_again)
{
    struct pins *first = NULL;

    for (int i = 0; i < 50; i++) {
        struct pins *p = NULL;
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, claim_once, &p) == 0);
        pthread_join(thread, NULL);
        CHECK(p != NULL && (!first || p == first));
        first = p;
    }
}

static atomic_bool pinned;

static void *pin_for_ever(void *unused)
{
    struct pins *p = pins_mine();

    (void)pin(p, 0, &current);
    (void)pin(p, 1, &current);
    atomic_store(&pinned, true);
    while (!atomic_load(&stop))
        usleep(1000);
    return unused;
}

TEST(a_forked_child_forgets_the_reads_of_threads_that_do_not_exist_there)
{
    int thing = 0, status = -1;
    pthread_t thread;

    atomic_store(&current, &thing);
    CHECK(pthread_create(&thread, NULL, pin_for_ever, NULL) == 0);
    while (!atomic_load(&pinned))
        usleep(1000);
    pid_t child = fork();
    if (child == 0) {
        pins_forked();
        bool borrow_kept = pin_is_held(&thing);
        for (struct pins *p = pins_mine(); p; p = p->next)
            unpin(&p->held[1]);
        _exit(borrow_kept && !pin_is_held(&thing) ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(pin_is_held(&thing));
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
}
