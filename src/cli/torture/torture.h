/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* torture.h - a fleet under faults: what one run of `accord torture` holds.
 *
 * The demo's world, readers, writer and strict remover, led by another conductor: faults drawn
 * from a seed (draw.c) or read from a scenario are done to nodes, readers and the bus's file
 * (run.c, bus_file.c); then all is healed, and the fleet must come back and agree.
 */
#ifndef ACCORD_CLI_TORTURE_TORTURE_H
#define ACCORD_CLI_TORTURE_TORTURE_H

#include "cli/demo/lead.h"
#include "cli/torture/bus_file.h"
#include "cli/torture/scenario.h"

struct torture_options {
    struct demo_options world;
    const char *faults;    /* "kill,stop,…", or "all" */
    const char *scenario;  /* a file; NULL: drawn */
    uint64_t seed;         /* 0: any */
    uint64_t every_ns;     /* a fault about so often */
    const char *wallclock; /* a library that shifts a node's wall clock; NULL: none */
    uint64_t hits_min;     /* judged under faults: with fewer there is no verdict */
};

/* What a run may be said to have shown. Of several the first that applies. */
enum torture_verdict {
    TORTURE_BROKEN,
    TORTURE_FAILED,      /* something else went wrong */
    TORTURE_INTERRUPTED, /* from outside */
    TORTURE_NOT_JUDGED,  /* too few hits: it proves nothing */
    TORTURE_HELD
};

/* What is done to a node beyond its process. */
struct torture_node {
    bool disturbed;         /* a fault holds it, or it is not back yet */
    bool stopped;           /* SIGSTOP */
    bool fresh;             /* as it said when it was last asked */
    uint64_t back_since_ns; /* it could be fresh again since then; 0: it is, or could not */
};

/* What ends a fault, or a step of a scenario that is due. */
struct torture_due {
    uint64_t at_ns; /* demo_now_ns() */
    bool heals;     /* the fault ends; else it begins */
    struct scenario_step step;
};

enum { TORTURE_DUE_MAX = SCENARIO_STEPS_MAX + 256 };

struct torture {
    struct torture_options options;
    struct demo_conductor c; /* its world, stage, result, display */
    struct scenario scenario;
    uint64_t random;
    bool enabled[SCENARIO_FAULT_COUNT];
    uint64_t done[SCENARIO_FAULT_COUNT]; /* faults that were done */
    struct torture_node nodes[DEMO_NODES_MAX];
    size_t node_count; /* those that were ever started */
    bool reader_stopped[DEMO_READERS_MAX];
    struct bus_file bus;
    bool bus_disturbed;
    size_t due_count;
    struct torture_due due[TORTURE_DUE_MAX];
    uint64_t next_fault_ns;
    size_t asked;                     /* the node that was asked last for its status */
    uint64_t hits;                    /* of readers, judged while faults were done */
    struct demo_histogram back_ns;    /* from the end of a fault until the node is fresh */
    uint64_t healed_ns;               /* how long all took to be fresh after the last fault */
    uint64_t compared, compared_hits; /* rows looked up on each node after that */
};

/* Makes ready what a scenario's steps need of the machine, before any node is there: small
 * disks, clocks to turn. ACCORD_E_DENIED, or ACCORD_E_IO: `why` says what cannot be here. */
MUST_CHECK int harm_begin(struct torture *t, char why[SCENARIO_WHY_BYTES_MAX]);
/* A step of the faults FILL, TURN and KILL in so many calls. False: errno says why. */
MUST_CHECK bool harm_node(struct torture *t, const struct scenario_step *s);
/* FILL and TURN end. */
void harm_ends(struct torture *t, const struct scenario_step *s);

/* Runs it all; what went wrong is among c.result's problems. */
void torture_run(struct torture *t);

/* The next fault that options allow now, with its `for_ns`. False: there is none. */
bool torture_draw(struct torture *t, struct scenario_step *out);

enum torture_verdict torture_verdict(const struct torture *t);
void torture_report_table(const struct torture *t, FILE *stream);
/* ACCORD_E_NOMEM; ACCORD_E_IO. */
MUST_CHECK int torture_report_json(const struct torture *t, FILE *stream);

#endif
