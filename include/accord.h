/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* accord.h - one cache per host, read at memory speed, kept in accord across the fleet.
 *
 * A handle attaches to the host's daemon (`accord serve`). Reads come out of shared memory: no
 * lock, no system call. Everything else is one round trip over the daemon's unix socket.
 *
 *     struct accord *a;
 *     accord_open(&a, NULL, NULL);                       // $ACCORD_SOCKET or the default
 *     accord_get_or_set(a, key, key_bytes, load, my_row, NULL, buffer, sizeof buffer, &r);
 *     ... after the row's commit:
 *     accord_remove(a, key, key_bytes, NULL, NULL);      // gone on every host
 *
 * What a get answers, and what to do:
 *     ACCORD_HIT       use the value: no change acknowledged more than max_stale ago is missing
 *     ACCORD_STALE     use it if old data will do (why and age_ms say how old), or load
 *     ACCORD_NEGATIVE  the origin had no such row
 *     ACCORD_MISS      load from the origin, then accord_fill() with the token
 *     ACCORD_BUSY      another caller loads it; load yourself or come again
 *     ACCORD_UNSURE    the node cannot know: load from the origin (a fill is kept only briefly)
 *
 * Threads: a handle may be used by any number of threads at once. Fork: after fork() both
 * processes may go on using it. A restart of the daemon is survived: reads answer UNSURE until
 * it is back, and the handle attaches again by itself.
 *
 * Returns: ACCORD_OK (0) or a negative ACCORD_E_*; accord_strerror() has a text for each, and
 * accord_last_error() what happened this time and what to do. On failure out-parameters are
 * untouched unless said otherwise. Any function may answer ACCORD_E_INVALID (an argument;
 * nothing was done) and ACCORD_E_NOMEM; what asks the daemon also ACCORD_E_DOWN (it is not
 * there), ACCORD_E_TIMEOUT, ACCORD_E_FULL (it has no room for the request, or no connection
 * left, now), and ACCORD_E_IO or ACCORD_E_FORMAT (it said what cannot be). After ACCORD_E_DOWN
 * or ACCORD_E_TIMEOUT of a change nothing is known of it: it may be done. Each may be made
 * again.
 *
 * Keys are 1 to ACCORD_KEY_BYTES_MAX bytes of anything, tags and names text of as many bytes.
 * Times are milliseconds. What is passed in is borrowed for the call.
 *
 * A daemon that hangs: the first call that runs into its timeout, with no sign of life from the
 * daemon meanwhile, finds that. From then on calls that need it fail at once with
 * ACCORD_E_TIMEOUT, and accord_get_or_set() loads at once, until it gives a sign of life: each
 * call looks for one, without waiting. Calls under way wait as long as they were told to. Reads
 * are not touched: what is a hit stays one while the lease lasts, and then is UNSURE.
 * docs/operating/hangs.md has more.
 *
 * Start order: accord_open() fails where no daemon answers, so that a mistyped path is noticed.
 * With ACCORD_OPEN_WITHOUT_DAEMON it does not: the application starts, loads from the origin,
 * and the handle attaches once there is a daemon.
 */
#ifndef ACCORD_H
#define ACCORD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ACCORD_API __attribute__((visibility("default")))
#else
#define ACCORD_API
#endif

#define ACCORD_KEY_BYTES_MAX 8192
#define ACCORD_TAGS_MAX      32
#define ACCORD_FOREVER       UINT64_MAX

enum accord_status {
    ACCORD_OK = 0,
    ACCORD_E_NOMEM = -1,
    ACCORD_E_GAP = -2,
    ACCORD_E_FULL = -3,
    ACCORD_E_INVALID = -4,
    ACCORD_E_ABSENT = -5,
    ACCORD_E_TIMEOUT = -6,
    ACCORD_E_DOWN = -7,
    ACCORD_E_UNSURE = -8,
    ACCORD_E_TOKEN = -9,
    ACCORD_E_VERSION = -10,
    ACCORD_E_SIZE = -11,
    ACCORD_E_UNPUBLISHED = -12,
    ACCORD_E_BUSY = -13,
    ACCORD_E_GONE = -14,
    ACCORD_E_FORMAT = -15,
    ACCORD_E_IO = -16,
    ACCORD_E_CONFLICT = -17,
    ACCORD_E_UNSUPPORTED = -18,
    ACCORD_E_DENIED = -19,
    ACCORD_E_LOADER = -20,
    ACCORD_E_HELD = -21
};

enum accord_state {
    ACCORD_MISS = 0,
    ACCORD_HIT = 1,
    ACCORD_STALE = 2,
    ACCORD_NEGATIVE = 3,
    ACCORD_BUSY = 4,
    ACCORD_UNSURE = 5
};

enum accord_why {
    ACCORD_WHY_NONE = 0,
    ACCORD_WHY_ABSENT = 1,
    ACCORD_WHY_EXPIRED = 2,
    ACCORD_WHY_REMOVED = 3,
    ACCORD_WHY_UNSURE = 4,
    ACCORD_WHY_COLD = 5,
    ACCORD_WHY_REFRESH = 6,
    ACCORD_WHY_MAXSTALE = 7
};

struct accord; /* a handle */

enum accord_open_flag {
    /* A daemon that is not there, hangs, or does not let us in is no failure of accord_open():
     * it answers ACCORD_OK, and accord_last_error() says what is wrong. Reads are UNSURE then,
     * accord_get_or_set() loads, everything else fails as it would after a restart; whatever
     * is called next looks for the daemon again, and attaches. accord_status() says whether it
     * is there. For an application that must start, with its cache or without. */
    ACCORD_OPEN_WITHOUT_DAEMON = 1
};

/* Zero everywhere means the default. (Zero all of it: it may grow.) */
struct accord_options {
    uint32_t connect_timeout_ms; /* 1000 */
    uint32_t request_timeout_ms; /* 5000: of one round trip, waits not counted */
    uint32_t load_wait_ms;       /* 2000: how long get_or_set waits for another's load */
    unsigned flags;              /* enum accord_open_flag */
};

/* Attaches to the daemon at `address`: the path of its unix socket, or NULL for $ACCORD_SOCKET,
 * else /run/accord/accord.sock, else $XDG_RUNTIME_DIR/accord.sock (chosen now, and kept).
 * "embed:?bus=URL&name=N&…" runs a node inside this process instead (settings as of `accord
 * serve`).
 * ACCORD_E_DOWN: nobody listens there; ACCORD_E_DENIED: the socket's permissions; of "embed:"
 * also ACCORD_E_INVALID: a setting; ACCORD_E_CONFLICT: the node's name, or a socket or state
 * folder, is in use. accord_last_error() has the words. */
ACCORD_API int accord_open(struct accord **out, const char *address,
                           const struct accord_options *options);
/* Detaches, and frees *a. NULL is fine. No call may be under way, and watches are closed,
 * borrows released and batches ended before. The daemon goes on; an embedded node ends (about
 * as long as a publish takes at most). */
ACCORD_API void accord_close(struct accord *a);

/* Opaque: "nothing that touches this key was removed since". Copy it freely. */
struct accord_token {
    uint64_t opaque[5];
};

/* A place in the cluster's log. Copy it freely, send it to other hosts. Zeros: none. */
struct accord_position {
    uint64_t epoch;
    uint64_t value;
};

struct accord_result {
    int state;          /* enum accord_state */
    int why;            /* enum accord_why */
    int refresh;        /* a hit that is due: load it in the background */
    int negative;       /* the origin has no such row; also of a STALE that says so */
    size_t value_bytes; /* of the whole value, also where the buffer was smaller */
    uint64_t version;   /* 0: none */
    uint64_t age_ms;    /* since it was stored here */
    uint64_t ttl_ms;    /* left; ACCORD_FOREVER: does not expire; just loaded: as filled */
    struct accord_token token;
};

/* Copies the value of `key` to `buffer`. out->value_bytes > buffer_bytes: it was cut; the
 * answer is ACCORD_E_SIZE and *out is filled. `buffer` may be NULL where buffer_bytes is 0. No
 * daemon, or one that hangs, is no failure: ACCORD_OK with ACCORD_UNSURE. Memory speed; never
 * talks to the daemon, but to attach again after its restart (50 ms at most), or where it could
 * not share its memory with this process: then a read is a round trip. */
ACCORD_API int accord_get(struct accord *a, const void *key, size_t key_bytes, void *buffer,
                          size_t buffer_bytes, struct accord_result *out);

/* The same, with a bound of its own: what is answered as ACCORD_HIT or ACCORD_NEGATIVE misses
 * no change that the bus had acknowledged max_stale_ms before the call. Where memory cannot
 * prove that, the daemon asks the bus: a round trip, and up to a second more. 0 always does:
 * the read is linearizable on a bus whose head can be (`accord status` says which promises
 * hold). ACCORD_UNSURE, why ACCORD_WHY_MAXSTALE: the bus has not answered; load from the
 * origin. A bound larger than the cluster's does not relax that one. ACCORD_FOREVER: none of
 * its own. */
ACCORD_API int accord_get_within(struct accord *a, const void *key, size_t key_bytes,
                                 uint64_t max_stale_ms, void *buffer, size_t buffer_bytes,
                                 struct accord_result *out);

/* Zero-copy: *value points into shared memory until accord_release(), which says ACCORD_OK only
 * if the bytes were this key's value all the while; else forget what you computed from them
 * (ACCORD_E_GONE) and get again. Release every borrow, soon: a thread may hold 31 at a time
 * (ACCORD_E_FULL). Any thread may release it, once; released, or of a state without a value, it
 * has none and may be released again. After a failure there is nothing to release. */
struct accord_borrow {
    const void *value; /* NULL: there is none */
    size_t value_bytes;
    uint64_t opaque[8];
};
ACCORD_API int accord_borrow(struct accord *a, const void *key, size_t key_bytes,
                             struct accord_borrow *borrow, struct accord_result *out);
ACCORD_API int accord_release(struct accord *a, struct accord_borrow *borrow);

/* Many keys, their cache misses overlapped: about a third of the time of single gets. Each as
 * of accord_get(). ACCORD_E_SIZE: at least one was cut (its value_bytes > buffer_bytes), and
 * all results are filled; ACCORD_E_INVALID: nothing was read. */
struct accord_read {
    const void *key;
    size_t key_bytes;
    void *buffer;
    size_t buffer_bytes;
    struct accord_result result;
};
ACCORD_API int accord_get_many(struct accord *a, struct accord_read *reads, size_t count);

/* How a value is stored. NULL or zeros: the namespace's settings. More than 292 years is taken
 * for as much. */
struct accord_fill_options {
    uint64_t ttl_ms;   /* 0: the namespace's; ACCORD_FOREVER */
    uint64_t grace_ms; /* after it, served as STALE for so long; 0: the namespace's */
    uint64_t version;  /* 0: none; an older version never replaces a newer one, and where the
                          namespace has version = lsn or row, it must prove what removals say */
    int negative;      /* the origin has no such row; no value */
    const char *const *tags;
    size_t tag_count; /* at most ACCORD_TAGS_MAX */
};

/* Stores what was loaded after `token` was taken. ACCORD_E_TOKEN: something was removed since:
 * the value may be stale and was not stored; ACCORD_E_VERSION: it may be older than a removal,
 * or a newer one is here; ACCORD_E_HELD: too soon after a removal to know; ACCORD_E_SIZE:
 * larger than a block of the cache. Of all these the value may be used for this request, and
 * what was cached before is as it was (but of ACCORD_E_SIZE, where it may be gone).
 * ACCORD_E_UNSURE: kept only for the namespace's
 * unsure_ttl. The token is that of a get of this key; a zeroed one is ACCORD_E_TOKEN. */
ACCORD_API int accord_fill(struct accord *a, const void *key, size_t key_bytes,
                           const void *value, size_t value_bytes,
                           const struct accord_token *token,
                           const struct accord_fill_options *options);

/* What a loader found. The library copies it before it calls release(context). A loader may use
 * the handle; it may not leave by longjmp() or an exception. */
struct accord_loaded {
    const void *value;
    size_t value_bytes;
    struct accord_fill_options options;
    void (*release)(void *context); /* may be NULL */
};
/* Reads the origin. 0: *out is filled; anything else: failed, nothing is stored, nothing is
 * released, and accord_get_or_set() answers ACCORD_E_LOADER; accord_last_error() then names the
 * key and the number. */
typedef int (*accord_loader)(void *context, struct accord_loaded *out);

/* get, or load and fill: one loader per key and host at a time, its result shared (also called
 * memoize, fetch, remember). A loader may run in several processes when the right was lost to
 * load_timeout, or when somebody waited longer than load_wait_ms for another's.
 * A hit that is due for a refresh, and a value within its grace, make one caller load, in this
 * call; all others have the value there is at once, and so has that caller if its loader fails.
 * out->state says what came: HIT, STALE, NEGATIVE, or what the loader gave (HIT, NEGATIVE;
 * UNSURE: loaded, but not cached: something was removed meanwhile, or no daemon could keep it;
 * accord_last_error() says which).
 * ACCORD_E_SIZE as of accord_get(). */
ACCORD_API int accord_get_or_set(struct accord *a, const void *key, size_t key_bytes,
                                 accord_loader load, void *context,
                                 const struct accord_fill_options *defaults, void *buffer,
                                 size_t buffer_bytes, struct accord_result *out);

/* Changes. Each is applied here, published, then answered: ACCORD_OK means that the bus has it.
 * ACCORD_E_UNPUBLISHED: removed here, queued for the bus. `position` may be NULL. Of a daemon
 * with ack = local ACCORD_OK means that its disk has the change, from where the bus gets it,
 * and the position is zeros; but of ACCORD_WAIT. */
enum accord_flag {
    ACCORD_SOFT = 1, /* becomes stale instead of absent */
    ACCORD_WAIT = 2  /* strict: until no read anywhere can return the old value as fresh */
};
/* How another node stands to a removal with ACCORD_WAIT. */
enum accord_standing {
    ACCORD_CONFIRMED = 1, /* it has applied the removal */
    ACCORD_LAPSED = 2,    /* its lease has run out: what it has, it does not call fresh */
    ACCORD_UNKNOWN = 3    /* it may serve the old value; so the answer is ACCORD_E_TIMEOUT */
};
/* `node` is its name, "web2", and where several starts of it are known, "web2#1f2e3d4c". */
typedef void (*accord_standing_told)(void *context, const char *node, int standing);
struct accord_remove_options {
    unsigned flags;
    uint64_t wait_ms; /* only with ACCORD_WAIT; then ACCORD_E_TIMEOUT: not all can be known to
                         have removed it; the removal stays in the log */
    uint64_t version; /* not 0: only what is older than it, and what is filled later must prove
                         it. Not of tags; of more than one key where namespaces say
                         version = lsn */
    /* Names this removal, 1 to 64 bytes: made again with the same arguments and the same id, at
     * the same daemon, after a timeout or a lost connection, it waits for the first instead of
     * being made anew. (The daemon knows the newest 8,192; an older one is made again.) A new
     * change of the data needs a new id. NULL: none. */
    const char *id;
    /* With ACCORD_WAIT: called for each other node before the removal returns, be it ACCORD_OK
     * or ACCORD_E_TIMEOUT. May be NULL. */
    accord_standing_told standing;
    void *context;
};
/* Stores here, and removes what other hosts have of it (those with the same bytes keep them):
 * for who has just written the origin. ACCORD_E_SIZE: larger than a block of the cache: not
 * stored, and removed everywhere. options->negative is ACCORD_E_INVALID. */
ACCORD_API int accord_set(struct accord *a, const void *key, size_t key_bytes,
                          const void *value, size_t value_bytes,
                          const struct accord_fill_options *options,
                          struct accord_position *position);
/* Removes one key, everywhere; that it was nowhere is ACCORD_OK. After the origin's commit. */
ACCORD_API int accord_remove(struct accord *a, const void *key, size_t key_bytes,
                             const struct accord_remove_options *options,
                             struct accord_position *position);
/* Everything that was filled with this tag. */
ACCORD_API int accord_remove_by_tag(struct accord *a, const char *tag,
                                    const struct accord_remove_options *options,
                                    struct accord_position *position);
/* `name`: a declared namespace, a prefix that ends in its delimiter, or "*" for everything.
 * Another is ACCORD_E_INVALID, and nothing is removed. */
ACCORD_API int accord_clear(struct accord *a, const char *name,
                            const struct accord_remove_options *options,
                            struct accord_position *position);

/* Removals that travel together: they reach the other hosts in one publish, all of them or,
 * where that fails, none; neighbours in the log, with one fsync for all. (Readers may still see
 * them applied one after the other.) A batch holds at most ACCORD_BATCH_MAX; one more is
 * ACCORD_E_FULL, and the batch as it was. One thread at a time. Nothing happens before
 * accord_batch_commit(). */
#define ACCORD_BATCH_MAX 1024
struct accord_batch;
ACCORD_API int accord_batch_begin(struct accord *a, struct accord_batch **out);
ACCORD_API int accord_batch_remove(struct accord_batch *b, const void *key, size_t key_bytes);
ACCORD_API int accord_batch_remove_by_tag(struct accord_batch *b, const char *tag);
ACCORD_API int accord_batch_clear(struct accord_batch *b, const char *name);
/* As accord_remove() of all of them; a version only where all are keys. An empty batch is
 * ACCORD_E_INVALID. Frees the batch, whatever it answers. */
ACCORD_API int accord_batch_commit(struct accord_batch *b,
                                   const struct accord_remove_options *options,
                                   struct accord_position *position);
ACCORD_API void accord_batch_discard(struct accord_batch *b); /* NULL is fine */

/* The cluster's bound of staleness, 500 ms to 1 h, on every node. Raised, it is used 1.5 times
 * the new one later; lowered, at once, and the old one is waited for as long. */
ACCORD_API int accord_set_max_stale(struct accord *a, uint64_t max_stale_ms,
                                    struct accord_position *position);

/* For namespaces with version = lsn. Floor: from now on, until this node starts anew, every
 * fill must prove `version`, which was just read from the primary. Reset: the database was
 * restored, its versions begin anew; the namespace is removed too, on every host. */
ACCORD_API int accord_fence_floor(struct accord *a, const char *name, uint64_t version);
ACCORD_API int accord_fence_reset(struct accord *a, const char *name,
                                  struct accord_position *position);

/* Waits until this host has applied `position` (NULL: all that the bus has now): read your own
 * write, from any host. Zeros are ACCORD_E_INVALID. ACCORD_E_TIMEOUT after timeout_ms (0: it
 * has not, just now); ACCORD_E_GONE: the position is of another epoch of the log. */
ACCORD_API int accord_sync(struct accord *a, const struct accord_position *position,
                           uint64_t timeout_ms);

/* Every applied change whose key matches `pattern` (glob; NULL: all). A watch has a connection
 * of its own; one thread at a time; close it before the handle.
 *
 * Three words are of the cache itself, and their `key` is why, one line of text. "drop": this
 * host's cache was dropped. "cold-boot" follows, or comes at a start: it is empty, and what you
 * derived from it may miss changes. Every change after `position` is told: load anew what you
 * need, and go on. "warm": the daemon was started again, and kept the cache. */
struct accord_watch;
struct accord_change {
    const char *op;  /* "remove", "tag", "prefix", "namespace", "clear"; "drop", "cold-boot",
                        "warm"; ignore what you do not know */
    const void *key; /* valid until the next accord_watch_next() */
    size_t key_bytes;
    const char *origin; /* the node's name; "" for a person or a trigger */
    int soft;
    struct accord_position position;
};
ACCORD_API int accord_watch(struct accord *a, const char *pattern, struct accord_watch **out);
/* ACCORD_E_TIMEOUT: none came; ACCORD_E_DOWN: the daemon went away: changes may have been
 * missed. Watch anew, with the same handle: then you are told of the cold boot that you missed,
 * or that the daemon's start was warm, as soon as that is known. */
ACCORD_API int accord_watch_next(struct accord_watch *w, uint64_t timeout_ms,
                                 struct accord_change *out);
ACCORD_API void accord_watch_close(struct accord_watch *w); /* NULL is fine */

/* One line for people: "fresh, lease 2.4 s left, lag 0" or "unsure since …: why". Cut to fit,
 * and ended by a zero; text_bytes is at least 1. A round trip. ACCORD_E_DOWN: no daemon. */
ACCORD_API int accord_status(struct accord *a, char *text, size_t text_bytes);

/* One line for people about this thread's last call that failed, or that loaded what could not
 * be kept: the daemon's own words where it said some ("web3 did not confirm"). "" before the
 * first. Other calls that answer ACCORD_OK, and reads that answer ACCORD_E_SIZE, leave it as it
 * is. Valid until this thread's next call. */
ACCORD_API const char *accord_last_error(void);
ACCORD_API const char *accord_strerror(int status); /* static */
ACCORD_API const char *accord_version(void);        /* static: "0.1.0" */

#ifdef __cplusplus
}
#endif

#endif
