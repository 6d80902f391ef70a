/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/result.h"

#include <stdarg.h>

void demo_totals_sum(const struct demo_world *w, struct demo_totals *out)
{
    struct demo_totals t = {0};

    for (size_t i = 0; i <= w->options.readers; i++) {
        const struct demo_reader_stats *s = &w->shared->readers[i];
        t.fresh += demo_counted(&s->fresh);
        t.within += demo_counted(&s->within);
        t.within_max_ns = u64_max(t.within_max_ns, demo_counted(&s->within_max_ns));
        t.broken += demo_counted(&s->broken);
        if (i == w->options.readers)
            break; /* the prober chooses what it reads: no measure of a cache */
        t.reads += demo_counted(&s->reads);
        t.hits += demo_counted(&s->hits);
        t.shared += demo_counted(&s->shared);
        t.loads += demo_counted(&s->loads);
        t.loads_unsure += demo_counted(&s->loads_unsure);
        t.stale += demo_counted(&s->stale);
        t.errors += demo_counted(&s->errors);
        t.off_reads += demo_counted(&s->off_reads);
    }
    *out = t;
}

void demo_result_collect(const struct demo_world *w, struct demo_result *r)
{
    demo_totals_sum(w, &r->totals);
    for (size_t i = 0; i < w->options.readers; i++) {
        demo_histogram_merge(&r->hit_ns, &w->shared->readers[i].hit_ns);
        demo_histogram_merge(&r->off_ns, &w->shared->readers[i].off_ns);
    }
}

enum demo_outcome demo_outcome(const struct demo_world *w, const struct demo_result *r)
{
    if (r->totals.broken > 0)
        return DEMO_OUTCOME_BROKEN;
    if (r->problem_count > 0)
        return DEMO_OUTCOME_FAILED;
    if (r->interrupted)
        return DEMO_OUTCOME_INTERRUPTED;
    return r->totals.hits < w->options.hits_min ? DEMO_OUTCOME_NOT_JUDGED : DEMO_OUTCOME_HELD;
}

void demo_result_problem(struct demo_result *r, const char *format, ...)
{
    va_list arguments;

    if (r->problem_count == DEMO_PROBLEMS_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(r->problems[r->problem_count++], DEMO_PROBLEM_BYTES_MAX, format, arguments);
    va_end(arguments);
}
