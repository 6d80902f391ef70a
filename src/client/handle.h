/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* handle.h - what an open handle holds, and how it stays whole: the mapping it reads, the
 * connections it asks over, a daemon that restarts, a process that forks.
 *
 * Reads pin `current` (client/pin.h) and take no lock. Requests check a connection out and in;
 * `lock` guards the lists and is never held over a wait, so that fork(), which takes it too,
 * and readers wait for nobody.
 *
 * Which daemon: every connection begins with ACCORD.ATTACH and so knows its daemon's
 * incarnation. If that is not the incarnation of `current`, the new mapping becomes current
 * before the connection carries its first request; idle connections of another incarnation are
 * dropped. Old mappings are retired, and unmapped once no thread pins them.
 */
#ifndef ACCORD_CLIENT_HANDLE_H
#define ACCORD_CLIENT_HANDLE_H

#include <accord.h>

#include "cache/reader.h"
#include "client/hang.h"
#include "client/link.h"
#include "client/pin.h"

#include <pthread.h>

enum {
    IDLE_CONNECTIONS_MAX = 16, /* kept open by one handle */
    REVIVE_EVERY_MS = 50,      /* how often reads look whether the daemon is back */
    REVIVE_CONNECT_MS = 50,    /* how long the one read that looks may be held up */
    ATTACH_AGAIN_MS = 1000,    /* how often reads over the socket ask for the mapping again */
    COLLECT_EVERY = 64,        /* reads that a thread counts for itself */
    SOCKET_PATH_BYTES_MAX = 108,
    BUS_WAIT_MS = 1000,        /* as long the daemon asks the bus for a read with a bound */
    WATCH_MARK_BYTES_MAX = 64, /* as ACCORD.WATCH gives it */
};

/* A mapped segment. Immutable, but for `line`. */
struct attachment {
    struct reader reader;
    /* Where this process counts its reads; NULL while no connection of ours holds a line. */
    _Atomic(struct reader_line *) line;
    void *hints;
    int segment_fd;          /* kept to give it back to a daemon that starts anew */
    struct attachment *next; /* in `retired` */
};

/* One connection of a handle; in `open` for its whole life, and in `idle` while nobody uses it.
 */
struct seat {
    struct link link;
    int64_t line; /* of the hints, as the daemon gave it; -1: none */
    struct seat *idle_next;
    struct seat *open_next, **open_at;
};

struct accord {
    _Atomic(const void *) current;   /* struct attachment; NULL: reads go over the socket */
    atomic_uint_least64_t revive_ns; /* when a read may look for the daemon again */
    atomic_uint_least64_t attach_again_ns; /* when a read over the socket may */
    atomic_bool reviving;
    atomic_bool has_retired; /* a hint */

    char path[SOCKET_PATH_BYTES_MAX];
    uint64_t connect_ns, request_ns, load_wait_ns; /* from the options */
    void *embed;                                   /* client/embed.h */
    struct hang hang;

    pthread_mutex_t lock;
    struct seat *idle, *open;
    size_t idle_count;
    char watch_mark[WATCH_MARK_BYTES_MAX]; /* of a watch that broke (client/watch.c) */
    unsigned watches_broken;               /* as many may begin anew with that mark */
    struct seat *line_of;                  /* whose line `current` counts in */
    struct attachment *retired;
    struct accord *next, **at; /* in the list of all handles */
};

/* Locks in the order: list of handles, then a handle. */
int handle_new(struct accord **out, const struct accord_options *options);
void handle_free(struct accord *a); /* closes and unmaps everything; NULL is fine */

/* ---- connections ---- */

enum { SEAT_HANGS = 1 }; /* the daemon hangs (client/hang.h): nothing was tried */

/* A connection to the daemon whose mapping is current, for this thread alone until seat_give()
 * or seat_drop(). *reused (may be NULL): it had idled, so the daemon may have closed it just
 * now. The errors of link_connect(); SEAT_HANGS, which no caller of the library sees. */
MUST_CHECK int seat_take(struct accord *a, uint64_t deadline_ns, struct seat **out,
                         bool *reused);
/* A new one that was never idle and does not attach, for a watch. */
MUST_CHECK int seat_take_plain(struct accord *a, uint64_t deadline_ns, struct seat **out);
/* One that idles, of whatever daemon; NULL: none. A new one that is connected, no more. Both
 * for client/hang.c, which asks whether there is life. */
struct seat *seat_idle(struct accord *a);
MUST_CHECK int seat_dial(struct accord *a, uint64_t deadline_ns, struct seat **out);
void seat_give(struct accord *a, struct seat *s); /* its last reply was read */
void seat_drop(struct accord *a, struct seat *s); /* closes it; NULL is fine */

/* ---- the mapping (client/attach.c) ---- */

/* Says ACCORD.ATTACH on a new connection and makes what it brings current. ACCORD_OK also where
 * the daemon refused: then `current` is NULL and reads go over the socket. */
MUST_CHECK int attach_seat(struct accord *a, struct seat *s, uint64_t deadline_ns);
/* Unmaps what was retired and is pinned by nobody. */
void attach_reclaim(struct accord *a);
void attach_unmap(struct attachment *at); /* NULL is fine */
/* The line that connection `s` held is not ours any more. With `lock` held. */
void attach_forget_line(struct accord *a, const struct seat *s);

/* After a read that was unsure, or that cannot count: looks, at most every REVIVE_EVERY_MS and
 * in one thread at a time, whether another daemon answers, and attaches to it. true: there is a
 * new mapping, read again. */
bool handle_revive(struct accord *a);

/* ---- requests (client/ask.c) ---- */

/* A command and its reply, on a connection that the caller has. The errors of client/link.h;
 * tells client/hang.h of replies and timeouts. */
MUST_CHECK int seat_ask(struct accord *a, struct seat *s, const struct bytes *args,
                        size_t count, uint64_t deadline_ns, const struct reply_node **out);
/* One command and its reply. *out is valid until the seat is given back. A daemon that closed
 * an idle connection just then is asked again on a new one. Every command of Accord may be
 * repeated. ACCORD_OK: there is a reply, perhaps an error of the daemon; else *seat is
 * untouched and the connection is closed. */
MUST_CHECK int ask(struct accord *a, const struct bytes *args, size_t count,
                   uint64_t deadline_ns, struct seat **seat, const struct reply_node **out);
/* The status that an error reply means; ACCORD_OK for any other reply. */
int ask_status(const struct reply_node *reply);
/* The instant `wait_ns` and a round trip from now. */
uint64_t ask_deadline_ns(const struct accord *a, uint64_t wait_ns);
uint64_t ns_of_ms(uint64_t ms);
/* Decimal digits of `number` in `text`. */
enum { DIGITS_MAX = 24 };
struct bytes digits(char text[DIGITS_MAX], uint64_t number);

/* The map that ACCORD.GET answers. */
struct answer {
    struct accord_result result;
    bool may_load; /* this connection holds the right to load */
    bool has_token;
    struct bytes value; /* points into the reply */
};
/* ACCORD_E_FORMAT: it is none; *out is untouched. */
MUST_CHECK int ask_answer(const struct reply_node *reply, struct answer *out);

/* ---- reads (client/read.c) ---- */

bool key_is_valid(const void *key, size_t key_bytes);
/* Copies as much of `value` as fits. ACCORD_E_SIZE: not all. */
int copy_value(struct bytes value, void *buffer, size_t buffer_bytes);
/* Adds what this thread counted to the process's reader line, if there is one. */
void collect_counts(struct accord *a);

static inline void token_give(const struct token *t, struct accord_token *out)
{
    _Static_assert(sizeof *t == sizeof *out, "a token fits its opaque copy");
    memcpy(out, t, sizeof *t);
}

static inline void token_take(const struct accord_token *t, struct token *out)
{
    memcpy(out, t, sizeof *out);
}

#endif
