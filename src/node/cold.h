/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* cold.h - when the command on-cold-boot runs.
 *
 * Not at once: what it loads while the node is unsure is not kept. So it runs once the node
 * holds its lease again. Where that has not come within COLD_PATIENCE times L it runs all the
 * same, told that reads are unsure, so that somebody hears of it; and again, once, when the
 * lease is held. A newer drop takes the place of one that was not told yet. Pure.
 */
#ifndef ACCORD_NODE_COLD_H
#define ACCORD_NODE_COLD_H

#include "base/base.h"
#include "wire/change.h"

enum { COLD_PATIENCE = 10, COLD_WHY_BYTES_MAX = 512 };

struct cold {
    bool waits;             /* for the lease */
    uint64_t unsure_due_ns; /* when it is told without; UINT64_MAX: it was */
    const char *cause;      /* static: a word of defs/drop.def */
    char why[COLD_WHY_BYTES_MAX];
    struct position position; /* after which changes are applied */
};

enum cold_run { COLD_NOTHING, COLD_FRESH, COLD_UNSURE };

/* The cache was dropped, or began empty. `why` is copied. */
void cold_boot(struct cold *c, uint64_t now_ns, uint64_t max_stale_ns, const char *cause,
               const char *why, struct position position);
/* What is to run now; it is said once. */
enum cold_run cold_due(struct cold *c, uint64_t now_ns, bool fresh);
/* When to ask again, if nothing happens before; UINT64_MAX: never. */
uint64_t cold_deadline_ns(const struct cold *c);

#endif
