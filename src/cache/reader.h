/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reader.h - reads the segment: lock-free, from any process and thread, with no system call.
 *
 * The order of loads is the proof of P1 and is fixed (design, section 5): the lease deadline
 * first (acquire); then generation and namespace; the two buckets; the item and its tags; the
 * copy; the bucket's sequence again; last the clock, compared with that first deadline. A
 * namespace with a max_stale of its own cuts that deadline to asked + max_stale, both loaded
 * before the generation.
 *
 * The mapping is parsed as hostile: whatever bytes it holds, no load leaves it, no loop is
 * unbounded. A reader that is killed anywhere leaves nothing behind.
 *
 * A struct reader is immutable after reader_init(): share it between threads. The hints mapping
 * is written without locks; its content can cost hit ratio, nothing else.
 */
#ifndef ACCORD_CACHE_READER_H
#define ACCORD_CACHE_READER_H

#include "base/base.h"
#include "base/state.h"
#include "cache/token.h"

struct block_entry;
struct lifetime_entry;
struct namespace_entry;
struct segment_header;
struct tag_entry;

#define SEGMENT_SECRET_BYTES 192 /* what XXH3 uses at most */

/* All fields are copied out of the header and checked at reader_init(), so that no later load
 * of a hostile header can move a bound. Private to src/cache, but for the first five. */
struct reader {
    const uint8_t *segment; /* mapped read-only; borrowed for the reader's life */
    size_t segment_bytes;
    uint8_t *hints; /* mapped read-write; NULL: hits are not reported to eviction */
    size_t hints_bytes;
    struct id128 incarnation;

    const struct segment_header *header;
    const uint8_t *blocks;
    const struct block_entry *table;
    const uint64_t *directory;
    const uint64_t *slots;
    const struct tag_entry *tags;
    const uint64_t *names;
    const struct namespace_entry *namespaces;
    const struct lifetime_entry *lifetimes;
    uint32_t *hint_words; /* one per bucket, NULL without hints */
    uint64_t arena_bytes;
    uint32_t block_shift; /* log2 of the bytes of a block */
    uint32_t block_count;
    uint32_t bucket_shift; /* log2 of the buckets of a block */
    uint32_t bucket_mask;
    uint32_t buckets_max;
    uint32_t high_bits; /* of a location, kept in the fingerprint lane */
    uint32_t fingerprint_mask;
    uint32_t namespace_count;
    uint32_t clock; /* enum segment_clock, and its parameters */
    uint64_t tsc_base;
    uint64_t tsc_mult;
    uint64_t ns_base;
    uint8_t secret[SEGMENT_SECRET_BYTES];
};

/* What one get found. Untouched fields are zero. */
struct read_result {
    enum accord_state state; /* never BUSY: only the daemon knows who loads */
    enum accord_why why;
    bool refresh;       /* a hit past refresh_at: one caller should load in the background */
    bool truncated;     /* the buffer was too small; value_bytes says what is needed */
    uint8_t flags;      /* enum item_flag; ITEM_NEGATIVE also with STALE: a stale absence */
    size_t value_bytes; /* of the whole value, also where the buffer was too small */
    uint64_t version;   /* 0: none */
    uint64_t age_ns;    /* since the fill (not since the origin wrote it) */
    uint64_t ttl_ns;    /* left until soft expiry; UINT64_MAX: never */
    struct token token; /* for a fill; meaningful for every state */
};

/* Checks header, format version and sizes of a mapping, and binds *r to it.
 * ACCORD_E_FORMAT: not a segment, of another format version, or larger than the mapping;
 * *r is untouched. `hints` may be NULL. */
MUST_CHECK int reader_init(struct reader *r, const void *segment, size_t segment_bytes,
                           void *hints, size_t hints_bytes);

/* Looks `key` up and copies the value (up to buffer_bytes of it) to `buffer`. HIT, STALE and
 * NEGATIVE come from an item; for the others value_bytes is 0 and the buffer's content means
 * nothing. A key of more than KEY_BYTES_MAX or of 0 bytes is a MISS.
 *
 * With a lease: HIT (why: refresh, where `refresh` is set); STALE (expired within its grace;
 * removed softly); NEGATIVE; MISS (absent; removed; expired; unsure: kept from an outage).
 * Without: STALE (unsure) for what was filled without a lease, and for all where the namespace
 * says so; else UNSURE. A negative item is NEGATIVE or, without a lease, STALE with
 * ITEM_NEGATIVE; never served past its soft expiry. */
void reader_get(const struct reader *r, struct bytes key, void *buffer, size_t buffer_bytes,
                struct read_result *out);

/* Zero-copy: b->value points into the segment and may change at any time. Use it, then ask
 * reader_borrow_valid(): only if that says true were the bytes what *out said, throughout. For
 * STALE it says only that the bytes did not change. */
struct borrow {
    struct bytes value;
    uint64_t bucket;   /* index of the bucket that named the item */
    uint64_t sequence; /* of that bucket when the borrow began */
    uint64_t deadline; /* the lease word that covers it, loaded first; 0: not fresh */
    bool held;         /* false: there is no value */
};
void reader_borrow(const struct reader *r, struct bytes key, struct borrow *b,
                   struct read_result *out);
MUST_CHECK bool reader_borrow_valid(const struct reader *r, const struct borrow *b);

/* One key of a batch read; out is filled as by reader_get(). */
struct read_request {
    struct bytes key;
    void *buffer;
    size_t buffer_bytes;
    struct read_result result;
};
/* Reads `count` keys, with the cache misses of up to GET_MANY_MAX of them overlapped. */
void reader_get_many(const struct reader *r, struct read_request *requests, size_t count);

/* The token for `key` now: take it before the origin is read. */
void reader_token(const struct reader *r, struct bytes key, struct token *out);

/* The segment's clock: nanoseconds, monotonic, the same in every process of the host.
 * Every *_ns in cache/ and core/ is of this clock. */
uint64_t reader_now_ns(const struct reader *r);

/* The lease: fresh before this instant; 0: none. `epoch` and `position` may be NULL. */
uint64_t reader_deadline_ns(const struct reader *r, uint64_t *epoch, uint64_t *position);

/* The newest question whose answer the lease rests on: a read with MAXSTALE m is fresh while
 * now - asked < m. 0: none. */
uint64_t reader_asked_ns(const struct reader *r);

/* Walks the live keys in no order: returns the next cursor (0: the end) and calls `each` for
 * the items of one bucket. An item may come twice; one that the index moves to an earlier
 * bucket during the walk (to make room for another key: rare) may be left out, as may one that
 * is evicted. `key` is a copy valid for the call. `scratch` holds one key: KEY_BYTES_MAX. */
typedef void (*reader_each)(void *context, struct bytes key, const struct read_result *item);
uint64_t reader_scan(const struct reader *r, uint64_t cursor, void *scratch,
                     size_t scratch_bytes, reader_each each, void *context);

/* Lines in the hints mapping where readers count what their gets answered, for the daemon to
 * sum. A line should have one thread at a time (who has which is agreed at attach): two that
 * share it lose counts, nothing else. All of it is hostile to the daemon. */
struct reader_line {
    uint64_t hits, stale, negative, misses, unsure;
    uint64_t spare[3];
};
enum { READER_LINES = 1024 };
/* NULL: no hints, or no such line. The mapping lives as long as the hints. */
struct reader_line *reader_count_line(const struct reader *r, uint32_t line);
/* Adds one to what `state` names; `line` may be NULL. */
void reader_line_add(struct reader_line *line, enum accord_state state);

#endif
