/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* standing.h - which nodes confirmed a strict removal? Taken out of the daemon's answer to it,
 * as src/door/resp.h has it.
 *
 * Pure; any thread. What is no such answer tells nothing. */
#ifndef ACCORD_CLIENT_STANDING_H
#define ACCORD_CLIENT_STANDING_H

#include <accord.h>

#include "client/reply.h"

void standing_tell(const struct reply_node *reply, accord_standing_told told, void *context);

#endif
