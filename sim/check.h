/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* check.h - was every promise kept? Judged by what users see alone: what they committed, what
 * the bus acknowledged, what they asked and were answered, and what they read, from when to
 * when. Nothing here knows how Accord works.
 *
 * Rows have versions that grow by one with each commit, and a value tells its version; so each
 * check is one comparison: a read may return no version below the highest floor that held when
 * it began. The files: check_fresh.c (P1), check_fill.c (P2), check_strict.c (P3), check_log.c
 * (P4), check_own.c (a host's own word: L1, SYNC, MAXSTALE), check_load.c (L11), check_end.c
 * (after the faults have ended: convergence, queues, leases).
 *
 * Times are of the world's true clock, in the order in which things happen. A *cache* is one
 * segment: what readers may have mapped, however dead its daemon. `excused`: the assumptions of
 * the promises do not hold for this host just now (a bus in two halves).
 */
#ifndef ACCORD_SIM_CHECK_H
#define ACCORD_SIM_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CHECK_KEYS_MAX = 32,
    CHECK_CACHES_MAX = 384,
    CHECK_HOSTS_MAX = 64,
    CHECK_HOLES_MAX = 256,
    CHECK_MEMORY = 900, /* entries that a host remembers one by one, at least */
    CHECK_RIGHTS_MAX = 128
};

/* From `at_ns` on nobody whom it concerns may see less than `version`. */
struct floor {
    uint64_t at_ns, version, best; /* best: of this and all before */
    uint64_t source;               /* of the change that raised it; 0: none */
};

struct floors {
    struct floor *list; /* at_ns never falls */
    size_t count, capacity;
};

void floors_add(struct floors *f, uint64_t at_ns, uint64_t version, uint64_t source);
/* The highest version of those before at_ns. */
uint64_t floors_before(const struct floors *f, uint64_t at_ns);
/* What `source` raised counts no more. */
void floors_void(struct floors *f, uint64_t source);

/* An entry that did not reach a host though it should have. */
struct check_hole {
    bool open;
    size_t host;
    uint64_t index; /* in the log */
    uint64_t sender, sequence;
    bool harmless; /* it was in the log before the host began, and so kept nothing */
    bool told;     /* the host knows of it: it holds no lease until it has what is missing */
    bool said;     /* its sender said it again: it may come late yet, and matters no more */
};

struct check_chain {
    bool begun;   /* an entry was applied since the cache was dropped */
    bool resumed; /* none was, but the first that is must come no later than the next one */
    bool cut;     /* the log lost what was applied, and shows it: a drop comes before a lease */
    uint64_t log, epoch, index, taking, serial;
    uint64_t place, place_serial; /* from which it resumes, and has not met yet; 0: none */
};

struct check_right {
    bool held;
    size_t cache, key;
    uint64_t client, until_ns;
};

struct check {
    void *context;
    void (*failed)(void *context, const char *promise, const char *text);
    size_t keys;
    uint64_t committed[CHECK_KEYS_MAX];
    struct floors acknowledged[CHECK_KEYS_MAX];
    struct floors strict[CHECK_KEYS_MAX];
    struct floors own[CHECK_CACHES_MAX][CHECK_KEYS_MAX];
    uint64_t applied[CHECK_CACHES_MAX][CHECK_KEYS_MAX];
    uint64_t unsure[CHECK_CACHES_MAX][CHECK_KEYS_MAX]; /* version + 1; 0: none */
    uint64_t unsure_ns[CHECK_CACHES_MAX][CHECK_KEYS_MAX];
    struct check_chain chains[CHECK_HOSTS_MAX];
    struct check_hole holes[CHECK_HOLES_MAX];
    size_t holes_made; /* of `holes` only so many were ever in use */
    struct check_right rights[CHECK_RIGHTS_MAX];
};

void check_begin(struct check *c, size_t keys); /* a new run; memory is kept */
void check_done(struct check *c);
void check_fail(struct check *c, const char *promise, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A read that answered "fresh". */
struct check_read {
    size_t cache, key;
    uint64_t version;
    uint64_t start_ns, end_ns;
    uint64_t since_ns; /* max_stale before the start, by the host's clock */
    bool excused;
};
void check_read(struct check *c, const struct check_read *r); /* all that can be asked of it */

/* ---- check_fresh.c: P1 --------------------------------------------------------------------
 */
void check_committed(struct check *c, size_t key, uint64_t version);
/* The bus has a removal, made when the row had `version`. */
void check_acknowledged(struct check *c, size_t key, uint64_t version, uint64_t at_ns,
                        uint64_t source);
/* The bus lost it and did not say so: no promise rests on it. */
void check_voided(struct check *c, uint64_t source);
void check_fresh_read(struct check *c, const struct check_read *r);

/* ---- check_fill.c: P2 ---------------------------------------------------------------------
 */
/* A removal made when the row had `version` took hold in this cache. */
void check_applied(struct check *c, size_t cache, size_t key, uint64_t version);
/* A fill was stored as fresh whose token came from something that has ended. */
void check_token_old(struct check *c, size_t key, const char *source);
/* A fill with that version was stored there as fresh. */
void check_stored(struct check *c, size_t cache, size_t key, uint64_t version);

/* It was kept there for an outage, as the answer said: it is never called fresh. */
void check_kept_unsure(struct check *c, size_t cache, size_t key, uint64_t version,
                       uint64_t at_ns);
void check_set(struct check *c, size_t cache, size_t key); /* or replaced, since */
/* The cache may take over what `from` holds; what was kept for an outage is that there, too. */
void check_unsure_inherited(struct check *c, size_t cache, size_t from);
void check_unsure_read(struct check *c, const struct check_read *r);

/* ---- check_strict.c: P3 -------------------------------------------------------------------
 */
void check_strict_done(struct check *c, size_t key, uint64_t version, uint64_t at_ns);
void check_strict_forget(struct check *c, size_t key);
void check_strict_read(struct check *c, const struct check_read *r);

/* ---- check_log.c: P4 ----------------------------------------------------------------------
 */
void check_dropped(struct check *c, size_t host); /* it said that it dropped its cache */
void check_anew(struct check *c, size_t host);    /* and reads the log from another place */
/* And begins with the log as it is now, which lost its newest part, from the place it asked
 * for. */
void check_begins(struct check *c, size_t host);
/* It goes on where an earlier daemon of the host stood, at that position of the log. */
void check_resumed(struct check *c, size_t host, const struct check_chain *stood,
                   uint64_t place);
/* The bus lets it read from behind that position on. */
void check_reads_after(struct check *c, size_t host, uint64_t position);
/* It applied an entry of that log in that epoch. */
struct check_entry {
    uint64_t log, epoch;
    uint64_t index;  /* how many entries of the log came before it, and itself */
    uint64_t taking; /* how many entries any log took before it, and itself */
    uint64_t position;
    uint64_t serial, before; /* what tells it, and the one before it, from all others */
};
void check_entry(struct check *c, size_t host, const struct check_entry *e);
/* An entry of this sender was not delivered to the host; the next one of the sender tells. A
 * second time it is no other. */
void check_hole(struct check *c, size_t host, const struct check_hole *hole);
bool check_has_hole(const struct check *c, size_t host); /* it was not told yet */
/* The entry that it applied last was of that sender. */
void check_sender(struct check *c, size_t host, uint64_t sender, uint64_t sequence);
/* It has met that one, and noticed that one before it is missing. */
void check_noticed(struct check *c, size_t host, uint64_t sender, uint64_t sequence);
/* It applied the sender's word that these lie in the log once more, before it. */
void check_resent(struct check *c, size_t host, uint64_t sender, uint64_t from, uint64_t until);
void check_leased(struct check *c, size_t host); /* it holds a lease now */
void check_host_gone(struct check *c, size_t host);

/* ---- check_own.c: what one host was told --------------------------------------------------
 */
/* A new cache, which may hold what `from` held (or nothing: CHECK_CACHES_MAX). */
void check_cache_begin(struct check *c, size_t cache, size_t from);
/* From now on reads in this cache see at least that version. */
void check_own_word(struct check *c, size_t cache, size_t key, uint64_t version,
                    uint64_t at_ns);
void check_own_read(struct check *c, const struct check_read *r);

/* ---- check_load.c: L11 --------------------------------------------------------------------
 */
/* `client` was told to load the key; it may until `until_ns`. */
void check_right_given(struct check *c, size_t cache, size_t key, uint64_t client,
                       uint64_t now_ns, uint64_t until_ns);
/* The key was filled or set there, or the client is gone. */
void check_right_used(struct check *c, size_t cache, size_t key);
void check_right_gone(struct check *c, size_t cache, uint64_t client);

/* ---- check_end.c --------------------------------------------------------------------------
 */
/* How a host stands at the end of the healing. */
struct check_host {
    const char *name;
    bool fresh, attached;
    uint64_t position, newest; /* its own, and the log's */
    uint64_t outbox, waiters, loads, kept;
    uint64_t lease_left_ns, max_stale_ns;
};
void check_healed(struct check *c, const struct check_host *h);
/* At any time: what may not exceed its bound. */
struct check_bound {
    const char *what;
    uint64_t is, max;
};
void check_bounds(struct check *c, const struct check_bound *bounds, size_t count);

#endif
