/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* lead.h - what every run needs of its conductor: nodes and workers started, phases entered,
 * nobody lost unnoticed, and all of it ended.
 *
 * Each function that returns false has put the reason among the result's problems, or the run
 * was interrupted: then the run ends.
 */
#ifndef ACCORD_CLI_DEMO_LEAD_H
#define ACCORD_CLI_DEMO_LEAD_H

#include "cli/demo/conductor.h"

/* Starts all nodes of the options, and waits until they are ready. */
MUST_CHECK bool lead_start_nodes(struct demo_conductor *c);
/* Readers, writer, strict remover, with `probes` the prober; attaches the conductor itself. */
MUST_CHECK bool lead_start_workers(struct demo_conductor *c);

/* Tells the workers the mode, and waits until all of them follow it. */
MUST_CHECK bool lead_enter(struct demo_conductor *c, enum demo_mode mode);
/* The readers and the prober take what others leave over; on a machine that is busy with other
 * things that is nothing. From here on they have a share of it, as nice as can be. Said once.
 */
void lead_share(struct demo_conductor *c);
/* A tenth of a second at most, or until until_ns; draws. False also where a child ended that
 * should not have. */
MUST_CHECK bool lead_step(struct demo_conductor *c, uint64_t until_ns);
MUST_CHECK bool lead_wait_until(struct demo_conductor *c, uint64_t until_ns);

/* Stops workers and nodes, and collects the result; who does not end well is a problem. */
void lead_finish(struct demo_conductor *c);

#endif
