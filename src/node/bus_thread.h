/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus_thread.h - a bus blocks, the loop must not: two threads and two bounded queues between.
 *
 * One thread publishes; the other attaches, asks for the head and reads. Both only carry: what
 * the loop asks goes out as a copy, what the bus says comes back as an event for the core (but
 * for its times), on the loop thread, in the order in which it was said.
 *
 * Bounds: one publish on its way and one waiting; HEADS_MAX questions; BATCHES_MAX batches of
 * entries not yet consumed, then the reading thread waits; MESSAGES_MAX events, then both do.
 * Every call to the bus is bounded by its own timeout, so stopping is too.
 *
 * Loss of connection: LOST is said, and the attach is repeated by itself, from the last entry
 * delivered, after a pause that doubles from RETRY_MS_MIN to RETRY_MS_MAX, give or take a
 * quarter, until ATTACHED or GONE is said, or another attach is asked for.
 */
#ifndef ACCORD_NODE_BUS_THREAD_H
#define ACCORD_NODE_BUS_THREAD_H

#include "bus/bus.h"
#include "core/core.h"

#include <uv.h>

enum {
    BATCHES_MAX = 4,
    HEADS_MAX = 8,
    MESSAGES_MAX = 32,
    RETRY_MS_MIN = 100,
    RETRY_MS_MAX = 5000,
    PRESENCE_FRESH_MS = 2000,
    READ_WAIT_MS = 1000, /* also what a wake() that came too early costs at most */
};

struct bus_thread;

/* `e` is borrowed for the call; its now_ns and wall_ms are not set. */
typedef void (*bus_thread_event)(void *context, struct event *e);

/* Opens the bus, and starts both threads. A bus that is merely not reachable (ACCORD_E_DOWN,
 * _TIMEOUT, _IO) is no failure: opening is repeated with the attach. On failure *out is
 * untouched and `why` says what to do. `settings` and its URL are copied. */
MUST_CHECK int bus_thread_start(struct bus_thread **out, uv_loop_t *loop,
                                const struct bus_ops *ops, const struct bus_settings *settings,
                                bus_thread_event each, void *context,
                                char why[BUS_WHY_BYTES_MAX]);

/* The three questions. Loop thread. Nothing waits; answers are events. An attach makes void
 * what the one before it still had to say, and questions about the head asked before it are
 * answered ACCORD_E_DOWN. A publish that finds no room is answered ACCORD_E_FULL; of more than
 * HEADS_MAX questions the oldest stay unanswered: the core waits for the newest alone. */
void bus_thread_attach(struct bus_thread *t, const struct cursor *resume, uint64_t view_ns);
void bus_thread_ask_head(struct bus_thread *t, uint64_t nonce, const struct cursor *at);
void bus_thread_publish(struct bus_thread *t, uint64_t batch, const struct change *changes,
                        size_t count);

/* Which nodes have a connection to the bus's server (bus.h, B18): a hint for people. It is
 * asked for only while somebody wants to know, and what was said is good for PRESENCE_FRESH_MS.
 */
enum presence {
    PRESENCE_UNKNOWN, /* the bus cannot say, or not now */
    PRESENCE_ASKING,  /* the answer will be here in a moment */
    PRESENCE_NO,
    PRESENCE_YES,
};
/* Loop thread. Asks for these nodes, unless an answer is still good or on its way. */
void bus_thread_ask_present(struct bus_thread *t, const char *const *names, size_t count);
/* What is known of the node that was names[index], or stands elsewhere in the list. */
enum presence bus_thread_present(struct bus_thread *t, size_t index, const char *name);

/* What the server's people should do, as the newest attach was told; "": nothing. Any thread.
 */
void bus_thread_advice(struct bus_thread *t, char out[BUS_ADVICE_BYTES_MAX]);

/* Ends both threads and closes the bus; waits for calls under way. What was queued is dropped.
 * No event comes any more. The memory goes when the loop has run once more. NULL is fine. */
void bus_thread_stop(struct bus_thread *t);

/* Counted since start; any thread. */
struct bus_counts {
    uint64_t attaches, losses, gones; /* answers */
    uint64_t entries, batches, heads, head_failures;
    uint64_t publishes, publish_failures, published_changes;
    uint64_t publish_ns_sum, publish_ns_max; /* of those that succeeded */
    uint64_t retry_in_ms;                    /* until the next attempt; 0: none is waiting */
};
void bus_thread_count(struct bus_thread *t, struct bus_counts *out);

#endif
