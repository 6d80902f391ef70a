/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* waits.h - the requests that wait for something, each at most until its deadline.
 *
 * A wait stands in one list (of its kind; those for a load, in the list of that load), in the
 * order of arrival; in a heap by deadline; where what it waits for has an order of its own, in
 * a heap by that; and with the others of its client. All stay in step, whatever ends the wait,
 * so that whatever is to be ended is found at a cost that does not grow with the others.
 *
 * Pure. One owner; not thread-safe. Pointers to waits hold until the wait is removed.
 */
#ifndef ACCORD_CORE_WAITS_H
#define ACCORD_CORE_WAITS_H

#include "base/limits.h"
#include "cache/token.h"
#include "core/owners.h"

enum wait_kind {
    WAIT_PUBLISH, /* until change `ordinal` is in the log */
    WAIT_APPLIED, /* until `position` of this log is applied here */
    WAIT_CAUGHT,  /* until question `serial`, or a later one, is caught up with */
    WAIT_FRESH,   /* the same, and a lease rests on it */
    WAIT_STRICT,  /* until no node can serve what change `ordinal` at `position` removed */
    WAIT_PROOF, /* such a one, until question `serial` proves that the removal is still there */
    WAIT_LOAD,  /* until load `load` ends */
    WAIT_KINDS
};

enum {
    WAITS_LISTS = WAIT_LOAD + LOADS_MAX /* one of each kind; for WAIT_LOAD one of each load */
};

enum wait_order {
    ORDER_DEADLINE, /* all */
    ORDER_POSITION, /* APPLIED */
    ORDER_SERIAL,   /* FRESH */
    WAIT_ORDERS
};

struct wait {
    enum wait_kind kind;
    uint32_t load;   /* WAIT_LOAD: its index */
    uint64_t client; /* for the reply */
    uint64_t id;
    uint64_t deadline_ns;
    uint64_t ordinal_from, ordinal; /* PUBLISH, STRICT: its first and its last change */
    uint64_t position, epoch;       /* APPLIED, STRICT */
    uint64_t serial;                /* CAUGHT, FRESH, PROOF */
    uint64_t since_ns;              /* STRICT: when the publish was confirmed; 0: not yet */
    uint64_t strict_deadline_ns; /* PUBLISH that becomes STRICT: until when; 0: it does not */
    uint64_t reading;            /* the same: core's reading of the log when it was accepted */
    uint64_t count;              /* PUBLISH, STRICT: for the reply */
    struct token token;          /* LOAD: when the request arrived */
    /* Links: index + 1; 0: none. */
    uint32_t previous, next;
    uint32_t heap[WAIT_ORDERS]; /* places; 0: not in that one */
};

struct wait_list {
    uint32_t first, last, count;
};

/* slots[1] is the least, slots[i/2] is not more than slots[i]; indexes into waits.all. */
struct wait_heap {
    size_t count;
    uint32_t slots[WAITERS_MAX + 1];
};

struct waits {
    size_t count;
    uint32_t used;  /* of `all`, ever */
    uint32_t spare; /* removed ones, linked by next */
    struct wait_list lists[WAITS_LISTS];
    struct wait_heap heaps[WAIT_ORDERS];
    struct owners owners;
    struct owned owned[WAITERS_MAX];
    uint32_t owner_buckets[WAITERS_MAX];
    uint64_t looked_at; /* waits, ever: the work done, for tests */
    struct wait all[WAITERS_MAX];
};

/* `w` is zeroed memory, and stays where it is. */
void waits_init(struct waits *w);

bool waits_is_full(const struct waits *w);
/* Copies `wait` (links are ignored) to the end of its list; there is room. */
struct wait *waits_add(struct waits *w, const struct wait *wait);
void waits_remove(struct waits *w, struct wait *wait);
/* Moves it to the list of another kind, with another deadline; its other fields stay. */
void waits_change(struct waits *w, struct wait *wait, enum wait_kind kind,
                  uint64_t deadline_ns);

struct wait *waits_first(struct waits *w, enum wait_kind kind); /* NULL: none; not LOAD */
size_t waits_count(const struct waits *w, enum wait_kind kind); /* not LOAD */
struct wait *waits_first_of_load(struct waits *w, uint32_t load);
struct wait *waits_next(struct waits *w, const struct wait *wait);

/* The one that will be answered first of its kind, APPLIED or FRESH; NULL: none. */
struct wait *waits_least(struct waits *w, enum wait_kind kind);

struct wait *waits_expired(struct waits *w, uint64_t now_ns); /* NULL: none */
uint64_t waits_deadline_ns(const struct waits *w);            /* UINT64_MAX: none */
/* Any wait of this client; NULL: none (left). */
struct wait *waits_of_client(struct waits *w, uint64_t client);

/* Asserts every invariant by walking it all; for tests. */
void waits_check(const struct waits *w);

#endif
