/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* report.c - the table at the end. */
#include "cli/demo/result.h"

#include "cli/demo/display.h"

static double per_second(uint64_t count, uint64_t ns)
{
    return ns > 0 ? (double)count * 1e9 / (double)ns : 0;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void row(FILE *f, const char *what, const char *with, const char *without)
{
    fprintf(f, "  %-32s %18s %18s\n", what, with, without);
}

static void reads_rows(const struct demo_result *r, FILE *f)
{
    const struct demo_totals *t = &r->totals;
    uint64_t queries = demo_origin_queries(t);
    double with = per_second(t->reads, r->on_ns_long);
    double without = per_second(t->off_reads, r->off_ns_long);
    char text[64];

    row(f, "", "with Accord", "cache off");
    row(f, "reads", demo_text_count(t->reads), demo_text_count(t->off_reads));
    row(f, "reads per second", demo_text_count((uint64_t)with),
        demo_text_count((uint64_t)without));
    snprintf(text, sizeof text, "%.2f %%", percent(t->hits, t->reads));
    row(f, "hit ratio", text, "");
    row(f, "origin queries", demo_text_count(queries), demo_text_count(t->off_reads));
    snprintf(text, sizeof text, "%.2f %%", percent(t->reads - queries, t->reads));
    row(f, "origin queries saved", text, "");
    row(f, "ns per hit / per query, p50",
        demo_text_count(demo_histogram_quantile(&r->hit_ns, 500)),
        demo_text_count(demo_histogram_quantile(&r->off_ns, 500)));
    row(f, "ns per hit / per query, p99",
        demo_text_count(demo_histogram_quantile(&r->hit_ns, 990)),
        demo_text_count(demo_histogram_quantile(&r->off_ns, 990)));
}

static void times_row(FILE *f, const char *what, const struct demo_histogram *h)
{
    if (demo_counted(&h->count) == 0) {
        fprintf(f, "  %-32s not measured\n", what);
        return;
    }
    fprintf(f, "  %-32s p50 %s, p99 %s, max %s (%s times)\n", what,
            demo_text_time(demo_histogram_quantile(h, 500)),
            demo_text_time(demo_histogram_quantile(h, 990)), demo_text_time(h->max),
            demo_text_count(h->count));
}

static void removal_rows(const struct demo_world *w, const struct demo_result *r, FILE *f)
{
    const struct demo_writer_stats *s = &w->shared->writer;
    const struct demo_probe *p = &w->shared->probe;

    times_row(f, "removal -> acknowledged", &s->ack_ns);
    times_row(f, "removal -> gone on all nodes", &p->gone_ns);
    times_row(f, " while one was dead or returning", &p->gone_disturbed_ns);
    times_row(f, "strict removal -> confirmed", &w->shared->strict.wait_ns);
    fprintf(f, "  %-32s %s rows changed; %s keys, %s tags, %s times all\n", "removals",
            demo_text_count(s->changes), demo_text_count(s->removals),
            demo_text_count(s->tag_removals), demo_text_count(s->clears));
    fprintf(f, "  %-32s %s\n", "refused stale fills",
            r->refused_known ? demo_text_count(r->refused_fills) : "not known");
}

static void freshness_rows(const struct demo_world *w, const struct demo_result *r, FILE *f)
{
    const struct demo_totals *t = &r->totals;

    fprintf(f, "  %-32s %s checked: %s newest, %s superseded less than %s before",
            "answers called fresh", demo_text_count(t->fresh + t->within + t->broken),
            demo_text_count(t->fresh), demo_text_count(t->within),
            demo_text_time(w->options.max_stale_ns));
    if (t->within > 0)
        fprintf(f, " (at most %s)", demo_text_time(t->within_max_ns));
    fprintf(f, "\n  %-32s %s called stale, %s called unsure and loaded\n", "others",
            demo_text_count(t->stale), demo_text_count(t->loads_unsure));
    fprintf(f, "  %-32s %s\n", "stale reads beyond the bound", demo_text_count(t->broken));
}

static void killed_row(const struct demo_world *w, const struct demo_result *r, FILE *f)
{
    if (r->killed_ns == 0)
        return;
    fprintf(f, "  %-32s after %s; ", "killed with SIGKILL: ", demo_text_time(r->killed_ns));
    if (r->restarted_ns == 0)
        fprintf(f, "%s was not started again\n", w->name[r->killed]);
    else if (r->ready_ns == 0)
        fprintf(f, "%s was started again and never ready\n", w->name[r->killed]);
    else
        fprintf(f, "%s was ready %s after its restart%s\n", w->name[r->killed],
                demo_text_time(r->ready_ns - r->restarted_ns),
                r->hits_ns ? " and serves hits again" : ", and served no hit");
}

void demo_failure_text(const struct demo_world *w, const struct demo_failure *b, char *text,
                       size_t text_bytes)
{
    char who[32];
    const char *key = w->table.rows[b->row].key, *node = w->name[b->node];

    if (b->reader == w->options.readers)
        snprintf(who, sizeof who, "the prober");
    else
        snprintf(who, sizeof who, "reader %u", b->reader);
    if (b->kind == DEMO_FAILURE_CORRUPT)
        snprintf(text, text_bytes,
                 "%s on %s was given a value of %s that is not whole, or of "
                 "another row",
                 who, node, key);
    else if (b->kind == DEMO_FAILURE_IMPOSSIBLE)
        snprintf(text, text_bytes,
                 "%s on %s was given %s in version %llu, which the origin "
                 "never had (newest: %u)",
                 who, node, key, (unsigned long long)b->version, b->evidence.newest);
    else
        snprintf(text, text_bytes,
                 "%s on %s was given %s in version %llu as fresh, %s after the %sremoval for "
                 "version %u was acknowledged (bound: %s; newest: %u; read began at %llu, "
                 "acknowledged at %llu)",
                 who, node, key, (unsigned long long)b->version,
                 demo_text_time(b->evidence.late_ns), b->evidence.strict ? "strict " : "",
                 b->evidence.superseded_by,
                 b->evidence.strict ? "0" : demo_text_time(w->options.max_stale_ns),
                 b->evidence.newest, (unsigned long long)b->started_ns,
                 (unsigned long long)b->evidence.acked_ns);
}

void demo_report_failures(const struct demo_world *w, const struct demo_result *r, FILE *f)
{
    size_t told = 0;
    char text[1024];

    for (size_t i = 0; i < DEMO_FAILURES_MAX; i++) {
        const struct demo_failure *b = &w->shared->failures[i];
        if (!atomic_load_explicit(&b->told, memory_order_acquire))
            continue;
        demo_failure_text(w, b, text, sizeof text);
        fprintf(f, "  BROKEN: %s\n", text);
        told++;
    }
    if (r->totals.broken > told)
        fprintf(f, "  … and %s reads more\n", demo_text_count(r->totals.broken - told));
    for (size_t i = 0; i < r->problem_count; i++)
        fprintf(f, "  PROBLEM: %s\n", r->problems[i]);
}

void demo_report_verdict(const struct demo_world *w, const struct demo_result *r, FILE *stream)
{
    switch (demo_outcome(w, r)) {
    case DEMO_OUTCOME_BROKEN:
        fprintf(stream, "  A PROMISE WAS BROKEN\n");
        break;
    case DEMO_OUTCOME_FAILED:
        fprintf(stream, "  FAILED\n");
        break;
    case DEMO_OUTCOME_INTERRUPTED:
        fprintf(stream, "  %s\n",
                r->on_ns_long > 0
                    ? "interrupted, so not judged; no broken promise was seen until then"
                    : "interrupted before anything was judged");
        break;
    case DEMO_OUTCOME_NOT_JUDGED:
        fprintf(stream,
                "  NOT JUDGED: %s reads were hits, and a verdict needs %s (--hits-min);\n"
                "  the machine is too busy for the readers: more --seconds, or another time\n",
                demo_text_count(r->totals.hits), demo_text_count(w->options.hits_min));
        break;
    case DEMO_OUTCOME_HELD:
        fprintf(stream, "  every promise held, in %s hits\n", demo_text_count(r->totals.hits));
    }
}

void demo_report_table(const struct demo_world *w, const struct demo_result *r, FILE *stream)
{
    fprintf(stream, "\n");
    if (r->on_ns_long > 0) { /* else there is nothing to tell but why not */
        reads_rows(r, stream);
        fprintf(stream, "\n");
        removal_rows(w, r, stream);
        freshness_rows(w, r, stream);
        killed_row(w, r, stream);
        fprintf(stream, "\n");
    }
    demo_report_failures(w, r, stream);
    demo_report_verdict(w, r, stream);
    fflush(stream);
}
