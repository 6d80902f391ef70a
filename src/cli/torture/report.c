/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* report.c - what the run has shown, for people and for programs. */
#include "cli/torture/torture.h"

#include <jansson.h>

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static uint64_t per_second(uint64_t count, uint64_t ns)
{
    return ns > 0 ? (uint64_t)((double)count * 1e9 / (double)ns) : 0;
}

static void times_row(FILE *f, const char *what, const struct demo_histogram *h)
{
    if (demo_counted(&h->count) == 0)
        fprintf(f, "  %-30s not measured\n", what);
    else
        fprintf(f, "  %-30s p50 %s, p99 %s, max %s (%s times)\n", what,
                demo_text_time(demo_histogram_quantile(h, 500)),
                demo_text_time(demo_histogram_quantile(h, 990)), demo_text_time(h->max),
                demo_text_count(h->count));
}

static void faults_row(const struct torture *t, FILE *f)
{
    bool any = false;

    fprintf(f, "  %-30s", "faults");
    for (size_t i = 0; i < SCENARIO_FAULT_COUNT; i++) {
        if (t->done[i] == 0)
            continue;
        fprintf(f, "%s %s %s", any ? "," : "", scenario_fault_flag((enum scenario_fault)i),
                demo_text_count(t->done[i]));
        any = true;
    }
    fprintf(f, "%s\n", any ? "" : " none");
}

static void counts_rows(const struct torture *t, FILE *f)
{
    const struct demo_result *r = &t->c.result;
    const struct demo_totals *n = &r->totals;
    const struct demo_writer_stats *w = &t->c.world.shared->writer;
    const struct demo_strict_stats *s = &t->c.world.shared->strict;

    fprintf(f, "  %-30s %s (%s a second), %.2f %% hits, %.2f %% unsure\n", "reads",
            demo_text_count(n->reads), demo_text_count(per_second(n->reads, r->on_ns_long)),
            percent(n->hits, n->reads), percent(n->loads_unsure, n->reads));
    fprintf(f,
            "  %-30s %s rows changed; %s keys, %s tags, %s times all; %s not published at "
            "once\n",
            "removals", demo_text_count(w->changes), demo_text_count(w->removals),
            demo_text_count(w->tag_removals), demo_text_count(w->clears),
            demo_text_count(w->unpublished));
    times_row(f, "removal -> acknowledged", &w->ack_ns);
    times_row(f, "strict removal -> confirmed", &s->wait_ns);
    fprintf(f, "  %-30s %s\n", " answered \"unknown\"", demo_text_count(s->unknown));
    faults_row(t, f);
    times_row(f, "fault over -> node fresh", &t->back_ns);
}

static void verdict_rows(const struct torture *t, FILE *f)
{
    const struct demo_totals *n = &t->c.result.totals;

    fprintf(f, "  %-30s %s checked: %s newest, %s superseded less than %s before\n",
            "answers called fresh", demo_text_count(n->fresh + n->within + n->broken),
            demo_text_count(n->fresh), demo_text_count(n->within),
            demo_text_time(t->c.world.options.max_stale_ns));
    if (t->compared > 0)
        fprintf(f, "  %-30s all fresh after %s; %s rows compared, %s of them hits\n",
                "after the last fault", demo_text_time(t->healed_ns),
                demo_text_count(t->compared), demo_text_count(t->compared_hits));
    fprintf(f, "  %-30s %s\n\n", "broken promises", demo_text_count(n->broken));
}

enum torture_verdict torture_verdict(const struct torture *t)
{
    const struct demo_result *r = &t->c.result;

    if (r->totals.broken > 0)
        return TORTURE_BROKEN;
    if (r->problem_count > 0)
        return TORTURE_FAILED;
    if (r->interrupted)
        return TORTURE_INTERRUPTED;
    return t->hits < t->options.hits_min ? TORTURE_NOT_JUDGED : TORTURE_HELD;
}

static void verdict_line(const struct torture *t, FILE *f)
{
    switch (torture_verdict(t)) {
    case TORTURE_BROKEN:
        fprintf(f, "  A PROMISE WAS BROKEN\n");
        break;
    case TORTURE_FAILED:
        fprintf(f, "  FAILED\n");
        break;
    case TORTURE_INTERRUPTED:
        fprintf(f, "  interrupted, so not judged; no broken promise was seen until then\n");
        break;
    case TORTURE_NOT_JUDGED:
        fprintf(f,
                "  NOT JUDGED: %s reads were hits while faults were done, and a verdict needs "
                "%s (--hits-min);\n  the machine was too busy for the readers, or the nodes "
                "were unsure most of the time: more --seconds, or fewer faults (--every)\n",
                demo_text_count(t->hits), demo_text_count(t->options.hits_min));
        break;
    case TORTURE_HELD:
        fprintf(f, "  every promise held, in %s hits while faults were done\n",
                demo_text_count(t->hits));
    }
}

void torture_report_table(const struct torture *t, FILE *f)
{
    const struct demo_result *r = &t->c.result;

    fprintf(f, "\n");
    if (r->on_ns_long > 0) {
        counts_rows(t, f);
        verdict_rows(t, f);
    }
    demo_report_failures(&t->c.world, r, f);
    verdict_line(t, f);
    if (!t->options.scenario)
        fprintf(f, "  the same faults again: --seed %llu\n",
                (unsigned long long)t->options.seed);
    fflush(f);
}

/* ---- JSON ----------------------------------------------------------------------------------
 */

static json_t *count(uint64_t n)
{
    return json_integer((json_int_t)(n & INT64_MAX));
}

static json_t *times(const struct demo_histogram *h)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "count", count(demo_counted(&h->count)), "p50",
                     count(demo_histogram_quantile(h, 500)), "p99",
                     count(demo_histogram_quantile(h, 990)), "max",
                     count(demo_counted(&h->max)));
}

static json_t *faults(const struct torture *t)
{
    json_t *o = json_object();

    for (size_t i = 0; o && i < SCENARIO_FAULT_COUNT; i++)
        json_object_set_new(o, scenario_fault_flag((enum scenario_fault)i), count(t->done[i]));
    return o;
}

static json_t *texts(const struct torture *t, bool problems)
{
    const struct demo_result *r = &t->c.result;
    json_t *list = json_array();
    char text[1024];

    for (size_t i = 0; list && problems && i < r->problem_count; i++)
        json_array_append_new(list, json_string(r->problems[i]));
    for (size_t i = 0; list && !problems && i < DEMO_FAILURES_MAX; i++) {
        const struct demo_failure *f = &t->c.world.shared->failures[i];
        if (!atomic_load_explicit(&f->told, memory_order_acquire))
            continue;
        demo_failure_text(&t->c.world, f, text, sizeof text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static const char *verdict_word(enum torture_verdict v)
{
    static const char *const words[] = {[TORTURE_BROKEN] = "broken",
                                        [TORTURE_FAILED] = "failed",
                                        [TORTURE_INTERRUPTED] = "interrupted",
                                        [TORTURE_NOT_JUDGED] = "not judged",
                                        [TORTURE_HELD] = "held"};

    return words[v];
}

/* null: nobody knows. */
static json_t *kept(enum torture_verdict v)
{
    bool known = v == TORTURE_HELD || v == TORTURE_BROKEN || v == TORTURE_FAILED;

    return known ? json_boolean(v == TORTURE_HELD) : json_null();
}

static json_t *object(const struct torture *t)
{
    enum torture_verdict v = torture_verdict(t);
    const struct demo_result *r = &t->c.result;
    const struct demo_totals *n = &r->totals;
    const struct demo_options *o = &t->c.world.options;
    const struct demo_writer_stats *w = &t->c.world.shared->writer;
    const struct demo_strict_stats *s = &t->c.world.shared->strict;

    return json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o, s:o, "
        "s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "promises_kept", kept(v), "verdict", verdict_word(v), "hits_under_faults",
        count(t->hits), "hits_needed", count(t->options.hits_min), "nodes",
        count(t->node_count), "readers", count(o->readers), "bus", t->c.world.bus_shown, "seed",
        count(t->options.seed), "max_stale_ns", count(o->max_stale_ns), "seconds",
        (double)r->on_ns_long / 1e9, "reads", count(n->reads), "hits", count(n->hits), "unsure",
        count(n->loads_unsure), "called_stale", count(n->stale), "errors", count(n->errors),
        "newest", count(n->fresh), "within_bound", count(n->within), "beyond_the_bound",
        count(n->broken), "rows_changed", count(w->changes), "unpublished",
        count(w->unpublished), "acknowledged_ns", times(&w->ack_ns), "strict_confirmed_ns",
        times(&s->wait_ns), "strict_unknown", count(s->unknown), "faults", faults(t),
        "fresh_again_ns", times(&t->back_ns), "compared", count(t->compared), "broken",
        texts(t, false), "problems", texts(t, true));
}

int torture_report_json(const struct torture *t, FILE *stream)
{
    json_t *o = object(t);

    if (!o)
        return ACCORD_E_NOMEM;
    int status = json_dumpf(o, stream, JSON_INDENT(2)) == 0 ? ACCORD_OK : ACCORD_E_IO;
    json_decref(o);
    if (status == ACCORD_OK && (fputc('\n', stream) == EOF || fflush(stream) != 0))
        status = ACCORD_E_IO;
    return status;
}
