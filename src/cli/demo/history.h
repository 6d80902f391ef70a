/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* history.h - was this read fresh, within the bound, or a broken promise?
 *
 * The writer notes every change of a row in shared memory: before the origin can show the new
 * version, and again once the bus has acknowledged the removal of the old one. A reader that
 * was given a version as fresh asks here, and never the database: the database could not say
 * what it held a moment ago.
 *
 * The inequality. P1: what is served as fresh at time s has applied every change that the bus
 * acknowledged before s - L. What we know are bounds: the reader's clock before it began to
 * read, started_ns <= s, and the writer's clock after the removal returned, acked_ns, which is
 * not before the bus's own acknowledgement. Hence
 *
 *     acked_ns + L < started_ns   proves that the promise was broken: there are no false
 * reports; anything else can be explained by some s and some acknowledgement that keep it.
 *
 * What can be missed is therefore only a violation by less than the time between the bus's
 * acknowledgement and the writer's note of it, plus the time of the read: microseconds against
 * an L of seconds; and an old value that is never removed is caught as soon as that has passed.
 *
 * L here is a little more than the cluster's max_stale: P1 counts by the node's clock, which
 * may be a TSC that runs up to 1 % apart from CLOCK_BOOTTIME before the node gives it up.
 *
 * Strict removals promise more (P3): once one is answered OK, no read that starts later may be
 * given what was superseded before it was called. Such a floor is noted per row.
 *
 * Memory: one mapping that all processes share. One process notes changes, one notes floors;
 * any number judges. All times are nanoseconds of CLOCK_BOOTTIME. Versions of a row are 1, 2,
 * 3, … without holes; 1 is what the origin was loaded with and has no entry.
 */
#ifndef ACCORD_CLI_DEMO_HISTORY_H
#define ACCORD_CLI_DEMO_HISTORY_H

#include "base/base.h"

#include <stdatomic.h>

struct demo_change {
    _Atomic uint64_t acked_ns; /* 0: its removal is not acknowledged (yet) */
    uint32_t row;
    uint32_t version;
    uint32_t previous; /* the row's change before this one: its index + 1; 0: none */
};

/* Nothing older than `version` may be served as fresh by a read that starts after since_ns. */
struct demo_floor {
    _Atomic uint64_t since_ns; /* 0: none, or it is being moved */
    _Atomic uint64_t version;
};

struct demo_history {
    uint64_t max_stale_ns; /* L */
    uint32_t row_count;
    uint32_t changes_max;
    _Atomic uint32_t change_count;
    _Atomic uint32_t
        newest[]; /* of each row: index + 1 of its newest change; the changes follow */
};

enum demo_verdict {
    DEMO_FRESH,     /* no newer version's removal was acknowledged when the read began */
    DEMO_WITHIN,    /* one was, at most L before: what P1 allows */
    DEMO_BROKEN,    /* one was, more than L before; or a floor was */
    DEMO_IMPOSSIBLE /* a version that the origin never had */
};

/* What a broken promise is told with. */
struct demo_evidence {
    uint32_t superseded_by; /* the first version after the served one whose removal counts */
    uint64_t acked_ns;      /* when that was acknowledged */
    uint64_t late_ns;       /* started_ns - acked_ns */
    uint32_t newest;        /* the newest version, known when the judgement was made */
    bool strict;            /* it was a floor: the bound is zero */
};

size_t demo_history_bytes(uint32_t row_count, uint32_t changes_max);
/* On zeroed memory of demo_history_bytes(). */
void demo_history_init(struct demo_history *h, uint32_t row_count, uint32_t changes_max,
                       uint64_t max_stale_ns);

/* Before the row's UPDATE begins: *version is the one to write, *change names the entry for
 * demo_history_acked(). ACCORD_E_FULL: changes_max were noted; change nothing more. */
MUST_CHECK int demo_history_begin(struct demo_history *h, uint32_t row, uint32_t *version,
                                  uint32_t *change);
/* After the removal was acknowledged; now_ns is read after it returned. */
void demo_history_acked(struct demo_history *h, uint32_t change, uint64_t now_ns);

/* The newest version of `row` whose removal was acknowledged: before a strict removal is
 * called. 1: none was. */
uint32_t demo_history_newest_acked(const struct demo_history *h, uint32_t row);
/* After a strict removal of `row` was answered OK; now_ns is read after it returned. */
void demo_history_floor(struct demo_history *h, uint32_t row, uint32_t version,
                        uint64_t now_ns);

/* The newest version of `row` that was begun: the origin has it, or is about to. */
uint32_t demo_history_newest(const struct demo_history *h, uint32_t row);

/* Judges a read that began at started_ns and was given `version` as fresh. Call it after the
 * read. *evidence (may be NULL) is filled for DEMO_WITHIN and worse. */
enum demo_verdict demo_history_judge(const struct demo_history *h, uint32_t row,
                                     uint64_t version, uint64_t started_ns,
                                     struct demo_evidence *evidence);

#endif
