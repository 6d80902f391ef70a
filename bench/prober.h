/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* prober.h - a process that spins on a key in the shared memory of one node or several, as an
 * application reads it, and says when it was a hit no more: when would a user have noticed?
 *
 * It runs in the kernel's idle class, so that it holds up nobody who has work on its processor.
 */
#ifndef ACCORD_BENCH_PROBER_H
#define ACCORD_BENCH_PROBER_H

#include <stddef.h>
#include <stdint.h>

enum { PROBER_NODES_MAX = 4 };

struct prober;

/* Attaches to the nodes at these socket paths, on processor `cpu`, and sleeps. It may spin on
 * words of shared memory, too, so that others are measured in the same way. */
struct prober *prober_start(int cpu, const char *const sockets[], size_t count);
struct prober *prober_start_with(int cpu, const char *const sockets[], size_t count,
                                 const _Atomic uint32_t *const words[], size_t word_count);

/* Returns once `key` is a hit on every node and the prober spins. */
void prober_arm(struct prober *p, const char *key);

/* Returns once the prober spins on its words instead, each until it is another than now. */
void prober_arm_words(struct prober *p);

/* Sleeps until the key is a hit nowhere; gone_ns[i]: when that was first seen of node i. Of
 * words: until all have changed. */
void prober_wait(struct prober *p, uint64_t gone_ns[]);

/* Sleeps until *counter is `value`; ends the program when that takes ten seconds. */
void prober_await(const _Atomic uint32_t *counter, uint32_t value, const char *what);

#endif
