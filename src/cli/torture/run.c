/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* run.c - leads the fleet through its faults, heals it, and compares what is left.
 *
 * Every fault that lasts has a second half in t->due: whatever happens, the run ends with all
 * of them ended. */
#include "cli/torture/torture.h"

#include <signal.h>

enum {
    SAY_S = 1,
    SAY_SELDOM_S = 10,
    SELDOM_FROM_S = 120,
    DRAW_MS = 200,
    ASK_AT_ONCE = 3, /* nodes asked in one step: each may take its whole time limit */
    BACK_S = 60,     /* and 3 L: until all must be fresh after the last fault */
    COPY_EVERY_S = 3,
};

static struct torture *torture_of(struct demo_conductor *c)
{
    return (struct torture *)(void *)((char *)c - offsetof(struct torture, c));
}

static void problem(struct torture *t, const char *what, const char *why)
{
    demo_result_problem(&t->c.result, "%s: %s", what, why);
}

/* ---- what is said --------------------------------------------------------------------------
 */

static void count_nodes(const struct torture *t, size_t *fresh, size_t *down)
{
    *fresh = *down = 0;
    for (size_t i = 0; i < t->node_count; i++) {
        bool running = t->c.stage.nodes[i].state == DEMO_NODE_READY && !t->nodes[i].stopped;
        *down += !running;
        *fresh += running && t->nodes[i].fresh;
    }
}

static void line_of(struct torture *t, uint64_t now_ns, char *text, size_t text_bytes)
{
    struct demo_progress *p = &t->c.progress;
    size_t fresh, down;

    p->before = p->now;
    demo_totals_sum(&t->c.world, &p->now);
    double s = (double)(now_ns - p->summed_ns) / 1e9;
    uint64_t reads = p->now.reads - p->before.reads, hits = p->now.hits - p->before.hits;
    uint64_t unsure = p->now.loads_unsure - p->before.loads_unsure;
    double whole = reads > 0 ? (double)reads : 1;
    p->summed_ns = now_ns;
    count_nodes(t, &fresh, &down);
    snprintf(text, text_bytes,
             "%5.0f s  %s reads/s  %5.2f %% hits  %5.2f %% unsure  nodes: %zu fresh, %zu "
             "unsure, %zu down  %s broken",
             (double)(now_ns - t->c.began_ns) / 1e9,
             demo_text_count((uint64_t)((double)reads / s)), 100.0 * (double)hits / whole,
             100.0 * (double)unsure / whole, fresh, t->node_count - fresh - down, down,
             demo_text_count(p->now.broken));
}

static void refresh(struct demo_conductor *c)
{
    struct torture *t = torture_of(c);
    uint64_t now_ns = demo_now_ns();
    bool seldom = c->world.options.seconds > SELDOM_FROM_S;
    uint64_t every_ns =
        c->display.terminal ? DRAW_MS * NS_PER_MS : (seldom ? SAY_SELDOM_S : SAY_S) * NS_PER_S;
    char text[256];

    if (c->began_ns == 0 || now_ns - c->progress.said_ns < every_ns)
        return;
    c->progress.said_ns = now_ns;
    line_of(t, now_ns, text, sizeof text);
    if (!c->display.terminal) {
        demo_display_say(&c->display, "%s", text);
        return;
    }
    demo_display_line(&c->display, c->progress.now.broken ? DEMO_BAD : DEMO_PLAIN, "%s", text);
    demo_display_draw(&c->display);
}

static void say_step(struct torture *t, const struct scenario_step *s)
{
    char what[64], how_long[64] = "";

    if (t->c.world.options.seconds > SELDOM_FROM_S && !t->c.display.terminal)
        return; /* hundreds of lines that nobody reads */
    scenario_step_text(s, what, sizeof what);
    if (s->for_ns != UINT64_MAX && s->fault != SCENARIO_READER_KILL)
        snprintf(how_long, sizeof how_long, " for %s", demo_text_time(s->for_ns));
    demo_display_say(&t->c.display, "%7.1f s  %s%s",
                     (double)(demo_now_ns() - t->c.began_ns) / 1e9, what, how_long);
}

/* ---- faults ---------------------------------------------------------------------------------
 */

static void add_due(struct torture *t, uint64_t at_ns, bool heals,
                    const struct scenario_step *step)
{
    ASSERT(t->due_count < TORTURE_DUE_MAX);
    size_t at = t->due_count++;

    for (; at > 0 && t->due[at - 1].at_ns > at_ns; at--)
        t->due[at] = t->due[at - 1];
    t->due[at] = (struct torture_due){at_ns, heals, *step};
}

static bool start_node(struct torture *t, size_t i)
{
    struct torture_node *n = &t->nodes[i];

    n->disturbed = true;
    n->fresh = false;
    n->back_since_ns = demo_now_ns();
    t->node_count = i + 1 > t->node_count ? i + 1 : t->node_count;
    return demo_node_start(&t->c.stage, i) == ACCORD_OK;
}

static bool is_running(const struct torture *t, size_t i)
{
    enum demo_node_state state = t->c.stage.nodes[i].state;

    return state == DEMO_NODE_STARTING || state == DEMO_NODE_READY;
}

static bool disturb_node(struct torture *t, const struct scenario_step *s)
{
    struct torture_node *n = &t->nodes[s->who];

    if (s->fault == SCENARIO_START)
        return !is_running(t, s->who) && start_node(t, s->who);
    if (s->fault == SCENARIO_FILL || s->fault == SCENARIO_TURN)
        return harm_node(t, s);
    if (!is_running(t, s->who))
        return false;
    n->disturbed = true;
    n->back_since_ns = 0;
    if (s->calls > 0)
        return harm_node(t, s);
    if (s->fault == SCENARIO_KILL) {
        demo_node_kill(&t->c.stage, s->who);
    } else if (s->fault == SCENARIO_END) {
        demo_node_end(&t->c.stage, s->who);
    } else {
        n->stopped = true;
        demo_node_signal(&t->c.stage, s->who, SIGSTOP);
    }
    return true;
}

static bool disturb_reader(struct torture *t, const struct scenario_step *s)
{
    if (s->fault == SCENARIO_READER_SHIFT)
        t->c.stage.workers[s->who].ahead_ns = s->by_ns;
    if (s->fault != SCENARIO_READER_STOP)
        return demo_worker_replace(&t->c.stage, s->who) == ACCORD_OK;
    t->reader_stopped[s->who] = true;
    kill(t->c.stage.workers[s->who].pid, SIGSTOP);
    return true;
}

static bool disturb_bus(struct torture *t, const struct scenario_step *s)
{
    char why[BUS_FILE_WHY_BYTES_MAX];
    int status;

    if (s->fault == SCENARIO_BUS_LOCK)
        status = bus_file_lock(&t->bus, why);
    else if (s->fault == SCENARIO_BUS_MOVE)
        status = bus_file_move(&t->bus, why);
    else
        status = bus_file_restore(&t->bus, why);
    t->bus_disturbed = status == ACCORD_OK && s->fault != SCENARIO_BUS_RESTORE;
    if (status != ACCORD_OK && t->options.scenario) /* drawn, it may meet a locked file */
        problem(t, "the bus", why);
    return status == ACCORD_OK;
}

static bool disturb(struct torture *t, const struct scenario_step *s)
{
    if (scenario_is_of_reader(s->fault))
        return disturb_reader(t, s);
    return scenario_is_of_bus(s->fault) ? disturb_bus(t, s) : disturb_node(t, s);
}

static void all_may_be_back(struct torture *t)
{
    for (size_t i = 0; i < t->node_count; i++)
        if (!t->nodes[i].disturbed)
            t->nodes[i].back_since_ns = demo_now_ns();
}

/* What a fault leaves to be undone when its time is over. */
static void heal(struct torture *t, const struct scenario_step *s)
{
    char why[BUS_FILE_WHY_BYTES_MAX];

    switch (s->fault) {
    case SCENARIO_KILL:
    case SCENARIO_END:
        if (is_running(t, s->who)) { /* asked to end, and still at it */
            add_due(t, demo_now_ns() + 50 * NS_PER_MS, true, s);
            return;
        }
        if (!start_node(t, s->who))
            problem(t, t->c.world.name[s->who], "could not be started again");
        return;
    case SCENARIO_STOP:
        t->nodes[s->who].stopped = false;
        t->nodes[s->who].back_since_ns = demo_now_ns();
        demo_node_signal(&t->c.stage, s->who, SIGCONT);
        return;
    case SCENARIO_READER_STOP:
        t->reader_stopped[s->who] = false;
        kill(t->c.stage.workers[s->who].pid, SIGCONT);
        return;
    case SCENARIO_FILL:
    case SCENARIO_TURN:
        harm_ends(t, s);
        return;
    case SCENARIO_BUS_LOCK:
        bus_file_unlock(&t->bus);
        break;
    case SCENARIO_BUS_MOVE:
        if (bus_file_bring_back(&t->bus, why) != ACCORD_OK)
            problem(t, "the bus could not be brought back", why);
        break;
    default:
        return;
    }
    t->bus_disturbed = false;
    all_may_be_back(t);
}

static void begin(struct torture *t, const struct scenario_step *s)
{
    char what[64];

    if (!disturb(t, s)) {
        scenario_step_text(s, what, sizeof what);
        if (t->options.scenario)
            problem(t, what, "could not be done");
        return;
    }
    t->done[s->fault]++;
    say_step(t, s);
    if (s->for_ns != UINT64_MAX && s->fault != SCENARIO_READER_KILL)
        add_due(t, demo_now_ns() + s->for_ns, true, s);
}

static void do_what_is_due(struct torture *t, uint64_t now_ns)
{
    while (t->due_count > 0 && t->due[0].at_ns <= now_ns) {
        struct torture_due due = t->due[0];
        memmove(t->due, t->due + 1, --t->due_count * sizeof t->due[0]);
        if (due.heals)
            heal(t, &due.step);
        else
            begin(t, &due.step);
    }
}

static void draw_what_is_due(struct torture *t, uint64_t now_ns)
{
    struct scenario_step step;

    if (t->options.scenario || now_ns < t->next_fault_ns)
        return;
    t->next_fault_ns =
        now_ns + t->options.every_ns / 2 + demo_random(&t->random) % t->options.every_ns;
    if (torture_draw(t, &step) && t->due_count < TORTURE_DUE_MAX)
        begin(t, &step);
}

/* ---- how the nodes are ----------------------------------------------------------------------
 */

static void ask_node(struct torture *t, size_t i)
{
    struct torture_node *n = &t->nodes[i];
    struct accord **handle = &t->c.handles[i];
    const struct accord_options options = {.request_timeout_ms = 300,
                                           .connect_timeout_ms = 300};
    char text[128] = "";

    if (t->c.stage.nodes[i].state != DEMO_NODE_READY || n->stopped)
        return;
    if (!*handle && accord_open(handle, t->c.world.socket[i], &options) != ACCORD_OK)
        return;
    n->fresh = accord_status(*handle, text, sizeof text) == ACCORD_OK &&
               strncmp(text, "fresh", 5) == 0;
    if (!n->fresh || n->back_since_ns == 0)
        return;
    demo_histogram_add(&t->back_ns, demo_now_ns() - n->back_since_ns);
    n->back_since_ns = 0;
    n->disturbed = false;
}

static void ask_nodes(struct torture *t)
{
    for (size_t i = 0; i < t->node_count; i++)
        if (t->nodes[i].back_since_ns > 0)
            ask_node(t, i);
    for (size_t k = 0; k < ASK_AT_ONCE && k < t->node_count; k++) {
        t->asked = (t->asked + 1) % t->node_count;
        ask_node(t, t->asked);
    }
}

static void renew_copy(struct torture *t, uint64_t *due_ns, uint64_t now_ns)
{
    char why[BUS_FILE_WHY_BYTES_MAX];

    if (!bus_file_is_one(&t->bus) || t->bus_disturbed || t->bus.has_copy || now_ns < *due_ns)
        return;
    *due_ns = now_ns + COPY_EVERY_S * NS_PER_S;
    if (bus_file_keep_copy(&t->bus, why) != ACCORD_OK)
        t->bus.has_copy = false; /* busy: at another time */
}

/* ---- phases ---------------------------------------------------------------------------------
 */

static bool phase_faults(struct torture *t)
{
    struct demo_conductor *c = &t->c;
    uint64_t copy_ns = 0;

    if (!lead_enter(c, DEMO_ON))
        return false;
    c->began_ns = c->on_ns = demo_now_ns();
    c->progress.said_ns = c->progress.summed_ns = c->began_ns;
    uint64_t end_ns = c->began_ns + c->world.options.seconds * NS_PER_S;
    t->next_fault_ns = c->began_ns + t->options.every_ns;
    for (size_t i = 0; i < t->scenario.count; i++)
        add_due(t, c->began_ns + t->scenario.steps[i].at_ns, false, &t->scenario.steps[i]);
    for (uint64_t now_ns; (now_ns = demo_now_ns()) < end_ns;) {
        do_what_is_due(t, now_ns);
        draw_what_is_due(t, now_ns);
        renew_copy(t, &copy_ns, now_ns);
        ask_nodes(t);
        uint64_t until_ns = t->due_count > 0 ? u64_min(t->due[0].at_ns, end_ns) : end_ns;
        if (!lead_step(c, u64_max(until_ns, demo_now_ns() + 1)))
            return false;
    }
    demo_totals_sum(&c->world, &c->result.totals);
    t->hits = c->result.totals.hits;
    return true;
}

/* Ends what still lasts, starts who does not run. */
static void heal_all(struct torture *t)
{
    while (t->due_count > 0) {
        struct torture_due due = t->due[--t->due_count];
        if (due.heals && due.step.fault != SCENARIO_KILL && due.step.fault != SCENARIO_END)
            heal(t, &due.step);
    }
    for (size_t i = 0; i < t->node_count; i++)
        if (!is_running(t, i) && !start_node(t, i))
            problem(t, t->c.world.name[i], "could not be started again");
}

static bool all_fresh(const struct torture *t)
{
    for (size_t i = 0; i < t->node_count; i++)
        if (!t->nodes[i].fresh || t->nodes[i].back_since_ns > 0)
            return false;
    return true;
}

static bool phase_heal(struct torture *t)
{
    struct demo_conductor *c = &t->c;
    uint64_t began_ns = demo_now_ns();
    uint64_t until_ns = began_ns + BACK_S * NS_PER_S + 3 * c->world.options.max_stale_ns;

    for (size_t i = 0; i < t->node_count; i++)
        t->nodes[i].fresh = false;
    for (;;) {
        heal_all(t); /* again: one that was asked to end may only now have ended */
        ask_nodes(t);
        t->healed_ns = demo_now_ns() - began_ns;
        if (all_fresh(t))
            return true;
        if (demo_now_ns() > until_ns)
            break;
        if (!lead_step(c, demo_now_ns() + 50 * NS_PER_MS))
            return false;
    }
    for (size_t i = 0; i < t->node_count; i++) {
        if (t->nodes[i].fresh)
            continue;
        demo_result_problem(&c->result, "%s is not fresh %.0f s after the last fault",
                            c->world.name[i], (double)t->healed_ns / 1e9);
        demo_node_print_log(&c->stage, i);
    }
    return false;
}

/* Nobody writes any more: what a node still serves as fresh L later must be the newest. */
static bool phase_compare(struct torture *t)
{
    struct demo_conductor *c = &t->c;
    static uint8_t value[DEMO_VALUE_BYTES_MAX];

    if (!lead_enter(c, DEMO_PAUSE) ||
        !lead_wait_until(c, demo_now_ns() + 2 * c->world.options.max_stale_ns))
        return false;
    for (size_t i = 0; i < t->node_count; i++) {
        for (uint32_t row = 0; row < c->world.table.count; row++) {
            const struct demo_row *key = &c->world.table.rows[row];
            struct accord_result r = {0};
            uint64_t now_ns = demo_now_ns();
            t->compared++;
            if (accord_get(c->handles[i], key->key, key->key_bytes, value, sizeof value, &r) !=
                    ACCORD_OK ||
                r.state != ACCORD_HIT)
                continue;
            struct demo_answer a = {.reader = (uint32_t)c->world.options.readers,
                                    .node = (uint32_t)i,
                                    .row = row,
                                    .value = value,
                                    .value_bytes = r.value_bytes,
                                    .started_ns = now_ns};
            t->compared_hits += demo_judge(&c->world, &a, /* from_cache= */ true);
        }
        if (!lead_step(c, demo_now_ns() + NS_PER_MS))
            return false;
    }
    return true;
}

void torture_run(struct torture *t)
{
    struct demo_conductor *c = &t->c;

    c->refresh = refresh;
    t->node_count = c->world.options.nodes;
    bool good = lead_start_nodes(c) && lead_start_workers(c) && phase_faults(t);
    c->result.on_ns_long = c->on_ns > 0 ? demo_now_ns() - c->on_ns : 0;
    if (!good)
        heal_all(t); /* so that it can end */
    else
        good = phase_heal(t) && phase_compare(t);
    if (!good && !c->result.interrupted && c->result.problem_count == 0)
        demo_result_problem(&c->result, "the run ended early");
    for (size_t i = c->world.options.nodes; i < t->node_count; i++) {
        accord_close(c->handles[i]);
        c->handles[i] = NULL;
    }
    lead_finish(c);
    bus_file_unlock(&t->bus);
}
