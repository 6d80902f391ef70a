/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* progress.c - what the conductor shows while it runs. */
#include "cli/demo/conductor.h"

#include "client/link.h"

enum {
    DRAW_MS = 200,
    SAY_MS = 1000,
    SAY_SELDOM_MS = 10000,
    SELDOM_FROM_S = 120, /* longer runs say less often */
    ASK_MS = 500,
    SUM_MS = 500,
    ASK_TIMEOUT_MS = 100,
};

/* ---- the nodes' counters -------------------------------------------------------------------
 */

static int ask_counter(const char *socket, const char *field, uint64_t *out)
{
    struct bytes command = bytes_of_text("ACCORD.STATUS");
    uint64_t deadline_ns = monotonic_ns() + ASK_TIMEOUT_MS * NS_PER_MS;
    const struct reply_node *reply = NULL, *value;
    struct link c;

    link_init(&c);
    int status = link_socket(&c);
    if (status == ACCORD_OK)
        status = link_connect(&c, socket, deadline_ns);
    if (status == ACCORD_OK)
        status = link_send(&c, &command, 1, deadline_ns);
    if (status == ACCORD_OK)
        status = link_receive(&c, deadline_ns, &reply);
    if (status == ACCORD_OK) {
        value = reply->type == REPLY_MAP || reply->type == REPLY_LIST
                    ? reply_field(reply, field)
                    : NULL;
        status = value ? reply_u64(value, out) : ACCORD_E_ABSENT;
    }
    link_done(&c);
    return status;
}

void demo_progress_ask(struct demo_conductor *c, size_t i)
{
    uint64_t refused;

    if (c->stage.nodes[i].state != DEMO_NODE_READY ||
        ask_counter(c->world.socket[i], "fills_refused_token", &refused) != ACCORD_OK)
        return;
    c->progress.refused[i] = refused;
    c->progress.refused_known = true;
}

void demo_progress_node_ended(struct demo_conductor *c, size_t i)
{
    c->progress.refused_before[i] += c->progress.refused[i];
    c->progress.refused[i] = 0;
}

/* ---- what is said of each node --------------------------------------------------------------
 */

static void ask_nodes(struct demo_conductor *c)
{
    for (size_t i = 0; i < c->world.options.nodes; i++) {
        char *text = c->progress.status[i];
        snprintf(text, DEMO_STATUS_BYTES_MAX, "silent");
        if (c->stage.nodes[i].state != DEMO_NODE_READY || !c->handles[i])
            continue;
        int status = accord_status(c->handles[i], text, DEMO_STATUS_BYTES_MAX);
        if (status == ACCORD_OK)
            demo_progress_ask(c, i);
        else if (status == ACCORD_E_TIMEOUT)
            snprintf(text, DEMO_STATUS_BYTES_MAX, "busy: no answer within 0.1 s");
        else
            snprintf(text, DEMO_STATUS_BYTES_MAX, "%s", accord_strerror(status));
    }
}

static enum demo_paint node_line(const struct demo_conductor *c, size_t i, char *text,
                                 size_t text_bytes)
{
    const struct demo_node *n = &c->stage.nodes[i];
    uint64_t ago_ns = demo_now_ns() - c->began_ns - c->result.killed_ns;

    switch (n->state) {
    case DEMO_NODE_KILLED:
        snprintf(text, text_bytes, "killed with SIGKILL %.1f s ago; its readers go on",
                 (double)ago_ns / 1e9);
        return DEMO_BAD;
    case DEMO_NODE_STARTING:
        snprintf(text, text_bytes, "starting");
        return DEMO_DOUBTFUL;
    case DEMO_NODE_READY:
        snprintf(text, text_bytes, "%s", c->progress.status[i]);
        return strncmp(text, "fresh", 5) == 0 ? DEMO_GOOD : DEMO_DOUBTFUL;
    default:
        snprintf(text, text_bytes, "not running");
        return DEMO_BAD;
    }
}

/* The one word for a line: fresh, unsure, killed, … */
static void node_word(const struct demo_conductor *c, size_t i, char *text, size_t text_bytes)
{
    node_line(c, i, text, text_bytes);
    text[strcspn(text, " ,;")] = 0;
}

/* ---- sums -----------------------------------------------------------------------------------
 */

static void sum(struct demo_conductor *c, uint64_t now_ns)
{
    struct demo_progress *p = &c->progress;
    double s = (double)(now_ns - p->summed_ns) / 1e9;

    p->before = p->now;
    demo_totals_sum(&c->world, &p->now);
    uint64_t reads = p->now.reads - p->before.reads, hits = p->now.hits - p->before.hits;
    uint64_t off = p->now.off_reads - p->before.off_reads;
    uint64_t queries = demo_origin_queries(&p->now) - demo_origin_queries(&p->before) + off;
    p->reads_per_s = (double)(reads + off) / s;
    p->queries_per_s = (double)queries / s;
    p->hit_percent = reads > 0 ? 100.0 * (double)hits / (double)reads : 0;
    p->summed_ns = now_ns;
}

static const char *phase(const struct demo_conductor *c)
{
    switch (demo_mode(&c->world)) {
    case DEMO_OFF:
        return "cache off, for comparison";
    case DEMO_ON:
        return "cache on";
    default:
        return "between phases";
    }
}

static void picture(struct demo_conductor *c, uint64_t now_ns)
{
    const struct demo_progress *p = &c->progress;
    const struct demo_histogram *gone = &c->world.shared->probe.gone_ns;
    struct demo_display *d = &c->display;
    char text[DEMO_STATUS_BYTES_MAX];

    demo_display_line(d, DEMO_BOLD, "%5.1f of %llu s   %s",
                      (double)(now_ns - c->began_ns) / 1e9,
                      (unsigned long long)c->world.options.seconds, phase(c));
    for (size_t i = 0; i < c->world.options.nodes; i++) {
        enum demo_paint paint = node_line(c, i, text, sizeof text);
        demo_display_line(d, paint, "  %-6s %s", c->world.name[i], text);
    }
    demo_display_line(d, DEMO_PLAIN, "  %s reads/s   %.2f %% hits   %s origin queries/s",
                      demo_text_count((uint64_t)p->reads_per_s), p->hit_percent,
                      demo_text_count((uint64_t)p->queries_per_s));
    demo_display_line(
        d, DEMO_PLAIN, "  %s rows changed   removal -> gone everywhere: p50 %s, max %s",
        demo_text_count(c->world.shared->writer.changes),
        demo_text_time(demo_histogram_quantile(gone, 500)), demo_text_time(gone->max));
    demo_display_line(d, p->now.broken ? DEMO_BAD : DEMO_GOOD,
                      "  called fresh: %s newest, %s superseded less than %s before, %s BROKEN",
                      demo_text_count(p->now.fresh), demo_text_count(p->now.within),
                      demo_text_time(c->world.options.max_stale_ns),
                      demo_text_count(p->now.broken));
    demo_display_draw(d);
}

static void say(struct demo_conductor *c, uint64_t now_ns)
{
    const struct demo_progress *p = &c->progress;
    char nodes[DEMO_NODES_MAX * 32] = "", word[DEMO_STATUS_BYTES_MAX];
    size_t used = 0;

    for (size_t i = 0; i < c->world.options.nodes; i++) {
        node_word(c, i, word, sizeof word);
        int more =
            snprintf(nodes + used, sizeof nodes - used, "  %s %.20s", c->world.name[i], word);
        used += more > 0 ? (size_t)more : 0;
    }
    if (demo_mode(&c->world) == DEMO_ON)
        snprintf(word, sizeof word, "%.2f %% hits", p->hit_percent);
    else
        snprintf(word, sizeof word, "cache off");
    demo_display_say(&c->display, "%4.0f s  %s reads/s  %s%s  %s broken",
                     (double)(now_ns - c->began_ns) / 1e9,
                     demo_text_count((uint64_t)p->reads_per_s), word, nodes,
                     demo_text_count(p->now.broken));
}

void demo_progress_refresh(struct demo_conductor *c)
{
    struct demo_progress *p = &c->progress;
    uint64_t now_ns = demo_now_ns();
    bool seldom = c->world.options.seconds > SELDOM_FROM_S;

    if (c->began_ns == 0)
        return;
    if (now_ns - p->asked_ns >= ASK_MS * NS_PER_MS) {
        ask_nodes(c);
        p->asked_ns = demo_now_ns();
    }
    if (now_ns - p->summed_ns >= SUM_MS * NS_PER_MS)
        sum(c, now_ns);
    if (c->display.terminal && now_ns - p->drawn_ns >= DRAW_MS * NS_PER_MS) {
        picture(c, now_ns);
        p->drawn_ns = now_ns;
    }
    if (!c->display.terminal &&
        now_ns - p->said_ns >= (seldom ? SAY_SELDOM_MS : SAY_MS) * NS_PER_MS) {
        say(c, now_ns);
        p->said_ns = now_ns;
    }
}
