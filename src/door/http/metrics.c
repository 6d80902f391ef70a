/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* metrics.c - the numbers of the views, as defs/metric.def names them, in Prometheus's text
 * format 0.0.4.
 *
 * accord_FIELD of the status, accord_VIEW_FIELD of the others; counters end in _total, times
 * are in seconds whatever the view has. What is unknown is NaN, never a frozen zero. The format
 * wants all samples of a metric together, while a view gives row after row: so each metric
 * gathers its own.
 */
#include "door/http/private.h"

#include <stdio.h>
#include <stdlib.h>

enum { LABELS_BYTES_MAX = 512, ROW_VALUES_MAX = 160 };

enum kind { COUNTER, GAUGE };

struct metric {
    const char *view, *field;
    enum kind kind;
};

static const struct metric metrics[] = {
#define METRIC(view, field, kind) {#view, #field, kind},
#include "defs/metric.def"
};

static const struct {
    const char *view, *field, *help;
} helps[] = {
#define FIELD(view, field, type, help) {#view, #field, help},
#include "defs/view.def"
};

/* The unit at the end of a field's name, and what it is called and divided by here. */
static const struct {
    const char *end, *becomes;
    unsigned digits; /* behind the point */
} units[] = {{"_ms", "_seconds", 3}, {"_us", "_seconds", 6}, {"_s", "_seconds", 0}};

struct sample {
    size_t metric;
    char value[32];
};

struct gathered {
    const char *view;
    struct page samples[COUNT_OF(metrics)];
    struct sample row[ROW_VALUES_MAX]; /* of the row at hand: its labels may come last */
    size_t row_count;
    bool in_row;
    char name[LABELS_BYTES_MAX / 2], incarnation[64], version[64];
};

static size_t unit_of(const char *field)
{
    size_t bytes = strlen(field), i;

    for (i = 0; i < COUNT_OF(units); i++) {
        size_t end = strlen(units[i].end);
        if (bytes > end && strcmp(field + bytes - end, units[i].end) == 0)
            break;
    }
    return i;
}

static void name_metric(const struct metric *m, char name[160])
{
    /* Which of its words it is tells the number. */
    const char *field = strcmp(m->field, "state") == 0 ? "fresh" : m->field;
    size_t unit = unit_of(field);
    bool has = unit < COUNT_OF(units), of_status = strcmp(m->view, "status") == 0;
    size_t bytes = strlen(field) - (has ? strlen(units[unit].end) : 0);

    snprintf(name, 160, "accord_%s%s%.*s%s%s", of_status ? "" : m->view, of_status ? "" : "_",
             (int)bytes, field, has ? units[unit].becomes : "",
             m->kind == COUNTER ? "_total" : "");
}

/* ---- rows ----------------------------------------------------------------------------- */

/* A label's value: what would end it is escaped. */
static void add_escaped(char *to, size_t *used, const char *value)
{
    for (; *value && *used + 3 < LABELS_BYTES_MAX; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            to[(*used)++] = '\\';
        to[(*used)++] = *value == '\n' ? 'n' : *value;
    }
    to[*used] = '\0';
}

/* {name="web2",incarnation="1f2e3d4c"}; nothing for a view of one row. Two starts of a node
 * have one name. */
static void print_labels(const struct gathered *g, char labels[LABELS_BYTES_MAX + 64])
{
    size_t used = 0;

    labels[0] = '\0';
    if (strcmp(g->view, "nodes") != 0 && strcmp(g->view, "fences") != 0 &&
        strcmp(g->view, "limits") != 0)
        return;
    used = (size_t)snprintf(labels, LABELS_BYTES_MAX, "{name=\"");
    add_escaped(labels, &used, g->name);
    if (strcmp(g->view, "nodes") == 0)
        used += (size_t)snprintf(labels + used, LABELS_BYTES_MAX + 64 - used,
                                 "\",incarnation=\"%.32s", g->incarnation);
    snprintf(labels + used, LABELS_BYTES_MAX + 64 - used, "\"}");
}

static void end_row(struct gathered *g)
{
    char labels[LABELS_BYTES_MAX + 64], name[160];

    print_labels(g, labels);
    for (size_t i = 0; i < g->row_count; i++) {
        struct page *t = &g->samples[g->row[i].metric];
        name_metric(&metrics[g->row[i].metric], name);
        page_add(t, "%s%s %s\n", name, labels, g->row[i].value);
    }
    g->row_count = 0;
}

static struct sample *sample_of(struct gathered *g, const char *field)
{
    for (size_t i = 0; i < COUNT_OF(metrics) && g->row_count < ROW_VALUES_MAX; i++) {
        if (strcmp(metrics[i].view, g->view) == 0 && strcmp(metrics[i].field, field) == 0) {
            g->row[g->row_count].metric = i;
            return &g->row[g->row_count++];
        }
    }
    return NULL;
}

static void on_row(void *context)
{
    end_row(context);
}

static void on_number(void *context, const char *field, uint64_t value)
{
    struct sample *s = sample_of(context, field);
    size_t unit = unit_of(field);
    unsigned digits = unit < COUNT_OF(units) ? units[unit].digits : 0;
    uint64_t by = digits == 3 ? 1000 : digits == 6 ? 1000000 : 1;

    if (s && digits == 0)
        snprintf(s->value, sizeof s->value, "%llu", (unsigned long long)value);
    else if (s)
        snprintf(s->value, sizeof s->value, "%llu.%0*llu", (unsigned long long)(value / by),
                 (int)digits, (unsigned long long)(value % by));
}

static void on_flag(void *context, const char *field, bool value)
{
    struct sample *s = sample_of(context, field);

    if (s)
        snprintf(s->value, sizeof s->value, "%d", value);
}

static void on_real(void *context, const char *field, double value)
{
    struct sample *s = sample_of(context, field);

    if (s)
        snprintf(s->value, sizeof s->value, "%.6g", value);
}

/* Labels; the state, which is "fresh" or not; or a number that is not known. */
static void on_text(void *context, const char *field, const char *value)
{
    struct gathered *g = context;

    if (strcmp(field, "name") == 0)
        snprintf(g->name, sizeof g->name, "%s", value);
    else if (strcmp(field, "incarnation") == 0)
        snprintf(g->incarnation, sizeof g->incarnation, "%s", value);
    else if (strcmp(field, "version") == 0)
        snprintf(g->version, sizeof g->version, "%s", value);
    struct sample *s = sample_of(g, field);
    if (s)
        snprintf(s->value, sizeof s->value, "%s",
                 strcmp(field, "state") != 0   ? "NaN"
                 : strcmp(value, "fresh") == 0 ? "1"
                                               : "0");
}

/* ---- all ------------------------------------------------------------------------------ */

static const char *help_of(const struct metric *m)
{
    if (strcmp(m->field, "state") == 0)
        return "1: reads are answered from the cache; 0: unsure, they go to the origin";
    for (size_t i = 0; i < COUNT_OF(helps); i++)
        if (strcmp(helps[i].view, m->view) == 0 && strcmp(helps[i].field, m->field) == 0)
            return helps[i].help;
    return "";
}

static void write_metric(struct page *out, const struct metric *m, const struct page *samples)
{
    const char *help = help_of(m);
    char name[160];

    if (samples->bytes == 0)
        return;
    name_metric(m, name);
    if (help[0])
        page_add(out, "# HELP %s %s\n", name, help);
    page_add(out, "# TYPE %s %s\n", name, m->kind == COUNTER ? "counter" : "gauge");
    page_add_bytes(out, bytes_of(samples->data, samples->bytes));
}

static void write_info(const struct gathered *g, struct page *out)
{
    char name[LABELS_BYTES_MAX + 64] = "";
    size_t used = 0;

    add_escaped(name, &used, g->name);
    page_add(out,
             "# HELP accord_info which node this is\n# TYPE accord_info gauge\n"
             "accord_info{name=\"%s\",incarnation=\"%s\",version=\"%s\"} 1\n",
             name, g->incarnation, g->version);
}

bool metrics_write(const struct door_host *host, struct page *out)
{
    static const char *const views[] = {"status", "bus",    "segment",
                                        "nodes",  "fences", "limits"};
    struct gathered *g = calloc(1, sizeof *g);
    const struct view_sink sink = {g, on_row, on_text, on_number, on_real, on_flag};

    if (!g)
        return false;
    for (size_t i = 0; i < COUNT_OF(views); i++) {
        g->view = views[i];
        if (host->view(host->node, views[i], &sink) == ACCORD_OK)
            end_row(g);
        if (i == 0)
            write_info(g, out);
    }
    for (size_t i = 0; i < COUNT_OF(metrics); i++) {
        write_metric(out, &metrics[i], &g->samples[i]);
        out->broken |= g->samples[i].broken;
        page_free(&g->samples[i]);
    }
    free(g);
    return !out->broken;
}
