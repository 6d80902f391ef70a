/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* acs_peers.h - tells ArsDigita's servers which keys this node has removed, as they tell each
 * other: GET http://host:port/SYSTEM/flush-memoized-statement.tcl?statement=KEY
 *
 * Each server has a queue of its own and is asked in parallel with the others, so that one that
 * is dead or slow delays nobody (T20), least of all the loop: acs_peers_tell() only copies. A
 * key leaves the queue when its server has answered "Successful."; who does not answer is asked
 * again, after a pause that doubles from ACS_RETRY_MS_MIN to ACS_RETRY_MS_MAX; an answer that
 * refuses (403, 404) is counted, told, and not asked for again. What is not here is no promise:
 * a queue that is full forgets its oldest keys, and it ends with the daemon.
 *
 * Loop thread, but for the client's thread inside.
 */
#ifndef ACCORD_NODE_ACS_PEERS_H
#define ACCORD_NODE_ACS_PEERS_H

#include "net/http_client.h"
#include "wire/change.h"

#include <uv.h>

enum {
    ACS_PEERS_MAX = 16,
    ACS_PEER_BYTES_MAX = 128, /* "host:port" */
    ACS_QUEUE_BYTES = 262144, /* keys that wait for one server, each with 4 bytes more */
    ACS_TELL_MS = 5000,       /* how long one may take to answer, as ArsDigita's own do */
    ACS_RETRY_MS_MIN = 100,
    ACS_RETRY_MS_MAX = 5000,
};

/* Keys in their order; full, it forgets its oldest. Pure; zeroed: empty. */
struct acs_queue {
    size_t first, used; /* bytes; a ring */
    uint64_t count, forgotten;
    uint8_t bytes[ACS_QUEUE_BYTES];
};
void acs_queue_add(struct acs_queue *q, struct bytes key);
/* The oldest, copied; its size, 0: there is none. */
size_t acs_queue_first(const struct acs_queue *q, uint8_t key[KEY_BYTES_MAX]);
void acs_queue_drop(struct acs_queue *q);

/* Whether a change of the log is for the servers to know: "told", or "whole" where it is more
 * than their protocol has words for (a tag, a prefix, a namespace, everything), or neither.
 * What is said here is told by who said it, and by nobody again (T16). */
enum acs_news { ACS_NO_NEWS, ACS_KEY, ACS_WHOLE };
enum acs_news acs_news_of(const struct entry *e, bool own);

struct acs_peer_counts {
    uint64_t told;      /* keys, by one server each */
    uint64_t waiting;   /* keys in queues */
    uint64_t refused;   /* answers that were no "Successful." */
    uint64_t failures;  /* times that a server did not answer */
    uint64_t forgotten; /* keys, for their queue was full */
    uint64_t unsaid;    /* changes for which ArsDigita's protocol has no words */
};

/* One line for the log: `what` is a literal. Loop thread. */
typedef void (*acs_peers_note)(void *context, const char *what, const char *server,
                               const char *why);

struct acs_peers;

/* NULL for none of them. `servers` are checked (acs_peer_is_valid()), and copied. */
MUST_CHECK int acs_peers_new(struct acs_peers **out, uv_loop_t *loop,
                             const char *const *servers, size_t count, acs_peers_note note,
                             void *context, char why[NET_WHY_BYTES_MAX]);
bool acs_peer_is_valid(const char *server);
/* An entry was applied. NULL is fine, here and below. */
void acs_peers_applied(struct acs_peers *p, const struct entry *e, bool own);
void acs_peers_count(struct acs_peers *p, struct acs_peer_counts *out);
/* "web1:8000 told; web2:8000 does not answer (why), 12 keys wait"; empty: there are none. */
void acs_peers_words(struct acs_peers *p, char *line, size_t size);
/* Gives up what is under way. The memory goes when the loop has run once more. */
void acs_peers_free(struct acs_peers *p);
/* Memory for that many, at most. */
size_t acs_peers_bytes(size_t count);

#endif
