/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* signed.h - a bus whose changes are signed: another bus, with signing before each publish()
 * and checking after each read(). The bus beneath knows nothing of it.
 *
 * It keeps the contract of bus.h, clause by clause, as the bus beneath does; and sets `trust`
 * of each entry. What is not TRUST_FULL keeps its place, its message and what it says, for
 * whoever decides what that is worth (core/trust.h).
 */
#ifndef ACCORD_BUS_SIGNED_H
#define ACCORD_BUS_SIGNED_H

#include "bus/bus.h"
#include "bus/signing.h"

/* The ops of a signed `inner`. Its open() needs settings.signing, with a key. */
void signed_ops(struct bus_ops *out, const struct bus_ops *inner);

#endif
