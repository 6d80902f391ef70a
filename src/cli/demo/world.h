/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* world.h - what the demo's processes share.
 *
 * The conductor (the process that was started) makes all of it before it forks. Children get
 * the struct demo_world as it was then, read-only by habit; what moves is in `shared` and
 * `history`, which are mapped MAP_SHARED: each counter there has one writer.
 */
#ifndef ACCORD_CLI_DEMO_WORLD_H
#define ACCORD_CLI_DEMO_WORLD_H

#include <accord.h>

#include "cli/demo/histogram.h"
#include "cli/demo/history.h"
#include "cli/demo/keys.h"
#include "cli/demo/options.h"
#include "cli/demo/origin.h"

enum {
    DEMO_PATH_BYTES_MAX = 512,
    DEMO_FOLDER_BYTES_MAX = 80, /* a socket's path in it must fit into sun_path */
    DEMO_HUB_BYTES_MAX = 160,
    DEMO_FAILURES_MAX = 16,     /* broken promises that are told in full; all are counted */
    DEMO_TAG_ROWS_MAX = 64,     /* rows that one removal of a tag changes */
    DEMO_CHANGES_MAX = 1 << 28, /* that one run may make; 24 bytes each */
    DEMO_BREAK_EVERY = 8,       /* rows of which --break removal forgets one */
};

enum demo_mode {
    DEMO_PAUSE, /* nobody reads or writes */
    DEMO_OFF,   /* readers ask the origin; no removals */
    DEMO_ON,    /* readers ask Accord */
    DEMO_STOP
};

/* One reader's, and one for the prober. */
struct demo_reader_stats {
    _Alignas(64) _Atomic uint32_t mode_seen; /* the mode + 1; 0: not there yet */
    _Atomic uint64_t reads;         /* with the cache; the next eight are parts of it */
    _Atomic uint64_t hits;          /* out of shared memory */
    _Atomic uint64_t shared;        /* another caller of the host had loaded it meanwhile */
    _Atomic uint64_t loads;         /* asked the origin: misses */
    _Atomic uint64_t loads_unsure;  /* asked the origin: the node could not know */
    _Atomic uint64_t stale;         /* given a value that was called stale */
    _Atomic uint64_t errors;        /* the library failed; asked the origin */
    _Atomic uint64_t fresh;         /* of those given as fresh: it was */
    _Atomic uint64_t within;        /* of those given as fresh: superseded, at most L before */
    _Atomic uint64_t within_max_ns; /* the longest of those */
    _Atomic uint64_t broken;
    _Atomic uint64_t last_hit_ns; /* when the newest hit was asked for */
    _Atomic uint64_t off_reads;
    struct demo_histogram hit_ns; /* sampled */
    struct demo_histogram off_ns; /* sampled */
};

struct demo_writer_stats {
    _Alignas(64) _Atomic uint32_t mode_seen; /* the mode + 1; 0: not there yet */
    _Atomic uint64_t changes;                /* rows changed while the cache was on */
    _Atomic uint64_t removals;               /* keys, acknowledged */
    _Atomic uint64_t tag_removals;
    _Atomic uint64_t clears;
    _Atomic uint64_t unpublished; /* answers that were no acknowledgement; tried elsewhere */
    _Atomic uint64_t refused;     /* no answer, or an error; tried elsewhere */
    _Atomic uint64_t full;        /* the history is full: no more changes */
    struct demo_histogram ack_ns; /* of a removal's call */
};

/* Of the process that removes strictly. */
struct demo_strict_stats {
    _Alignas(64) _Atomic uint64_t unknown; /* timed out, or no answer */
    struct demo_histogram wait_ns;         /* of those that every node confirmed */
};

/* The prober asks the writer to change a row that all nodes have, and watches it vanish. */
struct demo_probe {
    _Alignas(64) _Atomic uint32_t wanted;    /* row + 1; 0: none */
    _Atomic uint64_t called_ns;              /* when the removal was called; 0: not yet */
    _Atomic uint64_t lost;                   /* never vanished: the run is broken */
    struct demo_histogram gone_ns;           /* from the call until gone on all nodes */
    struct demo_histogram gone_disturbed_ns; /* the same while a node was dead or returning */
};

enum demo_failure_kind { DEMO_FAILURE_STALE, DEMO_FAILURE_IMPOSSIBLE, DEMO_FAILURE_CORRUPT };

struct demo_failure {
    _Atomic uint32_t told; /* the rest is filled */
    uint32_t kind;         /* enum demo_failure_kind */
    uint32_t reader;
    uint32_t node;
    uint32_t row;
    uint64_t version;
    uint64_t started_ns;
    struct demo_evidence evidence;
};

struct demo_shared {
    _Atomic uint32_t mode;      /* enum demo_mode */
    _Atomic uint32_t disturbed; /* a node is dead, or not back yet */
    _Atomic uint32_t failure_count;
    struct demo_failure failures[DEMO_FAILURES_MAX];
    struct demo_writer_stats writer;
    struct demo_probe probe;
    struct demo_strict_stats strict;
    struct demo_reader_stats readers[DEMO_READERS_MAX + 1]; /* [options.readers]: the prober */
};

struct demo_world {
    const char *verb;       /* who runs in it: "demo" */
    bool patient;           /* workers wait for a node that is not there, and do not give up */
    bool judges_under_load; /* readers share the processors, and do not only fill gaps */
    struct demo_options options;
    char folder[DEMO_FOLDER_BYTES_MAX + 1];
    char origin_path[DEMO_PATH_BYTES_MAX];
    char bus[DEMO_BUS_BYTES_MAX];
    char bus_shown[DEMO_PATH_BYTES_MAX]; /* without user and password */
    char hub[DEMO_HUB_BYTES_MAX];        /* where it is to listen; "": nobody needs it */
    /* Preloaded into the nodes, with WALLCLOCK=folder/NAME.clock; NULL: nothing is. */
    const char *preload;
    char socket[DEMO_SLOTS][108];
    char name[DEMO_SLOTS][16];
    struct demo_table table;
    struct demo_keys keys;
    struct demo_shared *shared;
    struct demo_history *history;
    size_t shared_bytes, history_bytes;
};

/* With options and folder set: loads the origin, chooses keys, names nodes, maps memory. A
 * failure was said on standard error. Free it in any case; zeroed is fine. */
MUST_CHECK int demo_world_make(struct demo_world *w);
void demo_world_free(struct demo_world *w);

/* CLOCK_BOOTTIME of the machine, in nanoseconds. */
uint64_t demo_now_ns(void);
/* This process's clocks run ahead of the machine's by that. */
void demo_clock_is_ahead(int64_t ahead_ns);

static inline enum demo_mode demo_mode(const struct demo_world *w)
{
    return (enum demo_mode)atomic_load_explicit(&w->shared->mode, memory_order_acquire);
}

/* The row (+ 1) that the prober waits to see changed; 0: none, or its removal was called. */
static inline uint32_t demo_probe_waits_for(const struct demo_probe *p)
{
    uint32_t wanted = atomic_load_explicit(&p->wanted, memory_order_acquire);
    uint64_t called_ns = atomic_load_explicit(&p->called_ns, memory_order_acquire);

    return called_ns == 0 ? wanted : 0;
}

/* --break removal: the writer says that it removed this row, and does not. */
static inline bool demo_is_forgotten(const struct demo_world *w, uint32_t row)
{
    return w->options.broken && row % DEMO_BREAK_EVERY == 0;
}

/* What a child process does until the mode is DEMO_STOP. Each returns an exit code and says on
 * standard error what went wrong. */
int demo_reader_run(const struct demo_world *w, uint32_t reader);
int demo_writer_run(const struct demo_world *w);
int demo_prober_run(const struct demo_world *w);
int demo_strict_run(const struct demo_world *w);

/* An answer that somebody was given. */
struct demo_answer {
    uint32_t reader; /* options.readers: the prober */
    uint32_t node;
    uint32_t row;
    const void *value;
    size_t value_bytes;
    uint64_t started_ns; /* the clock before the question */
};
/* Judges it, tells and counts a broken promise. Judged as fresh and counted as such where it
 * came from the cache. True: the promise held. */
bool demo_judge(const struct demo_world *w, const struct demo_answer *a, bool from_cache);
/* The same for what was called stale: it must at least be whole, and a version that existed. */
bool demo_judge_stale(const struct demo_world *w, const struct demo_answer *a);

/* A loader for accord_get_or_set(): the context is a struct demo_load. */
struct demo_load {
    struct demo_origin *origin;
    const struct demo_table *table;
    uint32_t row;
    bool called;
    const char *tag;
    size_t value_bytes;
    uint8_t value[DEMO_VALUE_BYTES_MAX];
};
int demo_load(void *context, struct accord_loaded *out);

/* Attaches to node `i`: 0, or it says why on standard error and returns an exit code. In a
 * patient world it tries again until the mode is DEMO_STOP. */
int demo_open(const struct demo_world *w, size_t i, const struct accord_options *options,
              struct accord **out);
/* Opens handles to every node, as above. */
int demo_open_all(const struct demo_world *w, struct accord *handles[DEMO_NODES_MAX]);

#endif
