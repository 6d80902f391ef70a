/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* result.h - what a run has shown: summed while it runs, reported when it is over. */
#ifndef ACCORD_CLI_DEMO_RESULT_H
#define ACCORD_CLI_DEMO_RESULT_H

#include "cli/demo/world.h"

#include <stdio.h>

enum { DEMO_PROBLEMS_MAX = 16, DEMO_PROBLEM_BYTES_MAX = 256 };

/* All readers together; the claims also of the prober, which reads too. */
struct demo_totals {
    uint64_t reads, hits, shared, loads, loads_unsure, stale, errors;
    uint64_t off_reads;
    uint64_t fresh, within, within_max_ns, broken;
};

/* Times are since the start of the first phase, in nanoseconds; 0: it did not happen. */
struct demo_result {
    struct demo_totals totals;
    struct demo_histogram hit_ns, off_ns;
    uint64_t off_ns_long, on_ns_long; /* how long the phases took */
    size_t killed;                    /* which node */
    uint64_t killed_ns, restarted_ns, ready_ns, hits_ns;
    bool refused_known;
    uint64_t refused_fills;
    bool interrupted;
    bool readers_shared;  /* too little was left over for the readers: see lead_share() */
    size_t problem_count; /* what went wrong apart from broken promises */
    char problems[DEMO_PROBLEMS_MAX][DEMO_PROBLEM_BYTES_MAX];
};

/* What a run may be said to have shown. Of several the first that applies. */
enum demo_outcome {
    DEMO_OUTCOME_BROKEN,
    DEMO_OUTCOME_FAILED,      /* something else went wrong */
    DEMO_OUTCOME_INTERRUPTED, /* from outside */
    DEMO_OUTCOME_NOT_JUDGED,  /* too few hits: it proves nothing */
    DEMO_OUTCOME_HELD
};
enum demo_outcome demo_outcome(const struct demo_world *w, const struct demo_result *r);

void demo_totals_sum(const struct demo_world *w, struct demo_totals *out);
/* Sums into the result what the processes counted. */
void demo_result_collect(const struct demo_world *w, struct demo_result *r);
PRINTF_LIKE(2, 3)
void demo_result_problem(struct demo_result *r, const char *format, ...);

/* Queries that the origin had to answer with the cache on. */
static inline uint64_t demo_origin_queries(const struct demo_totals *t)
{
    return t->loads + t->loads_unsure + t->errors;
}

/* The table for people, or one JSON object, to `stream`. */
void demo_report_table(const struct demo_world *w, const struct demo_result *r, FILE *stream);
/* ACCORD_E_NOMEM; ACCORD_E_IO. */
MUST_CHECK int demo_report_json(const struct demo_world *w, const struct demo_result *r,
                                FILE *stream);
/* The broken promises that were told in full, and the problems: a line each. */
void demo_report_failures(const struct demo_world *w, const struct demo_result *r,
                          FILE *stream);
/* The last line of a table. */
void demo_report_verdict(const struct demo_world *w, const struct demo_result *r, FILE *stream);
/* One line on a broken promise. */
void demo_failure_text(const struct demo_world *w, const struct demo_failure *f, char *text,
                       size_t text_bytes);

#endif
