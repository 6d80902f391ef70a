/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hub_copy.h - the logs of one hub, as bytes for the other server of its pair.
 *
 * What is packed follows on what was packed before (hub_log.copied): a log with its numbers,
 * then its entries after copied_to. So one message after the other, all taken in their order,
 * makes the same logs there, with the same positions, and goes on with what is added.
 *
 * Pure, but for memory. One thread. What is taken is hostile.
 */
#ifndef ACCORD_BUS_CHP_HUB_COPY_H
#define ACCORD_BUS_CHP_HUB_COPY_H

#include "bus/chp/hub_log.h"

enum { HUB_COPY_BYTES_MAX = 1024 * 1024 }; /* of one message's value */

/* Everything is to be packed anew. */
void hub_copy_begin(struct hub_logs *logs);
bool hub_copy_is_whole(const struct hub_logs *logs); /* there is nothing to pack */
/* What comes next, into `out`. Returns how much. */
size_t hub_copy_pack(struct hub_logs *logs, uint8_t out[HUB_COPY_BYTES_MAX], uint64_t now_ms);

/* False: it does not follow on what is here, is none, or there is no memory: what is here is
 * then to be thrown away. */
bool hub_copy_take(struct hub_logs *logs, struct bytes packed, uint64_t now_ms);

#endif
