/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* pairs.h - which kinds of faults met in one run, and in how many: what one fault does is
 * mostly seen to; two at a time are where protocols break. */
#ifndef ACCORD_SIM_PAIRS_H
#define ACCORD_SIM_PAIRS_H

#include "sim/sim.h"

/* A run has ended in which each kind struck so often. */
void pairs_add(const uint64_t struck[FAULT_KINDS]);
/* Says how many pairs met in no run, and which of those of the test plan. Returns how many of
 * the test plan: a few hundred runs have them all. Of the others some kinds strike in worlds of
 * one theme alone, and so do not meet. */
size_t pairs_tell_unmet(void);
/* Prints for each pair in how many runs it met; at the end of each row, the runs with that
 * kind.
 */
void pairs_tell(void);

#endif
