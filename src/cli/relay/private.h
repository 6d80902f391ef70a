/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* private.h - the parts of a relay, for its own files.
 *
 * Who may touch what: a side is read by the thread of the lane that leaves it, and published
 * to by the thread of the other. What both look at is under the mutex, and said to be.
 */
#ifndef ACCORD_CLI_RELAY_PRIVATE_H
#define ACCORD_CLI_RELAY_PRIVATE_H

#include "bus/signing.h"
#include "cli/relay/relay.h"
#include "node/poison.h"
#include "wire/relayed.h"

#include <pthread.h>

enum {
    RELAY_MAX_STALE_MS = 3000,    /* of a log that --from makes anew: as serve's */
    RELAY_READ_MS = 1000,         /* a read waits so long at most */
    RELAY_RETRY_MS_MIN = 100,     /* between tries; doubles */
    RELAY_RETRY_MS_MAX = 2000,    /* up to this */
    RELAY_STALLED_SAID_MS = 2000, /* who stands still for so long says so */
    RELAY_PROVE_MS = 1000,        /* the log is asked for the cursor so often */
    RELAY_SAVE_MS = 1000,
    RELAY_DOUBT_MS = 600 * 1000, /* what cannot be verified clears no oftener: core/trust.h */
};

struct relay_side {
    struct relay *relay;
    char shown[256]; /* the URL without its secrets */
    struct bus_ops ops;
    struct bus_settings settings;
    struct signing keys;

    /* Of its reading thread. */
    struct cursor at;      /* read up to here, and carried; message none: not provable yet */
    uint64_t proven_ns;    /* the log was last seen to have the cursor */
    uint64_t own_position; /* of our first join or beat that was read in this log; 0: none */
    struct id128 junior;   /* joined with our name after that: it has to leave, not we */
    char advice[BUS_ADVICE_BYTES_MAX]; /* of the newest attach, as it was said */

    /* Of its publishing thread. */
    bool joined;
    uint64_t beats; /* said so far, joins too */
    uint64_t beat_due_ns;

    /* Under the mutex. */
    struct bus *bus; /* NULL: not open yet; then it stays */
    bool attached;
    char lost_why[BUS_WHY_BYTES_MAX]; /* where it is not */
    struct id128 log;
    uint64_t epoch;
    uint64_t reached; /* read, or known to be there: nothing up to it is held here any more */
    uint64_t met, met_hash; /* entry read last, and its hash as nodes say it (core/trail.c) */
    uint64_t max_stale_ms;
    bool beat_wanted;
};

/* One way, with its thread. */
struct relay_lane {
    struct relay *relay;
    struct relay_side *from, *to;
    pthread_t thread;
    bool is_new; /* of its own thread, as what follows: no earlier run can have missed any */
    bool owes_clear; /* of `to`: until it is paid, no cursor is noted */
    uint64_t doubt_due_ns;
    uint64_t retry_ms;
    bool stalled_said;
    struct change changes[DELIVER_BATCH_MAX];
    char about[DELIVER_BATCH_MAX][RELAYED_TEXT_BYTES_MAX];

    /* Under the mutex. */
    uint64_t stalled_ns; /* since when it cannot go on; 0: it does */
    bool is_through;     /* began, and owes nothing */
    uint64_t carried, clears, refused;
};

struct relay {
    const struct relay_options *options;
    struct relay_hooks hooks;
    struct id128 incarnation;
    struct relay_side sides[RELAY_SIDES];
    struct relay_lane lanes[RELAY_SIDES]; /* [i] leaves sides[i] */

    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping, ready_said, fatal_said;
    uint64_t messages;
    struct cursors cursors; /* as saved next */
    bool cursors_due;
    pthread_mutex_t save_mutex; /* guards the folder and the time; taken first */
    uint64_t saved_ns;
    bool save_failed;
    struct cursors_folder folder;
    struct poison *poison; /* NULL: there is no state folder, or no room in it */
    pthread_mutex_t log_mutex;
    struct log log;
};

uint64_t relay_now_ns(void);
void relay_lock(struct relay *r);
void relay_unlock(struct relay *r);
bool relay_is_stopping(struct relay *r);
void relay_fatal(struct relay *r, const char *why);
struct id128 relay_message(struct relay *r);
/* The entries of this side up to here are read, and what is said of them is made. */
void relay_passed(struct relay_side *s, uint64_t position);
/* All that its lane has read is carried. Once both are through: the ready line. */
void relay_note(struct relay_lane *l);
void relay_save(struct relay *r, bool now); /* else at most once a second */
/* Sleeps so long, or until stopped. */
void relay_pause(struct relay *r, uint64_t ms);
void relay_say(struct relay *r, enum log_level level, const char *event,
               const struct log_field *fields, size_t count);
#define RELAY_SAY(r, level, event, ...)                                                        \
    relay_say(r, level, event, (const struct log_field[]){__VA_ARGS__},                        \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* side.c */
MUST_CHECK int relay_side_init(struct relay_side *s, size_t index, char *why);
/* Reading thread. ACCORD_E_GONE: the log cannot prove the cursor, which is forgotten. */
MUST_CHECK int relay_side_attach(struct relay_side *s, char why[BUS_WHY_BYTES_MAX]);
void relay_side_lost(struct relay_side *s, const char *why);
/* One entry was read: what it says of the cluster, and of ourselves. */
void relay_side_heard(struct relay_side *s, const struct entry *e);
/* Publishing thread. */
int relay_side_publish(struct relay_side *s, const struct change *changes, size_t count,
                       char why[BUS_WHY_BYTES_MAX]);
uint64_t
relay_side_beat(struct relay_side *s); /* if it is due; returns how many ms until then */
void relay_side_leave(struct relay_side *s);
void relay_side_close(struct relay_side *s);

/* lane.c: the thread; the argument is the lane. */
void *relay_lane_run(void *lane);

#endif
