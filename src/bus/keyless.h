/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* keyless.h - a bus of who has no signing key: does the fleet ask for signatures?
 *
 * What this node, or relay, says is worth nothing to who does, so nothing of it may be called
 * done. While somebody lives here who signs, and does not say that he takes what is not signed
 * (CHANGE_ACCEPTS), attach() and read() answer ACCORD_E_DENIED, with what to do in `why`: the
 * node has no lease then, and publishes nothing. Relays hold no copies, and do not count; nor
 * does what this node itself said when it had a key. Who attaches without a view of the members
 * (view_ms 0) has them looked at first, so that a relay says nothing before it is told.
 *
 * It ends when nothing like it was read for as long as a member may be silent. Who can write to
 * the log can switch such a fleet off so; but without keys he can say anything in it anyway.
 *
 * It keeps the contract of bus.h, clause by clause, as the bus beneath does.
 */
#ifndef ACCORD_BUS_KEYLESS_H
#define ACCORD_BUS_KEYLESS_H

#include "bus/bus.h"

enum { KEYLESS_CATCH_UP_MS = 1000 }; /* how long one attach() reads on, at most */

/* The ops of a watched `inner`. */
void keyless_ops(struct bus_ops *out, const struct bus_ops *inner);

#endif
