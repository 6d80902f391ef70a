/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* relay.h - carries what is removed on one bus to another, both ways, uncoupled: each bus keeps
 * its promises to its own nodes, and what comes from the other comes when it comes.
 *
 * Two threads, one a way. Each reads one log in order, publishes in the other what relayed.h
 * makes of it, and only then goes on; so it holds one batch, and needs no queue. What it cannot
 * publish it tries again until it can, or until it is stopped: the cursor stands before it.
 * What was published twice is one entry (bus.h, B12), or a removal of what is gone already.
 * Where a log cannot prove the cursor, changes were missed: the other fleet is cleared.
 *
 * To the nodes of each bus the relay is a member that holds no copies: it joins, beats, leaves,
 * confirms strict removals once it has read them, and says all the while what it carries.
 */
#ifndef ACCORD_CLI_RELAY_RELAY_H
#define ACCORD_CLI_RELAY_RELAY_H

#include "bus/bus.h"
#include "cli/relay/cursors.h"
#include "node/log.h"

struct relay;

enum { RELAY_WHY_BYTES_MAX = 1024 };

struct relay_options {
    const char *url[RELAY_SIDES];      /* --from, --to */
    const char *key_file[RELAY_SIDES]; /* NULL: that bus is not signed */
    const char *state;                 /* NULL: the cursors are not kept */
    const char *name;
    uint64_t timeout_ms; /* of each call to a bus */
    uint64_t retain_ms, retain_changes;
    int log_fd;
    enum log_level log_level;
};

/* Both are called on a thread of the relay, at most once. */
struct relay_hooks {
    void *context;
    void (*ready)(void *context, const char *line);
    void (*fatal)(void *context, const char *why); /* it must be stopped: nothing goes on */
};

/* The options are borrowed until relay_stop(). ACCORD_E_INVALID, ACCORD_E_CONFLICT (the state
 * folder is in use), ACCORD_E_DENIED, ACCORD_E_IO, with `why`. A bus that does not answer is no
 * failure: it is tried again. */
MUST_CHECK int relay_start(struct relay **out, const struct relay_options *o,
                           const struct relay_hooks *hooks, char why[RELAY_WHY_BYTES_MAX]);

/* Leaves both buses, saves the cursors. Calls under way end first, each within its timeout.
 * NULL is fine. */
void relay_stop(struct relay *r);

struct relay_counts {
    uint64_t carried[RELAY_SIDES]; /* from side [i] to the other */
    uint64_t clears[RELAY_SIDES];  /* of the other, because changes of side [i] were missed */
    uint64_t refused[RELAY_SIDES]; /* changes of side [i] that are not signed as they must be */
};
void relay_count(struct relay *r, struct relay_counts *out); /* any thread */

#endif
