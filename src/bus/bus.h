/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bus.h - the contract of a bus: one ordered log that a fleet shares.
 *
 * The numbered clauses are what test/contract/bus_*.c check for every bus, against its
 * real server:
 *
 *  B1  Order: every reader is given the same entries in the same order, positions growing.
 *  B2  Echo: what a bus acknowledged to its publisher is delivered to all, the publisher too.
 *  B3  Real time: a change published after another's acknowledgement has the later position.
 *  B4  Batches: the changes of one publish() are neighbours, in their order, all or none.
 *  B5  Fidelity: keys of 1 to KEY_BYTES_MAX bytes, binary too, and all fields come out as
 *      they went in.
 *  B6  Replay: reading after a position gives every entry later than it that is retained.
 *      A bus that does not retain beats may put change_is_missed_beat() in the place of one
 *      that a reader missed: the number of its sender, under another message.
 *  B7  Gone: a cursor whose entry is absent or differs answers ACCORD_E_GONE, at attach() and
 *      at head(); so does a log that was replaced, moved, truncated, restored or re-seeded.
 *      read() answers it too, rather than deliver what lies behind a hole.
 *  B8  The newest entry is never pruned.
 *  B9  Separate clusters on one server do not see each other.
 *  B10 Bounded: every call returns within its timeout and says why it failed.
 *  B11 Foreign rows: what a person or a trigger wrote is delivered with an empty origin, and
 *      with a message id.
 *  B12 Repeat: publishing a message id that the log already holds succeeds and changes nothing.
 *  B13 Head: where caps.head_linearizable, head() is at least the position of every publish
 *      that was acknowledged before head() was called.
 *  B14 Torn rows: what cannot be understood is delivered as CHANGE_CLEAR or CHANGE_NAMESPACE of
 *      what it may have meant, never skipped in silence, and never stops the log. What a later
 *      version wrote comes as change_stand_in() says, with its origin, sequence and message.
 *  B15 Epoch: a log that lost entries has another epoch from then on, and publish() never
 *      names a position of it by the epoch before.
 *  B16 The cluster's number: attach() tells what the newest entry said of it that sets it
 *      (change_sets_max_stale()), from the moment of that entry on; also after it was pruned.
 *  B17 Poison: read() notes in settings.hand which entry it parses, and delivers one of its
 *      poison list as hand_skipped(): of the entry nothing is looked at but its message id.
 *  B18 Presence: present() tells of a node of the cluster whether the server has a connection
 *      of it, named as settings.node says: true from when it was opened until the server has
 *      noticed its end. Other clusters' nodes of that name do not count. Nothing rests on it.
 *  B19 Letters: a message to one node is a beat whose `about` says to whom (wire/letter.h), so
 *      it comes to every reader as it was said, in its place, also one that has no origin.
 *
 * Threads: publish() may run beside attach(), read(), head() and present(), which share one
 * thread; wake() runs on any. open() before all, close() after all. Calls block, at most as
 * long as told. Failures fill `why` (one line for people: what happened and what to do) and
 * leave the bus usable: the same call may be made again. After ACCORD_E_GONE or _E_DOWN of
 * read() or head(), attach() comes next: it reconnects, and makes the log anew where it was
 * deleted. Until then publish() answers ACCORD_E_DOWN rather than write to a log that is not
 * the one attached.
 */
#ifndef ACCORD_BUS_BUS_H
#define ACCORD_BUS_BUS_H

#include "wire/hand.h"

enum { BUS_WHY_BYTES_MAX = 512, BUS_ADVICE_BYTES_MAX = 320 };

/* Begins, in `why`, what somebody must do: it is tried again, but does not mend itself. */
#define BUS_NEEDS_OPERATOR "it needs the operator: "

struct bus_caps {
    bool one_host;          /* the fleet is this host: said in the ready line */
    bool head_linearizable; /* head() proves a lease; else only an own beat that came back */
    bool may_lose_tail;     /* an acknowledged entry may vanish (noticed by the cursor) */
    const char *durability; /* for people: "fsync at each commit" */
    uint64_t max_stale_ms;  /* of a new log, where the user gave none; 0: as everywhere */
};

struct signing;
struct bus_settings {
    const char *url;         /* whole, with its scheme */
    uint64_t max_stale_ms;   /* written to a new log; an existing log's number wins */
    uint64_t retain_ms;      /* entries older than this may be pruned */
    uint64_t retain_changes; /* and changes (not beats) beyond this count */
    uint64_t timeout_ms;     /* bound of each call to the server */
    struct hand hand; /* of the reading thread: B17; what it points to outlives the bus */
    /* The node's name, NULL of a tool; it outlives the bus. Connections bear it and the
     * cluster's, so that the server's own lists say whose they are. */
    const char *node;
    const struct signing *signing; /* only signed.h looks at it; outlives the bus; or NULL */
    const char *key_setting;       /* only keyless.h says it: where a key is given; static */
};

struct bus_attached {
    struct id128 log;
    uint64_t epoch;
    uint64_t after;        /* read from here: where the view begins, the cursor at most */
    uint64_t head;         /* newest position when attach() was asked */
    uint64_t max_stale_ms; /* the cluster's */
    uint64_t max_stale_before_ms; /* some may still go by this larger one; else the same */
    bool resumed;                 /* the given cursor was proven */
    /* What the server's people should do, though the node works without: one line. Mostly "".
     */
    char advice[BUS_ADVICE_BYTES_MAX];
};

struct bus; /* each bus embeds struct bus_base at its start */

/* For the people who run the server (accord bus), not for nodes. NULL where there is nothing to
 * do. They connect by themselves, bounded as open() is. */
struct bus_tools {
    /* What the server needs before a node with fewer rights can use it, in the server's own
     * language (SQL, an ACL), whole: *out is malloc()ed text. Asks nothing of the server. */
    int (*schema)(const struct bus_settings *s, char **out, char why[BUS_WHY_BYTES_MAX]);

    /* Removes the URL's log and all else that this bus made there; other clusters stay. Nodes
     * that still run notice, and begin a new log where they may. ACCORD_E_GONE: there was
     * nothing. */
    int (*drop)(const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);

    /* What this URL leaves open that another of the same scheme would not: static text for
     * `accord status`, or NULL. Asks nothing of the server. */
    const char *(*caveat)(const char *url);
};

struct bus_ops {
    const char *scheme; /* "sqlite" */
    const char *also;   /* another scheme of the same bus ("postgresql"), or NULL */
    struct bus_caps caps;

    /* Connects, and creates what the log needs where it is missing. On failure *out is
     * untouched. ACCORD_E_INVALID: the URL; ACCORD_E_DENIED, ACCORD_E_UNSUPPORTED,
     * ACCORD_E_DOWN, _E_IO. */
    int (*open)(struct bus **out, const struct bus_settings *s, char why[BUS_WHY_BYTES_MAX]);
    void (*close)(struct bus *b); /* NULL is fine */

    /* With a cursor: proves it; ACCORD_E_GONE if it cannot be proven. `after` lies before every
     * entry younger than view_ms, so that the reader learns who is a member, and is the cursor
     * at most; with view_ms 0 it is the cursor. Reconnects where the connection was lost. */
    int (*attach)(struct bus *b, const struct cursor *resume, uint64_t view_ms,
                  struct bus_attached *out, char why[BUS_WHY_BYTES_MAX]);

    /* The entries after position `after`, at most DELIVER_BATCH_MAX; waits up to timeout_ms
     * for one, or until wake(). Each is TRUST_FULL: only what is around a bus (signed.h)
     * doubts. *entries is valid until the next call on this thread. 0 entries and ACCORD_OK:
     * none came. */
    int (*read)(struct bus *b, uint64_t after, uint64_t timeout_ms,
                const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX]);

    /* The newest position, with the proof that *at is still there (ACCORD_E_GONE). */
    int (*head)(struct bus *b, const struct cursor *at, uint64_t *head,
                char why[BUS_WHY_BYTES_MAX]);

    /* Appends 1 to PUBLISH_BATCH_MAX changes. *last: the place of the last of them (of one that
     * was there before: its position then), in the epoch of the log that took it: who reads the
     * log may not have noticed yet that it is another. ACCORD_E_TIMEOUT: unknown, repeat the
     * same messages. Anything else: none of them is in the log. */
    int (*publish)(struct bus *b, const struct change *changes, size_t count,
                   struct position *last, char why[BUS_WHY_BYTES_MAX]);

    void (*wake)(struct bus *b); /* makes a waiting read() return at once */

    /* B18, after attach(): there[i] of the node names[i], up to MEMBERS_MAX. NULL: there is no
     * server that could tell. ACCORD_E_DENIED: our user may not ask; _UNSUPPORTED: it cannot be
     * told. On failure `there` is untouched, and read() goes on all the same. */
    int (*present)(struct bus *b, const char *const *names, size_t count, bool *there,
                   char why[BUS_WHY_BYTES_MAX]);

    struct bus_tools tools;
};

struct bus_base {
    const struct bus_ops *ops;
};

/* The bus of the URL's scheme, or NULL with a list of the known ones in `why`. */
const struct bus_ops *bus_find(const char *url, char why[BUS_WHY_BYTES_MAX]);

/* What every publish() refuses: too many or too few, or a change that cannot be.
 * ACCORD_E_INVALID: `why` names the first such change. */
MUST_CHECK int bus_check_changes(const struct change *changes, size_t count,
                                 char why[BUS_WHY_BYTES_MAX]);

/* One line for `why`. Always returns `status`, so that a failure is one statement. */
PRINTF_LIKE(3, 4)
int bus_fail(char why[BUS_WHY_BYTES_MAX], int status, const char *format, ...);

#endif
