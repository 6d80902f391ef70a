/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp.h - chp://host:port/cluster: a log that a node of the fleet serves to the others, over
 * ZeroMQ, in the words of the Clustered Hashmap Protocol (RFC 12). What it promises and costs
 * is docs/operating/bus_chp.md; what travels, talk.h. */
#ifndef ACCORD_BUS_CHP_CHP_H
#define ACCORD_BUS_CHP_CHP_H

#include "bus/bus.h"

extern const struct bus_ops bus_chp;

#endif
