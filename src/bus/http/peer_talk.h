/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_talk.h - what HTTP peers say to each other: the body of a POST, and of its answer.
 *
 * A request tells changes of its sender's own stream, each with its number; or none: then it is
 * the question up to which number the peer has published. The answer always says that, and how
 * far the asker's stream has arrived. Both name both incarnations and the request's number, so
 * that an old copy of one is told from it; both bear the hash of their sender's set of members,
 * and the set where the other seems not to know it. Both end with a seal (peer_key.h).
 *
 * Pure. The bytes are hostile: whatever they hold, reading stays within them. Numbers are
 * little-endian; the layout is docs/format/peers.txt.
 */
#ifndef ACCORD_BUS_HTTP_PEER_TALK_H
#define ACCORD_BUS_HTTP_PEER_TALK_H

#include "bus/http/peer_key.h"
#include "bus/http/peer_set.h"
#include "wire/change.h"

enum {
    PEER_VECTOR_MAX = 2 * PEERS_MAX, /* who left lately is named, too */
    PEER_PLACE_BYTES = 24,
    PEER_WHY_BYTES_MAX = 320,
    PEER_ASK_HEAD_BYTES_MAX = 4 + 2 + 1 + PEER_ADDRESS_BYTES_MAX + 2 * 16 + 2 * 8 + 2 +
                              PEER_SET_BYTES_MAX + 2 * 8 + 4,
    PEER_ANSWER_BYTES_MAX = 4 + 2 + 2 * 16 + 2 * 8 + 2 + PEER_SET_BYTES_MAX + 2 * 8 + 2 +
                            PEER_WHY_BYTES_MAX + PEER_SEAL_BYTES,
    PEER_TOLD_BYTES_MAX = 2 + PEER_VECTOR_MAX * PEER_PLACE_BYTES + CHANGE_RECORD_BYTES_MAX,
};

/* Of a vector: the newest change of that incarnation's stream that was applied. */
struct peer_place {
    struct id128 incarnation;
    uint64_t number;
};

/* One change on its way, and beside a sign of life the vector of what its sender has applied.
 */
struct peer_told {
    size_t vector_count;
    struct peer_place vector[PEER_VECTOR_MAX];
    struct bytes record; /* docs/format/change.txt */
};

enum peer_kind {
    PEER_TELL = 1, /* a node, to another */
    PEER_FORGET,   /* a person's command: `from` is the address to be forgotten */
};

struct peer_ask {
    enum peer_kind kind;
    bool begins;                  /* what is before `first` will not be told to this peer */
    bool joins;                   /* its cache is empty, and stays so until it has joined */
    struct bytes from;            /* address */
    struct id128 incarnation, to; /* to: none: it is not known yet */
    uint64_t number;              /* grows with each of this incarnation */
    uint64_t hash;                /* of the set */
    struct bytes set;             /* peer_set_encode(); empty: only its hash is said */
    uint64_t first;               /* number of the first change told here, or of the next */
    uint64_t newest;              /* that was published */
    size_t count;
    struct bytes told; /* peer_told_next() */
};

enum peer_verdict {
    PEER_TAKEN = 1,
    PEER_UNKNOWN, /* to whom it was said is another incarnation: this is who is here */
    PEER_REFUSED, /* `why` says it to people */
};

struct peer_answer {
    enum peer_verdict verdict;
    bool met;                     /* `arrived` is of this asker's incarnation */
    struct id128 incarnation, to; /* to: the asker */
    uint64_t number;              /* of the request */
    uint64_t hash;
    struct bytes set;
    uint64_t arrived; /* of the asker's stream, up to here */
    uint64_t newest;  /* that the answerer has published */
    struct bytes why; /* printable ASCII */
};

/* Writes all before what is told, and leaves out its count, which peer_ask_end() sets: between
 * both stand peer_told_put()s. `out` has room for PEER_ASK_HEAD_BYTES_MAX. */
size_t peer_ask_begin(const struct peer_ask *a, uint8_t *out);
/* `out` has room for PEER_TOLD_BYTES_MAX. */
size_t peer_told_put(const struct peer_told *t, uint8_t *out);
/* `bytes` is the size so far; behind it is room for PEER_SEAL_BYTES. The whole size. */
size_t peer_ask_end(uint8_t *out, size_t head_bytes, size_t bytes, size_t count,
                    const struct peer_key *k);

/* Whose seal does not fit is ACCORD_E_DENIED; what is none, ACCORD_E_FORMAT. *out is untouched
 * then; else what it points to lies within `bytes`, and each change told can be taken. */
MUST_CHECK int peer_ask_decode(struct bytes bytes, const struct peer_key *k,
                               struct peer_ask *out);
/* The next of a->told, which goes on behind it. False: that was all. */
bool peer_told_next(struct bytes *told, struct peer_told *out);

/* `out` has room for PEER_ANSWER_BYTES_MAX. */
size_t peer_answer_encode(const struct peer_answer *a, const struct peer_key *k, uint8_t *out);
MUST_CHECK int peer_answer_decode(struct bytes bytes, const struct peer_key *k,
                                  struct peer_answer *out);

#endif
