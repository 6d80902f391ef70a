/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* writer.h - the one writer of a segment: fills, removals, eviction, lease word, position.
 *
 * One owner, one thread. Pure: memory comes from the caller, time comes in as now_ns of the
 * segment's clock (reader_now_ns). Nothing here blocks or allocates. Each call leaves a segment
 * that readers may read at any instant of it, and that is whole if the process dies in it.
 *
 * Removals bump their counter first, then unlink (law L2): a fill that began before is refused.
 */
#ifndef ACCORD_CACHE_WRITER_H
#define ACCORD_CACHE_WRITER_H

#include "base/base.h"
#include "cache/token.h"

enum item_flag {
    ITEM_NEGATIVE = 1, /* the origin has no such row; there is no value */
    ITEM_UNSURE = 2,   /* filled without a lease: never a hit, only stale (why: unsure) */
    ITEM_SOFT = 4,     /* removed softly: stale until loaded anew */
};

enum when_unsure { WHEN_UNSURE_LOAD, WHEN_UNSURE_STALE, WHEN_UNSURE_ERROR };

/* What readers must know of a namespace; the rest of its settings lives in core/policy. */
struct segment_namespace {
    char name[64 + 1]; /* without the colon; "" is "default" */
    enum when_unsure when_unsure;
    uint32_t refresh_permille; /* of the ttl; 0 or 1000: no refresh-ahead */
    uint32_t jitter_permille;  /* how much earlier a ttl may end, spread by key */
    char delimiter;            /* '\0': no implicit prefix tags */
    uint64_t max_stale_ns;     /* tighter than the lease; 0 or UINT64_MAX: as the lease */
};

/* Which clock readers use, and how: see docs/format/segment.txt "Clock". */
enum segment_clock { CLOCK_CLASS_BOOTTIME, CLOCK_CLASS_TSC };
struct segment_clock_settings {
    enum segment_clock clock;
    uint64_t tsc_base; /* TSC: ns = ((tsc - tsc_base) * tsc_mult) >> 32, plus ns_base */
    uint64_t tsc_mult;
    uint64_t ns_base; /* added to the TSC's ns; for BOOTTIME an offset added to it */
};

struct segment_settings {
    size_t memory_bytes; /* SEGMENT_BYTES_MIN..MAX: everything, tables included */
    struct id128 incarnation;
    uint64_t seed; /* of the hash secret; random */
    struct segment_clock_settings clock;
    const struct segment_namespace *namespaces; /* [0] is "default"; borrowed for the call */
    size_t namespace_count;                     /* 1..NAMESPACES_MAX */
};

/* Bytes to map for the segment and for the hints, and of private memory for the writer.
 * ACCORD_E_INVALID: memory_bytes or namespace_count out of bounds; nothing written. */
struct segment_sizes {
    size_t segment_bytes;
    size_t hints_bytes;
    size_t writer_bytes; /* private: chains, ghosts, adaptation */
    size_t fixed_bytes;  /* of segment_bytes: header, counters, namespaces; printed at start */
    size_t block_bytes;
    size_t block_count;
    size_t value_bytes_max; /* of a value with a 1-byte key */
};
MUST_CHECK int segment_sizes(const struct segment_settings *s, struct segment_sizes *out);

struct writer; /* lives in the caller's writer_bytes, zeroed and 64-byte aligned */

/* Formats `segment` (zeroed, page-aligned) and `hints` (zeroed) as segment_sizes() said. There
 * is no lease, epoch 1, position 0. All memory is borrowed for the writer's life. */
MUST_CHECK int writer_init(struct writer **out, void *memory, void *segment, void *hints,
                           const struct segment_settings *s);

/* What to store. Pointers are borrowed for the call. */
struct item {
    struct bytes key;
    struct bytes value;
    uint8_t flags;     /* enum item_flag */
    uint64_t version;  /* 0: none */
    uint64_t ttl_ns;   /* until soft expiry; UINT64_MAX: never; 0 is invalid */
    uint64_t grace_ns; /* after it, for how long it may be served stale */
    const struct bytes *tags;
    size_t tag_count; /* with implicit prefixes at most ITEM_TAGS_MAX */
};

/* Stores `item`. With a token, refuses what the token does not cover. The item replaces any of
 * the same key. ACCORD_E_TOKEN: outdated; ACCORD_E_VERSION: an item with a higher version is
 * here; ACCORD_E_SIZE: key, tags or value too large. On refusal nothing changed, except that
 * after E_SIZE any older item of the key is gone too (it must not outlive the refused one). */
MUST_CHECK int writer_fill(struct writer *w, const struct item *item, const struct token *token,
                           uint64_t now_ns);

/* Removals. `soft`: what is there becomes stale instead of absent. All O(1) in the number of
 * items. removed: true where an item of that key was live (by key only). */
bool writer_remove_key(struct writer *w, struct bytes key, bool soft, uint64_t now_ns);
void writer_remove_tag(struct writer *w, struct bytes tag, bool soft);
/* `prefix` ends in its namespace's delimiter, else ACCORD_E_INVALID and nothing changed. */
MUST_CHECK int writer_remove_prefix(struct writer *w, struct bytes prefix, bool soft);
/* ACCORD_E_ABSENT: no such namespace is declared; nothing changed. */
MUST_CHECK int writer_remove_namespace(struct writer *w, struct bytes name, bool soft);
void writer_clear(struct writer *w, bool soft);

/* Bumps the key's slot and keeps the item if its value has this fingerprint (a peer stored the
 * same bytes), else removes it as writer_remove_key() does. Returns whether it was kept. */
bool writer_remove_unless(struct writer *w, struct bytes key, uint64_t fingerprint,
                          uint64_t now_ns);
/* Bumps the key's slot, and removes the item as writer_remove_key() does unless its version is
 * `version` or later. Returns whether an item was removed. */
bool writer_remove_older(struct writer *w, struct bytes key, uint64_t version, bool soft,
                         uint64_t now_ns);
/* The fingerprint that travels with a SET: the same on every node, unlike the hash of keys. */
uint64_t value_fingerprint(struct bytes value);

/* Changes the expiry of a live item, everything else kept. ACCORD_E_ABSENT: none there. */
MUST_CHECK int writer_expire(struct writer *w, struct bytes key, uint64_t ttl_ns,
                             uint64_t grace_ns, uint64_t now_ns);

/* What reader_get() would find for `key` at now_ns, without its value: state, why, refresh,
 * flags, value_bytes, version, age, ttl and the token. For the owner of the writer, who knows
 * the time and has no mapping of its own. Nothing is written, no hint either. */
struct read_result;
void writer_peek(const struct writer *w, struct bytes key, uint64_t now_ns,
                 struct read_result *out);

/* A keyed hash: nobody outside can make two names share one. */
uint64_t writer_hash(const struct writer *w, struct bytes name);
/* The index of the namespace that `key` belongs to; 0 is "default". */
size_t writer_namespace_of(const struct writer *w, struct bytes key);
/* Asks for the memory in which a key's item would be looked for, and waits for nothing. */
void writer_prefetch(const struct writer *w, struct bytes key);

/* The lease word. deadline_ns 0 ends the lease; a new epoch refuses all tokens given before and
 * must follow every loss of it. asked_ns: see reader_asked_ns(). */
void writer_set_lease(struct writer *w, uint64_t deadline_ns, uint64_t asked_ns);
void writer_new_epoch(struct writer *w);
/* Position and epoch of the log applied so far, for readers; after the unlinks (law L2). */
void writer_set_position(struct writer *w, uint64_t position);
/* The log that positions are of from now on; what an older log said must be cleared by now, for
 * a process may die between any two stores. */
void writer_set_log(struct writer *w, struct id128 log, uint64_t epoch);
/* Switches readers to another clock (the TSC was found wrong). Ends the lease first. */
void writer_set_clock(struct writer *w, const struct segment_clock_settings *clock);

/* Counted since writer_init(), but for the first four, which are what is there now. */
struct writer_counts {
    uint64_t items;
    uint64_t item_bytes; /* keys and values of those, expired ones included */
    uint64_t used_bytes; /* blocks in use, index included */
    uint64_t index_bytes;
    uint64_t fills, fills_refused_token, fills_refused_version, fills_refused_size;
    uint64_t removed, evicted, evicted_by_index, copied, expired_dropped, ghost_hits;
};
void writer_count(const struct writer *w, struct writer_counts *out);
/* What an item, its key, value and tags, must fit. */
size_t writer_block_bytes(const struct writer *w);

/* Asserts every invariant that can be checked by walking it all; for tests and the simulator.
 */
void writer_check(const struct writer *w);

#endif
