/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* command.h - runs a command of the user's when something has happened (on-cold-boot), and
 * never waits for it.
 *
 * The shell runs it, from a thread of its own: one at a time. What happens meanwhile is told to
 * one more run, of the newest event. It has ACCORD_CAUSE, ACCORD_WHY, ACCORD_POSITION and
 * ACCORD_READS, standard output on standard error, no input, and so much time; then it is
 * killed with all that it started in its process group. It may fail as it likes: that is
 * counted (L10).
 */
#ifndef ACCORD_NODE_COMMAND_H
#define ACCORD_NODE_COMMAND_H

#include "base/base.h"

#include <uv.h>

struct command;

struct command_outcome {
    bool ok;
    char text[96]; /* "with status 3", "killed after 30 s" */
    uint64_t took_ms;
};

/* `ended` comes on the loop thread. Text is copied. ACCORD_E_NOMEM. */
MUST_CHECK int command_start(struct command **out, uv_loop_t *loop, const char *text,
                             uint64_t timeout_ms,
                             void (*ended)(void *context, const struct command_outcome *o),
                             void *context);
/* Loop thread; returns at once. */
void command_run(struct command *c, const char *cause, const char *why, const char *position,
                 const char *reads);
/* Kills what runs. The memory goes when the loop has run once more. NULL is fine. */
void command_stop(struct command *c);

#endif
