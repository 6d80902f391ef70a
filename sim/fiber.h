/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fiber.h - whoever reads or writes a segment runs on a stack of its own, so that the simulator
 * can stop it between any two of its loads and stores, go on with the rest of the world, and
 * come back to it later, or never.
 *
 * One thread. A fiber may pause only from within itself, and is resumed only by the main stack.
 */
#ifndef ACCORD_SIM_FIBER_H
#define ACCORD_SIM_FIBER_H

#include <stdbool.h>
#include <stdint.h>

enum { FIBER_STACK_BYTES = 256 * 1024 };

struct fiber {
    void *stack; /* kept for the next run */
    void *at;    /* where it stands; private to fiber.c */
    void (*run)(void *context);
    void *context;
    bool running; /* begun and not at its end */
};

/* Runs `run` until it pauses or ends. True: it has ended. */
bool fiber_start(struct fiber *f, void (*run)(void *context), void *context);
bool fiber_resume(struct fiber *f);
void fiber_pause(void);
/* The one that is running now was left by a longjmp(), for good. */
void fiber_leave(void);
bool fiber_is_inside(void); /* one is running now */
/* It is never resumed again: as by SIGKILL. */
void fiber_kill(struct fiber *f);
void fiber_done(struct fiber *f); /* gives its stack back */

#endif
