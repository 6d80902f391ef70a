/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/lead.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    STEP_MS = 100,
    READY_S = 60, /* for the first start of all nodes */
    SEEN_S = 60,  /* for all workers to be in a phase */
    IDLE_S = 2,   /* until who is not, has been given no time */
    NICENESS = 10,
};

/* ---- waiting, and what may not happen meanwhile ---------------------------------------------
 */

static void describe_end(int status, char *text, size_t text_bytes)
{
    if (WIFSIGNALED(status))
        snprintf(text, text_bytes, "was ended by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(text, text_bytes, "ended with exit code %d", WEXITSTATUS(status));
}

/* Of one that was asked to end, and killed once its time was over. */
static void describe_stop(int status, char *text, size_t text_bytes)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        snprintf(text, text_bytes, "did not end within %d s, and was killed", DEMO_STOP_S);
    else
        describe_end(status, text, text_bytes);
}

/* True while all who should run do. */
static bool all_well(struct demo_conductor *c)
{
    char how[128];
    bool well = true;

    for (size_t i = 0; i < DEMO_SLOTS; i++) {
        const struct demo_node *n = &c->stage.nodes[i];
        if (n->state != DEMO_NODE_ENDED)
            continue;
        describe_end(n->ended, how, sizeof how);
        demo_display_clear(&c->display);
        demo_node_print_log(&c->stage, i);
        demo_result_problem(&c->result, "the node %s %s by itself", c->world.name[i], how);
        well = false;
    }
    for (size_t i = 0; i < c->stage.worker_count; i++) {
        const struct demo_worker *worker = &c->stage.workers[i];
        if (!worker->ended)
            continue;
        describe_end(worker->status, how, sizeof how);
        demo_result_problem(&c->result, "%s %s", worker->what, how);
        well = false;
    }
    return well;
}

static void say_ready(struct demo_conductor *c, bool said[DEMO_NODES_MAX])
{
    for (size_t i = 0; i < c->world.options.nodes; i++) {
        if (said[i] || c->stage.nodes[i].state != DEMO_NODE_READY)
            continue;
        said[i] = true;
        demo_display_say(&c->display, "%s", c->stage.nodes[i].ready);
    }
}

/* One step of waiting. False: the run must end (a signal, a child that ended). */
bool lead_step(struct demo_conductor *c, uint64_t until_ns)
{
    uint64_t step_ns = demo_now_ns() + STEP_MS * NS_PER_MS;

    if (demo_stage_wait(&c->stage, u64_min(until_ns, step_ns)) != 0) {
        c->result.interrupted = true;
        return false;
    }
    c->refresh(c);
    if (ferror(c->display.stream)) { /* whoever listened went away */
        c->result.interrupted = true;
        return false;
    }
    return all_well(c);
}

bool lead_wait_until(struct demo_conductor *c, uint64_t until_ns)
{
    while (demo_now_ns() < until_ns)
        if (!lead_step(c, until_ns))
            return false;
    return true;
}

/* ---- phases
 * ---------------------------------------------------------------------------------- */

static bool all_seen(const struct demo_conductor *c, enum demo_mode mode)
{
    const struct demo_shared *s = c->world.shared;
    bool seen = atomic_load_explicit(&s->writer.mode_seen, memory_order_acquire) == mode + 1u;

    /* Not the strict remover: it may be waiting, and changes nothing. */
    for (size_t i = 0; i < c->world.options.readers + c->probes; i++)
        seen = seen && atomic_load_explicit(&s->readers[i].mode_seen, memory_order_acquire) ==
                           mode + 1u;
    return seen;
}

void lead_share(struct demo_conductor *c)
{
    const struct sched_param none = {0};

    if (c->result.readers_shared || c->world.judges_under_load)
        return;
    c->result.readers_shared = true;
    for (size_t i = 0; i < c->stage.worker_count; i++) {
        pid_t worker = c->stage.workers[i].pid;
        if (c->stage.workers[i].ended || sched_getscheduler(worker) != SCHED_IDLE)
            continue;
        setpriority(PRIO_PROCESS, (id_t)worker, NICENESS); /* it keeps that */
        sched_setscheduler(worker, SCHED_OTHER, &none);
    }
    demo_display_say(&c->display,
                     "the machine leaves nothing over for the readers: from here on "
                     "they have a share of it, and times show that");
}

bool lead_enter(struct demo_conductor *c, enum demo_mode mode)
{
    uint64_t idle_ns = demo_now_ns() + IDLE_S * NS_PER_S;
    uint64_t until_ns = demo_now_ns() + SEEN_S * NS_PER_S;

    atomic_store_explicit(&c->world.shared->mode, mode, memory_order_release);
    while (!all_seen(c, mode)) {
        if (demo_now_ns() > idle_ns)
            lead_share(c);
        if (demo_now_ns() > until_ns) {
            demo_result_problem(&c->result, "a worker hangs: not in the next phase within %d s",
                                SEEN_S);
            return false;
        }
        if (!lead_step(c, demo_now_ns() + 2 * NS_PER_MS))
            return false;
    }
    return true;
}

/* Who serves the bus is there before those whose bus it is. */
static bool start_hub(struct demo_conductor *c, uint64_t until_ns)
{
    const struct demo_node *hub = &c->stage.nodes[DEMO_HUB];

    if (!c->world.hub[0])
        return true;
    if (demo_node_start(&c->stage, DEMO_HUB) != ACCORD_OK) {
        demo_result_problem(&c->result, "who serves %s could not be started", c->world.hub);
        return false;
    }
    while (hub->state != DEMO_NODE_READY) {
        if (!lead_step(c, until_ns))
            return false;
        if (demo_now_ns() < until_ns)
            continue;
        demo_result_problem(&c->result, "who serves %s was not ready within %d s", c->world.hub,
                            READY_S);
        demo_node_print_log(&c->stage, DEMO_HUB);
        return false;
    }
    demo_display_say(&c->display, "the bus is served by one more process, at %s", c->world.hub);
    return true;
}

bool lead_start_nodes(struct demo_conductor *c)
{
    uint64_t until_ns = demo_now_ns() + READY_S * NS_PER_S;
    bool said[DEMO_NODES_MAX] = {false};
    size_t ready = 0;

    if (!start_hub(c, until_ns))
        return false;
    for (size_t i = 0; i < c->world.options.nodes; i++) {
        if (demo_node_start(&c->stage, i) != ACCORD_OK) {
            demo_result_problem(&c->result, "%s could not be started", c->world.name[i]);
            return false;
        }
    }
    while (ready < c->world.options.nodes) {
        if (!lead_step(c, until_ns))
            return false;
        say_ready(c, said);
        ready = 0;
        for (size_t i = 0; i < c->world.options.nodes; i++)
            ready += c->stage.nodes[i].state == DEMO_NODE_READY;
        if (ready < c->world.options.nodes && demo_now_ns() >= until_ns) {
            demo_result_problem(&c->result, "not all nodes were ready within %d s", READY_S);
            for (size_t i = 0; i < c->world.options.nodes; i++)
                if (c->stage.nodes[i].state != DEMO_NODE_READY)
                    demo_node_print_log(&c->stage, i);
            return false;
        }
    }
    return true;
}

static int run_writer(const struct demo_world *w, uint32_t number)
{
    (void)number;
    return demo_writer_run(w);
}

static int run_prober(const struct demo_world *w, uint32_t number)
{
    (void)number;
    return demo_prober_run(w);
}

static int run_strict(const struct demo_world *w, uint32_t number)
{
    (void)number;
    return demo_strict_run(w);
}

/* The conductor attaches after the last fork: the workers open handles of their own. */
bool lead_start_workers(struct demo_conductor *c)
{
    const struct accord_options options = {.request_timeout_ms = 300,
                                           .connect_timeout_ms = 300};
    int status = ACCORD_OK;
    char what[32];

    for (uint32_t i = 0; i < c->world.options.readers && status == ACCORD_OK; i++) {
        snprintf(what, sizeof what, "reader %u", i);
        status = demo_worker_start(&c->stage, what, demo_reader_run, i);
    }
    if (status == ACCORD_OK)
        status = demo_worker_start(&c->stage, "the writer", run_writer, 0);
    if (status == ACCORD_OK && c->probes)
        status = demo_worker_start(&c->stage, "the prober", run_prober, 0);
    if (status == ACCORD_OK)
        status = demo_worker_start(&c->stage, "the strict remover", run_strict, 0);
    if (status == ACCORD_OK)
        c->stage.workers[c->stage.worker_count - 1].expendable = true;
    for (size_t i = 0; i < c->world.options.nodes && status == ACCORD_OK; i++)
        status = accord_open(&c->handles[i], c->world.socket[i], &options);
    if (status != ACCORD_OK)
        demo_result_problem(&c->result, "cannot start the readers: %s",
                            accord_strerror(status));
    return status == ACCORD_OK;
}

/* ---- the end -------------------------------------------------------------------------------
 */

/* A node that is asked to end before it can be is ended by the signal itself. */
static bool was_beginning(const struct demo_conductor *c, size_t i)
{
    const struct demo_node *n = &c->stage.nodes[i];

    return c->result.interrupted && !n->ready[0] && WIFSIGNALED(n->ended) &&
           WTERMSIG(n->ended) == SIGTERM;
}

void lead_finish(struct demo_conductor *c)
{
    struct demo_progress *p = &c->progress;
    size_t unclean;

    atomic_store_explicit(&c->world.shared->mode, DEMO_STOP, memory_order_release);
    for (size_t i = 0; i < c->world.options.nodes; i++) {
        demo_progress_ask(c, i);
        accord_close(c->handles[i]);
        c->handles[i] = NULL;
        c->result.refused_fills += p->refused_before[i] + p->refused[i];
    }
    c->result.refused_known = p->refused_known;
    demo_display_clear(&c->display);
    bool had_problems = c->result.problem_count > 0;
    unclean = demo_stage_stop(&c->stage);
    for (size_t i = 0; i < c->stage.worker_count; i++) {
        char how[128];
        if (had_problems || c->stage.workers[i].expendable || c->stage.workers[i].status == 0)
            continue;
        describe_stop(c->stage.workers[i].status, how, sizeof how);
        demo_result_problem(&c->result, "%s %s", c->stage.workers[i].what, how);
    }
    /* The killed node was started again, so that at the end nobody is in the state KILLED
     * unless it had to be forced. */
    for (size_t i = 0; unclean > 0 && !had_problems && i < c->world.options.nodes; i++) {
        char how[128];
        if (c->stage.nodes[i].ended == 0 || was_beginning(c, i))
            continue;
        describe_stop(c->stage.nodes[i].ended, how, sizeof how);
        demo_result_problem(&c->result, "the node %s, asked to stop, %s", c->world.name[i],
                            how);
        demo_node_print_log(&c->stage, i);
    }
    demo_result_collect(&c->world, &c->result);
}
