/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* nats.h - a JetStream stream as the bus: nats://host:4222/cluster, tls://host:4222/cluster.
 * How it is laid out is in stream.h and record.h; for operators, docs/operating/bus_nats.md. */
#ifndef ACCORD_BUS_NATS_NATS_H
#define ACCORD_BUS_NATS_NATS_H

#include "bus/bus.h"

extern const struct bus_ops bus_nats;

#endif
