/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* populate.h - pages that are about to be written, asked of the kernel by a thread of its own.
 *
 * A new page of shared memory costs the kernel a microsecond or more: it is found, cleared and
 * mapped at the first store to it. Who is to fill a gigabyte as fast as possible has that done
 * beside him, a step ahead. Nothing depends on it: what was not asked for ahead comes at the
 * first store, as ever. Contents are not touched.
 */
#ifndef ACCORD_NODE_POPULATE_H
#define ACCORD_NODE_POPULATE_H

#include "base/base.h"

struct populate;

/* Begins with the pages from `begin` on; whole pages are taken, so that both ends may lie in
 * the middle of one. The mapping outlives populate_stop(). NULL: there is no thread or memory
 * for it, or nothing to do. */
struct populate *populate_start(void *begin, size_t bytes);

/* Waits for the step in hand (a millisecond or two); the rest is left. NULL is fine. */
void populate_stop(struct populate *p);

/* How much was asked for so far, or was refused: `bytes` and more when it is over. */
size_t populate_passed(const struct populate *p);

#endif
