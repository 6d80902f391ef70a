/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* three.h - three nodes on one bus; a removal is sent to the first, and timed until a prober
 * finds no hit in any of their shared memories. */
#ifndef ACCORD_BENCH_THREE_H
#define ACCORD_BENCH_THREE_H

#include "fill.h"
#include "prober.h"

#include <stdatomic.h>
#include <sys/types.h>

enum { THREE_NODES = 3, THREE_ROUNDS = 300, THREE_SETTLE_US = 2000 };

struct receiver;

struct three {
    char key[FILL_KEY_BYTES + 1];
    int fds[THREE_NODES];
    struct prober *prober;
    double us[THREE_NODES + 1][THREE_ROUNDS]; /* of each node, and of all three */
    struct receiver *receivers[THREE_NODES];  /* set before three_start(), or NULL */
    double raw_us[THREE_ROUNDS];              /* of all three, as the same prober saw it */
    double raw_own_us[THREE_ROUNDS];          /* as each said itself, the last of them */
};

/* Starts the nodes, and the prober on processor 1. */
void three_start(struct three *t, const char *bus);
/* Round `i`: the key is there on all three, and removed. */
void three_remove(struct three *t, int i);
/* The same without us: `send` publishes one thing to the three receivers. */
void three_receive(struct three *t, int i, void (*send)(void *context), void *context);
/* Prints the percentiles of each node; returns p50 of all three, in µs. */
double three_report(struct three *t);
/* Prints percentiles of THREE_ROUNDS times; returns p50. */
double three_p50(const char *who, double *us);

/* What the bus gives to a client alone: one thing published, to one receiver and to three. */
struct three_raw {
    const char *bus;                 /* in the names of the rows: "removal-BUS-3" */
    const char *where, *durability;  /* of the rows */
    const char *peer_one, *peer_all; /* the client's ways, in words */
    void (*send)(void *context);     /* publishes one thing */
    void *one, *all;                 /* contexts: to `receiver`, and to t->receivers */
    struct receiver *receiver;       /* is stopped */
};
/* THREE_ROUNDS rounds of ours and theirs by turns; four rows: p50 and p99 of each. */
void three_compare(struct three *t, const struct three_raw *raw);

/* Another process, that receives what this one publishes, by what the bus gives to a client
 * alone. It ends with this one. */
struct receiver {
    pid_t pid;
    _Atomic uint32_t seen;
    uint64_t seen_ns;
};
/* receive() never returns; it calls receiver_saw() with 1 when it is ready, then with the count
 * of what it was given each time, and when that was. */
struct receiver *receiver_start(void (*receive)(struct receiver *, const char *argument),
                                const char *argument);
void receiver_saw(struct receiver *r, uint32_t count, uint64_t seen_ns);
void receiver_stop(struct receiver *r);
/* Before something is published: what was seen until then, after a rest. */
uint32_t receiver_rest(struct receiver *r);
/* µs from `sent_ns` until one more than `before` was seen. */
double receiver_us(struct receiver *r, uint32_t before, uint64_t sent_ns);

#endif
