/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* xmpp.h - xmpp:// (place.h says what may be in it): a chat room with an archive.
 *
 * For people: docs/operating/bus_xmpp.md. */
#ifndef ACCORD_BUS_XMPP_XMPP_H
#define ACCORD_BUS_XMPP_XMPP_H

#include "bus/bus.h"

/* Six beats in that time go to everybody who sits in the room. */
enum { XMPP_MAX_STALE_MS = 15000 };

extern const struct bus_ops bus_xmpp;

#endif
