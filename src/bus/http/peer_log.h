/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_log.h - the local log of a node among HTTP peers: what it publishes and what its peers
 * send, in the order in which that arrived here.
 *
 * Each incarnation of a node is a stream of numbered changes: 1, 2, 3 …. A stream is appended
 * in its order and without holes; between streams each node has an order of its own, so that no
 * position here means anything elsewhere. What crosses the wire is a vector: how far, by the
 * numbers of each stream, a node's core has applied (also of one that has left, until each
 * reader of its vectors has been told that all of it is). peer_log_vector() makes one of a
 * position of this log, peer_log_place() a position of this log of another node's. Both round
 * down: what they do not know to be applied is not (docs/decision/http-peers.md,
 * model/orders.pml).
 *
 * When a stream cannot be continued, the log begins anew: another uuid and epoch, empty but for
 * the newest sign of life of each stream that goes on, so that its reader knows who is there.
 *
 * Memory is bounded by peer_log_prune(). Times are of the monotonic clock. Not thread-safe.
 */
#ifndef ACCORD_BUS_HTTP_PEER_LOG_H
#define ACCORD_BUS_HTTP_PEER_LOG_H

#include "bus/http/peer_talk.h"

enum {
    PEER_STREAMS_MAX = PEER_VECTOR_MAX,
    PEER_BEATS_RETAIN_MS = 3600 * 1000, /* members' entries, whatever retain_ms says */
};

struct peer_entry {
    struct peer_entry *same_bucket;
    unsigned references; /* the log's own, and of who reads it */
    uint64_t position, number;
    struct id128 incarnation, message; /* of its stream; of the change */
    bool of_member;                    /* a join, beat or leave: it removes nothing */
    bool is_sign;                      /* of life */
    bool translated;                   /* to this log: what its beat says was applied */
    uint64_t applied, applied_hash;
    uint64_t added_ms;
    size_t record_bytes;
    uint8_t record[];
};

struct peer_stream {
    bool used;
    bool parted; /* nothing more will come, and all of it has */
    struct id128 incarnation;
    uint64_t arrived;        /* the newest number in the log, or that needed not be */
    uint64_t at_checkpoint;  /* the newest number up to the log's checkpoint */
    uint64_t pruned;         /* the newest number that was pruned */
    bool told_whole;         /* a vector has said that all of it is applied here */
    uint64_t covered_to;     /* how far in this log the node of the stream has applied */
    uint64_t covered_hash;   /* entry_hash() there; 0: none */
    struct peer_entry *sign; /* its newest sign of life; or NULL */
    /* Of each stream that parted: the node of this one has said that it has applied all of it.
     */
    bool has_whole[PEER_STREAMS_MAX];
};

enum { PEER_BUCKETS = 16384 };

struct peer_log {
    struct id128 uuid;
    uint64_t epoch;
    struct peer_entry **entries; /* a deque: [first, first + count) */
    size_t first, count, capacity;
    size_t changes, bytes; /* of entries: those that are no members'; and memory */
    uint64_t newest;       /* position of the newest; 0: none */
    uint64_t pruned_to;    /* position of the newest that was pruned */
    uint64_t checkpoint;   /* a position up to which streams know their numbers */
    struct peer_stream streams[PEER_STREAMS_MAX];
    struct peer_entry *buckets[PEER_BUCKETS];
};

/* NULL: no memory. It is to be started. */
struct peer_log *peer_log_new(void);
void peer_log_free(struct peer_log *log); /* NULL is fine */

/* Another log. Streams that did not part go on. */
void peer_log_start(struct peer_log *log, struct id128 uuid, uint64_t epoch, uint64_t now_ms);

/* A stream of which nothing was heard yet, and nothing up to `after` is to be: its index; -1:
 * no room, until the log is started anew. */
int peer_log_meet(struct peer_log *log, struct id128 incarnation, uint64_t after);
/* Its node joins: its cache will begin empty after all that is here now. */
void peer_log_joins(struct peer_log *log, int stream);
/* Of a stream that is used; -1: none. */
int peer_log_stream(const struct peer_log *log, struct id128 incarnation);
/* It has ended, and all of it is here. */
void peer_log_part(struct peer_log *log, int stream);
/* It has ended, and not all of it may be here: the log has to be started anew after this. */
void peer_log_lose(struct peer_log *log, int stream);

/* A change on its way into the log; its vector, where it has one, is translated as the log is
 * when it is appended. NULL: no memory. The record is one that peer_ask_decode() let pass. */
struct peer_entry *peer_entry_new(struct bytes record);
void peer_entry_drop(struct peer_entry *e); /* one reference less */
/* Room for so many more: after it peer_log_append() cannot fail. False: no memory. */
MUST_CHECK bool peer_log_reserve(struct peer_log *log, size_t count);
/* The next of that stream. */
void peer_log_append(struct peer_log *log, int stream, struct peer_entry *e, uint64_t now_ms);
/* Says in it, before it is appended, what the vector beside it means here. */
void peer_log_translate(struct peer_log *log, int stream, struct peer_entry *e,
                        const struct peer_place *vector, size_t count);

/* What the core of this node has applied when it has applied up to `applied`; how many places.
 * None: it is too long ago to know. */
size_t peer_log_vector(struct peer_log *log, uint64_t applied,
                       struct peer_place out[PEER_VECTOR_MAX]);
/* The largest position here before the first change that the vector does not cover, as far as
 * `stream`'s node has ever said. *hash: of the entry there. */
uint64_t peer_log_place(struct peer_log *log, int stream, const struct peer_place *vector,
                        size_t count, uint64_t *hash);

const struct peer_entry *peer_log_find(const struct peer_log *log, struct id128 message);
/* NULL: there is none, or it was pruned. */
struct peer_entry *peer_log_at(const struct peer_log *log, uint64_t position);
/* Before every entry younger than view_ms, and as far back as nothing was pruned. */
uint64_t peer_log_view(const struct peer_log *log, uint64_t view_ms, uint64_t now_ms);

/* Drops what is older than it need be kept, and changes beyond a count, or entries beyond so
 * many bytes; never the newest. */
void peer_log_prune(struct peer_log *log, uint64_t retain_ms, uint64_t retain_changes,
                    size_t bytes_max, uint64_t now_ms);

#endif
