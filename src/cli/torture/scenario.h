/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* scenario.h - what is done to a fleet, and when: a small text language.
 *
 *     # Two nodes are gone while a third is asked to remove strictly.
 *     nodes 4
 *     readers 6
 *     seconds 12
 *     max-stale 1s
 *     at 2s    kill web1 for 500ms      SIGKILL, and started again after that
 *     at 2.5s  end web2 for 1L          the same, asked with SIGTERM
 *     at 4s    stop web3 for 1.1L       SIGSTOP, then SIGCONT
 *     at 5s    start web5               one more joins
 *     at 6s    kill reader2             another takes its place
 *     at 6s    stop reader1 for 2L
 *     at 6s    kill web1 in 40 calls for 1s   right before its 40th system call from then on
 *     at 6s    fill web2 for 2L         the disk of its state folder is full, then has room
 *     at 6s    turn web2 by -1h for 2L  its wall clock is wrong by that, then right again
 *     at 6s    shift reader3 by 1000s   another takes its place, whose clocks run ahead by
 * that: it is in another time namespace at 7s    lock bus for 1L          another program holds
 * its write lock at 8s    move bus for 800ms       its file is away, then back at 10s   restore
 * bus              an older copy takes its place
 *
 * L is the cluster's max_stale. A `#` begins a comment. The four numbers come before the first
 * `at`; what is left out is the caller's. Faults on the bus need the sqlite bus. Pure: the
 * simulator reads the same files. What only one of the two worlds can have is said by that
 * world: such a file is not run there.
 */
#ifndef ACCORD_CLI_TORTURE_SCENARIO_H
#define ACCORD_CLI_TORTURE_SCENARIO_H

#include "base/base.h"

enum { SCENARIO_STEPS_MAX = 512, SCENARIO_BYTES_MAX = 131072, SCENARIO_WHY_BYTES_MAX = 256 };

/* FAULT(NAME, "verb", "whom", "as --faults names it") */
#define SCENARIO_FAULTS(FAULT)                                                                 \
    FAULT(KILL, "kill", "web", "kill")                                                         \
    FAULT(END, "end", "web", "end")                                                            \
    FAULT(STOP, "stop", "web", "stop")                                                         \
    FAULT(READER_KILL, "kill", "reader", "reader-kill")                                        \
    FAULT(READER_STOP, "stop", "reader", "reader-stop")                                        \
    FAULT(BUS_LOCK, "lock", "bus", "bus-lock")                                                 \
    FAULT(BUS_MOVE, "move", "bus", "bus-move")                                                 \
    FAULT(BUS_RESTORE, "restore", "bus", "bus-restore")                                        \
    FAULT(START, "start", "web", "start")                                                      \
    FAULT(FILL, "fill", "web", "fill")                                                         \
    FAULT(TURN, "turn", "web", "turn")                                                         \
    FAULT(READER_SHIFT, "shift", "reader", "reader-shift")

enum scenario_fault {
#define FAULT(name, verb, whom, flag) SCENARIO_##name,
    SCENARIO_FAULTS(FAULT)
#undef FAULT
        SCENARIO_FAULT_COUNT
};

struct scenario_step {
    uint64_t at_ns; /* since the faults began */
    enum scenario_fault fault;
    uint32_t who;    /* node or reader, from 0; of the bus 0 */
    uint64_t for_ns; /* UINT64_MAX: for good */
    int64_t by_ns;   /* of a clock; 0 elsewhere */
    uint32_t calls;  /* of a KILL: in that many; 0: at once */
    unsigned line;   /* of the text */
};

struct scenario {
    uint64_t nodes, readers, seconds, max_stale_ns;
    size_t count;
    struct scenario_step steps[SCENARIO_STEPS_MAX]; /* in the order of time */
};

/* Reads `text`; *s holds what is usual. ACCORD_E_INVALID: `why` says the line and what is
 * expected; *s is then half filled. */
MUST_CHECK int scenario_parse(struct scenario *s, const char *text,
                              char why[SCENARIO_WHY_BYTES_MAX]);

/* Of whom it is: a reader; the bus; else a node. */
bool scenario_is_of_reader(enum scenario_fault fault);
bool scenario_is_of_bus(enum scenario_fault fault);

/* Words for people: "kill web1 in 40 calls", "stop reader2". */
void scenario_step_text(const struct scenario_step *step, char *text, size_t text_bytes);
/* As --faults names it. */
const char *scenario_fault_flag(enum scenario_fault fault);

#endif
