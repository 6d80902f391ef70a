/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* many.h - many changes over one bus: published in full batches, and read from the first to the
 * last. Any failure ends the program.
 *
 * How many is said by ACCORD_BENCH_CHANGES (rounded up to MANY_TURNS full batches): by default
 * few enough for every run, as the ratio is the same. */
#ifndef ACCORD_BENCH_MANY_H
#define ACCORD_BENCH_MANY_H

#include "fill.h"

#include "bus/bus.h"

enum { MANY_TURNS = 4 };

size_t many_changes(void);

/* The change of that number; `key` is its. */
struct change many_change(uint64_t number, char key[FILL_KEY_BYTES + 1]);

/* Attached, with a view of all. */
struct bus *many_open(const struct bus_ops *ops, const char *url,
                      struct bus_attached *attached);
/* Seconds for `count` changes from number `first` on, in full batches. */
double many_publish(const struct bus_ops *ops, struct bus *b, size_t first, size_t count);
double many_read(const struct bus_ops *ops, struct bus *b, uint64_t after, size_t count);

/* One row: many_changes() in so many seconds. */
void many_report(const char *name, const char *bus, double ours_s, double raw_s,
                 const char *peer, double goal, const char *durability);

/* A TCP port of loopback that nobody has. */
uint16_t many_free_port(void);

#endif
