/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* memory.h - memory:NAME, a log inside this process: the reference implementation of bus.h.
 *
 * Every struct bus of the process that names the same NAME shares one log, which lives until
 * the process ends. Below are the misfortunes that can befall a log, for tests. They may be
 * called from any thread, and before the log's first open().
 */
#ifndef ACCORD_BUS_MEMORY_H
#define ACCORD_BUS_MEMORY_H

#include "bus/bus.h"

extern const struct bus_ops bus_memory;

/* Appends what a person would write: no envelope. `op` may be no op, `key` of any length. */
void memory_log_write(const char *name, const char *op, struct bytes key);
/* The last `count` entries vanish; their positions will be given again. The epoch stays: a log
 * that lost its tail without noticing. */
void memory_log_cut(const char *name, size_t count);
/* Another log, empty, is there under the same name. */
void memory_log_replace(const char *name);
/* While down, every call answers ACCORD_E_DOWN at once. */
void memory_log_down(const char *name, bool down);
/* The next `count` publishes take effect, and answer ACCORD_E_TIMEOUT. */
void memory_log_lose_answers(const char *name, unsigned count);

#endif
