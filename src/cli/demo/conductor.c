/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/lead.h"

enum {
    BACK_S = 120, /* beyond the end, for the killed node to serve hits again */
    OFF_MS_MIN = 1000,
    OFF_MS_MAX = 3000,
    DEAD_MS_MAX = 1500,
};

static uint64_t since_start(const struct demo_conductor *c)
{
    return u64_max(demo_now_ns() - c->began_ns, 1);
}

static bool phase_off(struct demo_conductor *c)
{
    uint64_t ms = c->world.options.seconds * 1000 / 8;
    uint64_t long_ns = u64_min(u64_max(ms, OFF_MS_MIN), OFF_MS_MAX) * NS_PER_MS;

    if (!lead_enter(c, DEMO_PAUSE))
        return false;
    c->began_ns = demo_now_ns();
    c->progress.summed_ns = c->progress.said_ns = c->began_ns;
    bool good = lead_enter(c, DEMO_OFF) && lead_wait_until(c, c->began_ns + long_ns);
    c->result.off_ns_long = since_start(c);
    return good && lead_enter(c, DEMO_PAUSE);
}

static void kill_node(struct demo_conductor *c)
{
    size_t i = c->result.killed;
    long pid = c->stage.nodes[i].pid;

    demo_progress_ask(c, i);
    atomic_store_explicit(&c->world.shared->disturbed, 1, memory_order_release);
    demo_node_kill(&c->stage, i);
    c->result.killed_ns = since_start(c);
    demo_progress_node_ended(c, i);
    demo_display_say(&c->display, "%4.1f s  %s (process %ld) was killed with SIGKILL",
                     (double)c->result.killed_ns / 1e9, c->world.name[i], pid);
}

static bool restart_node(struct demo_conductor *c)
{
    size_t i = c->result.killed;

    if (demo_node_start(&c->stage, i) != ACCORD_OK) {
        demo_result_problem(&c->result, "%s could not be started again", c->world.name[i]);
        return false;
    }
    c->result.restarted_ns = since_start(c);
    demo_display_say(&c->display, "%4.1f s  %s was started again",
                     (double)c->result.restarted_ns / 1e9, c->world.name[i]);
    return true;
}

/* Hits that only the new node can have given: asked for after it was ready, and after the lease
 * of the killed one must have run out. */
static bool serves_again(const struct demo_conductor *c)
{
    const struct demo_options *o = &c->world.options;
    const struct demo_node *n = &c->stage.nodes[c->result.killed];
    uint64_t after_ns = c->began_ns + c->result.killed_ns + o->max_stale_ns;

    if (n->state != DEMO_NODE_READY)
        return false;
    for (size_t i = c->result.killed; i < o->readers; i += o->nodes)
        if (demo_counted(&c->world.shared->readers[i].last_hit_ns) >
            u64_max(after_ns, n->ready_ns))
            return true;
    return false;
}

static void notice_return(struct demo_conductor *c)
{
    struct demo_result *r = &c->result;
    const struct demo_node *n = &c->stage.nodes[r->killed];

    if (r->restarted_ns > 0 && r->ready_ns == 0 && n->state == DEMO_NODE_READY) {
        r->ready_ns = n->ready_ns - c->began_ns;
        demo_display_say(&c->display, "%4.1f s  %s", (double)r->ready_ns / 1e9, n->ready);
    }
    if (r->ready_ns > 0 && r->hits_ns == 0 && serves_again(c)) {
        r->hits_ns = since_start(c);
        atomic_store_explicit(&c->world.shared->disturbed, 0, memory_order_release);
        demo_display_say(&c->display, "%4.1f s  %s serves hits again", (double)r->hits_ns / 1e9,
                         c->world.name[r->killed]);
    }
}

/* Enough to judge by; who asks for more than is usual gives it the --seconds, too. */
static bool has_hits(const struct demo_conductor *c)
{
    struct demo_totals now;

    demo_totals_sum(&c->world, &now);
    return now.hits >= u64_min(c->world.options.hits_min, DEMO_HITS_MIN);
}

/* To the end, and beyond it while the killed node has not come back, or too little was judged.
 * Readers that had no time to read tell nothing of a node: it is said that nothing was judged.
 */
static bool wait_for_return(struct demo_conductor *c, uint64_t end_ns)
{
    uint64_t give_up_ns = end_ns + BACK_S * NS_PER_S;

    while (demo_now_ns() < end_ns || c->result.hits_ns == 0 || !has_hits(c)) {
        if (demo_now_ns() > end_ns)
            lead_share(c);
        if (demo_now_ns() > give_up_ns && c->result.ready_ns > 0 && !has_hits(c))
            return true;
        if (demo_now_ns() > give_up_ns) {
            demo_result_problem(&c->result, "%s did not come back within %d s after the end",
                                c->world.name[c->result.killed], BACK_S);
            demo_display_clear(&c->display);
            demo_node_print_log(&c->stage, c->result.killed);
            return false;
        }
        if (!lead_step(c, give_up_ns))
            return false;
        notice_return(c);
    }
    return true;
}

static bool phase_on(struct demo_conductor *c)
{
    c->on_ns = demo_now_ns();
    uint64_t end_ns = c->began_ns + c->world.options.seconds * NS_PER_S;
    uint64_t long_ns = u64_sub_sat(end_ns, c->on_ns);
    uint64_t kill_ns = c->on_ns + long_ns * 7 / 20;
    uint64_t dead_ns = u64_min(long_ns * 3 / 20, DEAD_MS_MAX * NS_PER_MS);

    bool good = lead_enter(c, DEMO_ON) && lead_wait_until(c, kill_ns);
    if (good)
        kill_node(c);
    good = good && lead_wait_until(c, demo_now_ns() + dead_ns) && restart_node(c) &&
           wait_for_return(c, end_ns);
    c->result.on_ns_long = demo_now_ns() - c->on_ns;
    return good;
}

static void judge_run(struct demo_conductor *c)
{
    struct demo_result *r = &c->result;

    if (r->interrupted)
        return;
    if (c->world.shared->probe.lost > 0)
        demo_result_problem(r, "%llu removed values never vanished from all nodes",
                            (unsigned long long)c->world.shared->probe.lost);
    if (c->world.shared->writer.full > 0)
        demo_result_problem(r, "the history was full: changes ended before the run did");
}

void demo_conduct(struct demo_conductor *c)
{
    size_t middle = c->world.options.nodes / 2;

    c->refresh = demo_progress_refresh;
    c->probes = true;
    /* One that has readers. */
    c->result.killed = middle < c->world.options.readers ? middle : 0;
    bool good = lead_start_nodes(c) && lead_start_workers(c) && phase_off(c) && phase_on(c);
    if (!good && !c->result.interrupted && c->result.problem_count == 0)
        demo_result_problem(&c->result, "the run ended early");
    lead_finish(c);
    judge_run(c);
}
