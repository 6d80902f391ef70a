/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* limits.h - every bound of every queue, table, buffer and name, once (law L9).
 *
 * A limit that a user can meet has a message and a test where it is enforced. */
#ifndef ACCORD_BASE_LIMITS_H
#define ACCORD_BASE_LIMITS_H

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

enum {
    KEY_BYTES_MAX = 8192,     /* a key, a tag, a prefix; at least 1 */
    NAMESPACES_MAX = 256,     /* declared namespaces, "default" included */
    NAMESPACE_BYTES_MAX = 64, /* a namespace's name */
    NODE_NAME_BYTES_MAX = 64, /* a node's name */
    MAX_STALE_MS_MIN = 500,   /* L, the cluster's bound of staleness */
    MAX_STALE_MS_MAX = 3600000,
    ITEM_TAGS_MAX = 32,           /* tags of one item, implicit prefixes included */
    REMOVE_KEYS_MAX = 1024,       /* keys or tags of one removal request */
    TOKEN_TEXT_BYTES_MAX = 64,    /* a printed token, terminating NUL included */
    POSITION_TEXT_BYTES_MAX = 48, /* a printed position, terminating NUL included */

    PUBLISH_BATCH_MAX = 1024,   /* changes that travel in one publish */
    DELIVER_BATCH_MAX = 256,    /* entries that a bus delivers at once */
    OUTBOX_CHANGES_MAX = 65536, /* changes accepted here and not yet seen in the log */
    POISON_TRIES = 3,           /* an entry that ended the process so often is skipped */
    POISONS_MAX = 16,           /* such entries that are remembered */
    RETRIES_MAX = 8192,         /* removals with an id that are known when asked for again */
    RETRY_ID_BYTES_MAX = 64,    /* such an id; at least 1 */
    POLICIES_BYTES_MAX = 255,   /* what a node says of its namespaces in each beat: cut */
    MEMBERS_MAX = 1024,         /* incarnations known at one time */
    SENT_CHANGES_MAX = 16384,   /* newest own changes that can be said again */
    HOLES_MAX = 16,             /* holes being repaired at one time; then the cache goes */
    HOLE_CHANGES_MAX = 1024,    /* changes that are missing in one of them */
    RESENDS_MAX = 16,           /* answers to who misses changes of ours, remembered */
    LOADS_MAX = 4096,           /* keys being loaded on this host at one time */
    FENCES_MAX = 7 * 16384,     /* removals that fills must prove to be newer than */
    WAITERS_MAX = 65536,        /* requests waiting for a load, a publish or a position */
    REQUESTS_MAX = 16,          /* requests that a door hands over at once */
    LETTERS_MAX = 16,           /* questions to other nodes that wait for answers */
    LETTER_ANSWERS_MAX = 1024,  /* answers to them, until they are handed on */
    LETTERS_TAKEN_MAX = 64,     /* answers given to other nodes, remembered */
    LETTER_WAIT_MS_MAX = 60000, /* how long an answer may be waited for */

    CONNECTIONS_DEFAULT = 10000,     /* clients of one door */
    RESP_ARGS_MAX = 1048576,         /* arguments of one command, as Redis */
    RESP_INLINE_BYTES_MAX = 65536,   /* one inline command, as Redis */
    RESP_BULK_BYTES_MAX = 536870912, /* the declared length of one argument, as Redis */
    MISS_TOKENS_MAX = 1024,          /* missed GETs whose token a connection remembers */
    GET_MANY_MAX = 64,               /* keys that one batch read prefetches together */
    CHP_PROPERTIES_BYTES_MAX = 1024, /* properties of one CHP message */
    CHP_DOORS_MAX = 4,               /* addresses with chp:// */
    CHP_KEYS_MAX = 1048576,          /* keys that clients of one CHP door are told of */
    CHP_UPDATES_MAX = 100000,        /* updates on their way to one subscriber; more are lost */
    CHP_SNAPSHOTS_MAX = 256,         /* snapshots under way at one door */
    CHP_SETS_MAX = 16384, /* sets of CHP clients that wait for the bus, at one door */
};

#define SEGMENT_BYTES_MIN  (8 * MIB)
#define SEGMENT_BYTES_MAX  (64 * GIB)
#define OUTBOX_BYTES_MAX   (64 * MIB) /* keys of those changes, summed */
#define OUTPUT_BYTES_MAX   (64 * MIB) /* replies a client has not read; then it is closed */
#define CHP_KEYS_BYTES_MAX (64 * MIB) /* those keys and their properties, summed */
#define CHP_FRAME_BYTES_MAX                                                                    \
    (MIB + 64)                   /* one frame from a CHP client; then it is disconnected */
#define SENT_BYTES_MAX (4 * MIB) /* keys of SENT_CHANGES_MAX, summed */
/* What all clients of a node hold together: then who holds the most is closed. */
#define CLIENTS_BYTES_DEFAULT (256 * MIB)
#define CLIENTS_BYTES_MIN     (16 * MIB)

#endif
