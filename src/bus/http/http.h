/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* http.h - a bus without a server: the nodes tell each other what they publish, over HTTP
 * (docs/decision/http-peers.md says what the clauses of bus.h become).
 *
 * It passes those clauses of the contract's suite that do not need one log for all. bus_find()
 * does not know it: what peers know of who has left is not enough yet where all come and go at
 * once (the page says when).
 */
#ifndef ACCORD_BUS_HTTP_HTTP_H
#define ACCORD_BUS_HTTP_HTTP_H

#include "bus/bus.h"

extern const struct bus_ops bus_http;

#endif
