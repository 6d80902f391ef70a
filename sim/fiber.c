/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "sim/fiber.h"

#include "base/base.h"

#include <stdlib.h>

static struct fiber *current;
static void *main_at;

static void fiber_main(void);

#if defined(__x86_64__)
/* Saves what the ABI keeps over a call on the present stack, and goes on where another one
 * stands. swapcontext() does the same with two system calls. */
void fiber_switch(void **from, void *to);
__asm__(".text\n"
        ".globl fiber_switch\n"
        ".type fiber_switch, @function\n"
        "fiber_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size fiber_switch, . - fiber_switch\n");

/* The first switch pops six registers and returns into fiber_main(), whose frame must be
 * aligned as if it had been called. */
static void *prepare(struct fiber *f)
{
    void **top = (void **)(void *)((char *)f->stack + FIBER_STACK_BYTES);
    void (*entry)(void) = fiber_main;

    top -= 2;
    memcpy(top, &entry, sizeof entry);
    top[1] = NULL;
    for (int i = 0; i < 6; i++)
        *--top = NULL;
    return top;
}
#else
#include <ucontext.h>

static ucontext_t main_context;

static void fiber_switch(void **from, void *to)
{
    ucontext_t *here = from == &main_at ? &main_context : *from;
    ucontext_t *there = to == main_at ? &main_context : to;

    swapcontext(here, there);
}

static void *prepare(struct fiber *f)
{
    ucontext_t *c = f->at ? f->at : malloc(sizeof *c);

    ASSERT(c);
    getcontext(c);
    c->uc_stack.ss_sp = f->stack;
    c->uc_stack.ss_size = FIBER_STACK_BYTES;
    c->uc_link = NULL;
    makecontext(c, fiber_main, 0);
    return c;
}
#endif

static void fiber_main(void)
{
    struct fiber *f = current;

    f->run(f->context);
    f->running = false;
    fiber_pause();
    ASSERT(f->running); /* an ended one is never resumed */
}

bool fiber_resume(struct fiber *f)
{
    ASSERT(!current);
    ASSERT(f->running);
    current = f;
    fiber_switch(&main_at, f->at);
    current = NULL;
    return !f->running;
}

bool fiber_start(struct fiber *f, void (*run)(void *context), void *context)
{
    ASSERT(!f->running);
    if (!f->stack)
        f->stack = aligned_alloc(4096, FIBER_STACK_BYTES);
    ASSERT(f->stack);
    f->run = run;
    f->context = context;
    f->running = true;
    f->at = prepare(f);
    return fiber_resume(f);
}

void fiber_pause(void)
{
    struct fiber *f = current;

    ASSERT(f);
    fiber_switch(&f->at, main_at);
}

void fiber_leave(void)
{
    if (current)
        current->running = false;
    current = NULL;
}

bool fiber_is_inside(void)
{
    return current != NULL;
}

void fiber_kill(struct fiber *f)
{
    ASSERT(f != current);
    f->running = false;
}

void fiber_done(struct fiber *f)
{
    ASSERT(f != current);
#if !defined(__x86_64__)
    free(f->at);
#endif
    free(f->stack);
    *f = (struct fiber){0};
}
