/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* node.h - the shell around the core: memory, clock, threads, sockets, disk, log.
 *
 * struct node holds all of it; there are no globals, so a process may run several. One thread
 * opens, runs and closes a node; it is the loop thread of everything inside.
 */
#ifndef ACCORD_NODE_NODE_H
#define ACCORD_NODE_NODE_H

#include "node/settings.h"

#include <uv.h>

enum { NODE_WHY_BYTES_MAX = 1024 };

struct node;

/* What the owner wants to hear; each may be NULL. On the loop thread. */
struct node_hooks {
    void *context;
    /* Once, when the first lease is held and the expected members are there. `line` is one line
     * for people, without newline: "ready: web1, 3 members (…), sqlite:…". */
    void (*ready)(void *context, const char *line);
    /* The node has to end: node_run() will return ACCORD_E_CONFLICT. */
    void (*fatal)(void *context, const char *why);
    /* The loop is about to end: close the handles you opened on it. */
    void (*closing)(void *context);
};

/* Maps the segment, opens the state, listens, and opens the bus. `settings` is finished; it is
 * borrowed for the node's life, but for node_reload(). On failure *out is untouched and `why`
 * says what happened and what to do: ACCORD_E_INVALID: a setting; ACCORD_E_CONFLICT: the socket
 * or the state folder is in use; ACCORD_E_DENIED, _IO, _NOMEM, _UNSUPPORTED. */
MUST_CHECK int node_open(struct node **out, const struct settings *settings,
                         const struct node_hooks *hooks, char why[NODE_WHY_BYTES_MAX]);

/* Runs until stopped. ACCORD_OK: stopped cleanly; ACCORD_E_CONFLICT: fatal, as the hook said.
 */
MUST_CHECK int node_run(struct node *n);

/* Ends the lease, leaves the cluster, closes everything: node_run() returns, after
 * publish_timeout at most. Any thread, any number of times, until node_close(). */
void node_stop(struct node *n);

/* Takes over from `settings` what can change while running, and logs what cannot. Loop thread.
 */
void node_reload(struct node *n, const struct settings *settings);

/* After node_run() returned, or instead of it. NULL is fine. */
void node_close(struct node *n);

uv_loop_t *node_loop(struct node *n);

/* What node_run() says when it is ready. Loop thread. */
void node_ready_line(const struct node *n, char *line, size_t line_bytes);

#endif
