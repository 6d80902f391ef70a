/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_node.h - one of a cluster of HTTP peers, without its sockets and threads: what it asks
 * each peer, what it answers, and what its bus may say of that (docs/decision/http-peers.md;
 * the names are those of model/orders.pml, members.pml and peers.pml).
 *
 * It joins: until every member of its set has answered with that same set, it publishes nothing
 * and nothing can be attached. Then it is in: what it publishes stands in its journal until
 * each member has it, and its head is known when each of them has said, after it was asked, up
 * to which number it has published, and all of that has arrived. A peer that became another
 * incarnation, or whose journal no longer holds what is missing, is a new epoch of the local
 * log.
 *
 * The owner carries: peer_node_ask() gives what to send to a peer next, if anything; then
 * peer_node_answered() or peer_node_failed(), once; peer_node_handle() answers what a peer
 * sends. Times are of the monotonic clock. Not thread-safe; nothing here blocks.
 */
#ifndef ACCORD_BUS_HTTP_PEER_NODE_H
#define ACCORD_BUS_HTTP_PEER_NODE_H

#include "bus/bus.h"
#include "bus/http/peer_journal.h"
#include "bus/http/peer_log.h"

enum {
    PEER_ENDED_MAX = 8,                     /* earlier incarnations of a peer, remembered */
    PEER_LOG_BYTES_MAX = 128 * 1024 * 1024, /* of the local log's entries */
};

struct peer_node_settings {
    const char *address; /* where this node can be asked: host:port; copied */
    const char *const
        *listed; /* addresses of others that are in, unless somebody knows better */
    size_t listed_count;
    uint64_t max_stale_ms, retain_ms, retain_changes;
    struct peer_key key;
    struct id128 (*draw)(void *context); /* random, never none */
    void *draw_context;
};

/* What is known of one address. */
struct peer {
    char address[PEER_ADDRESS_BYTES_MAX + 1];
    struct id128 incarnation;           /* none: it was not heard of, or has ended */
    struct id128 ended[PEER_ENDED_MAX]; /* its earlier ones, a ring */
    size_t ended_count;
    int stream;     /* of the local log; -1: nothing of it has come yet */
    uint64_t heard; /* number of its newest request */

    uint64_t next; /* of our stream, to be told next */
    bool begun;    /* it has said how far our stream arrived */
    bool asked;    /* a question is on its way: */
    uint64_t asked_number, asked_head;
    uint64_t known_hash;    /* of its set, as it last said */
    uint64_t agreed_hash;   /* of ours, when it last said the same */
    uint64_t answered_head; /* the newest head question that it answered with the same set */
    uint64_t newest;        /* number of its newest change, by that answer */
    unsigned failures;      /* since it last answered */
    uint64_t answered_ms;   /* when that was; 0: never */
    char why[PEER_WHY_BYTES_MAX]; /* of the newest failure */
};

enum peer_node_state {
    NODE_JOINS,
    NODE_IS_IN,
    NODE_HAS_LEFT,
};

struct peer_node {
    struct peer_node_settings settings;
    enum peer_node_state state;
    struct id128 incarnation;
    struct peer_set set;
    struct peer peers[PEERS_MAX]; /* [0] is this node */
    size_t peer_count;
    struct peer_log *log;
    struct peer_journal journal;
    int own_stream;
    bool attached;    /* to the log as it is */
    uint64_t numbers; /* of requests */
    uint64_t heads;   /* questions begun */
    uint8_t *out;     /* what is to be sent */
    size_t out_capacity;
    uint8_t set_bytes[PEER_SET_BYTES_MAX];
};

/* ACCORD_E_FULL: too many listed; _E_NOMEM. */
MUST_CHECK int peer_node_init(struct peer_node *n, const struct peer_node_settings *s,
                              uint64_t now_ms);
void peer_node_done(struct peer_node *n); /* of a zeroed one: nothing */

/* Whether there is anything to say to that peer, and nothing on its way to it. */
bool peer_node_wants(const struct peer_node *n, size_t peer);
/* The request, valid until the next call; empty: no memory. A probe tells no changes: for one
 * that is sent later. */
struct bytes peer_node_ask(struct peer_node *n, size_t peer, bool probe);
/* What became of it. What is no answer to it counts as a failure. */
void peer_node_answered(struct peer_node *n, size_t peer, struct bytes body, uint64_t now_ms);
void peer_node_failed(struct peer_node *n, size_t peer, const char *why);

/* What a peer sent: the answer's size. `out` has room for PEER_ANSWER_BYTES_MAX.
 * ACCORD_E_FORMAT, _E_DENIED: it is none, or has not our key; there is no answer. */
MUST_CHECK int peer_node_handle(struct peer_node *n, struct bytes body, uint64_t now_ms,
                                uint8_t *out, size_t *bytes);

/* ACCORD_OK: it is in; else ACCORD_E_DOWN, and `why` names whom it waits for. */
MUST_CHECK int peer_node_joined(struct peer_node *n, char why[BUS_WHY_BYTES_MAX]);

/* A question about the head begins. */
uint64_t peer_node_head_begin(struct peer_node *n);
/* ACCORD_OK: it is the end of the local log. ACCORD_E_BUSY: not yet. ACCORD_E_TIMEOUT: it
 * cannot be known, for somebody is silent: `why` says who. */
MUST_CHECK int peer_node_head(const struct peer_node *n, uint64_t question,
                              char why[BUS_WHY_BYTES_MAX]);

/* Of bus.h, which has checked the changes. ACCORD_E_DOWN: the log that is here is not the one
 * that was attached. ACCORD_E_NOMEM: nothing was published. */
MUST_CHECK int peer_node_publish(struct peer_node *n, const struct change *changes,
                                 size_t count, uint64_t now_ms, struct position *last,
                                 char why[BUS_WHY_BYTES_MAX]);

/* Whether each other member has all that was published here. */
bool peer_node_is_told(const struct peer_node *n);
/* This node publishes nothing any more, and says so to whoever asks or is asked. */
void peer_node_leave(struct peer_node *n);
/* Whether each other member has all, and knows of it. */
bool peer_node_left_cleanly(const struct peer_node *n);

/* A person's command (accord bus forget), to be sent to a node whose incarnation an answer
 * told: `to` none asks for that. The size; `out` has room for PEER_ASK_HEAD_BYTES_MAX and a
 * seal. */
size_t peer_forget_ask(const char *address, struct id128 to, const struct peer_key *k,
                       uint8_t *out);

#endif
