/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pin.h - may this mapping be unmapped, or is a reader still in it?
 *
 * A reader pins the mapping it reads, and unpins it after; the thread that replaces a mapping
 * waits for nobody: it asks pin_is_held() and tries again later. These are hazard pointers
 * whose cost lies with the replacer: a pin is two plain stores and two loads of the reader's
 * own cache line. The barrier that would stand between them is made in all threads at once by
 * membarrier() in pin_is_held(); where the kernel refuses that, readers pay a locked
 * instruction.
 *
 * Threads: each thread has pins of its own, taken at its first read and given back when it
 * ends. Fork: the child keeps the pins of the thread that forked; the others' reads do not
 * exist there. Process-wide, because a thread is: all handles share the pins. The memory (one
 * cache line pair for each thread that ever lived at one time) is never freed.
 */
#ifndef ACCORD_CLIENT_PIN_H
#define ACCORD_CLIENT_PIN_H

#include "client/last_error.h"

#include <stdalign.h>
#include <stdatomic.h>

enum {
    PINS = 32,      /* of one thread: [0] is for reads, the others for borrows */
    PINS_STATES = 8 /* enum accord_state, rounded up to a power of two */
};

struct pins {
    alignas(128) _Atomic(const void *) held[PINS];
    /* What this thread's gets answered and is not in a reader line yet; by enum accord_state.
     */
    uint32_t counted[PINS_STATES];
    uint32_t uncollected;                  /* the sum of those */
    char last_error[LAST_ERROR_BYTES_MAX]; /* client/last_error.h */
    atomic_bool claimed;
    struct pins *next; /* immutable once listed */
};

/* This thread's, NULL before its first pins_mine(). Initial-exec, so that a read makes no call
 * to find it; 8 bytes fit the reserve that glibc keeps for libraries that are opened late. */
extern _Thread_local struct pins *pins_of_thread __attribute__((tls_model("initial-exec")));
extern bool pins_need_fence;

/* NULL: out of memory. */
struct pins *pins_claim(void);

static inline struct pins *pins_mine(void)
{
    struct pins *p = pins_of_thread;

    return p ? p : pins_claim();
}

/* Pins what *where points to now and returns it; NULL pins nothing. */
static inline const void *pin(struct pins *p, size_t index, _Atomic(const void *) *where)
{
    const void *seen = atomic_load_explicit(where, memory_order_acquire), *before;

    do {
        before = seen;
        if (pins_need_fence)
            (void)atomic_exchange(&p->held[index], before);
        else
            atomic_store_explicit(&p->held[index], before, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
        seen = atomic_load_explicit(where, memory_order_acquire);
    } while (seen != before);
    return seen;
}

static inline void unpin(_Atomic(const void *) *held)
{
    atomic_store_explicit(held, NULL, memory_order_release);
}

/* A free pin of this thread for a borrow; 0: all are in use. */
size_t pins_free_one(struct pins *p);

/* Makes visible here every pin that was set before a replacement that happened before this
 * call. false: the kernel cannot; then nothing may be unmapped. */
MUST_CHECK bool pins_settle(void);
/* Whether any thread pins `mapping`, which no reader can find any more; after pins_settle(). */
bool pin_is_held(const void *mapping);

/* In the child after fork(), before it reads. */
void pins_forked(void);

#endif
