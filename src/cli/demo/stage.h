/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* stage.h - the processes and the folder of a demo, and that nothing of them stays behind.
 *
 * Every child has a process group of its own and dies with the conductor, however that ends
 * (PR_SET_PDEATHSIG). A small janitor waits until the conductor is gone, and then removes the
 * folder: there is one way of cleaning up, and a crash takes it too.
 *
 * The conductor has one thread. It waits in demo_stage_wait() and nowhere else; SIGINT,
 * SIGTERM, SIGHUP and SIGCHLD are blocked in it and read there.
 */
#ifndef ACCORD_CLI_DEMO_STAGE_H
#define ACCORD_CLI_DEMO_STAGE_H

#include "cli/demo/world.h"

#include <sys/types.h>

enum {
    DEMO_LINE_BYTES_MAX = 512,
    DEMO_WORKERS_MAX = DEMO_READERS_MAX + 3,
    DEMO_STOP_S =
        60, /* for workers, then nodes, to end: who is slow on a busy machine is well */
};

enum demo_node_state {
    DEMO_NODE_NONE,     /* never started */
    DEMO_NODE_STARTING, /* runs, and is not ready */
    DEMO_NODE_READY,
    DEMO_NODE_KILLED, /* by us, or it did as we asked */
    DEMO_NODE_ENDED   /* by itself */
};

struct demo_node {
    enum demo_node_state state;
    bool asked; /* to end */
    pid_t pid;
    int output;                     /* its standard output; -1: none */
    char line[DEMO_LINE_BYTES_MAX]; /* what came of a line so far */
    size_t line_bytes;
    char ready[DEMO_LINE_BYTES_MAX]; /* its ready line, as it said */
    char log[DEMO_PATH_BYTES_MAX];
    uint64_t ready_ns;
    int ended; /* as of waitpid(), of KILLED and ENDED */
};

struct demo_worker {
    pid_t pid; /* 0: none */
    char what[32];
    bool ended;
    bool expendable; /* may be ended anywhere: nobody waits for it */
    int status;      /* as of waitpid() */
    int (*run)(const struct demo_world *w, uint32_t number);
    uint32_t number;
    int64_t ahead_ns; /* of its clocks, from its next start on; 0: they are the machine's */
};

struct demo_stage {
    struct demo_world *world;
    pid_t janitor;
    int janitor_fd; /* -1: none */
    struct demo_node nodes[DEMO_SLOTS];
    struct demo_worker workers[DEMO_WORKERS_MAX];
    size_t worker_count;
};

/* Blocks the signals, makes the folder (w->folder) and starts the janitor. ACCORD_E_IO, with a
 * line on standard error. */
MUST_CHECK int demo_stage_open(struct demo_stage *s, struct demo_world *w);

/* Starts node i (again), or DEMO_HUB. ACCORD_E_IO, with a line on standard error. */
MUST_CHECK int demo_node_start(struct demo_stage *s, size_t i);
/* SIGKILL, and waits for its end. */
void demo_node_kill(struct demo_stage *s, size_t i);
/* SIGTERM; it is KILLED once it has ended. */
void demo_node_end(struct demo_stage *s, size_t i);
/* Any other signal; where it does not run, nothing. */
void demo_node_signal(struct demo_stage *s, size_t i, int number);
/* The last lines of its log, to standard error. */
void demo_node_print_log(const struct demo_stage *s, size_t i);

/* Forks. `what` names it in messages. */
MUST_CHECK int demo_worker_start(struct demo_stage *s, const char *what,
                                 int (*run)(const struct demo_world *w, uint32_t number),
                                 uint32_t number);

/* SIGKILL, and another in its place. */
MUST_CHECK int demo_worker_replace(struct demo_stage *s, size_t i);

/* Waits at most until until_ns; meanwhile reads the nodes' lines and collects ended children.
 * Returns at once when one of them changed. The number of a signal that asks to end; 0: none.
 */
int demo_stage_wait(struct demo_stage *s, uint64_t until_ns);

/* Waits for the workers, which were told DEMO_STOP, and ends the nodes: politely, then not. The
 * number of nodes that did not end cleanly within the time. */
size_t demo_stage_stop(struct demo_stage *s);
/* Ends what is left, has the folder removed (unless options.keep) and waits for that. */
void demo_stage_close(struct demo_stage *s);

#endif
