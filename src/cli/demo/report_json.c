/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* report_json.c - the same for programs. */
#include "cli/demo/result.h"

#include <jansson.h>

static double ratio(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

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

static json_t *with_accord(const struct demo_result *r)
{
    const struct demo_totals *t = &r->totals;
    uint64_t queries = demo_origin_queries(t);

    return json_pack("{s:f, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:f, s:o}",
                     "seconds", seconds(r->on_ns_long), "reads", count(t->reads),
                     "reads_per_second",
                     r->on_ns_long ? (double)t->reads / seconds(r->on_ns_long) : 0.0, "hits",
                     count(t->hits), "shared_loads", count(t->shared), "loads", count(t->loads),
                     "loads_unsure", count(t->loads_unsure), "called_stale", count(t->stale),
                     "errors", count(t->errors), "hit_ratio", ratio(t->hits, t->reads),
                     "origin_queries", count(queries), "origin_queries_saved_ratio",
                     ratio(t->reads - queries, t->reads), "hit_ns", times(&r->hit_ns));
}

static json_t *without(const struct demo_result *r)
{
    const struct demo_totals *t = &r->totals;

    return json_pack("{s:f, s:o, s:f, s:o}", "seconds", seconds(r->off_ns_long), "reads",
                     count(t->off_reads), "reads_per_second",
                     r->off_ns_long ? (double)t->off_reads / seconds(r->off_ns_long) : 0.0,
                     "query_ns", times(&r->off_ns));
}

static json_t *removals(const struct demo_world *w)
{
    const struct demo_writer_stats *s = &w->shared->writer;
    const struct demo_probe *p = &w->shared->probe;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "rows_changed", count(s->changes), "keys", count(s->removals), "tags",
                     count(s->tag_removals), "clears", count(s->clears), "strict_confirmed_ns",
                     times(&w->shared->strict.wait_ns), "strict_unknown",
                     count(w->shared->strict.unknown), "unpublished", count(s->unpublished),
                     "refused", count(s->refused), "acknowledged_ns", times(&s->ack_ns),
                     "gone_on_all_nodes_ns", times(&p->gone_ns), "gone_while_disturbed_ns",
                     times(&p->gone_disturbed_ns), "never_gone", count(p->lost));
}

static json_t *freshness(const struct demo_world *w, const struct demo_result *r)
{
    const struct demo_totals *t = &r->totals;

    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "newest", count(t->fresh), "superseded_within_bound",
        count(t->within), "superseded_within_bound_max_ns", count(t->within_max_ns),
        "beyond_the_bound", count(t->broken), "bound_ns", count(w->options.max_stale_ns));
}

static json_t *killed(const struct demo_world *w, const struct demo_result *r)
{
    if (r->killed_ns == 0)
        return json_null();
    return json_pack("{s:s, s:f, s:f, s:f, s:b}", "node", w->name[r->killed], "killed_at_s",
                     seconds(r->killed_ns), "restarted_at_s", seconds(r->restarted_ns),
                     "ready_at_s", seconds(r->ready_ns), "served_hits_again", r->hits_ns != 0);
}

/* Keys and paths may hold any bytes; what is no UTF-8 is shown as "?". */
static json_t *text(const char *s)
{
    json_t *whole = json_string(s);

    return whole ? whole : json_string("?");
}

static json_t *broken(const struct demo_world *w)
{
    json_t *list = json_array();
    char line[1024];

    for (size_t i = 0; i < DEMO_FAILURES_MAX; i++) {
        const struct demo_failure *b = &w->shared->failures[i];
        if (!atomic_load_explicit(&b->told, memory_order_acquire))
            continue;
        demo_failure_text(w, b, line, sizeof line);
        json_array_append_new(list, text(line));
    }
    return list;
}

static json_t *problems(const struct demo_result *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->problem_count; i++)
        json_array_append_new(list, text(r->problems[i]));
    return list;
}

static const char *verdict_word(enum demo_outcome v)
{
    static const char *const words[] = {[DEMO_OUTCOME_BROKEN] = "broken",
                                        [DEMO_OUTCOME_FAILED] = "failed",
                                        [DEMO_OUTCOME_INTERRUPTED] = "interrupted",
                                        [DEMO_OUTCOME_NOT_JUDGED] = "not judged",
                                        [DEMO_OUTCOME_HELD] = "held"};

    return words[v];
}

/* null: nobody knows. */
static json_t *kept(enum demo_outcome v)
{
    bool known = v != DEMO_OUTCOME_INTERRUPTED && v != DEMO_OUTCOME_NOT_JUDGED;

    return known ? json_boolean(v == DEMO_OUTCOME_HELD) : json_null();
}

int demo_report_json(const struct demo_world *w, const struct demo_result *r, FILE *stream)
{
    const struct demo_options *o = &w->options;
    enum demo_outcome v = demo_outcome(w, r);
    json_t *all = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, "
        "s:s, s:o, s:o}",
        "version", ACCORD_VERSION, "input", text(o->input), "keys",
        o->trace ? text(o->trace) : json_string("zipf 0.99"), "bus", text(w->bus_shown), "rows",
        count(w->table.count), "nodes", count(o->nodes), "readers", count(o->readers), "with",
        with_accord(r), "without", without(r), "removals", removals(w), "refused_stale_fills",
        r->refused_known ? count(r->refused_fills) : json_null(), "freshness", freshness(w, r),
        "killed", killed(w, r), "broken", broken(w), "problems", problems(r), "interrupted",
        r->interrupted, "readers_shared", r->readers_shared, "verdict", verdict_word(v),
        "hits_needed", count(o->hits_min), "promises_kept", kept(v));

    if (!all)
        return ACCORD_E_NOMEM;
    int status = json_dumpf(all, stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(all);
    if (status != 0 || fputc('\n', stream) == EOF || fflush(stream) != 0)
        return ACCORD_E_IO;
    return ACCORD_OK;
}
