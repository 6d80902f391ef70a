/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* http.h - a bus without a server: the nodes tell each other what they publish, over HTTP
 * (docs/decision/http-peers.md says what the clauses of bus.h become).
 *
 * Not among the buses that bus_find() knows: it has not passed the contract's suite yet.
 */
#ifndef ACCORD_BUS_HTTP_HTTP_H
#define ACCORD_BUS_HTTP_HTTP_H

#include "bus/bus.h"

extern const struct bus_ops bus_http;

#endif
