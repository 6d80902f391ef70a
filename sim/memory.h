/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* memory.h - large memory that is zero and costs little: a segment, or a core with its tables.
 *
 * Thousands of daemons start and die in a minute, each over some 170 MB of which it touches one
 * hundredth. The kernel takes 2 us to find and clear a page at its first touch; that was a
 * third of all time. So a piece that is given back stays mapped, and the pages that were
 * touched are cleared here, unless they have become so many that the kernel is cheaper.
 */
#ifndef ACCORD_SIM_MEMORY_H
#define ACCORD_SIM_MEMORY_H

#include <stddef.h>

/* Zeroed memory, in pages of its own; it is there, or the simulator ends. */
void *memory_take(size_t bytes);
/* Given back; of the same size as it was taken. */
void memory_give(void *at, size_t bytes);
/* Zeroes it again where it lies. */
void memory_clear(void *at, size_t bytes);
/* Unmaps all that was given back. */
void memory_done(void);

/* The core's one allocation comes from there too: core.c is compiled for the simulator with
 * these in the place of calloc() and free() (Makefile). At most one size is in use. */
void *memory_core_take(size_t count, size_t bytes);
void memory_core_give(void *at);

#endif
