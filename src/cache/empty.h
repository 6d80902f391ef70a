/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* empty.h - empties a block: what stays is copied on, the rest is dropped. */
#ifndef ACCORD_CACHE_EMPTY_H
#define ACCORD_CACHE_EMPTY_H

#include "cache/writer_state.h"

/* Empties one block: one that is mostly dead, else the one that the policy chooses. It needs a
 * free block to copy to. `round`: how many were emptied already for the same request. With
 * `force` nothing is kept, so that there is one free block more: readers whose counters say
 * that all is hot cannot make this go on for ever. */
void empty_one(struct writer *w, unsigned round, bool force);

#endif
