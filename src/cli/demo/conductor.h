/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* conductor.h - leads the run: cache off, cache on, one node killed and back, the end. */
#ifndef ACCORD_CLI_DEMO_CONDUCTOR_H
#define ACCORD_CLI_DEMO_CONDUCTOR_H

#include <accord.h>

#include "cli/demo/display.h"
#include "cli/demo/result.h"
#include "cli/demo/stage.h"

enum { DEMO_STATUS_BYTES_MAX = 200 };

/* What progress is drawn from. */
struct demo_progress {
    uint64_t drawn_ns, said_ns, asked_ns, summed_ns;
    struct demo_totals before, now; /* at the last two summings */
    uint64_t queries_before;
    double reads_per_s, queries_per_s, hit_percent;
    char status[DEMO_NODES_MAX][DEMO_STATUS_BYTES_MAX];
    uint64_t refused_before[DEMO_NODES_MAX]; /* of a node's earlier lives */
    uint64_t refused[DEMO_NODES_MAX];        /* of this one */
    bool refused_known;
};

struct demo_conductor {
    struct demo_world world;
    struct demo_stage stage;
    struct demo_result result;
    struct demo_display display;
    struct demo_progress progress;
    struct accord *handles[DEMO_NODES_MAX];    /* NULL until the nodes are up */
    void (*refresh)(struct demo_conductor *c); /* draws, as often as is due */
    bool probes;                               /* there is a prober */
    uint64_t began_ns;                         /* of the first phase */
    uint64_t on_ns;                            /* of the second; 0: not yet */
};

/* Runs all phases with nodes and workers started and stopped; the result is in c->result.
 * Whatever went wrong is among its problems. */
void demo_conduct(struct demo_conductor *c);

/* Asks the nodes and draws, as often as is due. */
void demo_progress_refresh(struct demo_conductor *c);
/* Asks node i for its counters, now; before it is killed or stopped. */
void demo_progress_ask(struct demo_conductor *c, size_t i);
/* Node i begins a new life: its counters begin at zero. */
void demo_progress_node_ended(struct demo_conductor *c, size_t i);

#endif
